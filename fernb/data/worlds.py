"""Harder drawn faces: unequal classes, wrong labels, half expressions, hands, bad crops, bad cameras.

:mod:`fernb.data.synthetic` draws the seven emotions clearly and equally often, which a small
network learns almost without error. A :class:`World` draws them as a collection such as FER2013
shows them. There are two: :data:`COMMON` for lessons, and :data:`NIGHT`, another camera and
other people, for transfer between them. Taught in notebook 02.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from fernb import config
from fernb.config import FACE_SIDE
from fernb.data.faceset import FaceSet, FaceSplits, make_splits
from fernb.data.rendering import Identity, Light, Pose, draw_head, noise_field, pose_head
from fernb.data.synthetic import SCALE, expression, random_identity, random_light, random_pose
from fernb.errors import DataError
from fernb.labels import EMOTIONS

FER2013_SHARES = (0.139, 0.015, 0.143, 0.251, 0.168, 0.110, 0.173)
"""How often FER2013's training set shows each of ``EMOTIONS``."""


@dataclass(frozen=True)
class World:
    """How faces are shown in a collection.

    ``weakest`` is the least share of its full strength with which an emotion shows (0..1);
    ``mixed`` the share of faces into which a second emotion is mixed; ``occluded`` and
    ``miscropped`` are shares of faces as well. ``turn`` multiplies the spread of the head's pose;
    ``off_centre`` is the spread of its place, ``misplaced`` that in a bad crop, in units. The camera: a lamp up to
    ``harsh`` (0..1) to the side, contrast in ``contrast``, noise up to ``noise`` (of a brightness
    of 0..1), pictures down to ``coarsest`` pixels wide, and brightness to the power of ``gamma``.
    ``glasses`` and ``old`` are shares of people, ``wrong`` is the share of wrong labels in train.
    """

    name: str
    weakest: float = 0.35
    mixed: float = 0.25
    occluded: float = 0.2
    miscropped: float = 0.2
    turn: float = 1.3
    off_centre: float = 1.6
    misplaced: float = 4.0
    harsh: float = 0.9
    contrast: tuple[float, float] = (0.5, 1.3)
    noise: float = 0.045
    coarsest: int = 28
    gamma: tuple[float, float] = (0.7, 1.4)
    glasses: float = 0.12
    old: float = 0.0
    wrong: float = 0.09


COMMON = World("drawn faces")
NIGHT = World(
    "drawn faces, shifted",
    turn=2.0,
    harsh=1.0,
    contrast=(0.35, 0.8),
    noise=0.1,
    coarsest=22,
    gamma=(1.4, 2.4),
    glasses=0.5,
    old=0.6,
)
WORLDS = (COMMON, NIGHT)
SIZES = (2800, 700, 1400)
"""Faces in train, val and test."""


def shown(emotion: str, world: World, rng: np.random.Generator) -> dict[int | str, float]:
    """Return action units and intensities (0..1): ``emotion`` half or wholly shown, perhaps with another's traces."""
    strength = rng.uniform(world.weakest, 1.0)
    units = {unit: strength * amount for unit, amount in expression(emotion, rng).items()}
    if rng.random() < world.mixed:
        trace = rng.uniform(0.15, 0.45) * (strength if units else 0.5)
        for unit, amount in expression(rng.choice(EMOTIONS), rng).items():
            units[unit] = max(units.get(unit, 0.0), trace * amount)
    return units


def someone(world: World, rng: np.random.Generator) -> Identity:
    """Return a person of this world."""
    who = random_identity(rng)
    glasses = rng.uniform(0.5, 0.95) if rng.random() < world.glasses else 0.0
    age = rng.uniform(0.6, 1.0) if rng.random() < world.old else who.age
    return replace(who, glasses=glasses, age=age)


def placed(world: World, rng: np.random.Generator) -> Pose:
    """Return how the head is held, and where a detector that misses now and then has cropped it."""
    pose = random_pose(rng)
    spread, zoom = (
        (world.misplaced, rng.uniform(0.7, 1.5)) if rng.random() < world.miscropped else (world.off_centre, pose.zoom)
    )
    return replace(
        pose,
        yaw=pose.yaw * world.turn,
        pitch=pose.pitch * world.turn,
        roll=pose.roll * world.turn,
        zoom=zoom,
        shift=(rng.normal(0, spread), rng.normal(0, spread)),
    )


