"""What holds for all tests: the same result whatever stands in the shell and on the disk."""

import os

import pytest
from hypothesis import settings

os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# no deadline: shared machines stall; the same examples each time where nobody watches
settings.register_profile("fernb", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("fernb")


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch, tmp_path_factory):
    """Hide the user's settings and an imported FER2013, so that the tests draw their faces."""
    from fernb import config

    for name in ("FERNB_DATA", "FERNB_MODELS", "FERNB_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config, "CACHE", tmp_path_factory.getbasetemp() / "no-cache" / "fer2013.npz")
