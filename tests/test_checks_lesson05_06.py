"""The checks of lessons 5 and 6: a typical mistake gets the hint that fits it."""

import nbformat
import numpy as np
import pandas as pd
import pytest

from fernb import config
from fernb.checks import NOT_TRIED, RIGHT, judge
from fernb.evaluation import wilson
from fernb.labels import EMOTIONS
from fernb.video.smoothing import smooth

SHARES = {"angry": 0.5, "disgust": 0.1, "fear": 0.6, "sad": 0.9, "surprise": 0.4, "neutral": 0.8}
FACES = np.zeros((50, 2, 2))


def pgd(faces, targets, eps):
    return np.full(len(faces), 1.0)


def share_called(images, goal):
    """The share of SHARES, as if the network had said so."""
    return SHARES[EMOTIONS[goal]]


def own_gradient(images, labels, eps, gradient):
    raise ValueError("the shape (1, 2, 2) does not fit")  # as a network of the notebook would say


def never_waiting(stamps, turn):
    """A live loop whose clock lags behind the frame for which it waited."""
    frame, now, answer = 0, stamps[0], [0]
    while frame + 1 < len(stamps):
        now += turn
        later = [i for i in range(frame + 1, len(stamps)) if stamps[i] <= now]
        frame = later[-1] if later else frame + 1
        answer.append(frame)
    return answer


def taken_before(stamps, turn):
    """A live loop for which a frame of exactly now is not there yet."""
    frame, now, answer = 0, stamps[0], [0]
    while frame + 1 < len(stamps):
        now = max(now + turn, stamps[frame + 1])
        frame = max([frame + 1, *(i for i, stamp in enumerate(stamps) if stamp < now)])
        answer.append(frame)
    return answer


def around(times, rows, seconds):
    return np.array([rows[abs(t - times) <= seconds].mean(0) for t in times])


def last_frames(times, rows, seconds):
    return np.array([rows[max(0, i - 2) : i + 1].mean(0) for i in range(len(times))])


def until_now(times, rows, seconds):
    return np.array([rows[(times <= t) & (t - times < seconds)].mean(0) for t in times])


def fewest(look_back, costs, latest):
    """The calmest look-back time whose delay is at most `latest`; raw where there is none."""
    return min(
        (false, back) for back, (delay, false) in zip(look_back, costs, strict=True) if delay <= latest or not back
    )[1]


def longest(look_back, costs, extra):
    return max(back for back, (delay, _) in zip(look_back, costs, strict=True) if delay <= costs[0][0] + extra)


def halving(image, attack, fools, largest=16):
    low, high = 1, largest
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fools(attack(image, middle)) else (middle + 1, high)
    return low if fools(attack(image, low)) else None


def from_zero(image, attack, fools, largest=16):
    return next((eps for eps in range(largest + 1) if fools(attack(image, eps))), None)


def too_short(image, attack, fools, largest=16):
    return next((eps for eps in range(1, largest) if fools(attack(image, eps))), None)


def going_on(image, attack, fools, largest=16):
    """Each attack begins where the one before ended."""
    for eps in range(1, largest + 1):
        image = attack(image, eps)
        if fools(image):
            return eps
    return None


def at_random(images, eps, rng):
    return np.clip(images + rng.uniform(-eps, eps, images.shape), 0, 255)


def every_start(fooled, new):
    """`&` that began with True: `fooled` is all False in the first round only."""
    return fooled & new if fooled.any() else new


def starting(begin, join=np.logical_or, rounds=None):
    """An answer to 06.1 that begins as told."""

    def fooled_by_any(images, attack, fools, eps, rng, starts=5):
        fooled = np.zeros(len(images), bool)
        for _ in range(rounds or starts):
            fooled = join(fooled, fools(attack(begin(images, eps, rng))))
        return fooled

    return fooled_by_any


def drawn(shape):
    """A start whose random numbers have another shape than the images, so that several pixels share one."""
    return lambda images, eps, rng: np.clip(images + rng.uniform(-eps, eps, shape(images.shape)), 0, 255)


def all_faces_count(predict, before, after, true, goal):
    hits = (predict(after).argmax(1) == goal).sum()
    return hits / len(after), *wilson(hits, len(after))


