"""Logistic regression on FER2013: the figure that the networks must beat.

    python benchmarks/baseline.py [--data DATA] [--out FILE]

Fits on Training, chooses the penalty on PublicTest, looks at PrivateTest once, and writes
``results/model/baseline.json``.
"""

import time
import warnings
from pathlib import Path

import click
from _common import DATA, out_option, write
from sklearn.exceptions import ConvergenceWarning

from fernb import config, load_faces
from fernb.data.faceset import duplicated
from fernb.evaluation import evaluate, majority_class_accuracy
from fernb.networks.baseline import flatten, logistic_regression

STRENGTHS = (1e-5, 1e-4, 1e-3)


@click.command(help=__doc__)
@DATA
@out_option(config.MODEL / "baseline.json")
def main(source: str, out: Path) -> None:
    splits = load_faces(source)
    train, val, test = (flatten(part.images) for part in splits.parts().values())
    start, best = time.perf_counter(), None
    for strength in STRENGTHS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the penalty, not the last digit, is what we choose
            model = logistic_regression(strength, iterations=60).fit(train, splits.train.labels)
        accuracy = model.score(val, splits.val.labels)
        print(f"C {strength:g}: {accuracy:.2%} on val")
        if best is None or accuracy > best[0]:
            best = accuracy, strength, model
    report = evaluate(
        best[2].predict_proba(test), splits.test.labels, splits.classes, duplicated(splits.test, splits.train)
    )
    result = {
        "protocol": "fitted on train, C chosen on val, test looked at once",
        "C": best[1],
        "val_accuracy": best[0],
        "majority_class": majority_class_accuracy(splits.train.labels, splits.test.labels),
        "seconds": round(time.perf_counter() - start),
        "test": report,
    }
    write(out, result, splits)
    print(f"test: {report['accuracy']:.2%}, interval {report['interval']}")


if __name__ == "__main__":
    main()
