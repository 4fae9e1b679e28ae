"""Random changes to training faces that keep the emotion: one affine warp, light, erasing.

Plain NumPy and OpenCV on uint8 faces, so that the same images come out on every Keras
backend; a batch of 128 takes about 5 ms. Taught in notebook 03.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from fernb.vision.corruptions import blur, noise

BLUR = (0.2, 1.0)
"""A bad camera's blur: standard deviation in pixels, from and to."""
MOST_NOISE = 16
"""A bad camera's noise, at most: standard deviation in grey levels."""
DARKEST = 0.2
"""The least share of its light that a dark face has."""


@dataclass(frozen=True)
class Augmentation:
    """How far each random change goes.

    ``rotation`` in degrees, ``scale`` and ``shift`` as fractions of the side, ``flip`` and
    ``erase`` as probabilities (Zhong et al. 2020 for erasing), ``light`` as the fraction by
    which contrast and brightness move. ``bad_camera`` is the probability of blur of up to one
    pixel and then noise of up to 16 grey levels, ``dark`` that of too little light: down to a
    fifth, instead of blur and noise.
    """

    rotation: float = 15
    scale: float = 0.15
    shift: float = 0.12
    flip: float = 0.5
    light: float = 0.2
    erase: float = 0.3
    bad_camera: float = 0
    dark: float = 0

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return changed copies of ``images`` uint8 ``(n, h, w)``; ``rng`` decides everything."""
        return self.camera(self.views(images, rng), rng)

    def views(
        self,
        images: np.ndarray,
        rng: np.random.Generator,
        *,
        side: int | None = None,
        mirror: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the copies as a good camera sees them: all but ``bad_camera`` and ``dark``.

        They are ``(n, side, side)`` where ``side`` is given. ``mirror`` bool ``(n,)`` says which are
        mirrored, instead of chance.
        """
        height, width = (side, side) if side else images.shape[1:]
        out = np.empty((len(images), height, width), np.uint8)
        for i, image in enumerate(images):
            out[i] = self._view(image, rng, (width, height), None if mirror is None else bool(mirror[i]))
        return out

    def camera(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return copies of ``images`` uint8 ``(n, h, w)``, some of them by a bad camera or in the dark."""
        return np.stack([self._seen(image, rng) for image in images]) if self.bad_camera or self.dark else images

    def _seen(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.dark and rng.random() < self.dark:
            return (image * rng.uniform(DARKEST, 1)).astype(np.uint8)
        if self.bad_camera and rng.random() < self.bad_camera:
            return noise(rng.uniform(0, MOST_NOISE))(blur(rng.uniform(*BLUR))(image, rng), rng)
        return image

    def _view(
        self, image: np.ndarray, rng: np.random.Generator, size: tuple[int, int], mirror: bool | None
    ) -> np.ndarray:
        image = self._warp(image, rng, size, mirror)
        width, height = size
        contrast, brightness = 1 + rng.uniform(-self.light, self.light, 2)
        middle = image.mean()
        image = np.clip((image - middle) * contrast + middle * brightness, 0, 255).astype(np.uint8)
        if rng.random() < self.erase:
            h, w = (rng.uniform(0.1, 0.4, 2) * (height, width)).astype(int)
            top, left = rng.integers(height - h), rng.integers(width - w)
            image[top : top + h, left : left + w] = rng.integers(256)
        return image

    def _warp(
        self, image: np.ndarray, rng: np.random.Generator, size: tuple[int, int], mirror: bool | None
    ) -> np.ndarray:
        height, width = image.shape
        angle = rng.uniform(-self.rotation, self.rotation)
        zoom = 1 + rng.uniform(-self.scale, self.scale)
        matrix: np.ndarray = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, zoom * size[0] / width)
        matrix[:, 2] += (np.array(size) - (width, height)) / 2
        matrix[:, 2] += rng.uniform(-self.shift, self.shift, 2) * size
        chance = rng.random() < self.flip
        if chance if mirror is None else mirror:
            matrix[0] = (0, 0, size[0] - 1) - matrix[0]  # mirror the result: x becomes width - 1 - x
        return cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
