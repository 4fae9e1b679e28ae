"""Does the emotion survive the style? Faces painted in a style, and what a network says before and after.

Taught in notebook 07; measured by ``benchmarks/style.py``.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from fernb.config import SEED
from fernb.evaluation import wilson
from fernb.style_features import Features
from fernb.style_transfer import SMOOTH_WEIGHT, STYLE_WEIGHT, adam, evaluator, fit, luminance, targets

STEPS = 40
STYLE_SIZE = 96  # pixels; twice the face, so that strokes are as large as brows and lips
BATCH = 64


def paint_faces(
    faces: np.ndarray, style: np.ndarray, features: Features, strength: float = 1.0, steps: int = STEPS
) -> np.ndarray:
    """Paint grey faces, uint8 ``(n, 48, 48)``, in the style of a picture (RGB uint8), many at a time, by Adam.

    Each face has losses and steps of its own, as :func:`fernb.style_transfer.transfer` would give
    it. With ``strength`` 0 they come back as they are.
    """
    if not strength:
        return faces.copy()
    strokes = luminance(fit(style, STYLE_SIZE))[None]
    weights = tf.constant([1.0, STYLE_WEIGHT * strength, SMOOTH_WEIGHT])
    painted = np.empty_like(faces)
    for start in range(0, len(faces), BATCH):
        part = faces[start : start + BATCH, ..., None].astype(np.float32)
        matched = (strokes - strokes.mean()) / (strokes.std() + 1) * max(part.std((1, 2)).mean(), 10) + part.mean()
        wanted = targets(features, part, matched)

        def value_and_slope(x: np.ndarray, wanted=wanted) -> tuple[np.ndarray, np.ndarray]:
            return evaluator(features)(tf.constant(x), wanted, weights)

        result = adam(value_and_slope, part, steps)
        painted[start : start + BATCH] = np.rint(result[..., 0])
    return painted


def survival(before: np.ndarray, after: np.ndarray, labels: np.ndarray | None = None) -> dict:
    """Say how often the answer is the same after painting, from probabilities ``(n, k)``.

    Returns ``n``, the share ``same`` with its 95 % ``interval``, ``confidence`` (mean probability
    of the first answer, afterwards) and, with int ``labels`` ``(n,)``, ``accuracy``.
    """
    answer = before.argmax(1)
    same = after.argmax(1) == answer
    told = {"n": len(same), "same": float(same.mean()), "interval": wilson(int(same.sum()), len(same))}
    told["confidence"] = float(after[np.arange(len(after)), answer].mean())
    if labels is not None:
        told["accuracy"] = float((after.argmax(1) == labels).mean())
    return told


def noisy(faces: np.ndarray, painted: np.ndarray, seed: int = SEED) -> np.ndarray:
    """Return ``faces`` with Gaussian noise, each as far from its original (root mean square) as ``painted`` is.

    The control: what changes more answers than such noise does so by *what* it changes.
    """
    off = np.sqrt(np.square(painted.astype(float) - faces).mean((1, 2), keepdims=True))
    noise = np.random.default_rng(seed).normal(0, 1, faces.shape) * off
    return np.rint((faces + noise).clip(0, 255)).astype(np.uint8)


def sweep(
    faces: np.ndarray,
    labels: np.ndarray,
    recogniser,
    styles: dict[str, np.ndarray],
    features: Features,
    strengths: Sequence[float],
    report: Callable[[str], None] = lambda line: None,
    steps: int = STEPS,
) -> list[dict]:
    """Paint ``faces`` in all ``styles`` and ``strengths``; return a row of :func:`survival` for each.

    ``noise`` in a row is the share of answers that outlive noise of the same size, ``off`` the mean
    root-mean-square change in grey levels.
    """
    before, rows = recogniser.predict(faces), []
    for name, style in styles.items():
        for strength in strengths:
            painted = paint_faces(faces, style, features, strength, steps)
            control = survival(before, recogniser.predict(noisy(faces, painted)))["same"]
            off = float(np.sqrt(np.square(painted.astype(float) - faces).mean((1, 2))).mean())
            told = survival(before, recogniser.predict(painted), labels)
            rows.append({"features": features.name, "style": name, "strength": strength, **told})
            rows[-1] |= {"noise": control, "off": round(off, 2)}
            report(f"{features.name} {name} {strength}: {told['same']:.0%} the same answer, with noise {control:.0%}")
    return rows
