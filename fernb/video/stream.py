"""Frames of videos, cameras and folders, one by one: memory stays constant however long the video is.

Taught in notebook 05.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fernb.errors import VideoError
from fernb.vision.images import read_image

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True)
class Frame:
    """A picture of a stream: its number from 0, its time in seconds, RGB uint8 ``(h, w, 3)``."""

    index: int
    time_s: float
    rgb: np.ndarray


@contextmanager
def open_stream(source: str | os.PathLike | int) -> Iterator[cv2.VideoCapture]:
    """Open a video file, or a camera by its number, and close it in the end.

    Raises :class:`~fernb.errors.VideoError` with what to do instead.
    """
    camera = isinstance(source, int)
    if not camera and not Path(source).is_file():
        raise VideoError(f"there is no video at {source}.")
    # Linux lists cameras as files; asking first spares the user OpenCV's own messages
    if camera and sys.platform == "linux" and not Path(f"/dev/video{source}").exists():
        raise VideoError(f"no camera {source} was found; use a recorded video: --source FILE.")
    stream = cv2.VideoCapture(source if camera else str(source))
    try:
        if not stream.isOpened():
            if camera:
                raise VideoError(
                    f"camera {source} cannot be opened; close other programs that use it, or --source FILE."
                )
            raise VideoError(f"{Path(source).name} is not a video that can be read, or it is cut off.")
        yield stream
    finally:
        stream.release()


def frames(source: str | os.PathLike | int, every: float = 0, step: int = 1) -> Iterator[Frame]:
    """Yield the frames of a source: one each ``every`` seconds, or each ``step``-th one.

    ``source`` is a video file, a camera's number, or a folder of pictures, which count as one a
    second in the order of their names (``img2`` before ``img10``). Times are the container's
    time stamps, so variable frame rates come out right; a camera's count from its first frame.
    Raises :class:`~fernb.errors.VideoError`, also for a source without a single frame.
    """
    folder = not isinstance(source, int) and Path(source).is_dir()
    index, due = -1, 0.0
    for index, (time_s, retrieve) in enumerate(_pictures(Path(source)) if folder else _stream(source)):
        if time_s + 1e-6 < due or index % step:
            continue
        rgb = retrieve()
        if rgb is not None:
            yield Frame(index, time_s, rgb)
        if every:
            due = (time_s + 1e-6) // every * every + every
    if index < 0:
        raise VideoError(f"no frame can be read from {source}.")


def _stream(source: str | os.PathLike | int) -> Iterator[tuple[float, Callable[[], np.ndarray | None]]]:
    with open_stream(source) as stream:
        start = cv2.getTickCount()

        def retrieve() -> np.ndarray | None:
            ok, bgr = stream.retrieve()
            return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB) if ok else None

        while stream.grab():  # decoding is left out for frames that nobody wants
            if isinstance(source, int):
                yield (cv2.getTickCount() - start) / cv2.getTickFrequency(), retrieve
            else:
                yield stream.get(cv2.CAP_PROP_POS_MSEC) / 1000, retrieve


def _pictures(folder: Path) -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
    for number, path in enumerate(image_paths(folder)):
        yield float(number), partial(read_image, path)


def image_paths(folder: Path) -> list[Path]:
    """Return a folder's pictures in the order in which people count: ``img2`` before ``img10``."""

    def natural(path: Path) -> list:
        return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", path.name)]

    return sorted((path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES), key=natural)


def fps(source: str | os.PathLike) -> float:
    """Return the nominal frames per second of a video, 25 where the container does not say; of a folder, 1."""
    if Path(source).is_dir():
        return 1.0
    with open_stream(source) as stream:
        value = stream.get(cv2.CAP_PROP_FPS)
    return value if 0 < value < 1000 else 25.0


def duration(source: str | os.PathLike) -> float:
    """Return a video's length in seconds, 0 where the container does not say; of a folder, its number of pictures."""
    if Path(source).is_dir():
        return float(len(image_paths(Path(source))))
    with open_stream(source) as stream:
        count, rate = stream.get(cv2.CAP_PROP_FRAME_COUNT), stream.get(cv2.CAP_PROP_FPS)
    return count / rate if rate > 0 and count > 0 else 0.0
