"""The webcam widget in the real thing: JupyterLab in headless Chromium with a fake camera."""

import io
import os
import re
import statistics

import jupyter_browser as lab
import numpy as np
import pytest
from PIL import Image

import fernb
from fernb import config
from fernb.video.following import FaceFollower
from fernb.video.reading import FaceReader
from fernb.video.stream import frames
from fernb.video.table import Table

if lab.CHROMIUM is None and "CI" not in os.environ:
    pytest.skip("there is no Chromium; install it to test the webcam widget", allow_module_level=True)
pytestmark = pytest.mark.xdist_group("browser")  # one server, one browser at a time

WIDGET = "from fernb.widgets.webcam import Webcam\nwidget = Webcam(detector='haar')\nwidget"
CLIP = config.SAMPLES / "emotions.mp4"
EXPLORERS = f"""
from fernb.widgets.photo import PhotoUpload
from fernb.widgets.video import VideoExplorer
display(PhotoUpload(detector="haar"), VideoExplorer({str(CLIP)!r}, "clip.csv"))
"""
SECOND_VIEW = "display(widget)"
TABLE = "rows = widget.readings()\nprint('rows', len(rows), rows.track.nunique(), len(widget.snapshots))"
FIGURE = "import time\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nplt.plot([2, 1])\ntime.sleep(1)"
SLOW = """
import time
from fernb.networks.recogniser import Recogniser
from fernb.widgets.webcam import Webcam

class Slow(Recogniser):
    waits = iter([0, 4])  # seconds

    def predict(self, faces, flip=False):
        wait = next(self.waits, 0.3)
        if not wait:
            raise ValueError("out of order")
        time.sleep(wait)
        return super().predict(faces)

widget = Webcam(Slow(), detector="haar")
widget
"""


def two_faces() -> np.ndarray:
    """A 640x480 picture with real faces at the lower left and the upper right."""
    picture = np.full((480, 640, 3), (96, 112, 128), np.uint8)
    picture[190:446, 30:286] = fernb.read_image(config.SAMPLES / "eileen_collins.jpg")[:256, 96:352]
    picture[30:225, 400:595] = fernb.read_image(config.SAMPLES / "grace_hopper.jpg")[30:420:2, 70:460:2]
    return picture


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    lab.write_mjpeg(folder / "still.mjpeg", [two_faces()] * 10)
    with Table(folder / "clip.csv", fernb.EMOTIONS) as table:
        for frame, readings in FaceReader(follower=FaceFollower(detector="haar")).read(frames(CLIP, 1)):
            table.add(frame, readings)
    lab.write_notebook(folder / "explorers.ipynb", EXPLORERS)
    lab.write_notebook(folder / "webcam.ipynb", WIDGET, SECOND_VIEW, TABLE, FIGURE)
    lab.write_notebook(folder / "one.ipynb", WIDGET)
    lab.write_notebook(folder / "slow.ipynb", SLOW)
    return folder


@pytest.fixture(scope="module")
def address(home):
    with lab.jupyter(home) as address:
        yield address


@pytest.fixture(scope="module")
def playwright():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright, home):
    assert lab.CHROMIUM, "there is no Chromium; .ci/run installs it"
    with lab.chromium(playwright, home / "profile", home / "still.mjpeg") as context:
        yield context


@pytest.fixture(scope="module")
def shared_page(browser, address, home):
    return lab.run_notebook(browser, address, home / "webcam.ipynb")


@pytest.fixture(scope="module")
def explorers(browser, address, home):
    """A notebook with the widgets for photographs and for scanned videos."""
    return lab.run_notebook(browser, address, home / "explorers.ipynb", shown=".widget-hslider")


@pytest.fixture
def page(shared_page):
    """The notebook with the widget shown twice and the camera off."""
    yield shared_page
    stop(shared_page)
    shared_page.evaluate(
        "() => { readings.length = 0; delete document.hidden; navigator.mediaDevices.getUserMedia = ask }"
    )


def view(page, selector: str, number: int = 0):
    return page.locator(f".fernb-webcam {selector}").nth(number)


