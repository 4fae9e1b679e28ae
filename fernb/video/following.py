"""Where the known faces are in each frame: detected now and then, carried on by optical flow in between.

A detector takes ten times as long as all the rest of a reading, and faces move little from one
frame to the next. So faces are searched on a small copy, some times a second and at once when one
is lost; in between their boxes go with the image's own motion, as MedianFlow has it (Kalal,
Mikolajczyk & Matas 2010): points on the face are followed by the method of Lucas & Kanade (1981),
forth and back, and the box takes the median of what comes back to where it began.
Taught in notebook 05.
"""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from fernb.video.stream import Frame
from fernb.video.tracking import MIN_DIOU, Track, Tracker, centred, distance_iou
from fernb.vision.detection import Detection, find_eyes, find_faces, without_overlaps
from fernb.vision.images import to_grey

SEARCH_SIDE = 320  # pixels of the longer side of the copy that is searched
SMALL_FACES_SIDE = 800  # … where faces are far away
CALM_S = 0.2  # seconds between two looks at the known faces while nothing happens
WIDE_S = 0.5  # … between two searches of the whole frame, which find newcomers
BRISK_S = 0.1  # … between any two while nobody is there, or somebody might be coming or going
GRACE_S = 0.35  # seconds that a face stays in view which the detector misses and the flow still follows
MAX_FLOW_S = 0.25  # seconds between two frames beyond which motion is not followed
GRID = np.stack(np.meshgrid(*[np.linspace(-0.32, 0.32, 6)] * 2), -1).reshape(-1, 1, 2)  # points on a face, of its side
MAX_RETURN_ERROR = 1.0  # pixels between a point and where it comes back to
MIN_POINTS = 12  # that come back
MIN_LIKENESS = 0.6  # correlation of a face's pixels with those of the frame before
CROWDED_DIOU = -0.1  # two faces as near as this may cover each other: flow would carry one off with the other


