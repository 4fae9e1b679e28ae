"""Training: recipes, batches that repeat, a run that is killed and goes on."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from fernb import config, training
from fernb.data.faceset import FaceSet, make_splits
from fernb.errors import DataError, FernbError, ModelError
from fernb.evaluation import apply_temperature
from fernb.labels import EMOTIONS, EMOTIONS_8
from fernb.networks.architectures import (
    HEAD,
    VOTES_HEAD,
    NetworkConfig,
    build_resnet,
    one_head,
    start_from,
    with_votes_head,
)
from fernb.networks.recogniser import Recogniser
from fernb.networks.saliency import grad_cam
from fernb.training import loop, run
from fernb.training.augmentation import Augmentation
from fernb.training.batches import FaceBatches
from fernb.training.sharpness import Sharpness
from fernb.training.targets import distillation_targets, label_targets, vote_targets


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


SMALL = NetworkConfig("vgg", (4, 8), dropout=0)
TINY = training.Recipe("tiny", network=SMALL, epochs=3, batch_size=16, learning_rate=0.05, warmup=1)


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
        recipe = replace(TINY, augmentation=Augmentation(), batch_size=20, mixup=0.3)
        made = training.FaceBatches(
            splits.train, {HEAD: label_targets(splits.train, splits.classes)}, recipe=recipe, seed=seed
        )
        made.start(epoch)
        return [made[i] for i in range(len(made))]

    first, again, later = batches(1, 4), batches(1, 4), batches(1, 5)
    assert [len(batch[0]) for batch in first] == [20, 20, 20, 4]
    for batch, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(batch[0], same[0])
        np.testing.assert_array_equal(batch[1][HEAD], same[1][HEAD])
    assert any((batch[0] != other[0]).any() for batch, other in zip(first, later, strict=True))
    targets = np.concatenate([batch[1][HEAD] for batch in first])
    np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(targets.sum(0)[:2], [32, 32], atol=6)
    assert ((targets > 0.01) & (targets < 0.99)).any()  # mixed


def test_rare_emotions_are_drawn_or_weighted_up(splits):
    rare = splits.train.take(np.concatenate([np.flatnonzero(splits.train.labels == 0), [1, 3]]))
    targets = {HEAD: label_targets(rare, splits.classes)}
    drawn = training.FaceBatches(rare, targets, recipe=replace(TINY, balance="sampling"), seed=1)
    assert 4 < (rare.labels[drawn.order] == 1).sum() < 20 and len(drawn.order) == len(rare)
    weighted = training.FaceBatches(rare, targets, recipe=replace(TINY, balance="weights"), seed=1)
    plain = training.FaceBatches(rare, targets, recipe=TINY, seed=1)
    assert weighted.weights[HEAD][rare.labels == 1].min() == pytest.approx(
        4 * weighted.weights[HEAD][rare.labels == 0].max()
    )
    assert weighted.weights[HEAD].mean() == pytest.approx(1) and (plain.weights[HEAD] == 1).all()


def test_augmentation_keeps_shape_and_can_be_nothing():
    images = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    changed = Augmentation()(images, np.random.default_rng(0))
    assert changed.shape == images.shape and changed.dtype == np.uint8 and (changed != images).any()
    still = Augmentation(rotation=0, scale=0, shift=0, flip=0, light=0, erase=0)(images, np.random.default_rng(0))
    assert np.abs(still.astype(int) - images).max() <= 1
    mirrored = Augmentation(rotation=0, scale=0, shift=0, flip=1, light=0, erase=0)(images, np.random.default_rng(0))
    assert np.abs(mirrored.astype(int) - images[:, :, ::-1]).max() <= 1


def test_a_bad_camera_spoils_some_faces():
    images = np.full((40, 48, 48), 100, np.uint8)
    still = Augmentation(rotation=0, scale=0, shift=0, flip=0, light=0, erase=0, bad_camera=0.5)
    changed = still(images, np.random.default_rng(0))
    spoilt = changed.std((1, 2)) > 0.2
    assert 10 < spoilt.sum() < 30 and changed.dtype == np.uint8
    assert 4 < changed.std((1, 2)).max() < 17  # blur of an even face is nothing; noise reaches 16 levels
    assert (changed[~spoilt] == 100).all()


def test_a_start_lends_what_fits(splits, tmp_path):
    first, _ = training.train(splits, TINY, run=tmp_path / "first", progress=quiet)
    eight = TINY.build(8)
    head = eight.get_layer("emotion").get_weights()[0]
    assert start_from(eight, first) == sum(bool(layer.weights) for layer in first.layers) - 1
    np.testing.assert_array_equal(
        eight.get_layer("block1_conv1").get_weights()[0], first.get_layer("block1_conv1").get_weights()[0]
    )
    np.testing.assert_array_equal(eight.get_layer("emotion").get_weights()[0], head)  # other emotions, its own head
    second_head = one_head(with_votes_head(first), VOTES_HEAD)  # of the same emotions, by another name
    assert start_from(eight, second_head) == sum(bool(layer.weights) for layer in first.layers)
    np.testing.assert_array_equal(eight.get_layer("emotion").get_weights()[0], second_head.layers[-1].get_weights()[0])
    still = replace(TINY, epochs=1, learning_rate=1e-9)
    _, history = training.train(splits, still, run=tmp_path / "second", progress=quiet, start=first)
    kept = first.evaluate(
        training.as_input(splits.val.images), label_targets(splits.val, splits.classes), verbose=0, return_dict=True
    )
    assert history["val_accuracy"][0] == pytest.approx(kept["accuracy"], abs=0.07)
    with pytest.raises(ModelError, match="same recipe"):
        start_from(build_resnet(widths=(4,)), first)


def test_train_learns_publishes_and_explains(splits, tmp_path):
    lines = []
    model, history = training.train(splits, TINY, run=tmp_path / "run", progress=lines.append)
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert len(lines) == len(history["loss"]) == 3 and "val_accuracy" in lines[0]
    assert list((tmp_path / "run" / "tensorboard").rglob("*tfevents*"))
    how = {"command": "test", "seed": 1}
    path, sidecar = training.publish(model, splits, history=history, recipe=TINY, path=tmp_path / "tiny.keras", how=how)
    assert path.is_file() and path.with_suffix(".tflite").is_file()
    assert sidecar == json.loads(path.with_suffix(".json").read_text())
    answers = Recogniser(path).predict(splits.test.images)
    as_trained = model.predict(training.as_input(splits.test.images), verbose=0)
    np.testing.assert_allclose(answers, apply_temperature(as_trained, sidecar["temperature"]), atol=2e-3)
    lent = run.uncalibrated(path).predict(training.as_input(splits.test.images), verbose=0)
    np.testing.assert_allclose(lent, as_trained, atol=2e-3)  # what --start begins with
    assert sidecar["data"]["digest"] == splits.digest and sidecar["metrics"]["val"]["n"] == 16
    assert "votes" not in sidecar["data"]
    heat = grad_cam(model, splits.test.images[:3])
    assert heat.shape == (3, 48, 48) and heat.dtype == np.float32 and 0 <= heat.min() <= heat.max() <= 1


def test_the_history_tells_of_the_whole_epoch_and_not_of_its_last_batch(splits, tmp_path):
    network = replace(SMALL, normalise=False)  # normalisation would see other batches than predict does
    still = replace(TINY, network=network, augmentation=None, epochs=1, batch_size=40, learning_rate=1e-12)
    model, history = training.train(splits, still, run=tmp_path, progress=quiet)
    probs = model.predict(training.as_input(splits.train.images), verbose=0)
    assert history["accuracy"][0] == pytest.approx((probs.argmax(1) == splits.train.labels).mean())


def test_the_epoch_kept_is_the_best_on_val(splits, tmp_path):
    model, history = training.train(splits, replace(TINY, schedule="plateau"), run=tmp_path, progress=quiet)
    probs = model.predict(training.as_input(splits.val.images), verbose=0)
    assert (probs.argmax(1) == splits.val.labels).mean() == pytest.approx(max(history["val_accuracy"]), abs=1e-6)


def test_without_resume_an_old_run_is_forgotten(splits, tmp_path):
    training.train(splits, replace(TINY, epochs=1), run=tmp_path, progress=quiet)
    _, history = training.train(splits, replace(TINY, epochs=1), run=tmp_path, progress=quiet)
    assert len(history["loss"]) == 1
    assert training.read_history(tmp_path / "nothing.csv") == {}


def test_a_finished_run_is_published_again_without_training(splits, tmp_path):
    first, _ = training.train(splits, TINY, run=tmp_path, progress=quiet)
    lines = []
    second, history = training.train(splits, TINY, run=tmp_path, resume=True, progress=lines.append)
    assert not lines and len(history["loss"]) == 3
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": replace(SMALL, architecture="resnet", stochastic_depth=0.2, blocks=2)},
        {"ema": 0.9, "mixup": 0.2},
        {"sharpness": 0.1},
        {"focal": 2.0, "balance": "weights"},
        {"network": replace(SMALL, architecture="resnet", squeeze=False, normalise=False)},
        {"network": replace(SMALL, architecture="early_pooling"), "sides": ((0, 32), (2, 40)), "schedule": "trapezoid"},
    ],
    ids=str,
)
def test_every_lever_trains_and_keeps_its_best_epoch(splits, tmp_path, changes):
    model, history = training.train(splits, replace(TINY, **changes), run=tmp_path, progress=quiet)
    probs = model.predict(training.as_input(splits.val.images), verbose=0)
    assert (probs.argmax(1) == splits.val.labels).mean() == pytest.approx(max(history["val_accuracy"]), abs=1e-6)


def test_a_sharpness_aware_step_takes_the_gradient_uphill():
    """By hand for a softmax regression: down the gradient of the weights that are 0.5 away, uphill."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(20, 4)).astype(np.float32), np.eye(3, dtype=np.float32)[rng.integers(3, size=20)]
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", use_bias=False)(inputs))
    model.compile(keras.optimizers.SGD(0.1), loss="categorical_crossentropy")

    def gradient(weights):
        scores = np.exp(x @ weights)
        return x.T @ (scores / scores.sum(1, keepdims=True) - y) / len(x)

    (start,) = model.get_weights()
    uphill = gradient(start)
    wanted = start - 0.1 * gradient(start + 0.5 * uphill / np.linalg.norm(uphill))
    sharpness = Sharpness(model, 0.5, loss="categorical_crossentropy")
    sharpness.train_on_batch(loop._train_on_batch, model, x, y, np.ones(20, np.float32))
    np.testing.assert_allclose(model.get_weights()[0], wanted, atol=1e-5)


