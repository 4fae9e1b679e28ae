"""Frames in, readings out: find and follow the faces, ask the network, make its answers steady.

Memory stays constant however long the video is: frames and readings are passed on one by one, and
what is kept of a person is forgotten with the person. Taught in notebook 05.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fernb import config
from fernb.networks.recogniser import Recogniser
from fernb.recognition import recognise_faces
from fernb.video.fatigue import EyeWatch, Fatigue
from fernb.video.following import FaceFollower
from fernb.video.smoothing import LabelStabiliser, Smoother, SteadyOptions, smoother
from fernb.video.stream import Frame
from fernb.video.tracking import Track
from fernb.vision.detection import Detection

UNSURE = "unsure"
MAX_WAITING = 24  # frames that wait until it is known who in them is a person


@dataclass(frozen=True)
class Reading:
    """One person in one frame: who, where, the probabilities ``(k,)`` raw and smoothed, and what is shown.

    ``emotion`` is an index into the labels, or None while unsure; ``frames_held`` is the number of
    analysed frames for which it has been the same. ``fatigue`` is None where nobody asked.
    """

    track: int
    face: Detection
    probs: np.ndarray
    smoothed: np.ndarray
    emotion: int | None
    frames_held: int = 1
    fatigue: Fatigue | None = None

    def shown(self, labels: Sequence[str]) -> tuple[str, float]:
        """Return the shown emotion's name and its smoothed probability; ``unsure`` and the best one's for None."""
        if self.emotion is None:
            return UNSURE, float(self.smoothed.max())
        return labels[self.emotion], float(self.smoothed[self.emotion])

    def best(self, labels: Sequence[str]) -> str:
        """Return the name of the emotion that is the most probable by now, shown or not."""
        return labels[int(self.smoothed.argmax())]


Decided = tuple[Frame, list[Reading] | None]
"""A frame with the readings of the people in it; None where it was not due."""


@dataclass
class _Person:
    """All that is kept of one person besides place and number."""

    smooth: Smoother
    show: LabelStabiliser
    eyes: EyeWatch


class FaceReader:
    """Finds and names the faces of one frame after the other; it keeps who is who.

    ``recogniser`` defaults to the network for video (:func:`video_recogniser`), ``steady`` says how
    answers are made steady, ``follower`` how faces are found; with ``fatigue`` each person's closed
    eyes are counted. Commands, demo and widgets all read through this class and its defaults, so
    that they give one answer for one frame. One reader serves one source.
    """

    def __init__(
        self,
        recogniser: Recogniser | None = None,
        steady: SteadyOptions | None = None,
        *,
        follower: FaceFollower | None = None,
        fatigue: bool = False,
    ):
        self.recogniser = recogniser or video_recogniser()
        self.steady, self.follower, self.fatigue = steady or SteadyOptions(), follower or FaceFollower(), fatigue
        self._people: dict[int, _Person] = {}  # by the identity of their tracks
        self._waiting: deque[tuple[Frame, list[tuple[Track, Reading]] | None]] = deque()

    @property
    def confidence_threshold(self) -> float:
        """The probability below which nothing is named."""
        given = self.steady.confidence_threshold
        return getattr(self.recogniser, "confidence_threshold", 0.0) if given is None else given

    def retune(self, steady: SteadyOptions) -> None:
        """Change the smoothing from the next frame on; people keep their numbers."""
        self.steady = steady
        for person in self._people.values():
            person.smooth = smoother(steady.smoothing, steady.seconds)
            person.show.min_frames, person.show.confidence_threshold = steady.min_frames, self.confidence_threshold

    def __call__(self, frame: Frame) -> list[Reading]:
        """Return a reading for each person in a frame, largest first; an empty list where there is none.

        Who was seen too briefly to be told from a false alarm is left out; :meth:`read` waits for that.
        """
        return _of_people(self._read(frame))

    def read(self, stream: Iterable[Frame]) -> Iterator[Decided]:
        """Yield each frame with its readings, once it is sure who in it is a person; None for frames not due.

        The readings of a person begin with the first detection, and who turns out to be nobody has
        none. At most 24 frames wait.
        """
        for frame in stream:
            yield from self.take(frame)
        yield from self.rest()

    def take(self, frame: Frame) -> list[Decided]:
        """Read the next frame of :meth:`read`; return the frames that are decided by now."""
        self._waiting.append((frame, self._read(frame) if frame.due else None))
        decided = []
        while self._waiting and (len(self._waiting) > MAX_WAITING or not self._undecided(self._waiting[0][1])):
            decided.append(_decided(*self._waiting.popleft()))
        return decided

    def rest(self) -> list[Decided]:
        """Return the frames that still wait: no other will come."""
        self.follower.tracker.settle()
        decided = [_decided(*one) for one in self._waiting]
        self._waiting.clear()
        return decided

    def fresh(self) -> "FaceReader":
        """Return a reader of the same kind, which has seen nothing yet."""
        return FaceReader(self.recogniser, self.steady, follower=self.follower.fresh(), fatigue=self.fatigue)

    @property
    def decided_until_s(self) -> float:
        """The time in seconds of the oldest frame that still waits; infinite where none does."""
        return self._waiting[0][0].time_s if self._waiting else float("inf")

    def _undecided(self, found: list[tuple[Track, Reading]] | None) -> bool:
        alive = self.follower.tracker.tracks
        return any(track.number is None and track in alive for track, _ in found or ())

    def _read(self, frame: Frame) -> list[tuple[Track, Reading]]:
        tracks = self.follower(frame)
        faces = [track.steady for track in tracks]
        named = recognise_faces(frame.rgb, faces, self.recogniser) if faces else []
        kept = {id(track) for track in self.follower.tracker.tracks}
        self._people = {key: person for key, person in self._people.items() if key in kept}
        return [
            (track, self._reading(frame, track, face.detection, face.probabilities))
            for track, face in zip(tracks, named, strict=True)
        ]

    def _reading(self, frame: Frame, track: Track, face: Detection, probs: np.ndarray) -> Reading:
        person = self._people.get(id(track))
        if person is None:
            smooth = smoother(self.steady.smoothing, self.steady.seconds)
            show = LabelStabiliser(self.steady.min_frames, self.confidence_threshold)
            person = self._people[id(track)] = _Person(smooth, show, EyeWatch())
        smoothed = person.smooth(probs, frame.time_s)
        emotion = person.show(smoothed)
        tired = person.eyes(frame.rgb, face, frame.time_s) if self.fatigue else None
        return Reading(track.number or 0, face, probs, smoothed, emotion, person.show.frames_held, tired)


def video_recogniser(threads: int | None = None) -> Recogniser:
    """Return the committed network in 8-bit numbers, three times as fast; in 32-bit ones where that is missing.

    ``threads`` is that of :class:`fernb.Recogniser`.
    """
    quick = config.DEFAULT_MODEL.with_name(f"{config.DEFAULT_MODEL.stem}_int8.tflite")
    return Recogniser(quick if quick.is_file() else None, threads=threads)


def _decided(frame: Frame, found: list[tuple[Track, Reading]] | None) -> Decided:
    return frame, None if found is None else _of_people(found)


def _of_people(found: list[tuple[Track, Reading]]) -> list[Reading]:
    return [replace(reading, track=track.number) for track, reading in found if track.number is not None]
