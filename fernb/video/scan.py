"""Scan a video: the table of emotions, an annotated copy, a timeline for each person. Taught in notebook 05."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fernb import runtime
from fernb.errors import FernbError
from fernb.video import parts
from fernb.video.annotate import annotate
from fernb.video.reading import Decided, FaceReader, Reading
from fernb.video.stream import FrameStream, VideoInfo, open_frames, prefetch
from fernb.video.table import Table, write_counts
from fernb.video.writer import VideoWriter
from fernb.vision.images import write_image

if TYPE_CHECKING:
    import pandas as pd

MAX_PEOPLE = 6  # timelines in one image
MIN_IN_VIEW_S = 0.5  # seconds; who was there for less has no timeline
ENDS = {"csv": ".csv", "video": "_annotated.mp4", "plot": "_timeline.png", "wide": "_counts.csv"}


@dataclass(frozen=True)
class Sampling:
    """Which frames are analysed: one each ``seconds``, or each ``step``-th one."""

    seconds: float = 0
    step: int = 1


def sampling(text: str) -> Sampling:
    """Read ``0.5s`` as seconds and ``5`` as frames. Raises :class:`~fernb.errors.FernbError` otherwise."""
    try:
        chosen = Sampling(seconds=float(text[:-1])) if text.endswith("s") else Sampling(step=int(text))
        if 0 <= chosen.seconds < float("inf") and chosen.step >= 1:
            return chosen
    except ValueError:
        pass
    raise FernbError(f"cannot sample every {text!r}; write seconds as 0.5s, or a number of frames as 5.")


def distinct(sources: Iterable[Path]) -> None:
    """Raise :class:`~fernb.errors.FernbError` where two sources would write the same files."""
    by_stem: dict[str, Path] = {}
    for source in sources:
        other = by_stem.setdefault(_stem(source), source)
        if other is not source:
            raise FernbError(f"{other} and {source} would write the same files; scan them with different --out.")


def _stem(source: Path) -> str:
    return source.resolve().name if source.is_dir() else source.stem


def outputs(source: Path, out: Path, kinds: tuple[str, ...], *, image: bool = False) -> dict[str, Path]:
    """Return which file of ``out`` each kind of a scan's output goes into.

    Raises :class:`~fernb.errors.FernbError` where one of them is the source itself.
    """
    ends = {**ENDS, "video": "_annotated.png"} if image else ENDS
    made = {kind: out / f"{_stem(source)}{end}" for kind, end in ends.items() if kind == "csv" or kind in kinds}
    for path in made.values():
        if path.resolve() == source.resolve():
            raise FernbError(f"{path} is the video itself; choose another folder with --out.")
    return made


def scan(
    source: Path,
    out: Path,
    reader: FaceReader,
    every: Sampling | None = None,
    kinds: tuple[str, ...] = ("csv", "video", "plot"),
    *,
    again: Callable[[], FaceReader] | None = None,
    progress: Callable[[float, float], None] | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Analyse a video, an image or a folder of images; write what ``kinds`` asks for into ``out``; return the paths.

    ``csv`` is the table of :func:`fernb.video.table.columns`, always written; a stop half-way leaves
    its journal (:class:`fernb.video.table.Table`). ``video`` is an annotated copy at the source's
    speed and with its sound; frames that are not analysed are in it with the last boxes. Of an image
    it is an image. ``plot`` is a timeline for each person, ``wide`` the counts of
    :func:`fernb.video.table.write_counts`. A long video is read in parts (:mod:`fernb.video.parts`); on all
    cores where no copy is wanted and ``again`` makes the same reader in another process: a function of a
    module, or a partial of one. ``progress`` is called with the seconds done and the source's length,
    ``log`` with a sentence for all that did not go as it should. Raises
    :class:`~fernb.errors.VideoError` for a source that cannot be read, and
    :class:`~fernb.errors.FernbError` where an output would overwrite it.
    """
    every, labels, span = every or Sampling(), reader.recogniser.labels, parts.whole(reader)
    with open_frames(source, every=every.seconds, step=every.step, keep_all="video" in kinds) as stream:
        info = stream.info
        tell = (lambda done_s: progress(done_s, info.duration_s)) if progress else lambda done_s: None
        made = outputs(source, out, kinds, image=info.still and not source.is_dir())
        spans = parts.shares(span, info, runtime.cores()) if again and "video" not in kinds else [span]
        if again and len(spans) > 1:
            last_s = parts.table_on_cores(
                source, made["csv"], again, spans, every=every.seconds, step=every.step, progress=tell
            )
        else:
            last_s = _in_one_go(source, stream, reader, span, made, tell, log)
    if missing := _missing(last_s, info, every):
        log(f"{source.name} ends at {last_s:.1f} s, {missing:.1f} s before its header says; it is cut off.")
    if "plot" in made:
        write_timelines(made["csv"], made["plot"], labels)
    if "wide" in made:
        write_counts(made["csv"], made["wide"], labels)
    return [path for path in made.values() if path.exists()]


