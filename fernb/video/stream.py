"""Frames of videos, cameras, images and folders of images, one by one: memory stays constant whatever the length.

Taught in notebook 05.
"""

import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fernb.errors import VideoError
from fernb.vision.images import read_image

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
MAX_JUMP_S = 30.0  # a time stamp that is further from the last one is taken for a broken one
MAX_FPS = 240.0  # what a header says beyond this is no frame rate
TIME_TOLERANCE_S = 0.005  # two readings of one frame's time stamp differ by less
SEEK_FRAMES = 50  # frames; nearer ones are reached sooner by counting than by a jump to a key frame

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's own messages say nothing that a user can mend


@dataclass(frozen=True)
class Frame:
    """One image of a stream: its number from 0, its time in seconds, RGB uint8 ``(h, w, 3)``.

    ``still`` marks an image that is no moment of a film; ``due`` is False for a frame that is
    passed on to be shown, but not meant to be analysed.
    """

    index: int
    time_s: float
    rgb: np.ndarray
    still: bool = False
    due: bool = True


@dataclass(frozen=True)
class VideoInfo:
    """What a source says of itself: nominal frames per second, and its length in seconds (0: unknown).

    ``fps`` is 25 where a header does not say; images count as one a second.
    """

    fps: float
    duration_s: float
    still: bool = False


@dataclass(frozen=True)
class FrameStream:
    """An open source: ``info`` and, once, its frames."""

    info: VideoInfo
    _frames: Iterator[Frame]

    def __iter__(self) -> Iterator[Frame]:
        return self._frames


@contextmanager
def open_stream(source: str | os.PathLike | int) -> Iterator[cv2.VideoCapture]:
    """Open a video file, or a camera by its number, and close it in the end.

    Raises :class:`~fernb.errors.VideoError` with what to do instead.
    """
    path = None if isinstance(source, int) else Path(source)
    if path is not None and not path.is_file():
        raise VideoError(f"there is no video at {source}.")
    # Linux lists cameras as files; asking first spares the user OpenCV's own messages
    if path is None and sys.platform == "linux" and not Path(f"/dev/video{source}").exists():
        raise VideoError(f"no camera {source} was found; use a recorded video: --source FILE.")
    try:
        # absolute, for FFmpeg takes "holiday: beach.mp4" for a protocol named holiday
        stream = cv2.VideoCapture(source if path is None else str(path.absolute()))
    except UnicodeEncodeError:
        raise VideoError(f"the name {source!r} is not in UTF-8; rename the video.") from None
    try:
        if not stream.isOpened():
            if path is None:
                raise VideoError(
                    f"camera {source} cannot be opened; close other programs that use it, or --source FILE."
                )
            raise VideoError(f"{path.name} is not a video that can be read, or it is cut off.")
        yield stream
    finally:
        stream.release()


@contextmanager
def open_frames(
    source: str | os.PathLike | int, *, every: float = 0, step: int = 1, keep_all: bool = False, from_s: float = 0
) -> Iterator[FrameStream]:
    """Open a source once, for what it says of itself and for its frames; see :func:`frames`.

    With ``keep_all`` the frames between those of ``every`` and ``step`` come too, with ``due`` False.
    Frames before ``from_s`` seconds are counted, and left out.
    """

    def chosen(stills: bool, parts: Iterable[tuple[float, Callable[[], np.ndarray | None]]]) -> Iterator[Frame]:
        index, due_s = -1, 0.0
        for index, (time_s, retrieve) in enumerate(parts):
            due = time_s + 1e-6 >= due_s and index % step == 0
            if due and every:
                due_s = (time_s + 1e-6) // every * every + every
            if (due or keep_all) and time_s >= from_s and (rgb := retrieve()) is not None:
                yield Frame(index, time_s, rgb, stills, due)
        if index < 0:
            raise VideoError(f"no frame can be read from {source}.")

    paths = None if isinstance(source, int) else still_images(Path(source))
    if paths is not None:
        parts = ((float(number), partial(read_image, path)) for number, path in enumerate(paths))
        yield FrameStream(VideoInfo(1.0, float(len(paths)), still=True), chosen(True, parts))
        return
    with open_stream(source) as stream:
        yield FrameStream(_info(stream), chosen(False, _parts(stream, camera=isinstance(source, int))))


def frames(source: str | os.PathLike | int, every: float = 0, step: int = 1) -> Iterator[Frame]:
    """Yield the frames of a source: one each ``every`` seconds, or each ``step``-th one.

    ``source`` is a video file, a camera's number, an image, or a folder of images, which count as
    one a second in the order of their names (``img2`` before ``img10``). Times are the container's
    time stamps, so variable frame rates come out right; stamps that run backwards or jump further
    than 30 s are taken for broken and go on from the last good one. A camera's times count from its
    first frame. Raises :class:`~fernb.errors.VideoError`, also for a source without a single frame.
    """
    with open_frames(source, every=every, step=step) as stream:
        yield from stream


def video_info(source: str | os.PathLike) -> VideoInfo:
    """Return what a video, an image or a folder says of itself. Raises :class:`~fernb.errors.VideoError`."""
    with open_frames(source) as stream:
        return stream.info


