"""What each lever of the recipes brings, one at a time: ``results/model/ablation.csv``.

    python benchmarks/ablation.py [--data fer2013] [--faces 5000] [--epochs 30] [--seed 2013 …]

A small network is trained once for each change and seed, on few faces, so that overfitting shows, and until its
rate is 0; three rows are trained twice as long, to show whether that was the end. A row is written when its run is
done and is not trained again, so the script can be stopped and started as you like, and two of them can share the
seeds. One to eight minutes a row on a CPU core, about an hour for a seed.
``fernb predict --report results/model`` draws the table.
"""

import csv
import shutil
import time
from dataclasses import replace
from pathlib import Path

import click
from _common import DATA, out_option

from fernb import config, training
from fernb.data.faceset import FaceSplits
from fernb.data.loading import load_faces
from fernb.networks.architectures import NetworkConfig, one_head
from fernb.training import Augmentation

TABLE = config.MODEL / "ablation.csv"
COLUMNS = ("change", "seed", "val_accuracy", "val_accuracy_flip", "epochs", "faces", "parameters", "minutes")
SEEDS = tuple(range(config.SEED, config.SEED + 3))
FLIPS = Augmentation(rotation=0, scale=0, shift=0, light=0, erase=0)
MOVED = replace(FLIPS, rotation=12, scale=0.12, shift=0.08, light=0.2)
ERASED = replace(MOVED, erase=0.2)
NETWORK = NetworkConfig("early_pooling", (16, 32, 64, 128), squeeze=False, dropout=0.2)
VGG = replace(NETWORK, architecture="vgg", widths=(10, 20, 40, 80))
RESIDUAL = replace(NETWORK, architecture="resnet")
START = training.Recipe(
    "Small network that pools early",
    network=NETWORK,
    augmentation=FLIPS,
    batch_size=64,
    learning_rate=0.05,
    label_smoothing=0,
    patience=1000,
)
CHANGES = {
    "start: early pooling with flips": {},
    "no flips": {"augmentation": None},
    "rotation, scale, shift, light": {"augmentation": MOVED},
    "rotation, …, light, erasing": {"augmentation": ERASED},
    "no batch normalisation": {"network": replace(NETWORK, normalise=False)},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "mixup 0.2": {"mixup": 0.2},
    "averaged weights": {"ema": 0.99},
    "sharpness-aware": {"sharpness": 0.05},
    "weight decay 4e-3": {"weight_decay": 4e-3},
    "rate falls on plateaus": {"schedule": "plateau"},
    "squeeze-and-excitation": {"network": replace(NETWORK, squeeze=True)},
    "VGG of equal size": {"network": VGG},
    "residual of equal size": {"network": RESIDUAL},
    "FER+ votes as a second task": {"votes_head": 1},
    "FER+ votes as targets": {"votes": True},
    "start, twice the epochs": {"epochs": 2},
    "rotation, …, light, erasing, twice the epochs": {"augmentation": ERASED, "epochs": 2},
    "residual of equal size, twice the epochs": {"network": RESIDUAL, "epochs": 2},
}
"""What is changed in :data:`START`; ``epochs`` multiplies."""


def done(path: Path) -> set[tuple[str, int]]:
    """Return the changes and seeds that ``path`` has already."""
    if not path.is_file():
        return set()
    with path.open(newline="", encoding="utf-8") as file:
        return {(row["change"], int(row["seed"])) for row in csv.DictReader(file)}


def measure(change: str, seed: int, splits: FaceSplits, epochs: int, bfloat16: bool) -> dict:
    """Train once and return the row of the table."""
    changes = CHANGES[change]
    recipe = replace(START, **(changes | {"epochs": epochs * changes.get("epochs", 1)}))
    run = config.RUNS / "ablation" / f"{list(CHANGES).index(change)}_{seed}"
    shutil.rmtree(run, ignore_errors=True)
    start = time.monotonic()
    model, history = training.train(splits, recipe, run=run, seed=seed, bfloat16=bfloat16, progress=lambda line: None)
    model = one_head(model)
    images = training.as_input(splits.val.images)
    probs = model.predict(images, batch_size=256, verbose=0)
    both = probs + model.predict(images[:, :, ::-1], batch_size=256, verbose=0)
    right, right_flip = ((p.argmax(1) == splits.val.labels).mean() for p in (probs, both))
    values = (change, seed, right, right_flip, len(history["loss"]), len(splits.train), model.count_params())
    return dict(zip(COLUMNS, (*values, round((time.monotonic() - start) / 60, 1)), strict=True))


@click.command(help=__doc__)
@DATA
@click.option("--faces", default=5000, show_default=True, help="Of the training set, the same for all rows.")
@click.option("--epochs", default=30, show_default=True)
@click.option("--seed", "seeds", default=SEEDS, multiple=True, show_default=True)
@click.option("--float32", is_flag=True, help="For processors without bfloat16.")
@out_option(TABLE)
def main(source: str, faces: int, epochs: int, seeds: tuple[int, ...], float32: bool, out: Path) -> None:
    splits = load_faces(source).limit(faces, None, None)
    finished = done(out)
    for seed in seeds:  # a whole table first, then the next
        for change in CHANGES:
            if (change, seed) in finished or (change.startswith("FER+") and splits.train.votes is None):
                continue
            row = measure(change, seed, splits, epochs, not float32)
            print(f"{change:40} seed {seed}  {row['val_accuracy']:.2%}  in {row['minutes']} min", flush=True)
            new = not out.is_file()
            with out.open("a", newline="", encoding="utf-8") as file:
                rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                if new:
                    rows.writeheader()
                rows.writerow(row)


if __name__ == "__main__":
    main()
