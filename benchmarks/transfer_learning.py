"""What lesson 4 cannot run in five minutes: the control that learns with all its layers, and batch normalisation.

    python benchmarks/transfer_learning.py control [--seeds 1] [--minutes 60] [--out FILE]
    python benchmarks/transfer_learning.py normalisation [--seeds 3] [--out FILE]

The lesson's drawn faces, its MobileNet (96 pixels, cut at block 7) and its head. Needs ImageNet's weights, as the
lesson does, and no FER2013.
"""

import time
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

FACES, VAL, BATCH, RATE, PATIENCE, EPOCHS = 1000, 400, 32, 1e-3, 8, 60
FIRST = "conv_dw_6"


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


def with_head(body: keras.Model) -> keras.Model:
    """Return ``body`` with the lesson's head: 3×3 means, batch normalisation, dropout, softmax."""
    grid = layers.Flatten()(layers.AveragePooling2D(-(-body.output.shape[1] // 3), padding="same")(body.output))
    dropped = layers.Dropout(0.5)(layers.BatchNormalization(momentum=0.9)(grid))
    return keras.Model(body.input, layers.Dense(7, "softmax", kernel_initializer="zeros")(dropped))


def right(net: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of ``x`` that ``net`` gets right."""
    probs = [np.asarray(net(x[first : first + 200], training=False)) for first in range(0, len(x), 200)]
    return float((np.concatenate(probs).argmax(1) == y).mean())


def faces() -> tuple[FaceSplits, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Return the lesson's faces, and images float32 ``(n, 48, 48, 1)`` and labels of train, val and test."""
    splits = load_faces("synthetic").limit(FACES, VAL, None)
    parts = splits.parts().items()
    return splits, {name: (part.images[..., None].astype("float32"), part.labels) for name, part in parts}


class Clock(keras.callbacks.Callback):
    """Says each epoch, and ends training after ``minutes``."""

    def __init__(self, minutes: float):
        super().__init__()
        self.end = time.perf_counter() + 60 * minutes

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        click.echo(f"epoch {epoch + 1} {logs}")
        if time.perf_counter() > self.end:
            self.model.stop_training = True


def fit(net: keras.Model, data: dict, rate: float, *, patience: int, size: int, seed: int, minutes: float = 60) -> dict:
    """Fit ``net`` by Adam as the lesson does, put the epoch of the lowest loss on val back; return what happened."""
    (x, y), val = data["train"], data["val"]
    rows = np.random.default_rng(seed).permutation(len(x))[:size]
    rows = np.resize(rows, max(size, 20 * BATCH))  # at least 20 updates an epoch
    stop = keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
    start = time.perf_counter()
    net.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    done = net.fit(x[rows], y[rows], BATCH, EPOCHS, verbose=0, callbacks=[stop, Clock(minutes)], validation_data=val)
    on_val = done.history["val_accuracy"]
    return {
        "train_by_epoch": [round(value, 4) for value in done.history["accuracy"]],
        "val_by_epoch": [round(value, 4) for value in on_val],
        "best_epoch": stop.best_epoch + 1,
        "plateau": len(on_val) - stop.best_epoch > patience,
        "minutes": round((time.perf_counter() - start) / 60, 1),
        "test": right(net, *data["test"]) if "test" in data else None,
    }


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True)
@click.option("--size", "sizes", type=click.IntRange(20, FACES), multiple=True, default=(FACES,), show_default=True)
@click.option("--minutes", type=float, default=60, show_default=True, help="Stop a run after so long.")
@out_option(config.RESULTS / "course" / "control.json")
def control(seeds: int, sizes: tuple[int, ...], minutes: float, out: Path) -> None:
    """The lesson's layers, all learning, from random weights; no augmentation, as for its bottleneck features."""
    (splits, data), trunk, runs = faces(), pretrained("MobileNet").model, []
    for seed in range(1, seeds + 1):
        for size in sizes:
            keras.utils.set_random_seed(seed)
            net = with_head(copy(trunk, weights=False))
            run = fit(net, data, RATE, patience=PATIENCE, size=size, seed=seed, minutes=minutes)
            runs.append({"faces": size, "seed": seed} | run)
            click.echo(f"{runs[-1]}")
            about = {"rate": RATE, "patience": PATIENCE, "parameters": net.count_params()}
            write(out, about | {"n_test": len(data["test"][1]), "runs": runs}, splits)  # the run may be stopped


def means_of(net: keras.Model, x: np.ndarray) -> None:
    """Set the running means and variances of ``net`` to those of ``x``, layer by layer, as it answers."""
    for layer in net.layers:
        if isinstance(layer, layers.BatchNormalization):
            sees = keras.Model(net.input, layer.input)
            maps = np.concatenate([np.asarray(sees(x[i : i + 200], training=False)) for i in range(0, len(x), 200)])
            axes = tuple(range(maps.ndim - 1))
            layer.moving_mean.assign(maps.mean(axes))
            layer.moving_variance.assign(maps.var(axes))


def tune(above: keras.Model, low: dict, setting: tuple, seed: int) -> dict:
    """Fine-tune for one epoch from the trained head; return val, with running means and with those of all of train."""
    momentum, rate, size = setting
    net = copy(above, momentum or 0.9)
    for layer in net.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = bool(momentum) or layer is net.layers[-3]
    net.layers[-3].momentum = 0.9  # the head's own
    (x, y), (x_val, y_val) = low["train"], low["val"]
    rows = np.random.default_rng(seed).permutation(len(x))[:size]
    order = np.resize(rows, max(size, 20 * BATCH))
    keras.utils.set_random_seed(seed)
    net.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", jit_compile=False)
    net.fit(x[order], y[order], BATCH, 1, verbose=0)
    found = {"val": right(net, x_val, y_val)}
    if momentum:
        means_of(net, x[rows])
        found["val_with_means_of_train"] = right(net, x_val, y_val)
    return found


@main.command()
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--size", "sizes", type=click.IntRange(20, FACES), multiple=True, default=(FACES,), show_default=True)
@out_option(config.RESULTS / "course" / "normalisation.json")
def normalisation(seeds: int, sizes: tuple[int, ...], out: Path) -> None:
    """Fine-tuning with normalisation frozen, or learning with a momentum of 0.99 or 0.9."""
    (splits, data), trunk, runs = faces(), pretrained("MobileNet").model, []
    del data["test"]
    border = trunk.get_layer(FIRST).input
    below, upper = keras.Model(trunk.input, border), keras.Model(border, trunk.output)
    low = {name: (below.predict(x, batch_size=64, verbose=0), y) for name, (x, y) in data.items()}
    high = {name: (upper.predict(x, batch_size=64, verbose=0), y) for name, (x, y) in low.items()}
    for seed in range(1, seeds + 1):
        for size in sizes:
            keras.utils.set_random_seed(seed)
            head = with_head(keras.Model(*[keras.Input(trunk.output.shape[1:])] * 2))
            fit(head, high, 1e-3, patience=5, size=size, seed=seed)
            before = right(head, *high["val"])
            tail = copy(upper)
            flat = tail.output
            for layer in head.layers[1:]:  # its layers one by one, so that all of them are seen
                flat = layer(flat)
            above = keras.Model(tail.input, flat)
            for rate in (1e-4, 1e-5):
                for momentum in (None, 0.9, 0.99):
                    run = tune(above, low, (momentum, rate, size), seed)
                    words = {"normalisation": f"learns, momentum {momentum}" if momentum else "frozen", "rate": rate}
                    runs.append(words | {"faces": size, "seed": seed, "val_head_only": before} | run)
                    click.echo(f"{runs[-1]}")
                    write(out, {"batch": BATCH, "first_tuned": FIRST, "runs": runs}, splits)


if __name__ == "__main__":
    main()
