"""Checks of lesson 7, neural style transfer."""

import numpy as np

from fernb.checks import difference, exercise


@exercise("07.1")
def centred_gram(function) -> str | None:
    maps = np.array([[1, 2], [3, 0], [0, 1], [2, 1], [4, 0], [2, 5]], float).reshape(2, 3, 2)
    flat = maps.reshape(6, 2)
    centred, all_centred = flat - flat.mean(0), flat - flat.mean()
    mistakes = [
        (flat.T @ flat / 6, "first subtract from each map its mean over all places"),
        (all_centred.T @ all_centred / 6, "each map has a mean of its own; you subtracted one mean from all"),
        (centred.T @ centred, "you added the products up; a mean also divides by the number of places"),
        (centred.T @ centred / 5, "divide by the number of places, not by one less (np.cov: bias=True)"),
        (centred.T @ centred / 12, "divide by the number of places, not by the number of values"),
        (centred @ centred.T / 6, "that pairs places with places; pair the maps: the result has one row for each map"),
    ]
    return difference(function(maps.copy()), centred.T @ centred / 6, mistakes)


@exercise("07.2")
def price_of_strength(content_factor, style_share, at_end) -> str | None:
    weak, strong = at_end[0.1], at_end[10]
    factor, share = strong[1] / weak[1], strong[2] / weak[2]
    factor_mistakes = [
        (1 / factor, "content_factor is the other way round: divide the loss at strength 10 by the one at 0.1"),
        (strong[0] / weak[0], "that compares the totals; the content loss is at index 1"),
        (strong[1] - weak[1], "content_factor is a ratio, not a difference"),
        (share, "that compares the style losses; the content loss is at index 1"),
    ]
    share_mistakes = [
        (1 / share, "style_share is the other way round: divide the loss at strength 10 by the one at 0.1"),
        (factor, "that compares the content losses; the style loss is at index 2"),
        (strong[3] / weak[3], "that compares the total variations; the style loss is at index 2"),
    ]
    return _ratio("content_factor", content_factor, factor, factor_mistakes) or _ratio(
        "style_share", style_share, share, share_mistakes
    )


def _ratio(name: str, got: object, truth: float, mistakes: list[tuple[float, str]]) -> str | None:
    """Compare with the truth within 2 %, without giving the number away."""
    if isinstance(got, str) or np.asarray(got).ndim:
        return f"{name} should be one number"
    hint = difference(got, truth, mistakes, rtol=0.02)
    if hint and hint.startswith("the value"):
        return f"{name} is not that; divide one number of at_end[10] by the same of at_end[0.1]"
    return hint


@exercise("07.3")
def absolute_variation(function) -> str | None:
    image = np.array([[0, 0.5, 0.6, 0.1], [1, 0.4, 0.0, 0.3], [0.2, 0.9, 0.7, 0.8]])
    down, across = np.diff(image, axis=0), np.diff(image, axis=1)
    mistakes = [
        (abs(down).sum() + abs(across).sum(), "take the mean of the steps, not their sum"),
        (
            (abs(down).sum() + abs(across).sum()) / image.size,
            "divide each sum by the number of its own steps; there are fewer steps than pixels",
        ),
        (down.mean() + across.mean(), "take absolute values, or steps up and down cancel out"),
        ((down**2).mean() + (across**2).mean(), "take absolute values, not squares"),
        (abs(down).mean(), "the steps to the right are missing"),
        (abs(across).mean(), "the steps downwards are missing"),
        ((abs(down).mean() + abs(across).mean()) / 2, "add the two means; you took the mean of them"),
    ]
    return difference(function(image.copy()), abs(down).mean() + abs(across).mean(), mistakes)


@exercise("07.4")
def blend(function) -> str | None:
    rng = np.random.default_rng(7)
    original, painted = rng.integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    mask = np.linspace(0, 1, 20).reshape(4, 5)
    before, weight = original.copy(), mask[..., None]
    expected = np.rint(painted * weight + original * (1 - weight))
    mistakes = [
        (np.rint(original * weight + painted * (1 - weight)), "the mask is the wrong way round: painted where it is 1"),
        (
            np.where(weight >= 0.5, painted, original),
            "between 0 and 1 the mask asks for a mixture, not for one of both",
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


@exercise("07.5")
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
