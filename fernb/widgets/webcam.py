"""The browser's camera in JupyterLab: the page sends pictures, the kernel answers with readings.

It works wherever the kernel runs, for the camera is asked for by the browser. The page has at most
two pictures on their way, one where the kernel is slow, and sends the newest one after each answer,
so nothing queues. Each page that shows the widget has a reader of its own. Taught in notebook 05;
``webcam.js`` is the page's part.
"""

import itertools
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import cv2
import numpy as np
import traitlets

from fernb.errors import FernbError, ImageError
from fernb.labels import COLOURS
from fernb.networks.recogniser import Recogniser
from fernb.video.annotate import scaled
from fernb.video.following import FaceFollower
from fernb.video.reading import FaceReader, Reading, video_recogniser
from fernb.video.smoothing import SMOOTHERS, SteadyOptions
from fernb.video.stream import Frame
from fernb.video.table import columns, table_rows
from fernb.video.tracking import Tracker
from fernb.vision.images import decode_image

if TYPE_CHECKING:
    import pandas as pd

VERSION = 2  # of the messages; webcam.js has the same
MAX_BYTES = 4 << 20  # of a picture; Jupyter's server cuts the connection above 10 MiB
MAX_SIDE = 4096  # pixels; a small file can hold a picture that fills the memory
WIDTH = 320  # pixels of the pictures that are read
RECORDED = 60_000  # frames kept while recording: more than an hour
SNAPSHOTS = 20
MAX_PAGES = 8  # whose people are remembered; a page that was closed tells nobody
MAX_LOST_S = 3.0  # seconds; a slow kernel answers once a second, and people must keep their numbers
NO_PICTURE = np.empty((0, 0, 3), np.uint8)
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """The controls of the page; each frame brings them along, so both sides always agree."""

    smoothing: float = SteadyOptions.seconds
    kind: str = SteadyOptions.smoothing
    unsure_below: float = 0.0
    eyes: bool = False
    record: bool = False
    snapshot: bool = False

    @classmethod
    def read(cls, message: dict) -> "Settings":
        """Read the page's controls. Raises :class:`~fernb.errors.FernbError` for impossible ones."""
        try:
            smoothing, unsure = float(message["smoothing"]), float(message["unsure_below"])
        except (KeyError, TypeError, ValueError):
            raise FernbError("the page's controls cannot be read; reload the page.") from None
        if not 0 <= smoothing <= 10 or not 0 <= unsure <= 1:
            raise FernbError("smoothing must be 0 to 10 seconds, and unsure below 0 to 1.")
        flags = {name: bool(message.get(name)) for name in ("eyes", "record", "snapshot")}
        return cls(smoothing, str(message.get("kind")), unsure, **flags)

    def steady(self) -> SteadyOptions:
        """How answers are made steady. Raises :class:`~fernb.errors.FernbError` for an unknown kind."""
        return SteadyOptions(self.kind, self.smoothing, confidence_threshold=self.unsure_below)


@dataclass
class _Page:
    """What belongs to one page that shows the widget; ``numbers`` are the widget's for the reader's tracks."""

    reader: FaceReader
    settings: Settings
    numbers: dict[int, int] = field(default_factory=dict)

    def retune(self, settings: Settings) -> None:
        """Follow the page's controls."""
        old, self.reader.fatigue = self.settings, settings.eyes
        if (settings.smoothing, settings.kind, settings.unsure_below) != (old.smoothing, old.kind, old.unsure_below):
            self.reader.retune(settings.steady())
        self.settings = settings


