"""Files are written whole or not at all."""

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from fernb.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows: leftovers of killed runs stay there
    fcntl = None  # type: ignore[assignment]

TEMPORARY = ".fernb-"
"""What the names of unfinished files begin with."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # errors of writing; they name no file


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path beside ``path``; it takes the name ``path`` only if all went well.

    The temporary name keeps the suffix of ``path``, because OpenCV, Keras and ffmpeg choose
    the format by it. On an exception, Ctrl-C included, nothing is left behind and an older
    file stays as it was. What a killed process left in that folder is removed by the next call.

    Raises :class:`~fernb.errors.OutputError` where the folder cannot be written or the disk is full.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # /dev/null would become a file
        raise OutputError(f"cannot write {path}: there is something else of that name; choose another one.")
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}{''.join(path.suffixes[-2:])[-24:]}"
    with contextlib.ExitStack() as stack:
        with _sentence(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_folder_in_use(path.parent))
            # mkstemp would make a private file; this one gets the permissions of any other new file
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            with _sentence(path, only=_FULL):
                yield temporary
            with _sentence(path):
                os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()


@contextlib.contextmanager
def _sentence(path: Path, only: tuple[int, ...] | None = None) -> Iterator[None]:
    """Say in a sentence why ``path`` cannot be written; ``only`` names the system's error numbers meant."""
    try:
        yield
    except OSError as error:
        if error.errno is None or (only and error.errno not in only):
            raise
        why = os.strerror(error.errno).lower()
        raise OutputError(f"cannot write {path}: {why}; free some space or choose another folder.") from error


@contextlib.contextmanager
def _folder_in_use(folder: Path) -> Iterator[None]:
    """Hold a shared lock on ``folder``; where nobody else does, remove what killed processes left in it.

    The system releases a process's locks when it dies. Without locks (Windows, some network
    file systems) nothing is removed.
    """
    handle = None
    with contextlib.suppress(OSError, AttributeError):  # no fcntl: its None has no attributes
        handle = os.open(folder, os.O_RDONLY)
        with contextlib.suppress(OSError):  # somebody else writes here
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for leftover in folder.glob(f"{TEMPORARY}*"):
                leftover.unlink(missing_ok=True)
        fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


@contextlib.contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Hold ``path``, a hidden file beside the output, so that no second process does the same at once.

    The system lets go of it when the process dies. Raises :class:`~fernb.errors.OutputError` where
    another process holds it; ``what`` is the output's name in the sentence. Without locks (Windows,
    some network file systems) nothing is held.
    """
    with _sentence(path), contextlib.ExitStack() as stack:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            stack.callback(_remove_if_empty, path.parent)  # where nothing comes of it
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        stack.callback(os.close, handle)
        _hold(handle, what)
        stack.callback(path.unlink, missing_ok=True)
        held = stack.pop_all()
    with held:
        yield


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _hold(handle: int, what: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(f"another fernb writes {what} just now; wait for it, or choose another folder.") from error
    except (OSError, AttributeError):  # no locks here
        return


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write ``text`` as UTF-8."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # a file's name may be in it


def write_json(path: str | os.PathLike, content: dict | list) -> None:
    """Write ``content`` as JSON that people can read."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
