"""A long video in parts: each begins some seconds early, and its people get the numbers that they had before.

A reader's memory is short: after a few seconds, one that began late knows the same faces at the same
places as one that has read from the start. So a video is always read in parts of ten minutes, each by a
reader of its own, and the parts are joined by who stood where in the seconds that both have read. All
parts may be read one after the other or at once: the table is the same. Taught in notebook 05.
"""

import csv
import math
import multiprocessing
import signal
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import cv2
import numpy as np

from fernb.errors import VideoError
from fernb.files import atomic_write
from fernb.video.reading import Decided, FaceReader, Reading
from fernb.video.stream import Frame, VideoInfo, open_frames, prefetch
from fernb.video.table import Table
from fernb.video.tracking import distance_iou

PART_S = 600.0  # seconds
LEAD_S = 10.0  # seconds that a part's reader begins early: it has forgotten by then that it began
MAX_SMOOTHING_S = LEAD_S / 5  # a longer memory than this does not fill up in the lead …
MAX_HOLD = 10  # … nor one of more frames, where one is read each second
MIN_OVERLAP = 0.3  # distance-IoU of one face's boxes by two readers


@dataclass(frozen=True)
class Span:
    """The parts of a video from ``first`` to before ``last``, each of ``part_s`` seconds, begun ``lead_s`` early."""

    first: int = 0
    last: float = math.inf
    part_s: float = PART_S
    lead_s: float = LEAD_S

    @property
    def start_s(self) -> float:
        """Where its first part begins, in seconds."""
        return self.first * self.part_s if self.first else 0.0

    @property
    def from_s(self) -> float:
        """Where reading begins, in seconds."""
        return max(0.0, self.start_s - self.lead_s)


def whole(reader: FaceReader) -> Span:
    """Return how a video is cut for a reader: not at all where its memory is long (fatigue, slow smoothing)."""
    steady = reader.steady
    remembers = reader.fatigue or steady.seconds > MAX_SMOOTHING_S or steady.min_frames > MAX_HOLD
    return Span(part_s=math.inf if remembers else PART_S)


def shares(span: Span, info: VideoInfo, cores: int) -> list[Span]:
    """Share the parts of a video among ``cores`` processes; one span where it is not long enough, or no film."""
    known = not info.still and math.isfinite(info.duration_s) and math.isfinite(span.part_s)
    parts = max(1, math.ceil(info.duration_s / span.part_s)) if known else 1
    number = min(cores, parts)
    borders = [round(i * parts / number) for i in range(number)]
    ends: list[float] = [*borders[1:], math.inf]  # a header's length may be wrong
    return [replace(span, first=first, last=last) for first, last in zip(borders, ends, strict=True)]


# --- joining -----------------------------------------------------------------------------------------


class Sighting(NamedTuple):
    """Who was where in a frame, with what is shown, and for how many frames that has been so."""

    frame: int
    time_s: float
    person: int
    box: tuple[int, int, int, int]
    emotion: str
    held: int


class Joint:
    """Gives the people of each part the numbers that they had in the part before.

    The first part's numbers stay; whoever is new in a later one gets the next number with the first row.
    """

    def __init__(self, lead_s: float = LEAD_S):
        self.lead_s = lead_s
        self._count = 0
        self._numbers: dict[int, int] | None = None  # of the part's people; None in the first part
        self._longer: dict[int, int] = {}  # frames that an emotion had held for before the part began
        self._recent: deque[Sighting] = deque()

    def begin(self, lead: Iterable[Sighting]) -> None:
        """Begin a part whose reader saw ``lead`` in the seconds before it."""
        known = defaultdict(list)
        for seen in self._recent:
            known[seen.frame].append(seen)
        votes: Counter[tuple[int, int]] = Counter()
        last: dict[tuple[int, int], tuple[Sighting, Sighting]] = {}
        for new in lead:
            old = max(known[new.frame], key=lambda one: _overlap(one, new), default=None)
            if old and _overlap(old, new) >= MIN_OVERLAP:
                votes[new.person, old.person] += 1
                last[new.person, old.person] = old, new
        self._numbers, self._longer = {}, {}
        for pair, _ in votes.most_common():
            if pair[0] not in self._numbers and pair[1] not in self._numbers.values():
                self._numbers[pair[0]] = pair[1]
                old, new = last[pair]
                self._longer[pair[0]] = old.held - new.held if old.emotion == new.emotion else 0

    def place(self, seen: Sighting) -> Sighting:
        """Return a sighting of the part with the number, and the frames held, that the whole video gives it."""
        if seen.held == 1:
            self._longer.pop(seen.person, None)
        number = seen.person if self._numbers is None else self._numbers.setdefault(seen.person, self._count + 1)
        self._count = max(self._count, number)
        placed = seen._replace(person=number, held=seen.held + self._longer.get(seen.person, 0))
        self._recent.append(placed)
        while self._recent[0].time_s < seen.time_s - self.lead_s:
            self._recent.popleft()
        return placed


