"""Readers of the file layouts in which people have FER2013 and FER+.

Layouts: one CSV with ``Usage`` (``fer2013.csv``, ``icml_face_data.csv``); Kaggle's
``train.csv`` with ``test_with_emotions.csv`` or the unlabelled ``test.csv``; image folders
``train/angry/*.jpg``. Each may stand in a folder or a ``.zip``, and a CSV may be packed as
``.gz``, ``.xz`` or ``.zip``. Used through :func:`fernb.load_faces` and ``fernb data import``.
"""

import csv
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from fernb.config import FACE_SIDE, SEED
from fernb.data.faceset import FaceSet, FaceSplits, make_splits
from fernb.errors import DataError
from fernb.labels import EMOTIONS, FERPLUS_COLUMNS, VOTE_COLUMNS, emotion_name, remap

MAX_UNPACKED = 1 << 30  # FER2013 has 301 MB; whatever unpacks to more is not FER2013
MAX_IMAGE = 1 << 20
SPLITS = {"training": 0, "publictest": 1, "privatetest": 2}
_FOLDERS = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "test": 2, "testing": 2}
_USAGE_CSV = ("fer2013.csv", "icml_face_data.csv")
_PACKED = re.compile(r"(\.gz|\.xz|\.zip)$")
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile, tarfile.TarError)


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
        try:
            image, label, split = parse()
        except DataError as error:
            if not self.skip_bad:
                raise DataError(f"{where}: {error} Mend it, or leave such rows out with --skip-bad-rows.") from None
            self.skipped += 1
            return
        self.images.append(image)
        self.labels.append(label)
        self.split.append(split)
        self.numbers.append(number)
        if self.progress and len(self.labels) % 1000 == 0:
            self.progress(len(self.labels))

    def sets(self, where: str, votes: np.ndarray | None = None) -> list[FaceSet]:
        if not self.labels:
            raise DataError(f"{where} holds no faces that can be used.")
        images = np.stack(self.images).reshape(-1, FACE_SIDE, FACE_SIDE)
        labels, split = np.array(self.labels, np.int64), np.array(self.split)
        faces = FaceSet(images, labels, None if votes is None else votes[self.numbers])
        return [faces.take(split == number) for number in range(3)]


