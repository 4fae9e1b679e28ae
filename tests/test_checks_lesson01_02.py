"""The checks of lessons 0 to 2: solutions are right, and a typical mistake gets the hint that fits it."""

import re

import cv2
import numpy as np
import pytest

import fernb
from fernb import config
from fernb.checks import RIGHT, judge, lesson01, lesson02, right_or


def filter_with(image, middle, around):
    kernel = np.full((3, 3), around)
    kernel[1, 1] = middle
    return cv2.filter2D(image.astype(float), -1, kernel)


def cut(rgb, box):
    x, y, w, h = box
    return rgb[y : y + h, x : x + w]


def to_48(rgb, how=cv2.INTER_AREA):
    return cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (48, 48), interpolation=how)


def by_row(scores):
    return np.exp(scores - scores.max(axis=1, keepdims=True))


def shift(scores):
    return scores - scores.max(axis=1, keepdims=True)


def late_shift(scores):
    return np.exp(scores) - scores.max(axis=1, keepdims=True)


def one_maximum(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum(axis=1, keepdims=True)


def without_softmax(weights, bias, x, labels, penalty):
    error = x @ weights + bias - np.eye(len(bias))[labels]
    return x.T @ error / len(x) + penalty * weights, error.mean(axis=0)


def with_the_penalty_itself(weights, bias, x, labels, penalty):
    slopes, bias_slopes = lesson02.gradient(weights, bias, x, labels, 0)
    return slopes + penalty / 2 * weights**2, bias_slopes


def with_the_sum_of_the_weights(weights, bias, x, labels, penalty):
    slopes, bias_slopes = lesson02.gradient(weights, bias, x, labels, 0)
    return slopes + penalty * weights.sum(), bias_slopes


def with_the_mean_over_pixels(weights, bias, x, labels, penalty):
    slopes, bias_slopes = lesson02.gradient(weights, bias, x, labels, 0)
    return len(x) * slopes / len(weights) + penalty * weights, bias_slopes


def in_place(weights, bias, x, labels, rate, penalty):
    slopes, bias_slopes = lesson02.gradient(weights, bias, x, labels, penalty)
    weights -= rate * slopes
    bias -= rate * bias_slopes
    return weights, bias


SHARPEN = np.full((3, 3), -1 / 9)
SHARPEN[1, 1] += 2
FOUR_NEIGHBOURS = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])


