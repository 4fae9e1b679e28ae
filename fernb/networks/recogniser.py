"""From faces to probabilities, by a ``.tflite`` or a ``.keras`` network.

LiteRT imports in a tenth of a second and answers in under a millisecond a face, so videos and
webcams go through it; TensorFlow is imported for ``.keras`` files only. Taught in notebook 05.
"""

import os
from pathlib import Path

import numpy as np

from fernb import config, runtime
from fernb.errors import ModelError
from fernb.labels import EMOTIONS
from fernb.networks.sidecar import read_sidecar


class Recogniser:
    """Names emotions: ``Recogniser().predict(faces)`` returns a row of probabilities per face.

    ``path`` is a ``.tflite`` or ``.keras`` file made by ``fernb train`` (default: the committed
    network). Attributes: ``labels``, the emotion of each column, ``sidecar``, the JSON beside
    the model, ``unsure_below``, the confidence below which the network was wrong more often
    than right on the validation set (0 where its side-car does not say), and ``path``. With
    ``seven`` a network of FER+'s eight emotions answers with FER2013's seven: what it gives to
    contempt is shared out among them.

    Raises :class:`~fernb.errors.ModelError` where the file or its side-car is missing, broken
    or of another kind.
    """

    def __init__(self, path: str | os.PathLike | None = None, seven: bool = False):
        self.path = Path(path) if path is not None else config.DEFAULT_MODEL
        if not self.path.is_file():
            raise ModelError(f"there is no model at {self.path}; `fernb train` makes one, or name another.")
        self.sidecar = read_sidecar(self.path)
        self.labels = tuple(self.sidecar["labels"])
        self.unsure_below = float(self.sidecar.get("metrics", {}).get("unsure_below", 0.0))
        if self.path.suffix == ".tflite":
            self._run = _litert(self.path)
        elif self.path.suffix == ".keras":
            self._run = _keras(self.path)
        else:
            raise ModelError(f"{self.path.name} is neither a .tflite nor a .keras file.")
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
        Raises ValueError for another shape or dtype, for a wrong scale would go unnoticed.
        """
        faces = np.asarray(faces)
        if faces.ndim != 3 or faces.shape[1:] != (48, 48) or faces.dtype != np.uint8:
            raise ValueError(f"faces must be uint8 (n, 48, 48), got {faces.dtype} {faces.shape}")
        if not len(faces):
            return np.empty((0, len(self.labels)), np.float32)
        inputs = faces[..., None].astype(np.float32)
        probs = self._run(inputs)
        if flip:
            probs = (probs + self._run(inputs[:, :, ::-1])) / 2
        if self._columns is None:
            return probs
        kept = np.maximum(probs[:, self._columns], 1e-9)
        return (kept / kept.sum(1, keepdims=True)).astype(np.float32)

    def __repr__(self) -> str:
        return f"Recogniser({self.path.name!r}, {len(self.labels)} emotions)"


def _litert(path: Path):
    from ai_edge_litert.interpreter import Interpreter

    try:
        with runtime.silent_stderr():  # LiteRT greets
            interpreter = Interpreter(model_path=str(path), num_threads=runtime.cores())
            interpreter.allocate_tensors()
        source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path.name} is not a LiteRT model, or it is cut off.") from error
    batch = None

    def run(faces: np.ndarray) -> np.ndarray:
        nonlocal batch
        if len(faces) != batch:  # resizing allocates anew, which is dear per frame
            interpreter.resize_tensor_input(source, faces.shape)
            interpreter.allocate_tensors()
            batch = len(faces)
        interpreter.set_tensor(source, np.ascontiguousarray(faces))
        interpreter.invoke()
        return interpreter.get_tensor(target)

    def in_pieces(faces: np.ndarray, size: int = 256) -> np.ndarray:
        return np.concatenate([run(faces[start : start + size]) for start in range(0, len(faces), size)])

    return in_pieces


def _keras(path: Path):
    from fernb.networks.storage import load_model

    model = load_model(path)

    def run(faces: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict(faces, batch_size=256, verbose=0), np.float32)

    return run
