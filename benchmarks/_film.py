"""The committed clip as a good camera and as bad ones would have filmed it, with its truth."""

import csv
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from fernb import config
from fernb.video.stream import Frame, frames

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
