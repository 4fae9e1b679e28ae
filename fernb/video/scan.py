"""Scan a video: the table of emotions, an annotated copy, a timeline for each person. Taught in notebook 05."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fernb.errors import FernbError
from fernb.files import atomic_write
from fernb.video.annotate import annotate
from fernb.video.reading import FaceReader
from fernb.video.stream import duration, fps, frames
from fernb.video.table import Table, write_counts
from fernb.video.writer import VideoWriter

MAX_PEOPLE = 6  # timelines in one picture
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


def scan(
    source: Path,
    out: Path,
    reader: FaceReader,
    every: Sampling | None = None,
    kinds: tuple[str, ...] = ("csv", "video", "plot"),
    progress: Callable[[float, float], None] | None = None,
) -> list[Path]:
    """Analyse a video, or a folder of pictures, and write what ``kinds`` asks for into ``out``; return the paths.

    ``csv`` is the table of :func:`fernb.video.table.columns`, always written, row by row, so that a
    stop half-way leaves what was read; the others are made beside it. ``video`` is an annotated
    copy at the source's speed and with its sound, ``plot`` a timeline for each person, ``wide``
    the counts of :func:`write_counts`. ``progress`` is called with the seconds done and the
    source's length. Raises :class:`~fernb.errors.VideoError` for a source that cannot be read.
    """
    every, labels = every or Sampling(), reader.recogniser.labels
    length = duration(source)  # fails before anything is written
    made = {kind: out / f"{source.stem}{end}" for kind, end in ENDS.items()}
    stream = ((frame, reader(frame)) for frame in frames(source, every.seconds, every.step))
    if "video" in kinds:
        stream = _annotated(stream, made["video"], source, labels)
    with Table(made["csv"], labels) as table:
        for frame, readings in stream:
            table.add(frame, readings)
            if progress:
                progress(frame.time_s, length)
    if "plot" in kinds:
        write_timelines(made["csv"], made["plot"], labels)
    if "wide" in kinds:
        write_counts(made["csv"], made["wide"], labels)
    return [path for kind, path in made.items() if kind == "csv" or (kind in kinds and path.exists())]


def _annotated(stream, path: Path, source: Path, labels: tuple[str, ...]):
    """Pass the stream on and write its annotated copy, at the speed and with the sound of the source."""
    with VideoWriter(path, fps(source), sound=source if source.is_file() else None) as writer:
        for frame, readings in stream:
            writer.add_at(annotate(frame.rgb, readings, labels), frame.time_s)
            yield frame, readings
        writer.fill(duration(source))


def write_timelines(table: Path, path: Path, labels: tuple[str, ...]) -> None:
    """Draw the smoothed probabilities of the people who are longest in view; nothing where nobody is."""
    import pandas as pd
    from matplotlib.figure import Figure

    from fernb import plots

    rows = pd.read_csv(table).dropna(subset="track")
    people = rows["track"].value_counts().index[:MAX_PEOPLE]
    if not len(people):
        return
    figure = Figure(figsize=(10, 3.2 * len(people)), dpi=plots.DPI, layout="constrained")
    for ax, person in zip(figure.subplots(len(people), squeeze=False)[:, 0], people, strict=True):
        own = rows[rows["track"] == person]
        probs = own[[f"smoothed_{name}" for name in labels]].to_numpy()
        plots.timeline(own["time_s"].to_numpy(), probs, classes=labels, title=f"person {int(person)}", ax=ax)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)
