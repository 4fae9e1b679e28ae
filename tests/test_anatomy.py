"""What a network is made of: counted by hand."""

import keras
import pytest
from keras import layers

from fernb.networks.anatomy import layer_table, multiply_adds, stages
from fernb.networks.architectures import build_early_pooling, build_vgg


def test_multiply_adds_by_hand():
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, padding="same", strides=2)(inputs)  # 4 × 4 places, 9 weights, 4 channels
    x = layers.DepthwiseConv2D(3, padding="same")(x)  # 4 × 4 places, 9 weights, 4 channels
    x = layers.Dense(5)(layers.Flatten()(x))  # 64 × 5
    model = keras.Model(inputs, x)
    assert multiply_adds(model) == 16 * 9 * 4 + 16 * 9 * 4 + 64 * 5


def test_convolutions_cost_less_on_smaller_images():
    model = build_early_pooling(7, (8, 16), squeeze=False)
    assert multiply_adds(model) - 16 * 7 == pytest.approx(4 * (multiply_adds(model, side=24) - 16 * 7))


def test_stages_lead_from_the_face_to_the_answer():
    found = stages(build_vgg(7, (8, 16), dense=32))
    assert [stage.shape for stage in found] == [
        (48, 48, 1), (48, 48, 8), (24, 24, 8), (24, 24, 16), (12, 12, 16), (2304,), (32,), (7,),
    ]  # fmt: skip
    assert found[0].kinds == {"face": 1} and found[1].kinds == {"3×3 convolution": 2}
    assert found[-1].kinds == {"dense": 1}


def test_the_table_has_every_layer_and_is_not_cut():
    model = build_early_pooling(7, (8, 16))
    lines = layer_table(model).splitlines()
    assert len(lines) == 3 + len(model.layers)
    assert [line.split()[0] for line in lines[3:]] == [layer.name for layer in model.layers]
    assert f"{model.count_params():,} parameters" in lines[0]
