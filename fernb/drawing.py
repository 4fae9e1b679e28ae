"""Draw one grey face: a relief that light falls on, with skin, eyes, lips, brows and hair painted on it.

Lengths are in *units*: 48 units are the side of a FER2013 crop, the origin lies between the
eyes, x grows to the viewer's right and y downwards. Brightness is 0..1. The face is drawn from
the front, soft and shaded, and :func:`pose_head` then turns the picture as a relief would turn.
What the numbers mean for an emotion is decided in :mod:`fernb.synthetic`.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

SIDES = (-1, 1)
"""The viewer's left and right; the drawn person's own right side is the viewer's left."""


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
        (px, py), reach = self.pixels((x, y)), 2.8 * self.scale
        x0, x1 = max(0, int(px - reach * rx)), min(self.size, int(px + reach * rx) + 1)
        y0, y1 = max(0, int(py - reach * ry)), min(self.size, int(py + reach * ry) + 1)
        if x0 < x1 and y0 < y1:
            across = np.exp(-0.5 * ((self.x[0, x0:x1] - x) / rx) ** 2)
            down = np.exp(-0.5 * ((self.y[y0:y1, 0] - y) / ry) ** 2)
            layer[y0:y1, x0:x1] += height * down[:, None] * across

    def fold(self, points, depth: float, width: float = 0.7) -> None:
        """Press a crease along the curve through ``points`` into the skin."""
        if depth > 0.02:
            line = np.round(self.pixels(curve(points)) * 16).astype(np.int32)
            cv2.polylines(self.folds, [line], False, -depth, max(1, round(width * self.scale)), shift=4)

    def fill(self, points, brightness: float, alpha: float = 1.0, soft: float = 0.3, within=None) -> None:
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

    def stroke(self, points, brightness: float, width: float, alpha: float = 1.0, soft: float = 0.25) -> None:
        """Paint a line of ``width`` units that thins out towards both ends."""
        middle = curve(points)
        along = np.gradient(middle, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], 1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-6)
        half = width / 2 * np.sqrt(np.sin(np.linspace(0.15, math.pi - 0.15, len(middle))))[:, None]
        self.fill(np.concatenate([middle + half * normal, (middle - half * normal)[::-1]]), brightness, alpha, soft)


@functools.lru_cache(maxsize=8)
def _grid(size: int, scale: float, left: float, top: float) -> tuple[np.ndarray, np.ndarray]:
    steps = (np.arange(size, dtype=np.float32) + 0.5) / np.float32(scale)
    return (steps + left)[None, :], (steps + top)[:, None]


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


def curve(points, steps: int = 20) -> np.ndarray:
    """Return ``(steps, 2)`` points of a smooth curve through ``points`` (Catmull-Rom)."""
    points = np.asarray(points, float)
    return _spline(len(points), steps) @ points


def ellipse(x: float, y: float, rx: float, ry: float, steps: int = 24) -> np.ndarray:
    """Return ``(steps, 2)`` points of an ellipse."""
    angle = np.linspace(0, 2 * math.pi, steps, endpoint=False)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1)


def soft_step(distance: np.ndarray, width: float) -> np.ndarray:
    """Return 0 below ``-width``, 1 above ``width`` and a ramp between."""
    return np.clip(0.5 + distance / (2 * width), 0, 1)


class Muscles:
    """Intensities 0..1 of action units, for one side of the face or for both.

    A key is a number for both sides, or ``"R12"`` / ``"L12"`` for one: FACS calls left and right
    by the drawn person, so R is on the viewer's left.
    """

    def __init__(self, units: Mapping[int | str, float]):
        self._units = units

    def __call__(self, unit: int, side: int = 0) -> float:
        both = self._units.get(unit, 0.0)
        left, right = (max(both, self._units.get(f"{letter}{unit}", 0.0)) for letter in "LR")
        return {0: (left + right) / 2, -1: right, 1: left}[side]


# --- geometry that action units move ---------------------------------------------------------------------


