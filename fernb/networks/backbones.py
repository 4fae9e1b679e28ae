"""Networks that have learnt elsewhere: every one of ``keras.applications``, and the project's own CNN.

A :class:`Backbone` takes grey faces as every network of fernb does, float32 or uint8
``(n, 48, 48, 1)`` in 0..255: the image's size, its three channels and the scaling that the
backbone was trained with are layers of it. Taught in notebook 04.
"""

import contextlib
import hashlib
import os
import re
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers

from fernb import config
from fernb.errors import ModelError
from fernb.networks.architectures import INPUT_SHAPE
from fernb.networks.storage import load_model

OWN = "own"
"""The name of the backbone that is always there: the project's own CNN, trained on FER2013."""

FEATURE_LAYERS = {"MobileNet": "conv_pw_7_relu", "VGG16": "block4_pool", "ResNet50": "conv4_block6_out"}
"""The layer whose output is used unless an argument says otherwise; of other backbones it is the last one."""

SIDE = 96
"""The image that an ImageNet backbone sees, in pixels a side: twice a face of FER2013."""


@dataclass(frozen=True)
class Backbone:
    """A pre-trained network up to the layer whose output is used.

    ``model`` maps faces ``(n, 48, 48, 1)`` in 0..255 to the maps ``(n, h, w, c)`` of the layer
    ``feature_layer``; ``weights`` says in words where its weights come from.
    """

    name: str
    model: keras.Model
    feature_layer: str
    weights: str

    @property
    def digest(self) -> str:
        """The first 16 digits of the SHA-256 of layers and weights: what features depend on."""
        digest = hashlib.sha256(self.model.to_json().encode())
        for array in self.model.get_weights():
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


def pretrained(
    name: str = "MobileNet",
    feature_layer: str | None = None,
    *,
    side: int = SIDE,
    weights: str | os.PathLike | None = None,
    download: bool = True,
) -> Backbone:
    """Return the backbone ``name`` with its pre-trained weights, up to ``feature_layer``.

    ``name`` is a network of ``keras.applications`` (``MobileNet``, ``VGG16``, ``ResNet50`` …), or
    ``own`` for the project's CNN, whose ``weights`` are a ``.keras`` file and whose ``side`` is
    fixed. Weights of ImageNet are looked for in this order: the file ``weights``, the folder
    ``FERNB_MODELS`` (default ``models``), Keras's own folder, and with ``download`` Keras's
    server. A file may hold the network without its top, or up to a layer that is not before ``feature_layer``.

    Raises :class:`~fernb.errors.ModelError` for an unknown name or layer, a file that is missing
    or does not fit, and where there are no weights: a network of random weights is never returned.
    """
    if name == OWN:
        return _own(weights, feature_layer)
    inputs, base, start = _build(name, side)
    last = feature_layer or FEATURE_LAYERS.get(name) or base.layers[-1].name
    trunk = keras.Model(start, _layer(base, last, name).output)
    known = find_weights(base, trunk, name=name, weights=weights, download=download, side=side)
    return Backbone(name, keras.Model(inputs, trunk.get_layer(last).output, name=name.lower()), last, known)


def preprocessing(name: str) -> tuple[list[float], list[float]]:
    """Return ``(scale, offset)``, three numbers each: what ``preprocess_input`` of ``name`` does to grey pixels.

    Keras's networks want RGB in -1..1, BGR minus a mean, or something else again. For a grey
    image, whose channels are equal, each of these is ``scale * pixel + offset`` in each
    channel, so Keras's own function is asked about black and white, and checked on a grey.
    """
    prepare = sys.modules[_application(name).__module__].preprocess_input
    black, grey, white = (np.ravel(prepare(np.full((1, 1, 1, 3), level, np.float32))) for level in (0, 100, 255))
    scale = (white - black) / 255
    if not np.allclose(black + 100 * scale, grey, atol=1e-3):
        raise ModelError(f"the preprocessing of {name} is not linear, which fernb cannot build in; take another one.")
    return scale.tolist(), black.tolist()


def _application(name: str) -> Callable[..., keras.Model]:
    build = getattr(keras.applications, name, None)
    if not callable(build):
        raise ModelError(
            f"there is no backbone {name!r}; there are {', '.join(FEATURE_LAYERS)}, {OWN}, or keras.applications'."
        )
    return build


