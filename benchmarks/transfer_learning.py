"""What lesson 4 cannot run in five minutes: the control that learns with all its layers, and batch normalisation.

    python benchmarks/transfer_learning.py control [--seeds 1] [--epochs 60] [--out FILE]
    python benchmarks/transfer_learning.py normalisation [--seeds 3] [--out FILE]

The lesson's drawn faces, its MobileNet (96 pixels, cut at block 7), and its own cells for the head and for training
to the plateau. Needs ImageNet's weights, as the lesson does, and no FER2013.
"""

import json
from collections.abc import Callable
from pathlib import Path

import click
import keras
import numpy as np
from _common import out_option, write
from keras import layers

from fernb import config, load_faces
from fernb.data.faceset import FaceSplits
from fernb.networks.architectures import FusedBatchNormalization
from fernb.networks.backbones import pretrained

FACES, VAL, BATCH, RATE, EPOCHS = 1000, 400, 32, 1e-3, 60
FIRST = "conv_dw_6"


def lesson(y_val: np.ndarray, epochs: int = EPOCHS) -> dict:
    """Return what the lesson's cells define: ``build_head``, ``to_plateau`` and ``accuracy``."""
    notebook = json.loads((config.ROOT / "notebooks" / "04_transfer_learning.ipynb").read_text(encoding="utf-8"))
    names = {"keras": keras, "layers": layers, "np": np, "BATCH": BATCH, "EPOCHS": epochs, "y_val": y_val}
    for cell in notebook["cells"]:
        if cell["id"] in ("head", "plateau", "accuracy"):
            exec("".join(cell["source"]), names)
    return names


def copy(model: keras.Model, momentum: float = 0.9, weights: bool = True) -> keras.Model:
    """Return ``model`` in layers of its own, of which all may learn; without ``weights`` they are random again."""

    def own(layer: layers.Layer) -> layers.Layer:
        setting = layer.get_config() | {"trainable": True}
        if isinstance(layer, layers.BatchNormalization):
            return FusedBatchNormalization.from_config(setting | {"momentum": momentum})
        return type(layer).from_config(setting)

    twin = keras.models.clone_model(model, clone_function=own)
    if weights:
        twin.set_weights(model.get_weights())
    return twin


def fields(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Return the means of ``maps`` over 3×3 fields, one row for each face."""
    return layers.Flatten()(layers.AveragePooling2D(-(-maps.shape[1] // 3), padding="same")(maps))


def faces() -> tuple[FaceSplits, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Return the lesson's faces, and images float32 ``(n, 48, 48, 1)`` and labels of train, val and test."""
    splits = load_faces("synthetic").limit(FACES, VAL, None)
    parts = splits.parts().items()
    return splits, {name: (part.images[..., None].astype("float32"), part.labels) for name, part in parts}


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=EPOCHS, show_default=True, help="No more than so many.")
@out_option(config.RESULTS / "course" / "control.json")
def control(seeds: int, epochs: int, out: Path) -> None:
    """The lesson's layers, all learning, from random weights; no augmentation, as for its bottleneck features."""
    (splits, data), trunk, runs = faces(), pretrained("MobileNet").model, []
    own = lesson(data["val"][1], epochs)
    for seed in range(1, seeds + 1):
        keras.utils.set_random_seed(seed)
        body = copy(trunk, weights=False)
        flat = fields(body.output)
        net = keras.Model(body.input, own["build_head"](flat.shape[1])(flat))
        history, plateau = own["to_plateau"](net, *data["train"], data["val"][0], rate=RATE)
        by_epoch = {name: [round(value, 4) for value in values] for name, values in history.items()}
        runs.append({"faces": FACES, "seed": seed, "plateau": plateau} | by_epoch)
        runs[-1]["test"] = own["accuracy"](net, *data["test"])
        click.echo(f"{runs[-1]}")
        about = {"rate": RATE, "parameters": net.count_params(), "n_test": len(data["test"][1])}
        write(out, about | {"runs": runs}, splits)


def means_of(net: keras.Model, x: np.ndarray) -> None:
    """Set the running means and variances of ``net`` to those of ``x``, layer by layer, as it answers."""
    for layer in net.layers:
        if isinstance(layer, layers.BatchNormalization):
            sees = keras.Model(net.input, layer.input)
            maps = np.concatenate([np.asarray(sees(x[i : i + 200], training=False)) for i in range(0, len(x), 200)])
            axes = tuple(range(maps.ndim - 1))
            layer.moving_mean.assign(maps.mean(axes))
            layer.moving_variance.assign(maps.var(axes))


def tune(above: keras.Model, low: dict, setting: tuple, seed: int, accuracy: Callable) -> dict:
    """Fine-tune for one epoch from the trained head; return val, with running means and with those of all of train."""
    momentum, rate = setting
    net = copy(above, momentum or 0.9)
    for layer in net.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = bool(momentum) or layer is net.layers[-3]
    net.layers[-3].momentum = 0.9  # the head's own
    x, y = low["train"]
    order = np.random.default_rng(seed).permutation(len(x))
    keras.utils.set_random_seed(seed)
    net.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", jit_compile=False)
    net.fit(x[order], y[order], BATCH, 1, verbose=0)
    found = {"val": accuracy(net, *low["val"])}
    if momentum:
        means_of(net, x)
        found["val_with_means_of_train"] = accuracy(net, *low["val"])
    return found


@main.command()
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@out_option(config.RESULTS / "course" / "normalisation.json")
def normalisation(seeds: int, out: Path) -> None:
    """Fine-tuning with normalisation frozen, or learning with a momentum of 0.99 or 0.9."""
    (splits, data), trunk, runs = faces(), pretrained("MobileNet").model, []
    del data["test"]
    own = lesson(data["val"][1])
    border = trunk.get_layer(FIRST).input
    below, upper = keras.Model(trunk.input, border), keras.Model(border, trunk.output)
    maps = keras.Input(trunk.output.shape[1:])
    pool = keras.Model(maps, fields(maps))
    low = {name: (below.predict(x, batch_size=64, verbose=0), y) for name, (x, y) in data.items()}
    high = {
        name: (pool.predict(upper.predict(x, batch_size=64, verbose=0), verbose=0), y) for name, (x, y) in low.items()
    }
    for seed in range(1, seeds + 1):
        keras.utils.set_random_seed(seed)
        head = own["build_head"](pool.output.shape[1])
        own["to_plateau"](head, *high["train"], high["val"][0])
        before = own["accuracy"](head, *high["val"])
        tail = copy(upper)
        flat = fields(tail.output)
        for layer in head.layers:  # one by one, so that all of them are seen
            flat = layer(flat)
        above = keras.Model(tail.input, flat)
        for rate in (1e-4, 1e-5):
            for momentum in (None, 0.9, 0.99):
                run = tune(above, low, (momentum, rate), seed, own["accuracy"])
                words = {"normalisation": f"learns, momentum {momentum}" if momentum else "frozen", "rate": rate}
                runs.append(words | {"faces": FACES, "seed": seed, "val_head_only": before} | run)
                click.echo(f"{runs[-1]}")
        write(out, {"batch": BATCH, "first_tuned": FIRST, "runs": runs}, splits)


if __name__ == "__main__":
    main()
