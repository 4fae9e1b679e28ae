"""Does the emotion survive the style? Faces painted in a style, and what a network says before and after.

Taught in notebook 07; measured by ``benchmarks/style.py``.
"""

import numpy as np
import tensorflow as tf

from fernb.config import SEED
from fernb.evaluation import wilson
from fernb.networks.recogniser import Recogniser
from fernb.style.features import FeatureExtractor
from fernb.style.transfer import SMOOTH_WEIGHT, STYLE_WEIGHT, adam, evaluator, luminance, references, resize_to_fit

STEPS = 20
STYLE_SIZE = 96  # pixels; twice the face, so that strokes are as large as brows and lips
BATCH = 64


def paint_faces(
    faces: np.ndarray, style: np.ndarray, *, features: FeatureExtractor, strength: float = 1.0, steps: int = STEPS
) -> np.ndarray:
    """Paint grey faces, uint8 ``(n, 48, 48)``, in the style of an image (RGB uint8), many at a time, by Adam.

    Each face has losses and steps of its own, as :func:`fernb.style.transfer.transfer_style` would give
    it. With ``strength`` 0 they come back as they are.
    """
    if not strength:
        return faces.copy()
    strokes = luminance(resize_to_fit(style, STYLE_SIZE))[None]
    weights = tf.constant([1.0, STYLE_WEIGHT * strength, SMOOTH_WEIGHT])
    painted = np.empty_like(faces)
    for start in range(0, len(faces), BATCH):
        part = faces[start : start + BATCH, ..., None].astype(np.float32)
        matched = (strokes - strokes.mean()) / (strokes.std() + 1) * max(part.std((1, 2)).mean(), 10) + part.mean()
        wanted = references(features, part, style=matched)

        def loss_and_gradient(x: np.ndarray, wanted: dict[str, dict] = wanted) -> tuple[np.ndarray, np.ndarray]:
            return evaluator(features)(tf.constant(x), wanted, weights)

        result = adam(loss_and_gradient, part, steps=steps)
        painted[start : start + BATCH] = np.rint(result[..., 0])
    return painted


def survival(before: np.ndarray, after: np.ndarray, *, labels: np.ndarray | None = None) -> dict:
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


def noisy(faces: np.ndarray, painted: np.ndarray, *, seed: int = SEED) -> np.ndarray:
    """Return ``faces`` with Gaussian noise, each as far from its original (root mean square) as ``painted`` is.

    The control: what changes more answers than such noise does so by *what* it changes.
    """
    noise = np.random.default_rng(seed).normal(0, 1, faces.shape) * _distance(faces, painted)[:, None, None]
    return np.rint((faces + noise).clip(0, 255)).astype(np.uint8)


def survival_against_noise(
    faces: np.ndarray, painted: np.ndarray, *, recogniser: Recogniser, labels: np.ndarray | None = None
) -> dict:
    """Return :func:`survival` of ``painted``, and what of it is left when noise takes the place of the style.

    ``noise`` and ``noise_accuracy`` are ``same`` and ``accuracy`` of :func:`noisy` faces, ``off`` is
    the mean root-mean-square change in grey levels. Faces are uint8 ``(n, 48, 48)``.
    """
    before = recogniser.predict(faces)
    told = survival(before, recogniser.predict(painted), labels=labels)
    control = survival(before, recogniser.predict(noisy(faces, painted)), labels=labels)
    told |= {"noise": control["same"], "off": float(_distance(faces, painted).mean())}
    return told | ({"noise_accuracy": control["accuracy"]} if labels is not None else {})


def _distance(faces: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(others.astype(float) - faces).mean((1, 2)))
