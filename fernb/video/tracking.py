"""Who is who from frame to frame, and a steady answer for each person.

Taught in notebook 05.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fernb.video.smoothing import LabelStabiliser, Raw, smoother
from fernb.vision.detection import Detection

MIN_DIOU = -0.25  # distance-IoU of two boxes of one size that lie about a box apart
JITTER_TIME_S = 0.15  # seconds over which a detector's boxes are averaged for place and speed
MIN_SIZE_RATIO = 0.5  # a face does not double or halve its side from one frame to the next


class Person(NamedTuple):
    """Who a face belongs to: number, smoothed probabilities ``(k,)``, shown emotion, frames it has held.

    ``emotion`` is an index into the labels, None while unsure.
    """

    number: int
    probs: np.ndarray
    emotion: int | None
    held: int


@dataclass
class _Track:
    number: int
    smooth: Raw
    show: LabelStabiliser
    box: np.ndarray  # centre x, centre y, width, height
    seen_s: float
    speed: np.ndarray = field(default_factory=lambda: np.zeros(2))  # pixels per second

    def expected(self, time_s: float) -> np.ndarray:
        """Return the box where the person should be by now, moving on as before."""
        return np.concatenate([self.box[:2] + self.speed * (time_s - self.seen_s), self.box[2:]])

    def follow(self, box: np.ndarray, time_s: float) -> None:
        """Correct place and speed by a detection: an alpha-beta filter (Benedict & Bordner 1962)."""
        passed, expected = time_s - self.seen_s, self.expected(time_s)
        if passed > 0:
            alpha = 1 - np.exp(-passed / JITTER_TIME_S)
            missed = box - expected
            self.speed += alpha**2 / (2 - alpha) * missed[:2] / passed
            self.box, self.seen_s = expected + alpha * missed, time_s


class Tracker:
    """Gives the faces of successive frames a stable number for each person.

    Each person's box is moved on with its speed; faces and people are then matched all at once
    by the Hungarian method (Kuhn 1955) on distance-IoU (Zheng et al. 2020), so that people who
    cross or cover each other for a moment keep their numbers. A person who is out of sight for
    longer than ``memory`` seconds is forgotten; who comes back later counts as new.

    Each person has a smoother of their own: ``kind`` of
    :data:`fernb.video.smoothing.SMOOTHERS` over ``smoothing`` seconds. An emotion is shown after it
    was the likeliest for ``hold`` frames, and not where its probability is below
    ``unsure_below``. Raises :class:`~fernb.errors.FernbError` for an unknown ``kind``.
    """

    def __init__(
        self,
        memory: float = 1.5,
        smoothing: float = 0.4,
        kind: str = "exponential",
        hold: int = 1,
        unsure_below: float = 0.0,
    ):
        smoother(kind, smoothing)  # a wrong kind is told at once, not at the first face
        self.memory, self.smoothing, self.kind = memory, smoothing, kind
        self.hold, self.unsure_below = hold, unsure_below
        self._tracks: list[_Track] = []
        self._count = 0

    def retune(self, smoothing: float, kind: str, unsure_below: float) -> None:
        """Change the smoothing from the next frame on; people keep their numbers. Raises as the class does."""
        smoother(kind, smoothing)  # a wrong kind is told before anything changes
        self.smoothing, self.kind, self.unsure_below = smoothing, kind, unsure_below
        for track in self._tracks:
            track.smooth, track.show.unsure_below = smoother(kind, smoothing), unsure_below

    def update(self, faces: list[Detection], probs: np.ndarray, time_s: float) -> list[Person]:
        """Return whose each face of the frame at ``time_s`` is; ``probs`` is ``(n, k)``."""
        self._tracks = [track for track in self._tracks if time_s - track.seen_s <= self.memory]
        boxes = [np.array([face.x + face.w / 2, face.y + face.h / 2, face.w, face.h]) for face in faces]
        chosen = self._match(boxes, time_s)
        people = []
        for i, box in enumerate(boxes):
            track = chosen.get(i) or self._new(box, time_s)
            track.follow(box, time_s)
            smoothed = track.smooth(probs[i], time_s)
            emotion = track.show(smoothed)
            people.append(Person(track.number, smoothed, emotion, track.show.held))
        return people

    def _match(self, boxes: list[np.ndarray], time_s: float) -> dict[int, _Track]:
        from scipy.optimize import linear_sum_assignment

        if not boxes or not self._tracks:
            return {}
        known = list(self._tracks)
        scores = np.array([[distance_iou(box, track.expected(time_s)) for track in known] for box in boxes])
        pairs = zip(*linear_sum_assignment(-scores), strict=True)
        return {i: known[j] for i, j in pairs if scores[i, j] >= MIN_DIOU}

    def _new(self, box: np.ndarray, time_s: float) -> _Track:
        self._count += 1
        show = LabelStabiliser(self.hold, self.unsure_below)
        self._tracks.append(_Track(self._count, smoother(self.kind, self.smoothing), show, box, time_s))
        return self._tracks[-1]


def distance_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Distance-IoU of two boxes (centre, size): overlap over union, less the distance over the common diagonal."""
    if min(a[2], b[2]) < MIN_SIZE_RATIO * max(a[2], b[2]):
        return -1.0
    low, high = np.minimum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2), np.maximum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
    common = np.prod(np.clip((a[2:] + b[2:]) - (high - low), 0, None))
    union = np.prod(a[2:]) + np.prod(b[2:]) - common
    return float(common / union - ((a[:2] - b[:2]) ** 2).sum() / ((high - low) ** 2).sum())
