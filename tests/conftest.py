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


@pytest.fixture
def films(tmp_path):
    """A folder with two equal videos of a second, in which one person can be seen, and a broken one."""
    import shutil

    import cv2
    import numpy as np

    from fernb.app import samples

    folder = tmp_path / "films"
    folder.mkdir()
    writer = cv2.VideoWriter(str(folder / "a.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (640, 360))
    for rgb in samples.two_people(1, 10, away=(0, 2)):
        writer.write(np.ascontiguousarray(rgb[..., ::-1]))
    writer.release()
    shutil.copy(folder / "a.mp4", folder / "b.mp4")
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder
