"""Checks of lesson 7, neural style transfer."""

import numpy as np

from fernb.checks import difference, exercise


@exercise("07.1")
def gram(function) -> str | None:
    maps = np.array([[1, 2], [3, 0], [0, 1], [2, 1]], float).reshape(2, 2, 2)
    flat = maps.reshape(4, 2)
    mistakes = [
        (flat.T @ flat, "you added the products up; a mean also divides by the number of places"),
        (flat @ flat.T / 4, "that pairs places with places; pair the maps: the result has one row for each map"),
        (flat.T @ flat / 8, "divide by the number of places, not by the number of values"),
    ]
    return difference(function(maps), [[3.5, 1], [1, 1.5]], mistakes)


@exercise("07.2")
def absolute_variation(function) -> str | None:
    image = np.array([[0, 0.5, 0.5], [1, 0.5, 0.0]])
    down, across = np.diff(image, axis=0), np.diff(image, axis=1)
    mistakes = [
        (abs(down).sum() + abs(across).sum(), "take the mean of the steps, not their sum"),
        (down.mean() + across.mean(), "take absolute values, or steps up and down cancel out"),
        (abs(down).mean(), "the steps to the right are missing"),
        (abs(across).mean(), "the steps downwards are missing"),
    ]
    return difference(function(image), abs(down).mean() + abs(across).mean(), mistakes)


@exercise("07.3")
def first_layer(answer) -> str | None:
    if answer not in ("directions", "sizes"):
        return 'answer "directions" or "sizes"'
    if answer == "directions":
        return "filters of the first layer are small edge detectors, one for each direction; that much they do see"
    return None


@exercise("07.4")
def framed(function) -> str | None:
    original, painted = np.zeros((6, 8, 3), np.uint8), np.full((6, 8, 3), 9, np.uint8)
    before = original.copy()
    for width in (2, 1, 0):
        expected = np.pad(np.full((6 - 2 * width, 8 - 2 * width), 9), width)
        got = function(original, painted, width)
        hint = difference(got if got is None else np.asarray(got)[..., 0], expected)
        if hint:
            return f"with width {width}: {hint}" + ("; [0:-0] is empty in NumPy" if width == 0 else "")
    return None if np.array_equal(original, before) else "your function changed the original; work on a copy"


@exercise("07.5")
def cost_of_strength(factor, final_content_loss) -> str | None:
    truth = final_content_loss(10) / final_content_loss(0.1)
    if np.isclose(factor, 1 / truth, rtol=0.02):
        return "that is the other way round: divide the loss at strength 10 by the one at 0.1"
    return difference(factor, truth, rtol=0.02)
