"""A widget: read a photograph from one's own disk. Taught in notebook 05."""

import base64
import html

import cv2
import ipywidgets as widgets
import numpy as np

from fernb.errors import FernbError
from fernb.labels import COLOURS
from fernb.networks.recogniser import Recogniser
from fernb.recognition import recognise
from fernb.vision.crop import cut_face
from fernb.vision.detection import Detection
from fernb.vision.images import decode_image, encode_image, put_text
from fernb.widgets.html import LEFT, page_size, status

MAX_FACES = 24  # with bars; a group picture can have a hundred


class PhotoUpload(widgets.VBox):
    """Choose a photograph of one's own and see the faces found, each with its probabilities.

    The file goes to the kernel and is not stored. The next cell finds the last photograph in
    ``rgb``, RGB uint8 ``(h, w, 3)``, its faces in ``faces`` (list of
    :class:`~fernb.vision.detection.Detection`, largest first) and their probabilities in ``probs``,
    float32 ``(n, k)``; all three are None before the first one and after a file that is no
    picture.
    """

    def __init__(self, recogniser: Recogniser | None = None, detector: str = "auto"):
        self.recogniser, self.detector = recogniser or Recogniser(), detector
        self.rgb: np.ndarray | None = None
        self.faces: list[Detection] | None = None
        self.probs: np.ndarray | None = None
        self._choose = widgets.FileUpload(accept="image/*", description="Choose a photograph", layout={"width": "auto"})
        self._choose.observe(self._chosen, "value")
        self._words, self._answer = widgets.HTML(), widgets.HTML()
        self._picture = widgets.Image(format="jpeg", layout={"display": "none", "max_width": "100%"})
        # Jupyter's server loses larger messages without a word
        note = "A JPEG or PNG of up to 9 MB. It goes to your kernel, nowhere else, and is not stored."
        parts = [self._choose, widgets.HTML(f"<small>{note}</small>"), self._words, self._picture, self._answer]
        super().__init__(parts, layout=LEFT)

    def _chosen(self, change: dict) -> None:
        if change["new"]:
            (file,) = change["new"]
            self.read(file["name"], bytes(file["content"]))

    def read(self, name: str, data: bytes) -> None:
        """Read the bytes of an image file and show what is in it; what is wrong is shown as a sentence."""
        self.rgb = self.faces = self.probs = None
        self._picture.layout.display, self._answer.value = "none", ""
        self._words.value = status(f"Reading {name} …")
        try:
            rgb = decode_image(data, name)
            found = recognise(rgb, self.recogniser, detector=self.detector)
        except FernbError as error:
            self._words.value = status(str(error))
            return
        faces = [face.detection for face in found]
        probs = np.array([face.probabilities for face in found], np.float32).reshape(-1, len(self.recogniser.labels))
        self.rgb, self.faces, self.probs = rgb, faces, probs
        self._show(name, rgb, faces, probs)

    def _show(self, name: str, rgb: np.ndarray, faces: list[Detection], probs: np.ndarray) -> None:
        labels, count = self.recogniser.labels, len(faces)
        names = [labels[row.argmax()] for row in probs]
        self._picture.value, self._picture.layout.display = encode_image(_with_boxes(rgb, faces, names)), ""
        found = {0: "no face was found; try one where the face is larger, upright and seen from the front", 1: "1 face"}
        self._words.value = status(f"{name}: {found.get(count, f'{count} faces')}.")
        cards = [
            _card(i, cut_face(rgb, face), row, labels)
            for i, (face, row) in enumerate(zip(faces[:MAX_FACES], probs, strict=False), 1)
        ]
        self._answer.value = f'<div style="display:flex;flex-wrap:wrap;gap:16px">{"".join(cards)}</div>'


def _with_boxes(rgb: np.ndarray, faces: list[Detection], names: list[str]) -> np.ndarray:
    """Return the picture at the size of a page with a numbered box on each face."""
    out = page_size(rgb).copy()
    zoom = out.shape[1] / rgb.shape[1]
    for i, (face, name) in enumerate(zip(faces, names, strict=True), 1):
        x, y, w, h = (round(value * zoom) for value in face.box)
        for colour, thickness in (((0, 0, 0), 4), (tuple(bytes.fromhex(COLOURS[name][1:])), 2)):
            cv2.rectangle(out, (x, y), (x + w, y + h), colour, thickness)
        put_text(out, str(i), (x + 4, y + 22), scale=0.7)
    return out


def _card(number: int, crop: np.ndarray, probs: np.ndarray, labels: tuple[str, ...]) -> str:
    """Return a face and its probability bars as HTML; the numbers are text, so screen readers have them."""
    data = base64.b64encode(encode_image(cv2.resize(crop, (96, 96), interpolation=cv2.INTER_AREA))).decode()
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
