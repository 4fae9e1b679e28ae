"""Who is who: made-up people whose paths are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernb.errors import FernbError
from fernb.video.tracking import Tracker, distance_iou
from fernb.vision.detection import Detection


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
    (person,) = tracker.update([at(0)], np.array([SAD]), 0.5)
    np.testing.assert_allclose(person.probs, [np.exp(-1), 1 - np.exp(-1)], rtol=1e-5)
    raw = Tracker(smoothing=0)
    raw.update([at(0)], np.array([HAPPY]), 0.0)
    np.testing.assert_array_equal(raw.update([at(0)], np.array([SAD]), 0.1)[0][1], SAD)


def test_held_counts_the_frames_of_an_emotion():
    tracker = Tracker(smoothing=0)
    shown = [HAPPY, HAPPY, SAD, SAD, SAD, HAPPY]
    held = [tracker.update([at(0)], np.array([probs]), step / 10)[0].held for step, probs in enumerate(shown)]
    assert held == [1, 2, 1, 2, 3, 1]


def cross(fps: float, speed: float, hidden: bool, seed: int) -> tuple[set[int], set[int]]:
    """Two people walk through each other at one height, detected with two pixels of trembling.

    Returns the numbers that each had while they did not overlap. ``hidden``: one covers the other.
    """
    rng, tracker, side = np.random.default_rng(seed), Tracker(), 80
    numbers = (set(), set())
    for step in range(round(6 * fps)):
        time_s = step / fps
        places = (50 + speed * time_s, 50 + speed * (6 - time_s))
        overlap = abs(places[0] - places[1]) < 0.7 * side
        seen = [0] if overlap and hidden else [0, 1]
        rng.shuffle(seen)
        faces = [at(places[who] + rng.normal(0, 2), rng.normal(0, 2), side + round(rng.normal(0, 2))) for who in seen]
        people = tracker.update(faces, np.full((len(faces), 2), 0.5, np.float32), time_s)
        if not overlap:  # where both faces are in one place nobody can tell whose is whose
            for who, person in zip(seen, people, strict=True):
                numbers[who].add(person.number)
    return numbers


@pytest.mark.parametrize("hidden", [True, False], ids=["one covers the other", "both seen"])
@pytest.mark.parametrize(("fps", "speed"), [(5, 100), (10, 300), (15, 50), (25, 200)])
def test_people_who_cross_keep_their_numbers(fps, speed, hidden):
    for seed in range(5):
        first, second = cross(fps, speed, hidden, seed)
        assert len(first) == len(second) == 1 and first != second


def test_a_small_face_behind_a_large_one_is_somebody_else():
    tracker = Tracker()
    tracker.update([at(0, side=100)], np.array([HAPPY]), 0.0)
    assert tracker.update([at(30, 30, side=40)], np.array([HAPPY]), 0.1)[0].number == 2


def test_the_shown_emotion_waits_and_may_be_unsure():
    tracker = Tracker(smoothing=0, hold=3, unsure_below=0.6)
    shown = []
    for step, probs in enumerate([HAPPY, SAD, SAD, SAD, SAD, [0.5, 0.5], HAPPY, HAPPY, HAPPY]):
        shown.append(tracker.update([at(0)], np.array([probs], np.float32), step / 10)[0].emotion)
    assert shown == [None, None, None, 1, 1, 1, 1, 1, 0]


def test_a_wrong_smoothing_is_told_at_once():
    with pytest.raises(FernbError, match="there are none, mean, exponential, hmm"):
        Tracker(kind="magic")
    with pytest.raises(FernbError, match="cannot smooth over -1"):
        Tracker(smoothing=-1)


sizes, places = st.floats(1, 60), st.floats(-50, 50)
boxes = st.tuples(places, places, sizes, sizes).map(np.array)


@given(boxes, boxes)
def test_likeness_is_symmetric_and_one_for_itself(a, b):
    assert -1 <= distance_iou(a, b) <= 1 + 1e-9
    assert distance_iou(a, b) == pytest.approx(distance_iou(b, a))
    assert distance_iou(a, a) == pytest.approx(1)


def test_retuning_keeps_the_numbers_and_refuses_what_is_wrong():
    tracker = Tracker(smoothing=10)
    tracker.update([at(0)], np.array([HAPPY]), 0.0)
    with pytest.raises(FernbError, match="magic"):
        tracker.retune(1, "magic", 0.0)
    tracker.retune(0, "none", 1.0)
    (person,) = tracker.update([at(0)], np.array([0.1 * HAPPY + 0.9 * SAD]), 0.1)
    assert person.number == 1 and person.emotion is None
    np.testing.assert_allclose(person.probs, [0.1, 0.9], rtol=1e-6)
