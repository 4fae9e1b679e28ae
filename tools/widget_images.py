"""Photograph the widgets in the real JupyterLab: ``notebooks/images/NN_name.png``, for readers without a kernel.

    python tools/widget_images.py [05_webcam 05_photo ...]

Needs Chromium with Playwright (the extra ``test``). The camera is a fake one that films the sample clip.
"""

import io
import sys
import tempfile
from pathlib import Path

import click
from PIL import Image
from playwright.sync_api import sync_playwright

from fernb import config
from fernb.video.stream import frames

sys.path.insert(0, str(config.ROOT / "tests"))
import jupyter_browser as lab

IMAGES = config.ROOT / "notebooks" / "images"
CLIP = config.SAMPLES / "emotions.mp4"
COLLINS = config.SAMPLES / "eileen_collins.jpg"
WIDGETS = {
    "05_webcam": "from fernb.widgets.webcam import Webcam\ndisplay(Webcam(detector='haar'))",
    "05_photo": f"""
from pathlib import Path
from fernb.widgets.photo import PhotoUpload
upload = PhotoUpload(detector="haar")
upload.read("eileen_collins.jpg", Path({str(COLLINS)!r}).read_bytes())
display(upload)""",
    "05_video": f"""
from fernb.widgets.video import VideoExplorer
explorer = VideoExplorer({str(CLIP)!r}, {str(config.RESULTS / "scan" / "emotions.csv")!r})
explorer.position.value = 80
display(explorer)""",
    "06_attack": f"""
import fernb
from fernb.attacks.photograph import Hacker
from fernb.widgets.attack import HackExplorer
hacker = Hacker()
crop = fernb.recognise(fernb.read_image({str(COLLINS)!r}), hacker.recogniser, detector="haar")[0].crop
attack = HackExplorer(crop[None], hacker, names=["photograph"])
for attack.eps.value in range(1, attack.eps.max + 1):
    if hacker.recogniser.labels[attack.probs.argmax()] == attack.target.value:
        break  # the smallest change that succeeds
display(attack)""",
    "07_style": f"""
import fernb
from fernb.style.features import load_features
from fernb.style.pictures import STYLES, style_image
from fernb.widgets.style import StyleExplorer
flower = {{"flower": fernb.read_image({str(config.SAMPLES / "flower.jpg")!r})}}
explorer = StyleExplorer(flower, {{name: style_image(name) for name in STYLES}}, features=load_features("fer"))
explorer.style_name.value, explorer.steps.value = "glass", 20
explorer.paint.click()
explorer.wait()
display(explorer)""",
}
"""Code that shows each widget. The webcam is filmed for a while, the others are shown as they stand."""

OUTPUT = ".jp-OutputArea-output"
FILMED_MS = 25_000  # until the strip under the live picture is full enough to be understood
PATIENCE_MS = 300_000  # on a busy machine


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(WIDGETS)))
def main(names: tuple[str, ...]) -> None:
    names = names or tuple(WIDGETS)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder)
        # Chromium plays 30 pictures a second, the clip has 15
        camera = lab.write_mjpeg(home / "camera.mjpeg", [frame.rgb for frame in frames(CLIP) for _ in range(2)])
        notebook = lab.write_notebook(home / "widgets.ipynb", "\n".join(WIDGETS[name] for name in names))
        with lab.jupyter(home) as address, lab.chromium(playwright, home / "profile", camera) as browser:
            page = lab.run_notebook(browser, address, notebook, PATIENCE_MS / 1000, OUTPUT)
            enough = f"document.querySelectorAll('{OUTPUT}').length >= {len(names)}"
            page.wait_for_function(enough, timeout=PATIENCE_MS)
            if "05_webcam" in names:
                page.locator(".fernb-webcam .start").click()
                page.wait_for_selector('.fernb-webcam[data-state="running"]', timeout=PATIENCE_MS)
                page.wait_for_timeout(FILMED_MS)
            for i, name in enumerate(names):
                widget = page.locator(OUTPUT).nth(i).locator("> *").first
                widget.scroll_into_view_if_needed()
                page.wait_for_timeout(1000)  # images are drawn after their boxes
                if name == "05_webcam":
                    page.wait_for_function(f"readings.length > {page.evaluate('readings.length')}", timeout=PATIENCE_MS)
                write_small(IMAGES / f"{name}.png", widget.screenshot(timeout=PATIENCE_MS))
                if name == "05_webcam":
                    page.locator(".fernb-webcam .start").click()  # stops it: what moves would shift the others


def write_small(path: Path, png: bytes) -> None:
    """Write a screenshot as a PNG of 256 colours, which keeps photographs small and the emotions' colours apart."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    colours = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE)
    picture.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


if __name__ == "__main__":
    main()
