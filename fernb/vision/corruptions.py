"""Corrupted faces: bad cameras, bad light, occlusion, at three strengths. Taught in notebook 03.

After Hendrycks & Dietterich (2019), with strengths for 48×48 grey. Faces are uint8 ``(n, 48, 48)`` throughout.
"""

from collections.abc import Callable

import cv2
import numpy as np

Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Takes and returns one face, uint8 ``(48, 48)``; what it chooses at random comes from the generator."""


def blur(sigma: float) -> Corruption:
    """Out of focus: a Gaussian of ``sigma`` pixels."""
    return lambda face, rng: cv2.GaussianBlur(face, (0, 0), sigma)


def noise(sigma: float) -> Corruption:
    """Little light: Gaussian noise of ``sigma`` grey levels."""
    return lambda face, rng: _levels(face + rng.normal(0, sigma, face.shape))


def brightness(by: float) -> Corruption:
    """Too much or too little light: up or down by ``by`` grey levels, at random."""
    return lambda face, rng: _levels(face.astype(float) + by * rng.choice((-1, 1)))


def jpeg(quality: int) -> Corruption:
    """Saved by JPEG at ``quality`` 0..100."""

    def corruption(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        code = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE))

    return corruption


def rotation(degrees: float) -> Corruption:
    """A tilted head: turned left or right by ``degrees``, at random; the border is mirrored."""

    def corruption(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w = face.shape
        turn = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), degrees * rng.choice((-1, 1)), 1)
        return cv2.warpAffine(face, turn, (w, h), borderMode=cv2.BORDER_REFLECT_101)

    return corruption


def occlusion(side: int) -> Corruption:
    """A hand or a microphone: a grey square of ``side`` pixels somewhere on the face."""

    def corruption(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        x, y = rng.integers(0, face.shape[1] - side + 1, 2)
        face = face.copy()
        face[y : y + side, x : x + side] = 128
        return face

    return corruption


STRENGTHS: dict[str, tuple[Callable[..., Corruption], str, tuple[float, ...]]] = {
    "blur": (blur, "σ in pixels", (0.7, 1.2, 2)),
    "noise": (noise, "σ in grey levels", (8, 16, 32)),
    "brightness": (brightness, "grey levels up or down", (30, 60, 90)),
    "JPEG": (jpeg, "quality of 100", (60, 30, 10)),
    "rotation": (rotation, "degrees left or right", (10, 20, 35)),
    "occlusion": (occlusion, "side in pixels of 48", (10, 16, 24)),
}
"""What makes a corruption of some strength, the strength's unit, and three strengths: weak, middle and strong."""
CORRUPTIONS = {kind: tuple(map(make, strengths)) for kind, (make, _, strengths) in STRENGTHS.items()}
"""The corruptions by name, each weak, middle and strong."""


def corrupt(faces: np.ndarray, corruption: Corruption, *, seed: int = 0) -> np.ndarray:
    """Return a copy of ``faces`` uint8 ``(n, 48, 48)``, each with ``corruption`` of a random draw of its own."""
    rng = np.random.default_rng(seed)
    return np.array([corruption(face, rng) for face in faces], np.uint8).reshape(faces.shape)


def _levels(face: np.ndarray) -> np.ndarray:
    return np.rint(face).clip(0, 255).astype(np.uint8)
