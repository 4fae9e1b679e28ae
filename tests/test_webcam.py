"""The webcam widget as an object: messages in, answers out. tests/test_browser.py has the page."""

import re
import sys
import threading
import types

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fernb
from fernb import config
from fernb.labels import EMOTIONS
from fernb.video.table import Table, columns
from fernb.widgets import webcam
from fernb.widgets.webcam import VERSION, Webcam

COLLINS = fernb.read_image(config.SAMPLES / "eileen_collins.jpg")[:240, 66:386]


def jpeg(rgb: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]))[1].tobytes()


FACE, NOBODY = jpeg(COLLINS), jpeg(np.full((240, 320, 3), 120, np.uint8))


class Page:
    """Stands for the browser: sends frames and keeps the answers."""

    def __init__(self, **options):
        self.widget = Webcam(**{"detector": "haar", **options})
        self.answers, self.seq = [], 0
        self.widget.send = self.answers.append
        self.widget._new_reader = self.new_reader

    def new_reader(self):
        reader = Webcam._new_reader(self.widget)
        reader.follower.tracker.min_hits = 1  # else the first answers wait for more frames
        return reader

    def send(self, *buffers: bytes, **changes) -> dict:
        self.seq += 1
        controls = {"smoothing": 0.4, "kind": "exponential", "unsure_below": 0.0}
        message = {"type": "frame", "v": VERSION, "page": "a", "run": "a-1", "seq": self.seq, **controls, **changes}
        before = len(self.answers)
        self.widget._opened -= 0.2  # the next frame comes as much later, so that faces are searched in each
        self.widget._handle_custom_msg(message, [memoryview(buffer) for buffer in buffers])
        assert len(self.answers) == before + 1, "each message gets one answer"
        answer = self.answers[-1]
        assert (answer["v"], answer["run"], answer["seq"]) == (VERSION, message.get("run"), message.get("seq"))
        return answer


class Shows:
    """A recogniser of one emotion that does as it is told."""

    labels = EMOTIONS

    def __init__(self, act=lambda: None):
        self.act = act

    def predict(self, faces: np.ndarray, flip: bool = False) -> np.ndarray:
        self.act()
        return np.tile(np.float32([0, 0, 0, 0.7, 0, 0, 0.3]), (len(faces), 1))


def test_a_face_comes_back_as_a_box_with_its_emotion():
    answer = Page().send(FACE)
    (expected,) = fernb.find_faces(COLLINS, "haar")
    (box,) = answer["boxes"]
    found = np.array([box["x"] * 320, box["y"] * 240, box["w"] * 320, box["h"] * 240])
    np.testing.assert_allclose(found, expected.box, atol=4)  # the JPEG moves it a little
    assert box["person"] == 1 and box["label"] in EMOTIONS and box["eyes"] is None
    assert len(box["probs"]) == 7 and sum(box["probs"]) == pytest.approx(1, abs=0.001)
    assert box["score"] == pytest.approx(max(box["probs"]), abs=0.001)


def test_a_picture_without_a_face_is_answered_with_no_box():
    answer = Page().send(NOBODY)
    assert answer["type"] == "result" and answer["boxes"] == []


@pytest.mark.parametrize(
    ("buffers", "changes", "sentence"),
    [
        ([], {}, "no picture"),
        ([FACE, FACE], {}, "no picture"),
        ([b""], {}, "not a JPEG"),
        ([b"GIF89a" + bytes(50)], {}, "not a JPEG"),
        ([cv2.imencode(".png", COLLINS)[1].tobytes()], {}, "not a JPEG"),
        ([FACE[:200]], {}, "cut off|not a JPEG"),
        ([FACE[:2] + bytes(webcam.MAX_BYTES)], {}, "too large"),
        ([jpeg(np.zeros((8, 5000, 3), np.uint8))], {}, "5000x8"),
        ([FACE], {"v": 0}, "reload the page"),
        ([FACE], {"v": None, "run": None, "seq": None}, "reload the page"),
        ([FACE], {"type": "hello"}, "reload the page"),
        ([FACE], {"page": None}, "reload the page"),
        ([FACE], {"page": "a" * 99}, "reload the page"),
        ([FACE], {"smoothing": "much"}, "controls"),
        ([FACE], {"smoothing": float("nan")}, "smoothing"),
        ([FACE], {"unsure_below": 7}, "unsure"),
        ([FACE], {"kind": "magic"}, "magic"),
    ],
)
def test_what_cannot_be_read_is_answered_with_a_sentence(buffers, changes, sentence):
    page = Page(recogniser=Shows())
    answer = page.send(*buffers, **changes)
    assert answer["type"] == "error"
    assert re.search(sentence, answer["message"])
    assert page.send(FACE)["type"] == "result"  # and it goes on


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_answered(data, marked):
    assert WILD.send(b"\xff\xd8\xff" + data if marked else data)["type"] == "error"


WILD = Page(recogniser=Shows())


def test_a_recogniser_that_raises_is_answered_and_the_next_frame_goes_on():
    faults = iter([ValueError("out of order"), None])

    def act():
        if fault := next(faults):
            raise fault

    page = Page(recogniser=Shows(act))
    stamp = {"v": VERSION, "run": "a-1", "seq": 1}
    assert page.send(FACE) == {"type": "error", "message": "ValueError: out of order", **stamp}
    assert page.send(FACE)["boxes"][0]["label"] == "happy"


def test_an_interrupt_is_answered_too():
    def act():
        raise KeyboardInterrupt

    page = Page(recogniser=Shows(act))
    with pytest.raises(KeyboardInterrupt):
        page.send(FACE)
    assert "interrupted" in page.answers[-1]["message"]


