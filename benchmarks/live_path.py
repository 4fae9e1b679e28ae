"""How long each stage of reading a video takes, with one face and with six, at 640x480.

``python benchmarks/live_path.py`` writes median and 95th percentile of every stage in milliseconds,
the frames a second with and without an annotated video, and how far the boxes and emotions agree
with a search in each frame at full size. On a machine with other work the CPU seconds tell more
than the clock's: both are written.

``--fer-python PATH`` compares with the package ``fer`` (its Haar path, each frame) on the same files,
in turns. PATH is the Python of an environment of its own: ``python -m venv fer``, then
``fer/bin/pip install fer==25.10.3 "setuptools<81"``.
"""

import itertools
import json
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import _common
import click
import cv2
import numpy as np

import fernb
from fernb import config
from fernb.recognition import recognise_faces
from fernb.video import following, reading, scan
from fernb.video.annotate import annotate
from fernb.video.following import FaceFollower
from fernb.video.reading import FaceReader
from fernb.video.stream import frames
from fernb.video.writer import VideoWriter

FPS, SECONDS = 25, 8


def six_people(seconds: float) -> Iterator[np.ndarray]:
    """Yield frames of six photographs in two rows that sway, uint8 ``(480, 640, 3)``."""
    collins = fernb.read_image(config.SAMPLES / "eileen_collins.jpg")[:256, 96:352]
    hopper = fernb.read_image(config.SAMPLES / "grace_hopper.jpg")[30:420, 70:460]
    canvas = np.full((480, 640, 3), 118, np.uint8)
    for i, photo in enumerate((collins, hopper) * 3):
        row, column = divmod(i, 3)
        top, left = 30 + 225 * row, 10 + 210 * column
        canvas[top : top + 200, left : left + 200] = cv2.resize(photo, (200, 200), interpolation=cv2.INTER_AREA)
    for time_s in np.arange(round(seconds * FPS)) / FPS:
        shift = np.float32([[1, 0, 8 * np.sin(time_s * 1.7)], [0, 1, 6 * np.sin(time_s * 2.3)]])
        yield cv2.warpAffine(canvas, shift, (640, 480), borderMode=cv2.BORDER_REPLICATE)


@contextmanager
def timed(owner: object, name: str, spent: dict[str, list[float]], stage: str) -> Iterator[None]:
    """Note the time of each call of ``owner.name``."""
    original: Callable = getattr(owner, name)

    def call(*args, **kwargs):
        start = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            spent[stage].append(1000 * (time.perf_counter() - start))

    setattr(owner, name, call)
    try:
        yield
    finally:
        setattr(owner, name, original)


def stages(clip: Path, detector: str) -> dict:
    """Return milliseconds of each stage, ``[median, 95th percentile, calls a frame]``."""
    spent: dict[str, list[float]] = defaultdict(list)
    reader = FaceReader(follower=FaceFollower(detector=detector))
    count = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        VideoWriter(Path(folder) / "out.mp4", FPS) as writer,
        timed(following, "find_faces", spent, "detect"),
        timed(following, "follow_boxes", spent, "follow"),
        timed(reading, "recognise_faces", spent, "crop and recognise"),
        timed(reader.recogniser, "predict", spent, "of which recognise"),
        timed(reader, "_reading", spent, "smooth, a face"),
        timed(writer, "add", spent, "encode"),
    ):
        stream = frames(clip)
        while True:
            start = time.perf_counter()
            frame = next(stream, None)
            if frame is None:
                break
            spent["decode"].append(1000 * (time.perf_counter() - start))
            readings, count = reader(frame), count + 1
            start = time.perf_counter()
            drawn = annotate(frame.rgb, readings, reader.recogniser.labels)
            spent["draw"].append(1000 * (time.perf_counter() - start))
            writer.add(drawn)
    return {
        stage: [round(float(np.median(ms)), 2), round(float(np.percentile(ms, 95)), 2), round(len(ms) / count, 2)]
        for stage, ms in spent.items()
    }


def scan_once(clip: Path, detector: str, kinds: tuple[str, ...]) -> dict:
    """Scan the whole clip; return frames a second by the clock, and CPU milliseconds a frame."""
    count = sum(1 for _ in frames(clip))
    reader = FaceReader(follower=FaceFollower(detector=detector))
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), time.process_time()
        scan.scan(clip, Path(folder), reader, kinds=kinds)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"frames_per_s": count / wall, "cpu_ms_a_frame": 1000 * cpu / count}  # ffmpeg's own CPU is not in it


