"""Frames in, readings out: videos and cameras, the table of emotions, annotated copies.

Memory stays constant however long the video is: frames and readings are passed on one by one.
Taught in notebook 05.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fernb.errors import VideoError
from fernb.faces import Detection, crop_face, find_faces
from fernb.fatigue import Fatigue, FatigueMeter, eyes_closed
from fernb.files import whole_file
from fernb.images import put_text, read_picture
from fernb.labels import COLOURS
from fernb.recogniser import Recogniser
from fernb.tracking import Person, Tracker

Rect = tuple[int, int, int, int]  # x, y, w, h

UNSURE = "unsure"
UNSURE_COLOUR = (160, 160, 160)
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True)
class Frame:
    """A picture of a stream: its number from 0, its time in seconds, RGB uint8 ``(h, w, 3)``."""

    index: int
    time_s: float
    rgb: np.ndarray


@dataclass(frozen=True)
class Reading:
    """One person in one frame: who, where, the probabilities ``(k,)`` raw and smoothed, and what is shown.

    ``emotion`` is an index into the labels, or None while unsure; ``held`` is the number of
    analysed frames for which it has been the same. ``fatigue`` is None where nobody asked.
    """

    track: int
    face: Detection
    probs: np.ndarray
    smoothed: np.ndarray
    emotion: int | None
    held: int = 1
    fatigue: Fatigue | None = None

    def shown(self, labels: Sequence[str]) -> tuple[str, float]:
        """Return the shown emotion's name, ``unsure`` for None, and its smoothed probability."""
        if self.emotion is None:
            return UNSURE, float(self.smoothed.max())
        return labels[self.emotion], float(self.smoothed[self.emotion])


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
    for number, path in enumerate(picture_paths(folder)):
        yield float(number), partial(read_picture, path)


def picture_paths(folder: Path) -> list[Path]:
    """Return a folder's pictures in the order in which people count: ``img2`` before ``img10``."""

    def natural(path: Path) -> list:
        return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", path.name)]

    return sorted((path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES), key=natural)


class FaceReader:
    """Finds and names the faces of one frame after the other; it keeps who is who.

    ``tracker`` decides about smoothing; with ``eyes`` each face's eyes are looked for, with
    ``fatigue`` each person's closed eyes are counted. One reader serves one source.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        tracker: Tracker | None = None,
        detector: str = "auto",
        eyes: bool = False,
        fatigue: bool = False,
    ):
        self.recogniser, self.tracker = recogniser, tracker or Tracker()
        self.detector, self.eyes, self.fatigue = detector, eyes, fatigue
        self._meters: dict[int, FatigueMeter] = {}

    def __call__(self, frame: Frame) -> list[Reading]:
        """Return a reading for each face, largest first; an empty list where there is none."""
        faces = find_faces(frame.rgb, self.detector, self.eyes)
        crops = np.array([crop_face(frame.rgb, face) for face in faces], np.uint8).reshape(-1, 48, 48)
        probs = self.recogniser.predict(crops)
        people = self.tracker.update(faces, probs, frame.time_s)
        return [
            Reading(
                person.number, face, row, person.probs, person.emotion, person.held, self._fatigue(frame, face, person)
            )
            for face, row, person in zip(faces, probs, people, strict=True)
        ]

    def _fatigue(self, frame: Frame, face: Detection, person: Person) -> Fatigue | None:
        if not self.fatigue:
            return None
        meter = self._meters.setdefault(person.number, FatigueMeter())
        return meter.update(frame.time_s, eyes_closed(frame.rgb, face))


def read_faces(
    stream: Iterable[Frame],
    recogniser: Recogniser,
    tracker: Tracker | None = None,
    detector: str = "auto",
    eyes: bool = False,
    fatigue: bool = False,
) -> Iterator[tuple[Frame, list[Reading]]]:
    """Find and name the faces of each frame with one :class:`FaceReader`."""
    reader = FaceReader(recogniser, tracker, detector, eyes, fatigue)
    for frame in stream:
        yield frame, reader(frame)


# --- the table ---------------------------------------------------------------------------------------


def columns(labels: Iterable[str]) -> list[str]:
    """Return the columns of the table: one row per face per frame, an empty row where there is no face."""
    labels = list(labels)
    place = ["frame", "time_s", "track", "x", "y", "w", "h", "detector_score", "eyes"]
    answer = ["emotion", "confidence", "held", "eyes_closed", "fatigue_alarm"]
    return [*place, *labels, *(f"smoothed_{name}" for name in labels), *answer]


def table_rows(frame: Frame, readings: list[Reading], labels: tuple[str, ...]) -> list[list]:
    """Return the table's rows for one frame, as :func:`columns` orders them; None where there is nothing to say."""
    stamp, rows = [frame.index, round(frame.time_s, 3)], []
    for reading in readings:
        face, (emotion, confidence), tired = reading.face, reading.shown(labels), reading.fatigue
        place = [reading.track, *face.box, round(face.score, 3), None if face.eyes is None else len(face.eyes)]
        probs = [round(float(value), 4) for value in (*reading.probs, *reading.smoothed)]
        fatigue = [None, None] if tired is None else [round(tired.closed_share, 3), int(tired.alarm)]
        rows.append([*stamp, *place, *probs, emotion, round(confidence, 4), reading.held, *fatigue])
    return rows or [[*stamp, *[None] * (len(columns(labels)) - 2)]]


