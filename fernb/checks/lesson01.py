"""Checks of lesson 1, image operations."""

from collections.abc import Callable

import cv2
import numpy as np

from fernb import config
from fernb.checks import difference, exercise
from fernb.labels import EMOTIONS
from fernb.vision import images


def _expect_uint8(image: object) -> str | None:
    """Return a hint unless ``image`` is an array of uint8."""
    kind = getattr(image, "dtype", type(image).__name__)
    return None if kind == np.uint8 else f"the image should be uint8, and this is {kind}; `.astype(np.uint8)` converts"


@exercise("01.1")
def negative(answer: Callable) -> str | None:
    """Black becomes white and white becomes black."""
    image = np.array([[0, 1, 100], [128, 200, 255]], np.uint8)
    got = answer(image.copy())
    mistakes = [
        (image, "this is the image itself, unchanged"),
        (-image, "-image turns 0 into 0, but black should become white: count down from 255"),
        (256 - image.astype(int), "the brightest pixel value is 255, not 256"),
        (image[:, ::-1], "this mirrors the image; change the pixel values, not their places"),
    ]
    return difference(got, 255 - image, mistakes) or _expect_uint8(got)


@exercise("01.2")
def sharpen(answer: Callable) -> str | None:
    """One kernel: twice the image less its mean of nine."""
    image = np.random.default_rng(1).integers(0, 256, (6, 7)).astype(np.uint8)
    grey, mean = image.astype(float), cv2.blur(image.astype(float), (3, 3))
    section_5 = cv2.filter2D(grey, -1, np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]))
    mistakes = [
        (section_5, "this sharpens, as in section 5; here subtract the mean of all nine pixels, 1/9 each"),
        (mean, "this is the blur; you want the image plus what the blur took away"),
        (grey - mean, "this is only the detail, image − mean: add the image once more (2 in the middle, less 1/9)"),
        (grey + mean, "the mean has to be subtracted, not added"),
        (grey, "this kernel changes nothing"),
        (10 * grey - 9 * mean, "too strong: divide the nine ones of the mean by nine"),
        (2 * grey - (9 * mean - grey) / 8, "the mean is that of all nine pixels, the one in the middle among them"),
        (2 * grey - mean + grey / 9, "the weights must add up to 1: the mean takes 1/9 from the middle, too"),
        (grey - mean + grey / 9, "twice the image less its mean: the middle is 2 − 1/9"),
        (grey - mean + grey * 2 / 9, "twice the image less its mean: the middle is 2 − 1/9"),
        ((2 * grey - mean).clip(0, 255), "do not clip: return the sums as they are, also those below 0 or above 255"),
        (np.rint(2 * grey - mean).clip(0, 255), "the values were cut to 0…255: filter the image as float"),
    ]
    hint = difference(answer(image.copy()), 2 * grey - mean, mistakes)
    if hint is None or any(hint == known for _, known in mistakes):
        return hint
    return _expect_sum_1(answer) or hint


def _expect_sum_1(answer: Callable) -> str | None:
    """Return a hint where a filter changes the brightness of a plain image."""
    plain = np.asarray(answer(np.ones((5, 6), np.uint8)))
    if plain.shape != (5, 6) or plain.dtype.kind != "f" or not np.ptp(plain[1:-1, 1:-1]) < 1e-6:
        return None
    total = plain[2, 2]
    if abs(total - 1) < 1e-6:
        return None
    return f"the weights of your kernel add up to {total:.4g}; they must add up to 1, or the brightness changes"


@exercise("01.3")
def first_lost_angle(answer: float) -> str | None:
    """The smallest angle at which the cascade finds no face in the sample photograph."""
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    grey = images.to_grey(images.read_image(config.SAMPLES / "eileen_collins.jpg"))
    found = {
        angle: len(cascade.detectMultiScale(images.rotate(grey, angle), scaleFactor=1.1, minNeighbors=5)) > 0
        for angle in range(0, 65, 5)
    }
    truth = next(angle for angle, any_face in found.items() if not any_face)
    if not isinstance(answer, int | float | np.number) or answer not in found:
        return "the answer is one of the angles 0, 5, 10 … 60, as a number"
    if answer < truth:
        return "there the cascade still finds her face"
    return "her face is lost earlier; draw the box that is found at a larger angle" if answer > truth else None


@exercise("01.4")
def to_fernb(answer: Callable) -> str | None:
    """Labels by alphabet become labels in fernb's order."""
    names = sorted(EMOTIONS)
    labels = np.array([0, 4, 5, 6, 3, 4, 1, 2])
    expected = [EMOTIONS.index(names[label]) for label in labels]
    mistakes = [
        (labels, "these are the labels as Keras numbers them"),
        (
            [names.index(EMOTIONS[label]) for label in labels],
            "this is the way back: from fernb's numbers to Keras's; look each *Keras* name up in fernb.EMOTIONS",
        ),
    ]
    shuffled = list(reversed(names))
    return difference(_lookup(answer, labels, names), expected, mistakes) or difference(
        _lookup(answer, labels, shuffled), [EMOTIONS.index(shuffled[label]) for label in labels]
    )


def _lookup(answer: Callable, labels: np.ndarray, names: list[str]) -> object:
    """Return what the reader's function makes of ``labels``; a plain list as its table is told what it lacks."""
    try:
        return answer(labels.copy(), list(names))
    except TypeError as error:
        if "integer" in str(error) and "ind" in str(error):
            raise TypeError(
                "a list cannot be looked up with an array of labels: make it an array, np.array([…])"
            ) from error
        raise
