"""Find faces and their eyes.

Two detectors: Haar cascades (Viola & Jones 2001), which OpenCV 4 always brings along, and
YuNet (Wu et al. 2023) where its weight file is found. Taught in notebooks 01 and 05.
"""

import functools
import hashlib
import http.client
import os
import stat
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fernb import config
from fernb.errors import FernbError, ModelError
from fernb.files import atomic_write
from fernb.vision.images import to_grey, to_uint8

MAX_SEARCH_SIDE = 800  # pixels; larger images are shrunk before the search, which finds faces no worse
MIN_SCORE = 0.4  # of Haar; drops one true face in a hundred and most of the faces seen in leaves and clouds
MIN_FACE_SIDE = 24  # pixels; smaller faces hold too little for an emotion
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
YUNET_URL = f"https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/{YUNET_FILE}"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
KNOWN_YUNETS = {
    YUNET_SHA256: "OpenCV's model zoo, March 2023",
    "25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31": "libfacedetection, yunet_n_640_640.onnx",
}
"""YuNet's weight files by their SHA-256; no other file is opened, for OpenCV crashes on damaged ones."""

MAX_DOWNLOAD = 10 << 20  # bytes
NEAR_MARGIN = 0.25  # of a known face's side: what is searched around it
NEAR_SIZES = 1.4
_EYE_PART = (0.0, 0.0, 1.0, 0.6)  # of a face: left, top, right, bottom of what holds its eyes
_EYE_SIDE = 160  # pixels across a face, at which the eye cascade does best
_OPEN_EYE_PARTS = (0.05, 0.15, 0.55, 0.6), (0.45, 0.15, 0.95, 0.6)  # an eye each; brows are cut short
_OPEN_EYE_SIDE = 128  # pixels across a face, at which open eyes are little larger than the cascade's least size
_per_thread = threading.local()  # OpenCV's detectors keep state, so each thread has its own