class Table:
    """Writes readings to a CSV row by row, so that a stop half-way leaves a readable file."""

    def __init__(self, path: Path, labels: Iterable[str]):
        self.labels = tuple(labels)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(columns(self.labels))

    def __enter__(self) -> "Table":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def add(self, frame: Frame, readings: list[Reading]) -> None:
        """Write the rows of one frame."""
        self._writer.writerows(table_rows(frame, readings, self.labels))
        self._file.flush()


# --- pictures of it ----------------------------------------------------------------------------------


def scaled(readings: list[Reading], zoom: float) -> list[Reading]:
    """Return readings for a picture that is ``zoom`` times as large; eyes and landmarks are left out."""

    def grown(reading: Reading) -> Reading:
        x, y, w, h = (round(value * zoom) for value in reading.face.box)
        return replace(reading, face=replace(reading.face, x=x, y=y, w=w, h=h, eyes=None, landmarks=None))

    return [grown(reading) for reading in readings]


def annotate(rgb: np.ndarray, readings: list[Reading], labels: tuple[str, ...]) -> np.ndarray:
    """Return a copy of a frame with each person's box, number, emotion, and bars where they cover nobody."""
    out = rgb.copy()
    for reading in readings:
        face, (emotion, confidence) = reading.face, reading.shown(labels)
        colour = UNSURE_COLOUR if emotion == UNSURE else _rgb(COLOURS[emotion])
        cv2.rectangle(out, (face.x, face.y), (face.x + face.w, face.y + face.h), colour, 2)
        for x, y, w, h in face.eyes or ():
            cv2.rectangle(out, (x, y), (x + w, y + h), (0, 208, 255), 1)
        text = f"{reading.track}: {emotion} {confidence:.0%}"
        put_text(out, text, (face.x, max(face.y - 8, 20)), scale=0.8)
        if reading.fatigue is not None and reading.fatigue.alarm:
            put_text(out, "eyes closed: tired?", (face.x, min(face.y + face.h + 28, out.shape[0] - 6)), scale=0.8)
    taken: list[Rect] = [reading.face.box for reading in readings]
    taken += [(reading.face.x, reading.face.y - 32, 240, 32) for reading in readings]  # the names
    for reading in readings:
        place = _place_bars(reading.face, len(labels), out.shape, taken)
        if place:
            taken.append(place)
            _bars(out, *place[:2], reading, labels)
    return out


PANEL_WIDTH, PANEL_STEP = 168, 20  # pixels of the bars, and of one row of them


def _place_bars(face: Detection, rows: int, shape: tuple[int, ...], taken: list[Rect]) -> Rect | None:
    """Return where beside a face its bars cover nobody: right, left, below or above it; None if nowhere."""
    w, h = PANEL_WIDTH, PANEL_STEP * rows
    for x, y in (
        (face.x + face.w + 6, face.y),
        (face.x - w - 6, face.y),
        (face.x, face.y + face.h + 6),
        (face.x, face.y - h - 38),  # above its name
    ):
        y = min(max(y, 0), shape[0] - h) if x != face.x else y
        inside = x >= 0 and y >= 0 and x + w <= shape[1] and y + h <= shape[0]
        if inside and not any(x < a + c and a < x + w and y < b + d and b < y + h for a, b, c, d in taken):
            return x, y, w, h
    return None


def _bars(out: np.ndarray, left: int, top: int, reading: Reading, labels: tuple[str, ...]) -> None:
    for i, name in enumerate(labels):
        y = top + i * PANEL_STEP
        panel = out[y : y + PANEL_STEP, left : left + PANEL_WIDTH]
        panel[:] = panel // 3  # a dark ground keeps text readable on any picture
        end = left + 80 + round((PANEL_WIDTH - 84) * float(reading.smoothed[i]))
        cv2.rectangle(out, (left + 80, y + 3), (end, y + PANEL_STEP - 3), _rgb(COLOURS[name]), -1)
        cv2.putText(out, name, (left + 3, y + 15), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)


