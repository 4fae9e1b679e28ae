"""Files in folders, zips and tars, packed or not, read within limits.

Nothing is unpacked into a named file, so nothing can leave an archive or stay behind. How much
is unpacked, how many files there are and how long a line is has a limit each, so a small hostile
file takes neither the memory nor the afternoon.
"""

import contextlib
import csv
import functools
import gzip
import io
import lzma
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from fernb.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_UNPACKED = 1 << 30  # bytes of all files of an archive; FER2013 has 301 MB
MAX_FILES = 200_000  # FER2013 as image folders has 35,887
MAX_LINE = 1 << 17  # characters; a face takes at most 9,300
MAX_LINES = 200_000  # of a table; FER2013 has 35,888
PACKED = re.compile(r"(\.gz|\.xz|\.zip)$")
_TAR = re.compile(r"\.(tar|tar\.gz|tgz|tar\.xz|txz)$")


class TooMuch(DataError):
    """A limit is passed: reading ends here, also where bad rows are left out."""


Files = dict[str, Callable[[], AbstractContextManager[IO[bytes]]]]
"""What opens each file, by its name; the content is unpacked already."""


@contextmanager
def open_files(path: Path, beside: tuple[str, ...] = ()) -> Iterator[Files]:
    """Give the files of a folder, a zip or a tar; of a single file itself, and those ``beside`` it of these names.

    What macOS and editors leave (``__MACOSX``, names that begin with a dot) is not listed.
    Raises :class:`~fernb.errors.DataError`, here and where a file is read, in one sentence.
    """
    budget = _Budget(path.name)
    if not path.is_dir() and not path.is_file():  # a pipe or a device could be read for ever
        raise DataError(f"{path} is neither a file nor a folder; give the one that holds FER2013.")
    with contextlib.ExitStack() as stack:
        with _sentence(path.name):
            if path.is_dir():
                found = _folder(path)
            elif _TAR.search(path.name.lower()):
                found = stack.enter_context(_tar(path, budget))
            elif zipfile.is_zipfile(path) and not path.name.lower().endswith(".csv.zip"):
                found = _zip(path, stack)
            else:
                siblings = [file for file in path.parent.iterdir() if PACKED.sub("", file.name.lower()) in beside]
                found = {file.name: _from_disk(file) for file in {*siblings, path} if file.is_file()}
        yield {name: _opener(name, raw, budget) for name, raw in found.items() if not _is_litter(name)}


