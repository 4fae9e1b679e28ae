"""What `fernb scan` costs in processor time, and what ten thousand hours of video come to.

    python benchmarks/many_videos.py [--out FILE]

Reads the sample clip (640x480, one person) and two photographs under a shaking camera (640x360, two
people) with one thread, as each process of ``fernb scan FOLDER`` does, and counts processor seconds:
other work on the machine costs little. Then one long video, the sample clip in a loop, is read by one
process and by one a core: seconds by the clock, which other work lengthens, and how far its table agrees
with that of one endless reading. Writes results/many_videos.json.
"""

import math
import tempfile
import time
from functools import partial
from pathlib import Path

import click
import cv2
import pandas as pd
from _common import out_option, write

from fernb import config, runtime
from fernb.app import samples
from fernb.video import parts
from fernb.video.reading import FaceReader, video_recogniser
from fernb.video.scan import sampling, scan
from fernb.video.stream import frames, video_info
from fernb.video.writer import VideoWriter

HOURS = 10_000
FPS = 25  # of the videos that are planned for
CORES = 64
LOOPS = 12  # of the sample clip
PART_S = 126.0  # so that the long video has two parts; fernb's own are longer
EVERY = {"each_frame": "1", "each_5th_frame": "5", "one_a_second": "1s"}


@click.command(help=__doc__)
@out_option(config.RESULTS / "many_videos.json")
def main(out: Path) -> None:
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        with VideoWriter(home / "two.mp4", 25) as writer:
            for rgb in samples.two_people(12, 25):
                writer.add(rgb)
        clips = {"one_person": config.SAMPLES / "emotions.mp4", "two_people": home / "two.mp4"}
        scan(
            clips["one_person"], home, FaceReader(video_recogniser(1)), sampling("1s"), ("csv",)
        )  # the first is slower
        cases = {
            people: {every: measure(clip, home, EVERY[every]) for every in EVERY} for people, clip in clips.items()
        }
        long = one_long(home)
    plan = {every: planned(case) for every, case in cases["two_people"].items()}
    write(out, {"hours": HOURS, "fps": FPS, "cores": CORES, "cases": cases, "plan": plan, "one_long": long})


def measure(clip: Path, home: Path, every: str) -> dict:
    """Scan once; return processor milliseconds a frame of the video, and bytes of the table, read or not."""
    reader, start = FaceReader(video_recogniser(1)), time.process_time()
    (table,) = scan(clip, home, reader, sampling(every), ("csv",))
    spent = time.process_time() - start
    frames = round(video_info(clip).duration_s * video_info(clip).fps)
    return {"ms_a_frame": round(1000 * spent / frames, 2), "bytes_a_frame": round(table.stat().st_size / frames)}


def one_long(home: Path) -> dict:
    """Read a long video in one process, in one a core, and without any parts; return seconds and agreement."""
    film, cores = home / "long.mp4", runtime.cores()
    clip = [frame.rgb for frame in frames(config.SAMPLES / "emotions.mp4")]
    with VideoWriter(film, 15) as writer:
        for rgb in clip * LOOPS:
            writer.add(rgb)
    tables, seconds = {}, {}
    for name, part_s, processes in (("parts", PART_S, 1), ("cores", PART_S, cores), ("endless", math.inf, 1)):
        spans = parts.shares(parts.Span(part_s=part_s), video_info(film), processes)
        start = time.monotonic()
        parts.table_on_cores(film, home / f"{name}.csv", partial(single, 1), spans)
        seconds[name] = round(time.monotonic() - start, 1)
        tables[name] = pd.read_csv(home / f"{name}.csv")
    both = tables["cores"].merge(tables["endless"], on=["frame", "track"], suffixes=("", "_endless"))
    return {
        "video_s": len(clip) * LOOPS / 15,
        "seconds": seconds,
        "faster": round(seconds["parts"] / seconds["cores"], 2),
        "same_table": tables["parts"].equals(tables["cores"]),
        "rows_in_both": round(len(both) / len(tables["endless"]), 4),
        "same_emotion": round(float((both["emotion"] == both["emotion_endless"]).mean()), 4),
    }


def single(threads: int) -> FaceReader:
    """Return a reader that uses so many threads."""
    return FaceReader(video_recogniser(threads))


def planned(case: dict) -> dict:
    """Return what ``HOURS`` of video cost by one case, and how fast ``CORES`` are; tables in gigabytes."""
    frames = HOURS * 3600 * FPS
    core_hours = frames * case["ms_a_frame"] / 1000 / 3600
    return {
        "core_hours": round(core_hours),
        "days": round(core_hours / CORES / 24, 2),
        "hours_an_hour": round(HOURS / core_hours * CORES),
        "gigabytes": round(frames * case["bytes_a_frame"] / 1e9),
    }


if __name__ == "__main__":
    main()