def cover(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Put a hand, a scarf or hair, a soft ellipse of one brightness, over a part of ``picture`` (0..1)."""
    side = picture.shape[0]
    mask: np.ndarray = np.zeros(picture.shape, np.float32)
    centre = rng.uniform(0.15, 0.9, 2) * side
    axes = rng.uniform(0.08, 0.28, 2) * side
    cv2.ellipse(mask, (centre, 2 * axes, rng.uniform(0, 180)), 1.0, -1, cv2.LINE_AA)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.5, 2.5))
    texture = rng.uniform(0.1, 0.65) + 0.08 * noise_field(rng, side, (6, 6))
    picture += mask * (texture - picture)


def develop(picture: np.ndarray, world: World, rng: np.random.Generator) -> np.ndarray:
    """Return brightness 0..1 as this world's cameras give it, uint8 of the same shape."""
    if rng.random() < 0.5:
        width = int(rng.integers(world.coarsest, FACE_SIDE + 1))
        picture = cv2.resize(picture, (width, width), interpolation=cv2.INTER_AREA)
        picture = cv2.resize(picture, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_LINEAR)
    picture = np.clip(picture, 0, 1) ** rng.uniform(*world.gamma)
    picture = (picture - picture.mean()) * rng.uniform(*world.contrast) + rng.uniform(0.3, 0.7)
    picture = picture + rng.normal(0, rng.uniform(0.0, world.noise), picture.shape)
    return np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)


def draw_face(emotion: str, world: World, rng: np.random.Generator) -> np.ndarray:
    """Return one face of ``emotion`` in ``world``, uint8 ``(48, 48)``."""
    pose, lamp = placed(world, rng), random_light(rng)
    light = Light(rng.uniform(-world.harsh, world.harsh), lamp.height, rng.uniform(0.2, 0.6), lamp.shine)
    head = draw_head(someone(world, rng), shown(emotion, world, rng), light, SCALE, 28, pose.gaze)
    size = round(FACE_SIDE * SCALE)
    picture, mask = pose_head(head, pose, SCALE, (size, size), (size / 2, size * 0.395))
    behind = rng.uniform(0.05, 0.95) + rng.uniform(0.05, 0.3) * noise_field(rng, size, (5, 5))
    picture = behind + mask * (picture - behind)
    if rng.random() < world.occluded:
        cover(picture, rng)
    return develop(cv2.resize(picture, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_AREA), world, rng)


def draw_labels(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return int64 ``(n,)`` of labels in FER2013's shares, in random order."""
    ends = np.rint(np.cumsum(FER2013_SHARES) / sum(FER2013_SHARES) * n)
    return rng.permutation(np.searchsorted(ends, np.arange(n), side="right")).astype(np.int64)


def draw_faces(n: int, world: World, seed: int | np.random.SeedSequence) -> FaceSet:
    """Return ``n`` faces of ``world`` in FER2013's shares, rightly labelled and in random order."""
    rng = np.random.default_rng(seed)
    labels = draw_labels(n, rng)
    images = np.array([draw_face(EMOTIONS[label], world, rng) for label in labels], np.uint8)
    return FaceSet(images.reshape(n, FACE_SIDE, FACE_SIDE), labels)


def mislabel(labels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return ``labels`` of which ``share`` (0..1, to the nearest face) are wrong; each emotion stays as frequent.

    The labels of two faces with different ones are swapped, again and again. Raises
    :class:`~fernb.errors.DataError` where there are no such faces left.
    """
    labels, rows = labels.copy(), list(rng.permutation(len(labels)))
    for _ in range(round(share * len(labels) / 2)):
        one = rows.pop()
        other = next((row for row in reversed(rows) if labels[row] != labels[one]), None)
        if other is None:
            raise DataError(f"there are too few faces of different classes to swap {share:.0%} of the labels.")
        rows.remove(other)
        labels[[one, other]] = labels[[other, one]]
    return labels


def world_splits(world: World, seed: int = config.SEED, sizes: tuple[int, int, int] = SIZES) -> FaceSplits:
    """Return faces of ``world`` in three parts; ``world.wrong`` of train's labels are wrong, none of val and test."""
    streams = np.random.SeedSequence(seed, spawn_key=(WORLDS.index(world),)).spawn(4)
    train, val, test = (draw_faces(n, world, stream) for n, stream in zip(sizes, streams[:3], strict=True))
    noisy = mislabel(train.labels, world.wrong, np.random.default_rng(streams[3]))
    return make_splits(replace(train, labels=noisy), val, test, source=world.name)


def true_labels(world: World = COMMON, seed: int = config.SEED, n_train: int = SIZES[0]) -> np.ndarray:
    """Return the labels, int64 ``(n_train,)``, that the training faces of :func:`world_splits` were drawn for."""
    stream = np.random.SeedSequence(seed, spawn_key=(WORLDS.index(world),)).spawn(4)[0]
    return draw_labels(n_train, np.random.default_rng(stream))
