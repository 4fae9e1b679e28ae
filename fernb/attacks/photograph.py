"""Hack a photograph: change its pixels so that the whole way from file to answer says another emotion.

The way is the ordinary one: read the file, find the face, cut and shrink it, predict. Cutting
and shrinking are linear, so the gradient of the 48×48 face is carried back to the photograph's
own pixels; the three channels change alike, which keeps colours. The finder is no function to
differentiate: where the changed picture's box has moved, the attack goes on for both boxes.
Taught in notebook 06.
"""

import functools
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from fernb import config, runtime
from fernb.attacks.adversarial import Victim, climb, measures
from fernb.config import FACE_SIDE
from fernb.errors import FernbError, ImageError
from fernb.files import write_json
from fernb.labels import emotion_name
from fernb.networks.recogniser import Recogniser
from fernb.vision.crop import crop_face, cut_face
from fernb.vision.detection import Detection, find_faces
from fernb.vision.images import read_image, write_image

MAX_EPS = 16  # levels; beyond that people see it
MAX_BOXES = 4  # of the finder, which a change can move
SURE = 0.5  # without a bound the smallest one is looked for that makes the target likelier than not


@dataclass(frozen=True)
class Answer:
    """What the network says of a picture: the face it looked at, and its probabilities ``(k,)``."""

    face: Detection
    probs: np.ndarray
    labels: tuple[str, ...]

    @property
    def emotion(self) -> str:
        """The likeliest emotion."""
        return self.labels[self.probs.argmax()]

    def as_json(self) -> dict:
        """Return box, emotion and probabilities as JSON holds them."""
        table = dict(zip(self.labels, self.probs.astype(float).round(4).tolist(), strict=True))
        return {"box": self.face.box, "emotion": self.emotion, "probabilities": table}


def ask(rgb: np.ndarray, recogniser: Recogniser, detector: str = "auto") -> Answer:
    """Name the emotion of the largest face of a picture, as ``fernb predict`` does.

    ``detector`` is that of :func:`fernb.vision.detection.find_faces`: another one cuts the face out
    differently, and a change that was made for the one may not fool through the other.

    Raises :class:`~fernb.errors.ImageError` where no face is found.
    """
    faces = find_faces(rgb, detector)
    if not faces:
        raise ImageError("there is no face in the picture, so nothing to hack; take one seen from the front.")
    return Answer(faces[0], recogniser.predict(crop_face(rgb, faces[0])[None])[0], recogniser.labels)


class Hacker:
    """Attacks photographs against one network: ``Hacker().hack(rgb, "sad")``.

    ``model`` is the ``.keras`` file whose gradients are used; answers are those of ``recogniser``
    (default: the same file's LiteRT copy, as everything else here uses).
    """

    def __init__(self, model: str | os.PathLike | None = None):
        path = Path(model) if model is not None else config.DEFAULT_MODEL
        flat = path.with_suffix(".tflite")
        self.recogniser = Recogniser(flat if flat.is_file() else path)

    @functools.cached_property
    def victim(self) -> Victim:
        """The network with its gradients; loaded when first needed, for TensorFlow takes seconds."""
        runtime.start_tensorflow()  # quietly
        from fernb.networks.storage import load_model

        return Victim(load_model(self.recogniser.path.with_suffix(".keras")))

    def number(self, emotion: str) -> int:
        """Return the output that stands for ``emotion``; raises FernbError where the network has none."""
        name = emotion_name(emotion)
        if name not in self.recogniser.labels:
            raise FernbError(f"the network does not know {name}; it knows {', '.join(self.recogniser.labels)}.")
        return self.recogniser.labels.index(name)

    def hack(
        self, rgb: np.ndarray, emotion: str, eps: int | None = None, steps: int = 40
    ) -> tuple[np.ndarray, Answer, Answer]:
        """Return the changed picture (RGB uint8), and the network's answers before and after.

        ``eps`` is the most by which a pixel's channels may change, in levels; None looks for the
        smallest that makes ``emotion`` likelier than not. Raises
        :class:`~fernb.errors.FernbError` where the picture has no face, where the network says
        ``emotion`` already, or where the bound is too narrow.
        """
        if eps is not None and not 1 <= eps <= 255:
            raise FernbError(f"eps is {eps}; give 1 to 255 grey levels, or none for the smallest that is enough.")
        target, before = self.number(emotion), ask(rgb, self.recogniser)
        name = self.recogniser.labels[target]
        if before.emotion == name:
            raise FernbError(
                f"the network already calls this face {name} ({before.probs[target]:.0%}); choose another."
            )
        for bound in range(1, MAX_EPS + 1) if eps is None else [eps]:
            found = self._within(rgb, before.face, target, bound, steps)
            if found and found[1].emotion == name and (eps is not None or found[1].probs[target] >= SURE):
                return found[0], before, found[1]
        reached = f"{name} is at {found[1].probs[target]:.0%}" if found else "the face is no longer found"
        raise FernbError(f"a change of {bound}/255 is not enough ({reached}); give a larger eps.")

    def _within(
        self, rgb: np.ndarray, face: Detection, target: int, eps: int, steps: int
    ) -> tuple[np.ndarray, Answer] | None:
        """Return the best picture within ``eps`` and its answer; None where the finder lost the face each time."""
        boxes, best = [face], None
        for _ in range(MAX_BOXES):
            photograph = Photograph(self.victim, rgb, boxes, target)
            change = climb(photograph.pull, photograph.low, photograph.high, eps, steps)
            hacked = photograph.changed(change)
            try:
                after = ask(hacked, self.recogniser)
            except ImageError:
                break
            if best is None or after.probs[target] > best[1].probs[target]:
                best = hacked, after
            if after.face.box in [box.box for box in boxes]:
                break
            boxes.append(after.face)
        return best


