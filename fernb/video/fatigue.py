"""Tiredness from the eyes: which share of the last minute they were closed, for each person.

PERCLOS (Wierwille et al. 1994), the share of time in which the eyes are closed, is the measure
of drowsiness that has been studied best. Here closed means that a detector trained on open eyes
finds none, so looking down, sunglasses and bad light count as closed too: it is a worked
example of readings over time, never a safety device. Taught in notebook 05.
"""

from collections import deque
from dataclasses import dataclass

WINDOW = 60.0  # seconds
MIN_SEEN_S = 8.0  # seconds of a person before an alarm can come
ALARM_SHARE = 0.15  # of the window; awake people who blink stay below about 0.08
ALARM_CLOSED = 1.0  # seconds without a break; blinks take 0.1 to 0.4
MISREAD_S = 0.1  # open for no longer than this is no break: a detector errs in single frames
MAX_STEP_S = 1.0  # seconds; a longer gap between two frames says nothing about the eyes


@dataclass(frozen=True)
class Fatigue:
    """One person's eyes: share of the last minute closed, seconds closed without a break, alarm or not."""

    closed_share: float
    closed_s: float
    alarm: bool


class FatigueMeter:
    """Follows one person's eyes. Times are seconds, at any frame rate of two frames a second and more.

    A blink shorter than the time between two frames is seen or missed by chance; on average
    the share stays right, the single blink does not.
    """

    def __init__(self, window: float = WINDOW):
        self.window = window
        self._steps: deque[tuple[float, float, bool]] = deque()  # time, seconds since the frame before, closed
        self._time_s: float | None = None
        self._closed_s = self._open_s = 0.0

    def update(self, time_s: float, closed: bool) -> Fatigue:
        """Return the state after a frame at ``time_s`` that showed the eyes ``closed`` or not."""
        passed = 0.0 if self._time_s is None else time_s - self._time_s
        self._time_s = time_s
        if 0 < passed <= MAX_STEP_S:
            self._steps.append((time_s, passed, closed))
        self._open_s = 0.0 if closed else self._open_s + passed
        if passed > MAX_STEP_S or self._open_s > MISREAD_S:
            self._closed_s = 0.0
        elif closed:
            self._closed_s += passed
        while self._steps and time_s - self._steps[0][0] > self.window:
            self._steps.popleft()
        seen = sum(step for _, step, _ in self._steps)
        share = sum(step for _, step, shut in self._steps if shut) / seen if seen else 0.0
        alarm = self._closed_s >= ALARM_CLOSED or (seen >= MIN_SEEN_S and share >= ALARM_SHARE)
        return Fatigue(share, self._closed_s, alarm)