def _overlap(a: Sighting, b: Sighting) -> float:
    (x, y, w, h), (u, v, width, height) = a.box, b.box
    one, other = np.array([x + w / 2, y + h / 2, w, h]), np.array([u + width / 2, v + height / 2, width, height])
    return float(distance_iou(one, other))


def _sighting(frame: Frame, one: Reading, labels: Sequence[str]) -> Sighting:
    return Sighting(frame.index, round(frame.time_s, 3), one.track, one.face.box, one.shown(labels)[0], one.frames_held)


# --- one part after the other ------------------------------------------------------------------------


class _Part:
    """A part under work: its reader, what that saw before the part, and the part's frames that are decided."""

    def __init__(self, number: int, reader: FaceReader, span: Span, lead: list[Sighting] | None = None):
        self.number, self.reader = number, reader
        self.start_s, self.end_s = number * span.part_s if number else 0.0, (number + 1) * span.part_s
        self.lead: list[Sighting] = [] if lead is None else lead
        self.decided: deque[Decided] = deque()

    def take(self, frame: Frame) -> None:
        """Read a frame; beyond the part it only helps to decide those before."""
        self._keep(self.reader.take(frame))

    def rest(self) -> None:
        """Decide what still waits, for no other frame will come."""
        self._keep(self.reader.rest())

    def _keep(self, several: list[Decided]) -> None:
        for frame, readings in several:
            if frame.time_s < self.start_s:
                self.lead += [_sighting(frame, one, self.reader.recogniser.labels) for one in readings or ()]
            elif frame.time_s < self.end_s:
                self.decided.append((frame, readings))


def read_in_parts(
    stream: Iterable[Frame], reader: FaceReader, span: Span, lead: list[Sighting] | None = None
) -> Iterator[Decided]:
    """Yield the frames of a span with their readings, as :meth:`FaceReader.read` does; ``stream`` begins at its lead.

    What the first part's reader saw before the part is appended to ``lead``.
    """
    joint, labels = Joint(span.lead_s), reader.recogniser.labels
    now, following = _Part(span.first, reader, span, lead), None
    for frame in stream:
        now.take(frame)
        yield from _joined(now.decided, joint, labels)
        if frame.time_s < now.end_s - span.lead_s:
            continue
        if now.number + 1 < span.last:
            following = following or _Part(now.number + 1, reader.fresh(), span)
            following.take(frame)
        if frame.time_s >= now.end_s and now.reader.decided_until_s >= now.end_s:
            if following is None:
                return
            joint.begin(following.lead)
            now, following = following, None
    now.rest()
    yield from _joined(now.decided, joint, labels)
    if following is not None:
        following.rest()
        joint.begin(following.lead)
        yield from _joined(following.decided, joint, labels)


def _joined(decided: deque[Decided], joint: Joint, labels: Sequence[str]) -> Iterator[Decided]:
    """Empty a queue of decided frames, with the numbers that people have in the whole video."""
    while decided:
        frame, readings = decided.popleft()
        if readings is not None:
            placed = [(one, joint.place(_sighting(frame, one, labels))) for one in readings]
            readings = [replace(one, track=seen.person, frames_held=seen.held) for one, seen in placed]
        yield frame, readings


