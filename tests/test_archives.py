"""Wild archives, tables and caches: faces or one sentence, in bounded time and memory, nothing left behind."""

import gzip
import io
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fernb.data import archives, fer2013, loading
from fernb.data.faceset import FaceSet, FaceSplits, duplicated, make_splits
from fernb.data.loading import import_data, load_cache, load_faces, save_cache
from fernb.errors import DataError
from fernb.labels import EMOTIONS

RNG = np.random.default_rng(4)
IMAGES = RNG.integers(0, 256, (7, 48, 48), dtype=np.uint8)
USAGE = ["Training"] * 3 + ["PublicTest"] * 2 + ["PrivateTest"] * 2
ROWS = [
    f"{i},{' '.join(map(str, image.ravel()))},{usage}"
    for i, (image, usage) in enumerate(zip(IMAGES, USAGE, strict=True))
]
TABLE = "emotion,pixels,Usage\n" + "\n".join(ROWS) + "\n"


def png(image: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


FOLDERS = {
    f"{'train' if i < 4 else 'test'}/{EMOTIONS[i]}/{usage}_{i}.png": png(image)
    for i, (image, usage) in enumerate(zip(IMAGES, USAGE, strict=True))
}


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def tar_of(members: dict[str, bytes], mode: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, data in members.items():
            item = tarfile.TarInfo(name)
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data))
    return file.getvalue()


def cache_of(**changes) -> bytes:
    splits = make_splits(*(FaceSet(IMAGES, np.arange(7)) for _ in range(3)), "seven")
    with tempfile.TemporaryDirectory() as folder:
        save_cache(splits, Path(folder) / "cache.npz")
        with np.load(Path(folder) / "cache.npz") as file:
            arrays = dict(file) | changes
    packed = io.BytesIO()
    np.savez(packed, **{name: array for name, array in arrays.items() if array is not None})
    return packed.getvalue()


SOUND = {
    "fer2013.csv": TABLE.encode(),
    "fer2013.csv.gz": gzip.compress(TABLE.encode(), 1),
    "fer2013.csv.xz": lzma.compress(TABLE.encode(), preset=0),
    "fer2013.csv.zip": zip_of({"fer2013.csv": TABLE.encode()}),
    "table.zip": zip_of({"archive/fer2013.csv": TABLE.encode()}),
    "folders.zip": zip_of(FOLDERS),
    "stored.zip": zip_of(FOLDERS, zipfile.ZIP_STORED),
    "bz2.zip": zip_of(FOLDERS, zipfile.ZIP_BZIP2),
    "lzma.zip": zip_of(FOLDERS, zipfile.ZIP_LZMA),
    "folders.tar": tar_of(FOLDERS, "w"),
    "folders.tar.gz": tar_of(dict(reversed(FOLDERS.items())), "w:gz"),
    "table.tar.xz": tar_of({"fer2013/fer2013.csv": TABLE.encode()}, "w:xz"),
    "folders.tgz": tar_of(FOLDERS, "w:gz"),
    "cache.npz": cache_of(),
}


