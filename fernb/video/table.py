"""The table of a video: a row for each face in each frame; written and summed up. Taught in notebook 05."""

import csv
from collections.abc import Iterable
from pathlib import Path

from fernb.files import atomic_write
from fernb.video.reading import Reading
from fernb.video.stream import Frame


def write_counts(table: Path, path: Path, labels: tuple[str, ...]) -> None:
    """Write a table in the layout of older tools: a row per frame, how many faces, how many with each emotion.

    The columns are ``frame``, ``face`` and the emotions, capitalised; unsure faces count in
    ``face`` only.
    """
    import pandas as pd

    rows = pd.read_csv(table)
    counts = pd.crosstab(rows["frame"], rows["emotion"], dropna=False).reindex(
        index=rows["frame"].unique(), columns=labels, fill_value=0
    )
    counts.insert(0, "face", rows.groupby("frame")["track"].count())
    with atomic_write(path) as temporary:
        counts.rename(columns=str.capitalize).rename(columns={"Face": "face"}).to_csv(temporary)


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
        if own["fatigue_alarm"].any():
            lines.append(
                f"  eyes closed long or often from {own.loc[own['fatigue_alarm'] == 1, 'time_s'].min():.1f} s on"
            )
    return lines


def columns(labels: Iterable[str]) -> list[str]:
    """Return the columns of the table: one row per face per frame, an empty row where there is no face."""
    labels = list(labels)
    place = ["frame", "time_s", "track", "x", "y", "w", "h", "detector_score", "eyes"]
    answer = ["emotion", "confidence", "held", "eyes_closed", "fatigue_alarm"]
    return [*place, *labels, *(f"smoothed_{name}" for name in labels), *answer]


def table_rows(frame: Frame, readings: list[Reading], labels: tuple[str, ...]) -> list[list]:
    """Return the table's rows for one frame, as :func:`columns` orders them; None where there is nothing to say."""
    stamp, rows = [frame.index, round(frame.time_s, 3)], []
    for reading in readings:
        face, (emotion, confidence), tired = reading.face, reading.shown(labels), reading.fatigue
        place = [reading.track, *face.box, round(face.score, 3), None if face.eyes is None else len(face.eyes)]
        probs = [round(float(value), 4) for value in (*reading.probs, *reading.smoothed)]
        fatigue = [None, None] if tired is None else [round(tired.closed_share, 3), int(tired.alarm)]
        rows.append([*stamp, *place, *probs, emotion, round(confidence, 4), reading.held, *fatigue])
    return rows or [[*stamp, *[None] * (len(columns(labels)) - 2)]]


class Table:
    """Writes readings to a CSV row by row, so that a stop half-way leaves a readable file."""

    def __init__(self, path: Path, labels: Iterable[str]):
        self.labels = tuple(labels)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(columns(self.labels))

    def __enter__(self) -> "Table":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def add(self, frame: Frame, readings: list[Reading]) -> None:
        """Write the rows of one frame."""
        self._writer.writerows(table_rows(frame, readings, self.labels))
        self._file.flush()
