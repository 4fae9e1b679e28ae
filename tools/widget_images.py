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
WIDGETS = {
    "05_webcam": "from fernb.widgets.webcam import Webcam\nWebcam(detector='haar')",
    "05_photo": f"""
from pathlib import Path
from fernb.widgets.photo import PhotoUpload
upload = PhotoUpload(detector="haar")
upload.read("eileen_collins.jpg", Path({str(config.SAMPLES / "eileen_collins.jpg")!r}).read_bytes())
upload""",
    "05_video": f"""
from fernb.widgets.video import VideoExplorer
explorer = VideoExplorer({str(CLIP)!r}, {str(config.RESULTS / "scan" / "emotions.csv")!r})
explorer.position.value = 80
explorer""",
    "06_attack": f"""
import fernb
from fernb.attacks.photograph import Hacker
from fernb.widgets.attack import HackExplorer
hacker = Hacker()
rgb = fernb.read_image({str(config.SAMPLES / "eileen_collins.jpg")!r})
crop = fernb.recognise(rgb, hacker.recogniser, detector="haar")[0].crop
HackExplorer(crop[None], hacker, names=["photograph"])""",
}
"""Code that ends with each widget. The webcam is filmed for a while, the others are shown as they stand."""

OUTPUT = ".jp-OutputArea-output .jupyter-widgets, .jp-OutputArea-output .fernb-webcam"
FILMED_MS = 12_000  # until the strip under the live picture is full enough to be understood


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(WIDGETS)))
def main(names: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder)
        camera = lab.write_mjpeg(home / "camera.mjpeg", [frame.rgb for frame in frames(CLIP, every=0.1)])
        with lab.jupyter(home) as address, lab.chromium(playwright, home / "profile", camera) as browser:
            for name in names or WIDGETS:
                notebook = lab.write_notebook(home / f"{name}.ipynb", WIDGETS[name])
                page = lab.run_notebook(browser, address, notebook, 180, OUTPUT)
                if name == "05_webcam":
                    page.locator(".fernb-webcam .start").click()
                    page.wait_for_selector('.fernb-webcam[data-state="running"]', timeout=60_000)
                    page.wait_for_timeout(FILMED_MS)
                page.wait_for_timeout(2000)  # images are drawn after their boxes
                write_small(IMAGES / f"{name}.png", page.locator(OUTPUT).first.screenshot())
                page.close()


def write_small(path: Path, png: bytes) -> None:
    """Write a screenshot as a PNG of 128 colours, which keeps photographs small."""
    Image.open(io.BytesIO(png)).convert("RGB").quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()