def _in_one_go(
    source: Path,
    stream: FrameStream,
    reader: FaceReader,
    span: parts.Span,
    made: dict[str, Path],
    tell: Callable[[float], None],
    log: Callable[[str], None],
) -> float:
    """Write table and annotated copy; return the time of the last frame."""
    labels, last_s = reader.recogniser.labels, 0.0
    with closing(prefetch(stream)) as ahead, Table(made["csv"], labels) as table:
        read = reader.read(ahead) if stream.info.still else parts.read_in_parts(ahead, reader, span)
        if "video" in made:
            read = _annotated(read, made["video"], source, stream.info, labels, log)
        for frame, readings in read:
            last_s = frame.time_s
            if readings is not None:
                table.add(frame, readings)
            tell(frame.time_s)
    return last_s


def _missing(last_s: float, info: VideoInfo, every: Sampling) -> float:
    """Return how many seconds a file lacks of what its header promises; 0 where that may be rounding."""
    missing = info.duration_s - last_s - max(every.seconds, every.step / info.fps)
    return 0.0 if info.still or missing < max(1.0, 0.02 * info.duration_s) else missing


def _annotated(
    read: Iterator[Decided],
    path: Path,
    source: Path,
    info: VideoInfo,
    labels: tuple[str, ...],
    log: Callable[[str], None],
) -> Iterator[Decided]:
    """Pass frames and readings on and write their annotated copy, at the speed and with the sound of the source."""
    if info.still and not source.is_dir():
        for frame, readings in read:
            write_image(path, annotate(frame.rgb, readings or [], labels))
            yield frame, readings
        return
    held: list[Reading] = []
    with VideoWriter(path, info.fps, sound=None if info.still else source) as writer:
        for frame, readings in read:
            held = held if readings is None else readings
            writer.add_at(annotate(frame.rgb, held, labels), frame.time_s)
            yield frame, readings
    for note in writer.notes:
        log(note)


def write_timelines(table: Path, path: Path, labels: tuple[str, ...]) -> None:
    """Draw the smoothed probabilities of the people who are longest in view; nothing where nobody is.

    All timelines share one time axis; a strip above each tells the emotion that was shown. Who was
    in view for less than half a second is left out.
    """
    import pandas as pd
    from matplotlib.figure import Figure

    from fernb import plots
    from fernb.plots.base import save_figure

    rows = pd.read_csv(table).dropna(subset="track")
    groups = {person: own for person, own in rows.groupby("track") if _in_view(own["time_s"]) >= MIN_IN_VIEW_S}
    people = sorted(sorted(groups, key=lambda person: -len(groups[person]))[:MAX_PEOPLE])
    if not people:
        return
    figure = Figure(figsize=(10, 3.2 * len(people)), dpi=plots.DPI, layout="constrained")
    axes = figure.subplots(len(people), sharex=True, squeeze=False)[:, 0]
    for ax, person in zip(axes, people, strict=True):
        own = groups[person]
        times, probs = own["time_s"].to_numpy(), own[[f"smoothed_{name}" for name in labels]].to_numpy()
        shown = spans(times, own["emotion"].tolist())
        plots.timeline(times, probs, classes=labels, shown=shown, title=f"person {int(person)}", ax=ax)
    shortest = [groups[person]["time_s"] for person in people]
    axes[0].set_xlim(min(times.min() for times in shortest), max(times.max() for times in shortest))
    save_figure(figure, path)


def _in_view(times: "pd.Series") -> float:
    """Return the seconds from the first to the last of ``times``."""
    return float(times.max() - times.min())


def spans(times: np.ndarray, names: list[str]) -> list[tuple[float, float, str]]:
    """Return runs of one name as ``(start, end, name)``; a run ends where the next one begins."""
    runs, at = [], 0
    for name, group in itertools.groupby(names):
        length = len(list(group))
        runs.append((float(times[at]), float(times[min(at + length, len(times) - 1)]), name))
        at += length
    return runs
