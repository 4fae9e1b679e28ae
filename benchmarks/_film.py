"""Films with a known truth: the committed clip under a camera's faults, and still faces set into frames."""

import csv
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from fernb import config
from fernb.video.stream import Frame, frames
from fernb.vision.detection import Detection

CLIP = config.SAMPLES / "emotions.mp4"
CAMERAS = {"as drawn": 0.0, "some noise": 8.0, "much noise": 16.0}
"""Grey levels of noise in each frame; with it go blur, a trembling hand and light that flickers."""


def filmed(noise: float, *, seed: int = 0) -> Iterator[Frame]:
    """Yield the clip's frames under Gaussian noise of ``noise`` grey levels, blurred, shaken by 2 px, light by 8 %."""
    rng = np.random.default_rng(seed)
    cv2.setRNGSeed(seed + 1)
    for frame in frames(CLIP):
        if noise:
            height, width = frame.rgb.shape[:2]
            shift = np.hstack([np.eye(2), rng.normal(0, 2, (2, 1))])
            moved = cv2.warpAffine(frame.rgb, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
            blurred = cv2.GaussianBlur(moved, (0, 0), 1).astype(np.int16)
            grain = cv2.randn(np.empty_like(blurred), 0, noise)
            frame = replace(frame, rgb=(blurred * rng.normal(1, 0.08) + grain).clip(0, 255).astype(np.uint8))
        yield frame


def truth() -> list[str]:
    """Return the emotion that is drawn in each second of the clip."""
    with CLIP.with_suffix(".csv").open(encoding="utf-8") as file:
        return [row["emotion"] for row in csv.DictReader(file)]


ZOOM = 3  # detectors find faces from some 24 pixels on, and want a forehead and a chin around them


def resized(face: Detection, scale: float) -> Detection:
    """Return a detection ``scale`` times as large about its middle."""
    w, h = round(face.w * scale), round(face.h * scale)
    return replace(face, x=face.x - (w - face.w) // 2, y=face.y - (h - face.h) // 2, w=w, h=h, eyes=None)


def in_a_frame(face: np.ndarray) -> np.ndarray:
    """Return a face (48, 48), enlarged, in the middle of a frame of its own repeated edges, RGB uint8."""
    side = ZOOM * len(face)
    large = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    border = side // 2
    return cv2.cvtColor(
        cv2.copyMakeBorder(large, border, border, border, border, cv2.BORDER_REPLICATE), cv2.COLOR_GRAY2RGB
    )