@dataclass(frozen=True)
class Mouth:
    """Where the lips are: corners per side, the inner edges in the middle, and the lips' thickness."""

    corners: dict[int, tuple[float, float]]
    upper: float
    lower: float
    upper_lip: float
    lower_lip: float
    upper_teeth: float
    lower_teeth: float

    @property
    def gap(self) -> float:
        return self.lower - self.upper

    def edge(self, y: float, power: float, inset: float = 0.0, bow: float = 0.0) -> np.ndarray:
        """Return a curve from corner to corner that passes the middle at ``y``."""
        t = np.linspace(-1, 1, 25)
        (lx, ly), (rx, ry) = self.corners[-1], self.corners[1]
        centre, half = (lx + rx) / 2, (rx - lx) / 2 - inset
        corner = (ly + ry) / 2 + (ry - ly) / 2 * t
        rise = 1 - np.abs(t) ** power
        dip = bow * np.exp(-((t / 0.13) ** 2)) - 0.35 * bow * np.exp(-(((np.abs(t) - 0.25) / 0.12) ** 2))
        return np.stack([centre + half * t, corner + (y - corner) * rise + dip], 1)


def shape_mouth(who: Identity, au: Muscles) -> Mouth:
    """Return the mouth that the muscles pull: AU 9, 10, 12, 14 to 17, 20, 23 to 27."""
    jaw = au(26)
    rest = 15.6 + 1.2 * (who.nose_length - 1) * 10
    corners = {}
    for side in SIDES:
        out = 6.6 * who.mouth_width + 2.4 * au(12, side) + 2.0 * au(20, side) + 0.7 * au(14, side)
        out += 0.5 * au(16, side) - 0.5 * au(23) - 1.9 * jaw * (1 - au(12, side)) * (1 - 0.6 * au(20, side))
        down = 1.9 * au(15, side) - 2.7 * au(12, side) - 0.7 * au(14, side) + 2.6 * jaw - 0.5 * au(17) - 0.6 * au(10, side)
        corners[side] = (side * out, rest + down)
    parted = 1.7 * au(25) + 1.5 * au(16) + 0.7 * au(20)
    raised = 1.3 * au(10) + 0.9 * au(9) + 0.5 * au(25) * au(12)
    upper = rest - raised - 0.4 * au(12) - 0.6 * au(17) - 0.3 * jaw
    lower = upper + parted + 8.2 * jaw + 0.6 * au(12) * au(25)
    thin = (1 - 0.55 * au(23)) * (1 - 0.25 * au(12)) * (1 - 0.2 * au(20))
    return Mouth(
        corners,
        upper,
        lower,
        upper_lip=1.55 * who.lip_fullness * thin * (1 - 0.15 * jaw),
        lower_lip=2.1 * who.lip_fullness * thin * (1 - 0.2 * au(16)),
        upper_teeth=min(1.0, 0.9 * au(12) + 0.8 * au(10) + 0.7 * au(20) + 0.5 * au(9) + 0.25 * jaw),
        lower_teeth=min(1.0, au(16) + 0.35 * au(20)),
    )


def shape_brow(who: Identity, au: Muscles, side: int) -> np.ndarray:
    """Return three points of a brow, inner end first: AU 1 lifts it, 2 the outer end, 4 lowers and joins."""
    y = -5.6 + who.brow_height
    one, two, four, nine = au(1, side), au(2, side), au(4, side), au(9, side)
    frown = four * (1 - 0.45 * one)
    inner = (3.7 * who.eye_distance - 0.9 * four - 0.2 * nine, y - 2.7 * one + 2.1 * frown + 1.1 * nine)
    middle = (9.0 * who.eye_distance - 0.3 * four, y - 1.1 - 1.1 * one - 1.9 * two + 1.4 * frown + 0.8 * nine)
    outer = (14.0 * who.eye_distance, y + 0.7 - 2.2 * two + 0.5 * frown + 0.4 * one * (1 - two))
    return np.array([inner, middle, outer]) * (side, 1)


