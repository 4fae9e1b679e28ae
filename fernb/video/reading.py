"""Frames in, readings out: videos and cameras, the table of emotions, annotated copies.

Memory stays constant however long the video is: frames and readings are passed on one by one.
Taught in notebook 05.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fernb.config import FACE_SIDE
from fernb.networks.recogniser import Recogniser
from fernb.video.fatigue import Fatigue, FatigueMeter
from fernb.video.stream import Frame
from fernb.video.tracking import Person, Tracker
from fernb.vision.crop import crop_face
from fernb.vision.detection import Detection, eyes_closed, find_faces

UNSURE = "unsure"


@dataclass(frozen=True)
class Reading:
    """One person in one frame: who, where, the probabilities ``(k,)`` raw and smoothed, and what is shown.

    ``emotion`` is an index into the labels, or None while unsure; ``held`` is the number of
    analysed frames for which it has been the same. ``fatigue`` is None where nobody asked.
    """

    track: int
    face: Detection
    probs: np.ndarray
    smoothed: np.ndarray
    emotion: int | None
    held: int = 1
    fatigue: Fatigue | None = None

    def shown(self, labels: Sequence[str]) -> tuple[str, float]:
        """Return the shown emotion's name, ``unsure`` for None, and its smoothed probability."""
        if self.emotion is None:
            return UNSURE, float(self.smoothed.max())
        return labels[self.emotion], float(self.smoothed[self.emotion])


class FaceReader:
    """Finds and names the faces of one frame after the other; it keeps who is who.

    ``tracker`` decides about smoothing; with ``eyes`` each face's eyes are looked for, with
    ``fatigue`` each person's closed eyes are counted. One reader serves one source.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        tracker: Tracker | None = None,
        detector: str = "auto",
        eyes: bool = False,
        fatigue: bool = False,
    ):
        self.recogniser, self.tracker = recogniser, tracker or Tracker()
        self.detector, self.eyes, self.fatigue = detector, eyes, fatigue
        self._meters: dict[int, FatigueMeter] = {}

    def __call__(self, frame: Frame) -> list[Reading]:
        """Return a reading for each face, largest first; an empty list where there is none."""
        faces = find_faces(frame.rgb, self.detector, eyes=self.eyes)
        crops = np.array([crop_face(frame.rgb, face) for face in faces], np.uint8).reshape(-1, FACE_SIDE, FACE_SIDE)
        probs = self.recogniser.predict(crops)
        people = self.tracker.update(faces, probs, frame.time_s)
        return [
            Reading(
                person.number, face, row, person.probs, person.emotion, person.held, self._fatigue(frame, face, person)
            )
            for face, row, person in zip(faces, probs, people, strict=True)
        ]

    def _fatigue(self, frame: Frame, face: Detection, person: Person) -> Fatigue | None:
        if not self.fatigue:
            return None
        meter = self._meters.setdefault(person.number, FatigueMeter())
        return meter.update(frame.time_s, eyes_closed(frame.rgb, face))


def read_faces(
    stream: Iterable[Frame],
    recogniser: Recogniser,
    tracker: Tracker | None = None,
    detector: str = "auto",
    eyes: bool = False,
    fatigue: bool = False,
) -> Iterator[tuple[Frame, list[Reading]]]:
    """Find and name the faces of each frame with one :class:`FaceReader`."""
    reader = FaceReader(recogniser, tracker, detector, eyes, fatigue)
    for frame in stream:
        yield frame, reader(frame)