@pytest.mark.parametrize(
    ("number", "answers", "word"),
    [
        ("00.1", (lambda n: n * 48,), "one row or column"),
        ("00.1", (lambda n: 48 * 48,), "`n` may be any number"),
        ("00.1", (lambda n: n * (48 + 48),), "multiplied, not added"),
        ("00.1", (lambda n: (48 * n) ** 2,), "`n` stands in it twice"),
        ("00.1", (lambda n: n * 48 * 48 * 3,), "not colours"),
        ("00.1", (lambda n: n * 48 * 47,), "for n = 5"),
        ("01.1", (lambda image: -image,), "255"),
        ("01.1", (lambda image: 255.0 - image,), "uint8"),
        ("01.1", (lambda image: image,), "unchanged"),
        ("01.1", (lambda image: 256 - image,), "not 256"),
        ("01.1", (np.zeros((2, 3), np.uint8),), "without brackets"),
        ("01.2", (lambda image: cv2.blur(image.astype(float), (3, 3)),), "blur"),
        ("01.2", (lambda image: image - cv2.blur(image.astype(float), (3, 3)),), "image once more"),
        ("01.2", (lambda image: filter_with(image, 2, -1 / 8),), "all nine"),
        ("01.2", (lambda image: filter_with(image, 2, -1 / 9),), "add up to 1"),
        ("01.2", (lambda image: cv2.filter2D(image, -1, SHARPEN),), "float"),
        ("01.2", (lambda image: filter_with(image, 2 - 1 / 9, -1 / 9).clip(0, 255),), "do not clip"),
        ("01.2", (lambda image: cv2.filter2D(image.astype(float), -1, FOUR_NEIGHBOURS),), "section 5"),
        ("01.2", (lambda image: filter_with(image, 17, -1.0),), "add up to 9;"),
        ("01.2", (lambda image: filter_with(image, 2 + 1 / 9, -1 / 9),), "add up to 1.222;"),
        ("01.2", (lambda image: cv2.filter2D(image.astype(float), -1, SHARPEN.tolist()),), "np.array"),
        ("01.3", (0,), "still"),
        ("01.3", (30,), "smaller angle"),
        ("01.3", (45,), "earlier"),
        ("01.3", ([25],), "one of the angles"),
        ("01.3", (17,), "one of the angles"),
        ("01.3", ("thirty",), "one of the angles"),
        ("01.4", (lambda rgb, box: to_48(rgb[box[0] : box[0] + box[2], box[1] : box[1] + box[3]]),), "rows first"),
        ("01.4", (lambda rgb, box: to_48(rgb[box[1] : box[3], box[0] : box[2]]),), "ends at"),
        ("01.4", (lambda rgb, box: to_48(rgb),), "every box"),
        ("01.4", (lambda rgb, box: lesson01.to_input(rgb[..., ::-1], box),), "red and blue"),
        ("01.4", (lambda rgb, box: to_48(cut(rgb, box), cv2.INTER_LINEAR),), "by default"),
        ("01.4", (lambda rgb, box: to_48(cut(rgb, box), cv2.INTER_NEAREST),), "dropped: use"),
        ("01.4", (lambda rgb, box: cv2.resize(cut(rgb, box), (48, 48)),), "three channels"),
        ("01.4", (lambda rgb, box: to_48(cut(rgb, box)).astype(float),), "uint8"),
        ("01.4", (lambda rgb, box: to_48(cut(rgb, (*box[:2], 96, 144))),), "should be"),
        ("01.5", (lambda labels, names: labels,), "Keras"),
        ("01.5", (lambda labels, names: np.array(names)[labels],), "text"),
        ("01.5", (lambda labels, names: [fernb.EMOTIONS.index(name) for name in names][labels],), "array"),
        ("02.1", (np.exp,), "divide each row"),
        ("02.1", (lambda scores: np.exp(scores) / np.exp(scores).sum(),), "all samples"),
        ("02.1", (lambda scores: np.exp(scores) / np.exp(scores).sum(0),), "axis 1"),
        ("02.1", (lambda scores: np.exp(scores) / np.exp(scores).sum(1),), "keepdims"),
        ("02.1", (lambda scores: np.exp(scores) / np.exp(scores).sum(1, keepdims=True),), "largest score"),
        ("02.1", (one_maximum,), "each row"),
        ("02.1", (lambda scores: (powers := by_row(scores)) / powers.sum(),), "each *row*"),
        ("02.1", (lambda scores: (powers := by_row(scores)) / powers.sum(0),), "axis 1"),
        ("02.1", (lambda scores: np.exp(scores) / scores.sum(1, keepdims=True),), "not of the scores"),
        ("02.1", (lambda scores: by_row(scores) / np.exp(scores).sum(1, keepdims=True),), "fraction bar"),
        ("02.1", (lambda scores: (late := late_shift(scores)) / late.sum(1, keepdims=True),), "*inside*"),
        ("02.1", (lambda scores: scores / scores.sum(1, keepdims=True),), "exponential is missing"),
        ("02.1", (lambda scores: (part := shift(scores)) / part.sum(1, keepdims=True),), "exponential is missing"),
        ("02.2", (lambda probs, labels: -np.log(probs[np.arange(len(labels)), labels]).sum(),), "mean"),
        ("02.2", (lambda probs, labels: -np.log(probs[labels]).mean(),), "whole rows"),
        ("02.2", (lambda probs, labels: -np.log(probs.max(1)).mean(),), "true"),
        ("02.2", (lambda probs, labels: -(np.eye(probs.shape[1])[labels] * np.log(probs)).mean(),), "classes"),
        ("02.2", (lambda probs, labels: -np.log(probs[:, labels]).mean(),), "pairs"),
        ("02.2", (lambda probs, labels: -np.log(probs[np.arange(len(labels)), labels]).mean(),), "clip"),
        ("02.3", (lambda *problem: lesson02.gradient(*problem)[0],), "two things"),
        ("02.3", (lambda *problem: lesson02.gradient(*problem[:4], 0),), "penalty"),
        ("02.3", (lambda *problem: [-part for part in lesson02.gradient(*problem)],), "uphill"),
        ("02.3", (lambda *problem: (lesson02.gradient(*problem)[0], 8 * lesson02.gradient(*problem)[1]),), "bias"),
        ("02.3", (lambda w, b, *rest: lesson02.gradient(w, 0 * b, *rest),), "bias is missing"),
        ("02.3", (lambda *problem: lesson02.gradient(*problem[:4], problem[4] / 8),), "not the penalty"),
        ("02.3", (lambda *problem: lesson02.gradient(*problem[:4], 2 * problem[4]),), "the 2 cancels"),
        ("02.3", (lambda w, b, x, *rest: (x @ (x @ w + b), b),), "transpose `x`"),
        ("02.3", (without_softmax,), "softmax is missing"),
        ("02.3", (with_the_penalty_itself,), "the penalty itself"),
        ("02.3", (with_the_sum_of_the_weights,), "not their sum"),
        ("02.3", (with_the_mean_over_pixels,), "number of samples"),
        ("02.4", (lambda *args: lesson02.step(*args[:4], -args[4], args[5]),), "uphill"),
        ("02.4", (lambda *args: lesson02.step(*args[:4], 1, args[5]),), "learning rate"),
        ("02.4", (lambda *args: (lesson02.step(*args)[0], args[1]),), "bias: these are still the old"),
        ("02.4", (lambda w, b, x, t, rate, *rest: w - rate * lesson02.gradient(w, b, x, t, *rest),), "take them apart"),
        ("02.4", (in_place,), "overwrote"),
        ("02.4", (lambda *args: lesson02.step(*args[:5], 0),), "hand it on"),
        ("02.4", (lambda *args: lesson02.step(*args[:5], 2 * args[5]),), "twice"),
        ("02.4", (lambda *args: lesson02.step(*args[:4], args[5], args[4]),), "changed places"),
        ("02.5", (lambda confusion: confusion.diagonal() / confusion.sum(1),), "recall"),
        ("02.5", (lambda confusion: confusion.diagonal() / confusion.sum(0),), "never answered"),
        ("02.5", (lambda confusion: confusion.diagonal() / (confusion.sum(0) + 1),), "adding 1"),
        ("02.6", (lambda image: image[::2, ::2],), "top left"),
        ("02.6", (lambda image: image.reshape(3, 2, 4, 2).mean((1, 3)),), "maximum"),
        ("02.6", (lambda image: image.reshape(2, 3, 2, 4).max((0, 2)),), "height // 2"),
        ("02.6", (lambda image: None,), "return"),
    ],
)
def test_a_mistake_gets_its_hint(number, answers, word):
    verdict = judge(number, *answers)
    assert word in verdict.hint, verdict