def test_frames_from_two_threads_wait_for_each_other():
    inside, most = [], []

    def act():
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.02)
        inside.pop()

    page = Page(recogniser=Shows(act))
    controls = {"smoothing": 0, "kind": "none", "unsure_below": 0}
    message = {"type": "frame", "v": VERSION, "page": "b", "run": "b", **controls}
    threads = [
        threading.Thread(target=page.widget._handle_custom_msg, args=({**message, "seq": i}, [FACE])) for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1 and {answer["seq"] for answer in page.answers} == set(range(6))


def test_controls_count_from_the_frame_that_brings_them():
    page = Page(recogniser=Shows())
    assert page.send(FACE)["boxes"][0]["label"] == "happy"
    (box,) = page.send(FACE, unsure_below=0.9, kind="none", smoothing=0)["boxes"]
    assert (box["label"], box["person"]) == ("unsure", 1)  # a new threshold, the same person
    assert page.send(FACE, eyes=True)["boxes"][0]["eyes"] == {"share": 0.0, "alarm": False}


def test_what_is_recorded_is_the_table_of_a_scan(tmp_path):
    page = Page()
    page.send(FACE)
    assert len(page.widget.readings()) == 0  # nothing is kept unasked
    for picture, eyes in ((FACE, False), (NOBODY, False), (FACE, True)):
        answer = page.send(picture, record=True, eyes=eyes)
    rows = page.widget.readings()
    assert answer["recorded"] == len(rows) == 3
    assert list(rows.columns) == columns(EMOTIONS)
    assert rows["frame"].tolist() == [1, 2, 3] and rows["time_s"].is_monotonic_increasing
    assert rows["track"].isna().tolist() == [False, True, False]
    with Table(tmp_path / "same.csv", EMOTIONS) as table:
        for frame, readings in page.widget._recorded:
            table.add(frame, readings)
    pd.testing.assert_frame_equal(rows, pd.read_csv(tmp_path / "same.csv"), check_dtype=False)
    assert all(frame.rgb.size == 0 for frame, _ in page.widget._recorded)  # numbers only
    page.widget.clear()
    assert len(page.widget.readings()) == 0


def test_a_snapshot_is_kept_large_with_its_boxes_and_the_person_stays_the_same():
    large = cv2.resize(COLLINS, (1280, 960))
    page = Page()
    page.send(FACE)
    answer = page.send(jpeg(large), snapshot=True)
    assert answer["snapshots"] == 1 and answer["boxes"][0]["person"] == 1
    ((frame, (reading,)),) = page.widget.snapshots
    assert frame.rgb.shape == (960, 1280, 3) and reading.track == 1
    (expected,) = fernb.find_faces(COLLINS, "haar")
    # the same place, four times as large; how Haar groups its hits differs between machines by a few pixels
    x, y, w, h = reading.face.box
    cx, cy = 4 * (expected.x + expected.w / 2), 4 * (expected.y + expected.h / 2)
    assert x + w / 3 < cx < x + 2 * w / 3 and y + h / 3 < cy < y + 2 * h / 3
    assert 0.8 < w / (4 * expected.w) < 1.25
    page.send(FACE)
    assert len(page.widget.snapshots) == 1


def test_two_pages_share_no_person_and_no_control():
    """Two tabs see two rooms: with one tracker, each would find the other's people gone."""
    page = Page(recogniser=Shows())
    room = np.full((240, 320, 3), 120, np.uint8)
    room[60:240, 140:320] = cv2.resize(COLLINS[:, 40:280], (180, 180))
    for _ in range(3):
        (here,) = page.send(FACE, record=True)["boxes"]
        (there,) = page.send(jpeg(room), page="b", unsure_below=0.9, kind="none", record=True)["boxes"]
        assert (here["person"], here["label"], there["person"], there["label"]) == (1, "happy", 2, "unsure")
        assert page.send(NOBODY, page="c")["boxes"] == []
    rows = page.widget.readings()
    assert rows["track"].tolist() == [1, 2] * 3 and rows["frame"].is_unique
    for number in range(20):
        page.send(NOBODY, page=f"d{number}")
    assert len(page.widget._pages) == webcam.MAX_PAGES  # closed pages tell nobody


def test_stop_tells_the_pages():
    page = Page()
    page.widget.stop()
    assert page.answers == [{"type": "stop", "v": VERSION}]


def test_both_sides_speak_the_same_version():
    assert f"const VERSION = {VERSION};" in (config.ROOT / "fernb" / "widgets/webcam.js").read_text(encoding="utf-8")


def test_figures_are_flushed_for_cells_and_not_for_messages(monkeypatch):
    """ipython/ipykernel#1564: without this, other cells' figures vanish while the camera runs."""
    backend = types.SimpleNamespace(flush_figures=lambda: flushed.append(1))
    flushed, hooks, parent = [], [backend.flush_figures], {}

    def unregister(_, hook):
        hooks.remove(hook)

    events = types.SimpleNamespace(
        callbacks={"post_execute": hooks}, register=lambda _, hook: hooks.append(hook), unregister=unregister
    )
    shell = types.SimpleNamespace(kernel=types.SimpleNamespace(get_parent=lambda: parent), events=events)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setitem(sys.modules, "matplotlib_inline", types.SimpleNamespace(backend_inline=backend))
    webcam.keep_figures()
    webcam.keep_figures()  # a second widget changes nothing
    (hook,) = hooks
    for kind in ("comm_msg", "execute_request", "comm_msg"):
        parent["header"] = {"msg_type": kind}
        hook()
    assert len(flushed) == 1 and backend.flush_figures is hook
