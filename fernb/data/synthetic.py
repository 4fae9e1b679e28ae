"""Faces drawn from facial action units: a data set and a clip that nobody's licence covers.

An emotion is a set of muscles (the *action units* of FACS, Ekman & Friesen 1978; the sets are
those of EMFACS), a person is a handful of proportions, and :mod:`fernb.data.rendering` draws the two
under a light and in a pose. The faces are what fernb works on where FER2013 is not at hand.
They are no replacement for it: what a model scores on them says little of real faces. Taught
in notebook 02.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np

from fernb import config
from fernb.config import FACE_SIDE
from fernb.data.faceset import FaceSet, FaceSplits, make_splits
from fernb.data.rendering import Identity, Light, Pose, draw_head, noise_field, pose_head
from fernb.errors import DataError
from fernb.labels import EMOTIONS, EMOTIONS_8

ACTION_UNITS = {
    "angry": (4, 5, 7, 23),
    "disgust": (9, 15, 16),
    "fear": (1, 2, 4, 5, 7, 20, 26),
    "happy": (6, 12),
    "sad": (1, 4, 15),
    "surprise": (1, 2, 5, 26),
    "neutral": (),
    "contempt": ("R12", "R14"),
}
"""Which action units make an emotion (EMFACS); ``R``: on the person's right side alone."""

ACCENTS = {
    "angry": {10: 0.7, 25: 0.45, 17: 0.3},
    "disgust": {10: 0.76, 25: 0.57, 4: 0.25, 7: 0.47},
    "fear": {25: 0.77},
    "happy": {25: 0.85, 26: 0.25},
    "sad": {17: 0.56, 7: 0.17},
    "surprise": {25: 0.85},
}
"""Units that often come along, and how often (0..1): lips part, chin or lip lifts, jaw drops."""

STRENGTH: dict[str, dict[int | str, tuple[float, float]]] = {
    "angry": {
        4: (0.9, 1.0),
        5: (0.79, 1.0),
        7: (0.88, 1.0),
        10: (0.4, 0.8),
        17: (0.6, 1.0),
        23: (0.36, 0.76),
        25: (0.75, 1.0),
    },
    "disgust": {
        4: (0.39, 0.79),
        7: (0.7, 1.0),
        9: (0.71, 1.0),
        10: (0.53, 0.93),
        15: (0.9, 1.0),
        16: (0.59, 0.99),
        25: (0.52, 0.93),
    },
    "fear": {
        26: (0.53, 0.93),
        1: (0.9, 1.0),
        2: (0.41, 0.81),
        4: (0.35, 0.75),
        5: (0.89, 1.0),
        7: (0.49, 0.89),
        20: (0.9, 1.0),
        25: (0.78, 1.0),
    },
    "happy": {26: (0.1, 0.48), 6: (0.64, 1.0), 12: (0.9, 1.0), 25: (0.52, 0.93)},
    "sad": {1: (0.9, 1.0), 4: (0.32, 0.72), 7: (0.9, 1.0), 15: (0.68, 1.0), 17: (0.67, 1.0)},
    "surprise": {26: (0.67, 1.0), 1: (0.34, 0.74), 2: (0.81, 1.0), 5: (0.9, 1.0), 25: (0.52, 0.92)},
}
"""Ranges of intensity (0..1) in which an emotion shows a unit; units not named have :data:`FULL`."""

FULL = (0.6, 1.0)
SCALE = 2.0
"""Pixels to a unit in which a face of 48 units is drawn before it is made small."""


def strength(emotion: str, unit: int | str) -> tuple[float, float]:
    """Return the range of intensity (0..1) in which ``emotion`` shows ``unit``."""
    return STRENGTH.get(emotion, {}).get(unit, FULL)


def expression(emotion: str, rng: np.random.Generator) -> dict[int | str, float]:
    """Return action units and intensities (0..1) of one showing of ``emotion``."""
    units = {unit: rng.uniform(*strength(emotion, unit)) for unit in ACTION_UNITS[emotion]}
    for unit, chance in ACCENTS.get(emotion, {}).items():
        if rng.random() < chance:
            units[unit] = rng.uniform(*strength(emotion, unit))
    return units


