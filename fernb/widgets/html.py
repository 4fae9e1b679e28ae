"""Small pieces of HTML and sizes that the widgets share."""

import html

import cv2
import numpy as np

SHOWN = 520  # pixels; the longest side of a picture in a page
LEFT = {"align_items": "flex-start"}  # else a column stretches its pictures


def page_size(rgb: np.ndarray) -> np.ndarray:
    zoom = min(1.0, SHOWN / max(rgb.shape[:2]))
    return cv2.resize(rgb, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA) if zoom < 1 else rgb


def status(text: str) -> str:
    """Return a sentence that screen readers say when it appears."""
    return f'<div role="status" style="font-weight:600">{html.escape(text)}</div>'
