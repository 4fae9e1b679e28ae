"""The only writer of MP4 files."""

import errno
import functools
import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from fernb.errors import VideoError
from fernb.files import atomic_write

FFMPEG = ("ffmpeg", "-nostdin", "-y", "-loglevel", "error")  # else it reads the commands of a shell's loop
# one thread: the same frames make the same file on every machine, whatever its cores
H264 = ("-threads", "1", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-crf", "24")
FRAGMENTS = ("-movflags", "+frag_every_frame+empty_moov+default_base_moof", "-flush_packets", "1")
"""What keeps a file readable up to its last frame, whenever its writer dies."""


class VideoWriter:
    """Writes frames to an MP4; with ffmpeg as H.264, which browsers play, else as MPEG-4.

    ``sound`` names a video whose sound it takes over. Use it as a context manager; the file
    appears when the block ends without an error, and none appears where no frame was added.
    Where ffmpeg dies on the way, what it had written is kept and the rest follows, as MPEG-4.
    ``notes`` says afterwards what could not be done, a sentence each.
    """

    def __init__(self, path: Path, fps: float, sound: Path | None = None):
        self.path, self.fps, self.sound = Path(path), fps, sound
        self.notes: list[str] = []
        self._open_things = ExitStack()
        self._size = (0, 0)
        self._sink: _Pipe | cv2.VideoWriter | None = None
        self._pending: np.ndarray | None = None
        self._waits = False
        self._written = 0

    def __enter__(self) -> "VideoWriter":
        return self

    def add(self, rgb: np.ndarray) -> None:
        """Append a frame; one of another size than the first is fitted into that."""
        if self._sink is None:
            self._temporary = self._open_things.enter_context(atomic_write(self.path))
            self._size = rgb.shape[1::-1]
            self._sink = self._open()
            self._open_things.push(self._close)
        bgr = cv2.cvtColor(_fitted(rgb, self._size), cv2.COLOR_RGB2BGR)
        try:
            self._sink.write(bgr)
        except _Died:
            self._go_on_in_mpeg4()
            self._sink.write(bgr)
        self._written += 1

    def _open(self) -> "_Pipe | cv2.VideoWriter":
        if h264_works():
            return _Pipe(self._temporary, self._size, self.fps)
        if shutil.which("ffmpeg"):
            self.notes.append(f"ffmpeg has no working H.264, so {self.path.name} is MPEG-4; browsers may not play it.")
        return self._open_mpeg4()

    def _open_mpeg4(self) -> cv2.VideoWriter:
        writer = cv2.VideoWriter(str(self._temporary), cv2.VideoWriter.fourcc(*"mp4v"), self.fps, self._size)
        if not writer.isOpened():
            raise VideoError(f"OpenCV cannot write the video {self.path.name}.")
        return writer

    def _go_on_in_mpeg4(self) -> None:
        """Take what a dead encoder has left over into an MPEG-4; frames that it took with it repeat the last one."""
        part = self._temporary.with_name(f"{self._temporary.stem}_part.mp4")
        os.replace(self._temporary, part)
        self._sink = self._open_mpeg4()
        kept, bgr = 0, np.zeros((self._size[1], self._size[0], 3), np.uint8)
        stream = cv2.VideoCapture(str(part.absolute()))
        try:
            while kept < self._written and (read := stream.read())[0]:
                bgr = np.ascontiguousarray(read[1][: self._size[1], : self._size[0]])
                self._sink.write(bgr)
                kept += 1
        finally:
            stream.release()
            part.unlink(missing_ok=True)
        for _ in range(self._written - kept):
            self._sink.write(bgr)
        stands = f"; it stands still from {kept / self.fps:.1f} to {self._written / self.fps:.1f} s"
        self.notes.append(
            f"ffmpeg died on the way, so {self.path.name} is MPEG-4, which browsers may not play"
            f"{stands if kept < self._written else ''}."
        )

    def add_at(self, rgb: np.ndarray, time_s: float) -> None:
        """Append a frame that is shown from ``time_s`` on: the one before it is repeated until then."""
        self.fill(time_s)
        self._pending, self._waits = rgb, True

    def fill(self, time_s: float) -> None:
        """Repeat the frame that was added last until ``time_s``."""
        while self._pending is not None and self._written < round(time_s * self.fps):
            self.add(self._pending)
            self._waits = False

    def __exit__(self, kind: type | None, error: BaseException | None, *_: object) -> None:
        with self._open_things:
            if error is not None:
                raise error
            if self._waits and self._pending is not None:
                self.add(self._pending)

    def _close(self, failed: type | None, *_: object) -> None:
        assert self._sink is not None, "what was not opened is not closed"
        try:
            self._sink.release()
        except _Died:
            if failed is not None:
                return
            self._go_on_in_mpeg4()
            self._sink.release()
        if failed is not None:
            return
        # an encoder's fragments become one file, which players can jump in
        finished = isinstance(self._sink, cv2.VideoWriter) and self.sound is None
        if not finished and not add_sound(self._temporary, self.sound) and self.sound is not None:
            self.notes.append(f"the sound of {self.sound.name} could not be taken over; {self.path.name} is silent.")


class _Died(Exception):
    """The encoder ended early, by no fault of the disk."""


class _Pipe:
    """One H.264 encoder that takes frames as they come."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float):
        raw = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", "pipe:0"]
        even = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"]
        self.name = path.name
        self._process = subprocess.Popen(
            [*FFMPEG, *raw, *even, *H264, *FRAGMENTS, str(path.absolute())],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdin and self._process.stderr, "both are pipes"
        self._frames, self._messages = self._process.stdin, self._process.stderr

    def write(self, bgr: np.ndarray) -> None:
        """Encode a frame."""
        try:
            self._frames.write(np.ascontiguousarray(bgr).data)
        except OSError:
            self._fail()

    def release(self) -> None:
        """End the file."""
        try:
            _, words = self._process.communicate()
        except OSError:
            words = b""
            self._process.wait()
        if self._process.returncode:
            self._fail(words)

    def _fail(self, words: bytes = b"") -> None:
        self._process.kill()
        said = (words or self._messages.read()).decode(errors="replace").strip()
        self._process.wait()
        if os.strerror(errno.ENOSPC) in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise _Died


@functools.cache
def h264_works() -> bool:
    """Say whether ffmpeg is there and can encode H.264: tried once, with one small frame."""
    if not shutil.which("ffmpeg"):
        return False
    command = [*FFMPEG, "-f", "lavfi", "-i", "color=s=64x64:d=0.04", *H264, "-f", "null", "-"]
    return subprocess.run(command, capture_output=True).returncode == 0


def add_sound(path: Path, sound: Path | None) -> bool:
    """Put the sound of the video ``sound``, if it has any, under ``path``; False, and no change, where that fails.

    Either way the index comes to the front of the file, so that it plays while it is loaded.
    """
    if not shutil.which("ffmpeg"):
        return False
    extra = [] if sound is None else ["-i", str(sound.absolute()), "-map", "0:v", "-map", "1:a?", "-c:a", "aac"]
    try:
        with atomic_write(path) as temporary:
            command = [*FFMPEG, "-i", str(path.absolute()), *extra, "-c:v", "copy", "-movflags", "+faststart"]
            subprocess.run([*command, str(temporary.absolute())], capture_output=True, check=True)
    except subprocess.CalledProcessError:
        return False
    return True


def _fitted(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrink or grow an image into ``size`` (w, h), with grey bars where it has another shape."""
    if rgb.shape[1::-1] == size:
        return rgb
    zoom = min(size[0] / rgb.shape[1], size[1] / rgb.shape[0])
    inner = cv2.resize(rgb, (max(1, round(rgb.shape[1] * zoom)), max(1, round(rgb.shape[0] * zoom))))
    out = np.full((size[1], size[0], 3), 60, np.uint8)
    top, left = (size[1] - inner.shape[0]) // 2, (size[0] - inner.shape[1]) // 2
    out[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return out