def read(name: str, data: bytes) -> FaceSplits | str:
    """Return what fernb makes of a file: splits, or its sentence. Nothing may be left beside the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            return load_faces(path)
        except DataError as error:
            sentence = str(error)
            assert sentence.isprintable() and sentence.endswith(".") and len(sentence) < 600, sentence
            return sentence
        finally:
            assert os.listdir(folder) == [name]


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_one_is_read(name):
    splits = read(name, SOUND[name])
    assert isinstance(splits, FaceSplits), splits
    if name != "cache.npz":
        assert [len(part) for part in splits.parts().values()] == [3, 2, 2]
        found = np.concatenate([part.images for part in splits.parts().values()])
        np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(IMAGES, axis=0))


@given(
    st.sampled_from(sorted(SOUND)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    st.floats(0, 1) | st.just(1.0),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=9)), max_size=2),
)
@settings(max_examples=5000, deadline=None)
def test_any_damaged_one_is_faces_or_a_sentence(name, changes, kept, inserted):
    data = bytearray(SOUND[name])
    for where, value in changes:
        data[min(int(where * len(data)), len(data) - 1)] = value
    for where, more in inserted:
        data[int(where * len(data)) : int(where * len(data))] = more
    splits = read(name, bytes(data[: int(kept * len(data))]))
    if isinstance(splits, FaceSplits):
        for part in splits.parts().values():
            assert part.images.dtype == np.uint8 and part.images.shape == (len(part), 48, 48)
            assert part.labels.dtype == np.int64 and (part.labels >= 0).all() and (part.labels < 7).all()


CELLS = st.sampled_from(
    ["", "3", "Training", "pixels", " ".join(["7"] * 2304), "1 2 3", "\x00", '"', '"a\nb"', "é", "９"]
)


@given(st.lists(st.lists(CELLS | st.text(max_size=8), max_size=5).map(",".join), max_size=6), st.booleans())
@settings(max_examples=500, deadline=None)
def test_any_table_is_faces_or_a_sentence(lines, headed):
    text = ("emotion,pixels,Usage\n" if headed else "") + "\n".join(lines)
    read("fer2013.csv", text.encode("utf-8", "surrogatepass"))
    read("train.csv", text.encode("utf-8", "surrogatepass"))


@given(
    st.sampled_from([".csv", ".csv.gz", ".csv.xz", ".csv.zip", ".zip", ".tar", ".tar.gz", ".tgz", ".npz", ".bin"]),
    st.binary(max_size=400),
)
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_a_sentence(suffix, data):
    assert isinstance(read(f"wild{suffix}", data), str)


# --- one by one ----------------------------------------------------------------------------------------


def with_zip_field(data: bytes, offset_local: int, offset_central: int, value: int) -> bytes:
    """Return a zip in whose headers, two for each member, a 16-bit field is changed."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", offset_local), (b"PK\x01\x02", offset_central)):
        start = -1
        while (start := data.find(mark, start + 1)) >= 0:
            changed[start + offset : start + offset + 2] = struct.pack("<H", value)
    return bytes(changed)


def test_a_password_and_an_unknown_method_are_told():
    for members in (FOLDERS, {"fer2013.csv": TABLE.encode()}):
        plain = zip_of(members, zipfile.ZIP_STORED)
        assert "needs a password" in read("set.zip", with_zip_field(plain, 6, 8, 1))
        assert "cannot unpack" in read("set.zip", with_zip_field(plain, 8, 10, 97))
    assert "needs a password" in read("fer2013.csv.zip", with_zip_field(zip_of({"a.csv": b"x"}, 0), 6, 8, 1))


def test_what_a_mac_leaves_is_passed_over():
    litter = {"__MACOSX/fer2013/._fer2013.csv": b"\x00\x05\x16\x07", "fer2013/.DS_Store": b"Bud1", "a/._b.png": b"x"}
    for data in (zip_of(litter | {"fer2013/fer2013.csv": TABLE.encode()}), zip_of(litter | FOLDERS)):
        assert isinstance(read("set.zip", data), FaceSplits)
    table = {"__MACOSX/._fer2013.csv": b"x", "fer2013.csv": TABLE.encode()}
    assert isinstance(read("fer2013.csv.zip", zip_of(table)), FaceSplits)


def test_blank_lines_are_no_rows():
    splits = read("fer2013.csv", TABLE.replace("\n", "\n\n").encode() + b"\n\n\r\n")
    assert [len(part) for part in splits.parts().values()] == [3, 2, 2]


@pytest.mark.parametrize("value", [2**32 + 1, 2**32, 2**64 + 7, 10**30, 256])
def test_a_pixel_beyond_what_a_number_holds_is_refused(value):
    """2**32 + 1 was read as 1."""
    row = "3," + " ".join([str(value)] + ["7"] * 2303) + ",Training"
    assert "outside 0..255" in read("fer2013.csv", f"{TABLE}{row}\n".encode())


def test_training_only_is_told_and_train_csv_is_cut():
    only = "\n".join(TABLE.splitlines()[:4]) + "\n"
    assert "no rows of PublicTest and PrivateTest" in read("fer2013.csv", only.encode())
    many = "emotion,pixels\n" + "".join(ROWS[i % 7].rsplit(",", 1)[0] + "\n" for i in range(20))
    assert "cut from train" in read("train.csv", many.encode()).source


