"""The table of a video, a row for each face in each frame: written, read with checks, summed up.

Taught in notebook 05.
"""

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from fernb.errors import DataError
from fernb.files import atomic_write
from fernb.video.reading import UNSURE, Reading
from fernb.video.stream import Frame

if TYPE_CHECKING:
    import pandas as pd

MAX_PIXELS = 100_000  # no frame is as wide; a box beyond it is a damaged cell
MAX_NUMBER = 2**31


def columns(labels: Iterable[str]) -> list[str]:
    """Return the columns of the table: one row per face per frame, an empty row where there is no face."""
    labels = list(labels)
    place = ["frame", "time_s", "track", "x", "y", "w", "h", "detector_score", "eyes"]
    answer = ["emotion", "confidence", "held", "eyes_closed", "fatigue_alarm"]
    return [*place, *labels, *(f"smoothed_{name}" for name in labels), *answer]


def labels_of(rows: "pd.DataFrame") -> tuple[str, ...]:
    """Return the emotions whose probabilities a table holds, in its order."""
    return tuple(str(name).removeprefix("smoothed_") for name in rows.columns if str(name).startswith("smoothed_"))


# --- writing -----------------------------------------------------------------------------------------


def table_rows(frame: Frame, readings: list[Reading], labels: tuple[str, ...]) -> list[list]:
    """Return the table's rows for one frame, as :func:`columns` orders them; None where there is nothing to say."""
    stamp, rows = [frame.index, round(frame.time_s, 3)], []
    for reading in readings:
        face, (emotion, confidence), tired = reading.face, reading.shown(labels), reading.fatigue
        place = [reading.track, *face.box, round(face.score, 3), None if face.eyes is None else len(face.eyes)]
        probs = [round(float(value), 4) for value in (*reading.probs, *reading.smoothed)]
        fatigue = [None, None] if tired is None else [round(tired.closed_share, 3), int(tired.alarm)]
        rows.append([*stamp, *place, *probs, emotion, round(confidence, 4), reading.frames_held, *fatigue])
    return rows or [[*stamp, *[None] * (len(columns(labels)) - 2)]]


class Table:
    """Writes readings to a CSV, whole or not at all.

    Rows go into ``journal``, a file beside it that ends in ``.part.csv``, as they come; it takes the
    table's name when the block ends without an error. A stop half-way, even of the machine, leaves
    the journal with what was read, and an older table as it was.
    """

    def __init__(self, path: Path, labels: Iterable[str]):
        self.path, self.labels = Path(path), tuple(labels)
        self.journal = self.path.with_name(f"{self.path.stem}.part.csv")
        self._file: TextIO | None = None

    def __enter__(self) -> "Table":
        return self

    def __exit__(self, failed: type | None, *_: object) -> None:
        if self._file is None:
            return
        self._file.close()
        if failed is None:
            os.replace(self.journal, self.path)

    def add(self, frame: Frame, readings: list[Reading]) -> None:
        """Write the rows of one frame."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.journal.open("w", newline="", encoding="utf-8")
            self._writer = csv.writer(self._file)
            self._writer.writerow(columns(self.labels))
        self._writer.writerows(table_rows(frame, readings, self.labels))
        self._file.flush()


# --- reading -----------------------------------------------------------------------------------------


def read_table(path: str | os.PathLike) -> "pd.DataFrame":
    """Read the CSV of ``fernb scan`` as a DataFrame with the columns of :func:`columns`, every cell checked.

    Raises :class:`~fernb.errors.DataError`, with row and column as a spreadsheet counts them, where
    there is no such file, or one that no scan wrote.
    """
    import pandas as pd

    path = Path(path)
    try:
        rows = pd.read_csv(path, low_memory=False)
    except OSError as error:
        raise DataError(f"there is no table at {path} ({error.strerror}); `fernb scan VIDEO` writes one.") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path.name} is not a table that `fernb scan` wrote; scan the video again.") from error
    labels = labels_of(rows)
    missing = [name for name in columns(labels) if name not in rows.columns]
    if missing or not labels or not len(rows):
        lacks = ", ".join(missing) or "rows"
        raise DataError(f"{path.name} is not a table that `fernb scan` wrote: it lacks {lacks}; scan the video again.")
    if len(set(rows.columns)) < len(rows.columns):
        raise DataError(f"{path.name} has a column twice; scan the video again.")
    return _checked(rows, labels, path.name)


def _checked(rows: "pd.DataFrame", labels: tuple[str, ...], name: str) -> "pd.DataFrame":
    """Return the rows with numbers as numbers, or say which cell is none that a scan writes."""
    import pandas as pd

    seen = rows["track"].notna()
    always, optional = pd.Series(True, rows.index), ("eyes", "eyes_closed", "fatigue_alarm")
    limits: dict[str, tuple[float, float]] = {"frame": (0, MAX_NUMBER), "time_s": (0, MAX_NUMBER)}
    limits |= {"track": (1, MAX_NUMBER), "held": (1, MAX_NUMBER), "eyes": (0, 2)}
    limits |= dict.fromkeys("xy", (-MAX_PIXELS, MAX_PIXELS)) | dict.fromkeys("wh", (1, MAX_PIXELS))
    shares = ("detector_score", "confidence", "eyes_closed", "fatigue_alarm")
    limits |= dict.fromkeys((*shares, *labels, *(f"smoothed_{label}" for label in labels)), (0, 1))
    for column, (low, high) in limits.items():
        numbers = pd.to_numeric(rows[column], errors="coerce")
        needed = always if column in ("frame", "time_s") else seen
        bad = ~numbers.between(low, high) & (rows[column].notna() if column in optional else needed)
        if column in ("frame", "track", "x", "y", "w", "h", "held"):
            bad |= needed & (numbers % 1 != 0)
        _refuse(rows, bad, column, f"a number from {low} to {high}", name)
        rows[column] = numbers
    _refuse(rows, seen & ~rows["emotion"].isin((*labels, UNSURE)), "emotion", f"one of {', '.join(labels)}", name)
    return rows


def _refuse(rows: "pd.DataFrame", bad: "pd.Series", column: str, wanted: str, name: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        cell = str(rows[column].iloc[row])[:40]
        raise DataError(f"{name}, row {row + 2}, column {column}: {cell!r} is not {wanted}; scan the video again.")


# --- summing up --------------------------------------------------------------------------------------


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