class Webcam(anywidget.AnyWidget):
    """The camera of the browser, read live; show it as the last line of a cell.

    ``recogniser`` names the emotions (default: the committed network), ``detector`` is one of
    :func:`fernb.find_faces`, ``width`` the pixels of the pictures that are sent: 320 is quick
    and enough for people at a desk, 640 finds faces further away.

    The camera starts only by its button. Pictures go to the kernel and nowhere else, and are
    forgotten after reading, except what the page's Snapshot keeps in ``snapshots``:
    up to 20 pairs ``(frame, readings)`` with boxes in pixels of ``frame.rgb``, RGB uint8
    ``(h, w, 3)``, which :func:`fernb.video.annotate.annotate` draws. What was recorded is in
    :meth:`readings`.
    """

    _esm = _FOLDER / "webcam.js"
    _css = _FOLDER / "webcam.css"
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)
    kinds = traitlets.List(traitlets.Unicode()).tag(sync=True)
    start_settings = traitlets.Dict().tag(sync=True)
    width = traitlets.Int(WIDTH, min=160, max=1280).tag(sync=True)

    def __init__(self, recogniser: Recogniser | None = None, detector: str = "auto", width: int = WIDTH):
        recogniser = recogniser or video_recogniser()
        start = Settings(unsure_below=getattr(recogniser, "confidence_threshold", 0.0))
        super().__init__(
            labels=list(recogniser.labels),
            colours=COLOURS,
            kinds=list(SMOOTHERS),
            start_settings=asdict(start),
            width=width,
        )
        self.snapshots: deque[tuple[Frame, list[Reading]]] = deque(maxlen=SNAPSHOTS)
        self._recorded: deque[tuple[Frame, list[Reading]]] = deque(maxlen=RECORDED)
        self._recogniser, self._detector, self._start = recogniser, detector, start
        self._pages: dict[str, _Page] = {}  # the one that was heard of last at the end
        self._numbers = itertools.count(1)  # of the people in all pages: one table holds them
        self._lock = threading.Lock()  # ipykernel answers messages from changing threads
        self._opened = time.monotonic()
        self._count = 0
        keep_figures()
        self.on_msg(self._on_message)

    def stop(self) -> None:
        """Switch the camera off in every page that shows this widget."""
        self.send({"type": "stop", "v": VERSION})

    def clear(self) -> None:
        """Forget what was recorded and the snapshots."""
        self._recorded.clear()
        self.snapshots.clear()

    def readings(self) -> "pd.DataFrame":
        """Return what was recorded so far: the columns of :func:`fernb.video.table.columns`, a row per face per frame.

        A frame without a face is a row with only ``frame`` and ``time_s``, seconds since the
        widget was made. Boxes are in pixels of the pictures that were sent.
        """
        import pandas as pd

        labels = tuple(self.labels)
        rows = [row for frame, readings in tuple(self._recorded) for row in table_rows(frame, readings, labels)]
        numbers = [name for name in columns(labels)[2:] if name != "emotion"]  # also where nothing is in them
        return pd.DataFrame(rows, columns=columns(labels)).astype(dict.fromkeys(numbers, float))

    # --- messages ------------------------------------------------------------------------------------

    def _on_message(self, _widget: object, message: dict, buffers: list) -> None:
        """Answer a frame, whatever happens: the page waits for it. A nudge only keeps the connection awake."""
        if message.get("type") == "nudge":
            return
        stamp = {"v": VERSION, "run": message.get("run"), "seq": message.get("seq")}
        answer = {"type": "error", "message": "the kernel was interrupted; going on."}
        try:
            with self._lock:
                answer = self._answer(message, buffers)
        except FernbError as error:
            answer["message"] = str(error)
        except Exception as error:  # a reader of the page must see it: nobody sees what a handler prints
            answer["message"] = f"{type(error).__name__}: {error}"
        finally:
            self.send({**answer, **stamp})

    def _answer(self, message: dict, buffers: list) -> dict:
        start = time.perf_counter()
        if message.get("type") != "frame" or message.get("v") != VERSION:
            raise FernbError("the page and the kernel run different versions of fernb; reload the page.")
        settings, page = Settings.read(message), self._page(message.get("page"))
        page.retune(settings)
        rgb = read_jpeg(buffers)
        frame, readings = self._read(page, rgb)
        if settings.record:
            self._recorded.append((replace(frame, rgb=NO_PICTURE), readings))
        if settings.snapshot:
            self.snapshots.append((replace(frame, rgb=rgb), scaled(readings, rgb.shape[1] / frame.rgb.shape[1])))
        return {
            "type": "result",
            "ms": round(1000 * (time.perf_counter() - start), 1),
            "boxes": [_box(reading, frame.rgb.shape, self.labels) for reading in readings],
            "recorded": len(self._recorded),
            "snapshots": len(self.snapshots),
        }

    def _page(self, name: object) -> _Page:
        """Return the page of that name, made where it is new; two cameras must not share one tracker."""
        if not isinstance(name, str) or len(name) > 40:
            raise FernbError("the page did not say which one it is; reload the page.")
        page = self._pages.pop(name, None) or _Page(self._new_reader(), self._start)
        self._pages[name] = page
        if len(self._pages) > MAX_PAGES:
            del self._pages[next(iter(self._pages))]
        return page

    def _new_reader(self) -> FaceReader:
        follower = FaceFollower(Tracker(max_lost_s=MAX_LOST_S), detector=self._detector)
        return FaceReader(self._recogniser, self._start.steady(), follower=follower)

    def _read(self, page: _Page, rgb: np.ndarray) -> tuple[Frame, list[Reading]]:
        """Read a picture at the widget's width: a snapshot comes larger, and people must keep their numbers."""
        if rgb.shape[1] > self.width:
            height = max(1, round(rgb.shape[0] * self.width / rgb.shape[1]))
            rgb = cv2.resize(rgb, (self.width, height), interpolation=cv2.INTER_AREA)
        frame = Frame(self._count, time.monotonic() - self._opened, rgb)
        self._count += 1
        readings = page.reader(frame)
        for reading in readings:
            if reading.track not in page.numbers:
                page.numbers[reading.track] = next(self._numbers)
        return frame, [replace(reading, track=page.numbers[reading.track]) for reading in readings]


