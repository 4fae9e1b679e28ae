"""Widgets for JupyterLab: read a photograph from one's own disk, look through a scanned video.

Taught in notebook 05; the camera's widget is :class:`fernb.widgets.webcam.Webcam`.
"""

import os
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd

from fernb import config
from fernb.errors import FernbError
from fernb.networks.sidecar import read_sidecar
from fernb.video.annotate import annotate, scaled
from fernb.video.reading import Reading
from fernb.video.smoothing import SMOOTHERS, LabelStabiliser, SteadyOptions, flicker, show, smooth
from fernb.video.stream import frames_at
from fernb.video.table import labels_of, read_table
from fernb.vision.detection import Detection
from fernb.vision.images import encode_image
from fernb.widgets.html import LEFT, page_size, status


class VideoExplorer(widgets.VBox):
    """Look through a video that ``fernb scan`` has read: frame, faces, bars and a timeline; move the smoothing.

    ``video`` is the file or the folder of pictures, ``table`` the CSV that the scan made of it.
    Changed smoothing is computed anew from the table's raw probabilities, as ``fernb scan`` does it,
    *unsure* and *hold* included; the current frame and the timeline follow. ``rows`` is the table, a
    pandas DataFrame, ``shown`` what is shown of each row: an index into ``labels``, None while unsure.

    Raises :class:`~fernb.errors.VideoError` or :class:`~fernb.errors.DataError` for files that
    cannot be read, or that do not belong together.
    """

    def __init__(self, video: str | os.PathLike, table: str | os.PathLike):
        self.video, self.rows = Path(video), read_table(table)
        self.labels = labels_of(self.rows)
        self._times = self.rows.groupby("frame")["time_s"].first()
        frame_at(self.video, int(self._times.index[-1]), float(self._times.iloc[-1]))  # or VideoError
        people = [int(person) for person in self.rows["track"].dropna().value_counts().index]
        wide = {"style": {"description_width": "110px"}, "layout": {"width": "520px"}}
        self.position = widgets.IntSlider(0, 0, len(self._times) - 1, description="analysed frame", **wide)
        start = SteadyOptions()
        self.kind = widgets.Dropdown(options=list(SMOOTHERS), value=start.smoothing, description="smoothing", **wide)
        self.seconds = widgets.FloatSlider(start.seconds, min=0, max=3, step=0.1, description="over (s)", **wide)
        self.hold = widgets.IntSlider(start.min_frames, 1, 15, description="hold (frames)", **wide)
        self.unsure = widgets.FloatSlider(_threshold(), min=0, max=1, step=0.01, description="unsure below", **wide)
        self.person = widgets.Dropdown(options=people, description="person", **wide)
        self._picture, self._timeline = widgets.Image(format="jpeg"), widgets.Image(format="png")
        self._words, self._cost = widgets.HTML(), widgets.HTML()
        for control, act in (
            (self.position, self._move),
            (self.kind, self._smooth),
            (self.seconds, self._smooth),
            (self.hold, self._smooth),
            (self.unsure, self._smooth),
            (self.person, self._draw),
        ):
            control.observe(act, "value")
        frame, smoothing = (
            [self.position, self._words, self._picture],
            [self.kind, self.seconds, self.hold, self.unsure],
        )
        super().__init__(
            [*frame, *smoothing, *([self.person] if people else []), self._cost, self._timeline], layout=LEFT
        )
        self._smooth()

    def _own(self, person: int) -> pd.DataFrame:
        return self.rows[self.rows["track"] == person]

    def _smooth(self, _: object = None) -> None:
        """Smooth each person's probabilities as the controls say, then draw all anew."""
        self.smoothed = np.full((len(self.rows), len(self.labels)), np.nan, np.float32)
        self.shown: list[int | None] = [None] * len(self.rows)
        self._held = np.ones(len(self.rows), int)
        for person in self.person.options:
            own = self._own(person)
            probs = own[list(self.labels)].to_numpy(np.float32)
            self.smoothed[own.index] = smooth(own["time_s"], probs, self.kind.value, self.seconds.value)
            stabiliser = LabelStabiliser(self.hold.value, self.unsure.value)
            for index in own.index:
                self.shown[index] = stabiliser(self.smoothed[index])
                self._held[index] = stabiliser.frames_held
        self._draw()

    def _draw(self, _: object = None) -> None:
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
        steady = flicker(times, [self.shown[index] for index in own.index])
        self._cost.value = status(f"Label changes a minute: {raw:.0f} raw, {steady:.0f} smoothed.")
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

    def _move(self, _: object = None) -> None:
        """Show the frame that the slider is on, and a line there in the timeline."""
        index = int(self._times.index[self.position.value])
        time_s = float(self._times.iloc[self.position.value])
        readings = self._readings(index)
        seen = [f"person {one.track} {one.shown(self.labels)[0]}" for one in readings]
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
            face = Detection(int(row.x), int(row.y), int(row.w), int(row.h), float(row.detector_score))
            emotion, held = self.shown[row.Index], int(self._held[row.Index])
            readings.append(Reading(int(row.track), face, raw, smoothed, emotion, held))
        return readings


def frame_at(video: str | os.PathLike, index: int, time_s: float) -> np.ndarray:
    """Return the frame number ``index``, shown at ``time_s``, of a video or a folder, RGB uint8 ``(h, w, 3)``.

    Raises :class:`~fernb.errors.VideoError` where there is none.
    """
    return next(frames_at(video, {index: time_s})).rgb


def _threshold() -> float:
    """Return the confidence below which ``fernb scan`` names nothing, by default."""
    metrics = read_sidecar(config.DEFAULT_MODEL).get("metrics", {})
    return float(metrics.get("confidence_threshold", metrics.get("unsure_below", 0.0)))
