"""Frames in, readings out: videos and cameras, the table of emotions, annotated copies.

Memory stays constant however long the video is: frames and readings are passed on one by one.
Taught in notebook 05.
"""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fernb.errors import VideoError
from fernb.faces import Detection, crop_face, find_faces
from fernb.files import whole_file
from fernb.images import put_text
from fernb.labels import COLOURS
from fernb.recogniser import Recogniser
from fernb.tracking import Tracker


@dataclass(frozen=True)
class Frame:
    """A picture of a stream: its number from 0, its time in seconds, RGB uint8 ``(h, w, 3)``."""

    index: int
    time_s: float
    rgb: np.ndarray


@dataclass(frozen=True)
class Reading:
    """One person in one frame: who, where, and the probabilities ``(k,)``, raw and smoothed.

    ``held`` is the number of analysed frames for which the emotion has been the same.
    """

    track: int
    face: Detection
    probs: np.ndarray
    smoothed: np.ndarray
    held: int = 1


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
    """Yield the frames of a video or camera: one each ``every`` seconds, or each ``step``-th one.

    Times are the container's time stamps, so variable frame rates come out right; a camera's
    count from its first frame. Raises :class:`~fernb.errors.VideoError`, also for a video
    without a single frame.
    """
    with open_stream(source) as stream:
        start = cv2.getTickCount()
        index, due = 0, 0.0
        while stream.grab():
            if isinstance(source, int):
                time_s = (cv2.getTickCount() - start) / cv2.getTickFrequency()
            else:
                time_s = stream.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if time_s + 1e-6 >= due and index % step == 0:
                ok, bgr = stream.retrieve()
                if ok:
                    yield Frame(index, time_s, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
                if every:
                    due = (time_s + 1e-6) // every * every + every
            index += 1
        if not index:
            raise VideoError(f"no frame can be read from {source}.")


def read_faces(
    stream: Iterable[Frame],
    recogniser: Recogniser,
    tracker: Tracker | None = None,
    detector: str = "auto",
    eyes: bool = False,
) -> Iterator[tuple[Frame, list[Reading]]]:
    """Find and name the faces of each frame; a frame without a face gives an empty list."""
    tracker = tracker or Tracker()
    for frame in stream:
        faces = find_faces(frame.rgb, detector, eyes)
        crops = np.array([crop_face(frame.rgb, face) for face in faces], np.uint8).reshape(-1, 48, 48)
        probs = recogniser.predict(crops)
        people = tracker.update(faces, probs, frame.time_s)
        yield (
            frame,
            [
                Reading(person.number, face, row, person.probs, person.held)
                for face, row, person in zip(faces, probs, people, strict=True)
            ],
        )


# --- the table ---------------------------------------------------------------------------------------


def columns(labels: Iterable[str]) -> list[str]:
    """Return the columns of the table: one row per face per frame, an empty row where there is no face."""
    labels = list(labels)
    place = ["frame", "time_s", "track", "x", "y", "w", "h", "detector_score", "eyes"]
    return [*place, *labels, *(f"smoothed_{name}" for name in labels), "emotion", "confidence", "held"]


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
        stamp = [frame.index, f"{frame.time_s:.3f}"]
        for reading in readings:
            face, best = reading.face, int(reading.smoothed.argmax())
            probs = [f"{value:.4f}" for value in (*reading.probs, *reading.smoothed)]
            answer = [self.labels[best], f"{reading.smoothed[best]:.4f}", reading.held]
            place = [reading.track, *face.box, f"{face.score:.3f}", "" if face.eyes is None else len(face.eyes)]
            self._writer.writerow([*stamp, *place, *probs, *answer])
        if not readings:
            self._writer.writerow([*stamp, *[""] * (len(columns(self.labels)) - 2)])
        self._file.flush()


# --- pictures of it ----------------------------------------------------------------------------------


def annotate(rgb: np.ndarray, readings: list[Reading], labels: tuple[str, ...]) -> np.ndarray:
    """Return a copy of a frame with each person's box, number, emotion and probability bars."""
    out = rgb.copy()
    for reading in readings:
        face, best = reading.face, int(reading.smoothed.argmax())
        colour = _rgb(COLOURS[labels[best]])
        cv2.rectangle(out, (face.x, face.y), (face.x + face.w, face.y + face.h), colour, 2)
        text = f"{reading.track}: {labels[best]} {reading.smoothed[best]:.0%}"
        put_text(out, text, (face.x, max(face.y - 8, 20)), scale=0.8)
        _bars(out, reading, labels)
    return out


def _bars(out: np.ndarray, reading: Reading, labels: tuple[str, ...]) -> None:
    """Draw probability bars beside the box, on the side where there is room."""
    face, width, step = reading.face, 84, 20
    left = face.x + face.w + 6
    if left + width + 84 > out.shape[1]:
        left = max(face.x - width - 90, 0)
    for i, name in enumerate(labels):
        top = face.y + i * step
        panel = out[max(top, 0) : top + step, left : left + width + 84]
        panel[:] = panel // 3  # a dark ground keeps text readable on any picture
        end = left + 80 + round(width * float(reading.smoothed[i]))
        cv2.rectangle(out, (left + 80, top + 3), (end, top + step - 3), _rgb(COLOURS[name]), -1)
        cv2.putText(out, name, (left + 3, top + 15), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)


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

    def __enter__(self) -> "VideoWriter":
        self._temporary = self._whole.__enter__()
        return self

    def add(self, rgb: np.ndarray) -> None:
        """Append a frame; all frames must have the size of the first one."""
        if self._writer is None:
            size = rgb.shape[1::-1]
            self._writer = cv2.VideoWriter(str(self._temporary), cv2.VideoWriter_fourcc(*"mp4v"), self.fps, size)
            if not self._writer.isOpened():
                raise VideoError(f"OpenCV cannot write the video {self.path.name}.")
        self._writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))

    def __exit__(self, *error) -> None:
        if self._writer is not None:
            self._writer.release()
            if error[0] is None:
                to_h264(self._temporary, self.sound)
        self._whole.__exit__(*error)


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
    """Return the nominal frames per second of a video; 25 where the container does not say."""
    with open_stream(source) as stream:
        value = stream.get(cv2.CAP_PROP_FPS)
    return value if 0 < value < 1000 else 25.0


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
