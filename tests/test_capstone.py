"""The capstone's own checks: what they say to a blank, a wrong and a right answer (its clip is not read here)."""

from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

import fernb
from fernb import config

CELLS = nbformat.read(config.ROOT / "notebooks" / "more" / "07_capstone.ipynb", as_version=4).cells
TRUTH = pd.Series(["happy", "sad"])


def said(capsys, *cells, **given):
    """Run cells with some names given; return what they print."""
    space = {"np": np, "pd": pd, "fernb": fernb, "config": config, "truth": TRUTH} | given
    for cell in cells:
        exec(next(c.source for c in CELLS if c.id == cell), space)
    return capsys.readouterr().out


def flipped(rgb):
    return rgb[:, ::-1]


@pytest.mark.parametrize(
    "emotion, numbers, change, words",
    [
        ("...", (0.3, 0.2), flipped, "not tried yet: enter emotion"),
        ("sad", (..., 0.2), flipped, "not tried yet: enter emotion"),
        ("sadness", (0.3, 0.2), flipped, "not yet: 'sadness' is not shown"),
        ("sad", (35, 0.2), flipped, "not yet: a probability"),
        ("sad", (0.3, 0.2), lambda rgb: ..., "not tried yet: write"),
        ("sad", (0.3, 0.2), lambda rgb: None, "returned None"),
        ("sad", (0.3, 0.2), lambda rgb: rgb / 2, "float64"),
        ("sad", (0.3, 0.2), lambda rgb: rgb, "has changed nothing"),
        ("sad", (0.3, 0.2), flipped, "right: "),
    ],
)
def test_your_own_change_is_scored_for_the_emotion_that_was_named(capsys, emotion, numbers, change, words):
    out = said(
        capsys,
        "lm08-12m",
        "own-problem",
        "own-score",
        emotion=emotion,
        reason="the mouth shows it",
        predicted={change.__name__: numbers[0], "my_test": numbers[1]},
        my_change=change,
        my_test=change,
        one=np.arange(48, dtype=np.uint8).reshape(4, 4, 3),
        results={"control": 0.6},
        reread=lambda version: 0.4,
        means_of=lambda table: {"sad": table, "happy": 0.9},
    )
    assert words in out
    assert (f"sad: {numbers[0]} predicted, 0.40 measured, control 0.60" in out) == out.startswith("right")


def head_check(capsys, clip, guess, means):
    space: dict = {}
    exec(next(c.source for c in CELLS if c.id == "head-predict"), space)
    return said(
        capsys,
        "head-check",
        CLIP=clip,
        will_hold=dict.fromkeys(space["will_hold"], guess),
        results={},
        between_tables={},
        by_emotion=lambda tables: pd.DataFrame({"mean": means}),
    )


def test_the_prediction_for_another_head_is_scored(capsys):
    means = {"control": 0.8, "noisy": 0.79, "dark": 0.7, "both": 0.5, "hazy": 0.68, "flat": 0.4, "brightened": 0.7}
    page, other = config.SAMPLES / "emotions.mp4", Path("another.avi")
    assert head_check(capsys, page, True, means).startswith("not tried yet: draw another head")
    assert head_check(capsys, other, ..., means).startswith("not tried yet: enter True or False")


def measured_in(out):
    """Return what the score says of each finding."""
    assert out.startswith("right")
    return [line.split(" predicted, ")[1].split(" measured")[0] for line in out.splitlines()[1:]]


def test_a_difference_counts_if_it_is_more_than_the_limit(capsys):
    other = Path("another.avi")
    page = {"control": 0.81, "noisy": 0.81, "dark": 0.77, "both": 0.58, "hazy": 0.68, "flat": 0.5, "brightened": 0.74}
    assert measured_in(head_check(capsys, other, True, page)) == ["True"] * 6
    means = {"control": 0.8, "noisy": 0.7, "dark": 0.78, "both": 0.5, "hazy": 0.75, "flat": 0.4, "brightened": 0.53}
    out = head_check(capsys, other, True, means)
    assert measured_in(out) == ["False", "False", "True", "False", "False", "False"]
    unknown = "unknown (no face)"
    out = head_check(capsys, other, True, means | {"flat": np.nan, "brightened": np.nan})
    assert measured_in(out) == ["False", "False", unknown, unknown, "False", unknown]


def test_kappa_has_a_hint_for_each_likely_slip(capsys):
    def check(kappa):
        return said(capsys, "kappa-check", my_kappa=kappa, cohen_kappa_score=cohen_kappa_score)

    assert check(lambda truth, answer: ...).startswith("not tried yet")
    assert "equally frequent" in check(lambda truth, answer: (0.8 - 1 / 7) / (1 - 1 / 7))
    shares = (0.8, 0.1, 0.1)
    squared = sum(share**2 for share in shares)
    assert "share squared" in check(lambda truth, answer: (0.8 - squared) / (1 - squared))
    assert "0.12 instead of 0.51" in check(lambda truth, answer: 0.12)


def test_a_mean_over_fewer_emotions_is_no_number():
    table = pd.DataFrame({"p_truth": [0.5]}, index=[0])  # the only second of sad has no face
    space = {"truth": TRUTH, "pd": pd}
    exec(next(c.source for c in CELLS if c.id == "means-of"), space)
    means = space["means_of"](table)
    assert means["happy"] == 0.5 and np.isnan(means["sad"]) and np.isnan(means.mean(skipna=False))
