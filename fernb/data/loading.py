"""One way in for data: every layout of FER2013 and FER+ that people have becomes ``FaceSplits``.

This module chooses the source and keeps the cache; the readers of the layouts are in
:mod:`fernb.data.fer2013`. Taught in notebook 02.
"""

import contextlib
import functools
import hashlib
import inspect
import math
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fernb import config
from fernb.data.faceset import FaceSet, FaceSplits, describe
from fernb.errors import DataError, OutputError
from fernb.files import atomic_write
from fernb.labels import EMOTIONS, VOTE_COLUMNS

MAX_ARRAY = 1 << 28  # bytes; 110,000 faces
DRAWN = ("synthetic", "synthetic-shifted", "synthetic-easy")
_CACHE_FORMAT = "fernb-faces-1"
HOW_TO_GET = (
    "FER2013 is not here. Get fer2013.csv or its image folders from Kaggle (search for FER2013), then run "
    "`fernb data import PATH`, or set FERNB_DATA to the file; `fernb data fetch` does it where there is a network."
)


def load_faces(source: str | os.PathLike = "auto", *, for_test: bool = False) -> FaceSplits:
    """Return the faces of ``source``: the only way in for data.

    ``"auto"`` is FER2013 where it is found (``FERNB_DATA``, else the cache of
    ``fernb data import``) and drawn faces elsewhere, and says which in one line; ``"fer2013"``
    insists on the real set; ``"synthetic"`` draws faces that are about as hard to read,
    ``"synthetic-shifted"`` draws other people by another camera, ``"synthetic-easy"`` draws clear
    and equally frequent emotions; anything else is a path to a file or folder of any known
    layout, or to the cache. ``for_test`` also takes sets without training faces: folders of
    images, one for each emotion.

    Raises :class:`~fernb.errors.DataError` where there is nothing, or nothing readable.
    """
    if source in DRAWN:
        return _drawn(source)
    if source not in ("auto", "fer2013"):
        splits = _read(Path(source))
        if not (for_test or len(splits.train)):
            raise DataError(f"{source} has no training faces; `fernb predict --data` tests a network on such a set.")
        return splits
    found = config.data_source()
    if found is None and source == "fer2013":
        raise DataError(HOW_TO_GET)
    splits = load_faces("synthetic") if found is None else _read(found)
    if source == "auto":
        how = "" if found else ": FER2013 was not found (`fernb data info` says how to get it)"
        print(f"Data: {splits.source}, {len(splits.train):,} / {len(splits.val):,} / {len(splits.test):,} faces{how}")
    return splits


@functools.cache  # a notebook asks several times
def _drawn(name: str) -> FaceSplits:
    """Return the drawn faces called ``name``; in a checkout they are drawn once and kept in ``data/``."""
    from fernb.data import rendering, synthetic, worlds

    draw = {
        "synthetic": lambda: worlds.world_splits(worlds.COMMON),
        "synthetic-shifted": lambda: worlds.world_splits(worlds.NIGHT),
        "synthetic-easy": synthetic.drawn_splits,
    }[name]
    code = "".join(inspect.getsource(module) for module in (rendering, synthetic, worlds)).encode()
    kept = config.WORKSPACE / "data" / f"{name}-{hashlib.sha256(code).hexdigest()[:12]}.npz"
    splits = None
    if kept.is_file():
        with contextlib.suppress(DataError):  # a damaged one is drawn anew
            splits = load_cache(kept)
    if splits is None:
        splits = draw()
        if config.IS_CHECKOUT:  # thousands of faces take half a minute
            for old in kept.parent.glob(f"{name}-{'?' * 12}.npz"):
                old.unlink(missing_ok=True)
            with contextlib.suppress(OutputError):  # a checkout that cannot be written
                save_cache(splits, kept)
    for part in splits.parts().values():
        part.images.setflags(write=False)
        part.labels.setflags(write=False)
    return splits


def _read(path: Path) -> FaceSplits:
    if not path.exists():
        raise DataError(f"there is no data at {path}; check the path or FERNB_DATA.")
    if path.suffix == ".npz" and path.is_file():
        return load_cache(path)
    from fernb.data.fer2013 import read_layout

    return read_layout(path).splits


def save_cache(splits: FaceSplits, path: Path) -> None:
    """Write ``splits`` to one ``.npz`` file, whole or not at all; not packed, so that it loads at once."""
    arrays = {"format": np.array(_CACHE_FORMAT), "source": np.array(splits.source), "digest": np.array(splits.digest)}
    for name, part in splits.parts().items():
        arrays |= {f"{name}_images": part.images, f"{name}_labels": part.labels}
        if part.votes is not None:
            arrays[f"{name}_votes"] = part.votes
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_cache(path: Path) -> FaceSplits:
    """Read what :func:`save_cache` wrote; never unpickles.

    Shapes, types and ranges are checked, before much memory is taken. Raises
    :class:`~fernb.errors.DataError` for any other file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            texts = {name: str(_array(archive, name, "U", ())) for name in ("format", "source", "digest")}
            if texts["format"] != _CACHE_FORMAT:
                raise ValueError("another format")
            train, val, test = (_part(archive, name, f"{name}_votes" in names) for name in ("train", "val", "test"))
            return FaceSplits(train, val, test, texts["source"], texts["digest"])
    except Exception as error:  # zipfile and NumPy raise many kinds for a damaged file
        raise DataError(f"{path} is not a whole cache of this fernb; run `fernb data import` again.") from error


def _part(archive: zipfile.ZipFile, name: str, voted: bool) -> FaceSet:
    images = _array(archive, f"{name}_images", "u1", (None, config.FACE_SIDE, config.FACE_SIDE))
    labels = _array(archive, f"{name}_labels", "i8", (len(images),))
    votes = _array(archive, f"{name}_votes", "u1", (len(images), len(VOTE_COLUMNS))) if voted else None
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(EMOTIONS):
        raise ValueError("labels out of range")
    return FaceSet(images, labels, votes)


def _array(archive: zipfile.ZipFile, name: str, dtype: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return an array of the cache whose header, read first, has this dtype and shape (None: any length)."""
    with archive.open(f"{name}.npy") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("another version of NumPy's format")
        found, _, kind = np.lib.format.read_array_header_1_0(file)
        fits = len(found) == len(shape) and all(want in (None, size) for want, size in zip(shape, found, strict=True))
        small = kind.itemsize * math.prod(found) <= MAX_ARRAY
        if not fits or not small or (kind.kind != "U" if dtype == "U" else kind != np.dtype(dtype)):
            raise ValueError(f"{name} has another type or shape")
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


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
    *,
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
    from fernb.data.fer2013 import read_layout

    out = Path(out) if out else config.CACHE
    if out.suffix != ".npz":
        raise DataError(f"the cache {out} must end in .npz.")
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"there is no data at {path}; check the path.")
    layout = read_layout(path, Path(votes) if votes else None, skip_bad_rows=skip_bad_rows, progress=progress)
    if not len(layout.splits.train):
        raise DataError(f"{path} has no training faces; `fernb predict --data` tests a network on it as it is.")
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
