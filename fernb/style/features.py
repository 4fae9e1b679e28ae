"""What style transfer sees by: networks by name, each with its maps for content and for style.

``vgg19`` and ``vgg16`` with ImageNet weights are what Gatys et al. used. Where there are none,
the project's own emotion network is taken: it has seen only faces, and only grey ones, but its
first layers have learnt edges, strokes and corners from 28,709 photographs. Taught in notebook 07.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from fernb import config
from fernb.errors import ModelError
from fernb.networks.backbones import find_weights
from fernb.networks.storage import load_model

NAMES = ("auto", "vgg19", "vgg16", "fer", "untrained")
VGG_STYLE = tuple(f"block{block}_conv1" for block in range(1, 6))
VGG_CONTENT = "block4_conv2"
UNTRAINED_SEED = 3
"""Chosen by eye from eight draws, which differ little: ``results/style/untrained.jpg``."""

OWN_NETWORK = config.ROOT / "results" / "style" / "features.keras"
"""The first three blocks of the emotion network of notebook 03: the part that makes the best pictures."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True, eq=False)
class FeatureExtractor:
    """A network seen as style transfer sees it.

    ``model`` takes images, float32 ``(n, h, w, 3)`` in 0..255, and returns a dict of maps
    ``(n, h', w', c)`` by layer; ``content`` names one of them, ``style`` several. ``colour`` says
    whether it can tell colours; ``about`` is a sentence on where it comes from.
    """

    name: str
    about: str
    model: keras.Model
    content: str
    style: tuple[str, ...]
    colour: bool


def load_features(
    name: str = "auto", weights: str | os.PathLike | None = None, *, seed: int = UNTRAINED_SEED
) -> FeatureExtractor:
    """Return the features ``name``, one of :data:`NAMES`.

    * ``vgg19``, ``vgg16``: ``keras.applications`` with average for max pooling (Gatys et al. 2015).
      ImageNet weights come from the file ``weights``, the models folder, Keras's own folder, or
      Keras's server.
    * ``fer``: the first layers of an emotion network of fernb, on luminance: of the ``.keras``
      file ``weights``, or of the committed :data:`OWN_NETWORK`.
    * ``untrained``: a small VGG of random weights from ``seed`` (He, Wang & Hopcroft 2016).
    * ``auto``: the first of ``vgg19``, ``fer`` and ``untrained`` whose weights are on this machine;
      ``about`` says which. It never downloads.

    Raises :class:`~fernb.errors.ModelError` for an unknown name, and where weights are missing or
    do not fit: they are never replaced by random ones.
    """
    if name == "auto":
        return _auto(weights, seed)
    if name in ("vgg19", "vgg16"):
        return _vgg(name.upper(), weights)
    if name == "fer":
        return _fer(weights)
    if name == "untrained":
        return _untrained(seed)
    raise ModelError(f"there are no features {name!r}; there are {', '.join(NAMES)}.")


def _auto(weights: str | os.PathLike | None, seed: int) -> FeatureExtractor:
    if weights is not None:
        return _fer(weights) if str(weights).endswith(".keras") else _vgg("VGG19", weights)
    with contextlib.suppress(ModelError):
        return _vgg("VGG19", None, download=False)
    return _fer(None) if OWN_NETWORK.is_file() else _untrained(seed)


def _vgg(name: str, weights: str | os.PathLike | None, download: bool = True) -> FeatureExtractor:
    base = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(None, None, 3))
    trunk = keras.Model(base.input, base.get_layer(VGG_STYLE[-1]).output)
    known = find_weights(base, trunk, name=name, weights=weights, download=download, side=224)
    inputs = keras.Input((None, None, 3), name="image")
    averaged = keras.models.clone_model(trunk, clone_function=_average_pooling)
    averaged.set_weights(trunk.get_weights())
    wanted = (*VGG_STYLE, VGG_CONTENT)
    several = keras.Model(averaged.input, {layer: averaged.get_layer(layer).output for layer in wanted})
    application = getattr(keras.applications, name.lower())
    model = keras.Model(inputs, several(application.preprocess_input(inputs)), name=name.lower())
    return FeatureExtractor(name.lower(), f"{name}, {known}", model, VGG_CONTENT, VGG_STYLE, colour=True)


def _average_pooling(layer: layers.Layer) -> layers.Layer:
    kind = layers.AveragePooling2D if isinstance(layer, layers.MaxPooling2D) else type(layer)
    return kind.from_config(layer.get_config())


def _fer(weights: str | os.PathLike | None) -> FeatureExtractor:
    """Take every rectified layer down to a quarter of the face's size; later ones know whole faces only."""
    path = weights if weights is not None else OWN_NETWORK
    whole = load_model(path)
    rectified = [
        layer
        for layer in whole.layers
        if isinstance(layer, layers.Activation) and len(layer.output.shape) == 4 and layer.output.shape[1] >= 12
    ]
    half = [layer.name for layer in rectified if layer.output.shape[1] == 24]
    if not half:
        raise ModelError(f"{path} is not an emotion network of fernb: it has no layers to take style from.")
    lower = keras.Model(whole.input, {layer.name: layer.output for layer in rectified})
    inputs = keras.Input((None, None, 3), name="image")
    grey = ops.sum(inputs * LUMA, -1, keepdims=True)
    model = keras.Model(inputs, _any_size(lower)(grey), name="fer")
    style = tuple(layer.name for layer in rectified)
    return FeatureExtractor(
        "fer",
        f"the first layers of an emotion network ({Path(path).name}), on luminance",
        model,
        half[0],
        style,
        colour=False,
    )


def _any_size(model: keras.Model) -> keras.Model:
    """Return a copy of ``model`` that takes grey images of any size."""
    plan = model.get_config()
    for layer in plan["layers"]:
        if layer["class_name"] == "InputLayer":
            layer["config"]["batch_shape"] = (None, None, None, 1)
    copy = keras.Model.from_config(plan)
    copy.set_weights(model.get_weights())
    return copy


def _untrained(seed: int) -> FeatureExtractor:
    """Build three blocks of VGG with He's weights, average pooling and no normalisation."""
    rng = np.random.default_rng(seed)
    inputs = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / 64, offset=-2)(ops.sum(inputs * LUMA, -1, keepdims=True))
    maps = {}
    for block, width in enumerate((32, 64, 128), 1):
        for turn in (1, 2):
            name = f"block{block}_conv{turn}"
            convolution = layers.Conv2D(width, 3, padding="same", activation="relu", name=name)
            x, depth = convolution(x), x.shape[-1]
            kernel = rng.normal(0, np.sqrt(2 / (9 * depth)), (3, 3, depth, width)).astype(np.float32)
            bias = rng.normal(0, 0.1, width).astype(np.float32)  # without one, all maps of middle grey would be 0
            convolution.set_weights([kernel, bias])
            maps[name] = x
        x = layers.AveragePooling2D(2, name=f"block{block}_pool")(x)
    model = keras.Model(inputs, maps, name="untrained")
    return FeatureExtractor(
        "untrained",
        f"an untrained VGG of random weights, seed {seed}",
        model,
        "block2_conv1",
        tuple(maps),
        colour=False,
    )
