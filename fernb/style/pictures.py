"""The style images that come with the project; ``tools/make_styles.py`` drew them. Used in notebook 07."""

from pathlib import Path

import numpy as np

from fernb import config
from fernb.errors import ImageError
from fernb.vision.images import read_image

FOLDER = config.SAMPLES / "styles"
STYLES = ("strokes", "mosaic", "glass", "woodcut", "dots")


def style_image(style: str | Path) -> np.ndarray:
    """Return the image of ``style``: a name of :data:`STYLES`, or a path. RGB uint8 ``(h, w, 3)``.

    Raises :class:`~fernb.errors.ImageError` for what is neither.
    """
    if str(style) in STYLES and not Path(style).is_file():
        return read_image(FOLDER / f"{style}.jpg")
    if not Path(style).is_file():
        raise ImageError(f"there is no image {style}; give a file, or one of {', '.join(STYLES)}.")
    return read_image(style)
