"""From faces to probabilities, by a ``.tflite`` or a ``.keras`` network.

LiteRT imports in a tenth of a second and answers in under a millisecond a face, so videos and
webcams go through it; TensorFlow is imported for ``.keras`` files only. Taught in notebook 05.
"""

import os
from pathlib import Path

import numpy as np

from fernb import config
from fernb.errors import ModelError
from fernb.labels import EMOTIONS
from fernb.networks import runners
from fernb.networks.sidecar import confidence_threshold, is_verified, read_sidecar


class Recogniser:
    """Names emotions: ``Recogniser().predict(faces)`` returns a row of probabilities per face.

    ``path`` is a ``.tflite`` or ``.keras`` file made by ``fernb train`` (default: the committed
    network). Attributes: ``labels``, the emotion of each column, ``sidecar``, the JSON beside
    the model, ``confidence_threshold``, the confidence below which the network was wrong more
    often than right on the validation set (0 where its side-car does not say), and ``path``.
    With ``seven`` a network of FER+'s eight emotions answers with FER2013's seven: what it gives
    to contempt is shared out among them. ``threads`` is how many LiteRT uses (default: one for
    each core; 1 is right where several processes work beside one another).

    Raises :class:`~fernb.errors.ModelError` where the file or its side-car is missing, damaged
    (its SHA-256 is not the side-car's), of another kind, or answers with no probabilities.
    """

    def __init__(self, path: str | os.PathLike | None = None, seven: bool = False, *, threads: int | None = None):
        self.path = Path(path) if path is not None else config.DEFAULT_MODEL
        if not self.path.is_file():
            raise ModelError(f"there is no model at {self.path}; `fernb train` makes one, or name another.")
        if self.path.suffix not in (".tflite", ".keras"):
            raise ModelError(f"{self.path.name} is neither a .tflite nor a .keras file.")
        self.sidecar = read_sidecar(self.path)
        self.labels = self._outputs = tuple(self.sidecar["labels"])
        self.confidence_threshold = confidence_threshold(self.sidecar)
        trusted = is_verified(self.path, self.sidecar)
        if self.path.suffix == ".tflite":
            self._run = runners.litert(self.path, threads=threads, trusted=trusted)
        else:
            self._run = runners.keras_runner(self.path)
        for face in runners.probe():
            self._answers(face[None])
        self._columns = None
        if seven and self.labels != EMOTIONS:
            if not set(EMOTIONS) <= set(self.labels):
                raise ModelError(f"{self.path.name} does not know all of {', '.join(EMOTIONS)}.")
            self._columns = [self.labels.index(name) for name in EMOTIONS]
            self.labels = EMOTIONS

    def predict(self, faces: np.ndarray, flip: bool = False) -> np.ndarray:
        """Return the probabilities of ``faces`` uint8 ``(n, 48, 48)`` as float32 ``(n, k)``.

        Rows sum to 1; column ``j`` belongs to ``labels[j]``. ``n`` may be 0. With ``flip`` the
        answers for each face and its mirror image are averaged, which takes twice as long.
        Raises ValueError for another shape or dtype, because a wrong scale would go unnoticed,
        and :class:`~fernb.errors.ModelError` where the network's answers are no probabilities.
        """
        faces = np.asarray(faces)
        if faces.ndim != 3 or faces.shape[1:] != (48, 48) or faces.dtype != np.uint8:
            raise ValueError(f"faces must be uint8 (n, 48, 48), got {faces.dtype} {faces.shape}")
        if not len(faces):
            return np.empty((0, len(self.labels)), np.float32)
        inputs = faces[..., None].astype(np.float32)
        probs = self._answers(inputs)
        if flip:
            probs = (probs + self._answers(inputs[:, :, ::-1])) / 2
        if self._columns is None:
            return probs
        kept = np.maximum(probs[:, self._columns], 1e-9)
        return (kept / kept.sum(1, keepdims=True)).astype(np.float32)

    def _answers(self, inputs: np.ndarray) -> np.ndarray:
        probs = self._run(inputs)
        runners.check_probabilities(probs, self.path, labels=self._outputs)
        return probs / probs.sum(1, keepdims=True)  # 8-bit networks round each, so that they miss 1 by a little

    def __repr__(self) -> str:
        return f"Recogniser({self.path.name!r}, {len(self.labels)} emotions)"
