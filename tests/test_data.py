"""Every layout of FER2013 gives the same arrays; bad input gives one sentence and leaves nothing behind."""

import gzip
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fernb import config
from fernb.data import archives, faceset, fer2013, ferplus, loading
from fernb.data.faceset import FaceSet, describe, duplicated, make_splits
from fernb.data.ferplus import ferplus_splits
from fernb.data.loading import import_data, load_cache, load_faces
from fernb.errors import DataError
from fernb.labels import EMOTIONS, EMOTIONS_8, FERPLUS_COLUMNS, VOTE_COLUMNS

USAGES = ("Training", "PublicTest", "PrivateTest")
rng = np.random.default_rng(1)
IMAGES = rng.integers(0, 256, (28, 48, 48), dtype=np.uint8)
LABELS = np.arange(28) % 7
USAGE = [USAGES[min(i // 14, 1) + (i >= 21)] for i in range(28)]  # 14 Training, 7 PublicTest, 7 PrivateTest


def row(i: int) -> str:
    return f"{LABELS[i]},{' '.join(map(str, IMAGES[i].ravel()))},{USAGE[i]}\n"


TABLE = "emotion,pixels,Usage\n" + "".join(map(row, range(28)))


def check(splits) -> None:
    assert [len(part) for part in splits.parts().values()] == [14, 7, 7]
    for part, start in zip(splits.parts().values(), (0, 14, 21), strict=True):
        np.testing.assert_array_equal(part.images, IMAGES[start : start + len(part)])
        np.testing.assert_array_equal(part.labels, LABELS[start : start + len(part)])
        assert part.images.dtype == np.uint8 and part.labels.dtype == np.int64


def write_folders(folder: Path) -> None:
    for i in range(28):
        top = "train" if USAGE[i] == "Training" else "test"
        path = folder / top / EMOTIONS[LABELS[i]] / f"{USAGE[i]}_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[i]).save(path)


def zip_of(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
    return path


@pytest.mark.parametrize("name", ["fer2013.csv", "fer2013.csv.gz", "fer2013.csv.xz", "fer2013.csv.zip", "mine.csv"])
def test_csv_packed_or_not(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("fer2013.csv", TABLE)
    else:
        opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
        with opener(path, "wt") as file:
            file.write(TABLE)
    check(load_faces(path))


def test_icml_with_blanks_in_its_header(tmp_path):
    lines = ["emotion, Usage, pixels\n"]
    for i in range(28):
        label, pixels, usage = row(i).strip().split(",")
        lines.append(f"{label},{usage},{pixels}\n")
    (tmp_path / "icml_face_data.csv").write_text("".join(lines))
    check(load_faces(tmp_path / "icml_face_data.csv"))
    check(load_faces(tmp_path))
    check(load_faces(zip_of(tmp_path, tmp_path.parent / "archive.zip")))
    with tarfile.open(tmp_path.parent / "fer2013.tar.gz", "w:gz") as archive:
        archive.add(tmp_path, "fer2013")
    check(load_faces(tmp_path.parent / "fer2013.tar.gz"))


def sorted_set(faces: FaceSet) -> list:
    return sorted((int(label), image.tobytes()) for image, label in zip(faces.images, faces.labels, strict=True))


@pytest.mark.parametrize("packed", [False, True])
def test_image_folders(tmp_path, packed):
    write_folders(tmp_path / "set")
    source = zip_of(tmp_path / "set", tmp_path / "set.zip") if packed else tmp_path / "set"
    splits = load_faces(source)
    for part, start in zip(splits.parts().values(), (0, 14, 21), strict=True):
        stop = start + len(part)
        assert sorted_set(part) == sorted_set(FaceSet(IMAGES[start:stop], LABELS[start:stop]))


def test_folders_without_names_cut_val_from_train_and_say_so(tmp_path):
    for i in range(28):
        path = tmp_path / ("train" if i < 20 else "test") / ("happy" if i % 2 else "Anger") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[i]).save(path)
    splits = load_faces(tmp_path)
    assert [len(part) for part in splits.parts().values()] == [18, 2, 8]
    assert "val cut from train" in splits.source
    assert set(splits.train.labels) == {EMOTIONS.index("angry"), EMOTIONS.index("happy")}


def test_a_folder_for_each_emotion_is_a_test_set(tmp_path):
    for i in (0, 3, 10, 17):
        path = tmp_path / "posed" / EMOTIONS[LABELS[i]] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[i]).save(path)
    splits = load_faces(tmp_path / "posed", for_test=True)
    assert [len(part) for part in splits.parts().values()] == [0, 0, 4] and splits.source.startswith("posed")
    assert sorted_set(splits.test) == sorted_set(FaceSet(IMAGES[[0, 3, 10, 17]], LABELS[[0, 3, 10, 17]]))
    assert "0 of test are also in train" in describe(splits)[-1]
    with pytest.raises(DataError, match="fernb predict --data"):
        load_faces(tmp_path / "posed")
    with pytest.raises(DataError, match="fernb predict --data"):
        import_data(tmp_path / "posed", tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()


def test_kaggles_train_and_test_tables(tmp_path):
    lines = [",".join(row(i).split(",")[:2]) for i in range(28)]
    (tmp_path / "train.csv").write_text("emotion,pixels\n" + "\n".join(lines[:20]) + "\n")
    (tmp_path / "test.csv").write_text("pixels\n" + "\n".join(line.split(",")[1] for line in lines[20:]) + "\n")
    unlabelled = load_faces(tmp_path)
    assert [len(part) for part in unlabelled.parts().values()] == [16, 2, 2]
    assert "val and test cut from train" in unlabelled.source
    (tmp_path / "test_with_emotions.csv").write_text("emotion,pixels\n" + "\n".join(lines[20:]) + "\n")
    splits = load_faces(tmp_path / "train.csv")
    np.testing.assert_array_equal(splits.test.images, IMAGES[20:])
    seen = sorted_set(splits.train) + sorted_set(splits.val)
    assert sorted(seen) == sorted_set(FaceSet(IMAGES[:20], LABELS[:20]))


# --- votes -------------------------------------------------------------------------------------------


def write_votes(path: Path, votes: np.ndarray, usage=USAGE) -> None:
    """``votes`` in the order of FER+'s own columns."""
    lines = ["Usage,Image name," + ",".join(FERPLUS_COLUMNS)]
    lines += [
        f"{use},fer{9 * i:07d}.png," + ",".join(map(str, vote))
        for i, (use, vote) in enumerate(zip(usage, votes, strict=True))
    ]
    path.write_text("\n".join(lines) + "\n")


def test_votes_are_remapped_by_name(tmp_path):
    (tmp_path / "fer2013.csv").write_text(TABLE)
    votes = np.zeros((28, 10), int)
    votes[:, 1] = 7  # happiness
    votes[:, 7] = 3  # contempt
    write_votes(tmp_path / "fer2013new.csv", votes)
    splits = load_faces(tmp_path / "fer2013.csv")
    assert (splits.test.votes[:, VOTE_COLUMNS.index("happy")] == 7).all()
    assert (splits.test.votes[:, VOTE_COLUMNS.index("contempt")] == 3).all()
    eight = ferplus_splits(splits)
    assert eight.classes == EMOTIONS_8 and (eight.train.labels == EMOTIONS_8.index("happy")).all()


@pytest.mark.parametrize("usage", [USAGE[1:] + USAGE[:1], USAGE[:-1]])
def test_votes_of_other_rows_are_refused(tmp_path, usage):
    (tmp_path / "fer2013.csv").write_text(TABLE)
    write_votes(tmp_path / "votes.csv", np.ones((len(usage), 10), int), usage)
    with pytest.raises(DataError, match=r"votes\.csv"):
        import_data(tmp_path / "fer2013.csv", tmp_path / "out.npz", votes=tmp_path / "votes.csv")
    assert not (tmp_path / "out.npz").exists()


def test_ferplus_protocol_by_hand():
    #          ang dis fea hap sad sur neu con unk  nf
    rows = [
        [0, 0, 0, 9, 0, 0, 1, 0, 0, 0],  # clear
        [5, 0, 0, 5, 0, 0, 0, 0, 0, 0],  # a tie
        [0, 0, 0, 3, 2, 2, 2, 0, 1, 0],  # most, but no majority
        [2, 0, 0, 2, 0, 0, 0, 0, 6, 0],  # unknown wins
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],  # not a face
        [1, 1, 1, 5, 1, 1, 0, 0, 0, 0],  # a majority once single votes are dropped
    ]
    faces = FaceSet(IMAGES[:6], LABELS[:6], np.array(rows, np.uint8))
    splits = make_splits(faces, faces, faces, "made up")
    kept = {
        name: [
            int(np.flatnonzero((IMAGES[:6] == image).all((1, 2)))[0])
            for image in ferplus_splits(splits, name).test.images
        ]
        for name in ferplus.FERPLUS_SUBSETS
    }
    assert kept == {"not_nf": [0, 1, 2, 3, 5], "plurality": [0, 1, 2, 5], "unique": [0, 2, 5], "majority": [0, 5]}
    with pytest.raises(DataError, match="no FER"):
        ferplus_splits(splits, "best")
    with pytest.raises(DataError, match="have no FER"):
        ferplus_splits(make_splits(*[FaceSet(IMAGES, LABELS)] * 3, "made up"))


# --- bad input ---------------------------------------------------------------------------------------

BAD_ROWS = {
    "one pixel short": ("3," + " ".join(["7"] * 2303) + ",Training", "2,303 pixels"),
    "not a number": ("3," + " ".join(["7"] * 2303 + ["x"]) + ",Training", "not whole numbers"),
    "negative": ("3," + " ".join(["7"] * 2303 + ["-1"]) + ",Training", "not whole numbers"),
    "above 255": ("3," + " ".join(["7"] * 2303 + ["256"]) + ",Training", "outside 0..255"),
    "far above": ("3," + " ".join(["7"] * 2303 + ["99999999999999999999"]) + ",Training", "pixel"),
    "unknown label": ("7," + " ".join(["7"] * 2304) + ",Training", "unknown emotion '7'"),
    "no label": ("," + " ".join(["7"] * 2304) + ",Training", "unknown emotion"),
    "unknown usage": ("3," + " ".join(["7"] * 2304) + ",Final", "unknown Usage 'Final'"),
    "empty": ("3", "Usage"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_named_or_skipped(tmp_path, name):
    bad, reason = BAD_ROWS[name]
    path, out = tmp_path / "fer2013.csv", tmp_path / "cache.npz"
    lines = TABLE.splitlines()
    path.write_text("\n".join([*lines[:6], bad, *lines[6:]]) + "\n")
    with pytest.raises(DataError, match="row 6") as caught:
        import_data(path, out)
    assert reason in str(caught.value) and "--skip-bad-rows" in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]  # nothing half-written
    report = import_data(path, out, skip_bad_rows=True)
    assert report.skipped == 1 and any("skipped 1 bad" in line for line in report.lines())
    check(load_faces(out))


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_wild_pixels_never_pass(text):
    with pytest.raises(DataError):
        fer2013._pixels(text)


def test_files_that_are_not_fer2013(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    (tmp_path / "header.csv").write_text("emotion,pixels,Usage\n")
    (tmp_path / "noise.csv").write_bytes(bytes(range(256)) * 20)
    whole = lzma.compress(TABLE.encode())
    (tmp_path / "cut.csv.xz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(TABLE.encode())[:-200])
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04" + bytes(50))
    (tmp_path / "cut.tar.gz").write_bytes(b"not a tar")
    (tmp_path / "other.npz").write_bytes(b"not a zip")
    with zipfile.ZipFile(tmp_path / "letters.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    for name in (
        "empty",
        "wrong.csv",
        "header.csv",
        "noise.csv",
        "cut.csv.xz",
        "cut.csv.gz",
        "cut.zip",
        "other.npz",
        "letters.zip",
        "absent.csv",
    ):
        with pytest.raises(DataError) as caught:
            load_faces(tmp_path / name)
        assert "\n" not in str(caught.value) and len(str(caught.value)) > 20


def test_a_zip_bomb_ends_early(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED", 10_000)
    with gzip.open(tmp_path / "fer2013.csv.gz", "wt") as file:
        file.write(TABLE)
    with pytest.raises(DataError, match="unpacks to more than"):
        load_faces(tmp_path / "fer2013.csv.gz")


def test_an_image_of_another_size_is_named(tmp_path):
    write_folders(tmp_path)
    Image.new("L", (64, 64)).save(tmp_path / "train" / "happy" / "Training_99.png")
    with pytest.raises(DataError, match=r"Training_99\.png.*64x64"):
        load_faces(tmp_path)
    (tmp_path / "train" / "happy" / "Training_99.png").write_bytes(b"no image")
    assert import_data(tmp_path, tmp_path / "o.npz", skip_bad_rows=True).skipped == 1


def test_an_object_array_is_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.savez(tmp_path / "trap.npz", format=np.array([Trap()], dtype=object))
    with pytest.raises(DataError):
        load_cache(tmp_path / "trap.npz")
    assert not (tmp_path / "sprung").exists()


# --- sources, duplicates -----------------------------------------------------------------------------


def test_auto_prefers_real_data_and_says_what_it_took(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(config, "CACHE", tmp_path / "none.npz")
    monkeypatch.delenv("FERNB_DATA", raising=False)
    assert load_faces().source == "drawn faces"
    assert "FER2013 was not found" in capsys.readouterr().out
    with pytest.raises(DataError, match="fernb data import"):
        load_faces("fer2013")
    (tmp_path / "fer2013.csv").write_text(TABLE)
    monkeypatch.setenv("FERNB_DATA", str(tmp_path / "fer2013.csv"))
    check(load_faces())
    assert "FER2013" in capsys.readouterr().out


def test_duplicates_within_and_across():
    repeated = FaceSet(IMAGES[[0, 1, 1, 2]], LABELS[:4])
    assert duplicated(repeated, FaceSet(IMAGES[[1, 9]], LABELS[:2])).tolist() == [False, True, True, False]
    assert faceset.redundant(repeated) == 1
    lines = describe(make_splits(repeated, repeated, repeated, "made up"))
    assert "4 of test are also in train" in lines[-1]


def test_sample_and_limit():
    faces = FaceSet(IMAGES, LABELS, np.zeros((28, 10), np.uint8))
    few = faces.sample(5)
    assert len(few) == len(few.votes) == 5 and sorted_set(few) == sorted_set(faces.sample(5))
    assert len(faces.sample(None)) == len(faces.sample(99)) == 28
    assert [len(part) for part in make_splits(faces, faces, faces, "x").limit(3, None, 1).parts().values()] == [
        3,
        28,
        1,
    ]


def test_fetch_says_what_to_do_by_hand(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError, match=r"fernb\[kaggle\].*fernb data import"):
        loading.fetch()


@pytest.mark.skipif(
    "FERNB_TEST_FER2013" not in os.environ, reason="needs FER2013: set FERNB_TEST_FER2013 to its folder"
)
def test_the_real_set(tmp_path):
    folder = Path(os.environ["FERNB_TEST_FER2013"])
    splits = import_data(next(folder.glob("fer2013.csv*")), tmp_path / "real.npz").splits
    assert [len(part) for part in splits.parts().values()] == [28_709, 3_589, 3_589]
    assert np.bincount(splits.train.labels).tolist() == [3995, 436, 4096, 7215, 4830, 3171, 4966]
    assert duplicated(splits.test, splits.train).sum() == 289 and duplicated(splits.val, splits.train).sum() == 281
    sizes = {name: len(ferplus_splits(splits, name).test) for name in ferplus.FERPLUS_SUBSETS}
    assert sizes == {"not_nf": 3573, "plurality": 3546, "unique": 3376, "majority": 3153}