def read_jpeg(buffers: list) -> np.ndarray:
    """Return the picture of a message as RGB uint8 ``(h, w, 3)``.

    Raises :class:`~fernb.errors.ImageError` unless there is one JPEG of at most 4 MiB and
    4096 pixels a side.
    """
    if len(buffers) != 1:
        raise ImageError("the message brought no picture; reload the page.")
    data = bytes(buffers[0])
    if len(data) > MAX_BYTES:
        raise ImageError(f"the picture is too large ({len(data) >> 20} MiB); the limit is {MAX_BYTES >> 20} MiB.")
    if not data.startswith(b"\xff\xd8\xff"):
        raise ImageError("what the page sent is not a JPEG image.")
    return decode_image(data, "the image from the page", max_side=MAX_SIDE)


def _box(reading: Reading, shape: tuple[int, ...], labels: list[str]) -> dict:
    """Return what the page draws: the box in fractions of the picture, who, and the probabilities."""
    (height, width), face, (label, score) = shape[:2], reading.face, reading.shown(labels)
    box = {"x": face.x / width, "y": face.y / height, "w": face.w / width, "h": face.h / height}
    answer = {"person": reading.track, "label": label, "score": round(score, 4)}
    probs = [round(float(value), 4) for value in reading.smoothed]
    tired = reading.fatigue
    eyes = None if tired is None else {"share": round(tired.closed_share, 3), "alarm": bool(tired.alarm)}
    return {**{key: round(value, 5) for key, value in box.items()}, **answer, "probs": probs, "eyes": eyes}


def keep_figures() -> None:
    """Keep Matplotlib's figures of other cells from vanishing while a widget sends messages.

    With ipykernel 7 each widget message ends in the hook that shows open figures, in the wrong
    place (ipython/ipykernel#1564); this leaves messages out. Does nothing outside Jupyter.
    """
    from IPython import get_ipython

    shell = get_ipython()
    if getattr(shell, "kernel", None) is None:
        return
    from matplotlib_inline import backend_inline

    original = backend_inline.flush_figures
    if hasattr(original, "leaves_messages_out"):
        return

    def flush_figures() -> None:
        if shell.kernel.get_parent().get("header", {}).get("msg_type") != "comm_msg":
            original()

    flush_figures.leaves_messages_out = True  # type: ignore[attr-defined]
    backend_inline.flush_figures = flush_figures  # for Matplotlib imported later
    if original in shell.events.callbacks["post_execute"]:
        shell.events.unregister("post_execute", original)
        shell.events.register("post_execute", flush_figures)
