"""Pictures of every kind come in as RGB uint8, and bad ones are one sentence."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from fernb import config
from fernb.errors import ImageError
from fernb.vision import images
from fernb.vision.images import read_image, to_grey, to_rgb, write_image

RGB = np.random.default_rng(2).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_png_comes_back_exactly_even_under_a_foreign_name(tmp_path):
    path = tmp_path / "smörgås 顔.png"
    write_image(path, RGB)
    np.testing.assert_array_equal(read_image(path), RGB)
    write_image(path, RGB[..., 0])
    np.testing.assert_array_equal(to_grey(read_image(path)), RGB[..., 0])


def test_kinds_of_png(tmp_path):
    grey = RGB[..., 0]
    rgba = np.dstack([RGB, np.full((20, 30), 255, np.uint8)])
    rgba[:, :15, 3] = 0
    cv2.imwrite(str(tmp_path / "deep.png"), grey.astype(np.uint16) * 257)
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    Image.fromarray(RGB).quantize(16).save(tmp_path / "palette.png")
    Image.fromarray(grey[:1, :1]).save(tmp_path / "dot.png")
    np.testing.assert_array_equal(to_grey(read_image(tmp_path / "deep.png")), grey)
    clear = read_image(tmp_path / "clear.png")
    assert (clear[:, :15] == 255).all()  # transparent is white
    np.testing.assert_array_equal(clear[:, 15:], RGB[:, 15:])
    assert read_image(tmp_path / "palette.png").shape == (20, 30, 3)
    assert read_image(tmp_path / "dot.png").shape == (1, 1, 3)


def test_a_turned_photograph_is_turned_back(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    Image.fromarray(cv2.resize(RGB, (64, 32))).save(tmp_path / "upright.jpg", exif=exif)
    assert read_image(tmp_path / "upright.jpg").shape == (64, 32, 3)


@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_no_picture_is_one_sentence(tmp_path, content):
    path = tmp_path / "bad.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        read_image(path)
    with pytest.raises(ImageError, match="cannot read"):
        read_image(tmp_path)


@given(
    hnp.arrays(st.sampled_from([np.uint8, np.uint16, np.float32]), hnp.array_shapes(min_dims=1, max_dims=4, max_side=5))
)
def test_any_array_becomes_rgb_or_a_sentence(array):
    try:
        rgb = to_rgb(array)
    except ImageError as error:
        assert "picture" in str(error)
    else:
        assert rgb.dtype == np.uint8 and rgb.shape == (*array.shape[:2], 3)


def test_other_types_and_sizes_are_refused():
    with pytest.raises(ImageError, match="int64"):
        to_rgb(np.zeros((4, 4), np.int64))
    with pytest.raises(ImageError, match="below 12000"):
        to_rgb(np.zeros((1, 12_001), np.uint8))
    assert (to_rgb(np.full((2, 2), 0.5)) == 128).all()


def test_write_refuses_unknown_formats(tmp_path):
    with pytest.raises(ImageError, match=r"\.png or \.jpg"):
        write_image(tmp_path / "face.xyz", RGB)
    assert not list(tmp_path.iterdir())


def test_operations():
    turned = images.rotate(images.rotate(RGB, 90), -90)
    assert turned.shape == RGB.shape
    flat = np.full((9, 9), 80, np.uint8)
    np.testing.assert_array_equal(images.rotate(flat, 33), flat)  # edges are repeated, no black corners
    halves = np.repeat(np.array([[40, 200]], np.uint8), 8, axis=1).repeat(8, axis=0)
    binary, level = images.threshold(halves)
    assert 40 <= level < 200 and set(binary.ravel()) == {0, 255}
    assert images.threshold(halves, 220)[0].max() == 0
    assert images.blur(RGB, 3).std() < RGB.std()
    note = np.zeros((40, 120, 3), np.uint8)
    assert images.put_text(note, "hi", (5, 30)) is note and note.any()


def test_the_samples_are_whole():
    for path in sorted(config.SAMPLES.glob("*.jpg")):
        assert read_image(path).shape[2] == 3