class FaceFollower:
    """Says which faces are where, frame by frame; one follower serves one source.

    ``detector`` is that of :func:`fernb.find_faces`. Frames are searched at ``search_side`` pixels
    on the longer side: 320 finds faces from some 24/320 of the frame on, 800 smaller ones (slower).
    ``min_eyes`` (0 to 2) looks for each face's eyes and drops faces that show fewer; None does not look.
    """

    def __init__(
        self,
        tracker: Tracker | None = None,
        *,
        detector: str = "auto",
        search_side: int = SEARCH_SIDE,
        min_eyes: int | None = None,
    ):
        self.tracker = tracker or Tracker()
        self.detector, self.search_side, self.min_eyes = detector, search_side, min_eyes
        self._before: np.ndarray | None = None  # the frame before, grey and small
        self._time_s = 0.0
        self._searched_s: float | None = None  # in the whole frame
        self._looked_s = 0.0  # there, or near known faces
        self._in_view: list[Track] = []

    def __call__(self, frame: Frame) -> list[Track]:
        """Return the tracks that are in view in a frame, largest first, persons and those who may become one."""
        zoom = min(1.0, self.search_side / max(frame.rgb.shape[:2]))
        small = _shrunk(frame.rgb, zoom)
        grey = to_grey(small)
        followed = [] if frame.still else self._follow(grey, zoom, frame.time_s)
        if (wide := frame.still or self._must_search(frame.time_s, followed)) or self._must_look(frame.time_s):
            faces = self._faces(frame, small, None if wide else [*followed, *self._lost(followed)])
            found = self.tracker.update(faces, frame.time_s)
            if frame.still:  # no second look at it will come
                self.tracker.settle()
            self._looked_s = frame.time_s
            self._searched_s = frame.time_s if wide else self._searched_s
            kept = [track for track in followed if frame.time_s - track.seen_s <= GRACE_S]
            self._in_view = [*found, *(track for track in kept if track not in found and track in self.tracker.tracks)]
        else:
            self._in_view = followed
        self._before, self._time_s = grey, frame.time_s
        self._in_view.sort(key=lambda track: -track.box[2] * track.box[3])
        return list(self._in_view)

    def fresh(self) -> "FaceFollower":
        """Return a follower of the same kind, which has seen nothing yet."""
        tracker = Tracker(max_lost_s=self.tracker.max_lost_s, min_hits=self.tracker.min_hits)
        return FaceFollower(tracker, detector=self.detector, search_side=self.search_side, min_eyes=self.min_eyes)

    def _must_search(self, time_s: float, followed: list[Track]) -> bool:
        """Say whether the whole frame is to be searched: somebody was lost, or may be somewhere, or it is time."""
        if self._searched_s is None or len(followed) < len(self._in_view) or _crowded(followed):
            return True
        return _passed(self._searched_s, time_s, WIDE_S if followed else BRISK_S)

    def _must_look(self, time_s: float) -> bool:
        """Say whether the detector is to look again where the known faces are, or were last."""
        restless = any(track.number is None or track.misses for track in self.tracker.tracks)
        return _passed(self._looked_s, time_s, BRISK_S if restless else CALM_S)

    def _lost(self, followed: list[Track]) -> list[Track]:
        """Return the people who are not among ``followed`` and may come back: most do so where they were."""
        return [one for one in self.tracker.tracks if one.number is not None and one not in followed]

    def _faces(self, frame: Frame, small: np.ndarray, known: list[Track] | None) -> list[Detection]:
        """Return the faces of a frame, or those near ``known``; who is missed is looked for again on more pixels."""
        if frame.still:
            return self._search(frame.rgb, frame.rgb)
        faces = self._search(small, frame.rgb, known)
        missed = self._missed(faces, frame.time_s) if small.shape != frame.rgb.shape else []
        return without_overlaps([*faces, *self._search(frame.rgb, frame.rgb, missed)]) if missed else faces

    def _missed(self, faces: list[Detection], time_s: float) -> list[Track]:
        """Return the people who are not among ``faces`` and were found the time before."""
        people = [one for one in self.tracker.tracks if one.number is not None and not one.misses]
        if not people:
            return []
        boxes = np.array([centred(face) for face in faces]).reshape(-1, 4)
        scores = distance_iou(np.array([one.expected(time_s) for one in people])[:, None], boxes)
        return [one for one, row in zip(people, scores, strict=True) if not (row > MIN_DIOU).any()]

    def _search(self, image: np.ndarray, rgb: np.ndarray, known: list[Track] | None = None) -> list[Detection]:
        """Return the faces in ``image``, a copy of ``rgb``, in the pixels of ``rgb``; only those near ``known``."""
        factor = rgb.shape[1] / image.shape[1]
        near = None if known is None else [track.steady.scaled(1 / factor) for track in known]
        found = find_faces(image, self.detector, near=near)
        faces = [face.scaled(factor) for face in found if plausible(face)]
        if self.min_eyes is None:
            return faces
        faces = [replace(face, eyes=find_eyes(rgb, face)) for face in faces]
        return [face for face in faces if len(face.eyes or ()) >= self.min_eyes]

    def _follow(self, grey: np.ndarray, zoom: float, time_s: float) -> list[Track]:
        """Carry the faces in view on; return those that could be followed."""
        passed = time_s - self._time_s
        before = self._before
        if before is None or before.shape != grey.shape or not 0 <= passed <= MAX_FLOW_S or not self._in_view:
            return []
        boxes = follow_boxes(before, grey, [track.box * zoom for track in self._in_view])
        followed = []
        for track, box in zip(self._in_view, boxes, strict=True):
            if box is not None:
                track.move(box / zoom, time_s)
                followed.append(track)
        return followed


