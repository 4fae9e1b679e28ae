"""Lesson 4's own cells take the other backbones of its table, from a weight file of the right shape."""

import json

import keras
import nbformat
import numpy as np
import pytest
from scipy import stats

from fernb import config, plots
from fernb.data.faceset import FaceSet, make_splits
from fernb.errors import ModelError
from fernb.networks import backbones, storage
from fernb.transfer import finetuning

CELLS = {
    cell["id"]: cell.source
    for cell in nbformat.read(config.ROOT / "notebooks" / "04_transfer_learning.ipynb", as_version=4).cells
}


def faces(n: int) -> FaceSet:
    rng = np.random.default_rng(n)
    return FaceSet(rng.integers(0, 256, (n, 48, 48), dtype=np.uint8), rng.integers(0, 7, n))


def lesson_names(name, weights):
    splits = make_splits(faces(20), faces(21), faces(22), "random")
    names = dict(keras=keras, layers=keras.layers, np=np, plots=plots, splits=splits, ModelError=ModelError)
    names |= dict(config=config, backbones=backbones, storage=storage)
    names |= dict(BACKBONE=name, WEIGHTS=weights, SIDE=96, DOWNLOAD=False)
    return names | {f"x_{part}": f.images[..., None].astype("float32") for part, f in splits.parts().items()}


@pytest.mark.parametrize("name", ["VGG16", "ResNet50"])
def test_another_backbone_is_one_parameter_away(name, tmp_path, capsys):
    keras.utils.set_random_seed(1)
    whole = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(96, 96, 3))
    trunk = keras.Model(whole.input, whole.get_layer(backbones.FEATURE_LAYERS[name]).output)
    path = tmp_path / f"{name.lower()}_to_the_cut.weights.h5"
    trunk.save_weights(path)

    names = lesson_names(name, str(path))
    for cell in ("table", "load", "load-own", "prepare", "features"):
        exec(CELLS[cell], names)

    assert names["imagenet"] and f"{name} with ImageNet's weights" in capsys.readouterr().out
    assert names["features"]["3×3 means"][0].shape == (20, 9 * trunk.output.shape[-1])
    assert names["first_tuned"] in [layer.name for layer in names["trunk"].layers]
    theirs = backbones.pretrained(name, names["cut"], weights=path, download=False).model
    seeing = keras.Model(names["inputs"], names["maps"])
    mine, fernbs = (np.asarray(net(names["x_val"][:2], training=False)) for net in (seeing, theirs))
    np.testing.assert_allclose(mine, fernbs, rtol=1e-3, atol=1e-3 * np.abs(fernbs).max())

    for cell in ("copy", "head", "tune", "tune-unfreeze"):
        exec(CELLS[cell], names)
    head = names["build_head"](names["features"]["3×3 means"][0].shape[1])
    net = names["on_top"](head)
    np.testing.assert_allclose(net(names["low_val"]), head(names["features"]["3×3 means"][1]), atol=1e-5)
    names["unfreeze"](net, None)
    learning = {layer.name: layer.trainable for layer in net.layers if layer.weights}
    assert learning.pop(names["first_tuned"]) and any(learning.values())
    assert not any(layer.trainable for layer in net.layers if isinstance(layer, keras.layers.BatchNormalization))


def test_a_wrong_weight_file_is_an_error_and_not_another_network(tmp_path):
    names = lesson_names("MobileNet", str(tmp_path / "no_such_file.h5"))
    exec(CELLS["table"], names)
    with pytest.raises(ModelError, match="no weight file"):
        exec(CELLS["load"], names)


def test_normalisation_learns_with_the_momentum_of_fernb_transfer():
    """The lesson's summary, the trial it proposes and the command follow one rule."""
    momentum = f"{finetuning.MOMENTUM}"
    assert f"add `(1e-4, {momentum})`" in CELLS["go-further"]
    assert f"a momentum of {momentum}, not 0.99" in CELLS["limits"]
    assert f"a momentum of {momentum}" in CELLS["keep-md"]


def measured(name: str) -> list[dict]:
    return json.loads((config.RESULTS / "course" / f"{name}.json").read_text())["runs"]


def interval(gains: list[float]) -> str:
    """Return mean and reach of the 95 % interval of ``gains`` in accuracy, in points, as the lesson writes them."""
    points = 100 * np.array(gains)
    reach = stats.t.ppf(0.975, len(points) - 1) * points.std(ddof=1) / np.sqrt(len(points))
    return f"{points.mean():.1f} ± {reach:.1f}"


def test_the_text_gives_the_gains_that_were_measured_beforehand():
    for size in (150, 1000):
        lead = [run["pre-trained"] - run["from scratch"] for run in measured("leads") if run["faces"] == size]
        assert interval(lead) in CELLS["fresh-after"]
    for name in ("head", "head alone"):
        assert interval([run["fine-tuned"] - run[name] for run in measured("fine_tuning")]) in CELLS["controls-after"]


def test_the_text_gives_the_rates_that_were_measured_beforehand():
    runs = measured("rates")
    for way, rate in {(run["way"], run["rate"]) for run in runs}:
        val = 100 * np.mean([run["val"] for run in runs if (run["way"], run["rate"]) == (way, rate)])
        assert f"| {way} | {np.format_float_positional(rate)} | {val:.1f} % |" in CELLS["pool-after"]
