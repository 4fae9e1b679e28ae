"""Watch a camera or a video and say what each person shows: ``fernb live``. Taught in notebook 05."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path

from fernb.errors import FernbError
from fernb.video.annotate import annotate
from fernb.video.reading import UNSURE, FaceReader, Reading
from fernb.video.scan import write_timelines
from fernb.video.stream import Frame, frames
from fernb.video.table import Table, summary
from fernb.video.writer import VideoWriter

EVERY = 0.2  # seconds between the frames that are read: five a second


def watch(
    source: Path | int,
    reader: FaceReader,
    log: Callable[[str], None] = print,
    *,
    seconds: float | None = None,
    table: Path | None = None,
    film: Path | None = None,
    plot: Path | None = None,
) -> None:
    """Say once a second the time, the emotion and its probability, until the stream, ``seconds`` or Ctrl-C end it.

    Five frames a second are read, so that each person's answers can be smoothed. All of them go
    into ``table``, a CSV, row by row, and into ``film``, an annotated MP4; ``plot`` draws the
    table's timelines at the end and needs it. Times are the wall clock for a camera and the
    stream's own for a file. Where several people are in view each has a line with a number;
    who is unsure is told with the best guess, a newcomer after some tenths of a second.

    Raises :class:`~fernb.errors.VideoError` where the source cannot be read, and
    :class:`~fernb.errors.FernbError` where ``table``, ``film`` or ``plot`` is the source itself.
    """
    _refuse_the_source(source, table, film, plot)
    log("Reading video stream ...")
    labels = reader.recogniser.labels
    with ExitStack() as open_files, suppress(KeyboardInterrupt):
        rows = open_files.enter_context(Table(table, labels)) if table else None
        writer = open_files.enter_context(VideoWriter(film, 1 / EVERY)) if film else None
        due = 0.0
        for frame, readings in reader.read(_until(frames(source, every=EVERY), seconds)):
            readings = readings or []
            if rows:
                rows.add(frame, readings)
            if writer:
                writer.add_at(annotate(frame.rgb, readings, labels), frame.time_s)
            if frame.time_s + 1e-6 >= due:
                due = int(frame.time_s + 1e-6) + 1
                log("Preprocessing ...")
                for line in _second(_clock(source, frame), readings, labels):
                    log(line)
    for note in writer.notes if writer else ():
        log(note)
    if table and table.is_file():
        log("\n".join(summary(table)))
        if plot:
            write_timelines(table, plot, labels)


def _refuse_the_source(source: Path | int, *outputs: Path | None) -> None:
    for path in outputs:
        if path is not None and not isinstance(source, int) and path.resolve() == Path(source).resolve():
            raise FernbError(f"{path} is the video itself; choose another name.")


def _until(stream: Iterator[Frame], seconds: float | None) -> Iterator[Frame]:
    for frame in stream:
        if seconds is not None and frame.time_s >= seconds:
            return
        yield frame


def _second(clock: str, readings: list[Reading], labels: tuple[str, ...]) -> Iterator[str]:
    if not readings:
        yield f"{clock}s : no face"
    for reading in readings:
        name, confidence = reading.shown(labels)
        guess = f" ({reading.best(labels)})" if name == UNSURE else ""
        who = f"person {reading.track} : " if len(readings) > 1 else ""
        tired = " , eyes closed: tired?" if reading.fatigue and reading.fatigue.alarm else ""
        yield f"{clock}s : {who}{name.capitalize()}{guess} , {confidence:.0%}{tired}"


def _clock(source: Path | int, frame: Frame) -> str:
    if isinstance(source, int):
        return f"{datetime.now():%H:%M:%S}"
    whole = int(frame.time_s + 1e-6)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
