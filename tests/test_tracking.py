"""Who is who: made-up people whose paths are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernb.video.tracking import MIN_DIOU, Tracker, centred, distance_iou
from fernb.vision.detection import Detection


def at(x: float, y: float = 0, side: int = 40) -> Detection:
    return Detection(round(x), round(y), side, side, 1.0)


def numbers(tracker: Tracker, faces: list[Detection], time_s: float) -> list[int | None]:
    return [track.number for track in tracker.update(faces, time_s)]


def test_two_people_keep_their_numbers_whatever_the_order():
    tracker = Tracker(min_hits=1)
    for step in range(20):
        faces = [at(step), at(200 - step)]
        if step % 2:
            faces.reverse()
        assert numbers(tracker, faces, step / 10) == ([2, 1] if step % 2 else [1, 2])


def test_people_pass_each_other_on_two_heights():
    tracker = Tracker(min_hits=1)
    for step in range(41):
        assert numbers(tracker, [at(5 * step, 0), at(200 - 5 * step, 25)], step / 10) == [1, 2]


def test_a_short_gap_is_survived_and_a_long_one_is_not():
    tracker = Tracker(max_lost_s=1.0, min_hits=1)
    assert numbers(tracker, [at(0)], 0.0) == [1]
    assert numbers(tracker, [], 0.5) == []
    assert numbers(tracker, [at(3)], 0.9) == [1]
    assert numbers(tracker, [at(3)], 2.5) == [2]


def test_a_stranger_takes_nobodys_number():
    """Gated after the assignment, the stranger far off made person 1 person 2: the sum over all pairs was better."""
    first, second = at(100), at(50)
    moved, stranger = at(77), at(180)
    scores = [[distance_iou(centred(a), centred(b)) for b in (first, second)] for a in (moved, stranger)]
    assert scores[0][0] > scores[0][1] > MIN_DIOU > max(scores[1])  # person 1 moved, and nobody is the stranger
    assert scores[0][1] + scores[1][0] > scores[0][0] + scores[1][1]
    tracker = Tracker(min_hits=1)
    assert numbers(tracker, [first, second], 0.0) == [1, 2]
    assert numbers(tracker, [moved, stranger], 0.1) == [1, 3]


def test_who_is_seen_once_is_nobody():
    tracker = Tracker()
    for step in range(10):
        lamp = [at(300)] if step in (2, 3) else []  # in 0.1 seconds of film
        found = numbers(tracker, [at(step), *lamp], step / 10)
        assert found == [1 if step >= 3 else None, *[None] * len(lamp)]
    assert len(tracker.tracks) == 1


@pytest.mark.parametrize("gap", [0.5, 1.0])
def test_where_frames_are_far_apart_two_are_enough(gap):
    tracker = Tracker()
    assert [numbers(tracker, [at(0)], step * gap) for step in range(3)] == [[None], [1], [1]]


def test_where_nobody_could_be_found_twice_once_is_enough():
    tracker = Tracker()
    (first,) = tracker.update([at(0)], 0.0)
    (second,) = tracker.update([at(0)], 5.0)  # beyond the memory
    assert first.number == 1 and second.number is None
    tracker.settle()
    assert second.number == 2


def test_time_that_runs_backwards_is_survived():
    tracker = Tracker(min_hits=1)
    assert [numbers(tracker, [at(0)], time_s) for time_s in (5.0, 1.0, 1.0, 5.1)] == [[1]] * 4


def test_the_steady_box_trembles_less_than_the_detections():
    rng, tracker = np.random.default_rng(0), Tracker(min_hits=1)
    raw, steady = [], []
    for step in range(60):
        face = at(100 + rng.normal(0, 3), 50 + rng.normal(0, 3), 80)
        (track,) = tracker.update([face], step / 15)
        raw.append(face.x)
        steady.append(track.steady.x)
    assert np.std(steady[10:]) < 0.7 * np.std(raw[10:])


def cross(fps: float, speed: float, hidden: bool, seed: int) -> tuple[set[int], set[int]]:
    """Two people walk through each other at one height, detected with two pixels of trembling.

    Returns the numbers that each had while they did not overlap. ``hidden``: one covers the other.
    """
    rng, tracker, side = np.random.default_rng(seed), Tracker(min_hits=1), 80
    seen_as = (set(), set())
    for step in range(round(6 * fps)):
        time_s = step / fps
        places = (50 + speed * time_s, 50 + speed * (6 - time_s))
        overlap = abs(places[0] - places[1]) < 0.7 * side
        seen = [0] if overlap and hidden else [0, 1]
        rng.shuffle(seen)
        faces = [at(places[who] + rng.normal(0, 2), rng.normal(0, 2), side + round(rng.normal(0, 2))) for who in seen]
        people = tracker.update(faces, time_s)
        if not overlap:  # where both faces are in one place nobody can tell whose is whose
            for who, person in zip(seen, people, strict=True):
                seen_as[who].add(person.number)
    return seen_as


@pytest.mark.parametrize("hidden", [True, False], ids=["one covers the other", "both seen"])
@pytest.mark.parametrize(("fps", "speed"), [(5, 100), (10, 300), (15, 50), (25, 200)])
def test_people_who_cross_keep_their_numbers(fps, speed, hidden):
    for seed in range(5):
        first, second = cross(fps, speed, hidden, seed)
        assert len(first) == len(second) == 1 and first != second


def test_a_small_face_behind_a_large_one_is_somebody_else():
    tracker = Tracker(min_hits=1)
    tracker.update([at(0, side=100)], 0.0)
    assert numbers(tracker, [at(30, 30, side=40)], 0.1) == [2]


sizes, places = st.floats(1, 60), st.floats(-50, 50)
boxes = st.tuples(places, places, sizes, sizes).map(np.array)


@given(boxes, boxes)
def test_distance_iou_is_symmetric_and_one_for_itself(a, b):
    assert -1 <= distance_iou(a, b) <= 1 + 1e-9
    assert distance_iou(a, b) == pytest.approx(distance_iou(b, a))
    assert distance_iou(a, a) == pytest.approx(1)