def test_a_bomb_of_bad_rows_ends(tmp_path, monkeypatch):
    """Also where bad rows are left out: each took memory, without a limit."""
    monkeypatch.setattr(archives, "MAX_LINES", 1000)
    for junk in ("x,y,z\n", "\n", "3,,Training\n"):
        (tmp_path / "fer2013.csv").write_text(TABLE + junk * 2000)
        with pytest.raises(DataError, match="too many lines"):
            import_data(tmp_path / "fer2013.csv", tmp_path / "out.npz", skip_bad_rows=True)
        assert os.listdir(tmp_path) == ["fer2013.csv"]


def test_the_budget_is_one_for_all_files_even_where_bad_ones_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED", 1_000_000)
    (tmp_path / "set.zip").write_bytes(zip_of({f"train/happy/{i}.png": bytes(100_000) for i in range(50)}))
    with pytest.raises(DataError, match="unpacks to more than"):
        import_data(tmp_path / "set.zip", tmp_path / "out.npz", skip_bad_rows=True)


@pytest.mark.parametrize("name", ["fer2013.tar.gz", "fer2013.tar.xz"])
def test_a_packed_tar_cannot_fill_the_disk(monkeypatch, name):
    monkeypatch.setattr(archives, "MAX_UNPACKED", 100_000)
    packed = tar_of({"fer2013.csv": bytes(5_000_000)}, f"w:{name[-2:]}")
    assert len(packed) < 100_000 and "unpacks to more than" in read(name, packed)


def test_too_many_files_or_faces_end(monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 5)
    for name in ("folders.zip", "folders.tar.gz"):
        assert "more than 5 files" in read(name, SOUND[name])
    monkeypatch.setattr(fer2013, "MAX_FACES", 5)
    assert "more than 5 faces" in read("fer2013.csv", SOUND["fer2013.csv"])


BOUNDED = """
import gzip, resource, sys
from fernb.data.loading import load_faces
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load_faces(sys.argv[1])
except Exception as error:
    print(type(error).__name__, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
"""


@pytest.mark.parametrize("content", [bytes(1 << 20), b"1 " * (1 << 19), b'"' + b"a\n" * (1 << 19)])
def test_a_gigabyte_in_one_line_takes_no_memory(tmp_path, content):
    """A megabyte of gzip unpacked to a line of a gigabyte, which was read before it was looked at."""
    with gzip.open(tmp_path / "fer2013.csv.gz", "wb", 1) as file:
        file.write(b"emotion,pixels,Usage\n3,")
        for _ in range(200):
            file.write(content)
    done = subprocess.run([sys.executable, "-c", BOUNDED, tmp_path / "fer2013.csv.gz"], capture_output=True, text=True)
    kind, kilobytes, _ = done.stdout.split(maxsplit=2)
    assert kind in ("TooMuch", "DataError") and int(kilobytes) < 40_000


def test_only_png_and_jpeg_are_opened(monkeypatch):
    """Other readers of Pillow are further doors, and for EPS it runs Ghostscript."""
    face = png(IMAGES[0])
    for kind in ("GIF", "TIFF", "PPM", "EPS", "BMP"):
        data = zip_of(FOLDERS | {"train/happy/Training_9.png": png(IMAGES[0], kind)})
        assert "not a whole PNG or JPEG" in read("set.zip", data)
    assert isinstance(read("set.zip", zip_of(FOLDERS | {"train/happy/Training_9.jpg": face})), FaceSplits)
    raised = (MemoryError, ZeroDivisionError, struct.error, SyntaxError, Image.DecompressionBombError, KeyError)
    for error in raised:
        with monkeypatch.context() as patch:
            patch.setattr(Image, "open", lambda *_, error=error, **__: (_ for _ in ()).throw(error("x")))
            assert "not a whole PNG or JPEG" in read("set.zip", SOUND["folders.zip"])


