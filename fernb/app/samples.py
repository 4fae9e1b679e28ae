"""The samples that fernb ships, how they are made, and their truth."""

import csv
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from fernb import config
from fernb.data.synthetic import CLIP_FPS, CLIP_ORDER, CLIP_SECONDS, CLIP_SIZE, clip_frames
from fernb.errors import VideoError
from fernb.files import atomic_write
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


def draw_clip(path: str | os.PathLike, labels_path: str | os.PathLike, seed: int = config.SEED) -> None:
    """Write a 21-second clip of one person who shows all seven emotions, and its labels as CSV.

    The clip is 640×480 at 15 frames a second, three seconds to an emotion; the CSV has the
    columns ``second`` (0..20) and ``emotion``. It is H.264, which browsers play, where ffmpeg
    is on the PATH, and MPEG-4 part 2 elsewhere. Raises :class:`~fernb.errors.VideoError` where
    this OpenCV cannot write video.
    """
    with atomic_write(path) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter_fourcc(*"mp4v"), CLIP_FPS, CLIP_SIZE)
        if not writer.isOpened():
            raise VideoError(f"cannot write {path}: this OpenCV has no MPEG-4 encoder.")
        for frame in clip_frames(seed):
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()
        if shutil.which("ffmpeg"):
            with atomic_write(temporary) as packed:
                _as_h264(temporary, packed)
    with atomic_write(labels_path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["second", "emotion"])
        rows.writerows((second, CLIP_ORDER[second // CLIP_SECONDS]) for second in range(CLIP_SECONDS * len(CLIP_ORDER)))


def _as_h264(source: Path, target: Path) -> None:
    command = ["ffmpeg", "-y", "-loglevel", "error", "-i", source, "-c:v", "libx264", "-crf", "24", "-preset", "slow"]
    done = subprocess.run([*command, "-pix_fmt", "yuv420p", "-movflags", "+faststart", target], capture_output=True)
    if done.returncode:
        raise VideoError(f"ffmpeg could not write {target.name}: {done.stderr.decode(errors='replace').strip()[-200:]}")


def write_samples(folder: str | os.PathLike = config.SAMPLES) -> None:
    """Draw ``emotions.mp4`` and ``emotions.csv`` into ``folder``. (The photographs there are others' work.)"""
    draw_clip(Path(folder) / "emotions.mp4", Path(folder) / "emotions.csv")
