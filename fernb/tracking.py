"""Who is who from frame to frame, and a steady probability for each person.

Taught in notebook 05.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fernb.faces import Detection


class Person(NamedTuple):
    """Who a face belongs to: number, smoothed probabilities ``(k,)``, frames that the emotion has held."""

    number: int
    probs: np.ndarray
    held: int


@dataclass
class _Track:
    number: int
    box: tuple[int, int, int, int]
    seen_s: float
    smoothed: np.ndarray | None = field(default=None)
    emotion: int = -1
    held: int = 0


class Tracker:
    """Gives the faces of successive frames a stable number for each person.

    Faces are matched to the people seen before by the overlap of their boxes, all at once, by
    the Hungarian method (Kuhn 1955). A person who is out of sight for longer than ``memory``
    seconds is forgotten; who comes back later counts as new. ``smoothing`` is the time in
    seconds over which each person's own probabilities are averaged exponentially (0: not).
    """

    def __init__(self, memory: float = 1.0, smoothing: float = 0.4, least_overlap: float = 0.2):
        self.memory, self.smoothing, self.least_overlap = memory, smoothing, least_overlap
        self._tracks: list[_Track] = []
        self._count = 0

    def update(self, faces: list[Detection], probs: np.ndarray, time_s: float) -> list[Person]:
        """Return whose each face of the frame at ``time_s`` is; ``probs`` is ``(n, k)``."""
        self._tracks = [track for track in self._tracks if time_s - track.seen_s <= self.memory]
        chosen = self._match(faces)
        answers = []
        for i, face in enumerate(faces):
            track = chosen.get(i) or self._new()
            self._follow(track, face, probs[i], time_s)
            answers.append(Person(track.number, track.smoothed, track.held))
        return answers

    def _match(self, faces: list[Detection]) -> dict[int, _Track]:
        from scipy.optimize import linear_sum_assignment

        if not faces or not self._tracks:
            return {}
        known = list(self._tracks)
        overlap = np.array([[_overlap(face.box, track.box) for track in known] for face in faces])
        pairs = zip(*linear_sum_assignment(-overlap), strict=True)
        return {i: known[j] for i, j in pairs if overlap[i, j] >= self.least_overlap}

    def _new(self) -> _Track:
        self._count += 1
        self._tracks.append(_Track(self._count, (0, 0, 0, 0), 0.0))
        return self._tracks[-1]

    def _follow(self, track: _Track, face: Detection, probs: np.ndarray, time_s: float) -> None:
        if track.smoothed is None or not self.smoothing:
            track.smoothed = probs
        else:
            keep = np.exp(-(time_s - track.seen_s) / self.smoothing)
            track.smoothed = (keep * track.smoothed + (1 - keep) * probs).astype(np.float32)
        emotion = int(track.smoothed.argmax())
        track.held = track.held + 1 if emotion == track.emotion else 1
        track.emotion, track.box, track.seen_s = emotion, face.box, time_s


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Intersection over union of two boxes ``(x, y, w, h)``."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / (a[2] * a[3] + b[2] * b[3] - common)
