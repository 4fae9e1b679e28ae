"""How fast the webcam widget is: JupyterLab, kernel and headless Chromium on this machine.

    python benchmarks/webcam.py [--out FILE]

Plays two films of 640x480 pixels with one face to a fake camera, the drawn sample clip and a
photograph under a hand-held camera with its noise, and writes readings a second and the time from
picture to box into results/webcam.json. On a Linux machine with other work run it as root,
``setsid -w python benchmarks/webcam.py``: it then goes before.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import cv2
import numpy as np
import psutil
from _common import out_option, write
from playwright.sync_api import sync_playwright

from fernb import config
from fernb.video.stream import frames
from fernb.vision.images import read_image

sys.path.insert(0, str(config.ROOT / "tests"))
import jupyter_browser as lab

SECONDS = 15
WIDGET = "from fernb.widgets.webcam import Webcam\nwidget = Webcam(detector='haar')\nwidget"
SLOW = """
import time
from fernb.networks.recogniser import Recogniser
from fernb.widgets.webcam import Webcam

class Slow(Recogniser):
    def predict(self, faces, flip=False):
        time.sleep(0.3)
        return super().predict(faces)

Webcam(Slow(), detector="haar")
"""
CASES = {  # the film, and the cell
    "default": ("drawn", WIDGET),
    "640 pixels wide": ("drawn", WIDGET.replace("'haar'", "'haar', width=640")),
    "watching for tired eyes": ("drawn", WIDGET),
    "a kernel of 300 ms": ("drawn", SLOW),
    "photograph": ("photograph", WIDGET),
}


@click.command(help=__doc__)
@out_option(config.RESULTS / "webcam.json")
def main(out: Path) -> None:
    cases: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        home = Path(name)
        for i, (_, cell) in enumerate(CASES.values()):
            lab.write_notebook(home / f"{i}.ipynb", cell)
        with lab.jupyter(home) as address:
            for film, pictures in {"drawn": drawn, "photograph": photograph}.items():
                clip = lab.write_mjpeg(home / f"{film}.mjpeg", list(pictures()))
                with lab.chromium(playwright, home / f"profile-{film}", clip) as browser:
                    first = go_first()
                    for i, (case, (wanted, _)) in enumerate(CASES.items()):
                        if wanted == film:
                            cases[case] = measure(browser, address, home / f"{i}.ipynb", eyes="eyes" in case)
    answer = {
        "protocol": "browser, server and kernel on the same cores, no GPU",
        "before_other_work": first,
        "load_average_after": round(os.getloadavg()[0], 1),
        "browser": lab.version(),
        "seconds": SECONDS,
        "films": {case: film for case, (film, _) in CASES.items()},
        "cases": cases,
    }
    write(out, answer)
    print(json.dumps(answer, indent=2))


def drawn() -> Iterator[np.ndarray]:
    """Yield the frames of the sample clip."""
    return (frame.rgb for frame in frames(config.SAMPLES / "emotions.mp4"))


def photograph(count: int = 120) -> Iterator[np.ndarray]:
    """Yield a photograph with a real background as a hand-held camera sees it: swaying, turning a little, noisy."""
    random, image = np.random.default_rng(0), read_image(config.SAMPLES / "eileen_collins.jpg")
    scale = 640 / 0.8 / image.shape[1]
    for phase in np.linspace(0, 2 * np.pi, count, endpoint=False):
        turn = cv2.getRotationMatrix2D((256, 160), 2 * np.sin(phase), scale * (1 + 0.03 * np.cos(2 * phase)))
        turn[:, 2] += (320 - 256 + 24 * np.sin(phase), 220 - 160 + 14 * np.sin(2 * phase))
        view = cv2.warpAffine(image, turn, (640, 480), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
        yield np.clip(view + random.normal(0, 5, view.shape), 0, 255).astype(np.uint8)


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
