"""Lesson 4's own cells take the other backbones of its table, from a weight file of the right shape."""

import json
import socket
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest

from fernb import config, plots
from fernb.data.faceset import FaceSet, make_splits
from fernb.networks import backbones, storage

CELLS = {
    cell["id"]: cell.source
    for cell in nbformat.read(config.ROOT / "notebooks" / "04_transfer_learning.ipynb", as_version=4).cells
}


def faces(n: int) -> FaceSet:
    rng = np.random.default_rng(n)
    return FaceSet(rng.integers(0, 256, (n, 48, 48), dtype=np.uint8), rng.integers(0, 7, n))


@pytest.mark.parametrize("name", ["VGG16", "ResNet50"])
def test_another_backbone_is_one_parameter_away(name, tmp_path, capsys):
    keras.utils.set_random_seed(1)
    whole = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(96, 96, 3))
    trunk = keras.Model(whole.input, whole.get_layer(backbones.FEATURE_LAYERS[name]).output)
    path = tmp_path / f"{name.lower()}_to_the_cut.weights.h5"
    trunk.save_weights(path)

    splits = make_splits(faces(20), faces(21), faces(22), "random")
    names = dict(keras=keras, layers=keras.layers, np=np, json=json, socket=socket, plots=plots, splits=splits)
    names |= dict(config=config, backbones=backbones, storage=storage)
    names |= dict(Path=Path, BACKBONE=name, WEIGHTS=str(path), SIDE=96, DOWNLOAD=False)
    names |= {f"x_{part}": f.images[..., None].astype("float32") for part, f in splits.parts().items()}
    before = socket.getdefaulttimeout()
    try:
        for cell in ("table", "load", "load-own", "prepare", "prepare-compare", "features"):
            exec(CELLS[cell], names)
    finally:
        socket.setdefaulttimeout(before)

    assert names["imagenet"] and f"{name} with ImageNet's weights" in capsys.readouterr().out
    assert names["features"]["3×3 means"][0].shape == (20, 9 * trunk.output.shape[-1])
    assert names["first_tuned"] in [layer.name for layer in names["trunk"].layers]
