"""Widgets for JupyterLab: read a photograph from one's own disk, look through a scanned video.

Taught in notebook 05; the camera's widget is :class:`fernb.widgets.webcam.Webcam`.
"""

import os
from pathlib import Path

import cv2
import ipywidgets as widgets
import numpy as np
import pandas as pd

from fernb.errors import DataError, FernbError, VideoError
from fernb.video.annotate import annotate, scaled
from fernb.video.reading import Reading
from fernb.video.smoothing import SMOOTHERS, LabelStabiliser, flicker, show, smooth
from fernb.video.stream import image_paths, open_stream
from fernb.video.table import columns
from fernb.vision.detection import Detection
from fernb.vision.images import encode_image, read_image
from fernb.widgets.html import LEFT, page_size, status


class VideoExplorer(widgets.VBox):
    """Look through a video that ``fernb scan`` has read: frame, faces, bars and a timeline; move the smoothing.

    ``video`` is the file or the folder of pictures, ``table`` the CSV that the scan made of it.
    Changed smoothing is computed anew from the table's raw probabilities; the current frame and
    the timeline follow. ``rows`` is the table, a pandas DataFrame.

    Raises :class:`~fernb.errors.VideoError` or :class:`~fernb.errors.DataError` for files that
    cannot be read, or that do not belong together.
    """

    def __init__(self, video: str | os.PathLike, table: str | os.PathLike):
        self.video, self.rows = Path(video), read_table(table)
        self.labels = tuple(c.removeprefix("smoothed_") for c in self.rows.columns if c.startswith("smoothed_"))
        self._times = self.rows.groupby("frame")["time_s"].first()
        frame_at(self.video, int(self._times.index[-1]), float(self._times.iloc[-1]))  # or VideoError
        people = [int(person) for person in self.rows["track"].dropna().value_counts().index]
        wide = {"style": {"description_width": "110px"}, "layout": {"width": "520px"}}
        self.position = widgets.IntSlider(0, 0, len(self._times) - 1, description="analysed frame", **wide)
        self.kind = widgets.Dropdown(options=list(SMOOTHERS), value="exponential", description="smoothing", **wide)
        self.seconds = widgets.FloatSlider(0.4, min=0, max=3, step=0.1, description="over (s)", **wide)
        self.person = widgets.Dropdown(options=people, description="person", **wide)
        self._picture, self._timeline = widgets.Image(format="jpeg"), widgets.Image(format="png")
        self._words, self._cost = widgets.HTML(), widgets.HTML()
        for control, act in (
            (self.position, self._move),
            (self.kind, self._smooth),
            (self.seconds, self._smooth),
            (self.person, self._draw),
        ):
            control.observe(act, "value")
        frame, smoothing = [self.position, self._words, self._picture], [self.kind, self.seconds]
        super().__init__(
            [*frame, *smoothing, *([self.person] if people else []), self._cost, self._timeline], layout=LEFT
        )
        self._smooth()

    def _own(self, person: int) -> pd.DataFrame:
        return self.rows[self.rows["track"] == person]

    def _smooth(self, _=None) -> None:
        """Smooth each person's probabilities as the controls say, then draw all anew."""
        self.smoothed = np.full((len(self.rows), len(self.labels)), np.nan, np.float32)
        for person in self.person.options:
            own = self._own(person)
            probs = own[list(self.labels)].to_numpy(np.float32)
            self.smoothed[own.index] = smooth(own["time_s"], probs, self.kind.value, self.seconds.value)
        self._draw()

    def _draw(self, _=None) -> None:
        """Draw the chosen person's timeline without the line of the current time."""
        if self.person.value is None:
            self._cost.value = status("Nobody was seen in this video.")
            self._move()
            return
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        from fernb import plots

        own = self._own(self.person.value)
        times, probs = own["time_s"].to_numpy(), self.smoothed[own.index]
        raw = flicker(times, show(own[list(self.labels)].to_numpy()))
        self._cost.value = status(f"Label changes a minute: {raw:.0f} raw, {flicker(times, show(probs)):.0f} smoothed.")
        figure = Figure(figsize=(8, 2.8), dpi=90, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        ax = plots.timeline(
            times, probs, classes=self.labels, title=f"person {self.person.value}", ax=figure.subplots()
        )
        canvas.draw()
        self._drawn = np.asarray(canvas.buffer_rgba())[..., :3].copy()
        span, (bottom, top) = ax.get_xlim(), ax.get_window_extent().intervaly
        self._place = lambda time_s: round(ax.transData.transform((np.clip(time_s, *span), 0))[0])
        self._reach = [round(len(self._drawn) - y) for y in (top, bottom)]
        self._move()

    def _move(self, _=None) -> None:
        """Show the frame that the slider is on, and a line there in the timeline."""
        index = int(self._times.index[self.position.value])
        time_s = float(self._times.iloc[self.position.value])
        readings = self._readings(index)
        seen = [f"person {one.track} {self.labels[one.emotion]}" for one in readings]
        self._words.value = status(f"Frame {index} at {time_s:.2f} s: {', '.join(seen) or 'no face'}.")
        try:
            rgb = frame_at(self.video, index, time_s)
        except FernbError as error:  # the file was moved or changed since
            self._words.value = status(str(error))
            return
        shown = page_size(rgb)
        self._picture.value = encode_image(
            annotate(shown, scaled(readings, shown.shape[1] / rgb.shape[1]), self.labels)
        )
        if self.person.value is not None:
            timeline = self._drawn.copy()
            x, (top, bottom) = self._place(time_s), self._reach
            timeline[top:bottom, max(x - 1, 0) : x + 2] = 0
            self._timeline.value = encode_image(timeline, ".png")

    def _readings(self, index: int) -> list[Reading]:
        readings = []
        for row in self.rows[(self.rows["frame"] == index) & self.rows["track"].notna()].itertuples():
            smoothed = self.smoothed[row.Index]
            raw = np.array([getattr(row, name) for name in self.labels], np.float32)
            face = Detection(*(int(value) for value in (row.x, row.y, row.w, row.h)), float(row.detector_score))
            readings.append(Reading(int(row.track), face, raw, smoothed, LabelStabiliser()(smoothed)))
        return readings


def read_table(path: str | os.PathLike) -> pd.DataFrame:
    """Read the CSV of ``fernb scan``: the columns of :func:`fernb.video.table.columns`.

    Raises :class:`~fernb.errors.DataError` where there is no such file, or another one.
    """
    try:
        rows = pd.read_csv(path)
    except OSError as error:
        raise DataError(f"cannot read the table {path}: {error.strerror}; `fernb scan VIDEO` makes it.") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path} is not a table of `fernb scan`.") from error
    labels = [name.removeprefix("smoothed_") for name in rows.columns if name.startswith("smoothed_")]
    missing = set(columns(labels)) - set(rows.columns)
    if missing or not labels or not len(rows):
        raise DataError(f"{path} is not a table of `fernb scan`: it lacks {', '.join(sorted(missing)) or 'rows'}.")
    return rows