@dataclass(frozen=True)
class Detection:
    """A face: box in whole pixels of the image, and the detector's score in 0..1.

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

    @property
    def nose(self) -> float | None:
        """How far the nose's tip is on the way from the eyes (0) to the mouth (1); None without landmarks.

        About a half from the front, and more where the head looks down.
        """
        if self.landmarks is None:
            return None
        eyes, tip, mouth = self.landmarks[:2].mean(0), self.landmarks[2], self.landmarks[3:].mean(0)
        down = mouth - eyes
        return float((tip - eyes) @ down) / max(float(down @ down), 1e-6)

    def scaled(self, factor: float) -> "Detection":
        """Return it for an image that is ``factor`` times as large, without its eyes."""
        x, y, w, h = (round(value * factor) for value in self.box)
        landmarks = None if self.landmarks is None else self.landmarks * np.float32(factor)
        return replace(self, x=x, y=y, w=w, h=h, eyes=None, landmarks=landmarks)

    def moved(self, dx: int, dy: int) -> "Detection":
        """Return it ``dx`` pixels further right and ``dy`` further down, eyes and landmarks with it."""
        eyes = None if self.eyes is None else tuple((x + dx, y + dy, w, h) for x, y, w, h in self.eyes)
        landmarks = None if self.landmarks is None else self.landmarks + np.array([dx, dy], np.float32)
        return replace(self, x=self.x + dx, y=self.y + dy, eyes=eyes, landmarks=landmarks)


def find_faces(
    rgb: np.ndarray,
    detector: str = "auto",
    *,
    near: Sequence[Detection] | None = None,
    eyes: bool = False,
    yunet: str | os.PathLike | None = None,
) -> list[Detection]:
    """Find the faces of an image, largest first.

    ``rgb`` is an image as :func:`fernb.vision.images.to_uint8` takes it. ``detector`` is ``haar``,
    ``yunet`` or ``auto`` (YuNet where its file is found, Haar elsewhere); ``yunet`` names its
    file. With ``near``, faces known from the moment before, only their surroundings are searched,
    for faces of about their sizes, where that is quicker. With ``eyes`` each face's eyes are looked
    for as well.

    Raises :class:`~fernb.errors.ImageError` for an empty image and
    :class:`~fernb.errors.ModelError` where YuNet is asked for and its file is missing.
    """
    image = to_uint8(rgb)
    weights = None if detector == "haar" else find_yunet(yunet)
    if detector == "auto":
        detector = "yunet" if weights else "haar"
    if detector not in ("haar", "yunet"):
        raise FernbError(f"there is no detector {detector!r}; there are auto, haar and yunet.")
    if detector == "yunet" and weights is None:
        raise ModelError(f"YuNet's file is not in {config.models_folder()}; `fernb fetch yunet` gets it.")
    shrink = min(1.0, MAX_SEARCH_SIDE / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else image
    if min(small.shape[:2]) < MIN_FACE_SIDE:
        return []
    search: Callable[..., list[Detection]] = _haar
    if weights is None:
        small = cv2.equalizeHist(to_grey(small))
    else:
        search = partial(_yunet, weights=weights)
    known = None if near is None else [face.scaled(shrink) for face in near]
    # YuNet looks at each pixel once, whatever is in it; Haar's many sizes cost more than its pixels
    if known is None or (weights and 2 * sum(part.size for part, *_ in _around(small, known)) > small.size):
        found = search(small)
    else:
        found = _find_again(small, known, search)
    faces = [face.scaled(1 / shrink) for face in found]
    faces.sort(key=lambda face: -face.w * face.h)
    return [replace(face, eyes=find_eyes(image, face)) for face in faces] if eyes else faces


def _around(image: np.ndarray, known: list[Detection]) -> Iterator[tuple[np.ndarray, int, int, Detection]]:
    """Yield the surroundings of each face that is in the image, where they begin (x, y), and the face."""
    for face in known:
        margin = round(NEAR_MARGIN * max(face.w, face.h))
        left, top = max(face.x - margin, 0), max(face.y - margin, 0)
        part = image[top : max(face.y + face.h + margin, 0), left : max(face.x + face.w + margin, 0)]
        if part.size:
            yield part, left, top, face


def _find_again(image: np.ndarray, known: list[Detection], search: Callable[..., list[Detection]]) -> list[Detection]:
    """Return the surest face in the surroundings of each known one."""
    found = []
    for part, left, top, face in _around(image, known):
        sizes = (round(face.w / NEAR_SIZES), round(face.w * NEAR_SIZES))
        again = search(np.ascontiguousarray(part), sizes=sizes)
        if again:
            found.append(max(again, key=lambda one: one.score).moved(left, top))
    return without_overlaps(found)


def find_eyes(rgb: np.ndarray, face: Detection) -> tuple[tuple[int, int, int, int], ...]:
    """Find at most two eyes by Haar in the upper half of a face: boxes ``(x, y, w, h)`` in the image, surest first.

    ``rgb`` is RGB or grey, uint8.
    """
    upper = _enlarged(rgb, face, _EYE_PART, _EYE_SIDE)
    if upper is None:
        return ()
    boxes, _, weights = _cascade("haarcascade_eye.xml").detectMultiScale3(
        cv2.equalizeHist(upper), 1.05, 4, minSize=(20, 20), maxSize=(70, 70), outputRejectLevels=True
    )
    best = [boxes[i] for i in np.argsort(-np.ravel(weights))] if len(boxes) else []
    left, top, zoom = max(face.x, 0), max(face.y, 0), _EYE_SIDE / face.w
    return tuple(
        (round(x / zoom) + left, round(y / zoom) + top, round(w / zoom), round(h / zoom)) for x, y, w, h in best[:2]
    )


def eyes_closed(rgb: np.ndarray, face: Detection) -> bool:
    """Say whether no open eye is found where a face has its two; ``rgb`` is RGB or grey, uint8.

    It uses the stricter of OpenCV's two eye cascades, without equalising the histogram, which
    would bring out the lashes of a closed eye. The first open eye ends the search.
    """
    cascade = _cascade("haarcascade_eye_tree_eyeglasses.xml")
    parts = [_enlarged(rgb, face, part, _OPEN_EYE_SIDE) for part in _OPEN_EYE_PARTS]
    inside = [part for part in parts if part is not None]
    found = (cascade.detectMultiScale(part, 1.1, 3, minSize=(20, 20), maxSize=(45, 45)) for part in inside)
    return bool(inside) and not any(len(eyes) for eyes in found)


def _enlarged(
    rgb: np.ndarray, face: Detection, part: tuple[float, float, float, float], side: int
) -> np.ndarray | None:
    """Return a part of a face (left, top, right, bottom as shares of it) in grey; None where it is too small.

    It is zoomed as a face of ``side`` pixels would be.
    """
    left, right = (face.x + round(share * face.w) for share in part[::2])
    top, bottom = (face.y + round(share * face.h) for share in part[1::2])
    cut = rgb[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if min(cut.shape[:2]) < 8:
        return None
    zoom = side / face.w
    return cv2.resize(to_grey(cut), None, fx=zoom, fy=zoom)


def _cascade(name: str) -> "cv2.CascadeClassifier":
    """Return this thread's own cascade; its type is quoted, because OpenCV 5 has none of that name."""
    if name not in _per_thread.__dict__:
        if not hasattr(cv2, "CascadeClassifier"):
            raise FernbError('this OpenCV has no Haar cascades; run pip install "opencv-python-headless<5".')
        from cv2.data import haarcascades

        _per_thread.__dict__[name] = cv2.CascadeClassifier(os.path.join(haarcascades, name))
    return _per_thread.__dict__[name]


