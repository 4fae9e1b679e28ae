"""How good a network is, and how certain its figures are: numbers only, no plots.

Everything takes probabilities ``(n, k)`` and labels ``(n,)`` and returns plain numbers that
JSON can hold. ``probs`` are finite and their rows sum to 1, ``labels`` are whole numbers that
index their columns. Arrays that do not fit together raise
:class:`~fernb.errors.DataError`. Taught in notebooks 02 and 03.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fernb.data.faceset import FaceSet, FaceSplits
from fernb.errors import DataError, ModelError
from fernb.labels import EMOTIONS
from fernb.networks.recogniser import Recogniser
from fernb.networks.training_faces import not_new
from fernb.vision.corruptions import CORRUPTIONS, corrupt


def wilson(correct: int, n: int) -> list[float]:
    """Return the 95 % interval of a proportion by Wilson's score method (1927): ``[low, high]``.

    ``correct`` of ``n`` answers were right; both ends lie in 0..1 and the proportion between them.
    """
    from scipy.stats import binomtest

    if n < 1:
        raise DataError("there are no faces to evaluate; take a test set with at least one.")
    interval = binomtest(int(correct), int(n)).proportion_ci(0.95, method="wilson")
    return [float(interval.low), float(interval.high)]


def _check(probs: np.ndarray, labels: np.ndarray) -> None:
    """A label beyond the columns would quietly fall out of scikit-learn's tables, and NaN would win every argmax."""
    if not len(labels):
        raise DataError("there are no faces to evaluate; take a test set with at least one.")
    if probs.ndim != 2 or len(probs) != len(labels):
        raise DataError(f"probabilities of shape {probs.shape} do not fit {len(labels)} labels; give one row a face.")
    if np.min(labels) < 0 or np.max(labels) >= probs.shape[1]:
        raise DataError(
            f"the labels run from {np.min(labels)} to {np.max(labels)}, but there are answers for {probs.shape[1]} "
            "emotions; use data and network with the same emotions."
        )
    if not np.isfinite(probs).all():
        raise DataError("some probabilities are not finite numbers; the network is broken, train it again.")


def evaluate(
    probs: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str] = EMOTIONS,
    *,
    duplicate: np.ndarray | None = None,
) -> dict:
    """Return every figure of a test: what :func:`report_lines` prints and the JSON files hold.

    ``duplicate`` bool ``(n,)`` marks faces that the network was trained on; with it the
    report also has the de-duplicated score, if any face is left. Keys: ``n``, ``accuracy``, ``interval``,
    ``per_class``, their ``macro`` (whose recall is the balanced accuracy) and ``weighted`` means,
    ``confusion`` (rows are the truth), ``ece``, and with ``duplicate`` ``accuracy_deduplicated``,
    ``n_deduplicated``, ``interval_deduplicated``.
    """
    from sklearn.metrics import confusion_matrix

    _check(probs, labels)
    if probs.shape[1] != len(classes):
        raise DataError(
            f"the network gives {probs.shape[1]} probabilities a face, but {len(classes)} emotions are named."
        )
    chosen = probs.argmax(1)
    right = chosen == labels
    report = {
        "n": len(labels),
        "accuracy": float(right.mean()),
        "interval": wilson(right.sum(), len(labels)),
        **_scores(labels, chosen, classes),
        "confusion": confusion_matrix(labels, chosen, labels=np.arange(len(classes))).tolist(),
        "ece": expected_calibration_error(probs, labels),
    }
    if duplicate is not None:
        fresh = right[~np.asarray(duplicate, bool)]
        report["n_deduplicated"] = len(fresh)
        if len(fresh):
            report["accuracy_deduplicated"] = float(fresh.mean())
            report["interval_deduplicated"] = wilson(fresh.sum(), len(fresh))
    return report


def _scores(labels: np.ndarray, chosen: np.ndarray, classes: Sequence[str]) -> dict:
    """Return precision, recall and F1 of each class, and their means: plain, and weighted by the number of faces.

    Classes without a face in the test set have no part in the means.
    """
    from sklearn.metrics import precision_recall_fscore_support

    scores = precision_recall_fscore_support(labels, chosen, labels=np.arange(len(classes)), zero_division=0)
    names = ("precision", "recall", "f1")
    return {
        "per_class": {
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
            for name, p, r, f, s in zip(classes, *scores, strict=True)
        },
        **{
            mean: dict(zip(names, np.average(scores[:3], axis=1, weights=by).tolist(), strict=True))
            for mean, by in (("macro", scores[3] > 0), ("weighted", scores[3]))
        },
    }


