"""Images of every kind come in as RGB uint8, and bad ones are one sentence."""

import contextlib
import io
import os
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
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


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_turned_photograph_is_turned_back(tmp_path, mode, suffix):
    """Grey JPEGs lay on their side: OpenCV heeds EXIF for colour only."""
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    upright = np.zeros((64, 32), np.uint8)
    upright[:20] = 200
    Image.fromarray(np.rot90(upright)).convert(mode).save(tmp_path / f"upright{suffix}", exif=exif)
    read = read_image(tmp_path / f"upright{suffix}")
    assert read.shape == (64, 32, 3) and read[:16].min() > 150 and read[24:].max() < 50


def test_other_kinds_of_files(tmp_path):
    grey = RGB[..., 0]
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    Image.fromarray(grey).save(tmp_path / "grey.bmp")
    Image.fromarray(grey > 127).save(tmp_path / "bits.png")
    Image.fromarray(np.dstack([grey, grey])).save(tmp_path / "grey_alpha.png")
    Image.fromarray(RGB).quantize(16).save(tmp_path / "one_is_clear.png", transparency=0)
    Image.fromarray(RGB).save(tmp_path / "scan.tif", compression="tiff_lzw")
    Image.fromarray(grey.astype(np.float32) / 255).save(tmp_path / "float.tif")
    Image.fromarray(RGB).save(tmp_path / "moving.gif", save_all=True, append_images=[Image.fromarray(255 - RGB)])
    Image.fromarray(grey.astype(np.int32) * 257).save(tmp_path / "deep.tif")
    exact = {"grey.bmp": grey, "bits.png": np.where(grey > 127, 255, 0), "float.tif": grey, "deep.tif": grey}
    for path in tmp_path.iterdir():
        read = read_image(path)
        assert read.shape == (20, 30, 3) and read.dtype == np.uint8, path.name
        if path.name in exact:
            np.testing.assert_array_equal(read[..., 1], exact[path.name], path.name)
    np.testing.assert_array_equal(read_image(tmp_path / "scan.tif"), RGB)


def test_a_broken_exif_block_does_not_spoil_the_image(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(200)))
    assert read_image(tmp_path / "a.jpg").shape == (20, 30, 3)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_no_image_is_one_sentence(tmp_path, content):
    path = tmp_path / "bad.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        read_image(path)
    with pytest.raises(ImageError, match="cannot read"):
        read_image(tmp_path)


def test_only_files_are_read(tmp_path):
    """A pipe without a writer, or /dev/zero, would be read for ever."""
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe.jpg", tmp_path / "link.jpg", "/dev/null", "a\0b.jpg"):
        with pytest.raises(ImageError, match="cannot read the image"):
            read_image(path)


def test_a_large_file_is_not_even_read(tmp_path):
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)  # a hole: takes no place
    with pytest.raises(ImageError, match="more than 256 MB"):
        read_image(tmp_path / "huge.jpg")


def jpeg_of_size(width: int, height: int, channels: int) -> bytes:
    """Return a JPEG whose header tells of a size that its few hundred bytes do not have."""
    data = bytearray(cv2.imencode(".jpg", np.zeros((8, 8, channels), np.uint8))[1].tobytes())
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(65_500, 65_500), (30_000, 8), (11_000, 11_000)])
def test_the_size_is_checked_before_anything_is_decoded(channels, size, monkeypatch):
    """690 bytes of JPEG took 3.5 GB."""
    monkeypatch.setattr(images, "_pixels", lambda _: pytest.fail("decoded"))
    with pytest.raises(ImageError, match=r"small.* is too large; scale it below"):
        images.decode_image(jpeg_of_size(*size, channels), "small")


def test_a_small_limit_is_heeded():
    with pytest.raises(ImageError, match="below 10 pixels"):
        images.decode_image(images.encode_image(RGB), max_side=10)


def test_damaged_files_say_nothing_on_the_screen(tmp_path, capfd):
    """libjpeg, libpng and libtiff wrote `Corrupt JPEG data` and the like past Python's own streams."""
    rng = np.random.default_rng(5)
    whole = {suffix: images.encode_image(cv2.resize(RGB, (300, 200)), suffix) for suffix in (".jpg", ".png", ".tif")}
    for suffix, data in whole.items():
        for _ in range(30):
            damaged = np.frombuffer(data, np.uint8).copy()
            damaged[rng.integers(20, len(data), 12)] = rng.integers(0, 256, 12)
            (tmp_path / f"damaged{suffix}").write_bytes(damaged[: rng.integers(len(data) // 2, len(data))].tobytes())
            with contextlib.suppress(ImageError):
                read_image(tmp_path / f"damaged{suffix}")
    assert capfd.readouterr() == ("", "")


def test_pillow_does_not_warn_either():
    """Outside of pytest, which has filters of its own: a damaged EXIF block was told on standard error."""
    code = "from fernb.vision import images; images.decode_image(bytes.fromhex({!r}))"
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(200)))
    done = subprocess.run([sys.executable, "-c", code.format(file.getvalue().hex())], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_name_that_is_not_utf8_can_be_read_and_told(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    write_image(path, RGB)
    np.testing.assert_array_equal(read_image(path), RGB)
    path.write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"caf.*udce9.png is not an image") as caught:
        read_image(path)
    str(caught.value).encode("utf-8")  # every terminal takes it


@given(
    st.sampled_from(["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP"]),
    st.sampled_from(["L", "RGB", "P", "1", "RGBA", "CMYK", "I;16"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    st.floats(0.3, 1),
)
@settings(max_examples=1000, deadline=None)
def test_any_damaged_file_is_an_image_or_a_sentence(kind, mode, changes, kept):
    file = io.BytesIO()
    source = Image.fromarray(RGB[..., 0].astype(np.uint16)) if mode == "I;16" else Image.fromarray(RGB).convert(mode)
    try:
        source.save(file, kind)
    except (OSError, ValueError):  # the format does not have this mode
        Image.fromarray(RGB).save(file, kind)
    data = bytearray(file.getvalue())
    for where, value in changes:
        data[min(int(where * len(data)), len(data) - 1)] = value
    try:
        rgb = images.decode_image(bytes(data[: int(kept * len(data))]), "wild")
    except ImageError as error:
        assert str(error).startswith("wild") and str(error).endswith(".") and "\n" not in str(error)
    else:
        assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3 and rgb.size <= 3 * images.MAX_PIXELS


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"GIF89a", b"BM"])
)
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_a_sentence(data, start):
    with contextlib.suppress(ImageError):
        assert images.decode_image(start + data).dtype == np.uint8


@given(
    hnp.arrays(st.sampled_from([np.uint8, np.uint16, np.float32]), hnp.array_shapes(min_dims=1, max_dims=4, max_side=5))
)
def test_any_array_becomes_rgb_or_a_sentence(array):
    try:
        rgb = to_rgb(array)
    except ImageError as error:
        assert "image" in str(error)
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
