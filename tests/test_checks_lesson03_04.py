"""The checks of lessons 3 and 4: a typical mistake gets the hint that fits it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from scipy import stats

from fernb import config
from fernb.checks import RIGHT, judge


def interval(differences):
    """Lesson 3's interval: the mean of a few differences, and both ends of its 95 % interval."""
    mean, error = differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))
    t = stats.t.ppf(0.975, len(differences) - 1)
    return mean, mean - t * error, mean + t * error


def network(*parts):
    return keras.Sequential([keras.Input((48, 48, 1)), *parts])


def step(*, outside=False, training=True, sign=1, reduce=tf.reduce_mean, apply=True):
    """A training step with the faults that are asked for."""

    def mended_step(net, images, labels, optimizer):
        probs = net(images, training=training)
        with tf.GradientTape() as tape:
            probs = probs if outside else net(images, training=training)
            loss = reduce(keras.losses.sparse_categorical_crossentropy(labels, probs))
        gradients = tape.gradient(loss, net.trainable_variables)
        if apply:
            optimizer.apply([g if g is None else sign * g for g in gradients], net.trainable_variables)
        return float(loss)

    return mended_step


def end_of_small():
    pooled = layers.GlobalAveragePooling2D()
    return layers.Conv2D(8, 3), pooled, layers.Dropout(0.2), layers.Dense(7, activation="softmax")


def stays(values, share, rng):
    return rng.random(values.shape) >= share


def never_stops(losses, patience):
    return int(np.argmin(losses)) + 1, len(losses)


def takes_ties(losses, patience):
    kept, lowest = 0, np.inf
    for epoch, loss in enumerate(losses, 1):
        if loss <= lowest:
            kept, lowest = epoch, loss
        if epoch - kept == patience:
            break
    return kept, epoch


def forgets_the_lowest(losses, patience):
    kept, lowest = 0, np.inf
    for epoch, loss in enumerate(losses, 1):
        if loss < lowest:
            kept = epoch
        if epoch - kept == patience:
            break
    return kept, epoch


def pooled(reduce, axis=(2, 4)):
    def pool(maps, grid):
        n, side, _, c = maps.shape
        field = side // grid
        return reduce(maps.reshape(n, grid, field, grid, field, c), axis=axis)

    return pool


def mean_and_reach(values):
    mean, _, high = interval(values)
    return mean, high - mean


def highest(runs):
    return max(runs, key=lambda way: runs[way].mean())


def second_only(runs):
    first, second = sorted(runs, key=lambda way: -runs[way].mean())[:2]
    gap, reach = mean_and_reach(runs[first] - runs[second])
    return first if gap > reach else "nobody"


def leads(*, paired=True, enough=all, sign=1):
    """An answer to 04.4 with the faults that are asked for."""

    def beats(one, other):
        (gap, reach), apart = (
            mean_and_reach(sign * (one - other)),
            [mean_and_reach(values)[1] for values in (one, other)],
        )
        return gap > (reach if paired else sum(apart))

    def leader(runs):
        for way in runs:
            if enough(beats(runs[way], runs[rival]) for rival in runs if rival != way):
                return way
        return "nobody"

    return leader


