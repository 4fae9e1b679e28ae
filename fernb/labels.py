"""Emotion names, their colours, and one table for each order in which a source lists them.

Sources disagree about the order: Kaggle's CSV ends ``sad, surprise, neutral``, image folders
are alphabetical, FER+ starts with ``neutral``. Everything is therefore remapped by *name*
into :data:`EMOTIONS` as soon as it is read. Taught in notebook 02.
"""

from collections.abc import Iterable

from fernb.errors import DataError

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The seven emotions of FER2013, in the order of its CSV; the order of every probability vector."""

EMOTIONS_8 = (*EMOTIONS, "contempt")
"""The eight emotions of FER+ (Barsoum et al. 2016): the same seven, then contempt."""

VOTE_COLUMNS = (*EMOTIONS_8, "unknown", "nf")
"""Columns of :attr:`fernb.data.faceset.FaceSet.votes`; ``nf`` means "not a face"."""

COLOURS = {
    "angry": "#d55e00",
    "disgust": "#009e73",
    "fear": "#cc79a7",
    "happy": "#e69f00",
    "sad": "#0072b2",
    "surprise": "#56b4e9",
    "neutral": "#707070",
    "contempt": "#882255",
    "unsure": "#c8c8c8",
}
"""One colour for each emotion, the same in every plot, video and widget (``#rrggbb``).

Those of Okabe & Ito (2008), which colour-blind readers can tell apart; Tol's wine for contempt.
"""

_SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "suprise": "surprise",
}


FER2013_ORDER = EMOTIONS
"""What the numbers 0 to 6 mean in ``fer2013.csv``, ``icml_face_data.csv`` and ``train.csv``."""

FERPLUS_COLUMNS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
"""Columns of votes in Microsoft's ``fer2013new.csv``, in that file's order."""


def emotion_name(word: str) -> str:
    """Return the name in :data:`VOTE_COLUMNS` that ``word`` stands for.

    Takes the spellings of all known sources (``Anger``, ``happiness``, ``NF`` …).
    Raises :class:`~fernb.errors.DataError` for an unknown word.
    """
    name = word.strip().lower()
    name = _SYNONYMS.get(name, name)
    if name not in VOTE_COLUMNS:
        raise DataError(f"unknown emotion {word!r}; known are {', '.join(EMOTIONS_8)}.")
    return name


def remap(source_order: Iterable[str], target: tuple[str, ...] = EMOTIONS) -> list[int]:
    """Return for each name of ``source_order`` its index in ``target``.

    >>> remap(["angry", "happiness", "NEUTRAL"])
    [0, 3, 6]
    """
    return [target.index(emotion_name(word)) for word in source_order]