def report_lines(report: dict) -> list[str]:
    """Return a report of :func:`evaluate` as text; the first line is ``Accuracy on test set: 72.4%``."""
    low, high = report["interval"]
    width = max(map(len, [*report["per_class"], "weighted"]))
    lines = [
        f"Accuracy on test set: {report['accuracy']:.1%}",
        f"{report['accuracy']:.2%} of {report['n']:,} faces, 95 % interval {low:.2%} to {high:.2%} (Wilson)",
        *_seen_lines(report),
        "",
        f"{'':{width}} precision  recall      f1  faces",
    ]
    for name, row in (report["per_class"] | {mean: report[mean] for mean in ("macro", "weighted")}).items():
        figures = f"{row['precision']:10.1%} {row['recall']:7.1%} {row['f1']:7.1%} {row.get('support', report['n']):6,}"
        lines.append(f"{name:{width}}{figures}")
    lines.append(f"balanced accuracy {report['macro']['recall']:.1%}, macro F1 {report['macro']['f1']:.1%}")
    lines += [f"expected calibration error {report['ece']:.3f}", ""]
    lines.append("confusion matrix (a row for each true emotion):")
    lines.append(f"{'':{width}}" + "".join(f"{name[:8]:>9}" for name in report["per_class"]))
    for name, row in zip(report["per_class"], report["confusion"], strict=True):
        lines.append(f"{name:{width}}" + "".join(f"{count:9,}" for count in row))
    return lines


def _seen_lines(report: dict) -> list[str]:
    """What a user must know of a test set with faces that the network was trained on."""
    seen = report["n"] - report.get("n_deduplicated", report["n"])
    if not seen:
        return []
    if "accuracy_deduplicated" not in report:
        return ["The network was trained on all of these faces: the score says nothing about new ones."]
    low, high = report["interval_deduplicated"]
    return [
        f"The network was trained on {seen:,} of these faces; de-duplicated, without them: "
        f"{report['accuracy_deduplicated']:.2%} of {report['n_deduplicated']:,} faces, {low:.2%} to {high:.2%}"
    ]


