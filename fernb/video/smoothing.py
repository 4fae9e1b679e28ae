"""Steady answers: smoothing of one person's probabilities over time, and what it costs.

A network judges each frame alone, so its answer flickers. Each smoother here belongs to one
person: faces must never share one. Taught in notebook 05.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fernb.errors import FernbError

HYSTERESIS = 0.85  # a shown emotion stays, while it is the likeliest, down to this share of the threshold


class Smoother(Protocol):
    """One person's probabilities over time."""

    def __call__(self, probs: np.ndarray, time_s: float) -> np.ndarray:
        """Return the smoothed probabilities ``(k,)`` after seeing ``probs`` ``(k,)`` at ``time_s`` seconds."""
        ...


class NoSmoothing:
    """Each frame's probabilities as they are; ``seconds`` counts for nothing."""

    def __init__(self, seconds: float):
        pass

    def __call__(self, probs: np.ndarray, time_s: float) -> np.ndarray:
        return probs


class RunningMean:
    """The mean of the last ``seconds``."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._seen: deque[tuple[float, np.ndarray]] = deque()

    def __call__(self, probs: np.ndarray, time_s: float) -> np.ndarray:
        self._seen.append((time_s, probs))
        while time_s - self._seen[0][0] > self.seconds:
            self._seen.popleft()
        return np.asarray(np.mean([row for _, row in self._seen], axis=0, dtype=np.float32))


class ExponentialSmoothing:
    """The exponential mean with time constant ``seconds``; frames count by the time between them."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._mean: np.ndarray | None = None
        self._time_s = 0.0

    def __call__(self, probs: np.ndarray, time_s: float) -> np.ndarray:
        if self._mean is None or not self.seconds:
            self._mean = probs
        else:
            keep = math.exp(-max(0.0, time_s - self._time_s) / self.seconds)
            self._mean = (keep * self._mean + (1 - keep) * probs).astype(np.float32)
        self._time_s = time_s
        return self._mean


class HiddenMarkov:
    """The forward filter of a hidden Markov model (Rabiner 1989): the emotion is hidden, the network's answer seen.

    An emotion is taken to last two seconds on average. Successive frames show nearly the same
    picture and err alike, so all the frames of ``seconds`` together count as one observation.
    """

    LASTS = 2.0

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._belief: np.ndarray | None = None
        self._time_s = 0.0

    def __call__(self, probs: np.ndarray, time_s: float) -> np.ndarray:
        if self._belief is None:
            self._belief = np.asarray(probs, np.float32)
        else:
            passed = max(0.0, time_s - self._time_s)
            stay = math.exp(-passed / self.LASTS)
            weight = min(1.0, passed / self.seconds) if self.seconds else 1.0
            expected = stay * self._belief + (1 - stay) / len(probs)
            belief = expected * np.maximum(probs, 1e-4) ** weight
            self._belief = (belief / belief.sum()).astype(np.float32)
        self._time_s = time_s
        return self._belief


SMOOTHERS: dict[str, Callable[[float], Smoother]] = {
    "none": NoSmoothing,
    "mean": RunningMean,
    "exponential": ExponentialSmoothing,
    "hmm": HiddenMarkov,
}
"""The smoothers by the names that commands and widgets use."""


def smoother(kind: str, seconds: float) -> Smoother:
    """Return a fresh smoother for one person; ``kind`` is a key of :data:`SMOOTHERS`.

    Raises :class:`~fernb.errors.FernbError` for another kind or for a time below 0.
    """
    if kind not in SMOOTHERS:
        raise FernbError(f"there is no smoothing {kind!r}; there are {', '.join(SMOOTHERS)}.")
    if not 0 <= seconds < math.inf:
        raise FernbError(f"cannot smooth over {seconds} seconds; write 0 or more.")
    return SMOOTHERS[kind](seconds)