def random_identity(rng: np.random.Generator) -> Identity:
    """Return a person: proportions, skin, hair, age, sometimes a beard or glasses."""
    man, age = rng.random() < 0.5, rng.beta(1.2, 1.8)
    skin = rng.uniform(0.42, 0.82)
    bald = man and rng.random() < 0.15
    return Identity(
        skin=skin,
        hair=rng.uniform(0.04, 0.3) if rng.random() < 0.8 else rng.uniform(0.4, 0.75),
        hair_length=0.0 if man else rng.uniform(10, 40),
        hairline=rng.uniform(-16.5, -12) if man else rng.uniform(-16, -10),
        bald=bald,
        face_width=rng.uniform(0.94, 1.07),
        jaw_width=rng.uniform(1.0, 1.12) if man else rng.uniform(0.9, 1.03),
        chin=rng.uniform(-0.8, 1.2),
        eye_distance=rng.uniform(0.95, 1.05),
        eye_size=rng.uniform(0.9, 1.12),
        eye_fold=rng.uniform(0.2, 1.0),
        iris=rng.uniform(0.05, 0.3),
        brow_height=rng.uniform(-0.5, 0.5),
        brow_thickness=rng.uniform(0.9, 1.4) if man else rng.uniform(0.65, 1.0),
        brow_dark=rng.uniform(0.75, 1.00),
        nose_length=rng.uniform(0.93, 1.07),
        nose_width=rng.uniform(0.85, 1.2),
        mouth_width=rng.uniform(0.92, 1.08),
        lip_fullness=rng.uniform(0.7, 1.0) if man else rng.uniform(0.85, 1.25),
        lip_dark=rng.uniform(0.05, 0.2) if man else rng.uniform(0.15, 0.4),
        age=age,
        beard=rng.uniform(0.2, 0.7) if man and rng.random() < 0.3 else 0.0,
        glasses=rng.uniform(0.5, 0.95) if rng.random() < 0.12 else 0.0,
        texture=int(rng.integers(2**31)),
    )


def random_pose(rng: np.random.Generator) -> Pose:
    """Return a pose near frontal, as the crops of a face detector have it."""
    return Pose(
        yaw=rng.normal(0, 0.15),
        pitch=rng.normal(0, 0.09),
        roll=rng.normal(0, 0.1),
        zoom=rng.uniform(0.97, 1.2),
        shift=(rng.normal(0, 1.3), rng.normal(0, 1.3)),
        gaze=(rng.normal(0, 0.5), rng.normal(0, 0.2)),
    )


def random_light(rng: np.random.Generator) -> Light:
    """Return a lamp above, to one side or the other, harsh or soft."""
    return Light(rng.normal(0, 0.45), rng.uniform(0.1, 0.8), rng.uniform(0.3, 0.6), rng.uniform(0.0, 0.15))


def draw_face(emotion: str, rng: np.random.Generator) -> np.ndarray:
    """Return one face of ``emotion``, uint8 ``(48, 48)``, of a random person in a random pose and light."""
    who, units = random_identity(rng), expression(emotion, rng)
    pose, light = random_pose(rng), random_light(rng)
    head = draw_head(who, units, light, SCALE, 28, pose.gaze)
    size = round(FACE_SIDE * SCALE)
    picture, cover = pose_head(head, pose, SCALE, (size, size), (size / 2, size * 0.395))
    behind = rng.uniform(0.05, 0.95) + 0.12 * noise_field(rng, size, (4, 4))
    picture = behind + cover * (picture - behind)
    small = cv2.resize(picture, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_AREA)
    return develop(small, rng)