def test_teachers_answer_for_the_very_images_that_the_student_sees(splits):
    seen = []

    def teacher(images):
        seen.append(images)
        return np.full((len(images), 7), 1 / 7, np.float32)

    recipe = replace(TINY, sides=((0, 24),))
    labels = label_targets(splits.train, splits.classes)
    batches = FaceBatches(splits.train, {HEAD: labels}, recipe=recipe, seed=1, teachers={HEAD: [teacher]})
    inputs, targets, _ = batches[0]
    assert seen[0].shape == (16, 48, 48) and inputs.shape == (16, 24, 24, 1)
    np.testing.assert_array_equal(inputs, training.as_input(seen[0], side=24))
    assert not any((image == splits.train.images).all((1, 2)).any() for image in seen[0])  # augmented
    rows = batches.order[:16]
    np.testing.assert_allclose(targets[HEAD], distillation_targets(labels[rows], [np.full((16, 7), 1 / 7)]), atol=1e-6)
    assert (targets[HEAD].argmax(1) == splits.train.labels[rows]).all() and targets[HEAD].max() < 0.5


def test_teachers_do_not_see_what_a_bad_camera_does(splits):
    seen = []

    def teacher(images):
        seen.append(images)
        return np.full((len(images), 7), 1 / 7, np.float32)

    still = Augmentation(rotation=0, scale=0, shift=0, flip=0, light=0, erase=0, bad_camera=0.5, dark=0.5)
    labels = label_targets(splits.train, splits.classes)
    recipe = replace(TINY, augmentation=still)
    batches = FaceBatches(splits.train, {HEAD: labels}, recipe=recipe, seed=1, teachers={HEAD: [teacher]})
    inputs = batches[0][0][..., 0]
    rows = batches.order[:16]
    np.testing.assert_array_equal(seen[0], splits.train.images[rows])
    means = inputs.mean((1, 2)) / seen[0].mean((1, 2))
    assert (means < 0.8).any(), "some are in the dark"
    assert 0 < (inputs == seen[0]).all((1, 2)).sum() < 16, "some are as they were"


