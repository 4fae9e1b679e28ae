"""Widgets for JupyterLab: read a photograph from one's own disk, look through a scanned video.

Taught in notebook 05; the camera's widget is :class:`fernb.webcam.Webcam`.
"""

import base64
import html
import io
import os
from pathlib import Path

import cv2
import ipywidgets as widgets
import numpy as np
import pandas as pd
from PIL import Image

from fernb.errors import DataError, FernbError, PictureError, VideoError
from fernb.faces import Detection, crop_face, cut_face, find_faces
from fernb.images import MAX_SIDE, decode_picture, encode, put_text, read_picture
from fernb.labels import COLOURS
from fernb.recogniser import Recogniser
from fernb.smoothing import SMOOTHERS, Repeater, flicker, show, smooth
from fernb.video import Reading, annotate, columns, open_stream, picture_paths, scaled

SHOWN = 520  # pixels; the longest side of a picture in a page
LEFT = {"align_items": "flex-start"}  # else a column stretches its pictures
MOST_FACES = 24  # with bars; a group picture can have a hundred


class PhotoUpload(widgets.VBox):
    """Choose a photograph of one's own and see the faces found, each with its probabilities.

    The file goes to the kernel and is not stored. The next cell finds the last photograph in
    ``rgb``, RGB uint8 ``(h, w, 3)``, its faces in ``faces`` (list of
    :class:`~fernb.faces.Detection`, largest first) and their probabilities in ``probs``,
    float32 ``(n, k)``; all three are None before the first one and after a file that is no
    picture.
    """

    def __init__(self, recogniser: Recogniser | None = None, detector: str = "auto"):
        self.recogniser, self.detector = recogniser or Recogniser(), detector
        self.rgb = self.faces = self.probs = None
        self._choose = widgets.FileUpload(accept="image/*", description="Choose a photograph", layout={"width": "auto"})
        self._choose.observe(self._chosen, "value")
        self._words, self._answer = widgets.HTML(), widgets.HTML()
        self._picture = widgets.Image(format="jpeg", layout={"display": "none", "max_width": "100%"})
        # Jupyter's server loses larger messages without a word
        note = "A JPEG or PNG of up to 9 MB. It goes to your kernel, nowhere else, and is not stored."
        parts = [self._choose, widgets.HTML(f"<small>{note}</small>"), self._words, self._picture, self._answer]
        super().__init__(parts, layout=LEFT)

    def _chosen(self, change) -> None:
        if change["new"]:
            (file,) = change["new"]
            self.read(file["name"], bytes(file["content"]))

    def read(self, name: str, data: bytes) -> None:
        """Read the bytes of an image file and show what is in it; what is wrong is shown as a sentence."""
        self.rgb = self.faces = self.probs = None
        self._picture.layout.display, self._answer.value = "none", ""
        self._words.value = status(f"Reading {name} …")
        try:
            rgb = _decode(name, data)
            faces = find_faces(rgb, self.detector)
            crops = np.array([crop_face(rgb, face) for face in faces], np.uint8).reshape(-1, 48, 48)
            probs = self.recogniser.predict(crops)
        except FernbError as error:
            self._words.value = status(str(error))
            return
        self.rgb, self.faces, self.probs = rgb, faces, probs
        self._show(name)

    def _show(self, name: str) -> None:
        labels, count = self.recogniser.labels, len(self.faces)
        names = [labels[row.argmax()] for row in self.probs]
        self._picture.value, self._picture.layout.display = encode(_with_boxes(self.rgb, self.faces, names)), ""
        found = {0: "no face was found; try one where the face is larger, upright and seen from the front", 1: "1 face"}
        self._words.value = status(f"{name}: {found.get(count, f'{count} faces')}.")
        cards = [
            _card(i, cut_face(self.rgb, face), row, labels)
            for i, (face, row) in enumerate(zip(self.faces[:MOST_FACES], self.probs, strict=False), 1)
        ]
        self._answer.value = f'<div style="display:flex;flex-wrap:wrap;gap:16px">{"".join(cards)}</div>'


