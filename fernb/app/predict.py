"""Emotions in image files: ``fernb predict IMAGES``."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from fernb.errors import ImageError, OutputError, printable
from fernb.networks.recogniser import Recogniser
from fernb.recognition import RecognisedFace, recognise
from fernb.vision.images import put_text, read_image, write_image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")  # looked for in folders


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Return ``paths`` with each folder replaced by the images in it, sorted by name.

    Raises :class:`~fernb.errors.ImageError` for a folder without images.
    """
    files = []
    for path in paths:
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise ImageError(f"the folder {path} has no images in it; name one that has, or an image.")
        files += inside
    return files


def predict_images(
    files: Sequence[Path],
    recogniser: Recogniser,
    *,
    flip: bool = False,
    whole: bool | None = None,
    out: Path | None = None,
    say: Callable[[str], None] = print,
    warn: Callable[[str], None] = print,
) -> list[dict]:
    """Name the emotions in image files; return a row for each face, and one for each image without any.

    A row has ``picture``, ``box``, ``emotion`` and ``probabilities``, which are None where there is no
    face, and ``error`` where the file cannot be read: ``warn`` gets that sentence and the next file
    is read. ``flip`` and ``whole`` are those of :func:`fernb.recognise`; ``out`` is a folder for
    annotated copies; ``say`` gets a line for each face.

    Raises :class:`~fernb.errors.OutputError` before any work where copies would overwrite one another
    or the images themselves.
    """
    copies = _copies(files, out) if out else {}
    rows = []
    for file in files:
        try:
            rgb = read_image(file)
            faces = recognise(rgb, recogniser, flip=flip, whole=whole)
        except ImageError as error:
            warn(str(error))
            rows.append(_row(file) | {"error": str(error)})
            continue
        rows += [_row(file, face) for face in faces] or [_row(file)]
        for line in _lines(file, faces):
            say(line)
        if out:
            write_image(copies[file], annotated(rgb, faces))
    return rows


def _copies(files: Sequence[Path], out: Path) -> dict[Path, Path]:
    copies = {file: out / f"{file.stem}.png" for file in files}
    twice = [name for name, count in Counter(copy.name for copy in copies.values()).items() if count > 1]
    if twice:
        raise OutputError(f"two images would both become {out / twice[0]}; rename one, or do one after the other.")
    inputs = {file.resolve() for file in files}
    for copy in copies.values():
        if copy.resolve() in inputs:
            raise OutputError(f"{copy} would overwrite itself; choose another folder for the copies.")
    return copies


def _row(file: Path, face: RecognisedFace | None = None) -> dict:
    if face is None:
        return {"picture": str(file), "box": None, "emotion": None, "probabilities": None}
    probabilities = {name: round(float(p), 4) for name, p in zip(face.labels, face.probabilities, strict=True)}
    return {
        "picture": str(file),
        "box": face.detection.box,
        "emotion": face.emotion,
        "probabilities": probabilities,
    }


def _lines(file: Path, faces: list[RecognisedFace]) -> Iterator[str]:
    if not faces:
        yield f"{printable(file)}: no face found"
    for face in faces:
        x, y, w, h = face.detection.box
        yield f"{printable(file)}: {face.emotion} {face.confidence:.0%} in the box x {x}, y {y}, {w}x{h}"


def annotated(rgb: np.ndarray, faces: list[RecognisedFace]) -> np.ndarray:
    """Return a copy of an image with a box on each face, and its emotion in it."""
    out = rgb.copy()
    thickness = max(1, round(max(rgb.shape[:2]) / 400))
    for face in faces:
        x, y, w, h = face.detection.box
        cv2.rectangle(out, (x, y), (x + w, y + h), (255, 255, 255), thickness)
        corner = (max(x, 0) + 4, min(y + h, out.shape[0]) - 6)  # within the image, whichever edge the face is at
        put_text(out, f"{face.emotion} {face.confidence:.0%}", corner, scale=max(0.4, w / 300))
    return out


def found_any(rows: list[dict]) -> bool:
    """Say whether any row has a face."""
    return any(row["emotion"] for row in rows)


def failed(rows: list[dict]) -> bool:
    """Say whether any file could not be read."""
    return any("error" in row for row in rows)