def test_batches_in_order_are_those_made_one_by_one(splits):
    batches = FaceBatches(splits.train, {HEAD: label_targets(splits.train, splits.classes)}, recipe=TINY, seed=1)
    for index, (inputs, _, _) in enumerate(batches):
        np.testing.assert_array_equal(inputs, batches[index][0])
    assert index == len(batches) - 1


def test_a_teacher_of_other_emotions_is_told_before_training(splits, tmp_path):
    with pytest.raises(FernbError, match=r"ferplus_int8\.tflite cannot teach: .* contempt; the data has"):
        training.train_and_publish(
            TINY,
            splits,
            run=tmp_path,
            path=tmp_path / "n.keras",
            teachers=[config.MODEL / "ferplus_int8.tflite"],
            how={},
        )


def test_votes_become_distributions():
    votes = np.zeros((3, 10), np.uint8)
    votes[0, [0, 4, 9]] = 3, 1, 6  # angry, sad, not a face
    votes[1, 8] = 10  # unknown only: falls back to the label
    votes[2, [6, 7]] = 5, 5  # neutral, contempt
    faces = FaceSet(np.zeros((3, 48, 48), np.uint8), np.array([0, 2, 6]), votes)
    seven, eight = vote_targets(faces, EMOTIONS), vote_targets(faces, EMOTIONS_8)
    np.testing.assert_allclose(seven[0], [0.75, 0, 0, 0, 0.25, 0, 0])
    np.testing.assert_allclose(seven[1], np.eye(7)[2])
    np.testing.assert_allclose([seven[2, 6], eight[2, 6], eight[2, 7]], [1, 0.5, 0.5])
    with pytest.raises(DataError, match="no FER\\+ votes"):
        vote_targets(FaceSet(faces.images, faces.labels), EMOTIONS)


def test_images_are_small_from_the_first_epoch_on_and_whole_while_the_rate_falls():
    growing = training.recipe("long", epochs=8, decay=0.25, sides=((0, 32), (4, 40)))
    assert [growing.side(epoch) for epoch in range(8)] == [32, 32, 32, 32, 40, 40, 48, 48]
    assert training.recipe("long", sides=()).side(0) == 48
