"""Find faces, check their eyes, and cut them out the one way that every network here sees them.

Two detectors: Haar cascades (Viola & Jones 2001), which OpenCV always brings along, and YuNet
(Wu et al. 2023) where its weight file is found. Taught in notebooks 01 and 05.
"""

import hashlib
import os
import threading
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from fernb import config
from fernb.errors import FernbError, ModelError
from fernb.files import atomic_write
from fernb.vision.images import to_grey, to_rgb

LONGEST = 800  # pixels; larger pictures are shrunk before the search, which finds faces no worse
MIN_SCORE = 0.4  # of Haar; drops one true face in a hundred and most of the faces seen in leaves and clouds
SMALLEST = 24  # pixels; smaller faces hold too little for an emotion
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
YUNET_URL = f"https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/{YUNET_FILE}"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
_loaded = threading.local()  # OpenCV's detectors keep state, so each thread has its own


@dataclass(frozen=True)
class Detection:
    """A face: box in whole pixels of the picture, and the detector's score in 0..1.

    ``eyes`` are boxes ``(x, y, w, h)`` where they were looked for, else None; ``landmarks`` is
    YuNet's float32 ``(5, 2)``: right eye, left eye, nose tip, right and left corner of the mouth
    ("right" as the person has it), else None.
    """

    x: int
    y: int
    w: int
    h: int
    score: float
    eyes: tuple[tuple[int, int, int, int], ...] | None = None
    landmarks: np.ndarray | None = None

    @property
    def box(self) -> tuple[int, int, int, int]:
        """``(x, y, w, h)``."""
        return self.x, self.y, self.w, self.h

    @property
    def frontal(self) -> bool | None:
        """Whether two eyes or more were found; None where nobody looked."""
        return None if self.eyes is None else len(self.eyes) >= 2