def develop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return brightness 0..1 as a camera gives it: exposure, contrast, softness and noise; uint8."""
    if rng.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.8))
    mean, gain = picture.mean(), rng.uniform(0.85, 1.25)
    picture = (picture - mean) * gain + rng.uniform(0.4, 0.6)
    picture = picture + rng.normal(0, rng.uniform(0.0, 0.02), picture.shape)
    return np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)


def draw_faces(n: int, seed: int | np.random.SeedSequence, classes: tuple[str, ...] = EMOTIONS) -> FaceSet:
    """Return ``n`` drawn faces, the ``classes`` as evenly as ``n`` allows and in random order.

    The labels index ``classes``, which is ``EMOTIONS`` or ``EMOTIONS_8``. The same ``seed`` gives
    the same faces. Raises :class:`~fernb.errors.DataError` for an emotion without action units.
    """
    unknown = set(classes) - set(ACTION_UNITS)
    if unknown or n < 0:
        raise DataError(
            f"cannot draw {n} faces of {', '.join(sorted(unknown)) or 'these classes'}; known are {EMOTIONS_8}."
        )
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % len(classes)).astype(np.int64)
    images = np.zeros((n, FACE_SIDE, FACE_SIDE), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:] = draw_face(classes[label], rng)
    return FaceSet(images, labels)


def drawn_splits(seed: int = config.SEED, n_train: int = 1400, n_val: int = 350, n_test: int = 350) -> FaceSplits:
    """Return drawn faces of the seven emotions in three parts, each from a random stream of its own."""
    streams = np.random.SeedSequence(seed).spawn(3)
    train, val, test = (draw_faces(n, stream) for n, stream in zip((n_train, n_val, n_test), streams, strict=True))
    return make_splits(train, val, test, source="drawn faces")


CLIP_ORDER = ("neutral", "happy", "surprise", "sad", "angry", "fear", "disgust")


CLIP_SECONDS, CLIP_SIZE, CLIP_FPS = 3, (640, 480), 15


CLIP_SCALE = 5.4
CLIP_PERSON = Identity(
    skin=0.64,
    hair=0.1,
    hairline=-14.5,
    jaw_width=1.04,
    eye_size=1.03,
    brow_height=0.44,
    brow_thickness=1.08,
    brow_dark=0.78,
    mouth_width=1.07,
    lip_fullness=1.09,
    lip_dark=0.22,
    age=0.21,
    texture=7,
)


SKIN_TINT, WALL_TINT = (1.08, 0.97, 0.88), (0.93, 1.0, 1.06)  # R, G, B of a grey of 1


CLIP_UNITS: dict[str, dict[int | str, float]] = {
    "angry": {4: 1.0, 5: 0.93, 7: 1.0, 10: 0.85, 15: 1.0, 16: 1.0, 17: 1.0, 23: 1.0, 25: 0.92, 26: 0.44},
    "disgust": {4: 0.7, 6: 0.9, 9: 0.6, 10: 0.35, 15: 1.0, 17: 1.0, 25: 1.0, 26: 0.24},
}
"""How the clip's person shows what this face shows weakly with its emotion's typical units: anger by shouting."""


def clip_shows(emotion: str) -> dict[int | str, float]:
    """Return the action units of ``emotion`` in the clip: its own, or the typical ones.

    Typical are those in the middle of their ranges, with the emotion's commonest accents.
    """
    if emotion in CLIP_UNITS:
        return CLIP_UNITS[emotion]
    units = [*ACTION_UNITS[emotion], *(unit for unit, chance in ACCENTS.get(emotion, {}).items() if chance >= 0.5)]
    return {unit: sum(strength(emotion, unit)) / 2 for unit in units}


def clip_units(time_s: float) -> dict[int | str, float]:
    """Return the action units at a moment of the clip: each emotion sets in over 0.6 s, just before its turn."""
    turn = min(int((time_s + 0.5) / CLIP_SECONDS), len(CLIP_ORDER) - 1)
    before, now = clip_shows(CLIP_ORDER[max(0, turn - 1)]), clip_shows(CLIP_ORDER[turn])
    done = min(max((time_s + 0.5 - turn * CLIP_SECONDS) / 0.6, 0.0), 1.0)
    share = done * done * (3 - 2 * done)
    return {unit: (1 - share) * before.get(unit, 0.0) + share * now.get(unit, 0.0) for unit in before | now}


def clip_pose(time_s: float) -> Pose:
    """Return how the head is held at a moment of the clip: it sways a little."""
    sway = [math.sin(2 * math.pi * time_s / period) for period in (5.3, 3.7, 7.1, 6.1)]
    return Pose(0.09 * sway[0], 0.04 * sway[1], 0.035 * sway[2], 1 + 0.02 * sway[3], (1.5 * sway[0], 0.6 * sway[1]))


def clip_background(rng: np.random.Generator) -> np.ndarray:
    """Return a wall with soft light and the person's shoulders, float32 RGB ``(480, 640, 3)`` of 0..1."""
    width, height = CLIP_SIZE
    x = (np.arange(width, dtype=np.float32) - width / 2) / np.float32(CLIP_SCALE)
    y = (np.arange(height, dtype=np.float32)[:, None] - height * 0.44) / np.float32(CLIP_SCALE)
    wall = 0.62 - 0.004 * x - 0.003 * y + 0.03 * cv2.resize(noise_field(rng, height, (4, 4)), CLIP_SIZE)
    slope = 30.0 + 0.010 * x**2 - 5.0 * np.exp(-((x / 9.0) ** 2))
    cloth = 0.24 + 0.05 * np.cos(x / 11) + 0.02 * cv2.resize(noise_field(rng, height, (60, 40)), CLIP_SIZE)
    shoulders = np.clip(0.5 + (y - slope) / 1.2, 0, 1)[..., None]
    return ((1 - shoulders) * wall[..., None] * WALL_TINT + shoulders * cloth[..., None] * WALL_TINT).astype(np.float32)