# --- all parts at once -------------------------------------------------------------------------------


def table_on_cores(
    source: Path,
    path: Path,
    make_reader: Callable[[], FaceReader],
    spans: Sequence[Span],
    *,
    every: float = 0,
    step: int = 1,
    progress: Callable[[float], None] = lambda done_s: None,
) -> float:
    """Write the table of a video whose ``spans`` are read by a process each; return the time of its last frame.

    ``make_reader`` is a function of a module, or a partial of one. Each process keeps a journal beside
    the table, which stays when the work is stopped. ``progress`` is called with the seconds read.
    Raises :class:`~fernb.errors.VideoError` where a process dies, and what reading raises.
    """
    context = multiprocessing.get_context("spawn")
    done, stop = context.Array("d", len(spans)), context.Event()
    files = [path.with_name(f"{path.stem}.{i + 1}of{len(spans)}.csv") for i in range(len(spans))]
    for old in files:  # of a run that was killed
        old.unlink(missing_ok=True)
    with ProcessPoolExecutor(len(spans), context, _share, (done, stop)) as pool:
        jobs = [
            pool.submit(_read_span, i, source, file, make_reader, span, every, step)
            for i, (file, span) in enumerate(zip(files, spans, strict=True))
        ]
        try:
            left: set = set(jobs)
            while left:
                left = wait(left, timeout=0.5, return_when=FIRST_EXCEPTION).not_done
                progress(sum(done[:]))
                for job in set(jobs) - left:
                    job.result()
        except BrokenProcessPool:
            raise VideoError(
                f"a process that read {source.name} crashed; the file may be damaged, or memory was short."
            ) from None
        finally:
            stop.set()
    last_s = max(job.result()[1] for job in jobs)
    _join(path, files, [job.result()[0] for job in jobs], spans[0].lead_s)
    return last_s


_shared: tuple[Any, Any] = None, None
"""In a process that reads: the seconds that each has read, and the sign to stop."""


def _share(done: Any, stop: Any) -> None:
    global _shared
    _shared = done, stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for these says it for all
    cv2.setNumThreads(1)


def _read_span(
    number: int, source: Path, path: Path, make_reader: Callable[[], FaceReader], span: Span, every: float, step: int
) -> tuple[list[Sighting], float]:
    """Write the table of a span; return what was seen in its lead, and the time of its last frame."""
    done, stop = _shared
    lead: list[Sighting] = []
    reader, last_s = make_reader(), 0.0
    with (
        open_frames(source, every=every, step=step, from_s=span.from_s) as stream,
        closing(prefetch(stream)) as ahead,
        Table(path, reader.recogniser.labels) as table,
    ):
        for frame, readings in read_in_parts(ahead, reader, span, lead):
            table.add(frame, readings or [])
            last_s = frame.time_s
            done[number] = last_s - span.start_s
            if stop.is_set():
                raise KeyboardInterrupt
    return lead, last_s


def _join(path: Path, files: Sequence[Path], leads: Sequence[list[Sighting]], lead_s: float) -> None:
    """Write the tables of all spans into one, with each person's number of the whole video."""
    joint = Joint(lead_s)
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as whole:
        for file, lead in zip(files, leads, strict=True):
            if file is not files[0]:
                joint.begin(lead)
            if file.exists():  # a header may promise more than there is
                _append(file, whole, joint)
                file.unlink()


def _append(file: Path, whole: TextIO, joint: Joint) -> None:
    with file.open(newline="", encoding="utf-8") as part:
        rows = csv.DictReader(part)
        writer = csv.DictWriter(whole, list(rows.fieldnames or ()))
        if whole.tell() == 0:
            writer.writeheader()
        for row in rows:
            if row["track"]:
                x, y, w, h = (int(row[name]) for name in "xywh")
                stamp = int(row["frame"]), float(row["time_s"])
                seen = joint.place(Sighting(*stamp, int(row["track"]), (x, y, w, h), row["emotion"], int(row["held"])))
                row |= {"track": seen.person, "held": seen.held}
            writer.writerow(row)