def reliability(probs: np.ndarray, labels: np.ndarray, *, bins: int = 15) -> dict[str, list[float]]:
    """Return confidence against accuracy in equal-width bins: lists ``confidence``, ``accuracy``, ``count``.

    Empty bins are left out.
    """
    _check(probs, labels)
    confidence, right = probs.max(1), probs.argmax(1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = [(confidence[index == i].mean(), right[index == i].mean(), (index == i).sum()) for i in np.unique(index)]
    return {
        "confidence": [float(row[0]) for row in rows],
        "accuracy": [float(row[1]) for row in rows],
        "count": [int(row[2]) for row in rows],
    }


def expected_calibration_error(probs: np.ndarray, labels: np.ndarray, *, bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy over bins, weighted by faces (Naeini et al. 2015)."""
    table = reliability(probs, labels, bins=bins)
    gap = np.abs(np.subtract(table["confidence"], table["accuracy"]))
    return float(np.average(gap, weights=table["count"]))


def fit_temperature(probs: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature that makes ``probs`` fit ``labels`` best (Guo et al. 2017); above 1 softens.

    The search stays between ``exp(-2)`` and ``exp(2)``, about 0.14 to 7.4. Fit it on the
    validation set only.
    """
    from scipy.optimize import minimize_scalar

    _check(probs, labels)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = apply_temperature(probs, np.exp(log_temperature))
        return -np.log(scaled[rows, labels] + 1e-12).mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def apply_temperature(probs: np.ndarray, temperature: float) -> np.ndarray:
    """Return ``probs`` with their logits divided by ``temperature`` (above 0): same answers, other confidence."""
    logits = np.log(np.clip(probs, 1e-12, None)) / float(temperature)
    scaled = np.exp(logits - logits.max(1, keepdims=True))
    return scaled / scaled.sum(1, keepdims=True)


def fit_confidence_threshold(probs: np.ndarray, labels: np.ndarray, *, min_accuracy: float = 0.5) -> float:
    """Return the confidence from which on answers are right in at least ``min_accuracy`` of the cases.

    Accuracy as a function of confidence is fitted by isotonic regression (Zadrozny & Elkan
    2002). Fit it on the validation set only. 1 where no answer is that good.
    """
    from sklearn.isotonic import IsotonicRegression

    _check(probs, labels)
    confidence, right = probs.max(1), probs.argmax(1) == labels
    grid = np.arange(0, 1, 0.01)
    fitted = IsotonicRegression(out_of_bounds="clip").fit(confidence, right).predict(grid)
    return float(grid[fitted >= min_accuracy][0]) if fitted[-1] >= min_accuracy else 1.0


def majority_class_accuracy(train_labels: np.ndarray, test_labels: np.ndarray) -> float:
    """Return the accuracy of always answering the most frequent emotion of the training set."""
    return float((test_labels == np.bincount(train_labels).argmax()).mean())


def annotator_agreement(labels: np.ndarray, votes: np.ndarray) -> dict[str, float]:
    """Return how well FER+'s ten taggers themselves would score on FER2013's labels.

    ``labels`` ``(n,)`` index :data:`~fernb.labels.EMOTIONS`, ``votes`` ``(n, 10)`` are in the
    order of :data:`~fernb.labels.VOTE_COLUMNS`. ``majority`` is the accuracy of answering the
    emotion with the most votes of the seven (ties share the point); ``one_tagger`` that of one
    of those votes drawn at random; ``n`` the faces that count. Faces without a vote for any of
    the seven are left out.

    A network may score higher: it can also learn the habits of those who labelled FER2013, and
    the faces that stand in train and test alike.
    """
    labels, seven = np.asarray(labels), np.asarray(votes)[:, : len(EMOTIONS)].astype(float)
    keep = seven.sum(1) > 0
    seven, labels = seven[keep], labels[keep]
    _check(seven, labels)
    best = seven == seven.max(1, keepdims=True)
    rows = np.arange(len(labels))
    return {
        "majority": float((best[rows, labels] / best.sum(1)).mean()),
        "one_tagger": float((seven[rows, labels] / seven.sum(1)).mean()),
        "n": len(labels),
    }


def evaluate_part(recogniser: Recogniser, splits: FaceSplits, part: str = "test", *, flip: bool = False) -> dict:
    """Test a network on one part of a data set: the report of :func:`evaluate`, de-duplicated against its training.

    ``part`` is ``val`` or ``test``; ``flip`` is that of :meth:`fernb.Recogniser.predict`. Raises
    :class:`~fernb.errors.ModelError` where the network names other emotions than the data have.
    """
    if recogniser.labels != splits.classes:
        raise ModelError(
            f"{recogniser.path.name} knows {', '.join(recogniser.labels)}; the data have other emotions: "
            f"{', '.join(splits.classes)}."
        )
    faces = splits.parts()[part]
    probs = recogniser.predict(faces.images, flip=flip)
    return evaluate(probs, faces.labels, splits.classes, duplicate=not_new(recogniser, splits, part))


def evaluate_network(recogniser: Recogniser, splits: FaceSplits) -> dict:
    """Return the reports of :func:`evaluate_part` on val and test, with calibration.

    ``unsure_below`` is fitted on val: ``unsure`` is the share of test below it, ``accuracy_sure`` that of the rest
    (0 where there is none). ``ece_before`` and ``reliability_before`` are test's before
    :func:`fernb.training.publish` calibrated the network; ``val_flip`` and ``test_flip`` are with flipping.
    """
    probs: dict[str, np.ndarray] = {}
    metrics: dict[str, Any] = {}
    duplicates = {name: not_new(recogniser, splits, name) for name in ("val", "test")}
    for name, part in (("val", splits.val), ("test", splits.test)):
        probs[name] = recogniser.predict(part.images)
        flipped = recogniser.predict(part.images, flip=True)
        for key, answers in ((name, probs[name]), (f"{name}_flip", flipped)):
            metrics[key] = evaluate(answers, part.labels, splits.classes, duplicate=duplicates[name])
    metrics["unsure_below"] = fit_confidence_threshold(probs["val"], splits.val.labels)
    before = apply_temperature(probs["test"], 1 / recogniser.sidecar.get("temperature", 1))
    sure = probs["test"].max(1) >= metrics["unsure_below"]
    right = probs["test"].argmax(1) == splits.test.labels
    metrics["test"] |= {
        "unsure": float(1 - sure.mean()),
        "accuracy_sure": float(right[sure].mean()) if sure.any() else 0.0,
        "ece_before": expected_calibration_error(before, splits.test.labels),
        "reliability_before": reliability(before, splits.test.labels),
        "reliability": reliability(probs["test"], splits.test.labels),
    }
    return metrics


def robustness(recogniser: Recogniser, faces: FaceSet) -> dict[str, list[float]]:
    """Return the accuracy on ``faces`` under each of :data:`~fernb.vision.corruptions.CORRUPTIONS`, weak to strong."""

    def accuracy(images: np.ndarray) -> float:
        return float((recogniser.predict(images).argmax(1) == faces.labels).mean())

    return {
        name: [accuracy(corrupt(faces.images, strength)) for strength in strengths]
        for name, strengths in CORRUPTIONS.items()
    }
