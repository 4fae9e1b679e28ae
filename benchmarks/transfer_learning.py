"""What lesson 4 has no time for: the control that learns with all its layers, and batch normalisation.

    python benchmarks/transfer_learning.py control [--seeds 1] [--epochs 60] [--out FILE]
    python benchmarks/transfer_learning.py normalisation [--seeds 3] [--out FILE]

The lesson's drawn faces, its MobileNet (96 pixels, cut at block 7), and its own cells for the head, for training
to the plateau, and for fine-tuning. Needs ImageNet's weights, as the lesson does, and no FER2013.
"""

import json
from pathlib import Path

import click
import keras
import numpy as np
from _common import out_option, write
from keras import layers

from fernb import config, load_faces
from fernb.data.faceset import FaceSplits
from fernb.errors import ModelError
from fernb.networks import backbones
from fernb.networks.architectures import FusedBatchNormalization
from fernb.training import fit_alike

FACES, VAL, BATCH, RATE, EPOCHS = 1000, 400, 32, 1e-3, 60


KNOWN = {"keras": keras, "layers": layers, "np": np, "config": config, "backbones": backbones}
KNOWN |= {"BATCH": BATCH, "fit_alike": fit_alike}
"""What the lesson's cells import or set before those that are run here."""


def lesson(names: dict, *cells: str) -> None:
    """Run ``cells`` of the lesson, by their ids, with ``names`` as their global variables."""
    notebook = json.loads((config.ROOT / "notebooks" / "04_transfer_learning.ipynb").read_text(encoding="utf-8"))
    sources = {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}
    for cell in cells:
        exec(sources[cell], names)


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
    (splits, data), trunk, runs = faces(), backbones.pretrained("MobileNet").model, []
    own = KNOWN | {"EPOCHS": epochs, "y_val": data["val"][1]}
    lesson(own, "head", "plateau", "accuracy")
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


def means_of(chain: list[layers.Layer], x: np.ndarray) -> np.ndarray:
    """Set the running means and variances in ``chain`` to those of ``x``, layer by layer; return what it answers."""
    for layer in chain:
        if isinstance(layer, layers.BatchNormalization):
            axes = tuple(range(x.ndim - 1))
            layer.moving_mean.assign(x.mean(axes))
            layer.moving_variance.assign(x.var(axes))
        x = np.concatenate([np.asarray(layer(x[i : i + 200], training=False)) for i in range(0, len(x), 200)])
    return x


def tuned(own: dict, momentum: float | None) -> dict:
    """Fine-tune by the lesson's cells; return val, with running means and with those of all of train."""
    on_val, _ = own["fine_tune"](1e-4, momentum)
    found = {"val": round(on_val[0], 4)}
    if momentum:
        maps = means_of(own["upper"].layers[1:], own["low_train"])  # MobileNet is a chain; its first layer is the input
        means_of(own["head"].layers, np.asarray(fields(maps)))
        found["val_with_means_of_train"] = own["accuracy"](own["above"], own["low_val"], own["y_val"])
    return found


@main.command()
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@out_option(config.RESULTS / "course" / "normalisation.json")
def normalisation(seeds: int, out: Path) -> None:
    """One epoch of fine-tuning with normalisation frozen, or learning with a momentum of 0.9 or 0.99.

    All of it by the lesson's own cells, from the head that each seed of its experiment trains.
    """
    (splits, data), runs = faces(), []
    own = KNOWN | {"BACKBONE": "MobileNet", "WEIGHTS": None, "DOWNLOAD": True, "SIDE": 96, "TUNE_EPOCHS": 1}
    own |= {"splits": splits, "EPOCHS": EPOCHS, "ModelError": ModelError}
    own["untrained_features"] = dict.fromkeys(range(1, seeds + 1))  # only the pre-trained head is needed
    for part, of_train in (("train", "train"), ("val", "val"), ("test", "val")):  # test is not needed
        own[f"x_{part}"], own[f"y_{part}"] = data[of_train]
    lesson(own, "table", "load", "prepare", "features", "head", "plateau", "accuracy", "one-run")
    for seed in range(1, seeds + 1):
        own["nets"] = {"pre-trained": own["one_run"]("pre-trained", FACES, seed)[1]}
        lesson(own, "tune", "tune-below", "tune-unfreeze", "tune-how")
        for momentum in (None, 0.9, 0.99):
            words = {"normalisation": f"learns, momentum {momentum}" if momentum else "frozen", "seed": seed}
            runs.append(words | {"val_head_only": own["val_before"]} | tuned(own, momentum))
            click.echo(f"{runs[-1]}")
    write(out, {"batch": BATCH, "rate": 1e-4, "faces": FACES, "first_tuned": own["first_tuned"], "runs": runs}, splits)


if __name__ == "__main__":
    main()
