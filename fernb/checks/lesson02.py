"""Checks of lesson 2, the logistic regression baseline."""

from collections.abc import Callable

import numpy as np

from fernb.checks import difference, exercise


@exercise("02.1")
def accuracy_of(answer: Callable) -> str | None:
    """The share of rows whose largest probability is the label's."""
    probs = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.4, 0.5, 0.1], [0.2, 0.2, 0.6], [0.3, 0.4, 0.3]])
    labels = np.array([0, 1, 0, 2, 2])
    mistakes = [
        (3, "this is the number of right answers; divide it by the number of samples (or take the mean)"),
        (60, "give the share as a number from 0 to 1, not in percent"),
        (0.4, "this is the share of wrong answers"),
        ((probs.max(1) == labels).mean(), "`max` gives the largest probability; `argmax` gives its class"),
        (probs.argmax(1) == labels, "this says for each sample whether it is right; take the mean of it"),
        (
            probs[np.arange(5), labels].mean(),
            "this is the mean probability of the truth; count the right answers instead",
        ),
    ]
    return difference(answer(probs.copy(), labels.copy()), 0.6, mistakes)


@exercise("02.2")
def precision_of(answer: Callable) -> str | None:
    """The diagonal over the sums of the columns, and 0 for what is never answered."""
    confusion = np.array([[6, 0, 3, 0], [2, 4, 1, 0], [1, 0, 8, 0], [2, 1, 2, 0]])
    right, answered, true = confusion.diagonal(), confusion.sum(0), confusion.sum(1)
    expected = right / answered.clip(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        got = answer(confusion.copy())
        mistakes = [
            (right / true, "this is the recall: you summed along the rows; precision looks along the columns"),
            (right / answered, "the last class is never answered: avoid 0 / 0, for example by `.clip(1)`"),
            (right / confusion.sum(), "divide by how often *this* class was answered, not by all samples"),
            (expected.mean(), "return one precision for each class, not their mean"),
            (answered, "this is how often each class was answered; now divide the right answers by it"),
        ]
    return difference(got, expected, mistakes)


@exercise("02.3")
def class_weights(answer: Callable) -> str | None:
    """n / (k · count)."""
    labels = np.array([0] * 12 + [1] * 3 + [2] * 9)
    counts = np.bincount(labels)
    expected = len(labels) / (3 * counts)
    mistakes = [
        (counts, "these are the counts; a rare class needs a *large* weight"),
        (counts / len(labels), "this gives frequent classes the larger weight: turn the fraction upside down"),
        (1 / counts, "the direction is right; now multiply by n / k, so that the mean weight of a sample is 1"),
        (len(labels) / counts, "divide by the number of classes as well"),
        (3 * counts / len(labels), "the fraction is upside down"),
        (3 * len(labels) / counts, "divide by the number of classes; you multiplied"),
        (len(labels) / 3 * counts, "put k · count in brackets: Python divides first and multiplies then"),
        (expected[labels], "this is one weight for each sample; return one for each class"),
    ]
    return difference(answer(labels.copy(), 3), expected, mistakes)


@exercise("02.4")
def max_pool(answer: Callable) -> str | None:
    """The largest value of each block of 2×2."""
    image = np.random.default_rng(4).permutation(48).reshape(6, 8) - 20.0
    blocks = image.reshape(3, 2, 4, 2)
    mistakes = [
        (blocks.mean(axis=(1, 3)), "this is the mean of each block; take the maximum"),
        (blocks.min(axis=(1, 3)), "this is the smallest value of each block"),
        (image[::2, ::2], "this keeps the top left pixel of each block, whatever its value"),
        (image.max(), "this is the largest value of the whole image: that is *global* max pooling"),
        (blocks.max(axis=(0, 2)), "the axes are mixed up: after the reshape, axes 1 and 3 lie inside a block"),
    ]
    return difference(answer(image.copy()), blocks.max(axis=(1, 3)), mistakes)


@exercise("02.5")
def best_rate(answer: float, descend: Callable) -> str | None:
    """The learning rate that ends lowest after 50 steps, by the lesson's own ``descend``."""
    with np.errstate(all="ignore"):
        losses = {rate: np.nan_to_num(descend(rate, 51)[-1], nan=np.inf) for rate in (0.01, 0.1, 1, 10, 100)}
    best = min(losses, key=lambda rate: losses[rate])
    if answer not in losses:
        return "give the learning rate itself: 0.01, 0.1, 1, 10 or 100"
    why = "it goes down, but too slowly" if answer < best else "the steps are too large"
    return None if answer == best else f"with {answer:g} the loss after 50 steps is {losses[answer]:.2f}: {why}"


@exercise("02.6")
def lower_half(answer: Callable) -> str | None:
    """Rows 24 to 47 of each face, flattened, in 0..1."""
    faces = np.random.default_rng(6).integers(0, 256, (3, 48, 48)).astype(np.uint8)

    def rows(part: np.ndarray) -> np.ndarray:
        return part.reshape(3, -1) / 255

    mistakes = [
        (rows(faces[:, :24]), "this is the upper half: row 0 is at the top"),
        (rows(faces[:, :, 24:]), "this is the right half: the second axis has the rows, the third the columns"),
        (rows(faces[:, :, :24]), "this is the left half: the second axis has the rows, the third the columns"),
        (rows(faces[:, 24:]) * 255, "divide by 255, so that the numbers run from 0 to 1"),
        (faces[:, 24:] / 255, "now flatten: one row of numbers for each face"),
        (rows(faces), "this is the whole face"),
    ]
    return difference(answer(faces.copy()), rows(faces[:, 24:]), mistakes)
