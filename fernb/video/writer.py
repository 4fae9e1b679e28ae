"""The only writer of MP4 files."""

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np

from fernb.errors import VideoError
from fernb.files import atomic_write


class VideoWriter:
    """Writes frames to an MP4; with ffmpeg as H.264, which browsers play, else as MPEG-4.

    ``sound`` names a video whose sound it takes over. Use it as a context manager; the file
    appears when the block ends without an error.
    """

    def __init__(self, path: Path, fps: float, sound: Path | None = None):
        self.path, self.fps, self.sound = Path(path), fps, sound
        self._whole = atomic_write(self.path)
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
    with atomic_write(path) as temporary:
        command = ["ffmpeg", "-y", "-loglevel", "error", "-i", str(path)]
        if sound is not None:
            command += ["-i", str(sound), "-map", "0:v", "-map", "1:a?", "-c:a", "aac"]
        command += ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "26", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"]
        done = subprocess.run([*command, str(temporary)])
        if done.returncode:
            raise VideoError(f"ffmpeg could not re-encode {path.name}.")
    return True