def state(page, *states: str, seconds: float = 20) -> str:
    """Wait until the widget is in one of ``states``; return its words."""
    wanted = ", ".join(f'.fernb-webcam[data-state="{one}"]' for one in states)
    page.wait_for_selector(wanted, timeout=1000 * seconds)
    return view(page, ".state").inner_text()


def start(page, readings: int = 3) -> None:
    view(page, ".start").click()
    state(page, "running")
    wait_for_readings(page, readings)


def stop(page) -> None:
    button = page.locator(".fernb-webcam .start", has_text="Stop camera").first
    if button.count():
        button.click()
        state(page, "idle")


def wait_for_readings(page, count: int) -> None:
    page.wait_for_function(f"readings.length >= {count}", timeout=30_000)


def picture(locator) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB"))


def drawn_boxes(page) -> np.ndarray:
    """Left, top, right, bottom of the opaque black edge on the overlay's left half and on its right one."""
    return np.array(
        page.evaluate(
            """() => {
              const canvas = document.querySelector(".fernb-webcam .stage canvas");
              const { width, height } = canvas;
              const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
              const found = [0, 1].map(() => [width, height, 0, 0]);
              for (let i = 0; i < width * height; i++) {
                if (data[4 * i] + data[4 * i + 1] + data[4 * i + 2] > 20 || data[4 * i + 3] < 250) continue;
                const [x, y] = [i % width, Math.floor(i / width)];
                const [left, top, right, bottom] = found[Number(x > width / 2)];
                found[Number(x > width / 2)] =
                  [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
              }
              return found;
            }"""
        )
    )


def faces_on_screen(page) -> np.ndarray:
    """Left, top, right, bottom of the two faces in the picture on the screen, without the drawing, left one first."""
    page.add_style_tag(content=".fernb-webcam .stage.bare canvas { visibility: hidden }")
    page.evaluate("document.querySelector('.fernb-webcam .stage').classList.add('bare')")
    found = fernb.find_faces(picture(view(page, ".stage")), "haar")
    page.evaluate("document.querySelector('.fernb-webcam .stage').classList.remove('bare')")
    return np.array(sorted([face.x, face.y, face.x + face.w, face.y + face.h] for face in found))


def test_the_camera_starts_only_by_its_button(page):
    assert "off" in state(page, "idle")
    assert page.evaluate("[cameras.length, lit()]") == [0, 0]
    assert "nowhere else" in page.locator(".fernb-webcam").first.inner_text()


@pytest.mark.parametrize("mirror", [True, False])
def test_boxes_lie_on_the_faces(page, mirror):
    start(page)
    view(page, ".mirror").set_checked(mirror)
    wait_for_readings(page, page.evaluate("readings.length") + 3)
    drawn, seen = drawn_boxes(page), faces_on_screen(page)
    assert (seen[0, 1] < seen[1, 1]) == mirror  # the clip's higher face is at the right
    width = view(page, ".stage").bounding_box()["width"]
    np.testing.assert_allclose(drawn, seen, atol=0.03 * width)


def test_it_says_what_it_does_and_what_it_sees(page):
    start(page, 10)
    page.wait_for_function("document.querySelector('.fernb-webcam .seen').textContent.includes('person ')")
    assert view(page, ".seen").get_attribute("role") == view(page, ".state").get_attribute("role") == "status"
    page.wait_for_function("document.querySelector('.fernb-webcam .numbers').innerText.includes('readings a second')")
    strip = picture(view(page, ".strip"))
    assert len(np.unique(strip.reshape(-1, 3), axis=0)) > 5  # colours, not an empty chart


def test_two_views_share_one_camera(page):
    asked = page.evaluate("cameras.length")
    start(page, 6)
    assert page.locator(".fernb-webcam").count() == 2
    assert page.evaluate("[cameras.length, lit()]") == [asked + 1, 1]
    seqs = page.evaluate("readings.map((one) => one.seq)")
    assert all(seqs.count(seq) == 2 for seq in seqs[2:-2])  # each answer is drawn in both
    view(page, ".start", 1).click()
    state(page, "idle")
    assert page.evaluate("lit()") == 0


