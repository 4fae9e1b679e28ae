"""One face a second out of a video, as the network sees it: ``fernb preprocess``. Taught in notebooks/more/01."""

import re
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from fernb.errors import FernbError, VideoError
from fernb.video.stream import frames
from fernb.video.writer import VideoWriter
from fernb.vision.crop import crop_face
from fernb.vision.detection import find_faces
from fernb.vision.images import write_image

TRIES_S = 0.2  # seconds between the frames of a second that are tried until one has a face


def preprocess_video(
    video: Path | int, out: Path, log: Callable[[str], None] = print, *, seconds: float | None = None
) -> list[Path]:
    """Write the largest face of each second as ``image0.png``, ``image1.png`` … and a copy of the clip.

    ``video`` is a file, or a camera's number, which is watched for ``seconds`` (a file: to its end by
    default). The number in the name is the second. Images are 48×48 grey, through
    :func:`fernb.vision.crop.crop_face`. Where the first frame of a second has no face, others of it
    are tried; seconds without any are told and left out. Images of this naming from an older run go.

    Raises :class:`~fernb.errors.VideoError` where no second has a face; then nothing is written.
    Raises :class:`~fernb.errors.FernbError` for a camera without ``seconds``.
    """
    if isinstance(video, int) and seconds is None:
        raise FernbError("a camera has no end; say for how long: --seconds 20.")
    crops: dict[int, np.ndarray] = {}
    looked: set[int] = set()
    clip = None if isinstance(video, int) else video
    name, suffix = (f"camera {video}", ".mp4") if clip is None else (clip.name, clip.suffix.lower())
    copy = out / f"input_video{suffix}"
    with VideoWriter(copy, 1 / TRIES_S) if clip is None else nullcontext() as film:
        for frame in frames(video, every=TRIES_S):
            if seconds is not None and frame.time_s >= seconds:
                break
            if film:
                film.add_at(frame.rgb, frame.time_s)
            second = int(frame.time_s + 1e-6)
            looked.add(second)
            if second not in crops and (faces := find_faces(frame.rgb)):
                crops[second] = crop_face(frame.rgb, faces[0])
        if not crops:
            raise VideoError(f"no face was found in {name}; film one face from the front, in good light.")
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.iterdir():  # an older, longer clip must not leave faces behind
        if re.fullmatch(r"image\d+\.png", stale.name):
            stale.unlink()
    paths = [out / f"image{second}.png" for second in crops]
    for path, crop in zip(paths, crops.values(), strict=True):
        write_image(path, crop)
    if clip is not None and copy.resolve() != clip.resolve():
        shutil.copyfile(clip, copy)
    if missing := sorted(looked - set(crops)):
        log(f"no face in second {', '.join(map(str, missing))}")
    return paths
