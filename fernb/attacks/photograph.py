"""Hack a photograph: change its pixels so that the whole way from file to answer says another emotion.

The way is the ordinary one: read the file, find the face, crop and shrink it, predict. Cropping
and shrinking are linear, so the gradient of the 48×48 face is carried back to the photograph's
own pixels; the three channels change alike, which keeps colours. A detector cannot be
differentiated: where the box of the changed photograph has moved, the attack goes on for both
boxes, and for the boxes of every detector that is installed. Taught in notebook 06.
"""

import functools
import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fernb import config, runtime
from fernb.attacks.adversarial import TargetModel, measures, projected_gradient_ascent
from fernb.errors import FernbError, ImageError, ModelError
from fernb.files import write_json
from fernb.labels import emotion_name
from fernb.networks.recogniser import Recogniser
from fernb.recognition import RecognisedFace, recognise_faces
from fernb.vision.crop import crop_face, crop_matrices
from fernb.vision.detection import Detection, find_faces, find_yunet
from fernb.vision.images import read_image, write_image

MAX_EPS = 16  # levels; people see larger changes
MAX_ROUNDS = 4  # in which the attack starts anew because a detector's box has moved
MIN_OVERLAP = 0.3  # intersection over union from which two detectors have found the same face
SURE = 0.5  # without a bound the smallest one is looked for that makes the target likelier than not


class Hacker:
    """Attacks photographs against one network: ``Hacker().hack(rgb, "sad")``.

    ``model`` is the ``.keras`` file whose gradients are used, or the ``.tflite`` file beside it;
    answers are those of ``recogniser`` (the LiteRT copy where there is one, as everything else
    here uses). A hack must hold through each of ``detectors`` that finds the face (default: Haar,
    and YuNet where its file is found).
    """

    def __init__(self, model: str | os.PathLike | None = None, *, detectors: Sequence[str] | None = None):
        path = Path(model) if model is not None else config.DEFAULT_MODEL
        flat = path.with_suffix(".tflite")
        self.recogniser = Recogniser(flat if flat.is_file() else path)
        self.detectors = tuple(detectors or (("yunet", "haar") if find_yunet() else ("haar",)))

    @functools.cached_property
    def target_model(self) -> TargetModel:
        """The network with its gradients; loaded when first needed, because TensorFlow takes seconds."""
        runtime.start_tensorflow()  # quietly
        from fernb.networks.storage import load_model

        path = self.recogniser.path.with_suffix(".keras")
        if not path.is_file():
            raise ModelError(f"a hack needs gradients, so put {path.name} beside {self.recogniser.path.name}.")
        return TargetModel(load_model(path))

    def number(self, emotion: str) -> int:
        """Return the output that stands for ``emotion``; raises FernbError where the network has none."""
        name = emotion_name(emotion)
        if name not in self.recogniser.labels:
            raise FernbError(f"the network does not know {name}; it knows {', '.join(self.recogniser.labels)}.")
        return self.recogniser.labels.index(name)

    def look(self, rgb: np.ndarray, near: Detection | None = None) -> dict[str, RecognisedFace]:
        """Return what the network says of one face through each detector that finds it, the first one first.

        The face is the one at ``near``, or else the largest of the first detector that finds any.
        """
        seen = {}
        for detector in self.detectors:
            faces = find_faces(rgb, detector)
            if near is not None:
                faces = _overlapping(faces, near)
            if faces:
                seen[detector] = recognise_faces(rgb, faces[:1], self.recogniser)[0]
                near = near or faces[0]
        return seen

    def hack(
        self, rgb: np.ndarray, emotion: str, *, eps: int | None = None, steps: int = 40
    ) -> tuple[np.ndarray, RecognisedFace, RecognisedFace]:
        """Return the changed image (RGB uint8), and the network's answers before and after.

        ``eps`` is the most by which a pixel's channels may change, in levels; None looks for the
        smallest that makes ``emotion`` likelier than not. Raises
        :class:`~fernb.errors.FernbError` where the image has no face, where the network says
        ``emotion`` already, or where the bound is too narrow.
        """
        if eps is not None and not 1 <= eps <= 255:
            raise FernbError(f"eps is {eps}; give 1 to 255 grey levels, or none for the smallest that is enough.")
        target, seen = self.number(emotion), self.look(rgb)
        if not seen:
            raise ImageError("there is no face in the image, so nothing to hack; take one seen from the front.")
        name, before = self.recogniser.labels[target], next(iter(seen.values()))
        if before.emotion == name:
            share = before.probabilities[target]
            raise FernbError(f"the network already calls this face {name} ({share:.0%}); choose another.")
        least = 0.0 if eps else SURE
        for bound in range(1, MAX_EPS + 1) if eps is None else [eps]:
            found = self._within(rgb, seen, target=target, eps=bound, steps=steps)
            if found and all(face.emotion == name for face in found[1]) and found[2] >= least:
                return found[0], before, found[1][0]
        reached = f"{name} is at {found[2]:.0%}" if found else "the face is no longer found"
        raise FernbError(f"a change of {bound}/255 is not enough ({reached}); give a larger eps.")

    def _within(
        self, rgb: np.ndarray, seen: dict[str, RecognisedFace], *, target: int, eps: int, steps: int
    ) -> tuple[np.ndarray, list[RecognisedFace], float] | None:
        """Return the best image within ``eps``, its answers and the lowest probability of the target among them.

        None where a detector lost the face each time.
        """
        boxes, best = [], None
        new = [face.detection for face in seen.values()]
        for _ in range(MAX_ROUNDS):
            boxes += new
            photograph = Photograph(self.target_model, rgb, boxes=boxes, target=target)
            change = projected_gradient_ascent(
                photograph.loss_gradient, low=photograph.low, high=photograph.high, eps=eps, steps=steps
            )
            hacked = photograph.changed(change)
            after = self.look(hacked, near=boxes[0])
            if len(after) < len(seen):
                break
            lowest = min(float(face.probabilities[target]) for face in after.values())
            if best is None or lowest > best[2]:
                best = hacked, list(after.values()), lowest
            new = [face.detection for face in after.values() if face.detection.box not in [box.box for box in boxes]]
            if not new:
                break
        return best