def test_keys_start_it_and_do_not_delete_the_cell(page):
    cells = page.locator(".jp-Notebook .jp-CodeCell").count()
    view(page, ".start").focus()
    page.keyboard.press("d")
    page.keyboard.press("d")
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == cells
    page.keyboard.press("Space")
    state(page, "running")
    wait_for_readings(page, 1)
    page.keyboard.press("Enter")
    state(page, "idle")
    assert page.evaluate("lit()") == 0


def test_what_is_recorded_reaches_the_next_cell(page):
    start(page)
    view(page, ".record").click()
    view(page, ".snapshot").click()
    page.wait_for_function("/recorded frames: [1-9].*snapshots: 1/.test(document.querySelector('.numbers').innerText)")
    stop(page)
    lab.run_cell(page, 2)
    output = page.locator(".jp-CodeCell").nth(2).locator(".jp-OutputArea-output", has_text="rows")
    words = output.filter(has_not_text="rows 0 0 0").inner_text().split()
    assert int(words[1]) >= 1 and words[2:] == ["2", "1"]  # two people, one snapshot


def test_figures_of_other_cells_stay_while_the_camera_runs(page):
    start(page)
    lab.run_cell(page, 3)
    figures = page.locator(".jp-CodeCell").nth(3).locator(".jp-OutputArea-output img")
    figures.nth(1).wait_for(timeout=20_000)
    assert figures.count() == 2


def test_a_hidden_tab_sends_nothing(page):
    start(page)
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    assert "hidden" in state(page, "hidden")
    page.wait_for_timeout(400)
    count = page.evaluate("readings.length")
    page.wait_for_timeout(600)
    assert page.evaluate("readings.length") == count
    page.evaluate("delete document.hidden")
    state(page, "running")


def test_a_camera_that_is_taken_away_or_in_use_is_told(page):
    start(page)
    page.evaluate("cameras.at(-1).getTracks()[0].dispatchEvent(new Event('ended'))")
    assert "unplugged" in state(page, "ended")
    assert page.evaluate("lit()") == 0
    page.evaluate("""() => {
      navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("busy", "NotReadableError") };
    }""")
    view(page, ".start").click()
    assert "Another program" in state(page, "inuse")
    page.evaluate("() => { navigator.mediaDevices.getUserMedia = ask }")
    start(page)


def test_stop_while_the_browser_asks_releases_the_camera(page):
    page.evaluate("""() => {
      navigator.mediaDevices.getUserMedia = (wish) =>
        new Promise((done) => { window.answer = async () => done(await window.ask(wish)) });
    }""")
    view(page, ".start").click()
    assert "Asking" in state(page, "asking")
    view(page, ".start").click()
    page.evaluate("answer()")
    page.wait_for_timeout(300)
    assert page.evaluate("lit()") == 0
    state(page, "idle")


def test_running_the_cell_again_and_clearing_its_output_release_the_camera(page):
    start(page)
    lab.command(page, "notebook:run-all-cells")
    page.wait_for_function("lit() === 0")
    state(page, "idle")
    page.wait_for_function("document.querySelectorAll('.fernb-webcam').length === 2")
    start(page)
    lab.command(page, "notebook:clear-all-cell-outputs")
    page.wait_for_function("lit() === 0 && !document.querySelector('.fernb-webcam')")
    lab.command(page, "notebook:run-all-cells")
    state(page, "idle")


