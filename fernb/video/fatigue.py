"""Tiredness from the eyes: which share of the last minute they were closed, for each person.

PERCLOS (Wierwille et al. 1994), the share of time in which the eyes are closed, is the measure
of drowsiness that has been studied best. Here closed means that a detector trained on open eyes
finds none, so sunglasses, bad light and eyes that look down in an upright head count as closed
too: it is a worked example of readings over time, never a safety device. Taught in notebook 05.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from fernb.vision.detection import Detection, eyes_closed

WINDOW = 60.0  # seconds
MIN_SEEN_S = 8.0  # seconds of a person before an alarm can come
ALARM_SHARE = 0.15  # of the window; awake people who blink stay below about 0.08
ALARM_CLOSED = 1.0  # seconds without a break; blinks take 0.1 to 0.4
MISREAD_S = 0.1  # open for no longer than this is no break: a detector errs in single frames
MAX_STEP_S = 1.0  # seconds; a longer gap between two frames says nothing about the eyes
MIN_SUNK, MAX_SUNK = 0.15, 0.6  # of a face's side: the head looks down by 17 degrees and more; has another place
RISES_S, SINKS_S = 1.0, 20.0  # seconds of open eyes in which a new height counts as that of the upright head
NOSE_DOWN = 0.64  # of the way from eyes to mouth; 1 in 100 of FER2013's faces has its nose further down


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

    def update(self, time_s: float, closed: bool | None) -> Fatigue:
        """Return the state after a frame at ``time_s`` that showed the eyes ``closed`` or not; None: nobody knows."""
        passed = 0.0 if self._time_s is None else time_s - self._time_s
        self._time_s = time_s
        if closed is not None and 0 < passed <= MAX_STEP_S:
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


class EyeWatch:
    """Watches one person's eyes, and leaves out those that are not seen because the head looks down.

    Who reads a phone shows no open eye, as a sleeper does. A head that turns about its neck takes the
    face down, by about half its side times the sine of the angle, so the face's height is held
    against the one at which its eyes were open; and YuNet's nose comes nearer to the mouth. A sleeper
    whose head has sunk is left out with the readers: the image alone does not tell one from the other.
    """

    def __init__(self) -> None:
        self._meter = FatigueMeter()
        self._upright: float | None = None  # the height of the face's middle, in pixels from above
        self._time_s = 0.0

    def __call__(self, rgb: np.ndarray, face: Detection, time_s: float) -> Fatigue:
        """Return the state after a frame at ``time_s`` seconds; ``rgb`` is RGB or grey, uint8."""
        closed = eyes_closed(rgb, face)
        down = self._looks_down(face, time_s, awake=not closed)
        return self._meter.update(time_s, None if closed and down else closed)

    def _looks_down(self, face: Detection, time_s: float, *, awake: bool) -> bool:
        height = face.y + face.h / 2
        if self._upright is None or abs(height - self._upright) > MAX_SUNK * face.h:
            self._upright = height
        elif awake:
            within = RISES_S if height < self._upright else SINKS_S
            passed = min(max(time_s - self._time_s, 0.0), MAX_STEP_S)
            self._upright += (1 - math.exp(-passed / within)) * (height - self._upright)
        self._time_s = time_s
        sunk = height - self._upright >= MIN_SUNK * face.h
        return sunk or (face.nose is not None and face.nose >= NOSE_DOWN)
