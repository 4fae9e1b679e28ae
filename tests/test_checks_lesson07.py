"""The checks of lesson 7: a typical mistake gets the hint that fits it."""

import numpy as np
import pytest

from fernb.checks import RIGHT, judge

AT_END = {0.1: np.array([0.5, 0.10, 0.80, 0.05]), 10: np.array([15.0, 2.50, 0.25, 0.16])}


def flat(maps):
    return maps.reshape(-1, maps.shape[-1])


def steps(image, reduce):
    return sum(reduce(np.diff(image, axis=axis)) for axis in (0, 1))


def mixed(original, painted, mask):
    return mask[..., None] * painted + (1 - mask[..., None]) * original


@pytest.mark.parametrize(
    ("number", "answers", "word"),
    [
        ("07.1", (lambda maps: flat(maps).T @ flat(maps) / 6,), "first subtract"),
        ("07.1", (lambda maps: np.cov(flat(maps).T),), "not by one less"),
        ("07.1", (lambda maps: np.cov((flat(maps)).T) * 5,), "divides"),
        ("07.2", (0.04, 0.3125, AT_END), "content_factor is the other way round"),
        ("07.2", (25, 3.2, AT_END), "style_share is the other way round"),
        ("07.2", (30, 0.3125, AT_END), "totals"),
        ("07.2", (7, 0.3125, AT_END), "not that"),
        ("07.2", ("three", 0.3125, AT_END), "one number"),
        ("07.3", (lambda image: steps(image, lambda d: abs(d).sum()) / image.size,), "fewer steps than pixels"),
        ("07.3", (lambda image: steps(image, np.mean),), "absolute"),
        ("07.3", (lambda image: abs(np.diff(image)).mean(),), "downwards are missing"),
        ("07.4", (lambda original, painted, mask: mask * painted + (1 - mask) * original,), "third axis"),
        ("07.4", (lambda original, painted, mask: mixed(painted, original, mask).astype(np.uint8),), "wrong way round"),
        ("07.4", (mixed,), "should be uint8"),
        ("07.5", (0.3, "last"), "two numbers"),
        ("07.5", ([0.2, 0.4], "last"), "this order"),
        ("07.5", ([0.4, 0.2], "first"), "again"),
    ],
)
def test_a_mistake_gets_its_hint(number, answers, word):
    verdict = judge(number, *answers)
    assert verdict.outcome != RIGHT
    assert word in verdict.hint


def test_a_hint_does_not_give_a_number_away():
    assert "25" not in judge("07.2", 7, 0.3125, AT_END).hint


@pytest.mark.parametrize(
    ("number", "answers"),
    [
        ("07.1", (lambda maps: np.cov(flat(maps).T, bias=True),)),
        ("07.2", (25.0, 0.3125, AT_END)),
        ("07.3", (lambda image: steps(image, lambda d: abs(d).mean()),)),
        ("07.4", (lambda original, painted, mask: np.rint(mixed(original, painted, mask)).astype(np.uint8),)),
        ("07.4", (lambda original, painted, mask: mixed(original, painted, mask).astype(np.uint8),)),
        ("07.5", ([0.4, 0.2], "last")),
    ],
)
def test_a_right_answer_is_right(number, answers):
    assert judge(number, *answers).outcome == RIGHT
