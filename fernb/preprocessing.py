"""One face a second out of a stream: ``fernb preprocess`` and ``fernb live``. Taught in notebook 05."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

import numpy as np

from fernb.errors import VideoError
from fernb.faces import crop_face, find_faces
from fernb.images import write_picture
from fernb.video import FaceReader, Frame, Reading, Table, frames

LIVE_EVERY = 0.2  # seconds between the frames that `fernb live` reads


def seconds(source: Path | int) -> Iterator[Frame]:
    """Yield the first frame of each second."""
    return frames(source, every=1)


def preprocess_video(video: Path, out: Path, say: Callable[[str], None] = print) -> list[Path]:
    """Write the largest face of each second as ``image0.png``, ``image1.png`` … and a copy of the clip.

    The number in the name is the second. Pictures are 48×48 grey, through
    :func:`fernb.faces.crop_face`. Seconds without a face are told and left out. Raises
    :class:`~fernb.errors.VideoError` where no second has a face; then nothing is written.
    """
    crops: dict[int, np.ndarray] = {}
    missing = []
    for frame in seconds(video):
        second = int(frame.time_s + 1e-6)
        faces = find_faces(frame.rgb)
        if faces:
            crops[second] = crop_face(frame.rgb, faces[0])
        else:
            missing.append(second)
    if not crops:
        raise VideoError(f"no face was found in {video.name}; film one face from the front, in good light.")
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob("image*.png"):  # an older, longer clip must not leave faces behind
        stale.unlink()
    paths = [out / f"image{second}.png" for second in crops]
    for path, crop in zip(paths, crops.values(), strict=True):
        write_picture(path, crop)
    copy = out / f"input_video{video.suffix.lower()}"
    if copy.resolve() != video.resolve():
        shutil.copyfile(video, copy)
    if missing:
        say(f"no face in second {', '.join(map(str, missing))}")
    return paths


def live_lines(
    source: Path | int, reader: FaceReader, limit: float | None = None, table: Path | None = None
) -> Iterator[str]:
    """Yield what ``fernb live`` prints: once a second the time, the emotion and its probability.

    Five frames a second are read, so that each person's answers can be smoothed; all of them go
    into ``table``, a CSV. Times are the wall clock for a camera and the stream's own for a
    file. Where several people are in view each has a line with a number; seconds without a
    face say so.
    """
    yield "Reading video stream ..."
    labels, due = reader.recogniser.labels, 0.0
    with Table(table, labels) if table else nullcontext() as rows:
        for frame in frames(source, every=LIVE_EVERY):
            if limit is not None and frame.time_s >= limit:
                return
            readings = reader(frame)
            if rows:
                rows.add(frame, readings)
            if frame.time_s + 1e-6 >= due:
                due = int(frame.time_s + 1e-6) + 1
                clock = f"{datetime.now():%H:%M:%S}" if isinstance(source, int) else _clock(frame.time_s)
                yield "Preprocessing ..."
                yield from _second(clock, readings, labels)


def _second(clock: str, readings: list[Reading], labels: tuple[str, ...]) -> Iterator[str]:
    if not readings:
        yield f"{clock}s : no face"
    for reading in readings:
        name, confidence = reading.shown(labels)
        who = f"person {reading.track} : " if len(readings) > 1 else ""
        tired = " , eyes closed: tired?" if reading.fatigue and reading.fatigue.alarm else ""
        yield f"{clock}s : {who}{name.capitalize()} , {confidence:.0%}{tired}"


def _clock(time_s: float) -> str:
    whole = int(time_s + 1e-6)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