def test_names_that_are_hostile(tmp_path):
    hostile = [
        "../../evil/happy/Training_1.png",
        "/etc/happy/Training_2.png",
        "train/happy/\x1b[2J\n.png",
        "train/‮happy/a.png",
    ]
    for name in hostile:
        result = read("set.zip", zip_of({name: b"no image"} | FOLDERS))
        assert isinstance(result, str)
    assert os.listdir(tmp_path) == []
    link = tarfile.TarInfo("train/happy/Training_8.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    file = io.BytesIO(tar_of(FOLDERS, "w"))
    with tarfile.open(fileobj=file, mode="a") as archive:
        archive.addfile(link)
    assert [len(part) for part in read("set.tar", file.getvalue()).parts().values()] == [3, 2, 2]  # no link is followed


def test_pipes_and_devices_are_not_read(tmp_path):
    for name in ("fer2013.csv", "cache.npz", "set.zip"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(DataError, match="neither a file nor a folder"):
            load_faces(tmp_path / name)
    with pytest.raises(DataError, match="neither a file nor a folder"):
        load_faces("/dev/zero")


def test_votes_in_an_archive_are_told(tmp_path):
    (tmp_path / "fer2013.csv").write_text(TABLE)
    (tmp_path / "votes.zip").write_bytes(zip_of({"fer2013new.csv": b"x"}))
    with pytest.raises(DataError, match="unpack it"):
        import_data(tmp_path / "fer2013.csv", tmp_path / "out.npz", votes=tmp_path / "votes.zip")


CACHES = {
    "float images": {"train_images": IMAGES.astype(np.float32)},
    "flat images": {"train_images": IMAGES.reshape(7, -1)},
    "large images": {"test_images": np.zeros((7, 96, 96), np.uint8)},
    "fewer labels": {"val_labels": np.arange(6)},
    "labels out of range": {"train_labels": np.arange(1, 8)},
    "negative labels": {"train_labels": np.arange(7) - 1},
    "labels as floats": {"train_labels": np.arange(7.0)},
    "labels as text": {"train_labels": np.array(list("abcdefg"))},
    "votes of other rows": {"train_votes": np.zeros((6, 10), np.uint8)},
    "nine votes": {"train_votes": np.zeros((7, 9), np.uint8)},
    "no test": {"test_images": None},
    "another format": {"format": np.array("fernb-faces-0")},
    "numbers for the source": {"source": np.array(3)},
    "too much": {"source": np.array("x" * 40_000)},
}


@pytest.mark.parametrize("name", CACHES)
def test_a_cache_that_does_not_fit_is_refused(name, monkeypatch):
    monkeypatch.setattr(loading, "MAX_ARRAY", 100_000)
    assert "not a whole cache" in read("cache.npz", cache_of(**CACHES[name]))


def test_a_header_that_lies_takes_no_memory():
    """Numbers of faces that no file holds: 10**12 of them were asked of the system."""
    data = bytearray(cache_of())
    for old, new in (
        (b"'shape': (7, 48, 48)", b"'shape':(10**9,48,8)"),
        (b"'shape': (7, 48, 48)", b"'shape': (9**9,4, 8)"),
    ):
        assert "not a whole cache" in read("cache.npz", bytes(data).replace(old, new))
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(cache_of())) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            content = source.read(name).replace(b"(7, 48, 48), }          ", b"(999999999, 48, 48), }  ")
            target.writestr(name, content)
    assert "not a whole cache" in read("cache.npz", packed.getvalue())


def test_sets_without_faces_have_no_duplicates():
    none = FaceSet(np.empty((0, 48, 48), np.uint8), np.empty(0, np.int64))
    some = FaceSet(IMAGES, np.arange(7))
    assert duplicated(none, some).shape == (0,) and not duplicated(some, none).any()


def test_a_failed_import_keeps_the_older_cache(tmp_path):
    (tmp_path / "good.csv").write_text(TABLE)
    (tmp_path / "bad.csv").write_text(TABLE + "9,x,y\n")
    import_data(tmp_path / "good.csv", tmp_path / "out.npz")
    with pytest.raises(DataError, match="row 8"):
        import_data(tmp_path / "bad.csv", tmp_path / "out.npz")
    assert len(load_cache(tmp_path / "out.npz").train) == 3
    assert sorted(os.listdir(tmp_path)) == ["bad.csv", "good.csv", "out.npz"]