def film(
    units: Callable[[float], dict[int | str, float]],
    seconds: float,
    fps: float = CLIP_FPS,
    seed: int = config.SEED,
    *,
    held: Callable[[float], Pose] = clip_pose,
    person: Identity = CLIP_PERSON,
) -> Iterator[np.ndarray]:
    """Yield frames of a person (default: the clip's), uint8 RGB ``(480, 640, 3)``.

    ``units`` gives the action units of a time, ``held`` how the head is held then.
    """
    rng = np.random.default_rng(seed)
    wall, light = clip_background(rng), Light(0.25, 0.45, 0.45, 0.06)
    width, height = CLIP_SIZE
    for time_s in np.arange(round(seconds * fps)) / fps:
        head = draw_head(person, units(time_s), light, CLIP_SCALE, half=40)
        face, cover = pose_head(head, held(time_s), CLIP_SCALE, (height, width), (width / 2, height * 0.44))
        picture = wall + cover[..., None] * (face[..., None] * np.array(SKIN_TINT, np.float32) - wall)
        picture += rng.normal(0, 0.008, (height, width, 1))
        yield np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)


def clip_frames(seed: int = config.SEED, person: Identity = CLIP_PERSON) -> Iterator[np.ndarray]:
    """Yield the sample clip's frames, uint8 RGB ``(480, 640, 3)``, or those of another ``person``."""
    return film(clip_units, len(CLIP_ORDER) * CLIP_SECONDS, CLIP_FPS, seed, person=person)


def eyes_closed(time_s: float, drowsy_from: float) -> bool:
    """Say whether the drowsy clip's eyes are closed: short blinks at first, then 1.5 s of every 4 s."""
    return time_s % 4 < (0.2 if time_s < drowsy_from else 1.5)


def drowsy_frames(seconds: float, drowsy_from: float, fps: float = CLIP_FPS) -> Iterator[np.ndarray]:
    """Yield frames of a person who falls asleep, uint8 RGB ``(480, 640, 3)``; :func:`eyes_closed` is the truth."""
    return film(lambda time_s: {43: float(eyes_closed(time_s, drowsy_from))}, seconds, fps)


def looks_down(time_s: float) -> bool:
    """Say whether the phone clip's person looks down: the last 3 s of every 6 s."""
    return time_s % 6 >= 3


def phone_pose(time_s: float) -> Pose:
    """Return how the head is held over a phone: 25 degrees down within 0.4 s, about a joint behind and below the face.

    The joint is the neck's upper end, 9 cm behind the eyes and 6 cm below them; a unit is 0.375 cm.
    """
    turned = min(time_s % 6 - 3, 0.4) if looks_down(time_s) else max(0.4 - time_s % 6, 0.0) * (time_s >= 6)
    pitch, still = math.radians(25) * turned / 0.4, clip_pose(time_s)
    sunk = 24 * math.sin(pitch) + 16 * (1 - math.cos(pitch))
    return replace(still, pitch=still.pitch + pitch, shift=(still.shift[0], still.shift[1] + sunk))


def phone_frames(seconds: float, fps: float = CLIP_FPS) -> Iterator[np.ndarray]:
    """Yield frames of a person who is awake and reads a phone now and then, uint8 RGB ``(480, 640, 3)``.

    The lids cover the eyes while they look down (:func:`looks_down`), as they do on people.
    """
    return film(lambda time_s: {43: float(looks_down(time_s))}, seconds, fps, held=phone_pose)
