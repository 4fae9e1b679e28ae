"""Many videos: a process a core, a manifest of what is done, and no broken one stops the others."""

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from fernb import runtime
from fernb.errors import DataError, FernbError
from fernb.files import write_json
from fernb.video.scan import distinct

VIDEO_SUFFIXES = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"}
MANIFEST = "manifest.json"


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


def scan_many(
    sources: Sequence[Path],
    out: Path,
    work: Callable[[Path, Path, dict], list[Path]],
    options: dict[str, Any],
    *,
    log: Callable[[str], None] = print,
    workers: int | None = None,
) -> list[Path]:
    """Do ``work(source, out, options)`` for each source, in a process a core; return those that failed.

    ``work`` is a function of a module, for other processes import it; it returns the files it wrote.
    ``out/manifest.json`` tells of each source whether it is done, failed (and why) or unfinished; a
    second call with the same ``options`` does only what is not done, or has changed. ``log`` is
    called with a line for each. A kill loses the videos under work only.

    Raises :class:`~fernb.errors.DataError` for a manifest that cannot be read.
    """
    path = out / MANIFEST
    manifest = _read(path)
    left = [one for one in sources if not _done(manifest.get(str(one.absolute())), one, options)]
    for source in left:
        manifest[str(source.absolute())] = {"state": "unfinished"}
    write_json(path, manifest)
    if len(left) < len(sources):
        log(f"{len(sources) - len(left)} of {len(sources)} are done already.")
    failed, context = [], multiprocessing.get_context("spawn")
    workers = min(workers or runtime.cores(), len(left)) or 1
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        jobs = {pool.submit(work, source, out, options): source for source in left}
        for number, job in enumerate(as_completed(jobs), 1):
            source = jobs[job]
            entry = _outcome(job, source, options)
            manifest[str(source.absolute())] = entry
            write_json(path, manifest)
            if entry["state"] == "failed":
                failed.append(source)
            why = f": {entry['why']}" if entry["state"] == "failed" else ""
            log(f"{number} of {len(left)}: {source.name} {entry['state']}{why}")
    return failed


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)  # a process a core: more threads would only wait for each other


def _outcome(job: Any, source: Path, options: dict) -> dict:
    try:
        files = [str(path) for path in job.result()]
    except (FernbError, OSError) as error:
        return {"state": "failed", "why": str(error)}
    except Exception as error:  # one video must not stop ten thousand
        return {"state": "failed", "why": f"{type(error).__name__}: {error}"}
    return {"state": "done", "files": files, "options": json.loads(json.dumps(options, default=str)), **_stamp(source)}


def _stamp(source: Path) -> dict:
    about = source.stat()
    return {"bytes": about.st_size, "changed_ns": about.st_mtime_ns}


def _done(entry: dict | None, source: Path, options: dict) -> bool:
    if not entry or entry.get("state") != "done" or not source.exists():
        return False
    same = json.loads(json.dumps(options, default=str)) == entry.get("options")
    unchanged = all(entry.get(name) == value for name, value in _stamp(source).items())
    return same and unchanged and all(Path(name).exists() for name in entry.get("files", []))


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