@pytest.mark.parametrize(
    ("number", "answers", "word"),
    [
        ("03.1", (step(outside=True),), "inside the tape"),
        ("03.1", (step(sign=-1),), "wrong way"),
        ("03.1", (step(training=False),), "training=True"),
        ("03.1", (step(reduce=tf.reduce_sum),), "mean"),
        ("03.1", (step(apply=False),), "has moved"),
        ("03.2", (never_stops,), "never stops"),
        ("03.2", (takes_ties,), "compare with <"),
        ("03.2", (forgets_the_lowest,), "remember the lowest"),
        ("03.2", (lambda losses, patience: 3,), "two numbers"),
        ("03.2", (lambda losses, patience: None,), "return"),
        ("03.3", (lambda v, share, rng: np.where(stays(v, share, rng), v, 0),), "larger"),
        ("03.3", (lambda v, share, rng: np.where(stays(v, share, rng), v / share, 0),), "stays, not"),
        ("03.5", (lambda labels, classes, smoothing: np.eye(classes)[labels],), "hard"),
        ("03.5", (lambda labels, classes, smoothing: (1 - smoothing) * np.eye(classes)[labels],), "add up to 1"),
        ("03.5", (lambda labels, k, share: (1 - share) * np.eye(k)[labels] + share / (k - 1),), "true one too"),
        ("03.6", (lambda: network(layers.Flatten(), layers.Dense(64), layers.Dense(7)),), "weights"),
        ("03.6", (lambda: network(layers.Flatten(), layers.Dense(7, activation="softmax")),), "convolution"),
        ("03.6", (lambda: network(*end_of_small()),), "scaled"),
        ("03.4", (lambda a, b: interval(a - b),), "True or False"),
        ("03.4", (lambda a, b: interval(a)[1] > interval(b)[2],), "seed by seed"),
        ("03.4", (lambda a, b: a.mean() > b.mean(),), "holds zero"),
        ("03.4", (lambda a, b: interval(a - b)[1] > 0 or interval(a)[1] > 0 > interval(b)[1],), "does not show"),
        ("03.4", (lambda a, b: interval(a - b)[1] > 0 or interval(a - b)[2] < 0,), "better one"),
        ("04.3", (pooled(np.max),), "largest"),
        ("04.3", (pooled(np.sum),), "sum"),
        ("04.3", (pooled(np.mean, (1, 3)),), "over the fields"),
        ("04.3", (lambda maps, grid: maps.reshape(2, 6 // grid, grid, 6 // grid, grid, 5).mean((2, 4)),), "order"),
        ("04.3", (lambda maps, grid: maps.reshape(2, grid, 6 // grid, 6 // grid, grid, 5).mean((2, 3)),), "order"),
        ("04.3", (lambda maps, grid: maps.reshape(2, 6 // grid, grid, 6 // grid, grid, 5).mean((1, 3)),), "order"),
        ("04.4", (highest,), "highest"),
        ("04.4", (leads(paired=False),), "differences first"),
        ("04.4", (leads(enough=any),), "not each of the others"),
        ("04.4", (second_only,), "whose mean is second"),
        ("04.4", (leads(sign=-1),), "first way minus"),
        ("04.4", (lambda runs: "nobody",), "much more"),
        ("04.4", (lambda runs: "pre-trained",), "out of `runs`"),
        ("04.4", (lambda runs: None,), "returned None"),
    ],
)
def test_a_typical_mistake_gets_its_hint(number, answers, word):
    verdict = judge(number, *answers)
    assert verdict.outcome == "not yet" and word in verdict.hint, verdict


@pytest.mark.parametrize(
    "scaling", [lambda: layers.Rescaling(1 / 255), layers.BatchNormalization, lambda: layers.Lambda(lambda x: x / 255)]
)
def test_pixels_may_be_scaled_in_any_way(scaling):
    assert judge("03.6", lambda: network(scaling(), *end_of_small())).outcome == RIGHT


def own(scale=1 / 127.5, offset=-1, channels=3, pool=layers.GlobalAveragePooling2D, activation="softmax", frozen=True):
    """An answer to 04.1 with the faults that are asked for."""

    def own_network(trunk):
        trunk.trainable = not frozen
        inputs = keras.Input((48, 48, 1))
        grey = layers.Rescaling(scale, offset=offset)(layers.Resizing(64, 64)(inputs))
        maps = trunk(layers.Concatenate()([grey] * 3) if channels == 3 else grey)
        return keras.Model(inputs, layers.Dense(7, activation=activation)(pool()(maps)))

    return own_network


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (own(frozen=False), "freeze"),
        (own(1, 0), "0..255"),
        (own(1 / 255, 0), "0..1"),
        (own(channels=1), "3 channels"),
        (own(activation=None), "softmax"),
        (own(pool=layers.GlobalMaxPooling2D), "largest"),
        (own(pool=layers.Flatten), "means of the 8 maps"),
        (lambda trunk: trunk, "a grey face"),
        (lambda trunk: None, "keras.Model"),
    ],
)
def test_a_network_that_is_put_together_wrongly_gets_its_hint(answer, word):
    verdict = judge("04.1", answer)
    assert verdict.outcome == "not yet" and word in verdict.hint, verdict


def tuning(whole=True, norms=False, lower=False, early=False, rate=None, loss="sparse_categorical_crossentropy"):
    """An answer to 04.2 with the faults that are asked for."""

    def start_tuning(net, trunk, first, given):
        if early:
            net.compile(keras.optimizers.Adam(given), loss)
        on = lower
        for layer in trunk.layers:
            on = on or layer.name == first
            layer.trainable = on and (norms or not isinstance(layer, layers.BatchNormalization))
        if whole:  # without unfreezing what is in it
            trunk._trainable = True
        if not early and loss:
            net.compile(keras.optimizers.Adam(rate or given), loss)

    return start_tuning


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (tuning(whole=False), "itself"),
        (tuning(norms=True), "normalisation"),
        (tuning(lower=True), "comes before"),
        (tuning(early=True), "compile last"),
        (tuning(loss=None), "compile the network again"),
        (tuning(rate=1e-3), "0.001"),
        (tuning(loss="mse"), "stay what it was"),
    ],
)
def test_fine_tuning_that_starts_wrongly_gets_its_hint(answer, word):
    verdict = judge("04.2", answer)
    assert verdict.outcome == "not yet" and word in verdict.hint, verdict


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("03.1", "mended_step"),
        ("03.2", "early_stopping"),
        ("03.3", "dropout"),
        ("03.5", "smooth"),
        ("03.6", "small_network"),
        ("03.4", "better"),
        ("04.1", "own_network"),
        ("04.2", "start_tuning"),
        ("04.3", "pool"),
        ("04.4", "leader"),
    ],
)
def test_the_solution_is_right(number, name):
    text = (config.ROOT / "notebooks" / "solutions" / f"{number[:2]}.py").read_text(encoding="utf-8")
    names = {
        "np": np,
        "tf": tf,
        "keras": keras,
        "layers": layers,
        "interval": interval,
        "mean_and_reach": mean_and_reach,
        "WAYS": ("pre-trained", "pixels"),
        "SIZES": (20, 1000),
        "scores": {way: np.random.default_rng(1).random((2, 3)) for way in ("pre-trained", "pixels")},
    }
    exec(text, names)
    assert judge(number, names[name]).outcome == RIGHT


def test_who_filled_in_some_of_the_dots_is_told_what_is_left():
    def start_tuning(net, trunk, first, rate):
        trunk.trainable = True
        for layer in trunk.layers:
            layer.trainable = True
        net.compile(...)  # your code here

    def untouched(net, trunk, first, rate):
        trunk.trainable = ...
        for layer in trunk.layers:
            layer.trainable = ...
        net.compile(...)

    assert judge("04.2", start_tuning).hint == "`net.compile(...)` still has its dots"
    assert judge("04.2", untouched).outcome == "not tried yet"
