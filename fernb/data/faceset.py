"""Faces with labels, and the three parts of a data set. Taught in notebook 02."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fernb import config
from fernb.config import FACE_SIDE
from fernb.labels import EMOTIONS


@dataclass(frozen=True)
class FaceSet:
    """Faces with labels.

    ``images`` uint8 ``(n, 48, 48)``, grey, 0..255; ``labels`` int64 ``(n,)``, index into the
    emotions of the splits; ``votes`` uint8 ``(n, 10)`` counts of FER+'s taggers in the order of
    :data:`fernb.labels.VOTE_COLUMNS`, or None.
    """

    images: np.ndarray
    labels: np.ndarray
    votes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> "FaceSet":
        """Return the faces that ``rows`` (indices or a mask) picks, in that order."""
        return FaceSet(self.images[rows], self.labels[rows], None if self.votes is None else self.votes[rows])

    def sample(self, n: int | None, seed: int = config.SEED) -> "FaceSet":
        """Return ``n`` faces drawn without repetition, in their old order; all for None or a large ``n``."""
        if n is None or n >= len(self):
            return self
        return self.take(np.sort(np.random.default_rng(seed).choice(len(self), n, replace=False)))


@dataclass(frozen=True)
class FaceSplits:
    """The three parts of a data set: fit on ``train``, choose on ``val``, report on ``test``.

    For FER2013 these are Training, PublicTest and PrivateTest. ``source`` names the data for
    people, ``digest`` is the SHA-256 of its arrays, ``classes`` the emotions of the labels.
    """

    train: FaceSet
    val: FaceSet
    test: FaceSet
    source: str
    digest: str
    classes: tuple[str, ...] = EMOTIONS

    def limit(
        self, n_train: int | None, n_val: int | None, n_test: int | None, *, seed: int = config.SEED
    ) -> "FaceSplits":
        """Return splits with at most so many faces each (None: all)."""
        return replace(
            self,
            train=self.train.sample(n_train, seed),
            val=self.val.sample(n_val, seed),
            test=self.test.sample(n_test, seed),
        )

    def parts(self) -> dict[str, FaceSet]:
        """Return ``{"train": …, "val": …, "test": …}``."""
        return {"train": self.train, "val": self.val, "test": self.test}


def make_splits(
    train: FaceSet, val: FaceSet, test: FaceSet, source: str, *, classes: Sequence[str] = EMOTIONS
) -> FaceSplits:
    """Return ``FaceSplits`` with the digest of the three sets filled in."""
    digest = hashlib.sha256()
    for part in (train, val, test):
        for array in (part.images, part.labels, part.votes):
            digest.update(b"" if array is None else np.ascontiguousarray(array).data)
    return FaceSplits(train, val, test, source, digest.hexdigest(), tuple(classes))


def describe(splits: FaceSplits) -> list[str]:
    """Return what is in ``splits``, a line each: rows, classes, FER+ votes, exact duplicates."""
    parts = splits.parts()
    lines = [f"{splits.source}: " + ", ".join(f"{name} {len(part):,}" for name, part in parts.items())]
    lines.append("           " + "".join(f"{name:>10}" for name in splits.classes))
    for name, part in parts.items():
        counts = np.bincount(part.labels, minlength=len(splits.classes))
        lines.append(f"  {name:<9}" + "".join(f"{count:>10,}" for count in counts))
    voted = sum(len(part) for part in parts.values() if part.votes is not None)
    lines.append(f"FER+ votes: {'for all rows' if voted else 'none'}")
    lines.append(
        "exact duplicates: "
        + ", ".join(f"{redundant(part):,} within {name}" for name, part in parts.items())
        + f"; {duplicated(splits.val, splits.train).sum():,} of val and "
        f"{duplicated(splits.test, splits.train).sum():,} of test are also in train, "
        f"{duplicated(splits.test, splits.val).sum():,} of test in val"
    )
    return lines


def _keys(faces: FaceSet) -> np.ndarray:
    return (
        np.ascontiguousarray(faces.images)
        .reshape(len(faces), FACE_SIDE * FACE_SIDE)
        .view(f"V{FACE_SIDE * FACE_SIDE}")
        .ravel()
    )


def duplicated(faces: FaceSet, others: FaceSet) -> np.ndarray:
    """Return bool ``(n,)``: which of ``faces`` are pixel-identical to some face of ``others``.

    289 of FER2013's 3,589 PrivateTest rows stand in Training too; a score without them is
    called *de-duplicated*.
    """
    known = {key.tobytes() for key in _keys(others)}
    return np.array([key.tobytes() in known for key in _keys(faces)], bool)


def redundant(faces: FaceSet) -> int:
    """Return how many faces repeat an earlier one of the same set, pixel by pixel."""
    return len(faces) - len({key.tobytes() for key in _keys(faces)})
