"""A widget: read a photograph from one's own disk. Taught in notebook 05."""

import base64
import html
import io

import cv2
import ipywidgets as widgets
import numpy as np
from PIL import Image

from fernb.config import FACE_SIDE
from fernb.errors import FernbError, ImageError
from fernb.labels import COLOURS
from fernb.networks.recogniser import Recogniser
from fernb.vision.crop import crop_face, cut_face
from fernb.vision.detection import Detection, find_faces
from fernb.vision.images import MAX_SIDE, decode_image, encode, put_text
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
            crops = np.array([crop_face(rgb, face) for face in faces], np.uint8).reshape(-1, FACE_SIDE, FACE_SIDE)
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
            for i, (face, row) in enumerate(zip(self.faces[:MAX_FACES], self.probs, strict=False), 1)
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
        raise ImageError(f"{name} is larger than {MAX_SIDE} pixels a side; scale it down and choose it again.")
    rgb = decode_image(data)
    if rgb is None:
        raise ImageError(f"{name} is not a picture, or it is cut off; choose a whole JPEG or PNG file.")
    return rgb


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