def _decode(name: str, data: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as header:  # reads no pixels: a small file can fill the memory
            size = header.size
    except Image.DecompressionBombError:
        size = (MAX_SIDE + 1, MAX_SIDE + 1)
    except (OSError, ValueError, SyntaxError):
        size = (0, 0)
    if max(size) > MAX_SIDE:
        raise PictureError(f"{name} is larger than {MAX_SIDE} pixels a side; scale it down and choose it again.")
    rgb = decode_picture(data)
    if rgb is None:
        raise PictureError(f"{name} is not a picture, or it is cut off; choose a whole JPEG or PNG file.")
    return rgb


def _with_boxes(rgb: np.ndarray, faces: list[Detection], names: list[str]) -> np.ndarray:
    """Return the picture at the size of a page with a numbered box on each face."""
    out = _page_size(rgb).copy()
    zoom = out.shape[1] / rgb.shape[1]
    for i, (face, name) in enumerate(zip(faces, names, strict=True), 1):
        x, y, w, h = (round(value * zoom) for value in face.box)
        for colour, thickness in (((0, 0, 0), 4), (tuple(bytes.fromhex(COLOURS[name][1:])), 2)):
            cv2.rectangle(out, (x, y), (x + w, y + h), colour, thickness)
        put_text(out, str(i), (x + 4, y + 22), scale=0.7)
    return out


def _card(number: int, crop: np.ndarray, probs: np.ndarray, labels: tuple[str, ...]) -> str:
    """Return a face and its probability bars as HTML; the numbers are text, so screen readers have them."""
    data = base64.b64encode(encode(cv2.resize(crop, (96, 96), interpolation=cv2.INTER_AREA))).decode()
    bars = "".join(
        f'<tr><td style="padding:0 8px 0 0">{html.escape(name)}</td><td style="width:110px"><div style="height:10px;'
        f'width:{100 * p:.0f}%;background:{COLOURS[name]}"></div></td><td style="text-align:right">{p:.0%}</td></tr>'
        for name, p in zip(labels, probs, strict=True)
    )
    title = f"<b>{number}: {html.escape(labels[probs.argmax()])}</b>"
    return (
        f'<div><div>{title}</div><div style="display:flex;gap:8px"><img alt="face {number}" width="96" height="96" '
        f'src="data:image/jpeg;base64,{data}"><table style="font-size:12px;line-height:14px">{bars}</table></div></div>'
    )


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
        ax = plots.timeline(times, probs, self.labels, title=f"person {self.person.value}", ax=figure.subplots())
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
        shown = _page_size(rgb)
        self._picture.value = encode(annotate(shown, scaled(readings, shown.shape[1] / rgb.shape[1]), self.labels))
        if self.person.value is not None:
            timeline = self._drawn.copy()
            x, (top, bottom) = self._place(time_s), self._reach
            timeline[top:bottom, max(x - 1, 0) : x + 2] = 0
            self._timeline.value = encode(timeline, ".png")

    def _readings(self, index: int) -> list[Reading]:
        readings = []
        for row in self.rows[(self.rows["frame"] == index) & self.rows["track"].notna()].itertuples():
            smoothed = self.smoothed[row.Index]
            raw = np.array([getattr(row, name) for name in self.labels], np.float32)
            face = Detection(*(int(value) for value in (row.x, row.y, row.w, row.h)), float(row.detector_score))
            readings.append(Reading(int(row.track), face, raw, smoothed, Repeater()(smoothed)))
        return readings


def read_table(path: str | os.PathLike) -> pd.DataFrame:
    """Read the CSV of ``fernb scan``: the columns of :func:`fernb.video.columns`.

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
        paths = picture_paths(Path(video))
        if index >= len(paths):
            raise missing
        return read_picture(paths[index])
    with open_stream(video) as stream:
        stream.set(cv2.CAP_PROP_POS_FRAMES, index)
        if stream.grab() and abs(stream.get(cv2.CAP_PROP_POS_MSEC) / 1000 - time_s) < 0.005:
            return cv2.cvtColor(stream.retrieve()[1], cv2.COLOR_BGR2RGB)
    with open_stream(video) as stream:  # OpenCV cannot jump in a variable frame rate, so count from the start
        there = all(stream.grab() for _ in range(index + 1))
        if not there or abs(stream.get(cv2.CAP_PROP_POS_MSEC) / 1000 - time_s) > 0.005:
            raise missing
        return cv2.cvtColor(stream.retrieve()[1], cv2.COLOR_BGR2RGB)


def _page_size(rgb: np.ndarray) -> np.ndarray:
    zoom = min(1.0, SHOWN / max(rgb.shape[:2]))
    return cv2.resize(rgb, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA) if zoom < 1 else rgb


def status(text: str) -> str:
    """Return a sentence that screen readers say when it appears."""
    return f'<div role="status" style="font-weight:600">{html.escape(text)}</div>'
