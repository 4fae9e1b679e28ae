"""What answers for a network's file: LiteRT for ``.tflite``, Keras for ``.keras``; checked before it is used.

A damaged ``.tflite`` file can crash the whole process inside LiteRT, where no exception can be
caught. A file that no SHA-256 vouches for is therefore loaded and asked once in a child process.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fernb import runtime
from fernb.config import FACE_SIDE
from fernb.errors import ModelError

Runner = Callable[[np.ndarray], np.ndarray]
"""From faces float32 ``(n, 48, 48, 1)`` in 0..255, n ≥ 1, to float32 ``(n, k)``."""

BATCH = 256  # faces that are asked about at a time
TRIAL_SECONDS, TRIAL_BYTES = 60, 8 << 30  # damaged sizes ask for more than any machine has
TOLERANCE = 0.05  # by which a row of probabilities may miss 1: 8-bit outputs are steps of 1/256


def litert(path: Path, *, threads: int | None = None, trusted: bool = False) -> Runner:
    """Return the runner of a ``.tflite`` file, with so many ``threads`` (default: one for each core).

    Raises :class:`~fernb.errors.ModelError` where it is no LiteRT file or of other shapes; where
    it is not ``trusted``, also where it crashes a child process.
    """
    from ai_edge_litert.interpreter import Interpreter

    if not trusted:
        _try_in_child(path)
    try:
        with runtime.silent_stderr():  # LiteRT prints a line
            interpreter = Interpreter(model_path=str(path), num_threads=threads or runtime.cores())
            interpreter.allocate_tensors()
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path.name} is not a LiteRT model, or it is cut off.") from error
    _check_shapes(path, *([(tuple(one["shape"]), one["dtype"]) for one in side] for side in (inputs, outputs)))
    source, target, batch = inputs[0]["index"], outputs[0]["index"], None

    def run(faces: np.ndarray) -> np.ndarray:
        nonlocal batch
        if len(faces) != batch:  # resizing allocates anew, which takes time in each frame
            interpreter.resize_tensor_input(source, faces.shape)
            interpreter.allocate_tensors()
            batch = len(faces)
        interpreter.set_tensor(source, np.ascontiguousarray(faces))
        interpreter.invoke()
        return interpreter.get_tensor(target)

    def run_all(faces: np.ndarray) -> np.ndarray:
        try:
            return np.concatenate([run(faces[start : start + BATCH]) for start in range(0, len(faces), BATCH)])
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{path.name} cannot be run: {str(error).splitlines()[0]}") from error

    return run_all


def keras_runner(path: Path) -> Runner:
    """Return the runner of a ``.keras`` file; raises ModelError as :func:`litert` does."""
    from fernb.networks.storage import load_model

    model = load_model(path)
    sides = [[(tuple(one.shape), one.dtype) for one in side] for side in (model.inputs, model.outputs)]
    _check_shapes(path, *sides)

    def run(faces: np.ndarray) -> np.ndarray:
        if len(faces) == 1:  # a graph for one face takes longer than the answer
            return np.asarray(model(faces, training=False), np.float32)
        return np.asarray(model.predict(faces, batch_size=BATCH, verbose=0), np.float32)

    return run


def _check_shapes(path: Path, inputs: list[tuple], outputs: list[tuple]) -> None:
    """Refuse what does not take grey faces (n, 48, 48, 1) and answer with a row of float32 each."""
    wanted = (FACE_SIDE, FACE_SIDE, 1)
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(f"{path.name} has {len(inputs)} inputs and {len(outputs)} outputs; it must have one of each.")
    (given, number), (answer, kind) = inputs[0], outputs[0]
    fits = len(given) == 4 and all(side in (want, None) for side, want in zip(given[1:], wanted, strict=True))
    if not fits or not _is_float32(number):
        raise ModelError(f"{path.name} takes inputs of shape {given}; it must take grey faces, float32 (n, 48, 48, 1).")
    if len(answer) != 2 or not _is_float32(kind):
        raise ModelError(f"{path.name} answers in the shape {answer}; it must answer with float32 (n, emotions).")


def _is_float32(kind: str | type) -> bool:
    return kind == "float32" or kind is np.float32


def check_probabilities(probs: np.ndarray, path: Path, *, labels: tuple[str, ...]) -> None:
    """Refuse answers that are no probabilities ``(n, k)`` of ``labels``: not finite, below 0, or not 1 together."""
    if probs.ndim != 2 or probs.shape[1] != len(labels):
        raise ModelError(
            f"{path.name} has {probs.shape[-1]} outputs, but its side-car names {len(labels)} emotions; "
            "put the side-car that was made with it beside it."
        )
    if not np.isfinite(probs).all() or probs.min() < -1e-3 or np.abs(probs.sum(1) - 1).max() > TOLERANCE:
        raise ModelError(f"{path.name} answers with numbers that are no probabilities; it is damaged, get it again.")


def probe() -> np.ndarray:
    """Return the faces that a network is asked about when it is loaded: black, white, noise."""
    noise = np.random.default_rng(0).integers(0, 256, (FACE_SIDE, FACE_SIDE, 1))
    return np.stack([np.zeros_like(noise), np.full_like(noise, 255), noise]).astype(np.float32)


def _try_in_child(path: Path) -> None:
    code = "import sys; from pathlib import Path; from fernb.networks.runners import TRIAL_BYTES, litert, probe\n"
    code += "try:\n  import resource; resource.setrlimit(resource.RLIMIT_AS, (TRIAL_BYTES, TRIAL_BYTES))\n"
    code += "except (ImportError, ValueError, OSError): pass\n"
    code += "run = litert(Path(sys.argv[1]), threads=1, trusted=True); run(probe()[:1]); run(probe())"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(part or os.getcwd() for part in sys.path)}
    command = [sys.executable, "-c", code, str(path.resolve())]
    try:
        child = subprocess.run(command, env=environment, capture_output=True, timeout=TRIAL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(f"{path.name} gives no answer within {TRIAL_SECONDS} s; it is damaged.") from None
    if child.returncode not in (0, 1):  # ended by a signal; 1 is a Python exception, which comes again below
        raise ModelError(f"{path.name} crashes LiteRT, so it is damaged; get it again.")