def _haar(grey: np.ndarray, sizes: tuple[int, int] | None = None) -> list[Detection]:
    """Find the faces whose sides are within ``sizes``; by default from a twelfth of the image on."""
    smallest, largest = sizes or (min(grey.shape) // 12, min(grey.shape))
    smallest = max(MIN_FACE_SIDE, smallest)
    if min(grey.shape) < smallest:
        return []
    boxes, _, weights = _cascade("haarcascade_frontalface_default.xml").detectMultiScale3(
        grey,
        scaleFactor=1.1,
        minNeighbors=5,
        minSize=(smallest, smallest),
        maxSize=(largest, largest),
        outputRejectLevels=True,
    )
    # the last stage's margin runs from about 0 to 10; 1 - exp(-m/3) puts it in 0..1 without changing the order
    scores = 1 - np.exp(-np.maximum(np.ravel(weights), 0) / 3)
    found = [
        Detection(int(x), int(y), int(w), int(h), float(score))
        for (x, y, w, h), score in zip(boxes, scores, strict=True)
    ]
    return without_overlaps([face for face in found if face.score >= MIN_SCORE])


def without_overlaps(found: list[Detection], max_iou: float = 0.3) -> list[Detection]:
    """Return of detections that overlap only the surest: non-maximum suppression."""
    if len(found) < 2:
        return found
    kept = cv2.dnn.NMSBoxes([face.box for face in found], [face.score for face in found], 0.0, max_iou)
    return [found[i] for i in np.ravel(kept)]


def find_yunet(path: str | os.PathLike | None = None) -> Path | None:
    """Return YuNet's weight file: ``path``, else a known ``*yunet*.onnx`` in the models folder, else None.

    The folder is searched, and a file read, only when it has changed since the last call.
    Raises :class:`~fernb.errors.ModelError` where ``path`` is no file, or none of
    :data:`KNOWN_YUNETS`.
    """
    if path is None:
        folder = config.models_folder()
        try:
            files = _onnx_files(folder, folder.stat().st_mtime_ns)
        except OSError:
            return None
        return next((file for file in files if _is_yunet(file)), None)
    if not Path(path).is_file():
        raise ModelError(f"there is no YuNet file at {path}; `fernb fetch yunet` gets it.")
    if not _is_yunet(Path(path)):
        raise ModelError(f"{path} is damaged, or not a YuNet file that fernb knows; `fernb fetch yunet` gets one.")
    return Path(path)


@functools.lru_cache(maxsize=4)
def _onnx_files(folder: Path, changed_ns: int) -> list[Path]:
    return sorted(folder.glob("*yunet*.onnx"))


def _is_yunet(path: Path) -> bool:
    """Say whether a file's SHA-256 is known; it is computed anew where size or time of change differ."""
    try:
        state = path.stat()
        return stat.S_ISREG(state.st_mode) and _sha256(path, state.st_mtime_ns, state.st_size) in KNOWN_YUNETS
    except OSError:
        return False


@functools.lru_cache(maxsize=16)
def _sha256(path: Path, changed_ns: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if size <= MAX_DOWNLOAD else ""


def fetch_yunet(url: str = YUNET_URL, *, sha256: str = YUNET_SHA256, timeout: float = 60) -> Path:
    """Download YuNet (MIT licence, 0.2 MB) by HTTPS into the models folder, checked by its SHA-256.

    The whole download may take ``timeout`` seconds. Raises :class:`~fernb.errors.ModelError`
    where the network says no, time is up or the file is another; then nothing is left behind.
    """
    path = config.models_folder() / YUNET_FILE
    try:
        data = _download(url, timeout)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ModelError(
            f"YuNet could not be downloaded ({error}); try again, or put its file into {path.parent} by hand."
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelError("the download of YuNet is not the file that was expected; nothing was kept, try again later.")
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)
    return path


def _download(url: str, timeout: float) -> bytes:
    """Return what ``url`` holds, by HTTPS only and within ``timeout`` seconds; a slow trickle ends in TimeoutError."""
    start, data = time.monotonic(), bytearray()
    if not url.startswith("https://"):
        raise ValueError("the address does not begin with https://")
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        if not answer.url.startswith("https://"):  # a redirection
            raise ValueError("the server leads away from https")
        while chunk := answer.read1(1 << 16):
            data += chunk
            if len(data) > MAX_DOWNLOAD:
                raise ValueError(f"it has more than {MAX_DOWNLOAD >> 20} MB")
            if time.monotonic() - start > timeout:
                raise TimeoutError(f"it takes more than {timeout:g} seconds")
    return bytes(data)


def _yunet(image: np.ndarray, sizes: tuple[int, int] | None = None, *, weights: Path) -> list[Detection]:
    """Find the faces whose sides are within ``sizes``, by default all of them."""
    if min(image.shape[:2]) < MIN_FACE_SIDE:
        return []
    smallest, largest = sizes or (0, MAX_SEARCH_SIDE)
    key = f"yunet {weights}"
    if key not in _per_thread.__dict__:
        try:
            _per_thread.__dict__[key] = cv2.FaceDetectorYN.create(str(weights), "", (320, 320), score_threshold=0.7)
        except cv2.error as error:
            raise ModelError(f"this OpenCV cannot read {weights.name}; use the detector haar.") from error
    detector = _per_thread.__dict__[key]
    detector.setInputSize(image.shape[1::-1])
    to_bgr = cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_RGB2BGR
    _, rows = detector.detect(cv2.cvtColor(image, to_bgr))
    if rows is None:
        return []
    found = []
    for row in rows:
        x, y, w, h = np.rint(row[:4]).astype(int).tolist()
        if smallest <= w <= largest:
            found.append(Detection(x, y, w, h, float(row[14]), landmarks=row[4:14].reshape(5, 2).copy()))
    return found