def shape_eye(who: Identity, au: Muscles, side: int) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Return the upper and the lower lid's curve (inner corner first) and the eye's centre: AU 5, 6, 7."""
    x = 8.4 * who.eye_distance
    half = 3.5 * who.eye_size
    droop = 0.35 * au(15, side) * au(1, side)
    top = who.eye_size * max(0.35, 1.75 + 1.05 * au(5, side) - 0.55 * au(7, side) - 0.5 * au(9, side) - 0.45 * au(6, side) - droop)
    low = who.eye_size * max(0.15, 1.25 - 0.75 * au(6, side) - 0.45 * au(7, side) - 0.5 * au(9, side) + 0.15 * au(5, side))
    tilt = 0.25 - 0.3 * droop
    inner, outer = (x - half, 0.35), (x + half, -tilt)
    upper = curve([inner, (x - half * 0.45, -top * 0.88), (x + half * 0.35, -top), outer]) * (side, 1)
    lower = curve([inner, (x - half * 0.35, low * 0.85), (x + half * 0.4, low * 0.9), outer]) * (side, 1)
    return upper, lower, (side * x, (low - top) * 0.12)


# --- relief ----------------------------------------------------------------------------------------------


def half_width(who: Identity, jaw: float, y: np.ndarray) -> np.ndarray:
    """Return the head's half width at heights ``y``; ``jaw`` is by how much the chin has dropped."""
    chin = 27.0 + who.chin + jaw
    heights = [-24.5, -23, -20, -15, -8, 2, 10, 16 + jaw * 0.6, chin - 5.0, chin - 1.6, chin]
    j = who.jaw_width
    widths = [0, 6.0, 11.2, 15.0, 16.6, 16.4, 15.1 * (1 + j) / 2, 12.6 * j, 8.6 * j, 4.6 * j, 0]
    fine = np.interp(y.ravel(), heights, np.array(widths) * who.face_width).astype(np.float32)[:, None]
    kernel = max(3, int(len(fine) / 24) | 1)
    return cv2.blur(fine, (1, kernel)).reshape(y.shape)


def model_head(canvas: Canvas, who: Identity, au: Muscles) -> np.ndarray:
    """Raise the skull in the relief and return the head's mask (0..1)."""
    width = half_width(who, 4.6 * au(26), canvas.y)
    across = np.clip(np.abs(canvas.x) / np.maximum(width, 0.1), 0, 1)
    along = np.clip((canvas.y - 2) / np.where(canvas.y < 2, 28, 33 + 4.6 * au(26)), -1, 1)
    canvas.relief += 13 * np.sqrt(np.maximum(0, 1 - across**2.6)) * np.sqrt(1 - np.abs(along) ** 2.5)
    return soft_step(width - np.abs(canvas.x), 0.5)


def model_features(canvas: Canvas, who: Identity, au: Muscles, mouth: Mouth) -> None:
    """Raise nose, brow ridge, lids, cheeks, lips and chin in the relief."""
    bump, tip, drop = canvas.bump, 8.3 * who.nose_length - 0.7 * au(9), 4.6 * au(26)
    for k, y in enumerate(np.linspace(0.5, tip, 4)):
        bump(0, y, 1.5 + 0.18 * k, 2.2, 0.55 + 0.42 * k)
    bump(0, tip, 1.9 * who.nose_width, 1.6, 1.5)
    for side in SIDES:
        bump(side * 2.9 * who.nose_width, tip + 0.6 - 0.4 * au(9), 1.15, 1.1, 0.95 + 0.3 * au(9))
        x = side * 8.4 * who.eye_distance
        brow = shape_brow(who, au, side)
        bump(x, brow[:, 1].mean() + 0.8, 4.6, 1.8, 0.75 + 0.35 * au(4))
        bump(side * 5.2, -1.6, 1.9, 2.3, -1.3)
        bump(x, -0.8, 3.9, 2.5, -0.9)
        bump(x, 0.0, 2.7, 1.7, 0.65)
        bump(x, 3.4, 3.4, 1.0, (0.3 + 0.35 * au(6, side)) * (0.5 + who.age))
        lift, squeeze = au(6, side), au(12, side)
        bump(side * (9.6 + 0.8 * squeeze), 9.2 - 2.6 * lift, 4.3, 3.1, 1.1 + 1.0 * lift + 0.5 * squeeze)
        bump(side * 10.6, 16.5, 3.4, 4.2, -0.55 - 0.25 * au(26))
        corner = mouth.corners[side]
        bump(corner[0] + side * 0.8, corner[1], 1.1, 1.2, -0.5 - 0.5 * squeeze - 0.8 * au(14, side))
        bump(corner[0] + side * 0.3, corner[1] + 2.2, 1.6, 1.6, 0.7 * au(15, side))
    bump(0, (mouth.upper + mouth.lower) / 2, 7.0, 4.6, 1.3)
    bump(0, mouth.upper - mouth.upper_lip / 2, 4.2, 0.9, 0.55 * mouth.upper_lip / 1.5)
    bump(0, mouth.lower + mouth.lower_lip * 0.45, 4.0, 1.1, 0.8 * mouth.lower_lip / 2)
    bump(0, mouth.lower + mouth.lower_lip + 1.7, 4.2, 1.2, -1.0 - 0.5 * au(17))
    bump(0, 24.0 + who.chin + drop - 0.8 * au(17), 3.4, 2.4, 1.3 + 0.5 * au(17))
    bump(0, tip + 4.0, 0.7, 1.6, -0.35)


