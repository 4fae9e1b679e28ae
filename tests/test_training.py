"""Training: recipes, batches that repeat, a run that is killed and goes on."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fernb import training
from fernb.augmentation import Augmentation
from fernb.data import FaceSet, make_splits
from fernb.errors import FernbError
from fernb.saliency import grad_cam


@pytest.fixture(scope="module")
def splits():
    """Two classes that a tiny network can tell: bright above or bright below."""
    rng = np.random.default_rng(5)
    labels = np.arange(96) % 2
    images = rng.integers(0, 90, (96, 48, 48), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[: 24 if label else 48][0 if label else 24 :] += 120
    faces = FaceSet(images, labels)
    return make_splits(
        faces.take(np.arange(64)), faces.take(np.arange(64, 80)), faces.take(np.arange(80, 96)), "stripes"
    )


TINY = training.Recipe("tiny", widths=(4, 8), epochs=3, batch_size=16, dropout=0, learning_rate=0.05, warmup=1)


def quiet(_line: str) -> None:
    pass


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(FernbError, match="lesson"):
        training.recipe("best")
    assert training.recipe("vgg", epochs=2).epochs == 2


def test_cosine_rises_then_falls_to_almost_nothing():
    recipe = replace(TINY, epochs=20, warmup=3, learning_rate=0.1)
    rates = [recipe.rate(epoch) for epoch in range(20)]
    assert rates[:4] == sorted(rates[:4]) and rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[3] == pytest.approx(0.1) and rates[-1] < 0.005


def test_batches_depend_on_seed_and_epoch_alone(splits):
    def batches(seed, epoch):
        made = training.FaceBatches(splits.train, 7, 20, Augmentation(), seed)
        made.start(epoch)
        return [made[i] for i in range(len(made))]

    first, again, later = batches(1, 4), batches(1, 4), batches(1, 5)
    assert [len(x) for x, _ in first] == [20, 20, 20, 4]
    for (x, y), (x2, y2) in zip(first, again, strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)
    assert any((x != x2).any() for (x, _), (x2, _) in zip(first, later, strict=True))
    assert np.concatenate([y for _, y in first]).sum(0).tolist()[:2] == [32, 32]


def test_augmentation_keeps_shape_and_can_be_nothing():
    images = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    changed = Augmentation()(images, np.random.default_rng(0))
    assert changed.shape == images.shape and changed.dtype == np.uint8 and (changed != images).any()
    still = Augmentation(rotation=0, scale=0, shift=0, flip=0, light=0, erase=0)(images, np.random.default_rng(0))
    assert np.abs(still.astype(int) - images).max() <= 1
    mirrored = Augmentation(rotation=0, scale=0, shift=0, flip=1, light=0, erase=0)(images, np.random.default_rng(0))
    assert np.abs(mirrored.astype(int) - images[:, :, ::-1]).max() <= 1


def test_train_learns_publishes_and_explains(splits, tmp_path):
    lines = []
    model, history = training.train(splits, TINY, tmp_path / "run", report=lines.append)
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert len(lines) == len(history["loss"]) == 3 and "val_accuracy" in lines[0]
    assert list((tmp_path / "run" / "tensorboard").rglob("*tfevents*"))
    path, sidecar = training.publish(
        model, history, splits, TINY, tmp_path / "tiny.keras", {"command": "test", "seed": 1}
    )
    assert path.is_file() and path.with_suffix(".tflite").is_file()
    assert sidecar == json.loads(path.with_suffix(".json").read_text())
    assert sidecar["data"]["digest"] == splits.digest and sidecar["metrics"]["val"]["n"] == 16
    heat = grad_cam(model, splits.test.images[:3])
    assert heat.shape == (3, 48, 48) and heat.dtype == np.float32 and 0 <= heat.min() <= heat.max() <= 1


def test_the_epoch_kept_is_the_best_on_val(splits, tmp_path):
    model, history = training.train(splits, replace(TINY, schedule="plateau"), tmp_path, report=quiet)
    probs = model.predict(training.as_input(splits.val.images), verbose=0)
    assert (probs.argmax(1) == splits.val.labels).mean() == pytest.approx(max(history["val_accuracy"]), abs=1e-6)


class Killed(Exception):
    pass


def test_a_killed_run_goes_on(splits, tmp_path):
    def die_after_two(line: str) -> None:
        if line.startswith("epoch   3"):
            raise Killed

    recipe = replace(TINY, epochs=5)
    with pytest.raises(Killed):
        training.train(splits, recipe, tmp_path / "a", report=die_after_two)
    before = training.read_history(tmp_path / "a" / "history.csv")
    lines = []
    _, history = training.train(splits, recipe, tmp_path / "a", resume=True, report=lines.append)
    assert lines and not lines[0].startswith("epoch   1")
    assert history["loss"][:2] == before["loss"][:2]
    _, unbroken = training.train(splits, recipe, tmp_path / "b", report=quiet)
    np.testing.assert_allclose(history["loss"][-1], unbroken["loss"][-1], rtol=0.05)


def test_without_resume_an_old_run_is_forgotten(splits, tmp_path):
    training.train(splits, replace(TINY, epochs=1), tmp_path, report=quiet)
    _, history = training.train(splits, replace(TINY, epochs=1), tmp_path, report=quiet)
    assert len(history["loss"]) == 1
    assert training.read_history(tmp_path / "nothing.csv") == {}
