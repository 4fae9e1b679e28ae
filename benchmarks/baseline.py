"""Logistic regression on FER2013: the figure that the networks must beat.

    python benchmarks/baseline.py [--data DATA] [--out FILE]

Fits on Training, chooses the penalty on PublicTest, looks at PrivateTest once, and writes
``results/model/baseline.json``: the counts of each emotion, the accuracy over the penalty, the same model
with class weights, and the test. Notebook 02 shows all four.
"""

import time
import warnings
from pathlib import Path

import click
import numpy as np
from _common import DATA, out_option, write
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from fernb import config, load_faces
from fernb.data.faceset import duplicated
from fernb.evaluation import evaluate, majority_class_accuracy
from fernb.networks.baseline import flatten, logistic_regression

STRENGTHS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
ITERATIONS = 200


def fit(strength: float, rows: np.ndarray, labels: np.ndarray, **options) -> Pipeline:
    """Return fernb's logistic regression, fitted; ``options`` go to scikit-learn's ``LogisticRegression``."""
    model = logistic_regression(strength, ITERATIONS)
    model[-1].set_params(**options)
    with warnings.catch_warnings(), threadpool_limits(1):  # several threads wait for one another most of the time
        warnings.simplefilter("ignore", ConvergenceWarning)  # the penalty, not the last digit, is what we choose
        return model.fit(rows, labels)


def figures(model: Pipeline, rows: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return accuracy and balanced accuracy (the mean recall of the emotions)."""
    answers = model.predict(rows)
    return {"accuracy": np.mean(answers == labels), "balanced_accuracy": balanced_accuracy_score(labels, answers)}


@click.command(help=__doc__)
@DATA
@out_option(config.MODEL / "baseline.json")
def main(source: str, out: Path) -> None:
    splits = load_faces(source)
    rows = {name: flatten(part.images) for name, part in splits.parts().items()}
    labels = {name: part.labels for name, part in splits.parts().items()}
    start, curve, best = time.perf_counter(), [], None
    for strength in STRENGTHS:
        model = fit(strength, rows["train"], labels["train"])
        curve.append({"C": strength} | {name: figures(model, rows[name], labels[name]) for name in ("train", "val")})
        accuracy = curve[-1]["val"]["accuracy"]
        print(f"C {strength:g}: {accuracy:.2%} on val", flush=True)
        if best is None or accuracy > best[0]:
            best = accuracy, strength, model
    weighted = fit(best[1], rows["train"], labels["train"], class_weight="balanced")
    report = evaluate(
        best[2].predict_proba(rows["test"]),
        labels["test"],
        splits.classes,
        duplicate=duplicated(splits.test, splits.train),
    )
    result = {
        "protocol": "fitted on train, C chosen on val, nothing chosen on test",
        "C": best[1],
        "val_accuracy": best[0],
        "class_counts": {
            name: dict(zip(splits.classes, np.bincount(numbers, minlength=7).tolist(), strict=True))
            for name, numbers in labels.items()
        },
        "curve": curve,
        "class_weights": {
            name: figures(model, rows["val"], labels["val"])
            for name, model in (("none", best[2]), ("balanced", weighted))
        },
        "majority_class": majority_class_accuracy(splits.train.labels, splits.test.labels),
        "seconds": round(time.perf_counter() - start),
        "test": report,
    }
    write(out, result, splits)
    print(f"test: {report['accuracy']:.2%}, interval {report['interval']}")


if __name__ == "__main__":
    main()