def frame_at(video: str | os.PathLike, index: int, time_s: float) -> np.ndarray:
    """Return the frame number ``index``, shown at ``time_s``, of a video or a folder, RGB uint8 ``(h, w, 3)``.

    Raises :class:`~fernb.errors.VideoError` where there is none.
    """
    missing = VideoError(f"{Path(video).name} has no frame {index} at {time_s:.2f} s; give the video of this table.")
    if Path(video).is_dir():
        paths = image_paths(Path(video))
        if index >= len(paths):
            raise missing
        return read_image(paths[index])
    with open_stream(video) as stream:
        stream.set(cv2.CAP_PROP_POS_FRAMES, index)
        if stream.grab() and abs(stream.get(cv2.CAP_PROP_POS_MSEC) / 1000 - time_s) < 0.005:
            return cv2.cvtColor(stream.retrieve()[1], cv2.COLOR_BGR2RGB)
    with open_stream(video) as stream:  # OpenCV cannot jump in a variable frame rate, so count from the start
        there = all(stream.grab() for _ in range(index + 1))
        if not there or abs(stream.get(cv2.CAP_PROP_POS_MSEC) / 1000 - time_s) > 0.005:
            raise missing
        return cv2.cvtColor(stream.retrieve()[1], cv2.COLOR_BGR2RGB)
