"""One face a second out of a video, as the network sees it: ``fernb preprocess``. Taught in notebook 01."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fernb.errors import VideoError
from fernb.video.stream import frames
from fernb.vision.crop import crop_face
from fernb.vision.detection import find_faces
from fernb.vision.images import write_image


def preprocess_video(video: Path, out: Path, say: Callable[[str], None] = print) -> list[Path]:
    """Write the largest face of each second as ``image0.png``, ``image1.png`` … and a copy of the clip.

    The number in the name is the second. Pictures are 48×48 grey, through
    :func:`fernb.vision.crop.crop_face`. Seconds without a face are told and left out. Raises
    :class:`~fernb.errors.VideoError` where no second has a face; then nothing is written.
    """
    crops: dict[int, np.ndarray] = {}
    missing = []
    for frame in frames(video, every=1):
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
        write_image(path, crop)
    copy = out / f"input_video{video.suffix.lower()}"
    if copy.resolve() != video.resolve():
        shutil.copyfile(video, copy)
    if missing:
        say(f"no face in second {', '.join(map(str, missing))}")
    return paths
