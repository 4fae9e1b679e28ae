"""What helps the rare emotions of FER+, and what it costs: ``results/model/rare_emotions.json``.

    python benchmarks/rare_emotions.py [--data DATA] [--out FILE]

The committed network for FER+ keeps all its layers but the last, which is learnt anew on its
features: plainly, with a weighted loss, with balanced sampling, with a focal loss (Lin et al.
2017). Kang et al. (*Decoupling representation and classifier*, ICLR 2020) found that this is
where balancing works. Each way with three seeds; a minute in all.
"""

from pathlib import Path

import click
import keras
import numpy as np
from _common import DATA, out_option, write

from fernb import config, load_faces
from fernb.data.faceset import FaceSet
from fernb.data.ferplus import ferplus_splits
from fernb.evaluation import evaluate
from fernb.networks.storage import load_model
from fernb.training import as_input
from fernb.training.targets import class_weights, vote_targets

RARE = ("contempt", "disgust", "fear")
SEEDS, EPOCHS = 3, 20


def head(width: int, classes: int, focal: float) -> keras.Model:
    """Return a fresh last layer for features of this ``width``, compiled."""
    model = keras.Sequential([keras.Input((width,)), keras.layers.Dense(classes, activation="softmax")])
    losses = keras.losses
    loss = losses.CategoricalFocalCrossentropy(alpha=1, gamma=focal) if focal else losses.CategoricalCrossentropy()
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model


def learn(way: str, features: np.ndarray, faces: FaceSet, targets: np.ndarray, seed: int) -> keras.Model:
    """Return a last layer that was learnt in this ``way``."""
    keras.utils.set_random_seed(seed)
    classes = targets.shape[1]
    rarity = 1 / np.bincount(faces.labels, minlength=classes)[faces.labels]
    rows, loss_weights = np.arange(len(faces)), np.ones(len(faces))
    if way == "weighted loss, root of the rarity":
        loss_weights = class_weights(faces.labels, classes)[faces.labels]
    elif way == "weighted loss, full rarity":
        loss_weights = rarity / rarity.mean()
    model = head(features.shape[1], classes, focal=2 if way == "focal loss" else 0)
    rng = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        if way == "balanced sampling":
            rows = rng.choice(len(faces), len(faces), p=rarity / rarity.sum())
        model.fit(features[rows], targets[rows], sample_weight=loss_weights[rows], batch_size=256, verbose=0)
    return model


WAYS = (
    "plain",
    "weighted loss, root of the rarity",
    "weighted loss, full rarity",
    "balanced sampling",
    "focal loss",
)


def summary(reports: list[dict]) -> dict:
    """Return the means over seeds, and the seeds' own macro recalls."""

    def mean(of):
        return float(np.mean([of(report) for report in reports]))

    return {
        "accuracy": mean(lambda r: r["accuracy"]),
        "macro_recall": mean(lambda r: r["macro"]["recall"]),
        "macro_f1": mean(lambda r: r["macro"]["f1"]),
        "recall": {name: mean(lambda r, name=name: r["per_class"][name]["recall"]) for name in RARE},
        "precision": {name: mean(lambda r, name=name: r["per_class"][name]["precision"]) for name in RARE},
        "macro_recall_by_seed": [report["macro"]["recall"] for report in reports],
    }


@click.command(help=__doc__)
@DATA
@out_option(config.MODEL / "rare_emotions.json")
def main(source: str, out: Path) -> None:
    splits = ferplus_splits(load_faces(source))
    model = load_model(config.MODEL / "ferplus.keras")
    network = keras.Model(model.input, model.get_layer("pool").output)
    features = {
        name: network.predict(as_input(part.images), batch_size=256, verbose=0) for name, part in splits.parts().items()
    }
    targets = vote_targets(splits.train, splits.classes)
    before = model.layers[-1](features["test"])
    rows = {"as it was trained": summary([evaluate(np.asarray(before), splits.test.labels, splits.classes)])}
    for way in WAYS:
        reports = []
        for seed in range(config.SEED, config.SEED + SEEDS):
            last = learn(way, features["train"], splits.train, targets, seed)
            probs = last.predict(features["test"], batch_size=1024, verbose=0)
            reports.append(evaluate(probs, splits.test.labels, splits.classes))
        rows[way] = summary(reports)
    for way, row in rows.items():
        recalls = "  ".join(f"{name} {recall:6.1%}" for name, recall in row["recall"].items())
        print(f"{way:36} {row['accuracy']:.2%}  macro recall {row['macro_recall']:.1%}  {recalls}")
    result = {
        "protocol": f"last layer learnt anew on train for {EPOCHS} epochs, mean of {SEEDS} seeds, no choice made",
        "test": {name: int((splits.test.labels == splits.classes.index(name)).sum()) for name in RARE},
        "ways": rows,
    }
    write(out, result, splits)


if __name__ == "__main__":
    main()