@dataclass(frozen=True)
class SteadyOptions:
    """How one person's answers are made steady: the defaults of every command and widget.

    They are what ``benchmarks/smoothing.py`` chose.

    ``smoothing`` is a key of :data:`SMOOTHERS`, over ``seconds``; an emotion is shown after it was
    the likeliest for ``min_frames`` frames, and not where it is less probable than
    ``confidence_threshold`` (None: what the network's own tests say). Raises
    :class:`~fernb.errors.FernbError` for values that cannot be.
    """

    smoothing: str = "mean"
    seconds: float = 0.6
    min_frames: int = 1
    confidence_threshold: float | None = None

    def __post_init__(self) -> None:
        smoother(self.smoothing, self.seconds)
        if self.min_frames < 1:
            raise FernbError(f"an emotion must hold for 1 frame or more, not for {self.min_frames}.")
        if self.confidence_threshold is not None and not 0 <= self.confidence_threshold <= 1:
            raise FernbError(f"the confidence threshold is {self.confidence_threshold}; it must be 0 to 1.")


class LabelStabiliser:
    """Shows an emotion only after it was the likeliest for ``min_frames`` frames, and sure enough.

    Frames whose best probability is below ``confidence_threshold`` count as "unsure", shown as
    None; the emotion that is shown already stays, while it is the likeliest, down to
    :data:`HYSTERESIS` times the threshold, so that a face near the threshold does not blink.
    ``frames_held`` is for how many frames the shown emotion has been shown.
    """

    def __init__(self, min_frames: int = 1, confidence_threshold: float = 0.0):
        self.min_frames, self.confidence_threshold = min_frames, confidence_threshold
        self.shown: int | None = None
        self.frames_held = 0
        self._candidate: int | None = None
        self._times = 0

    def __call__(self, probs: np.ndarray) -> int | None:
        """Return the index of the emotion to show after a frame with ``probs`` ``(k,)``; None: unsure."""
        best = int(probs.argmax())
        threshold = self.confidence_threshold * (HYSTERESIS if best == self.shown else 1)
        now = best if probs[best] >= threshold else None
        self._times = self._times + 1 if now == self._candidate else 1
        self._candidate = now
        if now != self.shown and self._times >= self.min_frames:
            self.shown, self.frames_held = now, self._times
        else:
            self.frames_held += 1
        return self.shown


def smooth(
    times: Iterable[float],
    probs: np.ndarray,
    kind: str = SteadyOptions.smoothing,
    seconds: float = SteadyOptions.seconds,
) -> np.ndarray:
    """Return one person's probabilities ``(n, k)`` smoothed, frame by frame, as it would happen live."""
    step = smoother(kind, seconds)
    return np.array([step(row, time_s) for time_s, row in zip(times, probs, strict=True)], np.float32)


def show(probs: np.ndarray, min_frames: int = 1, confidence_threshold: float = 0.0) -> list[int | None]:
    """Return which emotion a :class:`LabelStabiliser` shows after each row of ``probs`` ``(n, k)``."""
    stabiliser = LabelStabiliser(min_frames, confidence_threshold)
    return [stabiliser(row) for row in probs]


def flicker(times: Sequence[float], shown: Sequence) -> float:
    """Return how often the shown label changes, per minute."""
    changes = sum(a != b for a, b in itertools.pairwise(shown))
    return 60 * changes / (times[-1] - times[0]) if len(times) > 1 else 0.0


def false_flicker(times: Sequence[float], shown: Sequence, truth: Sequence) -> float:
    """Return the changes per minute beyond those that the truth makes, 0 at least."""
    return max(0.0, flicker(times, shown) - flicker(times, truth))


def delays(times: Sequence[float], shown: Sequence, truth: Sequence) -> list[float]:
    """Return how long after each change of ``truth`` it was first shown, in seconds; inf where it never was."""
    starts = [i for i in range(1, len(truth)) if truth[i] != truth[i - 1]]
    answer = []
    for start, end in itertools.pairwise([*starts, len(truth)]):
        seen = (times[i] - times[start] for i in range(start, end) if shown[i] == truth[start])
        answer.append(next(seen, math.inf))
    return answer
