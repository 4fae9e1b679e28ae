"""Who is who: made-up people whose paths are known."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fernb.faces import Detection
from fernb.tracking import Tracker, _overlap


def at(x: float, y: float = 0, side: int = 40) -> Detection:
    return Detection(round(x), round(y), side, side, 1.0)


HAPPY, SAD = np.array([1, 0], np.float32), np.array([0, 1], np.float32)


def test_two_people_keep_their_numbers_whatever_the_order():
    tracker = Tracker()
    for step in range(20):
        faces, probs = [at(step), at(200 - step)], [HAPPY, SAD]
        if step % 2:
            faces.reverse(), probs.reverse()
        numbers = [person.number for person in tracker.update(faces, np.array(probs), step / 10)]
        assert numbers == ([2, 1] if step % 2 else [1, 2])


def test_people_pass_each_other_on_two_heights():
    tracker = Tracker()
    for step in range(41):
        answers = tracker.update([at(5 * step, 0), at(200 - 5 * step, 25)], np.array([HAPPY, SAD]), step / 10)
        assert [person.number for person in answers] == [1, 2]


def test_a_short_gap_is_survived_and_a_long_one_is_not():
    tracker = Tracker(memory=1.0)
    one = np.array([HAPPY])
    assert tracker.update([at(0)], one, 0.0)[0][0] == 1
    assert tracker.update([], np.empty((0, 2)), 0.5) == []
    assert tracker.update([at(3)], one, 0.9)[0][0] == 1
    assert tracker.update([at(3)], one, 2.5)[0][0] == 2


def test_smoothing_is_each_persons_own():
    tracker = Tracker(smoothing=0.5)
    for step in range(30):
        first, second = tracker.update([at(0), at(300)], np.array([HAPPY, SAD]), step / 10)
    np.testing.assert_allclose(first[1], HAPPY)
    np.testing.assert_allclose(second[1], SAD)


def test_smoothing_follows_a_change_within_its_time():
    tracker = Tracker(smoothing=0.5)
    tracker.update([at(0)], np.array([HAPPY]), 0.0)
    ((_, half, _),) = tracker.update([at(0)], np.array([SAD]), 0.5)
    np.testing.assert_allclose(half, [np.exp(-1), 1 - np.exp(-1)], rtol=1e-5)
    raw = Tracker(smoothing=0)
    raw.update([at(0)], np.array([HAPPY]), 0.0)
    np.testing.assert_array_equal(raw.update([at(0)], np.array([SAD]), 0.1)[0][1], SAD)


def test_held_counts_the_frames_of_an_emotion():
    tracker = Tracker(smoothing=0)
    shown = [HAPPY, HAPPY, SAD, SAD, SAD, HAPPY]
    held = [tracker.update([at(0)], np.array([probs]), step / 10)[0].held for step, probs in enumerate(shown)]
    assert held == [1, 2, 1, 2, 3, 1]


boxes = st.tuples(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 60), st.integers(1, 60))


@given(boxes, boxes)
def test_overlap_is_a_symmetric_share(a, b):
    assert 0 <= _overlap(a, b) == _overlap(b, a) <= 1
    assert _overlap(a, a) == 1
