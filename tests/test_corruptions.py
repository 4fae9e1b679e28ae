"""Corruptions: they spoil, more so when stronger, and alike for the same seed."""

import numpy as np
import pytest

from fernb.data.synthetic import draw_faces
from fernb.vision.corruptions import CORRUPTIONS, brightness, corrupt, occlusion, rotation

FACES = draw_faces(21, 5).images


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_stronger_spoils_more_and_the_input_stays(name):
    before = FACES.copy()
    gaps = []
    for corruption in CORRUPTIONS[name]:
        spoilt = corrupt(FACES, corruption)
        assert spoilt.shape == FACES.shape and spoilt.dtype == np.uint8
        assert np.array_equal(spoilt, corrupt(FACES, corruption))
        gaps.append(np.abs(spoilt.astype(int) - FACES).mean())
    assert 0 < gaps[0] < gaps[1] < gaps[2]
    assert np.array_equal(FACES, before)


def test_each_does_what_it_says():
    grey = np.full((40, 48, 48), 100, np.uint8)
    assert set(np.unique(corrupt(grey, brightness(30)))) == {70, 130}
    hidden = (corrupt(grey, occlusion(16)) == 128).sum((1, 2))
    assert (hidden == 256).all()
    tip = np.zeros((20, 48, 48), np.uint8)
    tip[:, 0:4, 22:26] = 255  # at the top: turned by 90 degrees it lies left or right
    turned = corrupt(tip, rotation(90))
    columns = turned.sum(1).argmax(1)
    assert set(np.where(columns < 24, "left", "right")) == {"left", "right"}


def test_no_faces_are_no_error():
    assert corrupt(FACES[:0], CORRUPTIONS["JPEG"][0]).shape == (0, 48, 48)
