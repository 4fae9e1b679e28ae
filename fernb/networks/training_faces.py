"""Which faces a network was trained on: a file of hashes beside it, so that a test on them does not go unnoticed.

A hash of eight bytes tells faces apart, and nothing of a face can be read from it. Taught in notebook 03.
"""

import hashlib
from pathlib import Path

import numpy as np

from fernb.data.faceset import FaceSet, FaceSplits, duplicated
from fernb.errors import ModelError
from fernb.files import atomic_write
from fernb.networks.recogniser import Recogniser

KEY = "training_faces"
"""What the side-car calls the name of the file."""

MAX_BYTES = 256 << 20  # 32 million faces


def face_hashes(images: np.ndarray) -> np.ndarray:
    """Return a hash of each of ``images`` uint8 ``(n, h, w)``: uint64 ``(n,)``, equal for equal pixels only."""
    digests = b"".join(hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images)
    return np.frombuffer(digests, np.uint64)


def write_training_faces(folder: Path, faces: FaceSet) -> str:
    """Write the hashes of ``faces`` into ``folder``, once for all networks trained on them; return the file's name."""
    hashes = np.unique(face_hashes(faces.images))
    name = f"training_faces_{hashlib.sha256(hashes.tobytes()).hexdigest()[:12]}.npy"
    if not (folder / name).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / name) as temporary, temporary.open("wb") as file:
            np.save(file, hashes, allow_pickle=False)
    return name


def trained_on(recogniser: Recogniser, faces: FaceSet) -> np.ndarray | None:
    """Return bool ``(n,)``: which of ``faces`` the network was trained on; None where its side-car does not say.

    Raises :class:`~fernb.errors.ModelError` where the file that the side-car names is missing or damaged.
    """
    name = recogniser.sidecar.get(KEY)
    if name is None:
        return None
    wrong = f"the hashes of the faces that {recogniser.path.name} was trained on cannot be read"
    if not isinstance(name, str) or Path(name).name != name:
        raise ModelError(f"{wrong}: its side-car must give the name of a file beside it, not {name!r}.")
    path = recogniser.path.with_name(name)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{wrong}: {name} has more than {MAX_BYTES >> 20} MB.")
        hashes = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ModelError(f"{wrong}: {name} is missing or damaged; get it again, or take it out of the JSON.") from error
    if not isinstance(hashes, np.ndarray) or hashes.dtype != np.uint64 or hashes.ndim != 1:
        raise ModelError(f"{wrong}: {name} holds no list of hashes; get it again.")
    return np.isin(face_hashes(faces.images), hashes)


def not_new(recogniser: Recogniser, splits: FaceSplits, part: str) -> np.ndarray:
    """Return bool ``(n,)``: which faces of ``part`` ("val" or "test") say nothing about new faces.

    Those are the ones that the network was trained on, or, where it does not say, those that
    stand in the training part of ``splits`` too.
    """
    faces = splits.parts()[part]
    known = trained_on(recogniser, faces)
    return duplicated(faces, splits.train) if known is None else known
