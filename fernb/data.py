"""One way in for data: every layout of FER2013 and FER+ that people have becomes ``FaceSplits``.

The readers of the layouts are in :mod:`fernb.layouts`; this module holds the types, the cache,
the choice of a source, FER+'s label protocol and the search for duplicates. Taught in
notebook 02.
"""

import functools
import hashlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fernb import config
from fernb.errors import DataError
from fernb.files import whole_file
from fernb.labels import EMOTIONS, EMOTIONS_8, VOTE_COLUMNS

FACE = 48
_CACHE_FORMAT = "fernb-faces-1"
HOW_TO_GET = (
    "FER2013 is not here. Get fer2013.csv or its image folders from Kaggle (search for FER2013), then run "
    "`fernb data import PATH`, or set FERNB_DATA to the file; `fernb data fetch` does it where there is a network."
)


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

    def limit(self, n_train: int | None, n_val: int | None, n_test: int | None, seed: int = config.SEED):
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


def make_splits(train: FaceSet, val: FaceSet, test: FaceSet, source: str, classes=EMOTIONS) -> FaceSplits:
    """Return ``FaceSplits`` with the digest of the three sets filled in."""
    digest = hashlib.sha256()
    for part in (train, val, test):
        for array in (part.images, part.labels, part.votes):
            digest.update(b"" if array is None else np.ascontiguousarray(array).data)
    return FaceSplits(train, val, test, source, digest.hexdigest(), tuple(classes))


def load_faces(source: str | os.PathLike = "auto") -> FaceSplits:
    """Return the faces of ``source``: the only way in for data.

    ``"auto"`` is FER2013 where it is found (``FERNB_DATA``, else the cache of
    ``fernb data import``) and drawn faces elsewhere, and says which in one line; ``"fer2013"``
    insists on the real set; ``"synthetic"`` draws faces; anything else is a path to a file or
    folder of any known layout, or to the cache.

    Raises :class:`~fernb.errors.DataError` where there is nothing, or nothing readable.
    """
    if source == "synthetic":
        return _drawn()
    if source not in ("auto", "fer2013"):
        return _read(Path(source))
    found = config.data_source()
    if found is None and source == "fer2013":
        raise DataError(HOW_TO_GET)
    splits = load_faces("synthetic") if found is None else _read(found)
    if source == "auto":
        how = "" if found else ": FER2013 was not found (`fernb data info` says how to get it)"
        print(f"Data: {splits.source}, {len(splits.train):,} / {len(splits.val):,} / {len(splits.test):,} faces{how}")
    return splits


@functools.cache  # drawing takes seconds, and a notebook asks several times
def _drawn() -> FaceSplits:
    from fernb.synthetic import drawn_splits

    splits = drawn_splits()
    for part in splits.parts().values():
        part.images.setflags(write=False)
        part.labels.setflags(write=False)
    return splits


def _read(path: Path) -> FaceSplits:
    if not path.exists():
        raise DataError(f"there is no data at {path}; check the path or FERNB_DATA.")
    if path.suffix == ".npz":
        return load_cache(path)
    from fernb.layouts import read_layout

    return read_layout(path).splits


def save_cache(splits: FaceSplits, path: Path) -> None:
    """Write ``splits`` to one ``.npz`` file, whole or not at all; not packed, so that it loads at once."""
    arrays = {"format": np.array(_CACHE_FORMAT), "source": np.array(splits.source), "digest": np.array(splits.digest)}
    for name, part in splits.parts().items():
        arrays |= {f"{name}_images": part.images, f"{name}_labels": part.labels}
        if part.votes is not None:
            arrays[f"{name}_votes"] = part.votes
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def load_cache(path: Path) -> FaceSplits:
    """Read what :func:`save_cache` wrote; never unpickles. Raises DataError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["format"]) != _CACHE_FORMAT:
                raise KeyError("format")
            parts = [
                FaceSet(file[f"{name}_images"], file[f"{name}_labels"], file.get(f"{name}_votes"))
                for name in ("train", "val", "test")
            ]
            return FaceSplits(*parts, str(file["source"]), str(file["digest"]))
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a whole cache of this fernb; run `fernb data import` again.") from error


# --- import ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ImportReport:
    """What an import found; ``lines()`` says it in words."""

    splits: FaceSplits
    out: Path
    skipped: int

    def lines(self) -> list[str]:
        """Return the report, a line each."""
        skipped = [f"skipped {self.skipped:,} bad rows"] if self.skipped else []
        return [*describe(self.splits), *skipped, f"wrote {self.out}"]


def import_data(
    path: str | os.PathLike,
    out: Path | None = None,
    votes: str | os.PathLike | None = None,
    skip_bad_rows: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Read any layout of FER2013, check every row and write fernb's cache.

    ``out`` is the cache (default ``data/fer2013.npz``), ``votes`` the file of FER+ votes
    (default: ``fer2013new.csv`` beside the data, if it is there), ``progress`` is called with
    the number of rows read so far.

    Raises :class:`~fernb.errors.DataError` with the row or file at fault; with
    ``skip_bad_rows`` such rows are counted and left out. Nothing is written on an error.
    """
    from fernb.layouts import read_layout

    out = Path(out) if out else config.CACHE
    if out.suffix != ".npz":
        raise DataError(f"the cache {out} must end in .npz.")
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"there is no data at {path}; check the path.")
    layout = read_layout(path, Path(votes) if votes else None, skip_bad_rows, progress)
    save_cache(layout.splits, out)
    return ImportReport(layout.splits, out, layout.skipped)


