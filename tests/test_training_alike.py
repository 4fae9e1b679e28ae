"""Networks of one kind that share a compiled training step learn as they would with fit."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

from fernb.training import alike, fit_alike  # noqa: E402

RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(40, 6, 6, 1)).astype("float32"), np.arange(40) % 3
OPTIONS = {"epochs": 2, "batch_size": 8, "verbose": 0, "validation_data": (X[:9], Y[:9])}


def network(seed, share=0.3, rate=0.01, residual=False):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6, 6, 1))
    x = layers.BatchNormalization()(layers.Conv2D(1, 3, padding="same")(inputs))
    y = layers.Conv2D(1, 3, padding="same")(x)
    x = layers.Add()([y, x if residual else inputs])  # the same layers, wired in two ways
    x = layers.Dropout(share)(layers.Flatten()(layers.RandomFlip("horizontal")(x)))
    net = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    schedule = keras.optimizers.schedules.CosineDecay(rate, 10)
    net.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net


@pytest.fixture(autouse=True)
def no_learners(monkeypatch):
    monkeypatch.setattr(alike, "_LEARNERS", {})


def test_every_seed_learns_as_with_fit_and_one_learner_serves_them_all():
    for seed in (1, 2, 1):
        by_fit = network(seed)
        expected = by_fit.fit(X, Y, **OPTIONS).history
        shared = network(seed)
        history = fit_alike(shared, X, Y, **OPTIONS).history
        for metric, values in expected.items():
            np.testing.assert_allclose(history[metric], values, rtol=1e-4)
        for one, other in zip(by_fit.variables, shared.variables, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-5)
        assert int(shared.optimizer.iterations.numpy()) == 10
    assert len(alike._LEARNERS) == 1


def test_another_layer_another_rate_or_another_wiring_is_another_kind():
    for net in (network(1), network(1, share=0.2), network(1, rate=0.02), network(1, residual=True)):
        fit_alike(net, X, Y, **OPTIONS)
    assert len(alike._LEARNERS) == 4


def test_a_trained_network_goes_on_learning_where_it_was():
    by_fit, shared = network(1), network(1)
    for _ in range(2):
        keras.utils.set_random_seed(3)
        expected = by_fit.fit(X, Y, **OPTIONS).history["loss"]
        keras.utils.set_random_seed(3)
        np.testing.assert_allclose(fit_alike(shared, X, Y, **OPTIONS).history["loss"], expected, rtol=1e-4)


def test_a_trained_network_is_saved_and_comes_back_without_a_warning(tmp_path, recwarn):
    net = network(1)
    fit_alike(net, X, Y, **OPTIONS)
    net.save(tmp_path / "net.keras")
    back = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_allclose(np.asarray(back(X, training=False)), np.asarray(net(X, training=False)), atol=1e-5)
    assert not [str(warning.message) for warning in recwarn if "optimizer" in str(warning.message)]


def test_networks_of_the_lesson_with_random_layers_are_of_one_kind():
    for seed in (1, 2, 3):
        keras.utils.set_random_seed(seed)
        parts = [layers.RandomRotation(0.1), layers.Flatten(), layers.Dropout(0.2), layers.Dense(3, "softmax")]
        net = keras.Sequential([keras.Input((6, 6, 1)), *parts])
        net.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        fit_alike(net, X, Y, **OPTIONS)
    assert len(alike._LEARNERS) == 1
