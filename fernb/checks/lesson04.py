"""Checks of lesson 4."""

from typing import Any

import numpy as np

from fernb.checks import difference, exercise

SMALL, SIDE = 8, 64
"""Of the trunk that the checks hand out: how many maps it gives, and the side of the images that it wants."""


def _small_trunk() -> Any:
    """Return a trunk with two convolutions, ``low`` and ``high``, each with batch normalisation."""
    import keras
    from keras import layers

    rng, inputs = np.random.default_rng(4), keras.Input((SIDE, SIDE, 3))
    low = layers.Conv2D(4, 5, strides=4, activation="relu", name="low")(inputs)
    high = layers.Conv2D(SMALL, 3, strides=2, activation="relu", name="high")(layers.BatchNormalization()(low))
    trunk = keras.Model(inputs, layers.BatchNormalization()(high))
    trunk.set_weights([rng.uniform(-0.2, 0.5, array.shape) for array in trunk.get_weights()])
    for layer in trunk.layers:
        if _is_norm(layer):
            layer.moving_variance.assign(np.ones(layer.moving_variance.shape))
    return trunk


@exercise("04.1")
def put_together(own_network):
    import keras

    trunk = _small_trunk()
    net = own_network(trunk)
    if not isinstance(net, keras.Model):
        return f"a keras.Model is wanted, and this is {type(net).__name__}"
    if net.input_shape[1:] != (48, 48, 1):
        return f"the network takes {net.input_shape[1:]}; a grey face is (48, 48, 1)"
    if net.output_shape[1:] != (7,):
        return f"the network gives {net.output_shape[1:]} for each face; seven probabilities are wanted"
    if trunk.trainable_weights:
        return "the trunk may still learn; freeze it"
    shapes = [tuple(weight.shape) for weight in net.trainable_weights]
    if shapes != [(SMALL, 7), (7,)]:
        return (
            f"the weights that may learn have the shapes {shapes}; one Dense(7) on the means of the {SMALL} maps "
            f"has [({SMALL}, 7), (7,)]"
        )
    return _answers(net, trunk)


def _answers(net: Any, trunk: Any) -> str | None:
    import keras

    rng = np.random.default_rng(1)
    faces = rng.integers(0, 256, (3, 6, 6, 1)).repeat(8, 1).repeat(8, 2).astype(np.float32)
    kernel, bias = (rng.normal(0, 0.3, weight.shape) for weight in net.trainable_weights)
    for weight, value in zip(net.trainable_weights, (kernel, bias), strict=True):
        weight.assign(value)
    rgb = np.repeat(np.asarray(keras.ops.image.resize(faces, (SIDE, SIDE))), 3, -1)

    def expected(images, pool=np.mean):
        return np.asarray(keras.ops.softmax(logits(images, pool)))

    def logits(images, pool=np.mean):
        return (pool(np.asarray(trunk(images)), axis=(1, 2)) @ kernel + bias).astype(np.float32)

    ready = rgb / 127.5 - 1
    mistakes = [
        (logits(ready), "these are no probabilities; the last activation should be softmax"),
        (expected(rgb), "the trunk is given 0..255; it wants -1..1"),
        (expected(rgb / 255), "the trunk is given 0..1; it wants -1..1"),
        (expected(rgb / 127.5), "the trunk is given 0..2; it wants -1..1"),
        (expected(rgb / 255 - 1), "the trunk is given -1..0; it wants -1..1"),
        (expected(ready, np.max), "that is the largest value of each map; the mean is wanted"),
    ]
    try:
        said = np.asarray(net(faces, training=False))
    except ValueError:  # Keras lets a network of wrong shapes be built, and notices when it is called
        return "the trunk cannot be computed; it wants 3 channels: put the grey image into all three"
    return difference(said, expected(ready), mistakes, rtol=1e-3, atol=1e-4)


@exercise("04.2", blanks=3)
def start_to_tune(start_tuning):
    import keras
    from keras import layers

    trunk = _small_trunk()
    trunk.trainable = False
    means = layers.GlobalAveragePooling2D()(trunk.output)
    net = keras.Model(trunk.input, layers.Dense(7, activation="softmax")(means))
    compiled, flags = net.compile, []

    def watched(*args, **kwargs):
        flags.append([layer.trainable for layer in trunk.layers])
        compiled(*args, **kwargs)

    net.compile = watched
    start_tuning(net, trunk, "high", 1e-4)
    if not trunk.trainable:
        return "the trunk itself is still frozen, so no layer in it learns, whatever its own flag says"
    if hint := _flags(trunk, "high"):
        return hint
    if not flags:
        return "compile the network again, with the new rate"
    if flags[-1] != [layer.trainable for layer in trunk.layers]:
        return "you compile before you have unfrozen the layers; compile last"
    if not isinstance(net.optimizer, keras.optimizers.Adam):
        return f"the optimizer is {type(net.optimizer).__name__}; Adam is wanted"
    if not np.isclose(rate := float(net.optimizer.learning_rate), 1e-4):
        return f"the learning rate is {rate:g}, and should be `rate`, here 0.0001"
    loss = net.loss if isinstance(net.loss, str) else getattr(net.loss, "name", getattr(net.loss, "__name__", ""))
    return None if loss == "sparse_categorical_crossentropy" else f"the loss is {loss!r}; it should stay what it was"