def test_a_restart_of_the_kernel_releases_the_camera_and_the_cell_can_run_again(page):
    start(page)
    page.evaluate("void jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    assert "Run this cell again" in state(page, "lost")
    assert page.evaluate("lit()") == 0
    assert view(page, ".start").is_disabled()
    page.wait_for_function(lab.READY)
    lab.command(page, "notebook:run-all-cells")
    state(page, "idle")
    start(page)
    stop(page)


def test_closing_the_notebook_releases_the_camera(page):
    start(page)
    page.evaluate("jupyterapp.shell.currentWidget.context.save().then(() => jupyterapp.shell.currentWidget.close())")
    page.wait_for_function("lit() === 0")


def test_a_slow_kernel_drops_frames_and_the_delay_stays_bounded(browser, address, home):
    page = lab.run_notebook(browser, address, home / "slow.ipynb")
    view(page, ".start").click()
    page.wait_for_function("document.querySelector('.fernb-webcam .state').innerText.includes('out of order')")
    assert "busy" in state(page, "slow")
    state(page, "running")  # and goes on by itself
    page.evaluate("readings.length = 0")
    wait_for_readings(page, 12)
    got = page.evaluate("readings.map(({ seq, at, delay }) => [seq, at, delay])")
    seqs, times, delays = np.array(got).T
    assert (np.diff(seqs) == 1).all()  # a frame is sent after the answer to the last one only
    assert len(got) / ((times[-1] - times[0]) / 1000) < 4  # of the camera's 30 a second
    assert statistics.median(delays) >= 300
    assert statistics.median(delays[-5:]) < statistics.median(delays[:5]) + 300  # nothing queues
    # a kernel that was shut down tells nobody; only the time shows it
    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    later(page, 4)
    assert "busy" in state(page, "slow")
    later(page, 40)
    assert "did not answer" in state(page, "noanswer")
    assert page.evaluate("lit()") == 0
    page.close()


def later(page, seconds: float) -> None:
    """Put the page's clock forward."""
    page.evaluate(
        """(seconds) => {
      const now = performance.now.bind(performance);
      performance.now = () => now() + 1000 * seconds;
    }""",
        seconds,
    )


def test_without_a_camera_it_says_so(playwright, address, home):
    with lab.chromium(playwright, home / "without") as context:
        page = lab.run_notebook(context, address, home / "one.ipynb")
        view(page, ".start").click()
        assert "No camera was found" in state(page, "nocamera")
        page.evaluate("Object.defineProperty(window, 'isSecureContext', { value: false })")
        view(page, ".start").click()
        assert "secure" in state(page, "insecure")


def test_a_refusal_is_told(playwright, address, home):
    with lab.chromium(playwright, home / "refused", home / "still.mjpeg", allowed=False) as context:
        page = lab.run_notebook(context, address, home / "one.ipynb")
        view(page, ".start").click()
        assert "refused" in state(page, "denied")
        context.grant_permissions(["camera"])
        start(page)


def test_a_photograph_can_be_chosen(explorers, home):
    answers = (
        (config.SAMPLES / "grace_hopper.jpg", "grace_hopper.jpg: 1 face."),
        (config.SAMPLES / "flower.jpg", "flower.jpg: no face was found"),
        (home / "clip.csv", "clip.csv is not an image"),
    )
    for file, words in answers:
        with explorers.expect_file_chooser() as chooser:
            explorers.get_by_role("button", name="Choose a photograph").click()
        chooser.value.set_files(file)
        says(explorers, words)


def test_a_scanned_video_can_be_looked_through(explorers):
    def sources() -> list[str]:  # a new one for each new picture
        return [picture.get_attribute("src") for picture in explorers.locator(".widget-image").all()[-2:]]

    def new(*before: str) -> None:
        explorers.wait_for_function(
            "old => [...document.querySelectorAll('.widget-image')].slice(-2).every((one, i) => one.src !== old[i])",
            arg=before,
        )

    says(explorers, "Frame 0 at 0.00 s: person 1")
    frame, timeline = sources()
    explorers.locator(".noUi-handle").first.focus()
    explorers.keyboard.press("ArrowRight")
    says(explorers, "Frame 15 at 1.00 s: person 1")
    new(frame, timeline)
    timeline = sources()[1]
    cost = explorers.get_by_role("status").filter(has_text="Label changes a minute")
    _, raw, _, unsmoothed, _ = re.split(r"(\d+)", cost.inner_text())
    # this table has a reading a second, so the default, a mean over 0.6 s, is each reading alone
    explorers.get_by_label("smoothing").select_option("exponential")
    new("", timeline)
    _, same, _, smoothed, _ = re.split(r"(\d+)", cost.inner_text())
    # not those of raw even without smoothing: "unsure" comes at one limit and goes at another
    assert same == raw and int(smoothed) <= int(unsmoothed)


def says(page, words: str) -> None:
    page.get_by_role("status").filter(has_text=words).wait_for(timeout=20_000)
