"""How hard the drawn faces are, and what each thing that the lessons teach does on them.

    python benchmarks/drawn_faces.py [--seeds 3] [--out FILE]

Logistic regression, then a small CNN: plain, with augmentation, with class weights as well; then from drawn faces
to those of another camera, with few labels. Three seeds each; writes ``results/course/drawn_faces.json``. About
fifteen minutes of one core.
"""

import time
import warnings
from pathlib import Path

import click
import keras
import numpy as np
from _common import about, out_option
from keras import layers
from sklearn.exceptions import ConvergenceWarning

from fernb import config, load_faces
from fernb.data.faceset import FaceSet
from fernb.evaluation import apply_temperature, evaluate, expected_calibration_error, fit_temperature, wilson
from fernb.files import write_json
from fernb.networks.baseline import flatten, logistic_regression

EPOCHS, FEW = 20, 200
PLAIN, AUGMENTED, WEIGHTED = "small CNN", "+ augmentation", "+ class weights"


def build(augment: bool, seed: int) -> keras.Model:
    """Return a small CNN, 171,271 weights: three convolutions, each with pooling, and two dense layers."""
    changes = [
        layers.RandomFlip("horizontal", seed=seed),
        layers.RandomTranslation(0.1, 0.1, seed=seed),
        layers.RandomRotation(0.04, seed=seed),
        layers.RandomZoom(0.1, seed=seed),
    ]
    convolutions = [
        layer
        for width in (16, 32, 64)
        for layer in (
            layers.Conv2D(width, 3, padding="same", activation="relu", kernel_initializer="he_normal"),
            layers.MaxPooling2D(),
        )
    ]
    head = [
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(64, activation="relu", kernel_initializer="he_normal"),
        layers.Dropout(0.3),
        layers.Dense(7, activation="softmax"),
    ]
    scale = [keras.Input((48, 48, 1)), layers.Rescaling(1 / 127.5, offset=-1)]
    return keras.Sequential([*scale, *(changes if augment else []), *convolutions, *head])


def train(model: keras.Model, faces: FaceSet, epochs: int, rate: float = 1e-3, weighted: bool = False) -> None:
    """Fit with Adam and a cosine schedule; ``weighted``: classes by the inverse root of their frequency."""
    counts = np.bincount(faces.labels, minlength=7)
    weights = dict(enumerate(np.sqrt(len(faces) / 7 / np.maximum(counts, 1)))) if weighted else None
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-len(faces) // 64))
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    model.fit(faces.images[..., None], faces.labels, 64, epochs, verbose=0, class_weight=weights)


def judge(model: keras.Model, splits) -> dict:
    """Return accuracy, balanced accuracy and calibration on test, the last with val's temperature as well."""
    val, test = (model.predict(part.images[..., None], verbose=0) for part in (splits.val, splits.test))
    report = evaluate(test, splits.test.labels, splits.classes)
    temperature = fit_temperature(val, splits.val.labels)
    return {
        "accuracy": report["accuracy"],
        "balanced": report["macro"]["recall"],
        "disgust": report["per_class"]["disgust"]["recall"],
        "ece": report["ece"],
        "ece_calibrated": expected_calibration_error(apply_temperature(test, temperature), splits.test.labels),
    }


def over_seeds(name: str, runs: list[dict], n: int) -> dict:
    """Return mean and standard deviation of each figure, and the interval of the mean accuracy for ``n`` faces."""
    means = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
    spread = {key: float(np.std([run[key] for run in runs], ddof=1)) if len(runs) > 1 else 0.0 for key in runs[0]}
    print(name, {key: f"{means[key]:.3f} ± {spread[key]:.3f}" for key in means}, flush=True)
    interval = wilson(round(means["accuracy"] * n), n)
    return {"name": name, **means, "interval": interval, "sd": spread, "seeds": len(runs)}


def pixels(splits) -> dict:
    """Return the test accuracy of logistic regression, its penalty chosen on val."""
    x = {name: flatten(part.images) for name, part in splits.parts().items()}
    models = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the penalty, not the last digit, is what we choose
        for strength in (1e-4, 3e-4, 1e-3):
            model = logistic_regression(strength, 100).fit(x["train"], splits.train.labels)
            models.append((model.score(x["val"], splits.val.labels), model))
    model = max(models, key=lambda pair: pair[0])[1]
    report = evaluate(model.predict_proba(x["test"]), splits.test.labels, splits.classes)
    return {"accuracy": report["accuracy"], "balanced": report["macro"]["recall"]}


def climb(seed: int, faces, shifted) -> dict[str, dict]:
    """Return what each network comes to with one seed, by name."""
    found = {}
    some = shifted.train.sample(FEW)
    for name in (PLAIN, AUGMENTED, WEIGHTED):
        keras.utils.set_random_seed(seed)
        model = build(augment=name != PLAIN, seed=seed)
        train(model, faces.train, EPOCHS if name == PLAIN else 2 * EPOCHS, weighted=name == WEIGHTED)
        found[name] = judge(model, faces)
        if name == AUGMENTED:
            found["not trained further"] = judge(model, shifted)
            train(model, some, 2 * EPOCHS, rate=3e-4)
            found["fine-tuned"] = judge(model, shifted)
    keras.utils.set_random_seed(seed)
    model = build(augment=True, seed=seed)
    train(model, some, 10 * EPOCHS)
    found["from scratch"] = judge(model, shifted)
    print(seed, {name: f"{run['accuracy']:.3f} / {run['balanced']:.3f}" for name, run in found.items()}, flush=True)
    return found


@click.command(help=__doc__)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@out_option(config.RESULTS / "course" / "drawn_faces.json")
def main(seeds: int, out: Path) -> None:
    start = time.process_time()
    faces, shifted = load_faces("synthetic"), load_faces("synthetic-shifted")
    n = len(faces.test)
    common = np.bincount(faces.train.labels).argmax()
    always = {"accuracy": float(np.mean(faces.test.labels == common)), "balanced": 1 / 7}
    rungs = [over_seeds("always happy", [always], n), over_seeds("logistic regression", [pixels(faces)], n)]
    runs = []
    for seed in range(seeds):  # the file is written after each seed: the run may be stopped
        runs.append(climb(seed, faces, shifted))
        rows = {name: over_seeds(name, [run[name] for run in runs], n) for name in runs[0]}
        result = {
            **about(),
            "data": {splits.source: splits.digest for splits in (faces, shifted)},
            "synthetic": rungs + [rows[name] for name in (PLAIN, AUGMENTED)],
            "class weights": [rows[name] for name in (AUGMENTED, WEIGHTED)],
            f"shifted, {FEW} labelled faces": [rows[name] for name in rows if name not in (PLAIN, AUGMENTED, WEIGHTED)],
            "cpu_seconds": round(time.process_time() - start),
        }
        write_json(out, result)


if __name__ == "__main__":
    main()
