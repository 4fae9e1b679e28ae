"""The samples that fernb ships: what they show and when."""

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from fernb import config
from fernb.vision.images import read_image


def two_people(seconds: float = 8, fps: float = 10, away: tuple[float, float] = (3, 6)) -> Iterator[np.ndarray]:
    """Yield frames of two photographs side by side, the camera in a shaking hand: uint8 RGB ``(360, 640, 3)``.

    Eileen Collins smiles on the left; Grace Hopper, on the right, is out of the picture from
    ``away[0]`` to ``away[1]`` seconds. Known places and numbers of real faces, for notebook 05
    and the tests.
    """
    collins = read_image(config.SAMPLES / "eileen_collins.jpg")[:256, 96:352]
    hopper = read_image(config.SAMPLES / "grace_hopper.jpg")[30:420, 70:460]
    both, alone = np.full((360, 640, 3), 118, np.uint8), np.full((360, 640, 3), 118, np.uint8)
    for canvas, people in ((both, ((collins, 40), (hopper, 350))), (alone, ((collins, 40),))):
        for picture, left in people:
            canvas[55:305, left : left + 250] = cv2.resize(picture, (250, 250), interpolation=cv2.INTER_AREA)
    for time_s in np.arange(round(seconds * fps)) / fps:
        sway = [np.sin(2 * np.pi * time_s / period) for period in (3.1, 2.3, 4.7, 3.7)]
        matrix = cv2.getRotationMatrix2D((320, 180), 2.5 * sway[0], 1 + 0.05 * sway[1])
        matrix[:, 2] += 14 * sway[2], 8 * sway[3]
        canvas = alone if away[0] <= time_s < away[1] else both
        yield cv2.warpAffine(canvas, matrix, (640, 360), borderMode=cv2.BORDER_REPLICATE)


def read_truth(path: Path) -> list[tuple[float, float, str]]:
    """Return the clip's true emotions as ``(start, end, emotion)``, from its ``second,emotion`` table."""
    with path.open(newline="", encoding="utf-8") as file:
        seconds = [(int(row["second"]), row["emotion"]) for row in csv.DictReader(file)]
    spans: list[tuple[float, float, str]] = []
    for second, name in seconds:
        if spans and spans[-1][2] == name and spans[-1][1] == second:
            spans[-1] = (spans[-1][0], second + 1, name)
        else:
            spans.append((second, second + 1, name))
    return spans