def model_folds(canvas: Canvas, who: Identity, au: Muscles, mouth: Mouth) -> None:
    """Press wrinkles into the skin: nasolabial fold, frown, forehead, crow's feet, bags, nose, chin."""
    fold, old = canvas.fold, who.age
    tip = 8.3 * who.nose_length
    for side in SIDES:
        x, y = mouth.corners[side]
        smile, up = au(12, side), max(au(9, side), 0.7 * au(10, side))
        start = (side * (3.9 * who.nose_width), tip - 0.4 - 1.2 * up)
        middle = (side * max(6.2, abs(x) * 0.82 + 0.9 * smile), (tip + y) / 2 - 0.6 * smile)
        end = (x + side * (1.7 + 0.4 * smile), y + 0.6 + 0.8 * au(15, side))
        fold([start, middle, end], 0.22 + 0.55 * old + 1.1 * smile + 1.3 * up + 0.35 * au(15, side) + 0.4 * au(20, side), 0.8)
        fold([(x + side * 1.2, y + 0.8), (x + side * 2.0, y + 3.6)], 0.35 * old + 0.7 * au(15, side) + 0.25 * au(16, side))
        frown = au(4, side) * (1 - 0.35 * au(1, side))
        fold([(side * 1.5, -6.6), (side * 1.2, -4.6), (side * 1.6, -2.6)], 1.5 * frown + 0.5 * au(9, side) + 0.25 * old)
        for k in range(3):  # bunny lines of AU 9
            fold([(side * 0.6, 0.6 + 1.5 * k), (side * 2.0, 0.2 + 1.5 * k), (side * 3.4, 1.0 + 1.8 * k)], 1.1 * au(9, side), 0.5)
        eye = 8.4 * who.eye_distance
        bag = 0.25 + 0.5 * old + 0.7 * au(6, side) + 0.5 * au(7, side) + 0.4 * au(9, side)
        fold([(side * (eye - 3.4), 1.7), (side * eye, 2.9 - 0.3 * au(6, side)), (side * (eye + 3.4), 1.9)], bag, 0.6)
        for k in (-1, 0, 1):
            far = side * (eye + 4.2)
            fold([(far, 0.4 + 0.7 * k), (far + side * 2.6, 0.6 + 1.5 * k)], (0.8 * au(6, side) + 0.3 * old) * (old + 0.35), 0.5)
    lift, outer = au(1), au(2)
    for k, y in enumerate((-9.2, -11.2, -13.2)):
        reach = 5.0 + 6.0 * max(outer, old * 0.6)
        depth = 0.12 * old + (0.35 + 0.65 * old) * (0.75 * lift + 0.35 * outer) - 0.1 * k
        fold([(-reach, y - 0.3 * lift + 0.9 * outer), (-reach / 2, y - 0.4), (0, y + 0.5), (reach / 2, y - 0.4), (reach, y - 0.3 * lift + 0.9 * outer)], depth, 0.6)


# --- paint -----------------------------------------------------------------------------------------------


