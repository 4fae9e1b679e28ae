"""The checks of lessons 1 and 2: solutions are right, and a typical mistake gets the hint that fits it."""

import cv2
import numpy as np
import pytest

import fernb
from fernb import config
from fernb.checks import RIGHT, judge


def local_means(image, size):
    return cv2.blur(image.astype(float), (size, size))


def black_and_white(condition):
    return np.where(condition, 255, 0).astype(np.uint8)


def filter_with(image, middle, around):
    kernel = np.full((3, 3), around)
    kernel[1, 1] = middle
    return cv2.filter2D(image.astype(float), -1, kernel)


SHARPEN = np.full((3, 3), -1 / 9)
SHARPEN[1, 1] += 2
FOUR_NEIGHBOURS = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])


def descend(rate, steps):
    """Stand in for the lesson's function: 1 is the best rate, larger ones blow up."""
    return [rate if rate > 1 else 1 / rate] * steps


@pytest.mark.parametrize(
    ("number", "answers", "word"),
    [
        ("01.1", (lambda image: -image,), "255"),
        ("01.1", (lambda image: 255.0 - image,), "uint8"),
        ("01.1", (lambda image: image,), "unchanged"),
        ("01.1", (np.zeros((2, 3), np.uint8),), "without brackets"),
        ("01.2", (lambda image: image[: min(image.shape[:2]), : min(image.shape[:2])],), "top left"),
        ("01.2", (lambda image: image,), "shape"),
        ("01.3", (lambda image: cv2.blur(image.astype(float), (3, 3)),), "blur"),
        ("01.3", (lambda image: image - cv2.blur(image.astype(float), (3, 3)),), "image once more"),
        ("01.3", (lambda image: filter_with(image, 2, -1 / 8),), "all nine"),
        ("01.3", (lambda image: filter_with(image, 2, -1 / 9),), "add up to 1"),
        ("01.3", (lambda image: cv2.filter2D(image, -1, SHARPEN),), "float"),
        ("01.3", (lambda image: cv2.filter2D(image.astype(float), -1, FOUR_NEIGHBOURS),), "section 8"),
        ("01.4", (0,), "still"),
        ("01.4", (45,), "earlier"),
        ("01.4", ([25],), "one of the angles"),
        ("01.4", (17,), "one of the angles"),
        ("01.4", ("thirty",), "one of the angles"),
        ("01.5", (lambda image, size, offset: black_and_white(image > local_means(image, size)),), "offset"),
        ("01.5", (lambda image, size, offset: image > local_means(image, size) - offset,), "255"),
        ("01.6", (lambda labels, names: labels,), "Keras"),
        ("01.6", (lambda labels, names: np.array(names)[labels],), "text"),
        ("01.6", (lambda labels, names: [fernb.EMOTIONS.index(name) for name in names][labels],), "array"),
        ("02.1", (lambda probs, labels: np.sum(probs.argmax(1) == labels),), "divide"),
        ("02.1", (lambda probs, labels: probs.argmax(1) == labels,), "mean"),
        ("02.1", (lambda probs, labels: np.mean(probs.max(1) == labels),), "argmax"),
        ("02.2", (lambda confusion: confusion.diagonal() / confusion.sum(1),), "recall"),
        ("02.2", (lambda confusion: confusion.diagonal() / confusion.sum(0),), "never answered"),
        ("02.3", (lambda labels, classes: 1 / np.bincount(labels),), "direction"),
        ("02.3", (lambda labels, classes: np.bincount(labels),), "large"),
        ("02.3", (lambda labels, classes: len(labels) / classes * np.bincount(labels),), "brackets"),
        ("02.4", (lambda image: image[::2, ::2],), "top left"),
        ("02.4", (lambda image: image.reshape(3, 2, 4, 2).mean((1, 3)),), "maximum"),
        ("02.5", (0.01, descend), "slowly"),
        ("02.5", (100, descend), "too large"),
        ("02.5", ("large", descend), "learning rate itself"),
        ("02.6", (lambda images: images[:, :24].reshape(len(images), -1) / 255,), "upper"),
        ("02.6", (lambda images: images[:, 24:] / 255,), "flatten"),
        ("02.6", (lambda images: images[:, 24:].reshape(len(images), -1),), "255"),
        ("02.6", (lambda images: None,), "return"),
    ],
)
def test_a_mistake_gets_its_hint(number, answers, word):
    verdict = judge(number, *answers)
    assert word in verdict.hint, verdict


def test_the_angle_is_the_one_that_the_cascade_gives():
    right = [angle for angle in range(0, 65, 5) if judge("01.4", angle).outcome == RIGHT]
    assert len(right) == 1


def test_a_learning_rate_is_right():
    assert judge("02.5", 1, descend).outcome == RIGHT


@pytest.mark.parametrize("lesson", ["01", "02"])
def test_the_solutions_are_right(lesson):
    """The functions among them; ``make notebooks`` tries all of them where they stand."""
    text = (config.ROOT / "notebooks" / "solutions" / f"{lesson}.py").read_text(encoding="utf-8")
    blocks = [block for block in text.split("# %% ")[1:] if "\ndef " in block]
    assert len(blocks) == 5
    for block in blocks:
        names = {"np": np, "cv2": cv2, "fernb": fernb}
        exec(block.partition("\n")[2], names)
        function = next(value for name, value in names.items() if callable(value) and name != "__builtins__")
        assert judge(block[:5].strip(), function).outcome == RIGHT, block
