"""Checks of lesson 7, neural style transfer."""

import numpy as np

from fernb.checks import difference, exercise


@exercise("07.1")
def gram_matrix(function) -> str | None:
    maps = np.array([[1, 2], [3, 0], [0, 1], [2, 1], [4, 0], [2, 5]], np.float32).reshape(1, 2, 3, 2)
    flat = maps.reshape(6, 2)
    centred = flat - flat.mean(0)
    mistakes = [
        (flat.T @ flat, "you added the products up; a mean also divides by the number of places"),
        (flat.T @ flat / 12, "divide by the number of places, not by the number of values"),
        (flat.T @ flat / 2, "divide by the number of places, not by the number of filters"),
        (flat @ flat.T / 6, "that pairs places with places; pair the filters: the result has one row for each filter"),
        (flat @ flat.T / 2, "that pairs places with places; pair the filters: the result has one row for each filter"),
        (
            maps.reshape(2, 6) @ maps.reshape(2, 6).T / 6,
            "a reshape cannot exchange axes: make the table (places, filters), and transpose it in the product",
        ),
        (centred.T @ centred / 6, "subtract nothing yet; the shift comes later in the lesson"),
        (flat.T @ flat / 6 * np.eye(2), "that pairs each filter only with itself; pair it with all the others too"),
    ]
    return _follows(function, maps) or difference(function(_tensor(maps)), flat.T @ flat / 6, mistakes)


@exercise("07.2")
def style_loss(function) -> str | None:
    gram = np.array([[4, 1], [1, 2]], np.float32)
    wanted = np.array([[3.5, 1.5], [1.5, 1]], np.float32)
    off, square = (gram - wanted) ** 2, wanted**2
    truth = off.mean() / square.mean()
    mistakes = [
        (off.mean(), "divide by the mean square of the Gram matrix that is wanted"),
        (off.mean() / (gram**2).mean(), "divide by the mean square of `wanted`, not of `made`"),
        (off.sum() / square.mean(), "take the mean of the squared differences, not their sum"),
        (off.mean() / square.sum(), "divide by the mean of the squares of `wanted`, not by their sum"),
        (np.sqrt(truth), "no square root: it is a ratio of two means of squares"),
        (off.mean() / wanted.mean() ** 2, "square first, then take the mean: mean of `wanted**2`"),
        (abs(gram - wanted).mean() / abs(wanted).mean(), "take squares, not absolute values"),
        ((off / square).mean(), "take the two means first, and divide one by the other"),
        (off / square.mean(), "one number is asked for: take the mean of the squared differences"),
    ]
    return _follows(function, gram, wanted) or difference(function(_tensor(gram), _tensor(wanted)), truth, mistakes)


def _other_corners(image: np.ndarray) -> list[tuple[float, str]]:
    """Return what comes out where the two differences do not start at the same pixel."""
    down = (image[:, 1:, :-1] - image[:, :-1, :-1]) / 255
    across = (image[:, :-1, 1:] - image[:, :-1, :-1]) / 255
    other_row = (image[:, 1:, 1:] - image[:, 1:, :-1]) / 255
    other_column = (image[:, 1:, 1:] - image[:, :-1, 1:]) / 255
    return [
        (
            np.sqrt(down**2 + other_row**2 + 1e-4).mean() - 1e-2,
            "across starts at the same pixel as down: image[:, :-1, 1:] - image[:, :-1, :-1]",
        ),
        (
            np.sqrt(other_column**2 + across**2 + 1e-4).mean() - 1e-2,
            "down starts at the same pixel as across: image[:, 1:, :-1] - image[:, :-1, :-1]",
        ),
    ]