@exercise("04.3")
def pool_by_hand(pool):
    maps = np.random.default_rng(2).normal(size=(2, 6, 6, 5))

    def fields(grid, reduce, axis=(2, 4)):
        side = 6 // grid
        return reduce(maps.reshape(2, grid, side, grid, side, 5), axis=axis)

    return _pooled(pool, maps, fields, 1) or _pooled(pool, maps, fields, 3)


def _pooled(pool, maps, fields, grid):
    expected = fields(grid, np.mean)
    mistakes = [
        (fields(grid, np.max), "that is the largest of each field; the mean is wanted"),
        (fields(grid, np.sum), "that is the sum of each field; the mean is wanted"),
        (expected.reshape(2, -1), "the means are right; leave them in the shape (n, grid, grid, c)"),
        (maps.mean((1, 2)), "that is the mean of the whole map; cut it into grid × grid fields first"),
        (np.swapaxes(expected, 1, 2), "rows and columns are swapped"),
        (
            fields(grid, np.mean, (1, 3)),
            "you averaged over the fields; average over the places inside a field, "
            "and split each side into (grid, field), in this order",
        ),
    ]
    side = 6 // grid
    order = "an axis of length side must become (grid, field), in this order; the mean goes over the two fields"
    for shape in ((grid, side, side, grid), (side, grid, side, grid)):
        swapped = maps.reshape(2, *shape, 5)
        mistakes += [(swapped.mean(axis), order) for axis in ((1, 3), (2, 3), (2, 4))]
    hint = difference(pool(maps.copy(), grid), expected, mistakes)
    return f"with grid={grid}: {hint}" if hint else None


def _is_norm(layer) -> bool:
    return type(layer).__name__.endswith("BatchNormalization")


def _flags(model, first: str) -> str | None:
    on = False
    for layer in model.layers:
        on = on or layer.name == first
        if not layer.weights or layer.trainable == (on and not _is_norm(layer)):
            continue
        if _is_norm(layer):
            return f"the batch normalisation {layer.name!r} may learn; it should stay frozen"
        return f"{layer.name!r} " + (
            "comes at or after the first layer that may learn, and is frozen"
            if on
            else f"comes before {first!r}, and may learn"
        )
    return None


@exercise("04.4")
def who_leads(leader):
    hints = (_named(leader, runs, expected, mistakes) for runs, expected, mistakes in _RUNS)
    return next((hint for hint in hints if hint), None)


def _named(leader, runs: dict, expected: str, mistakes: dict[str, str]) -> str | None:
    """Return None where ``leader`` names the ``expected`` way in ``runs``, else a hint, by what it names instead."""
    got = leader({way: np.array(accuracies) for way, accuracies in runs.items()})
    if got is None:
        return 'your function returned None; is a `return` missing, or `"nobody"` at the end?'
    if not isinstance(got, str) or got not in (*runs, "nobody"):
        return f"the answer is {got!r}; a name out of `runs` is wanted ({', '.join(runs)}), or 'nobody'"
    shown = "; ".join(f"{way} {', '.join(f'{value:.2f}' for value in runs[way])}" for way in runs)
    why = mistakes.get(got, "compare each way with all of the others, seed by seed")
    return None if got == expected else f"your function names {got!r} in the runs {shown}: {why}"


_RUNS = (
    (
        {"A": (0.20, 0.22, 0.21), "B": (0.70, 0.72, 0.71), "C": (0.50, 0.51, 0.53)},
        "B",
        {
            "nobody": "B leads A and C by much more than the seeds differ",
            "A": "A is behind both of the others; the lead is the first way minus the second",
        },
    ),
    (
        {"A": (0.40, 0.60, 0.80), "B": (0.38, 0.58, 0.77), "C": (0.10, 0.12, 0.11)},
        "A",
        {"nobody": "A leads B with every seed by nearly the same; take the differences first, then mean and reach"},
    ),
    (
        {"A": (0.50, 0.90, 0.70), "B": (0.55, 0.60, 0.50), "C": (0.60, 0.62, 0.58)},
        "nobody",
        {"A": "its mean is the highest, but its leads over B and C are not larger than their reach"},
    ),
    (
        {"A": (0.30, 0.31, 0.30, 0.31), "B": (0.80, 0.81, 0.82, 0.80), "C": (0.82, 0.79, 0.81, 0.82)},
        "nobody",
        {way: f"{way} leads A by more than luck, but not each of the others" for way in "BC"},
    ),
    (
        {"A": (0.70, 0.71, 0.72), "B": (0.60, 0.61, 0.62), "C": (0.30, 0.70, 0.50)},
        "nobody",
        {"A": "A leads B, whose mean is second, by more than luck, but not C, whose seeds differ more"},
    ),
)
"""Made-up runs, who leads in them, and what a wrong answer shows."""
