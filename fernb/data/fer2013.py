"""Readers of the file layouts in which people have FER2013 and FER+.

Layouts: one CSV with ``Usage`` (``fer2013.csv``, ``icml_face_data.csv``); Kaggle's ``train.csv``
with ``test_with_emotions.csv`` or the unlabelled ``test.csv``; image folders ``train/angry/*.jpg``,
or ``angry/*.jpg`` for a set to test on. Each may stand in a folder, a ``.zip`` or a ``.tar``, and a
CSV may be packed as ``.gz``, ``.xz`` or ``.zip``. Used through :func:`fernb.load_faces` and
``fernb data import``.
"""

import functools
import io
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from fernb.config import FACE_SIDE, SEED
from fernb.data.archives import PACKED, Files, TooMuch, open_files, table_rows
from fernb.data.faceset import FaceSet, FaceSplits, make_splits
from fernb.errors import DataError
from fernb.labels import EMOTIONS, FERPLUS_COLUMNS, VOTE_COLUMNS, emotion_name, remap

MAX_FACES = 100_000  # FER2013 has 35,887
MAX_IMAGE = 1 << 20  # bytes of a file
SPLITS = {"training": 0, "publictest": 1, "privatetest": 2}
_FOLDERS = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "test": 2, "testing": 2}
_USAGE_CSV = ("fer2013.csv", "icml_face_data.csv")
_OTHER_CSV = ("train.csv", "test.csv", "test_with_emotions.csv")
Opener = Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True)
class Layout:
    """What a reader found: the splits, and how many bad rows it left out."""

    splits: FaceSplits
    skipped: int


@dataclass
class _Rows:
    """Rows while they are read: the faces, and where each stood."""

    skip_bad: bool
    progress: Callable[[int], None] | None
    images: list[np.ndarray] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    split: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    skipped: int = 0

    def add(self, number: int, where: str, parse: Callable[[], tuple[np.ndarray, int, int]]) -> None:
        """Add the face that ``parse`` returns; where it raises DataError, leave it out or say ``where``."""
        try:
            image, label, split = parse()
        except TooMuch:
            raise
        except DataError as error:
            if not self.skip_bad:
                raise DataError(f"{where}: {error} Mend it, or leave such rows out with --skip-bad-rows.") from None
            self.skipped += 1
            return
        if len(self.labels) == MAX_FACES:
            raise DataError(f"there are more than {MAX_FACES:,} faces, so this is not FER2013; give the right files.")
        self.images.append(image)
        self.labels.append(label)
        self.split.append(split)
        self.numbers.append(number)
        if self.progress and len(self.labels) % 1000 == 0:
            self.progress(len(self.labels))

    def sets(self, where: str, votes: np.ndarray | None = None) -> list[FaceSet]:
        """Return train, val and test; ``votes`` has a row for each row of the source, good or bad."""
        if not self.labels:
            raise DataError(f"{where} holds no faces that can be used; check that it is FER2013.")
        images = np.stack(self.images).reshape(-1, FACE_SIDE, FACE_SIDE)
        labels, split = np.array(self.labels, np.int64), np.array(self.split)
        faces = FaceSet(images, labels, None if votes is None else votes[self.numbers])
        return [faces.take(split == number) for number in range(3)]


