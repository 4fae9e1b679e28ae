"""A widget for Jupyter: choose content, style and strength, watch the image come, stop when you like it.

Needs ipywidgets, which ``pip install "fernb[lab]"`` brings along. Taught in notebook 07.
"""

import threading

import ipywidgets as widgets
import numpy as np

from fernb.errors import FernbError
from fernb.style.features import FeatureExtractor
from fernb.style.transfer import Result, Step, resize_to_fit, transfer_style
from fernb.vision.images import encode_image
from fernb.widgets.html import status

SHOWN = 205  # pixels of each image on the screen
EVERY = 3  # steps between two previews
WIDE = {"style": {"description_width": "80px"}, "layout": {"width": "330px"}}


class StyleExplorer(widgets.VBox):
    """Paint ``contents`` in ``styles``, both dicts of images by name, with one network.

    *Paint* works in a thread of its own, so that *Stop* is heard while it runs; stopping keeps
    the image. The next cell finds the last :class:`~fernb.style.transfer.Result` in ``result``,
    None before the first.
    """

    def __init__(
        self,
        contents: dict[str, np.ndarray],
        styles: dict[str, np.ndarray],
        *,
        features: FeatureExtractor,
        size: int = 160,
    ):
        self.contents, self.styles, self.features, self.size = contents, styles, features, size
        self.result: Result | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.content = widgets.Dropdown(options=list(contents), description="content", **WIDE)
        self.style_name = widgets.Dropdown(options=list(styles), description="style", **WIDE)
        self.strength = widgets.FloatLogSlider(1.0, min=-1, max=1, step=0.25, description="strength", **WIDE)
        self.steps = widgets.IntSlider(60, min=10, max=200, step=10, description="steps", **WIDE)
        self.keep_colour = widgets.Checkbox(False, description="keep the content's colours", indent=False)
        self.paint = widgets.Button(description="Paint", button_style="primary", icon="paint-brush")
        self.stop = widgets.Button(description="Stop", disabled=True, icon="stop")
        self.progress = widgets.IntProgress(0, layout={"width": "330px"})
        self.words = widgets.HTML()
        names = ("content", "style", "result")
        self.images = {name: widgets.Image(format="jpeg", layout={"max_width": "100%"}) for name in names}
        columns = [widgets.VBox([widgets.HTML(f"<b>{name}</b>"), image]) for name, image in self.images.items()]
        choices = widgets.VBox([self.content, self.style_name, self.keep_colour])
        amounts = widgets.VBox([self.strength, self.steps, widgets.HBox([self.paint, self.stop])])
        top = {"align_items": "flex-start", "flex_flow": "row wrap"}
        super().__init__(
            [widgets.HBox([choices, amounts], layout=top), self.progress, self.words, widgets.HBox(columns, layout=top)]
        )
        self.paint.on_click(self._start)
        self.stop.on_click(lambda _: self._stop.set())
        for choice in (self.content, self.style_name):
            choice.observe(self._chosen, "value")
        self._chosen()

    def _chosen(self, _: object = None) -> None:
        self._show("content", self.contents[self.content.value])
        self._show("style", self.styles[self.style_name.value])

    def _show(self, name: str, image: np.ndarray) -> None:
        large = resize_to_fit(image, SHOWN)
        self.images[name].value = encode_image(large)

    def _start(self, _: object = None) -> None:
        self._stop.clear()
        self.paint.disabled, self.stop.disabled = True, False
        self.progress.value, self.progress.max = 0, self.steps.value
        self._say(f"Painting with {self.features.about} …")
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        settings = {name: getattr(self, name).value for name in ("strength", "steps", "keep_colour")}
        images = self.contents[self.content.value], self.styles[self.style_name.value]
        try:
            self.result = transfer_style(
                *images, features=self.features, size=self.size, progress=self._step, **settings
            )
        except FernbError as error:
            self._say(str(error))
        else:
            self._show("result", self.result.image)
            done = "stopped" if self.result.stopped else "done"
            style = self.result.history[-1]["style"] if self.result.history else 0
            self._say(
                f"{done} after {len(self.result.history)} steps and {self.result.seconds:.0f} s; style loss {style:.3f}"
            )
        finally:
            self.paint.disabled, self.stop.disabled = False, True

    def _step(self, step: Step) -> None:
        self.progress.value = step.number
        if step.number % EVERY == 1:
            self._show("result", step.image)
        if self._stop.is_set():
            raise StopIteration

    def wait(self, seconds: float | None = None) -> Result | None:
        """Wait until the image is done, or for some ``seconds``; return ``result``."""
        if self._thread:
            self._thread.join(seconds)
        return self.result

    def _say(self, text: str) -> None:
        self.words.value = status(text)