def paint_eye(canvas: Canvas, who: Identity, au: Muscles, side: int, gaze: tuple[float, float]) -> None:
    """Paint white, iris, pupil, glint, lids and lashes of one eye."""
    upper, lower, (x, y) = shape_eye(who, au, side)
    outline = np.concatenate([upper, lower[::-1]])
    canvas.fill(outline, 0.30 + 0.55 * (0.4 + 0.6 * who.skin), 1.0, 0.22)
    radius = 1.85 * who.eye_size**0.5
    x, y = x + gaze[0], y + gaze[1] - 0.15
    canvas.fill(ellipse(x, y, radius, radius), who.iris, 0.95, 0.2, within=outline)
    canvas.fill(ellipse(x, y, radius * 0.5, radius * 0.5), 0.02, 0.95, 0.15, within=outline)
    canvas.fill(ellipse(x + 0.5, y - 0.7, 0.4, 0.4), 1.1, 0.8, 0.12, within=outline)
    canvas.stroke(upper + (0, 0.35), 0.1, 0.9, 0.45, 0.3)
    canvas.stroke(upper, 0.05, 0.75, 0.85, 0.18)
    canvas.stroke(lower, who.skin * 0.4, 0.4, 0.5, 0.2)
    crease = upper * (1, 0.9) - (0, 1.15 - 0.6 * au(5, side) + 0.15 * au(7, side))
    canvas.stroke(crease, who.skin * 0.45, 0.5, 0.55 * who.eye_fold, 0.3)


def paint_mouth(canvas: Canvas, who: Identity, au: Muscles, mouth: Mouth) -> None:
    """Paint lips, and between them the dark of the mouth, teeth and tongue."""
    power = 2.0 + 0.8 * au(26)
    lips = who.skin * (1 - who.lip_dark)
    inner_top = mouth.edge(mouth.upper, power)
    inner_low = mouth.edge(mouth.lower, power)
    outer_top = mouth.edge(mouth.upper - mouth.upper_lip, 1.7 + 0.6 * au(26), bow=0.55 * who.lip_fullness)
    outer_low = mouth.edge(mouth.lower + mouth.lower_lip, 2.0 + 0.7 * au(26))
    canvas.fill(np.concatenate([outer_top, inner_top[::-1]]), lips * 0.88, 0.85, 0.3)
    canvas.fill(np.concatenate([inner_low, outer_low[::-1]]), lips, 0.8, 0.35)
    hole = np.concatenate([inner_top, inner_low[::-1]])
    if mouth.gap > 0.25:
        canvas.fill(hole, 0.06, 0.95, 0.2)
        if mouth.gap > 3:
            canvas.fill(ellipse(0, mouth.lower - 0.2, 3.4, mouth.gap * 0.25), 0.35 * who.skin + 0.1, 0.6, 0.6, within=hole)
        for teeth, edge, grow in ((mouth.upper_teeth, inner_top, 1), (mouth.lower_teeth, inner_low, -1)):
            tall = min(2.7, mouth.gap * (0.95 if grow > 0 else 0.5))
            if teeth > 0.05:
                band = np.concatenate([edge, edge[::-1] + (0, grow * tall)])
                canvas.fill(band, 0.95, teeth, 0.2, within=hole)
    seam = mouth.edge((mouth.upper * 2 + mouth.lower) / 3 if mouth.gap < 0.4 else mouth.upper, power, bow=0.15)
    canvas.stroke(seam, 0.08, 0.55 + 0.25 * au(23), 0.8, 0.2)
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
    tip = 8.3 * who.nose_length - 0.7 * au(9)
    for side in SIDES:
        wide = who.nose_width * (1 + 0.12 * au(9))
        canvas.fill(ellipse(side * 1.75 * wide, tip + 1.35, 0.95 * wide, 0.5), 0.06, 0.75, 0.3)
        wing = [(side * 3.3 * wide, tip - 0.9), (side * 3.9 * wide, tip + 0.3), (side * 3.2 * wide, tip + 1.4)]
        canvas.stroke(wing, who.skin * 0.45, 0.55, 0.45, 0.3)
    canvas.fill(ellipse(0, tip + 2.1, 3.0, 0.8), who.skin * 0.55, 0.4, 0.6)


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


