"""Draw results/webcam.gif for the README: the webcam widget at work, in JupyterLab and headless Chromium.

    python tools/webcam_gif.py [--out FILE]

The camera is a fake one that shows the sample clip, so nobody's face is in it who did not ask.
"""

import base64
import io
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageOps
from playwright.sync_api import sync_playwright

from fernb import config
from fernb.files import atomic_write
from fernb.video.stream import frames

sys.path.insert(0, str(config.ROOT / "tests"))
import jupyter_browser as lab

WIDGET = "from fernb.widgets.webcam import Webcam\nWebcam(detector='haar')"
STEP_MS = 400  # between two frames, of the clip and in the GIF
RECORD = """({ side, step }) => {
  const find = (selector) => document.querySelector(`.fernb-webcam ${selector}`);
  window.taken = [];
  setInterval(() => {
    const [film, boxes, strip] = [find("video"), find(".stage canvas"), find(".strip")];
    const [high, low] = [boxes, strip].map((one) => Math.round((side * one.height) / one.width));
    const sheet = Object.assign(document.createElement("canvas"), { width: side, height: high + low });
    const pen = sheet.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, side, high + low);
    pen.setTransform(-1, 0, 0, 1, side, 0); // a mirror, as the page has it
    pen.drawImage(film, 0, 0, side, high);
    pen.resetTransform();
    pen.drawImage(boxes, 0, 0, side, high);
    pen.drawImage(strip, 0, high, side, low);
    taken.push(sheet.toDataURL());
  }, step);
}"""
"""Takes pictures of what the widget draws: the film, the boxes on it, the chart under it."""
SIDE = 480  # pixels wide
COLOURS = 128
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
            page.evaluate(RECORD, {"side": SIDE, "step": STEP_MS})
            page.wait_for_timeout(1000 * seconds)
            taken = page.evaluate("taken")
    pictures = [Image.open(io.BytesIO(base64.b64decode(one.split("base64,")[1]))).convert("RGB") for one in taken]
    write_gif(out, pictures)
    click.echo(f"wrote {out}")


def write_gif(path: Path, pictures: list[Image.Image]) -> None:
    """Write pictures as a GIF that repeats; the chart grows with the people, so all are as high as the highest."""
    height = max(picture.height for picture in pictures)
    same = [ImageOps.pad(picture, (SIDE, height), color="white", centering=(0, 0)) for picture in pictures]
    some = np.concatenate(same[:: max(1, len(same) // 8)])
    palette = Image.fromarray(some).quantize(COLOURS)  # else an emotion that comes early lacks its colour
    shown = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in same]
    with atomic_write(path) as temporary:
        shown[0].save(temporary, save_all=True, append_images=shown[1:], duration=STEP_MS, loop=0, optimize=True)
        if (size := temporary.stat().st_size) > MAX_BYTES:
            raise click.ClickException(f"the GIF has {size} bytes; take fewer seconds.")


if __name__ == "__main__":
    main()
