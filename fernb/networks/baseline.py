"""The number to beat: logistic regression on pixels. Taught in notebook 02."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def flatten(images: np.ndarray) -> np.ndarray:
    """Return faces uint8 ``(n, h, w)`` as float32 rows ``(n, h·w)`` in 0..1."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def logistic_regression(strength: float = 1e-3, iterations: int = 200) -> "Pipeline":
    """Return an untrained softmax regression on standardised pixels.

    ``strength`` is scikit-learn's ``C``, the inverse of the L2 penalty: small values keep the
    weights small and smooth, which pixels need. Fit it on :func:`flatten`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=iterations))


def weight_images(model: "Pipeline", side: int) -> np.ndarray:
    """Return the weights of each class as images float ``(k, side, side)``."""
    return model[-1].coef_.reshape(-1, side, side)
