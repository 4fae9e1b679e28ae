"""Draw one grey face: a relief that light falls on, with skin, eyes, lips, brows and hair painted on it.

Lengths are in *units*: 48 units are the side of a FER2013 crop, the origin lies between the
eyes, x grows to the viewer's right and y downwards. Brightness is 0..1. The face is drawn from
the front, soft and shaded, and :func:`pose_head` then turns the picture as a relief would turn.
What the numbers mean for an emotion is decided in :mod:`fernb.data.synthetic`. How far each muscle
moves what (:data:`MOVES`, :data:`CREASES`) was fitted by search, within what the muscle does on
people, until networks trained on FER2013 recognised the faces; tests use other seeds.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

SIDES = (-1, 1)
"""The viewer's left and right; the drawn person's own right side is the viewer's left."""

Points = np.ndarray | Sequence[Sequence[float]]
"""Places ``(n, 2)``: x to the right, y down, in units of a face."""


@dataclass(frozen=True)
class Identity:
    """Who is drawn. Factors are about 1, shifts in units about 0, brightness and amounts 0..1."""

    skin: float = 0.65
    hair: float = 0.12
    hair_length: float = 0.0
    hairline: float = -14.0
    bald: bool = False
    face_width: float = 1.0
    jaw_width: float = 1.0
    chin: float = 0.0
    eye_distance: float = 1.0
    eye_size: float = 1.0
    eye_fold: float = 1.0
    iris: float = 0.2
    brow_height: float = 0.0
    brow_thickness: float = 1.0
    brow_dark: float = 0.8
    nose_length: float = 1.0
    nose_width: float = 1.0
    mouth_width: float = 1.0
    lip_fullness: float = 1.0
    lip_dark: float = 0.2
    age: float = 0.3
    beard: float = 0.0
    glasses: float = 0.0
    texture: int = 0