@pytest.mark.parametrize(
    ("number", "answers", "words"),
    [
        ("05.1", (lambda stamps, turn: list(range(len(stamps))),), "yours takes every frame"),
        ("05.1", (lambda stamps, turn: [0, 0, 2, 4],), "takes a frame twice"),
        ("05.1", (lambda stamps, turn: [0, 3],), "yours took [0, 3]; it waits for the next frame"),
        ("05.1", (lambda stamps, turn: [0, 4],), "the loop takes [0, 2, 4]; yours took [0, 4]"),
        ("05.1", (never_waiting,), "the clock must wait"),
        ("05.1", (taken_before,), "is your comparison `<=`"),
        ("05.2", (around,), "still to come"),
        ("05.2", (last_frames,), "0.5 seconds, the value at (3, 0)"),
        ("05.2", (until_now,), "exactly `seconds` ago"),
        ("05.2", (lambda times, rows, seconds: smooth(times, rows, "exponential", seconds),), "exponential smoothing"),
        ("05.3", (lambda labels, hold: labels,), "hold=2"),
        ("05.4", (lambda look_back, costs, extra: None,), "`return` missing"),
        ("05.4", (lambda look_back, costs, extra: 2,), "none of `look_back`"),
        ("05.4", (lambda look_back, costs, extra: fewest(look_back, costs, extra),), "here 0.25 s"),
        ("05.4", (lambda look_back, costs, extra: look_back[-1],), "0.5 s later than raw"),
        ("05.4", (lambda look_back, costs, extra: longest(look_back, costs, extra),), "0.2, which has more false"),
        (
            "05.4",
            (lambda look_back, costs, extra: fewest(look_back, costs, extra + costs[0][0] - 1e-6),),
            "0.1, which has",
        ),
        (
            "05.4",
            (lambda look_back, costs, extra: -fewest([-back for back in look_back], costs, extra + costs[0][0]),),
            "as few false changes but comes later",
        ),
        ("05.5", (None,), "a number of seconds"),
        ("05.5", (1,), "one frame before she left"),
        ("05.5", (1.2,), "she is somebody new"),
        ("05.5", (2,), "not back before the clip ends"),
        ("05.5", (0.5,), "after a longer gap"),
        ("06.1", (starting(lambda images, eps, rng: images),), "the image itself"),
        ("06.1", (starting(lambda images, eps, rng: images + rng.uniform(-eps, eps, images.shape)),), "clip the"),
        ("06.1", (starting(lambda images, eps, rng: images + rng.normal(0, 9, images.shape)),), "levels from"),
        ("06.1", (starting(lambda images, eps, rng: np.clip(images + rng.uniform(-eps, eps), 0, 255)),), "each pixel"),
        ("06.1", (starting(drawn(lambda shape: (shape[0], 1, 1))),), "each pixel"),
        ("06.1", (starting(drawn(lambda shape: (*shape[:2], 1))),), "each pixel"),
        ("06.1", (starting(drawn(lambda shape: (shape[0], 1, shape[2]))),), "each pixel"),
        ("06.1", (starting(drawn(lambda shape: shape[1:])),), "all faces by the same change"),
        ("06.1", (starting(at_random, join=lambda fooled, new: new),), "only the last start"),
        ("06.1", (starting(at_random, join=every_start),), "`&` asks that *every* start"),
        ("06.1", (starting(at_random, join=np.logical_and),), "False for each face"),
        ("06.1", (starting(lambda x, eps, rng: np.clip(x + eps * rng.choice((-1, 1), x.shape), 0, 255)),), "corners"),
        ("06.1", (starting(at_random, rounds=1),), "called 1 times"),
        ("06.2", (own_gradient,), "call `gradient`, the argument"),
        ("06.2", (lambda x, labels, eps, gradient: x - eps * np.sign(gradient(x, labels)),), "helps the network"),
        ("06.3", (lambda predict, before, after, true, goal: 0.5,), "three numbers"),
        ("06.3", (all_faces_count,), "must not count"),
        ("06.3", (lambda predict, before, after, true, goal: (0.5, *wilson(4, 10)),), "number of faces that count"),
        ("06.3", (lambda predict, before, after, true, goal: (0.5, *wilson(3, 7)),), "give `wilson` the hits"),
        ("06.4", (halving,), "3, 15 and 16 work"),
        ("06.4", (from_zero,), "tried 0 to"),
        ("06.4", (too_short,), "16 levels"),
        ("06.4", (going_on,), "attack the original"),
        ("06.5", ("disgust", SHARES, pgd, FACES, share_called), "dictionary"),
        ("06.5", (SHARES, "angry", pgd, FACES, share_called), "disgust is reached less often"),
        ("06.5", (SHARES | {"disgust": 0.3}, "disgust", pgd, FACES, share_called), "gets 10% of these"),
    ],
)
def test_a_mistake_gets_its_hint(number, answers, words):
    assert words in judge(number, *answers).hint


def test_right_answers_are_right():
    assert judge("06.1", starting(at_random)).outcome == RIGHT
    assert judge("06.5", SHARES, "disgust", pgd, FACES, share_called).outcome == RIGHT
    assert judge("06.5", ..., ..., pgd, FACES, share_called).outcome == NOT_TRIED


def test_the_raw_answers_may_be_late_themselves():
    assert judge("05.4", lambda look_back, costs, extra: fewest(look_back, costs, extra + costs[0][0])).outcome == RIGHT


def test_lesson_5_reads_a_table_of_two_people_and_of_frames_without_a_face(capsys):
    """The cell took the time between two rows for the time between two frames, and joined names with NaN."""
    notebook = nbformat.read(config.ROOT / "notebooks" / "05_webcam_and_video.ipynb", as_version=4)
    source = next(cell.source for cell in notebook.cells if cell.id == "l05-42")
    rows = [(t, person, "happy" if person == 1 or t < 2 else "sad", t) for t in range(4) for person in (1.0, 2.0)]
    rows.append((4, np.nan, np.nan, np.nan))
    table = pd.DataFrame(rows, columns=["time_s", "track", "emotion", "smoothed_happy"])
    exec(source, {"np": np, "rows": table})
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines()[2:4]] == [["emotion"], ["happy", "4.0", "2.0"]]
    assert "order: happy\n" in out and "order: happy → sad\n" in out
