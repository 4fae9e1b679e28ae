"""MobileNet with weights that were learnt on faces: normalisations put back change nothing that it computes."""

import json

import face_weights
import keras
import numpy as np
import pytest

from fernb.networks.architectures import FACE_MEAN, MOBILENET_WIDTHS, build_mobilenet

SIDE = 64  # the package's network saw 224; any size will do


@pytest.fixture
def arrays():
    rng = np.random.default_rng(4)

    def some(*shape):
        return rng.normal(0, 1 / np.sqrt(np.prod(shape[:3])), shape)

    made = {"conv1/convolution/merged_input": some(3, 3, 3, 32) / 127, "conv1_bn/batchnorm_1/sub": some(32) + 0.5}
    for number, (width, wider) in enumerate(zip((32, *MOBILENET_WIDTHS), MOBILENET_WIDTHS, strict=False), 1):
        deep, point = f"conv_dw_{number}", f"conv_pw_{number}"
        made[f"{deep}/depthwise_kernel"] = some(3, 3, width, 1)
        made[f"{deep}_bn/batchnorm_1/mul"] = rng.uniform(0.5, 2, width)
        made[f"{deep}_bn/batchnorm_1/sub"] = some(width) + 0.3
        made[f"{point}/convolution/merged_input"] = some(1, 1, width, wider) * 1.5
        made[f"{point}_bn/batchnorm_1/sub"] = some(wider) + 0.2
    return {name: array.astype(np.float16) for name, array in made.items()}


def write_package(folder, arrays):
    entries = [
        {"name": name, "shape": [*array.shape], "dtype": "float32", "quantization": {"dtype": "float16"}}
        for name, array in arrays.items()
    ]
    (folder / "net.bin").write_bytes(b"".join(array.tobytes() for array in arrays.values()))
    (folder / "net.json").write_text(json.dumps({"weightsManifest": [{"weights": entries}]}))
    return folder / "net.json"


def folded_answer(images, arrays):
    """Compute what the package's network does, colour by colour, with no normalisation at all."""
    big = keras.ops.image.resize(images[..., None].astype(np.float32), (SIDE, SIDE))
    # one mean for all three colours: with three, the grey network differs at the border, where padding is zero
    x = keras.ops.concatenate([big - FACE_MEAN] * 3, -1)
    layers = [("conv1", arrays["conv1/convolution/merged_input"], arrays["conv1_bn/batchnorm_1/sub"], False)]
    for number in range(1, 14):
        deep, point = f"conv_dw_{number}", f"conv_pw_{number}"
        kernel = arrays[f"{deep}/depthwise_kernel"] * arrays[f"{deep}_bn/batchnorm_1/mul"][:, None]
        layers += [(deep, kernel, arrays[f"{deep}_bn/batchnorm_1/sub"], True)]
        layers += [(point, arrays[f"{point}/convolution/merged_input"], arrays[f"{point}_bn/batchnorm_1/sub"], False)]
    for name, kernel, bias, deep in layers:
        stride = 2 if name in ("conv1", "conv_dw_2", "conv_dw_4", "conv_dw_6", "conv_dw_12") else 1
        convolve = keras.ops.depthwise_conv if deep else keras.ops.conv
        x = keras.ops.relu6(convolve(x, kernel.astype(np.float32), stride, "same") + bias.astype(np.float32))
    return keras.ops.convert_to_numpy(keras.ops.mean(x, (1, 2)))


def test_the_network_computes_what_the_package_s_did(tmp_path, arrays, monkeypatch):
    monkeypatch.setattr(face_weights, "BGR_MEAN", np.full(3, FACE_MEAN))
    images = np.random.default_rng(1).integers(0, 256, (12, 48, 48), dtype=np.uint8)
    read = face_weights.read_arrays(write_package(tmp_path, arrays))
    assert {name: array.shape for name, array in read.items()} == {name: a.shape for name, a in arrays.items()}
    model = build_mobilenet(side=SIDE)
    face_weights.unfold(model, face_weights.folded_layers(read), images)
    pooled = keras.Model(model.input, model.get_layer("pool").output)
    np.testing.assert_allclose(pooled.predict(images[..., None], verbose=0), folded_answer(images, arrays), atol=0.02)


def test_another_mean_goes_into_the_first_bias(arrays):
    plain = face_weights.folded_layers(arrays)["conv1"][1]
    per_colour = np.asarray(arrays["conv1/convolution/merged_input"], np.float32).sum((0, 1))
    wanted = (FACE_MEAN - face_weights.BGR_MEAN) @ per_colour
    np.testing.assert_allclose(plain - arrays["conv1_bn/batchnorm_1/sub"], wanted, rtol=1e-2, atol=1e-3)


def test_mobilenet_answers_with_probabilities():
    model = build_mobilenet(8, side=SIDE)
    probabilities = model.predict(np.zeros((2, 48, 48, 1), np.uint8), verbose=0)
    assert probabilities.shape == (2, 8)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