def hair_masks(canvas: Canvas, who: Identity, head: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return masks (0..1) of the hair behind the head and of that on the head."""
    if who.bald:
        return np.zeros_like(head), np.zeros_like(head)
    bulge = ((canvas.x / (18.6 * who.face_width)) ** 2 + ((canvas.y + 8.0) / 19.5) ** 2).astype(np.float32)
    behind = soft_step(1 - bulge, 0.06) * soft_step(4 - canvas.y, 3.0)
    if who.hair_length > 0:
        sides = soft_step(20.5 * who.face_width - np.abs(canvas.x), 1.5) * soft_step(who.hair_length - canvas.y, 4.0)
        behind = np.maximum(behind, sides * soft_step(canvas.y + 8, 2.0))
    line = who.hairline + 0.022 * canvas.x**2 + 0.00016 * canvas.x**4
    return behind, behind * soft_step(line - canvas.y, 1.1)


def paint_hair(canvas: Canvas, who: Identity, mask: np.ndarray, rng: np.random.Generator) -> None:
    """Paint hair with strands where ``mask`` is."""
    strands = noise_field(rng, canvas.size, (40, 5)) * 0.18 + noise_field(rng, canvas.size, (9, 6)) * 0.15
    colour = who.hair * (1 + strands) + 0.05 * np.maximum(strands, 0)
    canvas.paint += mask * (colour - canvas.paint)


def paint_beard(canvas: Canvas, who: Identity, mouth: Mouth) -> None:
    """Darken jaw and upper lip, as much as ``who.beard``, and leave the lips free."""
    jaw = soft_step(canvas.y - 10 - 0.0 * canvas.x, 3.0) * soft_step(np.abs(canvas.x) + 0.9 * (canvas.y - 12) - 9.0, 3.0)
    lip = np.exp(-0.5 * ((canvas.x / 5.0) ** 2 + ((canvas.y - mouth.upper + mouth.upper_lip + 1.2) / 1.1) ** 2))
    mask = who.beard * np.maximum(jaw, lip)
    canvas.paint *= 1 - mask * (1 - min(1.0, who.hair * 1.2 / who.skin))


# --- light, pose, picture --------------------------------------------------------------------------------


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
    shade *= 1 - np.clip(0.22 * hollow, -0.12, 0.5)
    return shade.astype(np.float32), light.shine * np.maximum(facing, 0) ** 12


def draw_head(
    who: Identity,
    units: Mapping[int | str, float],
    light: Light,
    scale: float,
    half: float = 30.0,
    gaze: tuple[float, float] = (0.0, 0.0),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return brightness, cover (0..1) and relief of a head from the front.

    float32 ``(s, s)`` with ``s = 2 * half * scale``: ``scale`` pixels are a unit. ``units`` are
    the intensities (0..1) of facial action units, as :class:`Muscles` takes them.
    """
    rng, au = np.random.default_rng(who.texture), Muscles(units)
    canvas, mouth = Canvas(half, scale), shape_mouth(who, au)
    head = model_head(canvas, who, au)
    behind, front = hair_masks(canvas, who, head)
    model_features(canvas, who, au, mouth)
    model_folds(canvas, who, au, mouth)
    shade, highlight = light_relief(canvas, light)

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
    face = canvas.paint * shade + highlight

    neck = soft_step(9.5 * who.face_width - np.abs(canvas.x), 1.0) * soft_step(canvas.y - 14, 2.0)
    canvas.paint = np.full_like(face, who.skin * 0.55) * (1 - 0.012 * np.abs(canvas.x))
    paint_hair(canvas, who, behind * (1 - neck), rng)
    canvas.paint += head * (face - canvas.paint)
    for side in SIDES:
        ear = ellipse(side * 17.0 * who.face_width, 3.0, 1.7, 4.2)
        canvas.fill(ear, who.skin * 0.75, 0.9 * (who.hair_length == 0), 0.5)
    paint_hair(canvas, who, front, rng)
    if who.glasses:
        paint_glasses(canvas, who)
    cover = np.maximum(np.maximum(head, neck), behind)
    return canvas.paint, cover.astype(np.float32), canvas.relief


def pose_head(head: tuple[np.ndarray, np.ndarray, np.ndarray], pose: Pose, scale: float, shape, centre) -> tuple[np.ndarray, np.ndarray]:
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
