"""Checks of lesson 1, image operations."""

from collections.abc import Callable

import cv2
import numpy as np

from fernb import config
from fernb.checks import difference, exercise
from fernb.config import FACE_SIDE
from fernb.labels import EMOTIONS
from fernb.vision import images


def _expect_uint8(image: object) -> str | None:
    """Return a hint unless ``image`` is an array of uint8."""
    kind = getattr(image, "dtype", type(image).__name__)
    return None if kind == np.uint8 else f"the image should be uint8, and this is {kind}; `.astype(np.uint8)` converts"


def to_input(rgb: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return what is in ``box`` (x, y, width, height) of an RGB image, stretched to grey uint8 ``(48, 48)``."""
    x, y, w, h = box
    grey = images.to_grey(rgb[y : y + h, x : x + w])
    return cv2.resize(grey, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_AREA)


@exercise("01.1")
def negative(answer: Callable) -> str | None:
    """Black becomes white and white becomes black."""
    image = np.array([[0, 1, 100], [128, 200, 255]], np.uint8)
    try:
        got = answer(image.copy())
    except OverflowError as error:
        return f"{error}: a uint8 holds 0 to 255, and black, 0, becomes 255 (not 256)"
    mistakes = [
        (image, "this is the image itself, unchanged"),
        (-image, "0 stays 0 here, but black should become white, 255: count down from 255"),
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
    try:
        got = answer(image.copy())
    except cv2.error as error:
        if "kernel is not a numpy array" not in str(error):
            raise
        return "OpenCV wants the kernel as an array, not a list: `np.array([…])`"
    hint = difference(got, 2 * grey - mean, mistakes)
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
    if answer > truth and found[int(answer)]:
        return "her face is lost earlier; draw the box that is found at a larger angle"
    return "no box here, right, but her face is lost at a smaller angle already" if answer > truth else None


@exercise("01.4")
def to_input_of(answer: Callable) -> str | None:
    """A box of a colour image, as a grey image of 48×48."""
    image = np.random.default_rng(4).integers(0, 256, (190, 180, 3)).astype(np.uint8)
    box = x, y, w, h = 10, 30, 96, 144  # whole blocks, and an image even where the slice is wrong
    box_2 = 25, 7, 95, 70
    got, got_2 = answer(image.copy(), box), answer(image.copy(), box_2)
    if got is not None and np.array_equal(got, got_2):
        return "the result is the same for every box: take `box` apart in your function, and crop first"
    if np.ndim(got) == 3:
        return "there are still three channels: make the image grey"
    part = image[y : y + h, x : x + w]
    plain_mean = part.mean(axis=2).round().astype(np.uint8)
    default = cv2.resize(images.to_grey(part), (FACE_SIDE, FACE_SIDE))
    mistakes = [
        (to_input(image, (y, x, h, w)), "rows and columns are swapped; a slice takes the rows first: y, then x"),
        (to_input(image, (x, y, w - x, h - y)), "a slice ends at y + h and x + w, not at h and w"),
        (to_input(image, (x, y, h, w)), "width and height are swapped: y belongs to the height, x to the width"),
        (to_input(image[..., ::-1], box), "red and blue are swapped: the image is RGB, not BGR"),
        (
            cv2.resize(plain_mean, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_AREA),
            "weight the channels (section 3)",
        ),
        (images.to_grey(part)[::3, ::2], "most pixels were dropped: use interpolation=cv2.INTER_AREA"),
        (default, "most pixels were dropped, as cv2.resize does by default: use interpolation=cv2.INTER_AREA"),
    ]
    return (
        difference(got, to_input(image, box), mistakes, atol=2)
        or _expect_uint8(got)
        or difference(got_2, to_input(image, box_2), atol=2)
    )


@exercise("01.5")
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
