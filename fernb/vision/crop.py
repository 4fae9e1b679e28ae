"""Cut faces out: the only way from an image to a network's input. Taught in notebooks 01 and 05."""

import math

import cv2
import numpy as np

from fernb.config import FACE_SIDE
from fernb.errors import ImageError
from fernb.vision.detection import Detection
from fernb.vision.images import to_grey, to_rgb


def whole(picture: np.ndarray) -> Detection:
    """Return the detection that takes the whole picture for one face, as FER2013's files are."""
    height, width = picture.shape[:2]
    return Detection(0, 0, width, height, 1.0)


def crop_face(rgb: np.ndarray, detection: Detection, align: bool = False) -> np.ndarray:
    """Cut a face out: grey uint8 ``(48, 48)``, the only path from a picture to a network's input.

    The box is made square about its centre; where it runs out of the picture, the edge is
    repeated. ``align`` first turns the picture so that the eyes are level (it needs landmarks
    or two eyes, and changes nothing without). A whole 48×48 grey face comes out unchanged.
    """
    grey = to_grey(to_rgb(rgb))
    side = max(detection.w, detection.h)
    if side < 1:
        raise ImageError(f"the face box {detection.box} is empty.")
    centre = (detection.x + (detection.w - 1) / 2, detection.y + (detection.h - 1) / 2)
    if align and (angle := eye_angle(detection)) is not None:
        matrix = cv2.getRotationMatrix2D(centre, angle, 1)
        grey = cv2.warpAffine(grey, matrix, grey.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    square = _square(grey, centre, side)
    if side == FACE_SIDE:
        return square
    return cv2.resize(
        square, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_AREA if side > FACE_SIDE else cv2.INTER_LINEAR
    )


def cut_face(rgb: np.ndarray, detection: Detection, margin: float = 0.3) -> np.ndarray:
    """Cut a face out for people to look at: RGB uint8 square, ``margin`` of the box added on each side."""
    centre = (detection.x + (detection.w - 1) / 2, detection.y + (detection.h - 1) / 2)
    return _square(rgb, centre, round(max(detection.w, detection.h) * (1 + 2 * margin)))


def _square(picture: np.ndarray, centre: tuple[float, float], side: int) -> np.ndarray:
    left, top = math.floor(centre[0] - (side - 1) / 2), math.floor(centre[1] - (side - 1) / 2)
    rows = np.arange(top, top + side).clip(0, picture.shape[0] - 1)
    columns = np.arange(left, left + side).clip(0, picture.shape[1] - 1)
    return picture[np.ix_(rows, columns)]


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
