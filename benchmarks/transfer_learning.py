"""What lesson 4 has no time for: a control that learns with all its layers, new seeds, and more on fine-tuning.

    python benchmarks/transfer_learning.py control [--seeds 1] [--epochs 60] [--out FILE]
    python benchmarks/transfer_learning.py leads [--seeds 8] [--out FILE]
    python benchmarks/transfer_learning.py rates [--seeds 3] [--out FILE]
    python benchmarks/transfer_learning.py fine_tuning [--seeds 8] [--out FILE]
    python benchmarks/transfer_learning.py head_first [--seeds 3] [--out FILE]
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
from fernb.networks import backbones, baseline
from fernb.networks.architectures import FusedBatchNormalization
from fernb.training import fit_alike

FACES, VAL, BATCH, RATE, EPOCHS = 1000, 400, 32, 1e-3, 60

FIRST_SEED, SIZES, CAP = 101, (150, 1000), 120
"""Of ``leads`` and ``fine_tuning``: the first seed (the lesson and its trials used none of these); faces; its cap."""

TRIED = {"pre-trained": (1e-3, 1e-4), "from scratch": (2e-3, 4e-3, 8e-3)}
"""The learning rates among which val chose those of the lesson."""


KNOWN = {"keras": keras, "layers": layers, "np": np, "config": config, "backbones": backbones}
KNOWN |= {"BATCH": BATCH, "fit_alike": fit_alike, "baseline": baseline}
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


def lesson_names(data: dict[str, tuple[np.ndarray, np.ndarray]], splits: FaceSplits, epochs: int = EPOCHS) -> dict:
    """Return the lesson's names, its cells run as far as the network on top of bottleneck features."""
    own = KNOWN | {"BACKBONE": "MobileNet", "WEIGHTS": None, "DOWNLOAD": True, "SIDE": 96, "TUNE_EPOCHS": 1}
    own |= {"splits": splits, "EPOCHS": epochs, "ModelError": ModelError}
    own["untrained_features"] = dict.fromkeys(range(1, 1000))  # not needed
    for part, (images, labels) in data.items():
        own[f"x_{part}"], own[f"y_{part}"] = images, labels
    lesson(own, "table", "load", "copy", "prepare", "features", "head", "plateau", "accuracy", "scratch", "one-run")
    return own


def tuning_names(data: dict[str, tuple[np.ndarray, np.ndarray]], splits: FaceSplits, epochs: int = EPOCHS) -> dict:
    """Return :func:`lesson_names` and those of the cells that fine-tune."""
    own = lesson_names(data, splits, epochs)
    lesson(own, "tune", "tune-unfreeze", "tune-how")
    return own


@main.command()
@click.option("--seeds", type=click.IntRange(2), default=8, show_default=True)
@out_option(config.RESULTS / "course" / "leads.json")
def leads(seeds: int, out: Path) -> None:
    """The pre-trained backbone, frozen, and the network from scratch, with seeds that were fixed beforehand."""
    (splits, data), runs = faces(), []
    own = lesson_names(data, splits, CAP)
    for size in SIZES:
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            runs.append({"faces": size, "seed": seed})
            for way in ("pre-trained", "from scratch"):
                runs[-1][way], _, _, plateau = own["one_run"](way, size, seed)
                runs[-1]["plateau"] = bool(plateau and runs[-1].get("plateau", True))
            click.echo(f"{runs[-1]}")
    write(out, {"sizes": SIZES, "n_test": len(data["test"][1]), "runs": runs}, splits)


@main.command()
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@out_option(config.RESULTS / "course" / "rates.json")
def rates(seeds: int, out: Path) -> None:
    """How far each way gets on val with all faces, at each of its learning rates."""
    (splits, data), runs = faces(), []
    own = lesson_names(data | {"test": data["val"]}, splits, CAP)  # test is not needed
    for way, tried in TRIED.items():
        for rate in tried:
            own["LEARNING_RATES"][way] = rate
            for seed in range(1, seeds + 1):
                _, _, history, plateau = own["one_run"](way, FACES, seed)
                runs.append({"way": way, "rate": rate, "seed": seed, "plateau": plateau})
                runs[-1]["val"] = round(max(history["val_accuracy"]), 4)
                click.echo(f"{runs[-1]}")
    write(out, {"faces": FACES, "runs": runs}, splits)


