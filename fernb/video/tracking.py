"""Who is who from frame to frame, and who is nobody at all. Taught in notebook 05."""

from dataclasses import dataclass, field, replace

import numpy as np

from fernb.vision.detection import Detection

MIN_DIOU = -0.25  # distance-IoU of two boxes of one size that lie about a box apart
MIN_SIZE_RATIO = 0.5  # a face does not double or halve its side from one frame to the next
JITTER_TIME_S = 0.15  # seconds over which a detector's boxes are averaged for place and speed
MAX_LOST_S = 1.5  # seconds out of sight after which a person is forgotten
MIN_HITS = 3  # detections that make a track a person
MIN_SPAN_S = 0.25  # seconds from the first of them to the last: a reflection in one moment's frames is no person
MAX_MISSES = 2  # looks in a row that do not find a track which is no person yet


@dataclass(eq=False)
class Track:
    """A face over time: ``box`` (centre x, y, width, height in pixels) is steady, ``detection`` the last raw one.

    ``number`` is the person's, from 1 on, and None until the track is confirmed; ``seen_s`` is the
    time of the last detection, ``time_s`` that of ``box``.
    """

    detection: Detection
    box: np.ndarray
    first_s: float
    seen_s: float
    time_s: float
    number: int | None = None
    hits: int = 0
    looks: int = 0
    misses: int = 0
    speed: np.ndarray = field(default_factory=lambda: np.zeros(2))  # pixels per second

    @property
    def steady(self) -> Detection:
        """The last detection, eyes and landmarks with it, moved to the steady box."""
        (cx, cy, w, h), old = self.box, self.detection
        x, y = round(float(cx - w / 2)), round(float(cy - h / 2))
        return replace(old.moved(x - old.x, y - old.y), w=round(float(w)), h=round(float(h)))

    def expected(self, time_s: float) -> np.ndarray:
        """Return the box where the person should be by ``time_s``, moving on as before."""
        return np.concatenate([self.box[:2] + self.speed * max(0.0, time_s - self.time_s), self.box[2:]])

    def move(self, box: np.ndarray, time_s: float) -> None:
        """Put the box where the image's own motion has carried it."""
        passed = time_s - self.time_s
        if passed > 0:
            weight = 1 - np.exp(-passed / JITTER_TIME_S)
            self.speed += weight * ((box - self.box)[:2] / passed - self.speed)
        self.box, self.time_s = box, max(time_s, self.time_s)

    def correct(self, face: Detection, time_s: float) -> None:
        """Correct place and speed by a detection: an alpha-beta filter (Benedict & Bordner 1962)."""
        passed = time_s - self.seen_s
        if passed > 0:
            alpha = 1 - np.exp(-passed / JITTER_TIME_S)
            expected = self.expected(time_s)
            missed = centred(face) - expected
            if time_s > self.time_s:  # else the image's own motion has told the speed
                self.speed += alpha**2 / (2 - alpha) * missed[:2] / passed
            self.box = expected + alpha * missed
        self.detection, self.seen_s, self.time_s = face, max(time_s, self.seen_s), max(time_s, self.time_s)
        self.hits, self.looks, self.misses = self.hits + 1, self.looks + 1, 0


class Tracker:
    """Gives the faces of successive frames a stable number for each person.

    Each person's box is moved on with its speed; faces and people are then matched all at once
    by the Hungarian method (Kuhn 1955) on distance-IoU (Zheng et al. 2020), so that people who
    cross or cover each other for a moment keep their numbers. Pairs that are too far apart count
    as no pair before they are matched, so that a stranger takes nobody's number. A person who is
    out of sight for longer than ``max_lost_s`` seconds is forgotten; who comes back later is new.

    What was detected once may be a hand or a lamp. A track becomes a person after ``min_hits``
    detections over at least 0.25 s (of fewer looks, where frames are far apart: after two), and is
    dropped when two looks in a row do not find it before. With ``min_hits`` 1 all are people at once.
    """

    def __init__(self, *, max_lost_s: float = MAX_LOST_S, min_hits: int = MIN_HITS):
        self.max_lost_s, self.min_hits = max_lost_s, min_hits
        self.tracks: list[Track] = []
        self._count = 0
        self._looked_s: float | None = None

    def update(self, faces: list[Detection], time_s: float) -> list[Track]:
        """Return whose each of the ``faces`` found at ``time_s`` seconds is, in their order."""
        if self._looked_s is not None and time_s - self._looked_s > self.max_lost_s:
            self.settle()  # nobody could have been found a second time
        self._looked_s = time_s
        self.tracks = [track for track in self.tracks if time_s - track.seen_s <= self.max_lost_s]
        chosen = self._match([centred(face) for face in faces], time_s)
        for track in self.tracks:
            if track not in chosen.values():
                track.looks, track.misses = track.looks + 1, track.misses + 1
        found = []
        for i, face in enumerate(faces):
            track = chosen.get(i) or self._new(face, time_s)
            track.correct(face, time_s)
            if track.number is None and self._is_person(track):
                self._confirm(track)
            found.append(track)
        self.tracks = [track for track in self.tracks if track.number is not None or track.misses < MAX_MISSES]
        return found

    def settle(self) -> None:
        """Take the tracks for people that could not be looked for again: the source ends, or leaps in time."""
        for track in self.tracks:
            if track.number is None and not track.misses and track.hits == track.looks and track.hits < self.min_hits:
                self._confirm(track)

    def _is_person(self, track: Track) -> bool:
        if self.min_hits <= 1:
            return True
        return track.hits >= min(self.min_hits, track.looks) and track.seen_s - track.first_s >= MIN_SPAN_S

    def _confirm(self, track: Track) -> None:
        self._count += 1
        track.number = self._count

    def _match(self, boxes: list[np.ndarray], time_s: float) -> dict[int, Track]:
        from scipy.optimize import linear_sum_assignment

        if not boxes or not self.tracks:
            return {}
        scores = distance_iou(np.array(boxes)[:, None], np.array([track.expected(time_s) for track in self.tracks]))
        # a pair that is none must weigh the same however far apart it is, or it pushes others into wrong pairs
        pairs = zip(*linear_sum_assignment(-np.maximum(scores, MIN_DIOU)), strict=True)
        return {i: self.tracks[j] for i, j in pairs if scores[i, j] > MIN_DIOU}

    def _new(self, face: Detection, time_s: float) -> Track:
        self.tracks.append(Track(face, centred(face), time_s, time_s, time_s))
        return self.tracks[-1]


def centred(face: Detection) -> np.ndarray:
    """Return a detection's box as centre x, centre y, width, height: float ``(4,)``."""
    return np.array([face.x + face.w / 2, face.y + face.h / 2, face.w, face.h], float)


def distance_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance-IoU of boxes (centre, size) ``(…, 4)``: overlap over union, less distance over the common diagonal.

    -1 where one box is half as large as the other, or less. Shapes broadcast: ``a[:, None]`` and
    ``b`` give the whole table.
    """
    low = np.minimum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = np.maximum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    common = np.clip((a[..., 2:] + b[..., 2:]) - (high - low), 0, None).prod(-1)
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - common
    score = common / union - ((a[..., :2] - b[..., :2]) ** 2).sum(-1) / ((high - low) ** 2).sum(-1)
    alike = np.minimum(a[..., 2], b[..., 2]) >= MIN_SIZE_RATIO * np.maximum(a[..., 2], b[..., 2])
    return np.where(alike, score, -1.0)
