"""Scan a video: the table of emotions, an annotated copy, a timeline for each person. Taught in notebook 05."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

from fernb.errors import FernbError
from fernb.files import whole_file
from fernb.recogniser import Recogniser
from fernb.tracking import Tracker
from fernb.video import Table, VideoWriter, annotate, fps, frames, open_stream, read_faces

MOST_PEOPLE = 6  # timelines in one picture


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
    recogniser: Recogniser,
    every: Sampling | None = None,
    kinds: tuple[str, ...] = ("csv", "video", "plot"),
    progress: Callable[[float, float], None] | None = None,
) -> list[Path]:
    """Analyse a video and write what ``kinds`` asks for into ``out``; return the paths.

    ``csv`` is the table of :func:`fernb.video.columns`, always written, row by row, so that a
    stop half-way leaves what was read; the other two are made beside it. ``video`` is an
    annotated copy at the source's speed and with its sound; ``plot`` a timeline for each person.
    ``progress`` is called with the seconds done and the video's length. Raises
    :class:`~fernb.errors.VideoError` for a video that cannot be read.
    """
    every = every or Sampling()
    length = duration(source)  # fails before anything is written
    table_path, video_path, plot_path = (
        out / f"{source.stem}{end}" for end in (".csv", "_annotated.mp4", "_timeline.png")
    )
    stream = read_faces(frames(source, every.seconds, every.step), recogniser, Tracker())
    with Table(table_path, recogniser.labels) as table:
        if "video" in kinds:
            stream = _annotated(stream, video_path, source, recogniser.labels)
        for frame, readings in stream:
            table.add(frame, readings)
            if progress:
                progress(frame.time_s, length)
    if "plot" in kinds:
        write_timelines(table_path, plot_path, recogniser.labels)
    made = {"csv": table_path, "video": video_path, "plot": plot_path}
    return [
        table_path,
        *(path for kind, path in made.items() if kind in kinds and path != table_path and path.exists()),
    ]


def duration(source: Path) -> float:
    """Return the length of a video in seconds, by its container; 0 where that does not say."""
    with open_stream(source) as stream:
        count, rate = stream.get(cv2.CAP_PROP_FRAME_COUNT), stream.get(cv2.CAP_PROP_FPS)
    return count / rate if rate > 0 and count > 0 else 0.0


def _annotated(stream, path: Path, source: Path, labels: tuple[str, ...]):
    """Pass the stream on and write its annotated copy, repeating frames so that its times stay true."""
    rate, written = fps(source), 0
    with VideoWriter(path, rate, sound=source) as writer:
        before = None
        for frame, readings in stream:
            while before is not None and written < round(frame.time_s * rate):
                writer.add(before)
                written += 1
            before = annotate(frame.rgb, readings, labels)
            yield frame, readings
        while before is not None and written < max(round(duration(source) * rate), 1):
            writer.add(before)
            written += 1


def write_timelines(table: Path, path: Path, labels: tuple[str, ...]) -> None:
    """Draw the smoothed probabilities of the people who are longest in view; nothing where nobody is."""
    import pandas as pd
    from matplotlib.figure import Figure

    from fernb import plots

    rows = pd.read_csv(table).dropna(subset="track")
    people = rows["track"].value_counts().index[:MOST_PEOPLE]
    if not len(people):
        return
    figure = Figure(figsize=(10, 3.2 * len(people)), dpi=plots.DPI, layout="constrained")
    for ax, person in zip(figure.subplots(len(people), squeeze=False)[:, 0], people, strict=True):
        own = rows[rows["track"] == person]
        probs = own[[f"smoothed_{name}" for name in labels]].to_numpy()
        plots.timeline(own["time_s"].to_numpy(), probs, labels, title=f"person {int(person)}", ax=ax)
    with whole_file(path) as temporary:
        figure.savefig(temporary)


def summary(table: Path) -> list[str]:
    """Return who was seen, for how many analysed frames, and with which emotions, a line each."""
    import pandas as pd

    rows = pd.read_csv(table)
    seen = rows.dropna(subset="track")
    empty = rows["track"].isna().sum()
    lines = [f"{rows['frame'].nunique()} frames analysed, {empty} without a face"]
    for person, own in seen.groupby("track"):
        shares = own["emotion"].value_counts(normalize=True)
        words = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        span = f"{own['time_s'].min():.1f}-{own['time_s'].max():.1f} s"
        lines.append(f"person {int(person)}: {len(own)} frames, {span}: {words}")
    return lines