@main.command("fine_tuning")
@click.option("--seeds", type=click.IntRange(2), default=8, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=8, show_default=True)
@out_option(config.RESULTS / "course" / "fine_tuning.json")
def fine_tuning(seeds: int, epochs: int, out: Path) -> None:
    """What fine-tuning brings to the head, and to the head that goes on alone, with seeds fixed beforehand."""
    (splits, data), runs = faces(), []
    own = tuning_names(data, splits, CAP)
    train, val, test = own["features"]["3×3 means"]
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        _, head, _, plateau = own["one_run"]("pre-trained", FACES, seed)
        _, net = own["fine_tune"](head, 1e-4, None, epochs, seed)
        alone = own["copy"](head)
        _, again = own["to_plateau"](alone, train, own["y_train"], val, rate=own["LEARNING_RATES"]["pre-trained"])
        runs.append({"seed": seed, "plateau": plateau and again})
        runs[-1]["fine-tuned"] = own["accuracy"](net, own["low_test"], own["y_test"])
        for name, top in (("head", head), ("head alone", alone)):
            runs[-1][name] = own["accuracy"](top, test, own["y_test"])
        click.echo(f"{runs[-1]}")
        write(out, {"rate": 1e-4, "epochs": epochs, "faces": FACES, "n_test": len(own["y_test"]), "runs": runs}, splits)


@main.command("head_first")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=4, show_default=True)
@out_option(config.RESULTS / "course" / "head_first.json")
def head_first(seeds: int, epochs: int, out: Path) -> None:
    """Fine-tuning under the trained head, under one whose weights are zero, and under a random one."""
    (splits, data), runs = faces(), []
    own = tuning_names(data | {"test": data["val"]}, splits)  # test is not needed
    for seed in range(1, seeds + 1):
        trained = own["one_run"]("pre-trained", FACES, seed)[1]
        zeros, random = (own["build_head"](trained.input_shape[1]) for _ in range(2))
        random.layers[-1].kernel.assign(keras.initializers.GlorotUniform(seed)(random.layers[-1].kernel.shape))
        for name, head in (("trained", trained), ("zeros", zeros), ("random", random)):
            runs.append({"head": name, "seed": seed})
            on_val = own["fine_tune"](head, RATE, None, epochs, seed)[0]
            runs[-1] |= {"val": [round(value, 4) for value in on_val]}
            click.echo(f"{runs[-1]}")
    write(out, {"batch": BATCH, "rate": RATE, "faces": FACES, "runs": runs}, splits)


def means_of(chain: list[layers.Layer], x: np.ndarray) -> None:
    """Set the running means and variances in ``chain`` to those of ``x``, layer by layer."""
    for layer in chain:
        if isinstance(layer, layers.BatchNormalization):
            axes = tuple(range(x.ndim - 1))
            layer.moving_mean.assign(x.mean(axes))
            layer.moving_variance.assign(x.var(axes))
        x = np.concatenate([np.asarray(layer(x[i : i + 200], training=False)) for i in range(0, len(x), 200)])


def tuned(own: dict, head: keras.Model, momentum: float | None, seed: int) -> dict:
    """Fine-tune by the lesson's cells; return val, with running means and with those of all of train."""
    on_val, net = own["fine_tune"](head, 1e-4, momentum, seed=seed)
    found = {"val": round(on_val[0], 4)}
    if momentum:
        *chain, top = net.layers[1:]  # MobileNet is a chain; the first layer is the input, the last the head
        means_of([*chain, *top.layers], own["low_train"])
        found["val_with_means_of_train"] = own["accuracy"](net, own["low_val"], own["y_val"])
    return found


@main.command()
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@out_option(config.RESULTS / "course" / "normalisation.json")
def normalisation(seeds: int, out: Path) -> None:
    """One epoch of fine-tuning with normalisation frozen, or learning with a momentum of 0.9 or 0.99.

    All of it by the lesson's own cells, from the head that each seed of its experiment trains.
    """
    (splits, data), runs = faces(), []
    own = tuning_names(data | {"test": data["val"]}, splits)  # test is not needed
    for seed in range(1, seeds + 1):
        head = own["one_run"]("pre-trained", FACES, seed)[1]
        before = own["accuracy"](head, own["features"]["3×3 means"][1], own["y_val"])
        for momentum in (None, 0.9, 0.99):
            words = {"normalisation": f"learns, momentum {momentum}" if momentum else "frozen", "seed": seed}
            runs.append(words | {"val_head_only": before} | tuned(own, head, momentum, seed))
            click.echo(f"{runs[-1]}")
    write(out, {"batch": BATCH, "rate": 1e-4, "faces": FACES, "first_tuned": own["first_tuned"], "runs": runs}, splits)


if __name__ == "__main__":
    main()
