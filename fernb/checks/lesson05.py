"""Checks of lesson 5, webcam and video."""

from collections.abc import Sequence

import numpy as np

from fernb.checks import difference, exercise

FUTURE = "that also uses frames that are still to come, which nobody has when it happens live"
AFTER_A_PAUSE = ([0, 10, 10.2, 10.4], 0.5, [0, 1, 3])  # a clock that never waited would take them all


def _next_to_come(stamps: Sequence[float], turn: float) -> list[int]:
    """Return the frames of a loop that waits for the next one, instead of taking the newest that is there."""
    answer = [0]
    while later := [i for i, stamp in enumerate(stamps) if stamp >= stamps[answer[-1]] + turn]:
        answer.append(later[0])
    return answer


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
                if turn in np.subtract.outer(stamps, stamps):
                    return f"{asked}, a frame comes just when the loop is free, and is there: is your comparison `<=`?"
                return f"{asked}, yours takes every frame; the loop must drop those that are not the newest"
            if got[1:] and min(np.diff(got)) == 0:
                return f"{asked}, yours takes a frame twice; where no new one has come, it must wait"
            why = "; it waits for the next frame, although one that it has not had is there"
            why = why if got == _next_to_come(stamps, turn) else ""
            return f"{asked}, the loop takes {expected}; yours took {got}{why}"
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
            FUTURE,
        ),
        (
            np.array([rows[abs(past) <= 0.5].mean(0) for past in ago]),
            FUTURE,
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
def choose(function) -> str | None:
    look_back = [0, 0.1, 0.2, 0.4]
    falling = [(0.25, 60.0), (0.375, 30.0), (0.5, 15.0), (0.75, 4.0)]  # delays that are exact in binary
    cases = (
        (falling, 0.375, 0.2),
        (falling, 0.25, 0.2),
        ([(0.0, 10.0), (0.125, 4.0), (0.25, 6.0), (0.5, 0.0)], 0.25, 0.1),
        ([(0.0, 10.0), (0.125, 2.0), (0.25, 2.0), (0.5, 0.0)], 0.25, 0.1),
    )
    for costs, extra, expected in cases:
        got = function(list(look_back), list(costs), extra)
        if got is None:
            return "your function returned None; is the `return` missing?"
        if got == expected:
            continue
        asked = f"with {look_back}, {costs} and extra={extra}, {expected} is right"
        if got not in look_back:
            return f"{asked}; yours gave {got}, which is none of `look_back`"
        raw, (delay, false) = costs[0][0], costs[look_back.index(got)]
        if got == min(zip(look_back, costs, strict=True), key=lambda one: (one[1][0] > extra, one[1][1]))[0]:
            return f"{asked}; yours gave {got}: `extra` counts from the delay of the raw answers, here {raw} s"
        if delay > raw + extra:
            return f"{asked}; yours gave {got}, which is {delay - raw} s later than raw"
        if false == costs[look_back.index(expected)][1]:
            return f"{asked}; yours gave {got}, which has as few false changes but comes later"
        return f"{asked}; yours gave {got}, which has more false changes"
    return None


@exercise("05.5")
def longest_gap(seconds) -> str | None:
    if seconds is None:
        return "`longest_gap` is None; give a number of seconds"
    mistakes = [
        (1.0, "max_lost counts from when she was last seen, and that was one frame before she left"),
        (0.8, "a person who was not seen for exactly max_lost is not forgotten yet: is your comparison `<=`?"),
    ]
    hint = difference(seconds, 0.9, mistakes)
    if hint and hint.startswith("the value"):
        seconds = float(np.squeeze(seconds))
        if seconds >= 2:
            return "after that gap she is not back before the clip ends, hence only two numbers; try 0.5 to 1.5 s"
        return "she still has her number after a longer gap" if seconds < 0.9 else "after that gap she is somebody new"
    return hint