def _is_litter(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or (bool(parts) and parts[-1].startswith("."))


def _folder(path: Path) -> dict[str, Callable[[], IO[bytes]]]:
    found = {}
    for file in path.rglob("*"):
        if file.is_file():
            found[file.relative_to(path).as_posix()] = _from_disk(file)
            _check_number(len(found), path.name)
    if not found:
        raise DataError(f"the folder {path} is empty; give the one that holds FER2013.")
    return found


def _zip(path: Path, stack: contextlib.ExitStack) -> dict[str, Callable[[], IO[bytes]]]:
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = [item for item in archive.infolist() if not item.is_dir()]
    _check_number(len(members), path.name)
    return {item.filename: functools.partial(archive.open, item) for item in members}


@contextmanager
def _tar(path: Path, budget: "_Budget") -> Iterator[dict[str, Callable[[], IO[bytes]]]]:
    """List a tar by way of a nameless file on the disk: a packed one is read anew for each step back."""
    packing = path.name.lower().replace(".tgz", ".gz").replace(".txz", ".xz")
    with tempfile.TemporaryFile() as plain:
        with path.open("rb") as packed, _unpacked(packed, packing) as stream:
            shutil.copyfileobj(_limited(stream, path.name, budget), plain, 1 << 20)
        budget.left = MAX_UNPACKED  # the files are read once more, out of the nameless one
        plain.seek(0)
        with tarfile.open(fileobj=plain, mode="r:") as archive:
            found: dict[str, Callable[[], IO[bytes]]] = {}
            for number, item in enumerate(archive, 1):
                _check_number(number, path.name)
                if item.isreg():
                    found[item.name] = functools.partial(_extracted, archive, item)
            yield found


def _extracted(archive: tarfile.TarFile, item: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(item)
    assert stream is not None, "only folders and links have no content"
    return stream


def _check_number(number: int, name: str) -> None:
    if number > MAX_FILES:
        raise TooMuch(f"{name} holds more than {MAX_FILES:,} files, so it is not FER2013; give the right one.")


def _from_disk(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _opener(name: str, raw: Callable[[], IO[bytes]], budget: "_Budget") -> Callable[[], AbstractContextManager]:
    @contextmanager
    def opened() -> Iterator[IO[bytes]]:
        with contextlib.ExitStack() as stack:
            with _sentence(name):
                packed = stack.enter_context(raw())
                plain = stack.enter_context(_unpacked(packed, name.lower()))
            yield _limited(plain, name, budget)

    return opened


def _unpacked(stream: IO[bytes], name: str) -> IO[bytes]:
    """Return what a ``.gz``, ``.xz`` or ``.zip`` of one CSV holds; any other stream itself."""
    if name.endswith(".gz"):
        return cast(IO[bytes], gzip.open(stream))
    if name.endswith(".xz"):
        return lzma.open(stream)
    if not name.endswith(".zip"):
        return stream
    archive = zipfile.ZipFile(stream)
    tables = [item for item in archive.infolist() if item.filename.lower().endswith(".csv")]
    tables = [item for item in tables if not _is_litter(item.filename)]
    if len(tables) != 1:
        raise DataError(f"{name} should hold one CSV, but holds {len(tables)}; unpack it and give the right one.")
    return archive.open(tables[0])


@contextmanager
def _sentence(name: str) -> Iterator[None]:
    """Turn what the unpacking libraries raise for hostile or damaged files, many kinds, into one sentence."""
    try:
        yield
    except DataError:
        raise
    except NotImplementedError as error:
        raise DataError(f"{name} is packed in a way that Python cannot unpack; unpack it with another tool.") from error
    except OSError as error:
        if error.errno is None:  # gzip and tarfile
            raise DataError(f"{name} is cut off or damaged; get it again.") from error
        raise DataError(f"cannot read {name}: {error.strerror}; check the file and the disk.") from error
    except Exception as error:
        if isinstance(error, RuntimeError) and "password" in str(error):
            raise DataError(f"{name} needs a password; unpack it first and give the files.") from error
        raise DataError(f"{name} is cut off or damaged; get it again.") from error


class _Budget:
    """How many bytes may still come out of an archive."""

    def __init__(self, name: str):
        self.name, self.left = name, MAX_UNPACKED

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise TooMuch(f"{self.name} unpacks to more than {MAX_UNPACKED >> 20:,} MB, so it is not FER2013.")


class _Limited(io.RawIOBase):
    """A stream that counts what is read, and whose errors are sentences."""

    def __init__(self, stream: IO[bytes], name: str, budget: _Budget):
        self._stream, self._name, self._budget = stream, name, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        with _sentence(self._name):
            data = self._stream.read(len(view))
        self._budget.spend(len(data))
        view[: len(data)] = data
        return len(data)


def _limited(stream: IO[bytes], name: str, budget: _Budget) -> io.BufferedReader:
    return io.BufferedReader(_Limited(stream, name, budget), 1 << 16)


def table_rows(stream: IO[bytes], name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV (UTF-8) as dicts with clean, lower-case keys; blank lines are passed over.

    Raises :class:`~fernb.errors.DataError` for what is no such table.
    """
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    rows = csv.reader(_lines(text, name))
    try:
        header = [column.strip().lower() for column in next(rows, [])]
        if "pixels" not in header and "neutral" not in header:
            raise DataError(f"{name} is not a table of FER2013: its first line names no column `pixels`.")
        for row in rows:
            if row:
                yield dict(zip(header, row, strict=False))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{name} is not a table of FER2013 ({error}); give another file.") from error


def _lines(text: io.TextIOWrapper, name: str) -> Iterator[str]:
    for number in range(MAX_LINES + 1):
        line = text.readline(MAX_LINE)
        if not line:
            return
        if number == MAX_LINES or len(line) >= MAX_LINE:
            raise TooMuch(f"{name} has too many lines, or too long ones, to be a table of FER2013.")
        yield line