@exercise("07.3")
def total_variation(function) -> str | None:
    image = np.array([[0, 120, 150, 30], [250, 100, 0, 80], [50, 230, 180, 200]], np.float32)[None, ..., None]
    down = (image[:, 1:, :-1] - image[:, :-1, :-1]) / 255
    across = (image[:, :-1, 1:] - image[:, :-1, :-1]) / 255
    squares = down**2 + across**2
    lengths = np.sqrt(squares + 1e-4)
    mistakes = [
        *_other_corners(image),
        (lengths.mean(), "subtract 0.01 at the end, so that a plain area has none"),
        (
            np.sqrt(squares).mean(),
            "add 1e-4 under the square root, which is infinitely steep at 0; at the end subtract 0.01",
        ),
        (np.sqrt(squares).mean() - 1e-2, "add 1e-4 under the square root, which is infinitely steep at 0"),
        (lengths.sum() - 1e-2, "take the mean of the lengths, not their sum"),
        ((abs(down) + abs(across)).mean(), "the length of an arrow is the square root of down² + across²"),
        ((abs(down) + abs(across)).mean() / 2, "the length of an arrow is the square root of down² + across²"),
        (
            abs(image[:, 1:] - image[:, :-1]).mean() / 255 + abs(image[:, :, 1:] - image[:, :, :-1]).mean() / 255,
            "the length of an arrow is the square root of down² + across²",
        ),
        (
            abs(down).sum() + abs(across).sum(),
            "the length of an arrow is the square root of down² + across²; take their mean",
        ),
        (squares.mean(), "the square root is missing"),
        (np.sqrt(squares.mean() + 1e-4) - 1e-2, "first the length of each arrow, then the mean: the root goes inside"),
        (255 * np.sqrt(squares + 1e-4 / 255**2).mean() - 1e-2, "divide both steps by 255"),
        (np.sqrt(down**2 + (255 * across) ** 2 + 1e-4).mean() - 1e-2, "divide `across` by 255 too, like `down`"),
        (np.sqrt(down**2 + 1e-4).mean() - 1e-2, "the steps to the right are missing"),
        (np.sqrt(across**2 + 1e-4).mean() - 1e-2, "the steps downwards are missing"),
    ]
    import tensorflow as tf

    try:
        got = function(_tensor(image))
    except tf.errors.InvalidArgumentError as error:
        if "ncompatible shapes" not in str(error):
            raise
        return "down and across have different shapes; leave the last column out of down, the last row out of across"
    hint = difference(got, np.mean(lengths) - 1e-2, mistakes, rtol=1e-5)
    return hint or _follows(function, image) or _follows(function, np.full_like(image, 128))


def _tensor(array: np.ndarray):
    import tensorflow as tf  # here and not above: the other checks do without it

    return tf.constant(array)


def _follows(function, array: np.ndarray, *more: np.ndarray) -> str | None:
    """Return a hint where TensorFlow finds no gradient of the reader's function with respect to ``array``."""
    import tensorflow as tf

    changed, others = tf.constant(array), [tf.constant(one) for one in more]
    with tf.GradientTape() as tape:
        tape.watch(changed)
        result = function(changed, *others)
    if result is None:
        return "your function returned None; is the `return` missing?"
    gradient = tape.gradient(result, changed) if tf.is_tensor(result) else None
    if gradient is None:
        return "the gradient gets lost: calculate with TensorFlow (tf.matmul, tf.reduce_mean, tf.sqrt), not with NumPy"
    if not np.isfinite(gradient).all():
        return "the gradient of a plain area is NaN: a square root is infinitely steep at 0; add 1e-4 under it"
    return None


@exercise("07.4")
def price_of_strength(price_low, price_high, at_end) -> str | None:
    low, high = _rise_and_fall(at_end[0.1], at_end[1]), _rise_and_fall(at_end[1], at_end[10])
    return _price("price_low", price_low, low, high, "0.1 to 1") or _price(
        "price_high", price_high, high, low, "1 to 10"
    )