def _rgb(colour: str) -> tuple[int, int, int]:
    return tuple(bytes.fromhex(colour[1:]))


class VideoWriter:
    """Writes frames to an MP4; with ffmpeg as H.264, which browsers play, else as MPEG-4.

    ``sound`` names a video whose sound it takes over. Use it as a context manager; the file
    appears when the block ends without an error.
    """

    def __init__(self, path: Path, fps: float, sound: Path | None = None):
        self.path, self.fps, self.sound = Path(path), fps, sound
        self._whole = whole_file(self.path)
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._pending: np.ndarray | None = None
        self._waits = False
        self._written = 0

    def __enter__(self) -> "VideoWriter":
        self._temporary = self._whole.__enter__()
        return self

    def add(self, rgb: np.ndarray) -> None:
        """Append a frame; one of another size than the first is fitted into that."""
        if self._writer is None:
            self._size = rgb.shape[1::-1]
            fourcc = cv2.VideoWriter_fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._temporary), fourcc, self.fps, self._size)
            if not self._writer.isOpened():
                raise VideoError(f"OpenCV cannot write the video {self.path.name}.")
        self._writer.write(cv2.cvtColor(_fitted(rgb, self._size), cv2.COLOR_RGB2BGR))
        self._written += 1

    def add_at(self, rgb: np.ndarray, time_s: float) -> None:
        """Append a frame that is shown from ``time_s`` on: the one before it is repeated until then."""
        self.fill(time_s)
        self._pending, self._waits = rgb, True

    def fill(self, time_s: float) -> None:
        """Repeat the frame that was added last until ``time_s``."""
        while self._pending is not None and self._written < round(time_s * self.fps):
            self.add(self._pending)
            self._waits = False

    def __exit__(self, *error) -> None:
        if self._waits:
            self.add(self._pending)
        if self._writer is not None:
            self._writer.release()
            if error[0] is None:
                to_h264(self._temporary, self.sound)
        self._whole.__exit__(*error)


def _fitted(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrink or grow a picture into ``size`` (w, h), with grey bars where it has another shape."""
    if rgb.shape[1::-1] == size:
        return rgb
    zoom = min(size[0] / rgb.shape[1], size[1] / rgb.shape[0])
    inner = cv2.resize(rgb, (max(1, round(rgb.shape[1] * zoom)), max(1, round(rgb.shape[0] * zoom))))
    out = np.full((size[1], size[0], 3), 60, np.uint8)
    top, left = (size[1] - inner.shape[0]) // 2, (size[0] - inner.shape[1]) // 2
    out[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return out


def to_h264(path: Path, sound: Path | None = None) -> bool:
    """Re-encode a video in place as H.264 for browsers, with the sound of the video ``sound`` if it has any.

    Returns False, and changes nothing, where ffmpeg is not to be had.
    """
    if not shutil.which("ffmpeg"):
        return False
    with whole_file(path) as temporary:
        command = ["ffmpeg", "-y", "-loglevel", "error", "-i", str(path)]
        if sound is not None:
            command += ["-i", str(sound), "-map", "0:v", "-map", "1:a?", "-c:a", "aac"]
        command += ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "26", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"]
        done = subprocess.run([*command, str(temporary)])
        if done.returncode:
            raise VideoError(f"ffmpeg could not re-encode {path.name}.")
    return True


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
        return float(len(picture_paths(Path(source))))
    with open_stream(source) as stream:
        count, rate = stream.get(cv2.CAP_PROP_FRAME_COUNT), stream.get(cv2.CAP_PROP_FPS)
    return count / rate if rate > 0 and count > 0 else 0.0


def contact_sheet(crops: list[np.ndarray], captions: list[str], columns: int = 7, side: int = 120) -> np.ndarray:
    """Return one RGB picture with all ``crops`` (grey faces) and a caption under each."""
    if not crops:
        raise VideoError("there are no faces to put on a contact sheet.")
    rows, cell = -(-len(crops) // columns), side + 28
    sheet = np.full((rows * cell, columns * (side + 8), 3), 255, np.uint8)
    for i, (crop, caption) in enumerate(zip(crops, captions, strict=True)):
        top, left = i // columns * cell, i % columns * (side + 8) + 4
        sheet[top + 4 : top + 4 + side, left : left + side] = cv2.resize(crop, (side, side))[..., None]
        cv2.putText(sheet, caption, (left, top + side + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return sheet
