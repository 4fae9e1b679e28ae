"""Cut faces out: the only way from an image to a network's input. Taught in notebooks 01 and 05."""

import math

import cv2
import numpy as np

from fernb.config import FACE_SIDE
from fernb.errors import ImageError
from fernb.vision.detection import Detection
from fernb.vision.images import MAX_SIDE, to_grey, to_uint8


def whole_image(image: np.ndarray) -> Detection:
    """Return the detection that takes the whole image for one face, as FER2013's files are."""
    height, width = image.shape[:2]
    return Detection(0, 0, width, height, 1.0)


def crop_face(rgb: np.ndarray, detection: Detection, *, align: bool = False) -> np.ndarray:
    """Cut a face out: grey uint8 ``(48, 48)``, the only path from an image to a network's input.

    ``rgb`` is an image as :func:`fernb.vision.images.to_uint8` takes it. The box is made square
    about its centre; where it leaves the image, the edge is repeated. ``align`` first turns the
    image so that the eyes are level (it needs landmarks or two eyes, and changes nothing
    without). A whole 48×48 grey face comes out unchanged.

    Raises :class:`~fernb.errors.ImageError` for a box without pixels, or far larger than any image.
    """
    image, centre = to_uint8(rgb), _centre(detection)
    side = max(detection.w, detection.h)
    if not 1 <= side <= 2 * MAX_SIDE:
        raise ImageError(f"the face box {detection.box} must be 1 to {2 * MAX_SIDE} pixels wide and high.")
    if align and (angle := eye_angle(detection)) is not None:
        matrix = cv2.getRotationMatrix2D(centre, angle, 1)
        grey = to_grey(image)
        image = cv2.warpAffine(grey, matrix, grey.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    square = to_grey(_square(image, centre, side))  # after the cut: most of a frame is no face
    if side == FACE_SIDE:
        return square
    shrink = cv2.INTER_AREA if side > FACE_SIDE else cv2.INTER_LINEAR
    return cv2.resize(square, (FACE_SIDE, FACE_SIDE), interpolation=shrink)


def cut_face(rgb: np.ndarray, detection: Detection, *, margin: float = 0.3) -> np.ndarray:
    """Cut a face out for people to look at: a square of ``rgb``, ``margin`` of the box added on each side.

    Keeps channels and dtype. Raises :class:`~fernb.errors.ImageError` as :func:`crop_face` does.
    """
    side = round(max(detection.w, detection.h) * (1 + 2 * margin))
    if not 1 <= side <= 2 * MAX_SIDE:
        raise ImageError(f"the face box {detection.box} with its margin must be 1 to {2 * MAX_SIDE} pixels a side.")
    return _square(rgb, _centre(detection), side)


def crop_matrices(detection: Detection, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return :func:`crop_face`, without ``align``, as a linear map of grey images of ``shape`` (h, w, …).

    The matrices ``rows`` float32 ``(48, h)`` and ``columns`` ``(48, w)`` make the face, up to its
    rounding, ``rows @ grey @ columns.T``. The way back, the adjoint, carries a gradient of the
    face, ``(48, 48)``, to the image's pixels: ``rows.T @ gradient @ columns``.
    """
    side = max(detection.w, detection.h)
    how = cv2.INTER_AREA if side > FACE_SIDE else cv2.INTER_LINEAR
    shrink = cv2.resize(np.eye(side, dtype=np.float32), (side, FACE_SIDE), interpolation=how)
    matrices = []
    for indices, length in zip(_square_indices(shape, _centre(detection), side), shape[:2], strict=True):
        matrix = np.zeros((length, FACE_SIDE), np.float32)
        np.add.at(matrix, indices, shrink.T)  # where the edge is repeated, one pixel counts several times
        matrices.append(matrix.T)
    return matrices[0], matrices[1]


def _centre(detection: Detection) -> tuple[float, float]:
    return detection.x + (detection.w - 1) / 2, detection.y + (detection.h - 1) / 2


def _square(image: np.ndarray, centre: tuple[float, float], side: int) -> np.ndarray:
    rows, columns = _square_indices(image.shape, centre, side)
    inside = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # a slice is far faster than np.ix_
    if inside.shape[:2] == (side, side):
        return inside.copy()
    return inside.take(rows - rows[0], axis=0).take(columns - columns[0], axis=1)


def _square_indices(shape: tuple[int, ...], centre: tuple[float, float], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and the columns of a square; outside of the image those of its edge."""
    left, top = math.floor(centre[0] - (side - 1) / 2), math.floor(centre[1] - (side - 1) / 2)
    return np.arange(top, top + side).clip(0, shape[0] - 1), np.arange(left, left + side).clip(0, shape[1] - 1)


def eye_angle(detection: Detection) -> float | None:
    """Return how far the eye line is turned, in degrees, positive where the right end hangs; None if unknown."""
    if detection.landmarks is not None:
        (x1, y1), (x2, y2) = sorted(detection.landmarks[:2].tolist())
    elif detection.eyes is not None and len(detection.eyes) >= 2:
        (x1, y1), (x2, y2) = sorted((x + w / 2, y + h / 2) for x, y, w, h in detection.eyes[:2])
    else:
        return None
    angle = math.degrees(math.atan2(y2 - y1, x2 - x1))
    return angle if abs(angle) <= 45 else None  # steeper is a wrong pair, not a tilted head
