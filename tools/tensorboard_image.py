"""Photograph a training run in the real TensorBoard: ``results/model/tensorboard.png``.

    python tools/tensorboard_image.py [--logs runs/ferplus/tensorboard] [--name ferplus]
    python tools/tensorboard_image.py --logs runs/notebook_03/tensorboard --card

``--card`` takes the accuracy alone, without the menus around it, for lesson 3:
``notebooks/images/03_tensorboard.png``.

Needs the logs of a run of ``fernb train``, and Chromium with Playwright (the extra ``test``).
"""

import json
import socket
import subprocess
import sys
from pathlib import Path

import click
from playwright.sync_api import sync_playwright

from fernb import config
from fernb.files import atomic_write

sys.path.insert(0, str(config.ROOT / "tests"))
from jupyter_browser import CHROMIUM

CURVES = "text=/epoch_accuracy/"
SETTINGS = {"timeSeriesCardMinWidth": 520, "ignoreOutliers": False}
CARD = {"x": 290, "y": 200, "width": 430, "height": 490}


@click.command(help=__doc__)
@click.option("--logs", type=click.Path(path_type=Path), default=config.RUNS / "ferplus" / "tensorboard")
@click.option("--name", default="ferplus", show_default=True, help="What the run is called in the picture.")
@click.option("--card", is_flag=True)
def main(logs: Path, name: str, card: bool) -> None:
    picture = config.ROOT / "notebooks" / "images" / "03_tensorboard.png" if card else config.MODEL / "tensorboard.png"
    if not any(logs.rglob("*tfevents*")):
        sys.exit(f"there are no TensorBoard logs in {logs}; train a network first.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ["--logdir", str(logs)] if card else ["--logdir_spec", f"{name}:{logs}"]
    command = [sys.executable, "-m", "tensorboard.main", *where, "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--disable-gpu"])
            page = browser.new_page(viewport={"width": 1400, "height": 900 if card else 640})
            if not card:  # room for every column of the table, and for the whole of each curve
                page.add_init_script(f"localStorage.setItem('_tb_global_settings', '{json.dumps(SETTINGS)}')")
            for _ in range(60):  # until the server is up
                try:
                    page.goto(f"http://127.0.0.1:{port}/#timeseries")
                    break
                except Exception:
                    page.wait_for_timeout(1000)
            page.wait_for_selector(CURVES, timeout=60_000)
            if not card:  # else each tag has a section of its own, and the loss lies below the window
                page.click("button:has-text('Settings')")
                page.fill("input[placeholder^='Filter tags']", "^epoch_(accuracy|loss)$")
                page.keyboard.press("Escape")  # the list of suggestions
            page.wait_for_timeout(5000)  # the curves are drawn after their cards
            with atomic_write(picture) as temporary:
                page.screenshot(path=temporary, clip=CARD if card else None)
            browser.close()
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
