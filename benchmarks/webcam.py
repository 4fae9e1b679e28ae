"""How fast the webcam widget is: JupyterLab, kernel and headless Chromium on this machine.

    python benchmarks/webcam.py [--out FILE]

Plays the sample clip (640x480, one face) to a fake camera and
writes readings a second and the time from picture to box into results/webcam.json. On a Linux
machine with other work run it as root, ``setsid -w python benchmarks/webcam.py``: it then goes before.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import psutil
from _common import out_option, write
from playwright.sync_api import sync_playwright

from fernb import config
from fernb.video.stream import frames

sys.path.insert(0, str(config.ROOT / "tests"))
import jupyter_browser as lab

SECONDS = 20
WIDGET = "from fernb.widgets.webcam import Webcam\nwidget = Webcam(detector='haar')\nwidget"
SLOW = """
import time
from fernb.networks.recogniser import Recogniser
from fernb.widgets.webcam import Webcam

class Slow(Recogniser):
    def predict(self, faces):
        time.sleep(0.3)
        return super().predict(faces)

Webcam(Slow(), detector="haar")
"""
CASES = {
    "default": WIDGET,
    "640 pixels wide": WIDGET.replace("'haar'", "'haar', width=640"),
    "watching for tired eyes": WIDGET,
    "a kernel of 300 ms": SLOW,
}


@click.command(help=__doc__)
@out_option(config.RESULTS / "webcam.json")
def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        home = Path(name)
        clip = lab.write_mjpeg(home / "clip.mjpeg", [frame.rgb for frame in frames(config.SAMPLES / "emotions.mp4")])
        for i, cell in enumerate(CASES.values()):
            lab.write_notebook(home / f"{i}.ipynb", cell)
        with lab.jupyter(home) as address, lab.chromium(playwright, home / "profile", clip) as browser:
            first = go_first()
            cases = {
                case: measure(browser, address, home / f"{i}.ipynb", eyes="eyes" in case)
                for i, case in enumerate(CASES)
            }
    answer = {
        "protocol": "browser, server and kernel on the same cores, no GPU",
        "before_other_work": first,
        "load_average_after": round(os.getloadavg()[0], 1),
        "browser": lab.version(),
        "seconds": SECONDS,
        "cases": cases,
    }
    write(out, answer)
    print(json.dumps(answer, indent=2))


def measure(browser, address: str, notebook: Path, eyes: bool) -> dict:
    """Let the camera run; return readings a second, delays, and the processors' use by this test."""
    page = lab.run_notebook(browser, address, notebook)
    go_first()  # the kernel is new
    if eyes:
        page.locator(".fernb-webcam .eyes").check()
    page.locator(".fernb-webcam .start").click()
    page.wait_for_function("readings.length >= 10", timeout=60_000)  # the first ones load the cascade
    page.evaluate("readings.length = 0")
    start, busy = time.monotonic(), processor_time()
    page.wait_for_timeout(1000 * SECONDS)
    spent, used = time.monotonic() - start, processor_time() - busy
    rows = page.evaluate("readings.map(({ at, delay, ms, boxes }) => [at, delay, ms, boxes.length])")
    page.close()
    times, delays, kernel, faces = np.array(rows).T
    return {
        "readings_per_s": round(1000 * (len(times) - 1) / (times[-1] - times[0]), 1),
        "delay_ms_median": round(statistics.median(delays)),
        "delay_ms_95": round(float(np.percentile(delays, 95))),
        "kernel_ms_median": round(statistics.median(kernel), 1),
        "frames_with_a_face": round(float((faces > 0).mean()), 3),
        "cores_used": round(used / spent, 2),
    }


def go_first() -> bool:
    """Let this process and all below it go before the machine's other work, where Linux allows it."""
    me = psutil.Process()
    try:
        for process in (me, *me.children(recursive=True)):
            Path(f"/proc/{process.pid}/autogroup").write_text("-20")
    except OSError:
        return False
    return True


def processor_time() -> float:
    """Return the seconds of processor that this process and all below it have used so far."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            total += sum(process.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return total


if __name__ == "__main__":
    main()