def find_faces(
    rgb: np.ndarray, detector: str = "auto", eyes: bool = False, yunet: str | os.PathLike | None = None
) -> list[Detection]:
    """Find the faces of a picture, largest first.

    ``rgb`` is a picture as :func:`fernb.vision.images.to_rgb` takes it. ``detector`` is ``haar``,
    ``yunet`` or ``auto`` (YuNet where its file is found, Haar elsewhere); ``yunet`` names its
    file. With ``eyes`` each face's eyes are looked for as well.

    Raises :class:`~fernb.errors.ImageError` for an empty picture and
    :class:`~fernb.errors.ModelError` where YuNet is asked for and its file is missing.
    """
    rgb = to_rgb(rgb)
    weights = find_yunet(yunet)
    if detector == "auto":
        detector = "yunet" if weights else "haar"
    shrink = min(1.0, LONGEST / max(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else rgb
    if min(small.shape[:2]) < SMALLEST:
        return []
    if detector == "haar":
        found = _haar(small)
    elif detector == "yunet":
        if weights is None:
            raise ModelError(
                f"YuNet's file {YUNET_FILE} is not in {config.models_folder()}; `fernb fetch yunet` gets it."
            )
        found = _yunet(small, weights)
    else:
        raise FernbError(f"there is no detector {detector!r}; there are auto, haar and yunet.")
    faces = sorted((_grown(face, 1 / shrink) for face in found), key=lambda face: -face.w * face.h)
    return [replace(face, eyes=find_eyes(rgb, face)) for face in faces] if eyes else faces


def find_eyes(rgb: np.ndarray, face: Detection) -> tuple[tuple[int, int, int, int], ...]:
    """Find eyes by Haar in the upper half of a face: boxes in the picture, widest pair of the surest first.

    Works on the face enlarged to 160 pixels, where the cascade does best.
    """
    grey = to_grey(rgb)
    left, top = max(face.x, 0), max(face.y, 0)
    upper = grey[top : face.y + round(face.h * 0.6), left : face.x + face.w]
    if min(upper.shape) < 8:
        return ()
    zoom = 160 / face.w
    upper = cv2.resize(upper, None, fx=zoom, fy=zoom)
    boxes, _, weights = _cascade("haarcascade_eye.xml").detectMultiScale3(
        cv2.equalizeHist(upper), 1.05, 4, minSize=(20, 20), maxSize=(70, 70), outputRejectLevels=True
    )
    best = [boxes[i] for i in np.argsort(-np.ravel(weights))] if len(boxes) else []
    return tuple(
        (round(x / zoom) + left, round(y / zoom) + top, round(w / zoom), round(h / zoom)) for x, y, w, h in best[:2]
    )


def _cascade(name: str):
    if name not in _loaded.__dict__:
        if not hasattr(cv2, "CascadeClassifier"):
            raise FernbError('this OpenCV has no Haar cascades; run pip install "opencv-python-headless<5".')
        _loaded.__dict__[name] = cv2.CascadeClassifier(os.path.join(cv2.data.haarcascades, name))
    return _loaded.__dict__[name]


def _haar(rgb: np.ndarray) -> list[Detection]:
    grey = cv2.equalizeHist(to_grey(rgb))
    side = max(SMALLEST, min(grey.shape) // 12)
    boxes, _, weights = _cascade("haarcascade_frontalface_default.xml").detectMultiScale3(
        grey, scaleFactor=1.1, minNeighbors=5, minSize=(side, side), outputRejectLevels=True
    )
    # the last stage's margin runs from about 0 to 10; 1 - exp(-m/3) puts it in 0..1 without changing the order
    scores = 1 - np.exp(-np.maximum(np.ravel(weights), 0) / 3)
    found = [Detection(*map(int, box), float(score)) for box, score in zip(boxes, scores, strict=True)]
    return _without_overlaps([face for face in found if face.score >= MIN_SCORE])


def _without_overlaps(found: list[Detection], most: float = 0.3) -> list[Detection]:
    if not found:
        return []
    kept = cv2.dnn.NMSBoxes([face.box for face in found], [face.score for face in found], 0.0, most)
    return [found[i] for i in np.ravel(kept)]


def _grown(face: Detection, factor: float) -> Detection:
    if factor == 1:
        return face
    x, y, w, h = (round(value * factor) for value in face.box)
    landmarks = None if face.landmarks is None else face.landmarks * np.float32(factor)
    return replace(face, x=x, y=y, w=w, h=h, landmarks=landmarks)


def find_yunet(path: str | os.PathLike | None = None) -> Path | None:
    """Return YuNet's weight file: ``path``, else ``*yunet*.onnx`` in the models folder, else None.

    Raises :class:`~fernb.errors.ModelError` where ``path`` is given and is no file.
    """
    if path is not None:
        if not Path(path).is_file():
            raise ModelError(f"there is no YuNet file at {path}.")
        return Path(path)
    return next(iter(sorted(config.models_folder().glob("*yunet*.onnx"))), None)


def fetch_yunet(url: str = YUNET_URL, sha256: str = YUNET_SHA256, timeout: float = 20) -> Path:
    """Download YuNet (MIT licence, 0.2 MB) into the models folder, checked by its SHA-256.

    Raises :class:`~fernb.errors.ModelError` where the network says no or the file is another;
    then nothing is left behind.
    """
    path = config.models_folder() / YUNET_FILE
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            data = answer.read(10 << 20)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"YuNet could not be downloaded ({error}); put its file into {path.parent} by hand."
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelError("the download of YuNet is not the file that was expected; nothing was kept.")
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)
    return path


def _yunet(rgb: np.ndarray, weights: Path) -> list[Detection]:
    key = f"yunet {weights}"
    if key not in _loaded.__dict__:
        try:
            _loaded.__dict__[key] = cv2.FaceDetectorYN.create(str(weights), "", (320, 320), score_threshold=0.7)
        except cv2.error as error:
            raise ModelError(f"{weights.name} is not YuNet's ONNX file, or it is cut off.") from error
    detector = _loaded.__dict__[key]
    detector.setInputSize(rgb.shape[1::-1])
    _, rows = detector.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    if rows is None:
        return []
    return [
        Detection(*np.rint(row[:4]).astype(int).tolist(), float(row[14]), landmarks=row[4:14].reshape(5, 2).copy())
        for row in rows
    ]


def eyes_closed(rgb: np.ndarray, face: Detection) -> bool:
    """Say whether no open eye is found in the upper part of a face; ``rgb`` is uint8 ``(h, w, 3)``.

    It uses the stricter of OpenCV's two eye cascades on the face enlarged to 160 pixels,
    without equalising, which would bring out the lashes of a closed eye.
    """
    upper = to_grey(rgb)[max(face.y, 0) : face.y + round(face.h * 0.6), max(face.x, 0) : face.x + face.w]
    if min(upper.shape) < 8:
        return False
    zoom = 160 / face.w
    upper = cv2.resize(upper, None, fx=zoom, fy=zoom)
    cascade = _cascade("haarcascade_eye_tree_eyeglasses.xml")
    return len(cascade.detectMultiScale(upper, 1.05, 8, minSize=(20, 20), maxSize=(70, 70))) == 0
