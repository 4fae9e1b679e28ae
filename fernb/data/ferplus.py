"""FER+: the eight-class labels by the votes of ten taggers (Barsoum et al. 2016). Taught in notebook 03."""

from dataclasses import replace

import numpy as np

from fernb.data.faceset import FaceSet, FaceSplits, make_splits
from fernb.errors import DataError
from fernb.labels import EMOTIONS_8, VOTE_COLUMNS

FERPLUS_SUBSETS = {
    "not_nf": "every row that is a face (3,573 of PrivateTest)",
    "plurality": "an emotion has the most votes, ties to the first emotion (3,546)",
    "unique": "one emotion alone has the most votes (3,376)",
    "majority": "after dropping single votes, an emotion has more than half of the rest (3,153)",
}
"""Rows that figures on FER+ are stated for; the counts are PrivateTest's. Papers differ silently."""


def ferplus_splits(splits: FaceSplits, subset: str = "plurality") -> FaceSplits:
    """Return the eight-class data set of FER+ (Barsoum et al. 2016), labelled by its votes.

    ``subset`` is a key of :data:`FERPLUS_SUBSETS`. ``majority`` is the authors' own test
    protocol: votes of one tagger alone are dropped, and an emotion must have more than half of
    what remains; rows whose majority is "unknown" or "not a face" go.

    Raises :class:`~fernb.errors.DataError` for an unknown subset, or where there are no votes.
    """
    if subset not in FERPLUS_SUBSETS:
        raise DataError(f"there is no FER+ subset {subset!r}; there are {', '.join(FERPLUS_SUBSETS)}.")
    if any(part.votes is None for part in splits.parts().values()):
        raise DataError("these faces have no FER+ votes; import FER2013 with fer2013new.csv beside it.")
    train, val, test = (_voted(part, subset) for part in splits.parts().values())
    return make_splits(train, val, test, f"FER+ ({subset})", classes=EMOTIONS_8)


def _voted(faces: FaceSet, subset: str) -> FaceSet:
    votes = np.asarray(faces.votes, int)
    emotions = len(EMOTIONS_8)
    keep = votes[:, VOTE_COLUMNS.index("nf")] < votes.sum(1).clip(1)
    if subset == "majority":
        votes = np.where(votes <= 1, 0, votes)
        keep &= votes.max(1) * 2 > votes.sum(1)
    best = votes.max(1)
    if subset != "not_nf":
        keep &= votes[:, :emotions].max(1) == best
    if subset in ("unique", "majority"):
        keep &= (votes == best[:, None]).sum(1) == 1
    chosen = faces.take(keep)
    return replace(chosen, labels=votes[keep, :emotions].argmax(1).astype(np.int64))