def _info(stream: cv2.VideoCapture) -> VideoInfo:
    count, rate = stream.get(cv2.CAP_PROP_FRAME_COUNT), stream.get(cv2.CAP_PROP_FPS)
    duration = count / rate if rate > 0 and count > 0 else 0.0
    return VideoInfo(rate if 0 < rate <= MAX_FPS else 25.0, duration)


def _parts(stream: cv2.VideoCapture, *, camera: bool) -> Iterator[tuple[float, Callable[[], np.ndarray | None]]]:
    """Yield time and a way to the pixels of each frame; colours are converted only where somebody wants them."""
    start, step_s = cv2.getTickCount(), 1 / _info(stream).fps
    last, offset = None, 0.0
    while stream.grab():
        if camera:
            time_s = (cv2.getTickCount() - start) / cv2.getTickFrequency()
        else:
            time_s = stream.get(cv2.CAP_PROP_POS_MSEC) / 1000 + offset
            jumped = not 0 <= time_s - (last or 0.0) <= MAX_JUMP_S  # also where it is no number
            if jumped:
                good = 0.0 if last is None else last + step_s
                offset += good - time_s if np.isfinite(time_s) else 0.0
                time_s = good
            last = time_s
        yield time_s, partial(_pixels, stream)


def _pixels(stream: cv2.VideoCapture) -> np.ndarray | None:
    ok, bgr = stream.retrieve()
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB) if ok else None


def frames_at(source: str | os.PathLike, times: Mapping[int, float]) -> Iterator[Frame]:
    """Yield the frames whose numbers and times, as an earlier run gave them, are in ``times``; in their order.

    It jumps where the container can, and counts from the start where it cannot (variable frame rates).
    Raises :class:`~fernb.errors.VideoError` for a frame that is not there or shows another time.
    """
    wanted = sorted(times)
    if still_images(Path(source)) is None:
        with open_stream(source) as stream:
            done = 0
            for index in wanted:
                frame = _jump_to(stream, index, times[index])
                if frame is None:
                    break
                done += 1
                yield frame
        wanted = wanted[done:]
    if wanted:
        yield from _counted(source, wanted, times)


def _jump_to(stream: cv2.VideoCapture, index: int, time_s: float) -> Frame | None:
    at = round(stream.get(cv2.CAP_PROP_POS_FRAMES))
    if 0 <= index - at < SEEK_FRAMES:
        if not all(stream.grab() for _ in range(index - at)):
            return None
    elif not stream.set(cv2.CAP_PROP_POS_FRAMES, index):
        return None
    if not stream.grab() or abs(stream.get(cv2.CAP_PROP_POS_MSEC) / 1000 - time_s) > TIME_TOLERANCE_S:
        return None
    rgb = _pixels(stream)
    return None if rgb is None else Frame(index, time_s, rgb)


def _counted(source: str | os.PathLike, wanted: list[int], times: Mapping[int, float]) -> Iterator[Frame]:
    paths, name = still_images(Path(source)), Path(source).name
    left = list(wanted)

    def checked(index: int, time_s: float, retrieve: Callable[[], np.ndarray | None]) -> Frame:
        rgb = retrieve() if abs(time_s - times[index]) <= TIME_TOLERANCE_S else None
        if rgb is None:
            raise VideoError(f"{name} has no frame {index} at {times[index]:.2f} s; give the video of this table.")
        return Frame(index, time_s, rgb, paths is not None)

    if paths is not None:
        for index in wanted:
            if index < len(paths):
                left.remove(index)
                yield checked(index, float(index), partial(read_image, paths[index]))
    else:
        with open_stream(source) as stream:
            for index, (time_s, retrieve) in enumerate(_parts(stream, camera=False)):
                if left and index == left[0]:
                    left.pop(0)
                    yield checked(index, time_s, retrieve)
                if not left:
                    return
    if left:
        raise VideoError(f"{name} has no frame {left[0]} at {times[left[0]]:.2f} s; give the video of this table.")


def still_images(source: Path) -> list[Path] | None:
    """Return the images of a folder, or an image file itself; None for what is neither."""
    if source.is_dir():
        return image_paths(source)
    return [source] if source.suffix.lower() in IMAGE_SUFFIXES and source.is_file() else None


def image_paths(folder: Path) -> list[Path]:
    """Return a folder's images in the order in which people count: ``img2`` before ``img10``."""

    def natural(path: Path) -> list:
        return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", path.name)]

    return sorted((path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES), key=natural)


def prefetch(items: Iterable, ahead: int = 4) -> Generator:
    """Yield ``items``, made in a thread of their own, at most ``ahead`` of them before they are asked for.

    OpenCV decodes without holding Python's lock, so the next frame is decoded while this one is read.
    """
    made: queue.Queue = queue.Queue(ahead)
    stopped, end = threading.Event(), object()

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                made.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((end, None))
        except BaseException as error:  # raised again where the items are used
            put((end, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        stopped.set()
        thread.join()
