"""The long trials that `make test` has no time for: wild input, kills, memory.

    python benchmarks/soak.py [--rounds 10] [--kills 40] [--minutes 20] [--out FILE]

The property-based tests run so many times, each with other examples; a scan of several videos is killed so often, at
any moment and with all of its processes, before it may end; and a long video is scanned while the
process's memory is watched. Writes results/soak.json; fails where something did not hold.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import psutil
from _common import on_one_core, out_option, write

from fernb import config
from fernb.video.stream import video_info

WILD = ("images", "archives", "data", "models", "faces", "webcam", "smoothing", "tracking")
GENERATED = re.compile(r"during generate phase .*?(\d+) passing(?: examples)?, (\d+) failing", re.DOTALL)
CLIP = config.SAMPLES / "emotions.mp4"
SCAN = [sys.executable, "-m", "fernb.app.cli", "scan"]
FILMS = 4
FIRST_S = 60  # seconds of video, whose memory counts as the beginning


@click.command(help=__doc__)
@click.option("--rounds", type=click.IntRange(1), default=10, show_default=True, help="Of wild input.")
@click.option("--kills", type=click.IntRange(0), default=40, show_default=True, help="Of a scan of several videos.")
@click.option("--minutes", type=click.FloatRange(2), default=20, show_default=True, help="Of the long video.")
@click.option("--seed", type=int, default=0, help="Of the moments of the kills.")
@out_option(config.RESULTS / "soak.json")
def main(rounds: int, kills: int, minutes: float, seed: int, out: Path) -> None:
    random.seed(seed)
    result = {"wild": wild(rounds, seed)}
    with tempfile.TemporaryDirectory() as name:
        result["kills"] = killed(Path(name) / "kills", kills)
        result["memory"] = memory(Path(name), minutes)
    write(out, result)
    if not all(part["held"] for part in result.values()):
        raise click.ClickException(f"something did not hold; {out} says what.")


def wild(rounds: int, seed: int) -> dict:
    """Run the property-based tests; return how many cases they made and which tests failed."""
    files = [str(config.ROOT / "tests" / f"test_{name}.py") for name in WILD]
    options = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--hypothesis-show-statistics", "-m", "hypothesis"]
    start, cases, failed = time.monotonic(), 0, []
    for turn in range(rounds):
        command = [sys.executable, *options, f"--hypothesis-seed={seed + turn}", *files]
        answer = subprocess.run(command, cwd=config.ROOT, capture_output=True, text=True)
        cases += sum(int(passing) + int(failing) for passing, failing in GENERATED.findall(answer.stdout))
        failed += re.findall(r"^FAILED (\S+)", answer.stdout, re.MULTILINE)
        failed += [] if answer.returncode in (0, 1) else [f"pytest ended with {answer.returncode}"]
    return {
        "held": not failed and cases > 0,
        "cases": cases,
        "failed": failed,
        "seconds": round(time.monotonic() - start),
    }


def killed(home: Path, kills: int) -> dict:
    """Kill a scan again and again, then let it end; its tables must be those of a scan that nobody killed."""
    films, broken, whole = (home / name for name in ("films", "broken", "whole"))
    films.mkdir(parents=True)
    for number in range(FILMS):
        shutil.copy(CLIP, films / f"{number}.mp4")
    options = ["--csv", "--every", "3", "--out"]
    start = time.monotonic()
    subprocess.run([*SCAN, str(films), *options, str(whole)], check=True, capture_output=True)
    usual, done = time.monotonic() - start, []
    for _ in range(kills):
        scan = subprocess.Popen(
            [*SCAN, str(films), *options, str(broken)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(random.uniform(0, usual))
        os.killpg(scan.pid, signal.SIGKILL)  # its processes too
        scan.wait()
        done.append(len(list(broken.glob("?.csv"))))
        if done[-1] == FILMS:  # all anew
            shutil.rmtree(broken)
    subprocess.run([*SCAN, str(films), *options, str(broken)], check=True, capture_output=True)
    tables = sorted(path.name for path in whole.glob("*.csv"))
    same = all((broken / name).read_bytes() == (whole / name).read_bytes() for name in tables)
    left = sorted(path.name for path in broken.iterdir() if path.name not in (*tables, "manifest.json"))
    return {"held": same and not left, "kills": kills, "tables_are_the_same": same, "left_over": left}


def memory(home: Path, minutes: float) -> dict:
    """Scan a long video; return its process's memory after the first minute of it, and the most after that."""
    clip = home / "long.mp4"
    turns = round(60 * minutes / video_info(CLIP).duration_s)
    loop = ["ffmpeg", "-nostdin", "-v", "error", "-stream_loop", str(turns), "-i", str(CLIP), "-c", "copy", str(clip)]
    subprocess.run(loop, check=True)
    command = [*SCAN, str(clip), "--csv", "--out", str(home / "out")]
    scan = psutil.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=on_one_core)  # on more it would read in several
    journal, first, most = home / "out" / "long.part.csv", 0, 0
    while scan.poll() is None:
        used = scan.memory_info().rss if scan.is_running() else 0
        if not first and _seconds(journal) >= FIRST_S:
            first = used
        most = max(most, used) if first else 0
        time.sleep(0.5)
    megabytes = [round(value / 1e6, 1) for value in (first, most)]
    return {
        "held": scan.returncode == 0 and first > 0 and most - first < 50e6,
        "minutes": round(video_info(clip).duration_s / 60, 1),
        "first_minute_mb": megabytes[0],
        "most_later_mb": megabytes[1],
    }


def _seconds(journal: Path) -> float:
    """Return how far a scan's journal is: the time in its last whole row."""
    if not journal.exists():
        return 0.0
    with journal.open("rb") as file:
        file.seek(max(0, journal.stat().st_size - 2000))
        rows = file.read().split(b"\n")
    times = [row.split(b",")[1] for row in rows[1:-1] if row.count(b",") > 1]
    return float(times[-1]) if times and times[-1] != b"time_s" else 0.0


if __name__ == "__main__":
    main()
