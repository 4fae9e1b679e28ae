"""Many videos: a process a core, a manifest of what is done, and no broken one stops the others.

:mod:`fernb.video.cluster` does the same on several machines.
"""

import contextlib
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from fernb import runtime
from fernb.errors import DataError, FernbError
from fernb.files import write_json
from fernb.video.scan import distinct

VIDEO_SUFFIXES = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"}
MANIFEST = "manifest.json"
NOTES = ".manifest"  # a folder with a note on each video that is done and not in the manifest yet
MAX_WRITING = 0.05  # share of the time that goes into writing the manifest, however long it is

Work = Callable[[Path, Path, dict], list[Path]]
"""Takes a source, the output folder and the options; returns the files it wrote. A function of a module."""

Outcome = list[Path] | BaseException
Runner = Callable[[Work, Sequence[Path], Path, dict], Iterator[tuple[Path, Outcome]]]
"""Does some work for each source, and yields each with its outcome as they come."""


def sources_of(given: Sequence[Path]) -> list[Path]:
    """Return the videos meant: folders that hold videos stand for these, others (of images) for themselves.

    Raises :class:`~fernb.errors.FernbError` where two would write the same files.
    """
    sources: list[Path] = []
    for path in given:
        inside = sorted(one for one in path.iterdir() if one.suffix.lower() in VIDEO_SUFFIXES) if path.is_dir() else []
        sources += inside or [path]
    distinct(sources)
    return sources


def in_processes(work: Work, sources: Sequence[Path], out: Path, options: dict) -> Iterator[tuple[Path, Outcome]]:
    """Do ``work`` for each source in a process a core: a :data:`Runner`.

    A crash in native code, or a kill by a system that is short of memory, ends the process and with it
    the whole pool, and nobody says whose fault it was. So those that were under work are tried again
    one by one, each in a process of its own, and only the guilty one fails.
    """
    left, suspects, cores = list(sources), 0, runtime.cores()
    while left:
        group = left[:1] if suspects else left
        pool = ProcessPoolExecutor(min(cores, len(group)), mp_context=multiprocessing.get_context("spawn"))
        try:
            jobs = {pool.submit(noted, work, source, out, options): source for source in group}
            for job in as_completed(jobs):
                error = job.exception()
                if isinstance(error, BrokenProcessPool) and len(group) > 1:
                    continue
                left.remove(jobs[job])
                yield jobs[job], error or job.result()
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C those that wait must not begin
        # a pool works in order, and hands out one more than it has processes
        suspects = suspects - 1 if suspects else min(cores + 1, len(left))


def noted(work: Work, source: Path, out: Path, options: dict) -> list[Path]:
    """Do ``work`` in one thread, unless it is done, and leave a note before anybody is told.

    With a process a core, more threads would only wait for each other. A result in a process's memory
    is lost with the process, and the work would be done again; a note on the disk stays.
    """
    import cv2

    note = out / NOTES / f"{source.name}.json"
    entry = _read(note).get(str(source))
    if entry is None or not _done(entry, source, options):
        cv2.setNumThreads(1)
        entry = _entry(work(source, out, options), source, options)
        write_json(note, {str(source): entry})
    return [Path(name) for name in entry["files"]]


def scan_many(
    sources: Sequence[Path],
    out: Path,
    work: Work,
    options: dict[str, Any],
    *,
    run: Runner = in_processes,
    log: Callable[[str], None] = print,
) -> list[Path]:
    """Let ``run`` do ``work(source, out, options)`` for each source; return those that failed.

    ``out/manifest.json`` tells of each source whether it is done, failed (and why) or unfinished; a
    second call with the same ``options`` does only what is not done, or has changed. ``log`` is
    called with a line for each. A kill loses the videos under work only.

    Raises :class:`~fernb.errors.DataError` for a manifest that cannot be read.
    """
    sources, out = [source.absolute() for source in sources], out.absolute()  # other processes may stand elsewhere
    manifest = _Manifest(out / MANIFEST)
    left = [one for one in sources if not _done(manifest.entries.get(str(one)), one, options)]
    manifest.entries |= {str(source): {"state": "unfinished"} for source in left}
    manifest.write()
    if len(left) < len(sources):
        log(f"{len(sources) - len(left)} of {len(sources)} are done already.")
    failed, start = [], time.monotonic()
    try:
        for number, (source, outcome) in enumerate(run(work, left, out, options), 1):
            entry = _entry(outcome, source, options)
            manifest.take(source, entry)
            if entry["state"] == "failed":
                failed.append(source)
            why = f": {entry['why']}" if entry["state"] == "failed" else ""
            still = (time.monotonic() - start) / number * (len(left) - number)
            log(f"{number} of {len(left)}, {still / 60:.0f} min left: {source.name} {entry['state']}{why}")
    except KeyboardInterrupt:
        log("stopped; the same command goes on with what is not done.")
        raise
    finally:
        manifest.write()
        with contextlib.suppress(OSError):  # a video was stopped after its note, and before its result
            manifest.notes.rmdir()
    return failed


class _Manifest:
    """The state of each source by its path: a JSON file, and the notes that it has not taken in yet."""

    def __init__(self, path: Path):
        self.path, self.notes = path, path.parent / NOTES
        self.entries = _read(path)
        self._taken: list[Path] = []  # notes
        for note in self.notes.glob("*.json"):
            self.entries |= _read(note)
            self._taken.append(note)
        self._wrote = self._took = 0.0

    def take(self, source: Path, entry: dict) -> None:
        """Take in what became of a source, and write the file where that is quick.

        With ten thousand entries, writing it for each would be most of the work.
        """
        self.entries[str(source)] = entry
        self._taken.append(self.notes / f"{source.name}.json")
        if time.monotonic() - self._wrote >= self._took / MAX_WRITING:
            self.write()

    def write(self) -> None:
        start = time.monotonic()
        write_json(self.path, self.entries)
        for note in self._taken:
            note.unlink(missing_ok=True)
        self._taken.clear()
        self._wrote = time.monotonic()
        self._took = self._wrote - start


def _entry(outcome: Outcome, source: Path, options: dict) -> dict:
    if isinstance(outcome, BrokenProcessPool):
        return {"state": "failed", "why": "its process crashed; the file may be damaged, or memory was short."}
    if isinstance(outcome, FernbError | OSError):
        return {"state": "failed", "why": str(outcome)}
    if isinstance(outcome, BaseException):  # one video must not stop ten thousand
        return {"state": "failed", "why": f"{type(outcome).__name__}: {outcome}"}
    files = [str(path) for path in outcome]
    return {"state": "done", "files": files, "options": _plain(options), **_stamp(source)}


def _plain(options: dict) -> dict:
    return json.loads(json.dumps(options, default=str))


def _stamp(source: Path) -> dict:
    about = source.stat()
    return {"bytes": about.st_size, "changed_ns": about.st_mtime_ns}


def _done(entry: dict | None, source: Path, options: dict) -> bool:
    if not entry or entry.get("state") != "done" or not source.exists():
        return False
    unchanged = all(entry.get(name) == value for name, value in _stamp(source).items())
    return (
        _plain(options) == entry.get("options")
        and unchanged
        and all(Path(name).exists() for name in entry.get("files", []))
    )


def _read(path: Path) -> dict:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); remove it to scan all anew.") from error
    if not isinstance(manifest, dict) or not all(isinstance(entry, dict) for entry in manifest.values()):
        raise DataError(f"{path} is not the manifest of a scan; choose another folder with --out.")
    return manifest