def read_layout(
    path: Path,
    votes: Path | None = None,
    skip_bad_rows: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Layout:
    """Read ``path``, whatever its layout. Raises :class:`~fernb.errors.DataError` in one sentence."""
    rows = _Rows(skip_bad_rows, progress)
    try:
        with _files(path) as files:
            return Layout(_read(files, path, votes, rows), rows.skipped)
    except _DAMAGED as error:
        raise DataError(f"{path.name} is cut off or damaged ({error}); get it again.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not a text file with FER2013's rows.") from error


def _read(files: dict[str, Callable], path: Path, votes: Path | None, rows: _Rows) -> FaceSplits:
    tables = {_PACKED.sub("", PurePosixPath(name).name.lower()): name for name in files}
    single = _single_table(path, tables)
    if single:
        taken = _read_csv(files[tables[single]], tables[single], rows)
        found = votes or files.get(tables.get("fer2013new.csv", ""))
        table = _read_votes(found, rows, taken) if found else None
        return make_splits(*rows.sets(path.name, table), source="FER2013")
    if votes:
        raise DataError(f"FER+ votes belong to the rows of fer2013.csv; {path.name} has none in that order.")
    if "train.csv" in tables:
        return _read_train_and_test(files, tables, path, rows)
    pictures = sorted(name for name in files if name.lower().endswith((".jpg", ".jpeg", ".png")))
    if pictures:
        return _read_pictures(files, pictures, path, rows)
    raise DataError(
        f"{path.name} holds none of FER2013's layouts: fer2013.csv, icml_face_data.csv, train.csv, or image "
        "folders like train/happy/."
    )


def _single_table(path: Path, tables: dict[str, str]) -> str | None:
    """Return the table that has ``Usage``; a file given by its own name may be called anything."""
    named = _PACKED.sub("", path.name.lower())
    if named in tables and named not in ("train.csv", "test.csv", "test_with_emotions.csv"):
        return named
    if named in ("train.csv", "test.csv", "test_with_emotions.csv"):
        return None
    return next((name for name in _USAGE_CSV if name in tables), None)


@contextmanager
def _files(path: Path) -> Iterator[dict[str, Callable[[], io.BufferedIOBase]]]:
    """Give the files in or beside ``path``: name -> opener."""
    if path.is_dir():
        found = {file.relative_to(path).as_posix(): _opener(file) for file in path.rglob("*") if file.is_file()}
        if not found:
            raise DataError(f"the folder {path} is empty.")
        yield found
    elif zipfile.is_zipfile(path) and not path.name.lower().endswith(".csv.zip"):
        with zipfile.ZipFile(path) as archive:
            members = [item for item in archive.infolist() if not item.is_dir()]
            yield {item.filename: lambda item=item: archive.open(item) for item in members}
    elif path.name.lower().endswith((".tar", ".tar.gz", ".tgz")):
        with tarfile.open(path) as archive:
            members = [item for item in archive.getmembers() if item.isfile()]
            yield {item.name: lambda item=item: archive.extractfile(item) for item in members}
    else:
        beside = ("train.csv", "test.csv", "test_with_emotions.csv", "fer2013new.csv")
        siblings = [file for file in path.parent.iterdir() if _PACKED.sub("", file.name.lower()) in beside]
        yield {file.name: _opener(file) for file in {*siblings, path}}


def _opener(path: Path) -> Callable[[], io.BufferedIOBase]:
    return lambda: path.open("rb")


def _unpack(stream, name: str):
    if name.lower().endswith(".gz"):
        return gzip.open(stream)
    if name.lower().endswith(".xz"):
        return lzma.open(stream)
    if name.lower().endswith(".zip"):
        archive = zipfile.ZipFile(stream)
        tables = [item for item in archive.infolist() if item.filename.lower().endswith(".csv")]
        if len(tables) != 1:
            raise DataError(f"{name} should hold one CSV, but holds {len(tables)}.")
        return archive.open(tables[0])
    return stream


class _Limited(io.RawIOBase):
    """A stream that ends a zip bomb with a sentence."""

    def __init__(self, stream, name: str):
        self.stream, self.name_, self.left = stream, name, MAX_UNPACKED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self.stream.read(len(buffer))
        self.left -= len(data)
        if self.left < 0:
            raise DataError(f"{self.name_} unpacks to more than {MAX_UNPACKED >> 30} GB, so it is not FER2013.")
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _text(opener: Callable, name: str) -> Iterator[io.TextIOBase]:
    with opener() as packed, _unpack(packed, name) as plain:
        yield io.TextIOWrapper(io.BufferedReader(_Limited(plain, name), 1 << 20), encoding="utf-8-sig", newline="")


def _table(lines: io.TextIOBase, name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV as dicts with clean, lower-case keys."""
    reader = csv.reader(lines)
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        if "pixels" not in header and "neutral" not in header:
            raise DataError(f"{name} is not a table of FER2013: its first line names no column `pixels`.")
        for row in reader:
            yield dict(zip(header, row, strict=False))
    except csv.Error as error:
        raise DataError(f"{name} is not a table of FER2013: {error}.") from error


def _read_csv(opener: Callable, name: str, rows: _Rows, split: int | None = None) -> list[str]:
    """Add each row of a CSV; return the ``Usage`` of each, good or bad. ``split`` serves tables without it."""
    usages = []
    with _text(opener, name) as lines:
        for number, row in enumerate(_table(lines, name)):
            usages.append(row.get("usage", "").strip())
            rows.add(number, f"{name}, row {number + 1}", lambda row=row: _face(row, split))
    return usages


def _face(row: dict[str, str], split: int | None) -> tuple[np.ndarray, int, int]:
    if split is None:
        usage = row.get("usage", "").strip()
        if usage.lower() not in SPLITS:
            raise DataError(f"unknown Usage {usage!r}, it must be Training, PublicTest or PrivateTest.")
        split = SPLITS[usage.lower()]
    label = row.get("emotion", "").strip()
    if label not in "0123456" or len(label) != 1:
        raise DataError(f"unknown emotion {label!r}, it must be 0 to 6.")
    return _pixels(row.get("pixels") or ""), int(label), split


def _pixels(text: str) -> np.ndarray:
    try:
        # whole numbers only: isdecimal on the joined digits is far faster than int() on each
        if not text.replace(" ", "").isdecimal():
            raise ValueError
        pixels = np.fromstring(text, np.int32, sep=" ")
    except ValueError:
        raise DataError("its pixels are not whole numbers.") from None
    if pixels.size != FACE_SIDE * FACE_SIDE:
        raise DataError(f"it has {pixels.size:,} pixels instead of {FACE_SIDE * FACE_SIDE:,}.")
    if pixels.max() > 255 or pixels.min() < 0:
        raise DataError("a pixel is outside 0..255.")
    return pixels.astype(np.uint8)


def _read_votes(source: Path | Callable, rows: _Rows, usages: list[str]) -> np.ndarray:
    """Return votes uint8 ``(rows of the CSV, 10)``, checked against each row's ``Usage``."""
    name = source.name if isinstance(source, Path) else "fer2013new.csv"
    if isinstance(source, Path) and not source.is_file():
        raise DataError(f"there are no FER+ votes at {source}.")
    columns = [column.lower() for column in FERPLUS_COLUMNS]
    votes = np.zeros((len(usages), len(VOTE_COLUMNS)), np.uint8)
    order = remap(FERPLUS_COLUMNS, VOTE_COLUMNS)
    number = -1
    with _text(_opener(source) if isinstance(source, Path) else source, name) as lines:
        for number, row in enumerate(_table(lines, name)):
            if number >= len(usages) or row.get("usage", "").strip() != usages[number]:
                raise DataError(f"{name}, row {number + 1} does not belong to that row of the faces.")
            try:
                votes[number, order] = [int(row[column]) for column in columns]
            except (KeyError, ValueError, OverflowError, TypeError):
                raise DataError(f"{name}, row {number + 1} does not hold ten counts of votes.") from None
    if number + 1 != len(usages):
        raise DataError(f"{name} has {number + 1:,} rows, but the faces have {len(usages):,}.")
    return votes


def _read_train_and_test(files: dict, tables: dict[str, str], path: Path, rows: _Rows) -> FaceSplits:
    """Read Kaggle's ``train.csv`` and, where it has labels, its test table.

    These tables have no ``Usage``; what they lack is cut from the training rows, seeded, and
    ``source`` says so.
    """
    _read_csv(files[tables["train.csv"]], tables["train.csv"], rows, split=0)
    labelled = tables.get("test_with_emotions.csv")
    if labelled:
        _read_csv(files[labelled], labelled, rows, split=2)
    return _completed(rows.sets(path.name), "FER2013 (train.csv)")


def _completed(sets: list[FaceSet], source: str) -> FaceSplits:
    """Cut a missing val, then a missing test, of a tenth of the training faces each, by a seeded draw."""
    train, *held_out = sets
    if not len(train):
        raise DataError(f"{source} has no training faces.")
    tenth, said = max(1, len(train) // 10), []
    for position, name in enumerate(("val", "test")):
        if len(held_out[position]) == 0:
            order = np.random.default_rng((SEED, position)).permutation(len(train))
            held_out[position], train = train.take(np.sort(order[:tenth])), train.take(np.sort(order[tenth:]))
            said.append(name)
    if said:
        source += f", {' and '.join(said)} cut from train"
    return make_splits(train, *held_out, source=source)


def _read_pictures(files: dict, names: list[str], path: Path, rows: _Rows) -> FaceSplits:
    """Read ``train/angry/Training_123.jpg`` …: the file name, else the folder, tells the split."""
    for number, name in enumerate(sorted(names, key=_natural)):
        rows.add(number, name, lambda name=name: _picture(files[name], name))
    return _completed(rows.sets(path.name), "FER2013 (image folders)")


def _natural(name: str) -> list:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _picture(opener: Callable, name: str) -> tuple[np.ndarray, int, int]:
    from PIL import Image, UnidentifiedImageError

    *folders, file = PurePosixPath(name).parts
    if not folders:
        raise DataError("the picture is in no folder that names its emotion.")
    emotion = emotion_name(folders[-1])
    if emotion not in EMOTIONS:
        raise DataError(f"{emotion} is not one of FER2013's emotions.")
    split = SPLITS.get(file.split("_")[0].lower())
    if split is None:
        split = next((_FOLDERS[folder.lower()] for folder in folders if folder.lower() in _FOLDERS), None)
    if split is None:
        raise DataError("neither its name nor its folder says train, val or test.")
    with opener() as stream:
        data = stream.read(MAX_IMAGE + 1)
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.size != (FACE_SIDE, FACE_SIDE):
                raise DataError(f"the picture is {picture.width}x{picture.height}, not {FACE_SIDE}x{FACE_SIDE}.")
            return np.asarray(picture.convert("L")), EMOTIONS.index(emotion), split
    except (UnidentifiedImageError, OSError) as error:
        raise DataError("the file is not a whole picture.") from error