def fetch() -> ImportReport:
    """Download the public image-folder set through ``kagglehub`` and import it.

    Raises :class:`~fernb.errors.DataError`, with what to do by hand, where ``kagglehub`` is not
    installed or the network or Kaggle says no.
    """
    try:
        import kagglehub
    except ImportError:
        raise DataError(
            f'`fernb data fetch` needs kagglehub: pip install "fernb[kaggle]". By hand: {HOW_TO_GET}'
        ) from None
    try:
        folder = kagglehub.dataset_download("msambare/fer2013")
    except Exception as error:  # kagglehub raises whatever its HTTP client raises
        raise DataError(f"the download failed ({type(error).__name__}). By hand: {HOW_TO_GET}") from error
    return import_data(folder)


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
    return np.ascontiguousarray(faces.images).reshape(len(faces), -1).view(f"V{FACE * FACE}").ravel()


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


# --- FER+ --------------------------------------------------------------------------------------------

FERPLUS_SUBSETS = {
    "not_nf": "every row that is a face (3,573 of PrivateTest)",
    "plurality": "an emotion has the most votes, ties to the first emotion (3,546)",
    "unique": "one emotion alone has the most votes (3,376)",
    "majority": "after dropping single votes, an emotion has more than half of the rest (3,153)",
}
"""Rows that figures on FER+ are stated for; the counts are PrivateTest's. Papers differ silently."""


def ferplus(splits: FaceSplits, subset: str = "plurality") -> FaceSplits:
    """Return the eight-class data set of FER+ (Barsoum et al. 2016), labelled by its votes.

    ``subset`` is a key of :data:`FERPLUS_SUBSETS`. ``majority`` is the authors' own test
    protocol: votes of one tagger alone are dropped, and an emotion must have more than half of
    what remains; rows whose majority is "unknown" or "not a face" go.

    Raises :class:`~fernb.errors.DataError` for an unknown subset, or where there are no votes.
    """
    if subset not in FERPLUS_SUBSETS:
        raise DataError(f"there is no FER+ subset {subset!r}; there are {', '.join(FERPLUS_SUBSETS)}.")
    if any(part.votes is None for part in splits.parts().values()):
        raise DataError("these faces have no FER+ votes; import FER2013 with fer2013new.csv beside it.")
    parts = [_voted(part, subset) for part in splits.parts().values()]
    return make_splits(*parts, f"FER+ ({subset})", EMOTIONS_8)


def _voted(faces: FaceSet, subset: str) -> FaceSet:
    votes = faces.votes.astype(int)
    emotions = len(EMOTIONS_8)
    keep = votes[:, VOTE_COLUMNS.index("nf")] < votes.sum(1).clip(1)
    if subset == "majority":
        votes = np.where(votes <= 1, 0, votes)
        keep &= votes.max(1) * 2 > votes.sum(1)
    best = votes.max(1)
    if subset != "not_nf":
        keep &= votes[:, :emotions].max(1) == best
    if subset in ("unique", "majority"):
        keep &= (votes == best[:, None]).sum(1) == 1
    chosen = faces.take(keep)
    return replace(chosen, labels=votes[keep, :emotions].argmax(1).astype(np.int64))
