"""Checks of lesson 5, webcam and video."""

import numpy as np

from fernb.checks import difference, exercise

AFTER_A_PAUSE = ([0, 10, 10.2, 10.4], 0.5, [0, 1, 3])  # a clock that never waited would take them all


@exercise("05.1")
def taken(function) -> str | None:
    cases = (
        ([0, 1, 2, 3, 4], 2.5, [0, 2, 4]),
        ([0, 1, 2, 3], 0.5, [0, 1, 2, 3]),
        ([0, 1, 2, 3, 7, 8], 1.75, [0, 1, 3, 4, 5]),
        ([2, 2.5, 3, 9], 1, [0, 2, 3]),
        AFTER_A_PAUSE,
    )
    for stamps, turn, expected in cases:
        got = function(list(stamps), turn)
        if got is None:
            return "your function returned None; is the `return` missing?"
        got = list(got)
        if got != expected:
            asked = f"with frames at {stamps} s and a turn of {turn} s"
            if got == list(range(len(stamps))):
                if stamps == AFTER_A_PAUSE[0]:
                    return f"{asked}, yours takes every one; the clock must wait for a frame, up to the frame's stamp"
                return f"{asked}, yours takes every frame; the loop must drop those that are not the newest"
            if got[1:] and min(np.diff(got)) == 0:
                return f"{asked}, yours takes a frame twice; where no new one has come, it must wait"
            return f"{asked}, the loop takes {expected}; yours took {got}"
    return None


@exercise("05.2")
def window_mean(function) -> str | None:
    times, rows = np.array([0.0, 0.25, 0.5, 1.0]), np.array([[0.0], [1.0], [2.0], [4.0]])
    ago = times[:, None] - times  # [i, j]: how long before time i row j came; these times are exact in binary
    recent = np.array([rows[(past >= 0) & (past <= 0.5)].mean(0) for past in ago])
    exponential = [rows[0]]
    for i in range(1, len(rows)):
        keep = np.exp(-(times[i] - times[i - 1]) / 0.5)
        exponential.append(keep * exponential[-1] + (1 - keep) * rows[i])
    mistakes = [
        (
            np.array([rows[past <= 0.5].mean(0) for past in ago]),
            "that also uses frames that are still to come, which nobody has when it happens live",
        ),
        (
            np.array([rows[(past > 0) & (past <= 0.5)].mean(0) if i else rows[0] for i, past in enumerate(ago)]),
            "the current frame counts too",
        ),
        (
            np.array([rows[(past >= 0) & (past < 0.5)].mean(0) for past in ago]),
            "a row of exactly `seconds` ago counts too: is your comparison `<=`?",
        ),
        (np.array(exponential), "that is exponential smoothing; take the plain mean of the recent rows"),
    ]
    hint = difference(function(times, rows, 0.5), recent, mistakes)
    if hint and hint.startswith("the value"):
        return f"at the times 0, 0.25, 0.5 and 1 s the answers were 0, 1, 2 and 4; with 0.5 seconds, {hint}"
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
    latest = costs[choices.index(0)][0] + 0.15
    delay, false_changes = costs[choices.index(seconds)]
    if delay > latest:
        return f"its mean delay is {delay:.2f} s; 0.15 s after the raw answers is {latest:.2f} s"
    best = min(other for wait, other in costs if wait <= latest)
    return None if false_changes <= best else "within 0.15 s there is one with fewer false changes"


@exercise("05.5")
def longest_gap(seconds) -> str | None:
    mistakes = [
        (1.0, "max_lost counts from when she was last seen, and that was one frame before she left"),
        (0.8, "a person who was not seen for exactly max_lost is not forgotten yet: is your comparison `<=`?"),
    ]
    hint = difference(seconds, 0.9, mistakes)
    if hint and hint.startswith("the value"):
        longer = float(np.squeeze(seconds)) < 0.9
        return "she still has her number after a longer gap" if longer else "after that gap she is somebody new"
    return hint
