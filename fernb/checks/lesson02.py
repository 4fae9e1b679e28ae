"""Checks of lesson 2, the logistic regression baseline."""

from collections.abc import Callable

import numpy as np

from fernb.checks import difference, exercise


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return probabilities ``(n, classes)`` for scores of the same shape; each row adds up to 1."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cross_entropy(probs: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of -log(probability of the true class) for probabilities ``(n, classes)`` and labels ``(n,)``."""
    return -np.log(probs[np.arange(len(labels)), labels].clip(1e-12)).mean()


def gradient(
    weights: np.ndarray, bias: np.ndarray, x: np.ndarray, labels: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes of cross-entropy + penalty / 2 · Σ weights², shaped as the weights and as the bias.

    The weights are ``(pixels, classes)``, the bias ``(classes,)``, ``x`` ``(n, pixels)``, the labels ``(n,)``.
    """
    error = softmax(x @ weights + bias) - np.eye(weights.shape[1])[labels]
    return x.T @ error / len(x) + penalty * weights, error.mean(axis=0)


def step(
    weights: np.ndarray, bias: np.ndarray, x: np.ndarray, labels: np.ndarray, rate: float, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return new weights and a new bias after one step of gradient descent on the samples ``x``."""
    slopes, bias_slopes = gradient(weights, bias, x, labels, penalty)
    return weights - rate * slopes, bias - rate * bias_slopes


def precision_of(confusion: np.ndarray) -> np.ndarray:
    """Return the precisions ``(classes,)`` of a confusion matrix; 0 for a class that is never answered."""
    return confusion.diagonal() / confusion.sum(axis=0).clip(1)


def max_pool(image: np.ndarray) -> np.ndarray:
    """Return the largest value of each 2×2 block of an image whose height and width are even."""
    height, width = image.shape
    return image.reshape(height // 2, 2, width // 2, 2).max(axis=(1, 3))


def _softmax_mistakes(scores: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Return what people often arrive at instead of the softmax, each with its hint."""
    powers, shifted = np.exp(scores), np.exp(scores - scores.max(axis=1, keepdims=True))
    differences, late = scores - scores.max(axis=1, keepdims=True), powers - scores.max(axis=1, keepdims=True)
    with np.errstate(all="ignore"):  # a row of equal scores becomes 0 / 0, in the reader's result as well
        by_quotient = np.exp(scores / scores.max(axis=1, keepdims=True))
        by_quotient /= by_quotient.sum(axis=1, keepdims=True)
        by_scores = [part / scores.sum(axis=1, keepdims=True) for part in (shifted, powers)]
        without_exp = [part / part.sum(axis=1, keepdims=True) for part in (scores, differences)]
    return [
        (powers, "these are the exponentials; divide each row by its sum"),
        (shifted, "these are the exponentials; divide each row by its sum"),
        (powers / powers.sum(), "you divided by the sum over all samples; each *row* must add up to 1"),
        (shifted / shifted.sum(), "you divided by the sum over all samples; each *row* must add up to 1"),
        (powers / powers.sum(axis=0), "axis 0 sums over the samples; the classes are axis 1"),
        (shifted / shifted.sum(axis=0), "axis 0 sums over the samples; the classes are axis 1"),
        (by_quotient, "subtract the largest score of each row; you divided by it"),
        *((wrong, "divide by the sum of the exponentials, not of the scores") for wrong in by_scores),
        (shifted / powers.sum(axis=1, keepdims=True), "subtract the largest score below the fraction bar, too"),
        (late / late.sum(axis=1, keepdims=True), "subtract the largest score *inside* the exponential"),
        *((wrong, "the exponential is missing: `np.exp` of the differences, then divide") for wrong in without_exp),
        (np.log(softmax(scores)), "these are logarithms of the probabilities"),
        (softmax(-scores), "the sign is wrong: the largest score must get the largest probability"),
    ]


@exercise("02.1")
def softmax_of(answer: Callable) -> str | None:
    """Each row's exponentials over their sum, for large scores as well."""
    scores = np.array([[2.0, 1.0, -1.0], [0.0, 0.0, 0.0], [-1.0, 0.5, 3.0], [0.3, 0.2, 0.1]])
    far = np.array([[0.0, 1.0, 2.0], [1000.0, 1001.0, 1002.0]])
    with np.errstate(all="ignore"):
        try:
            got = answer(scores.copy())
        except ValueError as error:
            if "broadcast" not in str(error):
                raise
            return "the largest score or the sum of each row lost its axis, (4,) beside (4, 3): pass `keepdims=True`"
        if hint := difference(got, softmax(scores), _softmax_mistakes(scores)):
            return hint
        large, unequal = np.asarray(answer(scores + 1000.0)), np.asarray(answer(far.copy()))
    if not np.isfinite(large).all():
        return "scores above 709 make `np.exp` infinite: subtract each row's largest score first"
    if not np.isfinite(unequal).all():
        return "you subtracted one maximum from all rows, and a row far below it became 0 / 0: take that of each row"
    return difference(large, softmax(scores)) or difference(unequal, softmax(far))


@exercise("02.2")
def cross_entropy_of(answer: Callable) -> str | None:
    """The mean of -log p of the true classes, finite where p is 0."""
    probs = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.4, 0.5, 0.1], [0.3, 0.4, 0.3]])
    labels = np.array([0, 1, 0, 2])
    costs = -np.log(probs[np.arange(4), labels])
    mistakes = [
        (costs, "this is the loss of each sample; take the mean"),
        (costs.sum(), "this is the sum over the samples; take the mean, so that the loss does not grow with them"),
        (-costs.mean(), "the sign is missing: a logarithm of a probability is negative, and a loss is not"),
        (-np.log(probs.max(1)).mean(), "you took the largest probability of each row; take that of the *true* class"),
        (-np.log(probs[:, labels]).mean(), "`probs[:, labels]` takes four columns; index rows and columns in pairs"),
        (-np.log(probs[labels]).mean(), "`probs[labels]` takes whole rows; index rows and columns in pairs"),
        (costs.sum() / probs.size, "you divided by samples × classes; divide by the number of samples"),
        (-np.log(probs).mean(), "you averaged over all classes; only the true class of each sample counts"),
        (-np.log(probs[np.arange(4), labels].mean()), "take the logarithm of each sample first, then the mean"),
        (1 - np.exp(-costs).mean(), "where is the logarithm?"),
        (costs.mean() / np.log(10), "use the natural logarithm, `np.log`, not `np.log10`"),
        (costs.mean() / np.log(2), "use the natural logarithm, `np.log`, not `np.log2`"),
    ]
    if hint := difference(answer(probs.copy(), labels.copy()), costs.mean(), mistakes):
        return hint
    with np.errstate(all="ignore"):
        sure = np.asarray(answer(np.array([[1.0, 0.0]]), np.array([1])))
    return (
        None if np.isfinite(sure).all() else "a probability of 0 makes the loss infinite: `.clip(1e-12)` before the log"
    )