def _rise_and_fall(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Return what the answers to 07.4 are made of: total, content, style, total variation before and after a step."""
    rise, fall = after[1] - before[1], before[2] - after[2]
    factors = after[1] / max(before[1], 1e-9), after[2] / before[2]
    total = after[0] - before[0]
    return {"price": rise / fall, "rise": rise, "fall": fall, "factors": factors, "total": total / fall}


def _price(name: str, got: object, step: dict, other: dict, strengths: str) -> str | None:
    """Compare with the truth within 2 %, without giving the number away."""
    if isinstance(got, str) or np.asarray(got).ndim:
        return f"{name} should be one number"
    mistakes = [
        (-step["price"], f"{name} has the wrong sign: the fall of the style loss is the earlier minus the later"),
        (1 / step["price"], f"{name} is the other way round: divide the rise of content by the fall of style"),
        (-1 / step["price"], f"{name} is the other way round: divide the rise of content by the fall of style"),
        (other["price"], f"{name} is about the step from strength {strengths}; yours is the price of the other step"),
        (step["rise"], f"{name} is only the rise of the content loss; divide it by the fall of the style loss"),
        (step["total"], f"{name} takes the rise of the totals; the content loss is at index 1"),
        *(
            (factor, f"{name} is made of differences, not of factors: the objective is a sum")
            for factor in step["factors"]
        ),
    ]
    hint = difference(got, step["price"], mistakes, rtol=0.02)
    if hint and hint.startswith("the value"):
        return f"{name} is not that; from strength {strengths}, divide the rise at index 1 by the fall at index 2"
    return hint


@exercise("07.5")
def face_left_alone(outside, blend) -> str | None:
    return _outside(outside) or _blend(blend)


def _outside(function) -> str | None:
    expected, swapped = np.ones((6, 8)), np.ones((6, 8))
    expected[1:4, 2:7] = 0  # x 2, y 1, w 5, h 3
    swapped[2:7, 1:4] = 0
    ends = np.ones((6, 8))
    ends[1:3, 2:5] = 0
    mistakes = [
        (1 - expected, "outside: the mask is 0 on the face and 1 around it; yours is the other way round"),
        (swapped, "outside: the first index of an array is the row, so y and h come first"),
        (ends, "outside: w and h are sizes; the box ends at x + w and y + h"),
    ]
    return difference(function(6, 8, (2, 1, 5, 3)), expected, mistakes)


def _blend(function) -> str | None:
    rng = np.random.default_rng(7)
    original, painted = rng.integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    mask = np.linspace(0, 1, 20).reshape(4, 5)
    before, weight = original.copy(), mask[..., None]
    expected = np.rint(painted * weight + original * (1 - weight))
    mistakes = [
        (np.rint(original * weight + painted * (1 - weight)), "the mask is the wrong way round: painted where it is 1"),
        *(
            (np.where(switch, painted, original), "between 0 and 1 the mask asks for a mixture, not for one of both")
            for switch in (weight >= 0.5, weight > 0, weight == 1)
        ),
        *(
            (wrong, "in uint8, 3 - 5 wraps around to 254; turn the images into float before you subtract")
            for raw in (original + (painted - original) * weight, painted + (original - painted) * (1 - weight))
            for wrong in (raw, raw.clip(0, 255), np.floor(raw) % 256, np.rint(raw) % 256)
        ),
    ]
    try:
        got = function(original, painted, mask)
    except ValueError as error:
        if "broadcast" not in str(error):
            raise
        return "a mask (h, w) cannot be multiplied with an image (h, w, 3); give it a third axis: mask[..., None]"
    hint = difference(got, expected, mistakes, rtol=0, atol=1.01)  # rounded or cut off, both are fine
    if not hint and np.asarray(got).dtype != np.uint8:
        hint = f"the result is {np.asarray(got).dtype}, and should be uint8"
    return hint or (None if np.array_equal(original, before) else "your function changed the original; work on a copy")


@exercise("07.6")
def other_content_layer(style_losses, lower_with) -> str | None:
    if np.shape(style_losses) != (2,):
        return "style_losses should be two numbers: with the content of the first layer, with that of the last"
    if lower_with not in ("first", "last"):
        return 'for lower_with answer "first" or "last"'
    first, last = style_losses
    if first < last:
        return "with the first layer the style loss should end higher; are the two numbers in this order?"
    if lower_with == "first":
        return "look at your two numbers again: which one is smaller?"
    return None
