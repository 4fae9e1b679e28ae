"""Draw results/webcam.gif for the README: the webcam widget at work, in JupyterLab and headless Chromium.

    python tools/webcam_gif.py [--out FILE]

The camera is a fake one that shows the sample clip, so nobody's face is in it who did not ask.
"""

import io
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from fernb import config
from fernb.files import atomic_write
from fernb.video.stream import frames

sys.path.insert(0, str(config.ROOT / "tests"))
import jupyter_browser as lab

WIDGET = "from fernb.widgets.webcam import Webcam\nWebcam(detector='haar')"
PARTS = (".stage", ".strip", ".legend")  # of the widget, from top to bottom
STEP_MS = 600  # between two frames, of the clip and in the GIF
SIDE = 480  # pixels wide
COLOURS = 64
MAX_BYTES = 2_000_000


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), default=config.RESULTS / "webcam.gif", help="The GIF.")
@click.option("--seconds", type=click.FloatRange(1), default=21, show_default=True, help="How long it looks.")
def main(out: Path, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        home = Path(name)
        lab.write_notebook(home / "webcam.ipynb", WIDGET)
        pictures = [frame.rgb for frame in frames(config.SAMPLES / "emotions.mp4") for _ in range(2)]  # 30 a second
        clip = lab.write_mjpeg(home / "clip.mjpeg", pictures)
        with lab.jupyter(home) as address, lab.chromium(playwright, home / "profile", clip) as browser:
            page = lab.run_notebook(browser, address, home / "webcam.ipynb")
            page.locator(".fernb-webcam .start").click()
            page.wait_for_function("readings.length >= 10", timeout=60_000)
            pictures = []
            for _ in range(round(1000 * seconds / STEP_MS)):
                pictures.append(_picture(page))
                page.wait_for_timeout(STEP_MS)
    write_gif(out, pictures)
    click.echo(f"wrote {out}")


def _picture(page) -> Image.Image:
    """Return the widget without its controls."""
    root = page.locator(".fernb-webcam").first
    whole = np.asarray(Image.open(io.BytesIO(root.screenshot())).convert("RGB"))
    top = root.bounding_box()["y"]
    rows = []
    for selector in PARTS:
        box = root.locator(selector).first.bounding_box()
        start = round(box["y"] - top)
        rows.append(whole[start : start + round(box["height"])])
    image = Image.fromarray(np.concatenate(rows))
    return image.resize((SIDE, round(image.height * SIDE / image.width)), Image.Resampling.LANCZOS)


def write_gif(path: Path, pictures: list[Image.Image]) -> None:
    """Write pictures as a GIF that repeats; the strip grows, so all have the last one's size."""
    last = pictures[-1].size
    same = [picture if picture.size == last else picture.resize(last) for picture in pictures]
    palette = same[-1].quantize(COLOURS)
    shown = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in same]
    with atomic_write(path) as temporary:
        shown[0].save(temporary, save_all=True, append_images=shown[1:], duration=STEP_MS, loop=0, optimize=True)
        if (size := temporary.stat().st_size) > MAX_BYTES:
            raise click.ClickException(f"the GIF has {size} bytes; take fewer seconds.")


if __name__ == "__main__":
    main()
