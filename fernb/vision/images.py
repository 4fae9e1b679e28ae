"""Images in and out, and the operations that notebook 01 teaches.

An *image* is RGB uint8 ``(h, w, 3)``; a *grey* one is uint8 ``(h, w)``. Pillow reads every file,
for it knows all kinds of them and keeps quiet; OpenCV works on the arrays. Its BGR order stops
at this module.
"""

import contextlib
import io
import os
import stat
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from fernb.errors import ImageError
from fernb.files import atomic_write

MAX_SIDE = 12_000
MAX_PIXELS = 64_000_000  # of a file; the largest full-frame cameras have 61 million
MAX_BYTES = 256 << 20  # of a file; 64 million pixels of RGB without any compression are 192 MB
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")  # no EPS: Pillow runs Ghostscript on it

# what Pillow says of a damaged file is said once, as an ImageError
warnings.filterwarnings("ignore", module=r"PIL\.")


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read an image file of any usual kind as RGB uint8 ``(h, w, 3)``, turned as its EXIF tag says.

    Grey, 16-bit, CMYK, palette and transparent images (on white) are converted. Raises
    :class:`~fernb.errors.ImageError` where there is no such file, no image in it, or one of more
    than :data:`MAX_SIDE` pixels a side or :data:`MAX_PIXELS` in all, which is told by its header.
    """
    path = Path(path)
    try:
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode):  # reading a pipe or a device could last for ever
            raise ImageError(f"cannot read the image {path}: it is not a file.")
        if kind.st_size > MAX_BYTES:
            raise ImageError(f"cannot read the image {path}: it has more than {MAX_BYTES >> 20} MB; scale it down.")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ImageError(f"cannot read the image {path}: {reason}.") from error
    return decode_image(data, str(path))


def decode_image(data: bytes, name: str = "this", *, max_side: int = MAX_SIDE) -> np.ndarray:
    """Return the image in the bytes of a file as RGB uint8 ``(h, w, 3)``; see :func:`read_image`.

    ``name`` stands in the sentence of the :class:`~fernb.errors.ImageError`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:  # reads the header only
            width, height = image.size
            if max(width, height) <= max_side and width * height <= MAX_PIXELS:
                return to_rgb(_pixels(image))
    except Image.DecompressionBombError:
        raise ImageError(_too_large(name, max_side)) from None
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise ImageError(f"{name} is not an image, or it is cut off; give a whole JPEG or PNG file.") from error
    raise ImageError(_too_large(f"{name}, {width}x{height},", max_side))


def _too_large(name: str, max_side: int) -> str:
    return f"{name} is too large; scale it below {max_side} pixels a side and {MAX_PIXELS // 10**6} million in all."


def _pixels(image: Image.Image) -> np.ndarray:
    """Return the pixels of an opened file, turned upright: grey (uint8, uint16 or float), RGB or RGBA."""
    with contextlib.suppress(Exception):  # a broken EXIF block does not spoil the image; broken pixels are told below
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey, as PNG and TIFF have it
        return np.asarray(image).clip(0, 65_535).astype(np.uint16)
    if image.mode in ("L", "F") and not image.has_transparency_data:
        return np.asarray(image)
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def to_rgb(array: np.ndarray) -> np.ndarray:
    """Return any image array as RGB uint8 ``(h, w, 3)``; takes and raises what :func:`to_uint8` does."""
    image = to_uint8(array)
    return image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)


def to_uint8(array: np.ndarray) -> np.ndarray:
    """Return any image array as uint8, grey ``(h, w)`` or RGB ``(h, w, 3)``; uncopied where it is so already.

    Takes grey ``(h, w)`` or ``(h, w, 1)``, RGB and RGBA (put on white), in uint8, uint16
    (0..65535) or float (0..1). Raises :class:`~fernb.errors.ImageError` for an empty array
    or another shape or type.
    """
    array = np.asarray(array)
    if array.ndim not in (2, 3) or array.size == 0 or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(f"an image must be (h, w), (h, w, 3) or (h, w, 4) and not empty; this is {array.shape}.")
    if max(array.shape[:2]) > MAX_SIDE:
        raise ImageError(f"the image is {array.shape[1]}x{array.shape[0]}; scale it below {MAX_SIDE} pixels a side.")
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.floating):
        array = np.rint(np.nan_to_num(array).clip(0, 1) * 255).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise ImageError(f"an image must be uint8, uint16 or float in 0..1; this is {array.dtype}.")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    elif array.ndim == 3 and array.shape[2] == 4:
        alpha = array[..., 3:] / np.float32(255)
        array = np.rint(array[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(array)


def to_grey(image: np.ndarray) -> np.ndarray:
    """Return an image, grey or RGB uint8, as grey ``(h, w)``: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def encode_image(image: np.ndarray, suffix: str = ".jpg") -> bytes:
    """Return an image, RGB or grey, as the bytes of a file: ``.jpg``, ``.png`` or what else OpenCV writes.

    Raises :class:`~fernb.errors.ImageError` for a suffix that OpenCV does not know.
    """
    bgr = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    try:
        return cv2.imencode(suffix, bgr)[1].tobytes()
    except cv2.error:
        raise ImageError(f"cannot write an image as {suffix!r}; use .png or .jpg.") from None


def write_image(path: str | os.PathLike, image: np.ndarray) -> None:
    """Write an image, RGB or grey, in the format that the suffix of ``path`` names, whole or not at all."""
    data = encode_image(image, Path(path).suffix)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def rotate(image: np.ndarray, degrees: float, *, zoom: float = 1.0) -> np.ndarray:
    """Turn an image counter-clockwise about its centre, keeping its size; edges are repeated."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, zoom)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def threshold(grey: np.ndarray, level: int | None = None) -> tuple[np.ndarray, int]:
    """Split a grey image into black and white; return it with the level used.

    ``level`` None finds it by Otsu's method (1979): the level that separates the histogram's two
    groups best.
    """
    flag = cv2.THRESH_BINARY | (cv2.THRESH_OTSU if level is None else 0)
    used, binary = cv2.threshold(grey, level or 0, 255, flag)
    return binary, int(used)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth an image by a Gaussian of ``sigma`` pixels."""
    return cv2.GaussianBlur(image, (0, 0), sigma)


def put_text(
    image: np.ndarray,
    text: str,
    corner: tuple[int, int],
    *,
    colour: tuple[int, int, int] = (255, 255, 255),
    scale: float = 0.6,
) -> np.ndarray:
    """Write ``text`` (ASCII, OpenCV knows no other) onto ``image`` in place; ``corner`` is its bottom left.

    A dark outline keeps it readable on any background. Returns the image.
    """
    for shade, thickness in (((0, 0, 0), 3), (colour, 1)):
        cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, shade, thickness, cv2.LINE_AA)
    return image
