"""Draw the style images of ``data/samples/styles``, so that their licence is the project's own.

    python tools/make_styles.py [--out FOLDER]

Each is drawn from a seed and comes out the same on each machine with the same OpenCV.
"""

from collections.abc import Callable
from pathlib import Path

import click
import cv2
import numpy as np
from scipy.spatial import cKDTree

from fernb import config
from fernb.style.pictures import FOLDER
from fernb.vision.images import write_image

SIZE = 256  # pixels a side


def _colours(*codes: str) -> np.ndarray:
    return np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in codes], np.float32)


def _field(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Smooth noise float32 ``(size, size)`` in 0..1 with about ``cells`` hills a side."""
    rough = rng.random((cells + 3, cells + 3)).astype(np.float32)
    smooth = cv2.resize(rough, (size, size), interpolation=cv2.INTER_CUBIC)
    return (smooth - smooth.min()) / np.ptp(smooth)


def strokes(rng: np.random.Generator, size: int) -> np.ndarray:
    """Thick curved brush strokes in blue and yellow that follow eddies, as in night skies of the 1880s."""
    palette = _colours("0b1a4a", "14307a", "1f57a8", "3f86c6", "7fb3c9", "d9c55a", "f4dd6b", "f7efc0")
    hills = cv2.GaussianBlur(_field(rng, size, 4), (0, 0), size / 40)
    down, across = np.gradient(hills)
    tone = (hills + 0.25 * _field(rng, size, 9) - 0.1).clip(0, 0.999)
    image = np.empty((size, size, 3), np.float32)
    image[:] = palette[1]
    for x, y in rng.uniform(0, size, (size * 20, 2)):
        colour = palette[int(tone[int(y), int(x)] * len(palette))] + rng.normal(0, 10, 3)
        line = [(x, y)]
        for _ in range(7):  # along the level lines of the hills
            i, j = min(max(int(y), 0), size - 1), min(max(int(x), 0), size - 1)
            step = np.array([-down[i, j], across[i, j]]) / (np.hypot(down[i, j], across[i, j]) + 1e-6)
            x, y = x + 2.0 * step[0], y + 2.0 * step[1]
            line.append((x, y))
        points = np.rint(np.array(line) * 16).astype(np.int32)
        cv2.polylines(image, [points], False, colour.tolist(), max(2, size // 90), cv2.LINE_AA, shift=4)
    return image


def _cells(rng: np.random.Generator, size: int, count: int, jitter: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest seed of each pixel, how far the second one is beyond it, and the seeds as (x, y)."""
    side = size / count
    grid = np.stack(np.meshgrid(np.arange(count), np.arange(count)), -1).reshape(-1, 2)
    seeds = (grid + 0.5 + rng.uniform(-jitter, jitter, grid.shape)) * side
    rows, columns = np.mgrid[:size, :size]
    distance, nearest = cKDTree(seeds).query(np.stack([columns, rows], -1), k=2)
    return nearest[..., 0], distance[..., 1] - distance[..., 0], seeds


def mosaic(rng: np.random.Generator, size: int) -> np.ndarray:
    """Small stones in terracotta, sand and turquoise with pale joints, as on Roman floors."""
    palette = _colours("7a2e1d", "b4532a", "d99a4e", "ecd9a8", "4f8f8b", "1f4e5f")
    nearest, gap, seeds = _cells(rng, size, 22, 0.28)
    tone = _field(rng, size, 3)[seeds[:, 1].astype(int).clip(0, size - 1), seeds[:, 0].astype(int).clip(0, size - 1)]
    stones = palette[(tone * 0.999 * len(palette)).astype(int)] + rng.normal(0, 14, (len(seeds), 3))
    joint = np.clip(gap / 2.5, 0, 1)[..., None]
    return joint * stones[nearest] + (1 - joint) * _colours("d8d2c4")[0]


def glass(rng: np.random.Generator, size: int) -> np.ndarray:
    """Panes of glowing glass in lead, as in church windows."""
    palette = _colours("c1121f", "f77f00", "fcbf49", "2a9d8f", "1d4ed8", "5b2a86", "f1e9da")
    nearest, gap, seeds = _cells(rng, size, 9, 0.45)
    panes = palette[rng.integers(0, len(palette), len(seeds))]
    glow = 0.75 + 0.4 * _field(rng, size, 12)[..., None]
    lead = np.clip((gap - 3.0) / 2.0, 0, 1)[..., None]
    return lead * panes[nearest] * glow + (1 - lead) * 18


def woodcut(rng: np.random.Generator, size: int) -> np.ndarray:
    """Black lines of changing width on cream paper, as cut in wood."""
    rows, columns = np.mgrid[:size, :size] / size
    phase = 30 * (rows + 0.35 * columns) + 5.5 * _field(rng, size, 3)
    width = 0.9 * (_field(rng, size, 4) - 0.5) + 0.12 * (_field(rng, size, 40) - 0.5)
    ink = 1 / (1 + np.exp(-7 * (np.sin(2 * np.pi * phase * 0.8) + 1.6 * width)))
    return ink[..., None] * _colours("1b1712")[0] + (1 - ink[..., None]) * _colours("efe4cb")[0]


def dots(rng: np.random.Generator, size: int) -> np.ndarray:
    """Round touches of pure colour side by side, as the pointillists set them."""
    palette = _colours("2b4c9b", "4f9a4b", "8fbf5a", "e8c547", "ef8e3b", "c8453b", "8d5aa5")
    image = np.empty((size, size, 3), np.float32)
    image[:] = _colours("e9e2cf")[0]
    tone = _field(rng, size, 4) * 0.999 * len(palette)
    for x, y in rng.uniform(0, size, (size * 35, 2)):
        index = int(np.clip(tone[int(y), int(x)] + rng.normal(0, 1.1), 0, len(palette) - 1))
        colour, radius = palette[index] + rng.normal(0, 9, 3), size / 256 * rng.uniform(1.7, 2.9)
        centre = (round(x * 16), round(y * 16))
        cv2.circle(image, centre, round(radius * 16), colour.tolist(), -1, cv2.LINE_AA, shift=4)
    return image


STYLES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "strokes": strokes,
    "mosaic": mosaic,
    "glass": glass,
    "woodcut": woodcut,
    "dots": dots,
}


def draw_style(name: str, size: int = SIZE) -> np.ndarray:
    """Draw the style ``name`` of :data:`STYLES`: RGB uint8 ``(size, size, 3)``."""
    image = STYLES[name](np.random.default_rng(config.SEED), size)
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, help="Default: data/samples/styles.")
def main(out: Path) -> None:
    for name in STYLES:
        write_image(out / f"{name}.jpg", draw_style(name))


if __name__ == "__main__":
    main()