def _build(name: str, side: int) -> tuple:
    """Build the network ``name`` on grey faces, its weights all NaN; return input, network and what enters it."""
    inputs = keras.Input(INPUT_SHAPE, name="face")
    x = layers.Resizing(side, side, name="resize")(inputs)
    x = layers.Concatenate(name="three_channels")([x, x, x])
    x = layers.Rescaling(*preprocessing(name), name="preprocess")(x)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # MobileNet names the sizes that it likes best
            base = _application(name)(
                include_top=False, weights=None, input_tensor=x, input_shape=(*x.shape[1:3], 3), pooling=None
            )
    except ValueError as error:
        raise ModelError(f"{name} cannot see images of {side} pixels a side: {error}") from error
    return inputs, keras.Model(x, base.output), x


def _layer(model: keras.Model, wanted: str, name: str) -> keras.layers.Layer:
    for layer in model.layers:
        if layer.name == wanted:
            return layer
    good = [layer.name for layer in model.layers if not layer.weights and len(layer.output.shape) == 4]
    raise ModelError(f"{name} has no layer {wanted!r}; take one of its later ones, e.g. {', '.join(good[-9:])}.")


def find_weights(
    base: keras.Model,
    trunk: keras.Model,
    *,
    name: str,
    weights: str | os.PathLike | None,
    download: bool,
    side: int,
) -> str:
    """Fill ``trunk``, the lower part of ``base``, as :func:`pretrained` says; return where its weights come from."""
    if weights is not None:
        path = Path(weights)
        if not path.is_file():
            raise ModelError(f"there is no weight file at {path}; check the path, or leave it out to let Keras look.")
        _load_file(name, base, trunk, path)
        return f"ImageNet, {path.name}"
    for path in _candidates(name):
        with contextlib.suppress(ModelError):  # a file of a relative, or with the top; the next one may fit
            _load_file(name, base, trunk, path)
            return f"ImageNet, {path.name}"
    reason = "none may be downloaded"
    if download:
        try:
            base.set_weights(_download(name, side))
            return "ImageNet, downloaded by Keras"
        except Exception as error:  # Keras raises a bare Exception where there is no network
            reason = f"none could be downloaded ({str(error).strip().splitlines()[0][:90]})"
    raise ModelError(
        f"there are no ImageNet weights of {name} here, and {reason}; name a weight file, put it into the folder "
        f"that FERNB_MODELS names, or take the project's own CNN (the backbone {OWN!r})."
    )


def _candidates(name: str) -> list[Path]:
    keras_home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    start = re.compile(re.escape(name.lower()) + r"[^a-z0-9]")
    folders = (config.models_folder(), keras_home / "models")
    return [path for folder in folders for path in sorted(folder.glob("*.h5")) if start.match(path.name.lower())]


def _load_file(name: str, base: keras.Model, trunk: keras.Model, path: Path) -> None:
    """Load ``path`` into ``base``, or where it holds less into ``trunk``.

    Keras leaves a layer that it does not find in a file as it was, and only warns. Weights are
    therefore set to NaN first, and none may remain.
    """
    base.set_weights([np.full(array.shape, np.nan, array.dtype) for array in base.get_weights()])
    for model in (base, trunk):
        # h5py and Keras raise many kinds, with pages on each layer
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            model.load_weights(path)
            if all(np.isfinite(array).all() for array in trunk.get_weights()):
                return
    with path.open("rb") as file:
        is_hdf5 = file.read(8) == b"\x89HDF\r\n\x1a\n"
    reason = "layers are missing, or have other shapes" if is_hdf5 else "it is no HDF5 file"
    raise ModelError(
        f"{path.name} does not hold weights of {name} up to the layer {trunk.layers[-1].name} ({reason}); "
        "take the file that Keras has for it without its top, or none to let Keras look."
    )


def _download(name: str, side: int) -> list[np.ndarray]:
    with _patience(20), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return _application(name)(include_top=False, weights="imagenet", input_shape=(side, side, 3)).get_weights()


@contextlib.contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """A network that swallows packets must not hang a notebook."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _own(path: str | os.PathLike | None, feature_layer: str | None) -> Backbone:
    path = Path(path) if path is not None else config.MODEL / "my_own_model.keras"
    model = load_model(path)
    last = feature_layer or [layer.name for layer in model.layers if len(layer.output.shape) == 4][-1]
    trunk = keras.Model(model.input, _layer(model, last, path.name).output, name=OWN)
    return Backbone(OWN, trunk, last, f"FER2013, {path.name}")