@dataclass(frozen=True)
class Pose:
    """How the head is held (radians) and where it stands in the picture (units, factor)."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    gaze: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Light:
    """A lamp at ``side`` (-1 left … 1 right) and ``height`` (0 in front … 1 above), and the light all round."""

    side: float = 0.2
    height: float = 0.5
    ambient: float = 0.45
    shine: float = 0.08


class Canvas:
    """A float32 picture of brightness ``paint`` and a ``relief`` in units, addressed in units."""

    def __init__(self, half: float, scale: float, centre: float = 4.0):
        self.scale = scale
        self.size = round(2 * half * scale)
        self.left, self.top = -half, centre - half
        self.x, self.y = _grid(self.size, scale, self.left, self.top)
        self.paint = np.zeros((self.size, self.size), np.float32)
        self.relief = np.zeros((self.size, self.size), np.float32)
        self.folds = np.zeros((self.size, self.size), np.float32)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Return ``points`` (n, 2) in pixels."""
        return (np.asarray(points, np.float32) - (self.left, self.top)) * self.scale - 0.5

    def bump(self, x: float, y: float, rx: float, ry: float, height: float, layer: np.ndarray | None = None) -> None:
        """Add a Gaussian hill of ``height`` to the relief (or to ``layer``)."""
        layer = self.relief if layer is None else layer
        (px, py), reach = self.pixels(np.array((x, y))), 2.8 * self.scale
        x0, x1 = max(0, int(px - reach * rx)), min(self.size, int(px + reach * rx) + 1)
        y0, y1 = max(0, int(py - reach * ry)), min(self.size, int(py + reach * ry) + 1)
        if x0 < x1 and y0 < y1:
            across = np.exp(-0.5 * ((self.x[0, x0:x1] - x) / rx) ** 2)
            down = np.exp(-0.5 * ((self.y[y0:y1, 0] - y) / ry) ** 2)
            layer[y0:y1, x0:x1] += height * down[:, None] * across

    def fold(self, points: Points, depth: float, width: float = 0.7) -> None:
        """Press a crease along the curve through ``points`` into the skin."""
        if depth > 0.02:
            line = np.round(self.pixels(curve(points)) * 16).astype(np.int32)
            cv2.polylines(self.folds, [line], False, -depth, max(1, round(width * self.scale)), shift=4)

    def fill(
        self,
        points: np.ndarray,
        brightness: float,
        alpha: float = 1.0,
        soft: float = 0.3,
        within: np.ndarray | None = None,
    ) -> None:
        """Paint a polygon with an edge that is ``soft`` units wide, only ``within`` another polygon if given."""
        shapes = [self.pixels(points)] + ([] if within is None else [self.pixels(within)])
        pad = 3 * soft * self.scale + 2
        x0, y0 = np.maximum(0, shapes[0].min(0) - pad).astype(int)
        x1, y1 = np.minimum(self.size, shapes[0].max(0) + pad + 1).astype(int)
        if x0 >= x1 or y0 >= y1:
            return
        mask = np.full((y1 - y0, x1 - x0), 255, np.uint8)
        for shape in shapes:
            part = np.zeros_like(mask)
            cv2.fillPoly(part, [np.round((shape - (x0, y0)) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
            mask = cv2.min(mask, part)
        if soft * self.scale > 0.3:
            mask = cv2.GaussianBlur(mask, (0, 0), soft * self.scale)
        weight = mask * np.float32(alpha / 255)
        here = self.paint[y0:y1, x0:x1]
        here += weight * (brightness - here)

    def stroke(self, points: Points, brightness: float, width: float, alpha: float = 1.0, soft: float = 0.25) -> None:
        """Paint a line of ``width`` units that thins out towards both ends."""
        middle = curve(points)
        along = np.diff(middle, axis=0, append=2 * middle[-1:] - middle[-2:-1])
        normal = along[:, ::-1] * (-1, 1) / (np.hypot(along[:, :1], along[:, 1:]) + 1e-6)
        side = width / 2 * _taper(len(middle)) * normal
        self.fill(np.concatenate([middle + side, (middle - side)[::-1]]), brightness, alpha, soft)


@functools.lru_cache(maxsize=8)
def _grid(size: int, scale: float, left: float, top: float) -> tuple[np.ndarray, np.ndarray]:
    steps = (np.arange(size, dtype=np.float32) + 0.5) / np.float32(scale)
    return (steps + left)[None, :], (steps + top)[:, None]


@functools.lru_cache(maxsize=8)
def _taper(steps: int) -> np.ndarray:
    return np.sqrt(np.sin(np.linspace(0.15, math.pi - 0.15, steps)))[:, None]


@functools.lru_cache(maxsize=32)
def _spline(count: int, steps: int) -> np.ndarray:
    """Return the matrix that makes a Catmull-Rom curve of ``steps`` points from ``count`` controls."""
    at = np.linspace(0, count - 1, steps)
    weights = np.zeros((steps, count))
    for row, t in enumerate(at):
        k = min(int(t), count - 2)
        u = t - k
        four = (-u + 2 * u**2 - u**3, 2 - 5 * u**2 + 3 * u**3, u + 4 * u**2 - 3 * u**3, u**3 - u**2)
        for offset, weight in zip((-1, 0, 1, 2), four, strict=True):
            weights[row, min(max(k + offset, 0), count - 1)] += weight / 2
    return weights


def curve(points: Points, steps: int = 20) -> np.ndarray:
    """Return ``(steps, 2)`` points of a smooth curve through ``points`` (Catmull-Rom)."""
    corners = np.asarray(points, float)
    return _spline(len(corners), steps) @ corners


def ellipse(x: float, y: float, rx: float, ry: float, steps: int = 24) -> np.ndarray:
    """Return ``(steps, 2)`` points of an ellipse."""
    return _circle(steps) * (rx, ry) + (x, y)


@functools.lru_cache(maxsize=8)
def _circle(steps: int) -> np.ndarray:
    angle = np.linspace(0, 2 * math.pi, steps, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def soft_step(distance: np.ndarray, width: float) -> np.ndarray:
    """Return 0 below ``-width``, 1 above ``width`` and a ramp between."""
    return np.clip(0.5 + distance / (2 * width), 0, 1)


class Muscles:
    """Intensities 0..1 of action units, for one side of the face or for both.

    A key is a number for both sides, or ``"R12"`` / ``"L12"`` for one: FACS calls left and right
    by the drawn person, so R is on the viewer's left.
    """

    def __init__(self, units: Mapping[int | str, float]):
        self._sides: dict[int, dict[int, float]] = {-1: {}, 1: {}}
        for key, strength in units.items():
            unit = int(str(key).lstrip("LR"))
            for side, letter in ((-1, "R"), (1, "L")):
                if key in (unit, f"{letter}{unit}"):
                    self._sides[side][unit] = max(strength, self._sides[side].get(unit, 0.0))
        self._sides[0] = {unit: (self(unit, -1) + self(unit, 1)) / 2 for unit in self._sides[-1] | self._sides[1]}

    def __call__(self, unit: int, side: int = 0) -> float:
        return self._sides[side].get(unit, 0.0)

    def active(self, table: Mapping[int, object], side: int = 0) -> list[int]:
        """Return the units of ``table`` that are at work."""
        return [unit for unit in self._sides[side] if unit in table]


MOVES: dict[str, dict[int, tuple[float, float]]] = {
    "inner brow": {1: (0.0, -3.66), 4: (-1.43, 3.09), 9: (-0.7, 0.47)},
    "middle brow": {1: (0.0, -0.12), 2: (0.0, -2.13), 4: (-0.3, 2.78), 9: (0.0, 1.36)},
    "outer brow": {1: (0.0, 0.8), 2: (0.0, -2.09), 4: (0.0, 0.57)},
    "upper lid": {5: (0.0, -1.7), 7: (0.0, 0.1), 9: (0.0, 1.0)},
    "lower lid": {5: (0.0, 0.43), 6: (0.0, -0.89), 7: (0.0, -1.05), 9: (0.0, -0.9)},
    "lip corner": {
        10: (0.0, 0.2),
        12: (2.8, -3.4),
        14: (0.7, -0.7),
        15: (-0.6, 2.13),
        16: (0.0, 0.39),
        17: (-0.32, -0.63),
        20: (2.7, 0.47),
        23: (-1.2, -0.2),
        26: (-0.54, 3.92),
    },
    "upper lip": {
        9: (0.0, -0.3),
        10: (0.0, -1.51),
        12: (0.0, -0.09),
        25: (0.0, -1.0),
        26: (0.0, -0.31),
    },
    "lower lip": {
        12: (0.0, -0.28),
        16: (0.0, 2.48),
        20: (0.0, 1.38),
        25: (0.0, 0.99),
        26: (0.0, 8.89),
    },
    "chin": {16: (0.0, 0.6), 17: (0.0, -0.41), 26: (0.0, 5.58)},
    "nose": {9: (0.0, -0.2), 10: (0.0, -0.52)},
}
"""How far (outwards, down; units) an action unit at full strength moves a part of the face."""

CREASES: dict[str, dict[int, float]] = {
    "nasolabial": {9: 1.3, 10: 1.5, 12: 1.21, 15: 0.85, 20: 0.49},
    "mouth corner": {14: 0.8, 15: 0.08, 16: 0.68, 17: 0.45},
    "frown": {4: 1.1, 9: 0.94},
    "nose": {9: 1.2},
    "lower lid": {6: 0.6, 7: 0.45, 9: 0.21},
    "crow's feet": {6: 0.64, 9: 0.78},
    "forehead": {1: 0.47, 2: 0.16},
}
"""How deep (units) an action unit at full strength presses a wrinkle; age deepens all of them."""

THINNER = {12: 0.19, 20: 0.28, 23: 0.63, 26: 0.2}
"""Which share of the lips' thickness an action unit takes away."""

TEETH = {"upper": {9: 0.58, 10: 0.92, 12: 1.0, 20: 1.0, 26: 0.09}, "lower": {16: 1.0}}
"""How far (0..1) an action unit bares a row of teeth between parted lips."""

SQUARER = {9: 0.79, 16: 1.84, 20: 2.04, 26: 1.11, 15: 0.7}
"""By how much an action unit makes the open mouth squarer: added to the power (2: a parabola) of its edges."""


def moved(part: str, au: Muscles, side: int = 0) -> np.ndarray:
    """Return by how much (outwards, down) the muscles move a part of the face."""
    ways = MOVES[part]
    pulls = [(au(unit, side), *ways[unit]) for unit in au.active(ways, side)]
    return np.array([sum(pull * x for pull, x, _ in pulls), sum(pull * y for pull, _, y in pulls)])


def creased(wrinkle: str, who: Identity, au: Muscles, side: int = 0) -> float:
    """Return how deep the muscles press a wrinkle into this person's face."""
    return (0.6 + 0.8 * who.age) * sum(au(unit, side) * depth for unit, depth in CREASES[wrinkle].items())


@dataclass(frozen=True)
class Mouth:
    """Where the lips are: corners per side, inner edges in the middle, thickness, teeth (0..1), squareness."""

    corners: dict[int, tuple[float, float]]
    upper: float
    lower: float
    upper_lip: float
    lower_lip: float
    upper_teeth: float
    lower_teeth: float
    power: float

    @property
    def gap(self) -> float:
        """How far the lips are parted in the middle."""
        return self.lower - self.upper

    def edge(self, y: float, power: float, bow: float = 0.0) -> np.ndarray:
        """Return a curve from corner to corner that passes the middle at ``y``."""
        t = np.linspace(-1, 1, 25)
        (lx, ly), (rx, ry) = self.corners[-1], self.corners[1]
        corner = (ly + ry) / 2 + (ry - ly) / 2 * t
        dip = bow * np.exp(-((t / 0.13) ** 2)) - 0.35 * bow * np.exp(-(((np.abs(t) - 0.25) / 0.12) ** 2))
        return np.stack([(lx + rx) / 2 + (rx - lx) / 2 * t, corner + (y - corner) * (1 - np.abs(t) ** power) + dip], 1)


def shape_mouth(who: Identity, au: Muscles) -> Mouth:
    """Return the mouth that the muscles pull."""
    rest = 16.3 + 12 * (who.nose_length - 1)
    corner = np.array([5.62 * who.mouth_width, rest])
    corners = {side: (side, 1) * (corner + moved("lip corner", au, side)) for side in SIDES}
    upper = rest - 0.11 + moved("upper lip", au)[1]
    thick = 1 - sum(share * au(unit) for unit, share in THINNER.items())
    bared = {row: min(1.0, sum(au(unit) * share for unit, share in TEETH[row].items())) for row in TEETH}
    return Mouth(
        corners,
        upper,
        max(upper, rest + moved("lower lip", au)[1]),
        upper_lip=1.55 * who.lip_fullness * max(0.25, thick),
        lower_lip=2.1 * who.lip_fullness * max(0.25, thick),
        upper_teeth=bared["upper"],
        lower_teeth=bared["lower"],
        power=1.9 + sum(au(unit) * more for unit, more in SQUARER.items()),
    )


def shape_brow(who: Identity, au: Muscles, side: int) -> np.ndarray:
    """Return three points of a brow, inner end first."""
    x, y = who.eye_distance, -4.31 + who.brow_height
    rest = {"inner brow": (3.7 * x, y), "middle brow": (9.0 * x, y - 0.8), "outer brow": (14.0 * x, y + 0.53)}
    return np.array([at + moved(part, au, side) for part, at in rest.items()]) * (side, 1)


def shape_eye(who: Identity, au: Muscles, side: int) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Return the upper and the lower lid's curve (inner corner first) and the eye's centre."""
    x, half = 8.4 * who.eye_distance, 3.0 * who.eye_size
    top = who.eye_size * min(-0.3, -0.96 + moved("upper lid", au, side)[1])
    low = who.eye_size * max(0.1, 1.18 + moved("lower lid", au, side)[1])
    top += au(43, side) * (low - top)  # a closed eye: the upper lid rests on the lower one
    inner, outer = (x - half, 0.35), (x + half, -0.2)
    upper = curve([inner, (x - half * 0.45, top * 0.88), (x + half * 0.35, top), outer]) * (side, 1)
    lower = curve([inner, (x - half * 0.35, low * 0.85), (x + half * 0.4, low * 0.9), outer]) * (side, 1)
    return upper, lower, (side * x, -0.1)


def half_width(who: Identity, jaw: float, y: np.ndarray) -> np.ndarray:
    """Return the head's half width at heights ``y``; ``jaw`` is by how much the chin has dropped."""
    chin, j = 27.0 + who.chin + jaw, who.jaw_width
    heights = [-20, -15, -8, 2, 10, 16 + jaw * 0.6, chin - 5, chin]
    widths = [12.5, 15.0, 16.8, 16.9, 16.0 * (1 + j) / 2, 14.0 * j, 11.0 * j, 9.0 * j]
    fine = np.interp(y.ravel(), heights, np.array(widths) * who.face_width).astype(np.float32)[:, None]
    smooth = cv2.blur(fine, (1, max(3, len(fine) // 30 | 1))).reshape(y.shape)
    crown, end = np.clip((-14 - y) / 10, 0, 1), np.clip((y - chin + 9) / 9, 0, 1)
    return smooth * np.sqrt((1 - crown**2) * (1 - end**2.4))


def model_head(canvas: Canvas, who: Identity, au: Muscles) -> np.ndarray:
    """Raise the skull in the relief and return the head's mask (0..1)."""
    drop = moved("chin", au)[1]
    width = half_width(who, drop, canvas.y)
    across = np.clip(np.abs(canvas.x) / np.maximum(width, 0.1), 0, 1)
    along = np.clip((canvas.y - 2) / np.where(canvas.y < 2, 28, 33 + drop), -1, 1)
    canvas.relief += 13 * np.sqrt(np.maximum(0, 1 - across**2.6)) * np.sqrt(1 - np.abs(along) ** 2.5)
    return soft_step(width - np.abs(canvas.x), 0.5) * (width > 0)


def nose_tip(who: Identity, au: Muscles) -> float:
    """Return the height of the nose's tip."""
    return 8.3 * who.nose_length + moved("nose", au)[1]


def model_features(canvas: Canvas, who: Identity, au: Muscles, mouth: Mouth) -> None:
    """Raise nose, brow ridge, lids, cheeks, lips and chin in the relief."""
    bump, tip, drop = canvas.bump, nose_tip(who, au), moved("chin", au)[1]
    for k, y in enumerate(np.linspace(0.5, tip, 4)):
        bump(0, y, 1.5 + 0.18 * k, 2.2, 0.46 + 0.3 * k)
    bump(0, tip, 1.9 * who.nose_width, 1.6, 1.12)
    for side in SIDES:
        bump(side * 2.9 * who.nose_width, tip + 0.6, 1.15, 1.1, 1.1 + 0.3 * au(9))
        x = side * 8.4 * who.eye_distance
        brow = shape_brow(who, au, side)
        bump(x, brow[:, 1].mean() + 0.8, 4.6, 1.8, 0.82 + 0.35 * au(4))
        bump(side * 5.2, -1.6, 1.9, 2.3, -1.0)
        bump(x, -0.8, 3.9, 2.5, -0.7)
        bump(x, 0.0, 2.7, 1.7, 0.65)
        bump(x, 3.4, 3.4, 1.0, (0.3 + 0.35 * au(6, side)) * (0.5 + who.age))
        lift, squeeze = au(6, side), au(12, side)
        bump(side * (9.6 + 0.8 * squeeze), 9.2 - 2.6 * lift, 4.3, 3.1, 1.0 + lift + 0.5 * squeeze)
        bump(side * 10.6, 16.5, 3.4, 4.2, -0.55 - 0.25 * au(26))
        corner = mouth.corners[side]
        bump(corner[0] + side * 0.8, corner[1], 1.1, 1.2, -0.5 - 0.5 * squeeze - 0.8 * au(14, side))
        bump(corner[0] + side * 0.3, corner[1] + 2.2, 1.6, 1.6, 0.7 * au(15, side))
    bump(0, (mouth.upper + mouth.lower) / 2, 7.0, 4.6, 1.3)
    bump(0, mouth.upper - mouth.upper_lip / 2, 4.2, 0.9, 0.55 * mouth.upper_lip / 1.5)
    bump(0, mouth.lower + mouth.lower_lip * 0.45, 4.0, 1.1, 0.8 * mouth.lower_lip / 2)
    bump(0, mouth.lower + mouth.lower_lip + 1.7, 4.2, 1.2, -1.0 - 0.5 * au(17))
    bump(0, 24.0 + who.chin + drop, 3.4, 2.4, 1.3 + 0.5 * au(17))
    bump(0, tip + 4.0, 0.7, 1.6, -0.35)


def model_folds(canvas: Canvas, who: Identity, au: Muscles, mouth: Mouth) -> None:
    """Press wrinkles into the skin: nasolabial fold, mouth, frown, nose, lids, crow's feet, forehead."""
    tip, eye = nose_tip(who, au), 8.4 * who.eye_distance

    def fold(side: int, points: Points, depth: float, width: float) -> None:
        canvas.fold(np.array(points) * (side, 1), depth, width)

    for side in SIDES:
        x, y = side * mouth.corners[side][0], mouth.corners[side][1]
        middle = (max(6.2, x * 0.82 + 0.9 * au(12, side)), (tip + y) / 2 - 0.6 * au(12, side))
        deep = 0.08 + 0.55 * who.age + creased("nasolabial", who, au, side)
        fold(side, [(3.9 * who.nose_width, tip - 0.4), middle, (x + 1.7, y + 0.6)], deep, 0.8)
        deep = 0.35 * who.age + creased("mouth corner", who, au, side)
        fold(side, [(x + 1.2, y + 0.8), (x + 2.0, y + 3.6)], deep, 0.7)
        deep = 0.25 * who.age + creased("frown", who, au, side)
        fold(side, [(1.5, -6.6), (1.2, -4.6), (1.6, -2.6)], deep, 0.58)
        for k in range(3):
            line = [(0.6, 0.6 + 1.5 * k), (2.0, 0.2 + 1.5 * k), (3.4, 1.0 + 1.8 * k)]
            fold(side, line, creased("nose", who, au, side), 0.5)
        deep, bag = 0.25 + 0.5 * who.age + creased("lower lid", who, au, side), 2.9 - 0.3 * au(6, side)
        fold(side, [(eye - 3.4, 1.7), (eye, bag), (eye + 3.4, 1.9)], deep, 0.6)
        for k in (-1, 0, 1):
            line = [(eye + 4.2, 0.4 + 0.7 * k), (eye + 6.8, 0.6 + 1.5 * k)]
            fold(side, line, 0.3 * who.age**2 + who.age * creased("crow's feet", who, au, side), 0.5)
    deep, reach = 0.12 * who.age + creased("forehead", who, au), 5.0 + 6.0 * max(au(2), who.age * 0.6)
    for y in (-9.2, -11.2, -13.2):
        end = y - 0.3 * au(1) + 0.9 * au(2)
        line = [(-reach, end), (-reach / 2, y - 0.4), (0, y + 0.5), (reach / 2, y - 0.4), (reach, end)]
        fold(1, line, deep, 0.6)


def paint_eye(canvas: Canvas, who: Identity, au: Muscles, side: int, gaze: tuple[float, float]) -> None:
    """Paint white, iris, pupil, glint, lids and lashes of one eye."""
    upper, lower, (x, y) = shape_eye(who, au, side)
    outline = np.concatenate([upper, lower[::-1]])
    canvas.fill(outline, 0.29 + 0.45 * who.skin, 1.0, 0.22)
    radius = 1.85 * who.eye_size**0.5
    x, y = x + gaze[0], y + gaze[1] - 0.15
    canvas.fill(ellipse(x, y, radius, radius), who.iris, 0.95, 0.2, within=outline)
    canvas.fill(ellipse(x, y, radius * 0.5, radius * 0.5), 0.02, 0.95, 0.15, within=outline)
    canvas.fill(ellipse(x + 0.5, y - 0.7, 0.4, 0.4), 1.1, 0.8, 0.12, within=outline)
    canvas.stroke(upper + np.array([0, 0.35]), 0.1, 0.9, 0.45, 0.3)
    canvas.stroke(upper, 0.05, 0.75, 0.99, 0.18)
    canvas.stroke(lower, who.skin * 0.4, 0.4, 0.5, 0.2)
    crease = upper * (1, 0.9) - (0, 1.15 - 0.6 * au(5, side) + 0.15 * au(7, side))
    canvas.stroke(crease, who.skin * 0.45, 0.5, 0.71 * who.eye_fold, 0.3)


def paint_mouth(canvas: Canvas, who: Identity, au: Muscles, mouth: Mouth) -> None:
    """Paint lips, and between them the dark of the mouth, teeth and tongue."""
    power = mouth.power
    lips = who.skin * (1 - who.lip_dark)
    inner_top = mouth.edge(mouth.upper, power)
    inner_low = mouth.edge(mouth.lower, power)
    outer_top = mouth.edge(mouth.upper - mouth.upper_lip, power - 0.2, bow=0.55 * who.lip_fullness)
    outer_low = mouth.edge(mouth.lower + mouth.lower_lip, power)
    canvas.fill(np.concatenate([outer_top, inner_top[::-1]]), lips * 0.9, 0.85, 0.3)
    canvas.fill(np.concatenate([inner_low, outer_low[::-1]]), lips, 0.8, 0.35)
    hole = np.concatenate([inner_top, inner_low[::-1]])
    if mouth.gap > 0.25:
        canvas.fill(hole, 0.06, 0.95, 0.2)
        if mouth.gap > 3:
            tongue = ellipse(0, mouth.lower - 0.2, 3.4, mouth.gap * 0.25)
            canvas.fill(tongue, 0.35 * who.skin + 0.1, 0.6, 0.6, within=hole)
        for teeth, edge, grow in ((mouth.upper_teeth, inner_top, 1), (mouth.lower_teeth, inner_low, -1)):
            tall = min(2.7, mouth.gap * (0.95 if grow > 0 else 0.5))
            if teeth > 0.05:
                band = np.concatenate([edge, edge[::-1] + np.array([0, grow * tall])])
                canvas.fill(band, 0.7 + 0.25 * who.skin, teeth, 0.2, within=hole)
    seam = mouth.edge((mouth.upper * 2 + mouth.lower) / 3 if mouth.gap < 0.4 else mouth.upper, power, bow=0.15)
    canvas.stroke(seam, 0.08, 0.33 + 0.25 * au(23), 0.8, 0.2)
    for side in SIDES:
        x, y = mouth.corners[side]
        canvas.fill(ellipse(x, y, 0.7, 0.5), 0.1, 0.5, 0.35)


def paint_brow(canvas: Canvas, who: Identity, au: Muscles, side: int) -> None:
    """Paint one eyebrow, thick at the nose and thin at the temple."""
    middle = curve(shape_brow(who, au, side))
    half = who.brow_thickness * np.interp(np.linspace(0, 1, len(middle)), [0, 0.12, 0.5, 1], [0.45, 0.85, 0.75, 0.2])
    shape = np.concatenate([middle - half[:, None] * (0, 1), (middle + half[:, None] * (0, 1))[::-1]])
    canvas.fill(shape, min(who.hair * 0.8, who.skin * 0.5), who.brow_dark, 0.32)


def paint_nose(canvas: Canvas, who: Identity, au: Muscles) -> None:
    """Paint nostrils and the shadow under the nose."""
    tip = nose_tip(who, au)
    for side in SIDES:
        wide = who.nose_width * (1 + 0.12 * au(9))
        canvas.fill(ellipse(side * 1.75 * wide, tip + 1.35, 0.95 * wide, 0.5), 0.06, 0.75, 0.3)
        wing = [(side * 3.3 * wide, tip - 0.9), (side * 3.9 * wide, tip + 0.3), (side * 3.2 * wide, tip + 1.4)]
        canvas.stroke(wing, who.skin * 0.45, 0.55, 0.45, 0.3)
    canvas.fill(ellipse(0, tip + 2.1, 3.0, 0.8), who.skin * 0.55, 0.39, 0.6)


def paint_glasses(canvas: Canvas, who: Identity) -> None:
    """Paint a frame of glasses, as dark as ``who.glasses``."""
    for side in SIDES:
        x = side * 8.4 * who.eye_distance
        angle = np.linspace(0, 2 * math.pi, 28)
        rim = np.stack([x + 5.6 * np.cos(angle), 0.6 + 4.2 * np.sin(angle)], 1)
        canvas.fill(np.concatenate([rim, (rim - (x, 0.6))[::-1] * 0.88 + (x, 0.6)]), 0.12, who.glasses, 0.15)
        canvas.stroke([(side * 13.8 * who.eye_distance, -0.4), (side * 18, -1.2)], 0.12, 0.6, who.glasses, 0.2)
    canvas.stroke([(-2.8, 0.0), (0, -0.8), (2.8, 0.0)], 0.12, 0.6, who.glasses, 0.15)


def noise_field(rng: np.random.Generator, size: int, cells: tuple[int, int]) -> np.ndarray:
    """Return smooth noise float32 ``(size, size)`` of about -1..1 with ``cells`` (columns, rows) of detail."""
    coarse = rng.standard_normal((cells[1], cells[0]), np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def hair_masks(canvas: Canvas, who: Identity, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return masks (0..1) of the hair behind the head and of that on the head."""
    if who.bald:
        return np.zeros_like(canvas.paint), np.zeros_like(canvas.paint)
    uneven = noise_field(rng, canvas.size, (12, 4))
    bulge = (canvas.x / (18.6 * who.face_width)) ** 2 + ((canvas.y + 8.0) / 19.5) ** 2
    behind = soft_step(1 - bulge + 0.04 * uneven, 0.07) * soft_step(4 - canvas.y, 3.0)
    if who.hair_length > 0:
        sides = soft_step(20.5 * who.face_width - np.abs(canvas.x) + uneven, 1.5)
        sides = sides * soft_step(who.hair_length - canvas.y, 4.0) * soft_step(canvas.y + 8, 2.0)
        behind = np.maximum(behind, sides)
    line = who.hairline + 0.022 * canvas.x**2 + 0.00016 * canvas.x**4 + 1.1 * uneven
    return behind, behind * soft_step(line - canvas.y, 1.2)


def ear_mask(canvas: Canvas, who: Identity) -> np.ndarray:
    """Return the mask (0..1) of the ears, which long hair hides."""
    shape = ((np.abs(canvas.x) - 17.3 * who.face_width) / 2.0) ** 2 + ((canvas.y - 2.5) / 4.6) ** 2
    return soft_step(1 - shape, 0.3) * (who.hair_length == 0)


def paint_hair(canvas: Canvas, who: Identity, mask: np.ndarray, rng: np.random.Generator) -> None:
    """Paint hair with strands and a gloss on the crown where ``mask`` is."""
    strands = noise_field(rng, canvas.size, (40, 5)) * 0.18 + noise_field(rng, canvas.size, (9, 6)) * 0.15
    gloss = 0.1 * np.exp(-0.5 * (((canvas.x - 4) / 8) ** 2 + ((canvas.y + 20) / 3) ** 2))
    colour = (who.hair + gloss) * (1 + strands) + 0.05 * np.maximum(strands, 0)
    canvas.paint += mask * (colour - canvas.paint)


def paint_beard(canvas: Canvas, who: Identity, mouth: Mouth) -> None:
    """Darken jaw and upper lip, as much as ``who.beard``, and leave the lips free."""
    jaw = soft_step(canvas.y - 10, 3.0) * soft_step(np.abs(canvas.x) + 0.9 * (canvas.y - 12) - 9.0, 3.0)
    lip = np.exp(-0.5 * ((canvas.x / 5.0) ** 2 + ((canvas.y - mouth.upper + mouth.upper_lip + 1.2) / 1.1) ** 2))
    mask = who.beard * np.maximum(jaw, lip)
    canvas.paint *= 1 - mask * (1 - min(1.0, who.hair * 1.2 / who.skin))


def light_relief(canvas: Canvas, light: Light) -> tuple[np.ndarray, np.ndarray]:
    """Return how much light the relief throws back (about 0..1.3) and its highlights."""
    folds = cv2.GaussianBlur(canvas.folds, (0, 0), 0.42 * canvas.scale)
    relief = canvas.relief + folds
    slope_x = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3, scale=canvas.scale / 8)
    slope_y = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=canvas.scale / 8)
    lamp = np.array([light.side, -light.height, 1.0])
    lamp /= np.linalg.norm(lamp)
    facing = (lamp[2] - lamp[0] * slope_x - lamp[1] * slope_y) / np.sqrt(1 + slope_x**2 + slope_y**2)
    hollow = cv2.GaussianBlur(relief, (0, 0), 1.6 * canvas.scale) - relief
    shade = light.ambient + (1.15 - light.ambient) * np.maximum(facing, 0)
    shade *= 1 - np.clip(0.29 * hollow, -0.12, 0.5)
    return shade.astype(np.float32), light.shine * np.maximum(facing, 0) ** 12


def paint_face(canvas: Canvas, who: Identity, au: Muscles, mouth: Mouth, gaze: tuple[float, float]) -> None:
    """Paint skin, nose, eyes, brows, mouth and beard, without light or shadow."""
    rng = np.random.default_rng(who.texture)
    canvas.paint += who.skin * (1 + 0.03 * noise_field(rng, canvas.size, (14, 14)))
    for side in SIDES:
        canvas.bump(side * 10, 8, 4, 4, -0.04, canvas.paint)
    if who.beard:
        paint_beard(canvas, who, mouth)
    paint_nose(canvas, who, au)
    for side in SIDES:
        paint_eye(canvas, who, au, side, gaze)
        paint_brow(canvas, who, au, side)
    paint_mouth(canvas, who, au, mouth)


def draw_head(
    who: Identity,
    units: Mapping[int | str, float],
    light: Light,
    scale: float,
    half: float,
    gaze: tuple[float, float] = (0.0, 0.0),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return brightness, cover (0..1) and relief of a head from the front.

    float32 ``(s, s)`` with ``s = 2 * half * scale``: ``scale`` pixels are a unit, and the picture
    shows ``half`` units to each side. ``units`` are the intensities (0..1) of facial action
    units, as :class:`Muscles` takes them.
    """
    rng, au = np.random.default_rng(who.texture + 1), Muscles(units)
    canvas, mouth = Canvas(half, scale), shape_mouth(who, au)
    head, ears = model_head(canvas, who, au), ear_mask(canvas, who)
    behind, front = hair_masks(canvas, who, rng)
    model_features(canvas, who, au, mouth)
    model_folds(canvas, who, au, mouth)
    shade, highlight = light_relief(canvas, light)
    paint_face(canvas, who, au, mouth, gaze)
    face = canvas.paint * shade + highlight

    neck = soft_step(9.5 * who.face_width - np.abs(canvas.x), 1.0)
    neck = neck * soft_step(canvas.y - 14, 2.0) * soft_step(36 - canvas.y, 3.0)
    canvas.paint = (who.skin * 0.55 * (1 - 0.012 * np.abs(canvas.x))).repeat(canvas.size, 0)
    paint_hair(canvas, who, behind * (1 - neck), rng)
    canvas.paint += ears * (who.skin * shade * 0.8 - canvas.paint)
    canvas.paint += head * (face - canvas.paint)
    paint_hair(canvas, who, front, rng)
    if who.glasses:
        paint_glasses(canvas, who)
    cover = np.maximum(np.maximum(head, neck), np.maximum(behind, ears))
    return canvas.paint, cover.astype(np.float32), canvas.relief


def pose_head(
    head: tuple[np.ndarray, np.ndarray, np.ndarray],
    pose: Pose,
    scale: float,
    shape: tuple[int, int],
    centre: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Return brightness and cover float32 of ``shape`` (height, width) with the head turned and placed.

    ``centre`` is where, in pixels (x, y), the point between the eyes lies when ``pose.shift`` is 0.
    """
    picture, cover, relief = head
    height, width = shape
    half = picture.shape[0] / (2 * scale)
    cos, sin = math.cos(pose.roll) / pose.zoom, math.sin(pose.roll) / pose.zoom
    across = (np.arange(width, dtype=np.float32) + 0.5 - centre[0]) / np.float32(scale) - pose.shift[0]
    down = (np.arange(height, dtype=np.float32) + 0.5 - centre[1])[:, None] / np.float32(scale) - pose.shift[1]
    x = cos * across + sin * down
    y = -sin * across + cos * down
    map_x, map_y = (x + half) * scale - 0.5, (y + half - 4.0) * scale - 0.5
    if pose.yaw or pose.pitch:
        depth = cv2.remap(cv2.GaussianBlur(relief, (0, 0), scale), map_x, map_y, cv2.INTER_LINEAR) - 9
        map_x -= math.sin(pose.yaw) * depth * scale
        map_y -= math.sin(pose.pitch) * depth * scale
    posed = [cv2.remap(layer, map_x, map_y, cv2.INTER_LINEAR) for layer in (picture, cover)]
    return posed[0], posed[1]