def test_the_angle_is_the_one_that_the_cascade_gives():
    right = [angle for angle in range(0, 65, 5) if judge("01.3", angle).outcome == RIGHT]
    assert len(right) == 1


def test_the_functions_that_stand_in_for_the_readers_are_right():
    functions = (lesson02.softmax, lesson02.cross_entropy, lesson02.gradient, lesson02.step)
    for k, function in enumerate(functions, start=1):
        assert judge(f"02.{k}", function).outcome == RIGHT


def test_a_lesson_goes_on_with_what_is_right(capsys):
    def empty(scores):
        return ...

    def wrong(scores):
        raise ValueError

    def own(scores):
        return lesson02.softmax(scores)

    for answer, goes_on in ((empty, lesson02.softmax), (wrong, lesson02.softmax), (own, own)):
        assert right_or("02.1", answer, lesson02.softmax) is goes_on
    assert capsys.readouterr().out.count("the function of fernb") == 2


@pytest.mark.parametrize(("lesson", "functions"), [("01", 4), ("02", 6)])
def test_the_solutions_are_right(lesson, functions):
    """The functions among them; ``make notebooks`` tries all of them where they stand."""
    text = (config.ROOT / "notebooks" / "solutions" / f"{lesson}.py").read_text(encoding="utf-8")
    blocks = [block for block in text.split("# %% ")[1:] if "\ndef " in block]
    assert len(blocks) == functions
    names = {"np": np, "cv2": cv2, "fernb": fernb}
    for block in blocks:
        exec(block.partition("\n")[2], names)
        function = names[re.search(r"^def (\w+)", block, re.MULTILINE)[1]]
        assert judge(block[:5].strip(), function).outcome == RIGHT, block