def _problem(penalty: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Return weights (5, 3), bias (3,), x (8, 5), labels (8,) and the penalty: a small problem to try."""
    rng = np.random.default_rng(2)
    return rng.normal(size=(5, 3)), rng.normal(size=3), rng.uniform(size=(8, 5)), rng.integers(0, 3, 8), penalty


def _pair(got: object, what: str) -> str | None:
    """Return a hint if an answer does not consist of two things."""
    return None if isinstance(got, tuple | list) and len(got) == 2 else f"return two things: {what}"


PENALTY_ITSELF = "you added the penalty itself; its slope is penalty · weights"


@exercise("02.3")
def gradient_of(answer: Callable) -> str | None:
    """The slopes of cross-entropy and penalty, for the weights and for the bias."""
    problem = weights, bias, x, labels, penalty = _problem(0.1)
    try:
        got = answer(*problem)
    except ValueError as error:
        if "matmul" not in str(error):
            raise
        return "two shapes do not fit around `@`: here `x` is (8, 5) and the error (8, 3), so transpose `x` (`x.T`)"
    if hint := _pair(got, "the slopes of the weights and those of the bias"):
        return hint
    right, right_bias = gradient(*problem)
    probs, truth = softmax(x @ weights + bias), np.eye(3)[labels]
    data = right - penalty * weights
    mistakes = [
        (data, "the penalty's slope, penalty · weights, is missing"),
        (8 * data + penalty * weights, "divide by the number of samples, to get their mean"),
        (8 * data, "divide by the number of samples, to get their mean, and add the penalty's slope"),
        (data / 8 + penalty * weights, "you divided by the number of samples twice"),
        (penalty * weights - data, "the sign is wrong: the error is probability minus truth"),
        (-right, "the sign is wrong: the gradient points uphill, and the step will go against it"),
        (data - penalty * weights, "the penalty pulls the weights towards 0: add its slope"),
        (data + penalty / 2 * weights, "the slope of penalty / 2 · w² is penalty · w"),
        (data + 2 * penalty * weights, "the slope of penalty / 2 · w² is penalty · w: the 2 cancels"),
        *((data + penalty * w, "the penalty's slope is penalty · weights, not their sum") for w in (1, weights.sum())),
        *((8 * data / n + penalty * weights, "divide by the number of samples, `len(x)`") for n in (3, 5, 24, 40)),
        *((data + penalty * w2, PENALTY_ITSELF) for w2 in (weights**2 / 2, (weights**2).sum() / 2, weights**2)),
        (x.T @ probs / 8 + penalty * weights, "the error is probability *minus truth*"),
        (x.T @ (softmax(x @ weights) - truth) / 8 + penalty * weights, "the bias is missing in the scores"),
        (x.T @ (x @ weights + bias - truth) / 8 + penalty * weights, "softmax is missing: this is scores minus truth"),
        (data + penalty * weights / 8, "divide only the sum over the samples by their number, not the penalty's slope"),
        (right.T, "the result has the axes swapped: `x.T @ error` is (pixels, classes)"),
    ]
    if hint := difference(got[0], right, mistakes):
        return f"weights: {hint}"
    bias_mistakes = [
        (right_bias * 8, "take the mean over the samples, not the sum"),
        (right_bias + penalty * bias, "the bias has no penalty"),
        ((probs - truth).mean(), "one slope for each class: the mean along axis 0"),
    ]
    hint = difference(got[1], right_bias, bias_mistakes)
    return f"bias: {hint}" if hint else None


@exercise("02.4")
def step_of(answer: Callable) -> str | None:
    """One step against the gradient, for the weights and for the bias."""
    weights, bias, x, labels, penalty = _problem(0.1)
    rate = 0.3
    given = weights.copy(), bias.copy()
    try:
        got = answer(*given, x, labels, rate, penalty)
    except TypeError as error:
        if "sequence by non-int" not in str(error) and "'tuple'" not in str(error):
            raise
        return "`gradient` returns two things; take them apart: `slopes, bias_slopes = gradient(…)`"
    if hint := _pair(got, "the new weights and the new bias"):
        return hint
    slopes = gradient(weights, bias, x, labels, penalty)
    without = gradient(weights, bias, x, labels, 0)
    exchanged = gradient(weights, bias, x, labels, rate)
    for k, (name, new, old) in enumerate(zip(("weights", "bias"), got, (weights, bias), strict=True)):
        slope = slopes[k]
        mistakes = [
            (old - rate * without[k], "the penalty is missing: hand it on to `gradient`"),
            (old - rate * (slope + penalty * old), "the penalty counts twice: `gradient` has it already"),
            (old - penalty * exchanged[k], "`rate` and `penalty` have changed places"),
            (old + rate * slope, "this goes uphill: subtract"),
            (old - slope, "the learning rate is missing"),
            (old - slope / rate, "multiply by the learning rate; you divided"),
            (old, "these are still the old ones"),
            (slope, "these are the slopes; return what is left after the step"),
            (rate * slope, "this is how far to go; subtract it from the old ones"),
            (-rate * slope, "this is the step itself; add it to the old ones"),
        ]
        if hint := difference(new, old - rate * slope, mistakes):
            return f"{name}: {hint}"
    if not np.array_equal(given[0], weights) or not np.array_equal(given[1], bias):
        return "the numbers are right, but you overwrote the arrays that came in (`-=` does): `weights - rate * slopes`"
    return None


@exercise("02.5")
def precisions(answer: Callable) -> str | None:
    """The diagonal over the sums of the columns, and 0 for what is never answered."""
    confusion = np.array([[6, 0, 3, 0], [2, 4, 1, 0], [1, 0, 8, 0], [2, 1, 2, 0]])
    right, answered, true = confusion.diagonal(), confusion.sum(0), confusion.sum(1)
    expected = right / answered.clip(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        got = answer(confusion.copy())
        mistakes = [
            (right / true, "this is the recall: you summed along the rows; precision looks along the columns"),
            (right / answered, "the last class is never answered: avoid 0 / 0, for example by `.clip(1)`"),
            (right / (answered + 1), "adding 1 changes every precision: raise only a 0 to 1, by `.clip(1)`"),
            (right / confusion.sum(), "divide by how often *this* class was answered, not by all samples"),
            (expected.mean(), "return one precision for each class, not their mean"),
            (answered, "this is how often each class was answered; now divide the right answers by it"),
        ]
    return difference(got, expected, mistakes)


@exercise("02.6")
def pooling(answer: Callable) -> str | None:
    """The largest value of each block of 2×2."""
    image = np.random.default_rng(4).permutation(48).reshape(6, 8) - 20.0
    blocks = image.reshape(3, 2, 4, 2)
    mistakes = [
        (blocks.mean(axis=(1, 3)), "this is the mean of each block; take the maximum"),
        (blocks.min(axis=(1, 3)), "this is the smallest value of each block"),
        (image[::2, ::2], "this keeps the top left pixel of each block, whatever its value"),
        (image.max(), "this is the largest value of the whole image: that is *global* max pooling"),
        (image.reshape(2, 3, 2, 4).max(axis=(0, 2)), "the blocks are mixed up: `(height // 2, 2, width // 2, 2)`"),
        (blocks.max(axis=(0, 2)), "the axes are mixed up: after the reshape, axes 1 and 3 lie inside a block"),
    ]
    return difference(answer(image.copy()), blocks.max(axis=(1, 3)), mistakes)
