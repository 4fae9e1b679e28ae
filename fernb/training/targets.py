"""What a network is trained towards: labels, FER+'s votes, or the answers of other networks; and rare emotions.

Targets are float32 ``(n, k)``, rows sum to 1. Taught in notebook 03.
"""

from collections.abc import Sequence

import numpy as np

from fernb.data.faceset import FaceSet
from fernb.errors import DataError
from fernb.evaluation import apply_temperature
from fernb.labels import EMOTIONS_8, VOTE_COLUMNS

TEMPERATURE = 2.0
"""By which teachers' answers are softened, unless told otherwise."""


def label_targets(faces: FaceSet, classes: Sequence[str]) -> np.ndarray:
    """Return one-hot rows of the labels."""
    return np.eye(len(classes), dtype=np.float32)[faces.labels]


def vote_targets(faces: FaceSet, classes: Sequence[str]) -> np.ndarray:
    """Return each face's votes as a distribution over ``classes`` (Barsoum et al. 2016).

    Votes for *unknown* and *not a face* say nothing about the emotion and are left out; a face
    without any other vote falls back to its label. Raises :class:`~fernb.errors.DataError`
    where the faces have no votes.
    """
    if faces.votes is None:
        raise DataError("these faces have no FER+ votes; put fer2013new.csv beside the data and import it again.")
    votes = faces.votes[:, [VOTE_COLUMNS.index(name) for name in classes]].astype(np.float32)
    totals = votes.sum(1, keepdims=True)
    return np.where(totals > 0, votes / np.maximum(totals, 1), label_targets(faces, classes))


def has_votes(faces: FaceSet) -> np.ndarray:
    """Return bool ``(n,)``: which faces some tagger of FER+ gave an emotion."""
    return np.asarray(faces.votes)[:, : len(EMOTIONS_8)].sum(1) > 0


def distillation_targets(
    labels: np.ndarray, answers: Sequence[np.ndarray], share: float = 0.7, temperature: float = TEMPERATURE
) -> np.ndarray:
    """Return targets for distillation (Hinton et al. 2015): the teachers' softened answers, and the labels.

    ``answers`` are the teachers' probabilities ``(n, k)`` for the same faces; their mean is
    softened by ``temperature`` and has ``share`` of the weight, the targets ``labels`` the rest.
    """
    mean = np.mean(answers, axis=0)
    return (share * apply_temperature(mean, temperature) + (1 - share) * labels).astype(np.float32)


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return a weight for each class, by the root of its rarity; the mean over faces is 1.

    The root is a compromise: full weights let a class with a hundred faces shout down the rest.
    """
    counts = np.bincount(labels, minlength=classes)
    weights = 1 / np.sqrt(np.maximum(counts, 1))
    return (weights / weights[labels].mean()).astype(np.float32)
