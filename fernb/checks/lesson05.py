"""Checks of lesson 5, webcam and video."""

import numpy as np

from fernb.checks import difference, exercise


@exercise("05.1")
def clock(function) -> str | None:
    for seconds, expected in ((65.9, "00:01:05"), (0, "00:00:00"), (3599.99, "00:59:59"), (7325, "02:02:05")):
        got = function(seconds)
        if got != expected:
            return f"{seconds} seconds are {expected}; yours gave {got!r}"
    return None


@exercise("05.2")
def window_mean(function) -> str | None:
    times, rows = np.array([0.0, 0.1, 0.5, 0.6]), np.array([[0.0], [1.0], [2.0], [4.0]])
    recent = [rows[(times <= t) & (t - times <= 0.45)].mean(0) for t in times]
    with_future = [rows[t - times <= 0.45].mean(0) for t in times]
    without_now = [rows[(times < t) & (t - times <= 0.45)].mean(0) if i else rows[0] for i, t in enumerate(times)]
    mistakes = [
        (with_future, "that also uses frames that are still to come, which nobody has when it happens live"),
        (without_now, "the current frame counts too"),
    ]
    hint = difference(function(times, rows, 0.45), recent, mistakes)
    if hint and hint.startswith("the value"):
        return f"at the times 0, 0.1, 0.5 and 0.6 s the answers were 0, 1, 2 and 4; with 0.45 seconds, {hint}"
    return hint


@exercise("05.3")
def stabilise(function) -> str | None:
    cases = (
        ([3, 3, 5, 3, 5, 5, 5], 2, [3, 3, 3, 3, 3, 5, 5]),
        ([1, 2, 3, 3, 3], 3, [1, 1, 1, 1, 3]),
        ([1, 2, 2], 1, [1, 2, 2]),
    )
    for labels, hold, expected in cases:
        got = function(list(labels), hold)
        if got is None:
            return "your function returned None; is the `return` missing?"
        if list(got) != expected:
            return f"for {labels} and hold={hold}, {expected} should be shown; yours showed {list(got)}"
    return None


@exercise("05.4")
def look_back(seconds, choices, costs) -> str | None:
    if seconds not in choices:
        return f"take one of {choices}"
    delay, false_changes = costs[choices.index(seconds)]
    if delay > 0.15:
        return f"its mean delay is {delay:.2f} s, which is more than 0.15 s"
    best = min(other for wait, other in costs if wait <= 0.15)
    return None if false_changes <= best else "within 0.15 s there is one with fewer false changes"


@exercise("05.5")
def how_many(count) -> str | None:
    if count == 3:
        return "half a second is shorter than max_lost: is the tracker asked in every frame, also without faces?"
    return difference(count, 2)
