"""Logistic regression on FER2013: the figure that the networks must beat.

    python benchmarks/baseline.py [DATA]

Fits on Training, chooses the penalty on PublicTest, looks at PrivateTest once, and writes
``results/model/baseline.json``.
"""

import sys
import time
import warnings

from sklearn.exceptions import ConvergenceWarning

from fernb import config, load_faces, runtime
from fernb.data.faceset import duplicated
from fernb.evaluation import evaluate, majority_class_accuracy
from fernb.files import write_json
from fernb.networks.baseline import flatten, logistic_regression

STRENGTHS = (1e-5, 1e-4, 1e-3)


def main() -> None:
    splits = load_faces(sys.argv[1] if len(sys.argv) > 1 else "fer2013")
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
        "command": "python benchmarks/baseline.py",
        "protocol": "fitted on train, C chosen on val, test looked at once",
        "data": {"source": splits.source, "digest": splits.digest},
        "C": best[1],
        "val_accuracy": best[0],
        "majority_class": majority_class_accuracy(splits.train.labels, splits.test.labels),
        "seconds": round(time.perf_counter() - start),
        "hardware": f"{runtime.cores()} CPU cores, while another job was running",
        "test": report,
    }
    write_json(config.MODEL / "baseline.json", result)
    print(f"test: {report['accuracy']:.2%}, interval {report['interval']}")


if __name__ == "__main__":
    main()
