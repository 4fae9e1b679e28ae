"""Smoothing: what each smoother does to one look, what the stabiliser shows, and the two measures of it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernb import config
from fernb.app.cli.videos import scan
from fernb.errors import FernbError
from fernb.video.smoothing import (
    SMOOTHERS,
    LabelStabiliser,
    SteadyOptions,
    delays,
    false_flicker,
    flicker,
    show,
    smooth,
    smoother,
)

steps = st.lists(st.tuples(st.floats(0, 2), st.lists(st.floats(0, 1), min_size=3, max_size=3)), min_size=1, max_size=30)


@given(steps, st.sampled_from(list(SMOOTHERS)), st.floats(0, 3))
@settings(max_examples=60)
def test_smoothed_probabilities_stay_probabilities(steps, kind, seconds):
    times = np.cumsum([step for step, _ in steps])
    probs = np.array([row for _, row in steps], np.float32) + 1e-3
    probs /= probs.sum(1, keepdims=True)
    smoothed = smooth(times, probs, kind, seconds)
    assert smoothed.shape == probs.shape and (smoothed >= 0).all()
    np.testing.assert_allclose(smoothed.sum(1), 1, atol=1e-4)
    np.testing.assert_allclose(smoothed[0], probs[0], atol=1e-6)


@pytest.mark.parametrize("kind", ["mean", "exponential", "hmm"])
def test_one_wrong_frame_is_not_shown_and_a_lasting_change_is(kind):
    times = np.arange(60) / 15
    probs = np.tile(np.array([0.8, 0.2], np.float32), (60, 1))
    probs[20] = 0.2, 0.8
    probs[40:] = 0.2, 0.8
    shown = show(smooth(times, probs, kind, 0.4))
    assert shown[:40] == [0] * 40 and shown[-1] == 1
    assert flicker(times, shown) < flicker(times, show(probs))


def test_means_by_hand():
    times, probs = [0.0, 1.0, 2.0], np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    np.testing.assert_allclose(smooth(times, probs, "mean", 1.0)[:, 0], [1, 0.5, 0])
    e = math.exp(-1)
    np.testing.assert_allclose(smooth(times, probs, "exponential", 1.0)[:, 0], [1, e, e * e], rtol=1e-6)
    np.testing.assert_array_equal(smooth(times, probs, "none", 1.0), probs)


def test_the_hidden_markov_filter_by_hand():
    probs = np.array([[0.9, 0.1], [0.3, 0.7]], np.float32)
    stay = math.exp(-1.0 / 2.0)
    expected = stay * probs[0] + (1 - stay) / 2
    belief = expected * probs[1]
    np.testing.assert_allclose(smooth([0, 1.0], probs, "hmm", 1.0)[1], belief / belief.sum(), rtol=1e-5)


def test_frames_count_by_time_and_not_by_number():
    slow = smooth([0, 1.0], np.array([[1, 0], [0, 1]], np.float32), "exponential", 0.5)[-1]
    quick = smooth([0, *np.arange(1, 11) / 10], np.array([[1, 0]] + [[0, 1]] * 10, np.float32), "exponential", 0.5)[-1]
    np.testing.assert_allclose(slow, quick, rtol=1e-5)


def test_the_stabiliser_counts():
    stabiliser = LabelStabiliser(min_frames=2)
    rows = np.eye(2, dtype=np.float32)[[0, 0, 1, 0, 1, 1, 1]]
    assert [(stabiliser(row), stabiliser.frames_held) for row in rows] == [
        (None, 1),
        (0, 2),
        (0, 3),
        (0, 4),
        (0, 5),
        (1, 2),
        (1, 3),
    ]


def test_flicker_and_delay_by_hand():
    times = [0, 1, 2, 3, 4, 5]
    truth, shown = [0, 0, 0, 1, 1, 1], [0, 1, 0, 0, 1, 1]
    assert flicker(times, truth) == 12 and flicker(times, shown) == 36
    assert false_flicker(times, shown, truth) == 24 and false_flicker(times, truth, shown) == 0
    assert delays(times, shown, truth) == [1] and delays(times, [0] * 6, truth) == [math.inf]
    assert flicker([0], [1]) == 0 and delays([0], [1], [1]) == []


def test_what_cannot_be_is_one_sentence():
    for kind, seconds in (("kalman", 1), ("mean", -1), ("mean", math.inf), ("mean", math.nan)):
        with pytest.raises(FernbError):
            smoother(kind, seconds)


def test_unsure_has_hysteresis():
    rows = np.float32([[p, 1 - p, 0] for p in (0.52, 0.51, 0.49, 0.51, 0.49)]) * [1, 0.5, 0]
    assert show(rows, confidence_threshold=0.5) == [0] * 5  # it blinked: 0 0 None 0 None
    assert show(np.float32([[0.6, 0], [0.4, 0], [0.45, 0], [0.55, 0]]), confidence_threshold=0.5) == [0, None, None, 0]


def test_time_that_runs_backwards_gives_probabilities():
    probs = np.float32([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8]])
    for kind in SMOOTHERS:
        assert np.isfinite(smooth([1000.0, 0.0, 0.1], probs, kind)).all()


def test_the_default_is_what_the_benchmark_chose():
    """The rule chose one smoothing and the commands used another."""
    steady = SteadyOptions()
    chosen = json.loads((config.RESULTS / "smoothing.json").read_text(encoding="utf-8"))["chosen"]
    assert chosen == f"{steady.smoothing} {steady.seconds} s, held {steady.min_frames}"
    command = {option.name: option.default for option in scan.params}
    assert (command["smoothing"], command["over"], command["hold"]) == ("mean", 0.6, 1)
    assert (steady.smoothing, steady.seconds, steady.min_frames) == ("mean", 0.6, 1)


def test_steady_options_are_checked():
    for bad in ({"smoothing": "magic"}, {"seconds": -1}, {"min_frames": 0}, {"confidence_threshold": 2}):
        with pytest.raises(FernbError):
            SteadyOptions(**bad)