class Photograph:
    """One photograph as :func:`fernb.attacks.adversarial.climb` sees it: a change per pixel, the same in R, G and B.

    ``low`` and ``high``, float32 ``(1, h, w)``, are how far each pixel of the region around
    ``boxes`` can go before a channel leaves 0..255.
    """

    def __init__(self, victim: Victim, rgb: np.ndarray, boxes: list[Detection], target: int):
        self.victim, self.rgb = victim, rgb
        self.region = _around(boxes, rgb.shape)
        rows, columns = self.region
        self.part = rgb[rows, columns].astype(np.int16)
        self.boxes = [replace(box, x=box.x - columns.start, y=box.y - rows.start) for box in boxes]
        numbers = np.arange(self.part[..., 0].size).reshape(self.part.shape[:2])
        self.sources = [cut_face(numbers, box, 0) for box in self.boxes]  # where each pixel of a square comes from
        self.targets = np.full(len(boxes), target)
        self.low = -self.part.min(2).astype(np.float32)[None]
        self.high = 255 - self.part.max(2).astype(np.float32)[None]

    def pull(self, changes: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Answer as ``Victim.pull`` does, for all boxes together, of changes ``(1, h, w)``."""
        part = self._plus(changes[0])
        faces = np.array([crop_face(part, box) for box in self.boxes])
        gaps, odds, slopes = self.victim.pull(faces, self.targets)
        slope = sum(_carried_back(*pair, self.low[0].shape) for pair in zip(slopes, self.sources, strict=True))
        return gaps.min(keepdims=True), odds.mean(keepdims=True), slope[None].astype(np.float32)

    def changed(self, changes: np.ndarray) -> np.ndarray:
        """Return the whole photograph with ``changes`` ``(1, h, w)`` added."""
        rgb = self.rgb.copy()
        rgb[self.region] = self._plus(changes[0])
        return rgb

    def _plus(self, change: np.ndarray) -> np.ndarray:
        return (self.part + np.rint(change).astype(np.int16)[..., None]).clip(0, 255).astype(np.uint8)


def _around(boxes: list[Detection], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The part of the picture from which the squares about ``boxes`` are cut."""
    sides = [max(box.w, box.h) for box in boxes]
    top = min(box.y - side for box, side in zip(boxes, sides, strict=True))
    left = min(box.x - side for box, side in zip(boxes, sides, strict=True))
    bottom = max(box.y + 2 * side for box, side in zip(boxes, sides, strict=True))
    right = max(box.x + 2 * side for box, side in zip(boxes, sides, strict=True))
    return slice(max(top, 0), min(bottom, shape[0])), slice(max(left, 0), min(right, shape[1]))


def _carried_back(slope: np.ndarray, source: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Carry the gradient of a 48×48 face back to the pixels that it was shrunk from.

    Shrinking is a product W X Wᵀ, whose W is what OpenCV makes of the identity, so the way back
    is Wᵀ G W; pixels that the square repeats at the picture's edge get the sum of their copies.
    """
    side = len(source)
    how = cv2.INTER_AREA if side > FACE_SIDE else cv2.INTER_LINEAR
    weights = cv2.resize(np.eye(side, dtype=np.float32), (side, FACE_SIDE), interpolation=how)
    square = weights.T @ slope @ weights
    return np.bincount(source.ravel(), square.ravel(), minlength=shape[0] * shape[1]).reshape(shape)


def hack_file(
    path: str | os.PathLike, emotion: str, out: Path, eps: int | None = None, how: dict | None = None
) -> dict:
    """Hack the picture ``path`` and write ``input_image.png``, ``hacked_image.png`` and ``hack.json`` into ``out``.

    Everything that the JSON states is measured on the two PNG files as read back from disk;
    ``how`` (a command, say) is added to it. Returns what the JSON holds. Raises as
    :meth:`Hacker.hack` does, and then writes nothing.
    """
    rgb = read_image(path)
    hacker = Hacker()
    hacked, _, _ = hacker.hack(rgb, emotion, eps)
    names = {"before": out / "input_image.png", "after": out / "hacked_image.png"}
    write_image(names["before"], rgb)
    write_image(names["after"], hacked)
    before, after = (read_image(name) for name in names.values())
    first, last = (ask(picture, hacker.recogniser) for picture in (before, after))
    faces = [crop_face(picture, last.face) for picture in (before, after)]  # one box, else the shift would count
    report = (how or {}) | {
        "picture": Path(path).name,
        "network": hacker.recogniser.path.name,
        "network_sha256": hashlib.sha256(hacker.recogniser.path.read_bytes()).hexdigest(),
        "target": hacker.recogniser.labels[hacker.number(emotion)],
        "eps": eps,
        "before": first.as_json(),
        "after": last.as_json(),
        "photograph": measures(before, after),
        "face_48x48": measures(*faces),
    }
    write_json(out / "hack.json", report)
    return report
