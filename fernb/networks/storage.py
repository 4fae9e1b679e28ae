"""Networks, and their files: a ``.keras`` model, a LiteRT copy, and a side-car JSON that explains both.

Every network takes grey faces as they are stored, float32 or uint8 ``(n, 48, 48, 1)`` in
0..255, and returns probabilities ``(n, k)``: scaling and softmax live *inside* the model, so
that no caller can get them wrong. Taught in notebook 03.
"""

import contextlib
import io
import os
import warnings
import zipfile
from importlib.metadata import version
from pathlib import Path

import h5py
import keras
import numpy as np

from fernb.errors import ModelError
from fernb.files import atomic_write
from fernb.networks.architectures import to_standard_layers
from fernb.networks.sidecar import INT8, verify, write_sidecar
from fernb.runtime import silent_stderr

_WEIGHTS = "model.weights.h5"  # in a .keras archive


def calibrated(model: keras.Model, temperature: float) -> keras.Model:
    """Return a float32 copy of ``model`` whose logits are divided by ``temperature`` (Guo et al. 2017).

    The division is put into the weights of the last layer, so every copy of the file has it.
    """
    copy = to_standard_layers(model)
    head = copy.layers[-1]
    head.set_weights([weights / temperature for weights in head.get_weights()])
    return copy


def save_model(
    model: keras.Model, path: str | os.PathLike, *, sidecar: dict, examples: np.ndarray | None = None
) -> Path:
    """Write ``path`` (``.keras``), its LiteRT copy (``.tflite``) and its side-car (``.json``).

    With ``examples``, see :func:`export_litert`, there is an 8-bit copy ``…_int8.tflite`` too.
    Weights are stored as float16, less than half of the size, and loaded as float32.
    ``sidecar`` must hold ``labels``; the input, the number of parameters, the versions of
    the libraries and the SHA-256 of each file are added to it. Each file is written whole or not at all.
    """
    path = Path(path).with_suffix(".keras")
    model = to_standard_layers(model)
    with atomic_write(path) as temporary:
        model.save(temporary)
        _store_as_float16(temporary)
    export_litert(model, path.with_suffix(".tflite"))
    if examples is not None:
        export_litert(model, path.with_name(f"{path.stem}{INT8}.tflite"), examples=examples)
    sidecar = sidecar | {
        "input": "grey face, uint8 or float32 (n, 48, 48, 1) in 0..255; scaling is inside the model",
        "parameters": model.count_params(),
        "versions": {name: version(name) for name in ("keras", "numpy")},
    }
    write_sidecar(path, sidecar)
    return path


def _store_as_float16(path: Path) -> None:
    """Write the weights in the ``.keras`` archive ``path`` anew as float16; ``keras.models.load_model`` casts them."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    weights = io.BytesIO()
    with h5py.File(io.BytesIO(parts[_WEIGHTS])) as old, h5py.File(weights, "w") as new:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                copied = new.require_group(name)
            else:
                fits = item.dtype == np.float32 and np.all(np.abs(item[()]) < np.finfo(np.float16).max)
                copied = new.create_dataset(name, data=item[()].astype(np.float16) if fits else item[()])
            copied.attrs.update(item.attrs)

        old.visititems(copy)
        new.attrs.update(old.attrs)
    parts[_WEIGHTS] = weights.getvalue()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


def export_litert(model: keras.Model, path: str | os.PathLike, *, examples: np.ndarray | None = None) -> None:
    """Write ``model`` as a LiteRT file, for :class:`fernb.Recogniser`; needs the TensorFlow backend.

    Weights are float16, which halves the file and changes probabilities by less than 1e-3. With
    ``examples``, some hundred training faces uint8 ``(n, 48, 48)``, weights and activations are
    8-bit integers, a quarter of the size (Jacob et al. 2018); input and output stay float32.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if examples is None:
        converter.target_spec.supported_types = [tf.float16]
    else:
        converter.representative_dataset = lambda: ([face[None, ..., None].astype("float32")] for face in examples)
    with contextlib.redirect_stdout(io.StringIO()), silent_stderr(), warnings.catch_warnings(action="ignore"):
        flat = converter.convert()  # it prints pages
    with atomic_write(path) as temporary:
        temporary.write_bytes(flat)


def load_model(path: str | os.PathLike) -> keras.Model:
    """Load a ``.keras`` file in Keras's safe mode: no pickle, no code from the file.

    Raises :class:`~fernb.errors.ModelError` where there is no such file, where it is of another
    format, where its side-car states another SHA-256, or where it needs code of its own to load.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"there is no model at {path}; `fernb train` makes one.")
    if path.suffix != ".keras":
        raise ModelError(f"{path.name} is not a .keras file; old .h5 models must be saved anew as .keras.")
    verify(path)
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds for a broken or an unsafe file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{path.name} cannot be loaded as a Keras model: {reason}") from error
