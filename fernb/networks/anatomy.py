"""What a network is made of: its layers in a table, the stages of its images, and what an answer costs.

Taught in notebook 03.
"""

import math
from dataclasses import dataclass

import keras
from keras import layers


def layer_table(model: keras.Model) -> str:
    """Return the layers of ``model`` as text, a line each: name, kind, shape of the output, parameters."""
    lines = [
        f"{model.name}: {model.count_params():,} parameters, {multiply_adds(model) / 1e6:,.1f} million multiply-adds"
    ]
    longest = max(len(layer.name) for layer in model.layers) + 2
    lines += ["", f"{'layer':<{longest}}{'kind':<24}{'output':<18}{'parameters':>12}  learns"]
    for layer in model.layers:
        shape = " x ".join(map(str, layer.output.shape[1:]))
        learns = "yes" if layer.trainable_weights else "no" if layer.weights else ""
        row = f"{layer.name:<{longest}}{type(layer).__name__:<24}{shape:<18}{layer.count_params():>12,}  {learns}"
        lines.append(row.rstrip())
    return "\n".join(lines) + "\n"


def multiply_adds(model: keras.Model, side: int | None = None) -> int:
    """Return the multiply-adds of one answer: those of convolutions and dense layers, which are nearly all of them.

    ``side`` in pixels is that of smaller images, which a network that pools globally takes too;
    training costs about three times as much an image, forwards and back (Kaplan et al. 2020).
    """
    shrunk = (side / model.input.shape[1]) ** 2 if side else 1
    total = 0.0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            height, width = layer.output.shape[1:3]
            total += math.prod(layer.kernel.shape) * height * width * shrunk
        elif isinstance(layer, layers.Dense):
            places = math.prod(layer.output.shape[1:-1]) or 1
            total += math.prod(layer.kernel.shape) * places
    return round(total)


@dataclass(frozen=True)
class Stage:
    """Consecutive layers whose outputs have one ``shape`` ``(height, width, channels)`` or ``(channels,)``.

    ``kinds`` counts what is in it, such as ``{"3×3 convolution": 2}``.
    """

    shape: tuple[int, ...]
    kinds: dict[str, int]


def stages(model: keras.Model) -> list[Stage]:
    """Return the stages of ``model`` from its image to its answer, for :func:`fernb.plots.architecture`."""
    found: list[Stage] = []
    for layer in model.layers:
        shape = tuple(layer.output.shape[1:])
        if len(shape) == 3 and shape[:2] == (1, 1):  # the weights of squeeze-and-excitation
            continue
        kind = _kind(layer)
        if not found or found[-1].shape != shape:
            if kind is None:
                continue
            found.append(Stage(shape, {}))
        if kind:
            found[-1].kinds[kind] = found[-1].kinds.get(kind, 0) + 1
    return found


def _kind(layer: layers.Layer) -> str | None:
    """What the picture calls a layer; None for those that it leaves out."""
    if isinstance(layer, layers.DepthwiseConv2D | layers.Conv2D):
        size = "×".join(map(str, layer.kernel_size))
        return f"{size} depthwise" if isinstance(layer, layers.DepthwiseConv2D) else f"{size} convolution"
    names: dict[type[layers.Layer], str] = {
        layers.InputLayer: "face",
        layers.MaxPooling2D: "max-pooling",
        layers.GlobalAveragePooling2D: "global average",
        layers.Add: "residual sum",
        layers.Multiply: "squeeze-and-excitation",
        layers.Dense: "dense",
        layers.Dropout: "dropout",
        layers.Flatten: "flatten",
    }
    return names.get(type(layer))