class Photograph:
    """One photograph for :func:`fernb.attacks.adversarial.projected_gradient_ascent`: the same change in R, G and B.

    Only the region that ``boxes`` are cropped from is held and changed. ``low`` and ``high``,
    float32 ``(1, h, w)``, are how far each of its pixels can go before a channel leaves 0..255.
    """

    def __init__(self, target_model: TargetModel, rgb: np.ndarray, *, boxes: Sequence[Detection], target: int):
        self.target_model, self.rgb = target_model, rgb
        matrices = [crop_matrices(box, rgb.shape) for box in boxes]
        self.region = rows, columns = tuple(_used(side) for side in zip(*matrices, strict=True))
        self.matrices = [(down[:, rows], across[:, columns]) for down, across in matrices]
        self.boxes = [replace(box, x=box.x - columns.start, y=box.y - rows.start) for box in boxes]
        self.part = rgb[self.region].astype(np.int16)
        self.targets = np.full(len(boxes), target)
        self.low = -self.part.min(2).astype(np.float32)[None]
        self.high = 255 - self.part.max(2).astype(np.float32)[None]

    def loss_gradient(self, changes: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Answer as :meth:`TargetModel.loss_gradient` does, for the worst of all boxes, of changes ``(1, h, w)``.

        The gradient is that of all boxes; those that say the target already have little weight.
        """
        part = self._plus(changes[0])
        faces = np.array([crop_face(part, box) for box in self.boxes])
        margins, odds, gradients = self.target_model.loss_gradient(faces, self.targets)
        weights = 1 / (1 + np.exp(odds - odds.min()))
        gradient = sum(
            weight * (down.T @ one @ across)
            for weight, one, (down, across) in zip(weights, gradients, self.matrices, strict=True)
        )
        return margins.min(keepdims=True), odds.min(keepdims=True), gradient[None].astype(np.float32)

    def changed(self, changes: np.ndarray) -> np.ndarray:
        """Return the whole photograph with ``changes`` ``(1, h, w)`` added."""
        rgb = self.rgb.copy()
        rgb[self.region] = self._plus(changes[0])
        return rgb

    def _plus(self, change: np.ndarray) -> np.ndarray:
        return (self.part + np.rint(change).astype(np.int16)[..., None]).clip(0, 255).astype(np.uint8)


def _used(matrices: Sequence[np.ndarray]) -> slice:
    """Return the pixels that any of ``matrices`` ``(48, n)`` takes."""
    used = np.flatnonzero(np.sum([matrix.any(0) for matrix in matrices], 0))
    return slice(int(used[0]), int(used[-1]) + 1)


def _overlapping(faces: list[Detection], near: Detection) -> list[Detection]:
    """Those of ``faces`` that are at ``near``, the nearest first."""
    faces = sorted(faces, key=lambda face: -_overlap(face, near))
    return [face for face in faces if _overlap(face, near) >= MIN_OVERLAP]


def _overlap(one: Detection, other: Detection) -> float:
    """Return the intersection over union of two boxes, 0 to 1."""
    width = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    height = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    common = max(width, 0) * max(height, 0)
    return common / (one.w * one.h + other.w * other.h - common)


def hack_file(
    path: str | os.PathLike,
    emotion: str,
    *,
    out: Path,
    eps: int | None = None,
    model: str | os.PathLike | None = None,
    detectors: Sequence[str] | None = None,
    how: dict | None = None,
) -> dict:
    """Hack the image ``path`` and write ``input_image.png``, ``hacked_image.png`` and ``hack.json`` into ``out``.

    ``model`` and ``detectors`` are those of :class:`Hacker`. Everything that the JSON states is
    measured on the two PNG files as read back from disk; ``how`` (a command, say) is added to it.
    Returns what the JSON holds. Raises as :meth:`Hacker.hack` does, and then writes nothing.
    """
    rgb = read_image(path)
    hacker = Hacker(model, detectors=detectors)
    hacked, first, _ = hacker.hack(rgb, emotion, eps=eps)
    names = {"before": out / "input_image.png", "after": out / "hacked_image.png"}
    write_image(names["before"], rgb)
    write_image(names["after"], hacked)
    images = {when: read_image(name) for when, name in names.items()}
    seen = {when: hacker.look(image, first.detection) for when, image in images.items()}
    main = next(iter(seen["before"]))
    box = seen["after"][main].detection  # one box for both, else the shift would count
    told = (how or {}) | {
        "picture": Path(path).name,
        "network": hacker.recogniser.path.name,
        "network_sha256": hashlib.sha256(hacker.recogniser.path.read_bytes()).hexdigest(),
        "target": hacker.recogniser.labels[hacker.number(emotion)],
        "eps": eps,
        **{when: _as_json(faces[main]) for when, faces in seen.items()},
        "detectors": {name: {when: _as_json(faces[name]) for when, faces in seen.items()} for name in seen["before"]},
        "photograph": measures(images["before"], images["after"]),
        "face_48x48": measures(*(crop_face(image, box) for image in images.values())),
    }
    write_json(out / "hack.json", told)
    return told


def _as_json(face: RecognisedFace) -> dict:
    table = dict(zip(face.labels, face.probabilities.astype(float).round(4).tolist(), strict=True))
    return {"box": face.detection.box, "emotion": face.emotion, "probabilities": table}
