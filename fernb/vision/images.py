"""Pictures in and out, and the operations that notebook 01 teaches.

A *picture* is RGB uint8 ``(h, w, 3)``; a *grey* one is uint8 ``(h, w)``. OpenCV works in BGR
and returns None for what it cannot read; both stop at this module.
"""

import os
from pathlib import Path

import cv2
import numpy as np

from fernb.errors import ImageError
from fernb.files import atomic_write

MAX_SIDE = 12_000


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read a picture of any usual kind as RGB uint8 ``(h, w, 3)``, turned as its EXIF tag says.

    Grey, 16-bit, palette and transparent pictures (on white) are converted. Raises
    :class:`~fernb.errors.ImageError` where there is no such file or no picture in it.
    """
    path = Path(path)
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)  # imread itself fails on some non-ASCII paths
    except OSError as error:
        raise ImageError(f"cannot read the picture {path}: {error.strerror}.") from error
    picture = decode_image(data)
    if picture is None:
        raise ImageError(f"{path} is not a picture, or it is cut off; give a whole JPEG or PNG file.")
    return picture


def decode_image(data: bytes | np.ndarray) -> np.ndarray | None:
    """Return the picture in the bytes of an image file as RGB uint8, or None where there is none."""
    data = np.frombuffer(data, np.uint8) if not isinstance(data, np.ndarray) else data
    if not data.size:
        return None
    try:
        raw = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if raw is not None and raw.ndim == 3 and raw.shape[2] == 4:
            return to_rgb(cv2.cvtColor(raw, cv2.COLOR_BGRA2RGBA))
        if raw is not None and raw.ndim == 2:
            return to_rgb(raw)
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)  # reads anew because only this flag heeds EXIF
    except cv2.error:
        return None
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def to_rgb(array: np.ndarray) -> np.ndarray:
    """Return any real-life picture array as RGB uint8 ``(h, w, 3)``.

    Takes grey ``(h, w)`` or ``(h, w, 1)``, RGB and RGBA (put on white), in uint8, uint16
    (0..65535) or float (0..1). Raises :class:`~fernb.errors.ImageError` for an empty array
    or another shape or type.
    """
    array = np.asarray(array)
    if array.ndim not in (2, 3) or array.size == 0 or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(f"a picture must be (h, w), (h, w, 3) or (h, w, 4) and not empty; this is {array.shape}.")
    if max(array.shape[:2]) > MAX_SIDE:
        raise ImageError(f"the picture is {array.shape[1]}x{array.shape[0]}; scale it below {MAX_SIDE} pixels a side.")
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.floating):
        array = np.rint(np.nan_to_num(array).clip(0, 1) * 255).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise ImageError(f"a picture must be uint8, uint16 or float in 0..1; this is {array.dtype}.")
    if array.ndim == 2 or array.shape[2] == 1:
        return cv2.cvtColor(np.ascontiguousarray(array), cv2.COLOR_GRAY2RGB)
    if array.shape[2] == 4:
        alpha = array[..., 3:] / np.float32(255)
        array = np.rint(array[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(array)


def to_grey(picture: np.ndarray) -> np.ndarray:
    """Return a picture as grey uint8 ``(h, w)``: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""
    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def encode(picture: np.ndarray, suffix: str = ".jpg") -> bytes:
    """Return a picture or a grey one as the bytes of a file: ``.jpg``, ``.png`` or what else OpenCV writes.

    Raises ``cv2.error`` for a suffix that OpenCV does not know.
    """
    bgr = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, bgr)[1].tobytes()


def write_image(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Write a picture or a grey one in the format that the suffix of ``path`` names, whole or not at all."""
    try:
        data = encode(picture, Path(path).suffix)
    except cv2.error:
        raise ImageError(f"cannot write {Path(path).name}: use a name that ends in .png or .jpg.") from None
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def rotate(picture: np.ndarray, degrees: float, zoom: float = 1.0) -> np.ndarray:
    """Turn a picture counter-clockwise about its centre, keeping its size; edges are repeated."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, zoom)
    return cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def threshold(grey: np.ndarray, level: int | None = None) -> tuple[np.ndarray, int]:
    """Split a grey picture into black and white; return it with the level used.

    ``level`` None finds it by Otsu's method (1979): the level that parts the histogram best.
    """
    flag = cv2.THRESH_BINARY | (cv2.THRESH_OTSU if level is None else 0)
    used, binary = cv2.threshold(grey, level or 0, 255, flag)
    return binary, int(used)


def blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth by a Gaussian of ``sigma`` pixels."""
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def put_text(picture: np.ndarray, text: str, corner: tuple[int, int], colour=(255, 255, 255), scale: float = 0.6):
    """Write ``text`` (ASCII, OpenCV knows no other) onto ``picture`` in place; ``corner`` is its bottom left.

    A dark outline keeps it readable on any ground. Returns the picture.
    """
    for shade, thickness in (((0, 0, 0), 3), (colour, 1)):
        cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, shade, thickness, cv2.LINE_AA)
    return picture