def speed(clip: Path, detector: str, kinds: tuple[str, ...], times: int) -> dict:
    """Scan the clip several times; return the best run."""
    runs = [scan_once(clip, detector, kinds) for _ in range(times)]
    return {
        "frames_per_s": round(max(run["frames_per_s"] for run in runs), 1),
        "cpu_ms_a_frame": round(min(run["cpu_ms_a_frame"] for run in runs), 2),
    }


def beside_fer(clip: Path, detector: str, fer_python: Path, times: int) -> dict:
    """Scan the clip and read it with ``fer``, in turns; return all runs, and by how much fernb is faster."""
    runs: dict[str, list[dict]] = {"fernb": [], "fer": []}
    for _ in range(times):
        runs["fernb"].append(scan_once(clip, detector, ("csv",)))
        command = [str(fer_python), str(Path(__file__).with_name("_fer_speed.py")), str(clip)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        runs["fer"].append(json.loads(told.splitlines()[-1]))
    middle = {
        name: {key: statistics.median(run[key] for run in own) for key in ("frames_per_s", "cpu_ms_a_frame")}
        for name, own in runs.items()
    }
    return {
        "fer_version": runs["fer"][0]["version"],
        **{name: {key: [round(run[key], 1) for run in own] for key in middle[name]} for name, own in runs.items()},
        "times_as_fast": round(middle["fernb"]["frames_per_s"] / middle["fer"]["frames_per_s"], 1),
        "times_less_cpu": round(middle["fer"]["cpu_ms_a_frame"] / middle["fernb"]["cpu_ms_a_frame"], 1),
    }


def agreement(clip: Path, detector: str) -> dict:
    """Return the share of faces whose box (IoU 0.7) and emotion are those of a search in each frame at full size."""
    reader = FaceReader(follower=FaceFollower(detector=detector))
    places, same_box, same_emotion = 0, 0, 0
    for frame, readings in reader.read(frames(clip)):
        for face in recognise_faces(frame.rgb, fernb.find_faces(frame.rgb, detector), reader.recogniser):
            overlaps = [_iou(one.face.box, face.detection.box) for one in readings or []]
            best = int(np.argmax(overlaps)) if overlaps else -1
            places += 1
            if best >= 0 and overlaps[best] >= 0.7:
                same_box += 1
                same_emotion += readings[best].probs.argmax() == face.probabilities.argmax()
    return {
        "faces": places,
        "share_of_boxes": round(same_box / places, 4),
        "same_emotion_of_these": round(float(same_emotion) / max(same_box, 1), 4),
    }


def _iou(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    w = max(0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    h = max(0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


@click.command(help=__doc__)
@click.option("--detector", default="haar", show_default=True, type=click.Choice(["haar", "yunet"]))
@click.option("--times", default=3, show_default=True, help="Runs, of which the fastest counts.")
@click.option("--seconds", default=SECONDS, show_default=True, help="Length of each clip.")
@click.option("--fer-python", type=click.Path(path_type=Path, exists=True), help="Compare with fer, installed there.")
@_common.out_option(config.RESULTS / "live_path.json")
def main(detector: str, times: int, seconds: int, fer_python: Path | None, out: Path) -> None:
    result: dict = {"detector": detector, "stages": "milliseconds: median, 95th percentile; calls a frame", "cases": {}}
    with tempfile.TemporaryDirectory() as folder:
        one = [frame.rgb for frame in itertools.islice(frames(config.SAMPLES / "emotions.mp4"), FPS * seconds)]
        for case, pictures in (("one_face", one), ("six_faces", six_people(seconds))):
            clip = Path(folder) / f"{case}.mp4"
            with VideoWriter(clip, FPS) as writer:
                for rgb in pictures:
                    writer.add(rgb)
            result["cases"][case] = {
                "stages_ms": stages(clip, detector),
                "table_only": speed(clip, detector, ("csv",), times),
                "with_video": speed(clip, detector, ("video",), times),
                "agreement": agreement(clip, detector),
            }
            if fer_python:
                result["cases"][case]["fer"] = beside_fer(clip, detector, fer_python, times)
            click.echo(f"{case}: {result['cases'][case]}")
    _common.write(out, result)


if __name__ == "__main__":
    main()
