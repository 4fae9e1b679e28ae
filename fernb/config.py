"""Where things are, which profile runs, and the seed: read once from the environment.

==================  ==============================================================
``FERNB_PROFILE``   ``smoke`` (minutes on drawn faces), ``lesson`` (default), ``full``
``FERNB_DATA``      a FER2013 file or folder of any known layout, or fernb's own cache
``FERNB_MODELS``    a folder with detector and backbone weights
==================  ==============================================================
"""

import os
from dataclasses import dataclass
from pathlib import Path

from fernb.errors import FernbError

SEED = 2013
"""The seed of everything random, unless an argument says otherwise."""

FACE_SIDE = 48
"""Pixels on a side of the faces of FER2013, and so of every network's input."""

_PACKAGE = Path(__file__).parent
IS_CHECKOUT = (_PACKAGE.parent / "pyproject.toml").is_file()
ROOT = _PACKAGE.parent if IS_CHECKOUT else _PACKAGE / "_project"
"""The project's folder; in an installed wheel the copy of samples and model that it carries."""

WORKSPACE = ROOT if IS_CHECKOUT else Path.cwd()
"""Where fernb writes: the checkout, or the current folder where fernb was installed as a wheel."""

SAMPLES = ROOT / "data" / "samples"
RESULTS = WORKSPACE / "results"
MODEL = ROOT / "results" / "model"
DEFAULT_MODEL = MODEL / "my_own_model.tflite"
CACHE = WORKSPACE / "data" / "fer2013.npz"
RUNS = WORKSPACE / "runs"
"""TensorBoard logs and checkpoints of training runs."""


def data_source() -> Path | None:
    """Return where FER2013 is: ``FERNB_DATA``, else fernb's cache if there is one, else None."""
    named = os.environ.get("FERNB_DATA")
    if named:
        return Path(named).expanduser()
    return CACHE if CACHE.is_file() else None


def models_folder() -> Path:
    """Return the folder of downloaded weights: ``FERNB_MODELS``, else ``models`` in the workspace."""
    named = os.environ.get("FERNB_MODELS")
    return Path(named).expanduser() if named else WORKSPACE / "models"


@dataclass(frozen=True)
class Profile:
    """How much work a notebook does: it changes amounts, never the code path.

    ``source`` is what :func:`fernb.load_faces` is called with; ``n_train``, ``n_val`` and
    ``n_test`` are upper limits of faces (None: all of them).
    """

    name: str
    source: str
    n_train: int | None
    n_val: int | None
    n_test: int | None
    epochs: int
    batch_size: int = 64


PROFILES = {
    "smoke": Profile("smoke", "synthetic", 1400, 350, 350, epochs=10),
    "lesson": Profile("lesson", "auto", 7000, 1400, 1400, epochs=12),
    "full": Profile("full", "fer2013", None, None, None, epochs=20, batch_size=128),
}


def profile() -> Profile:
    """Return the profile that ``FERNB_PROFILE`` names (default ``lesson``).

    Raises :class:`~fernb.errors.FernbError` for an unknown name.
    """
    name = os.environ.get("FERNB_PROFILE", "lesson")
    if name not in PROFILES:
        raise FernbError(f"FERNB_PROFILE is {name!r}; it must be one of {', '.join(PROFILES)}.")
    return PROFILES[name]