def follow_boxes(before: np.ndarray, now: np.ndarray, boxes: list[np.ndarray]) -> list[np.ndarray | None]:
    """Return where ``boxes`` (centre, size) of one grey frame are in the next; None for one that is lost.

    Both frames are uint8 ``(h, w)``; boxes are float ``(4,)`` in their pixels.
    """
    points = np.concatenate([box[:2] + GRID * box[2:] for box in boxes]).astype(np.float32)
    flow: Any = cv2.calcOpticalFlowPyrLK  # its annotation does not know that there may be no first guess
    there, status, _ = flow(before, now, points, None, winSize=(15, 15), maxLevel=2)
    back, returned, _ = flow(now, before, there, None, winSize=(15, 15), maxLevel=2)
    good = (status & returned).astype(bool)[:, 0] & (np.abs(back - points).max((1, 2)) < MAX_RETURN_ERROR)
    answer: list[np.ndarray | None] = []
    for i, box in enumerate(boxes):
        own = slice(i * len(GRID), (i + 1) * len(GRID))
        answer.append(_median_motion(box, points[own, 0][good[own]], there[own, 0][good[own]]))
    return [
        box if box is not None and _alike(before, now, old, box) else None
        for old, box in zip(boxes, answer, strict=True)
    ]


def _median_motion(box: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray | None:
    if len(old) < MIN_POINTS:
        return None
    shift = _median(new - old)
    spread = np.abs(old - _median(old)).sum(1)
    wide = spread > _median(spread)  # points far from the middle tell the size best
    scale = 1.0
    if wide.any():
        scale = float(_median(np.abs(new - _median(new)).sum(1)[wide] / spread[wide]))
    return np.concatenate([box[:2] + shift, box[2:] * np.clip(scale, 0.9, 1.1)])


def _median(values: np.ndarray) -> np.ndarray:
    """Return the upper median along the first axis, in a tenth of the time of NumPy's for so few values."""
    return np.sort(values, axis=0)[len(values) // 2]


def _alike(before: np.ndarray, now: np.ndarray, old: np.ndarray, new: np.ndarray) -> bool:
    a, b = _patch(before, old), _patch(now, new)
    return a is not None and b is not None and cv2.matchTemplate(a, b, cv2.TM_CCOEFF_NORMED)[0, 0] >= MIN_LIKENESS


def _patch(grey: np.ndarray, box: np.ndarray) -> np.ndarray | None:
    """Return the pixels in a box as float32 ``(24, 24)``; None where most of it is outside or all is flat."""
    left, top = np.rint(box[:2] - box[2:] / 2).astype(int)
    right, bottom = np.rint(box[:2] + box[2:] / 2).astype(int)
    part = grey[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if part.size < 0.5 * box[2] * box[3] or min(part.shape) < 4 or part.std() < 2:
        return None
    return cv2.resize(part, (24, 24), interpolation=cv2.INTER_AREA).astype(np.float32)


def plausible(face: Detection) -> bool:
    """Say whether YuNet's landmarks can be a face's: eyes above the nose, the nose above the mouth, in the box.

    True where there are no landmarks. The head may be tilted: "above" is along its own axis.
    """
    if face.landmarks is None or face.nose is None:
        return True
    if np.hypot(*(face.landmarks[3:].mean(0) - face.landmarks[:2].mean(0))) < 0.15 * face.h:
        return False
    inside = (face.landmarks >= (face.x - 0.2 * face.w, face.y - 0.2 * face.h)).all()
    inside &= (face.landmarks <= (face.x + 1.2 * face.w, face.y + 1.2 * face.h)).all()
    return bool(inside) and 0.05 <= face.nose <= 1.0


def _crowded(tracks: list[Track]) -> bool:
    boxes = np.array([track.box for track in tracks]).reshape(-1, 4)
    scores = distance_iou(boxes[:, None], boxes)
    return bool((scores[np.triu_indices(len(boxes), 1)] > CROWDED_DIOU).any())


def _passed(since_s: float, time_s: float, wanted_s: float) -> bool:
    return time_s - since_s >= wanted_s - 0.005


def _shrunk(rgb: np.ndarray, zoom: float) -> np.ndarray:
    return cv2.resize(rgb, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA) if zoom < 1 else rgb