def read_layout(
    path: Path,
    votes: Path | None = None,
    *,
    skip_bad_rows: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Layout:
    """Read ``path``, whatever its layout. Raises :class:`~fernb.errors.DataError` in one sentence."""
    rows = _Rows(skip_bad_rows, progress)
    with open_files(path, beside=(*_OTHER_CSV, "fer2013new.csv")) as files:
        return Layout(_read(files, path, votes, rows), rows.skipped)


def _read(files: Files, path: Path, votes: Path | None, rows: _Rows) -> FaceSplits:
    tables = {PACKED.sub("", PurePosixPath(name).name.lower()): name for name in files}
    single = _single_table(path, tables)
    if single:
        return _read_usage_table(files, tables, single, votes, rows)
    if votes:
        raise DataError(f"FER+ votes belong to the rows of fer2013.csv; {path.name} has none in that order.")
    if "train.csv" in tables:
        return _read_train_and_test(files, tables, path, rows)
    images = [name for name in files if name.lower().endswith((".jpg", ".jpeg", ".png"))]
    if images:
        return _read_images(files, images, path, rows)
    raise DataError(
        f"{path.name} holds none of FER2013's layouts: fer2013.csv, icml_face_data.csv, train.csv, or image "
        "folders like train/happy/."
    )


def _single_table(path: Path, tables: dict[str, str]) -> str | None:
    """Return the table that has ``Usage``; a file given by its own name may be called anything."""
    named = PACKED.sub("", path.name.lower())
    if named in _OTHER_CSV:
        return None
    return named if named in tables else next((name for name in _USAGE_CSV if name in tables), None)


def _read_usage_table(files: Files, tables: dict[str, str], name: str, votes: Path | None, rows: _Rows) -> FaceSplits:
    """Read ``fer2013.csv`` and the like, with FER+'s votes where they are given or stand beside it."""
    usages = _read_csv(files[tables[name]], name, rows)
    table = None
    if votes is not None:
        if not votes.is_file():
            raise DataError(f"there are no FER+ votes at {votes}; get fer2013new.csv.")
        with open_files(votes) as given:
            if votes.name not in given:
                raise DataError(f"{votes.name} is an archive; unpack it and give the CSV with the votes.")
            table = _read_votes(given[votes.name], votes.name, usages)
    elif "fer2013new.csv" in tables:
        table = _read_votes(files[tables["fer2013new.csv"]], "fer2013new.csv", usages)
    sets = rows.sets(name, table)
    missing = [
        usage for usage, part in zip(("Training", "PublicTest", "PrivateTest"), sets, strict=True) if not len(part)
    ]
    if missing:
        raise DataError(
            f"{name} has no rows of {' and '.join(missing)}; get the whole file, or call one that has Training only "
            "train.csv, and its test part is cut from it."
        )
    train, val, test = sets
    return make_splits(train, val, test, source="FER2013")


def _read_csv(opener: Opener, name: str, rows: _Rows, split: int | None = None) -> list[str]:
    """Add each row of a CSV; return the ``Usage`` of each, good or bad. ``split`` serves tables without it."""
    usages = []
    with opener() as stream:
        for number, row in enumerate(table_rows(stream, name)):
            usages.append(row.get("usage", "").strip()[:16])
            rows.add(number, f"{name}, row {number + 1}", functools.partial(_face, row, split))
    return usages


def _face(row: dict[str, str], split: int | None) -> tuple[np.ndarray, int, int]:
    if split is None:
        usage = row.get("usage", "").strip()
        if usage.lower() not in SPLITS:
            raise DataError(f"unknown Usage {usage[:30]!r}, it must be Training, PublicTest or PrivateTest.")
        split = SPLITS[usage.lower()]
    label = row.get("emotion", "").strip()
    if label not in "0123456" or len(label) != 1:
        raise DataError(f"unknown emotion {label[:30]!r}, it must be 0 to 6.")
    return _pixels(row.get("pixels") or ""), int(label), split


def _pixels(text: str) -> np.ndarray:
    # whole numbers only: isdecimal on the joined digits is far faster than int() on each
    if not text.isascii() or not text.replace(" ", "").isdecimal():
        raise DataError("its pixels are not whole numbers.")
    pixels = np.fromstring(text, np.int64, sep=" ")  # what 64 bits do not hold becomes the largest number
    if pixels.size != FACE_SIDE * FACE_SIDE:
        raise DataError(f"it has {pixels.size:,} pixels instead of {FACE_SIDE * FACE_SIDE:,}.")
    if pixels.max() > 255 or pixels.min() < 0:
        raise DataError("a pixel is outside 0..255.")
    return pixels.astype(np.uint8)


def _read_votes(opener: Opener, name: str, usages: list[str]) -> np.ndarray:
    """Return votes uint8 ``(rows of the CSV, 10)``, checked against each row's ``Usage``."""
    columns = [column.lower() for column in FERPLUS_COLUMNS]
    votes = np.zeros((len(usages), len(VOTE_COLUMNS)), np.uint8)
    order = remap(FERPLUS_COLUMNS, VOTE_COLUMNS)
    number = -1
    with opener() as stream:
        for number, row in enumerate(table_rows(stream, name)):
            if number >= len(usages) or row.get("usage", "").strip() != usages[number]:
                raise DataError(f"{name}, row {number + 1} does not belong to that row of the faces; get both anew.")
            try:
                votes[number, order] = [int(row[column]) for column in columns]
            except (KeyError, ValueError, OverflowError, TypeError):
                raise DataError(f"{name}, row {number + 1} does not hold ten counts of votes; mend it.") from None
    if number + 1 != len(usages):
        raise DataError(f"{name} has {number + 1:,} rows, but the faces have {len(usages):,}; get both anew.")
    return votes


def _read_train_and_test(files: Files, tables: dict[str, str], path: Path, rows: _Rows) -> FaceSplits:
    """Read Kaggle's ``train.csv`` and, where it has labels, its test table.

    These tables have no ``Usage``; what they lack is cut from the training rows, seeded, and
    ``source`` says so.
    """
    _read_csv(files[tables["train.csv"]], "train.csv", rows, split=0)
    labelled = tables.get("test_with_emotions.csv")
    if labelled:
        _read_csv(files[labelled], "test_with_emotions.csv", rows, split=2)
    return _completed(rows.sets(path.name), "FER2013 (train.csv)")


def _completed(sets: list[FaceSet], source: str) -> FaceSplits:
    """Cut a missing val, then a missing test, of a tenth of the training faces each, by a seeded draw."""
    train, *held_out = sets
    if not len(train):
        raise DataError(f"{source} has no training faces; give the folder or file that has them.")
    tenth, said = max(1, len(train) // 10), []
    for position, name in enumerate(("val", "test")):
        if len(held_out[position]) == 0:
            order = np.random.default_rng((SEED, position)).permutation(len(train))
            held_out[position], train = train.take(np.sort(order[:tenth])), train.take(np.sort(order[tenth:]))
            said.append(name)
    if said:
        source += f", {' and '.join(said)} cut from train"
    return make_splits(train, held_out[0], held_out[1], source=source)


def _read_images(files: Files, names: list[str], path: Path, rows: _Rows) -> FaceSplits:
    """Read ``train/angry/Training_123.jpg`` …: the file name, else the folder, tells the split.

    Where no image has one, as in ``angry/1.png`` …, all are a test set.
    """
    told = any(_split(name) is not None for name in names)
    for number, name in enumerate(sorted(names, key=_natural)):
        rows.add(number, name, functools.partial(_image, files[name], name, None if told else SPLITS["privatetest"]))
    train, val, test = rows.sets(path.name)
    if told:
        return _completed([train, val, test], "FER2013 (image folders)")
    return make_splits(train, val, test, f"{path.name}, for testing only")


def _natural(name: str) -> list:
    """Sort ``im10.png`` after ``im9.png``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", name)]


def _split(name: str) -> int | None:
    """Return which part an image's name or folder tells, None where neither does."""
    *folders, file = PurePosixPath(name).parts
    by_folder = next((_FOLDERS[folder.lower()] for folder in folders if folder.lower() in _FOLDERS), None)
    return SPLITS.get(file.split("_")[0].lower(), by_folder)


def _image(opener: Opener, name: str, split: int | None) -> tuple[np.ndarray, int, int]:
    """Return an image, its emotion and its part; ``split`` serves sets in which no name tells one."""
    *folders, _ = PurePosixPath(name).parts
    if not folders:
        raise DataError("the image is in no folder that names its emotion.")
    emotion = emotion_name(folders[-1])
    if emotion not in EMOTIONS:
        raise DataError(f"{emotion} is not one of FER2013's emotions.")
    split = _split(name) if split is None else split
    if split is None:
        raise DataError("neither its name nor its folder says train, val or test.")
    with opener() as stream:
        data = stream.read(MAX_IMAGE + 1)
    return _decoded(data), EMOTIONS.index(emotion), split


def _decoded(data: bytes) -> np.ndarray:
    """Return a PNG or JPEG of a face as grey uint8 ``(48, 48)``; its size is checked before it is decoded."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            size = image.size
            if size == (FACE_SIDE, FACE_SIDE):
                return np.asarray(image.convert("L"))
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise DataError("the file is not a whole PNG or JPEG image.") from error
    raise DataError(f"the image is {size[0]}x{size[1]}, not {FACE_SIDE}x{FACE_SIDE}.")
