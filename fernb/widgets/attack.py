"""A widget for Jupyter: choose a face, a target and a bound, and see what the network then says.

Needs ipywidgets, which ``pip install "fernb[lab]"`` brings along. Taught in notebook 06.
"""

import cv2
import ipywidgets as widgets
import numpy as np

from fernb.attacks.adversarial import measures, pgd
from fernb.attacks.photograph import Hacker
from fernb.labels import COLOURS
from fernb.vision.images import encode_image

ENLARGED = 240  # pixels a side of each image on the screen
TIMES = 25  # by which the change is multiplied to be seen; up to eps 5 nothing is cut off


class HackExplorer(widgets.VBox):
    """Drop-downs for face and target, a slider for eps, and what the network says: ``HackExplorer(faces, hacker)``.

    ``faces`` uint8 ``(n, 48, 48)``; ``names`` of the faces for the drop-down. After each move
    ``hacked`` holds the face, uint8 ``(48, 48)``, and ``probs`` its probabilities.
    """

    def __init__(self, faces: np.ndarray, hacker: Hacker, *, names: list[str] | None = None):
        self.faces, self.hacker = faces, hacker
        labels = hacker.recogniser.labels
        names = names or [f"face {i + 1}" for i in range(len(faces))]
        self.face = widgets.Dropdown(options=[(name, i) for i, name in enumerate(names)], description="Face")
        self.target = widgets.Dropdown(options=labels, value="sad", description="Target")
        self.eps = widgets.IntSlider(2, 0, 16, description="ε (of 255)", continuous_update=False)
        self.images = [widgets.Image(format="png", width=ENLARGED, height=ENLARGED) for _ in range(3)]
        self.bars = [widgets.HTML() for _ in range(2)]
        self.summary = widgets.HTML()
        titles = ("original", f"change × {TIMES}, grey is none", "result")
        columns = [widgets.VBox([widgets.HTML(f"<b>{t}</b>"), p]) for t, p in zip(titles, self.images, strict=True)]
        controls = widgets.HBox([self.face, self.target, self.eps])
        super().__init__([controls, widgets.HBox(columns), widgets.HBox(self.bars), self.summary])
        for control in (self.face, self.target, self.eps):
            control.observe(self._update, "value")
        self._update()

    def _update(self, _event: object = None) -> None:
        face, target = self.faces[self.face.value], self.hacker.number(self.target.value)
        self.hacked = pgd(self.hacker.target_model, face[None], targets=target, eps=self.eps.value)[0]
        before, self.probs = self.hacker.recogniser.predict(np.stack([face, self.hacked]))
        change = self.hacked.astype(int) - face
        seen = (128 + TIMES * change).clip(0, 255).astype(np.uint8)
        for widget, image in zip(self.images, (face, seen, self.hacked), strict=True):
            widget.value = _png(image)
        for widget, probs in zip(self.bars, (before, self.probs), strict=True):
            widget.value = bars(probs, self.hacker.recogniser.labels)
        far = measures(face, self.hacked)
        self.summary.value = (
            f"at most {far['linf']}/255 in {far['pixels_changed']:,} of {face.size:,} pixels · "
            f"L2 {far['l2']:.3f} · PSNR {far['psnr']:.1f} dB · SSIM {far['ssim']:.4f}"
        )


def bars(probs: np.ndarray, labels: tuple[str, ...]) -> str:
    """Return probabilities ``(k,)`` as HTML bars in the emotions' colours, the likeliest in bold."""
    rows = []
    for i, (name, share) in enumerate(zip(labels, probs, strict=True)):
        weight = "bold" if i == probs.argmax() else "normal"
        rows.append(
            f'<tr style="font-weight:{weight};line-height:1.25"><td style="width:5em">{name}</td>'
            f'<td style="width:16em"><div style="background:{COLOURS[name]};height:.9em;width:{share:.1%}"></div></td>'
            f'<td style="text-align:right;width:3.5em">{share:.1%}</td></tr>'
        )
    return f'<table style="margin:6px 24px 6px 0">{"".join(rows)}</table>'


def _png(grey: np.ndarray) -> bytes:
    large = cv2.resize(grey, (ENLARGED, ENLARGED), interpolation=cv2.INTER_NEAREST)
    return encode_image(large, ".png")
