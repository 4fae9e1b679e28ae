"""Checks of lesson 4."""

import numpy as np
from scipy import stats

from fernb.checks import difference, exercise


@exercise("04.1")
def grey_as_rgb(three_channels):
    faces = np.random.default_rng(1).integers(0, 256, (2, 48, 48), dtype=np.uint8)
    got = three_channels(faces.copy())
    expected = np.stack([faces] * 3, -1).astype(np.float32)
    mistakes = [
        (np.stack([faces] * 3, 1), "the channels must be the last axis"),
        (faces[..., None], "there is one channel only; fill the new axis three times"),
        (expected / 255, "the pixel values should stay in 0..255"),
    ]
    hint = difference(got, expected, mistakes)
    if hint is None and np.asarray(got).dtype != np.float32:
        return f"the values are right, but they are {np.asarray(got).dtype}, not float32"
    return hint


@exercise("04.2")
def pixel_range(for_mobilenet):
    images = np.linspace(0, 255, 4 * 4 * 3).astype(np.float32).reshape(1, 4, 4, 3)
    given = images.copy()
    got = for_mobilenet(given)
    if not np.array_equal(given, images):
        return "your function changes the array that it was given; return a new one"
    mistakes = [
        (images / 255, "that is 0..1; 0 must become -1"),
        (images / 127.5, "that is 0..2; something is still to be taken away"),
        (images / 255 - 1, "that is -1..0; divide by half of 255"),
        (images / 127.5 + 1, "that is 1..3; take the 1 away instead of adding it"),
        (images - 127.5, "the middle is right, the range is not: -1..1 is wanted"),
    ]
    return difference(got, images / 127.5 - 1, mistakes)


@exercise("04.3")
def pool_by_hand(pool):
    maps = np.random.default_rng(2).normal(size=(2, 6, 6, 5))

    def fields(grid, reduce, axis=(2, 4)):
        side = 6 // grid
        return reduce(maps.reshape(2, grid, side, grid, side, 5), axis=axis)

    return _pooled(pool, maps, fields, 1) or _pooled(pool, maps, fields, 3)


def _pooled(pool, maps, fields, grid):
    expected = fields(grid, np.mean)
    mistakes = [
        (fields(grid, np.max), "that is the largest of each field; the mean is wanted"),
        (fields(grid, np.sum), "that is the sum of each field; the mean is wanted"),
        (expected.reshape(2, -1), "the means are right; leave them in the shape (n, grid, grid, c)"),
        (maps.mean((1, 2)), "that is the mean of the whole map; cut it into grid × grid fields first"),
        (np.swapaxes(expected, 1, 2), "rows and columns are swapped"),
        (fields(grid, np.mean, (1, 3)), "you averaged over the fields; average over the places inside a field"),
    ]
    side = 6 // grid
    order = "an axis of length side must become (grid, field), in this order; the mean goes over the two fields"
    for shape in ((grid, side, side, grid), (side, grid, side, grid)):
        swapped = maps.reshape(2, *shape, 5)
        mistakes += [(swapped.mean(axis), order) for axis in ((1, 3), (2, 3), (2, 4))]
    hint = difference(pool(maps.copy(), grid), expected, mistakes)
    return f"with grid={grid}: {hint}" if hint else None


@exercise("04.4")
def layers_that_learn(unfreeze, model):
    before = [layer.trainable for layer in model.layers]
    weighty = [layer.name for layer in model.layers if layer.weights and not _is_norm(layer)]
    first = weighty[len(weighty) // 2]
    try:
        unfreeze(model, first)
        return _flags(model, first)
    finally:
        for layer, trainable in zip(model.layers, before, strict=True):
            layer.trainable = trainable


def _is_norm(layer) -> bool:
    return type(layer).__name__.endswith("BatchNormalization")


def _flags(model, first: str) -> str | None:
    on = False
    for layer in model.layers:
        on = on or layer.name == first
        if not layer.weights or layer.trainable == (on and not _is_norm(layer)):
            continue
        if _is_norm(layer):
            return f"the batch normalisation {layer.name!r} may learn; it should stay frozen"
        return f"{layer.name!r} " + (
            "comes at or after the first layer that may learn, and is frozen"
            if on
            else f"comes before {first!r}, and may learn"
        )
    return None


@exercise("04.5")
def read_the_curves(leaders, scores):
    sizes = len(next(iter(scores.values())))
    if isinstance(leaders, str) or len(leaders) != sizes:
        return f"a list of {sizes} names is wanted, one for each of SIZES"
    for place, answer in enumerate(leaders):
        if answer not in (*scores, "nobody"):
            return f"there is no way {answer!r}; there are {', '.join(scores)}, and 'nobody'"
        leader = next((way for way in scores if not _not_led(way, scores, place)), "nobody")
        if answer == leader:
            continue
        if answer == "nobody":
            return f"with SIZES[{place}] faces one way leads each of the others by more than luck"
        rivals = " and ".join(repr(rival) for rival in _not_led(answer, scores, place))
        return f"with SIZES[{place}] faces the lead of {answer!r} over {rivals} is not larger than luck"
    return None


def _not_led(way: str, scores: dict[str, np.ndarray], place: int) -> list[str]:
    """Return the others that ``way`` does not lead by more than the 95 % interval over seeds (Student's t)."""
    rivals = []
    for rival in scores:
        gap = np.asarray(scores[way][place]) - np.asarray(scores[rival][place])
        reach = stats.t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap))
        if rival != way and not gap.mean() > reach:
            rivals.append(rival)
    return rivals
