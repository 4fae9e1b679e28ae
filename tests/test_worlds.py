"""The harder drawn faces: FER2013's imbalance, a known share of wrong labels, and the same faces every time."""

import numpy as np
import pytest

import fernb
from fernb import config
from fernb.data import loading, worlds
from fernb.data.faceset import FaceSet, make_splits
from fernb.errors import DataError

SIZES = (210, 21, 21)


@pytest.fixture(scope="module")
def splits():
    return worlds.world_splits(worlds.COMMON, 5, SIZES)


def test_emotions_are_as_frequent_as_in_fer2013():
    labels = worlds.draw_labels(2800, np.random.default_rng(1))
    shares = np.bincount(labels, minlength=7) / 2800
    assert shares == pytest.approx(np.array([3995, 436, 4097, 7215, 4830, 3171, 4965]) / 28709, abs=0.001)


def test_train_has_the_share_of_wrong_labels_that_its_world_says(splits):
    truth = worlds.true_labels(worlds.COMMON, 5, SIZES[0])
    wrong = (splits.train.labels != truth).mean()
    assert wrong == pytest.approx(worlds.COMMON.wrong, abs=1 / SIZES[0])
    assert np.array_equal(np.bincount(splits.train.labels), np.bincount(truth))


def test_labels_of_one_class_alone_cannot_be_wrong():
    labels = np.zeros(40, np.int64)
    assert np.array_equal(worlds.mislabel(labels, 0.0, np.random.default_rng(0)), labels)
    with pytest.raises(DataError, match="swap"):
        worlds.mislabel(labels, 0.2, np.random.default_rng(0))


def test_faces_have_shape_and_type_and_differ(splits):
    assert [len(part) for part in splits.parts().values()] == list(SIZES)
    every = np.concatenate([part.images for part in splits.parts().values()])
    assert every.shape == (sum(SIZES), 48, 48) and every.dtype == np.uint8
    assert len(np.unique(every.reshape(len(every), -1), axis=0)) == len(every)
    assert (every.reshape(len(every), -1).std(1) > 4).all()


def test_the_same_seed_draws_the_same_faces_and_worlds_differ(splits):
    assert worlds.world_splits(worlds.COMMON, 5, (3, 21, 1)).val.images.tobytes() == splits.val.images.tobytes()
    shifted = worlds.world_splits(worlds.NIGHT, 5, (1, 21, 1))
    assert shifted.source != splits.source and shifted.val.images.tobytes() != splits.val.images.tobytes()


def test_an_expression_is_weaker_than_at_its_full():
    rng = np.random.default_rng(0)
    smiles = [worlds.shown("happy", worlds.COMMON, rng)[12] for _ in range(200)]
    assert min(smiles) < 0.5 and max(smiles) <= 1
    assert any(worlds.shown("neutral", worlds.COMMON, rng) for _ in range(50)), "traces of another emotion"


def test_drawn_faces_are_drawn_once_and_kept(monkeypatch, tmp_path):
    drawn = []

    def draw(world):
        drawn.append(world)
        faces = FaceSet(np.zeros((2, 48, 48), np.uint8), np.zeros(2, np.int64))
        return make_splits(faces, faces, faces, world.name)

    monkeypatch.setattr(config, "WORKSPACE", tmp_path)
    monkeypatch.setattr(worlds, "world_splits", draw)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "synthetic-000000000000.npz").touch()
    for _ in range(2):
        loading._drawn.cache_clear()
        splits = fernb.load_faces("synthetic")
        assert splits.source == worlds.COMMON.name and not splits.train.images.flags.writeable
    loading._drawn.cache_clear()
    assert drawn == [worlds.COMMON]
    assert len(list((tmp_path / "data").iterdir())) == 1, "what an older fernb drew is gone"
