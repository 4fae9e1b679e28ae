"""Checks of lesson 3."""

import numpy as np

from fernb.checks import difference, exercise


@exercise("03.1")
def mend_a_training_step(mended_step):
    import keras  # here, for the other checks do without it

    keras.utils.set_random_seed(5)
    norm, dense = keras.layers.BatchNormalization(), keras.layers.Dense(3, activation="softmax")
    net = keras.Sequential([keras.Input((4,)), norm, dense])
    images = np.random.default_rng(5).normal(2, 3, (16, 4)).astype("float32")
    labels = np.arange(16) % 3
    start = net.get_weights()
    net.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", jit_compile=False)
    loss = float(net.train_on_batch(images, labels))
    expected = net.get_weights()

    net.set_weights(start)
    try:
        got = mended_step(net, images, labels, keras.optimizers.SGD(0.1))
    except ValueError as error:
        if "No gradients" in str(error):
            return "there are no gradients (ValueError): predict inside the tape's `with`, else it records nothing"
        raise
    kernel, means = 4, 2  # places in the list of weights: of the dense layer, and the running means
    moved, should = net.get_weights()[kernel] - start[kernel], expected[kernel] - start[kernel]
    if np.allclose(moved, 0):
        return "no weight of a dense layer has moved; does the optimiser get the gradients?"
    if (moved * should).sum() < 0:
        return "the weights go the wrong way: an optimiser takes the gradient away by itself"
    if np.allclose(net.get_weights()[means], start[means]):
        return "the layers do not know that they are learning: predict with training=True"
    if not np.allclose(moved, should, rtol=1e-2, atol=1e-5):
        return "the weights do not move as far as they should: take the *mean* loss over the batch, and apply it once"
    return difference(got, loss, rtol=1e-3)


_LOSSES = (
    ([3.0, 2.0, 2.5, 2.6, 2.7, 1.0], 2),
    ([3.0, 2.0, 1.0], 2),
    ([1.0, 2.0, 0.5, 0.6, 0.4, 0.9], 3),
    ([2.0, 1.0, 1.0, 1.0, 0.5], 2),  # as low as before is not lower
)


def _stop(losses, patience, better=lambda loss, lowest: loss < lowest):
    kept = 0
    for epoch in range(len(losses)):
        kept = epoch if better(losses[epoch], losses[kept]) else kept
        if epoch - kept == patience:
            break
    return kept + 1, epoch + 1


@exercise("03.2")
def early_stopping_by_hand(early_stopping):
    expected = np.array([_stop(*case) for case in _LOSSES])
    never = np.array([(int(np.argmin(losses)) + 1, len(losses)) for losses, _ in _LOSSES])
    late = np.array([_stop(losses, patience + 1) for losses, patience in _LOSSES])
    ties = np.array([_stop(*case, better=lambda loss, lowest: loss <= lowest) for case in _LOSSES])
    forgetful = np.array([(len(losses), len(losses)) for losses, _ in _LOSSES])
    stuck = np.array([(0, min(patience, len(losses))) for losses, patience in _LOSSES])
    mistakes = [
        (expected - 1, "epochs are counted from 1"),
        (never, "it never stops: break as soon as `patience` epochs in a row brought no new low"),
        (late, "it stops one epoch too late"),
        (ties, "a loss as low as the lowest one is not a new lowest loss: compare with <"),
        (forgetful, "remember the lowest loss as well as its epoch, else every loss looks like a new lowest one"),
        (stuck, "where a loss is lower than the lowest so far, remember its epoch, too"),
        (expected[:, ::-1], "return the epoch that is kept first, then the last one that ran"),
    ]
    answers = [early_stopping(*case) for case in _LOSSES]
    if any(answer is not None and np.shape(answer) != (2,) for answer in answers):
        return "return two numbers: the epoch that is kept, and the last one that ran"
    return difference(None if None in answers else np.array(answers), expected, mistakes)


@exercise("03.3")
def dropout_by_hand(dropout):
    values, share = np.linspace(1, 2, 2000), 0.2
    stays = np.random.default_rng(3).random(values.shape) >= share
    mistakes = [
        (values * stays, "those that stay must be made larger, else the mean falls"),
        (values * stays / share, "divide by the share that stays, not by the share that is set to 0"),
        (values * stays * (1 - share), "divide by the share that stays rather than multiply by it"),
        (values * ~stays / (1 - share), "you set those to 0 that should stay"),
    ]
    given = values.copy()
    got = dropout(given, share, np.random.default_rng(3))
    if not np.array_equal(given, values):
        return "your function changes the array that it was given; return a new one"
    return difference(got, values * stays / (1 - share), mistakes)


@exercise("03.5")
def label_smoothing(smooth):
    labels, classes, share = np.array([3, 0, 6]), 7, 0.1
    hard = np.eye(classes)[labels]
    mistakes = [
        (hard, "the targets are as hard as before"),
        (hard * (1 - share), "the rows no longer add up to 1: give the share that you took to all classes"),
        (hard + share / classes, "the rows add up to more than 1: take the share from the true class first"),
        (
            hard * (1 - share) + (1 - hard) * share / (classes - 1),
            "the share goes to all classes alike, the true one too",
        ),
        (hard * (1 - share) + share, "each class gets share / classes, not the whole share"),
        (hard * (1 - share) + share / (classes - 1), "each of all the classes gets share / classes, the true one too"),
    ]
    return difference(smooth(labels, classes, share), hard * (1 - share) + share / classes, mistakes)


@exercise("03.6")
def a_network_for_a_small_machine(small_network):
    import keras

    net = small_network()
    kinds = [type(layer).__name__ for layer in net.layers]
    if tuple(net.input_shape[1:]) != (48, 48, 1) or tuple(net.output_shape[1:]) != (7,):
        return f"it must go from (48, 48, 1) to 7 numbers; yours goes from {net.input_shape} to {net.output_shape}"
    if net.count_params() >= 30_000:
        return f"it has {net.count_params():,} weights; look for the layer that has most of them"
    if "Conv2D" not in kinds:
        return "there is no convolution in it"
    faces = np.random.default_rng(5).uniform(0, 255, (4, 48, 48, 1)).astype("float32")
    reads = keras.Model(net.inputs[0], net.layers[kinds.index("Conv2D")].input)  # what the first convolution sees
    if np.abs(reads(faces, training=True)).max() > 25:
        return "its first convolution sees values up to 255: where are the pixels scaled?"
    if not any("Dropout" in kind for kind in kinds[:-1]):
        return "there is no dropout before the last layer"
    probs = np.asarray(net(faces))
    if not np.allclose(probs.sum(1), 1, atol=1e-3) or (probs < 0).any():
        return "its answers do not add up to 1; the last layer needs a softmax"
    return None


@exercise("03.4")
def is_one_remedy_better(better):
    cases = (  # gains of a and of b, seed by seed; what is right; what to say where the answer is not
        (
            [2.0, 10.0, 17.5],
            [1.0, 9.0, 16.0],
            True,
            "here `a` gains 1 to 1.5 points more with every seed; compare seed by seed",
        ),
        (
            [9.0, 2.0, 7.0],
            [3.0, 4.0, 1.0],
            False,
            "the mean of `a` is higher, but the interval of the difference holds zero",
        ),
        (
            [1.5, 2.0, 2.5],
            [0.0, 6.0, -1.0],
            False,
            "`a` alone is shown to help and `b` is not; that does not show that `a` is better",
        ),
        (
            [1.0, 9.0, 16.0],
            [2.0, 10.0, 17.5],
            False,
            "here `b` is the better one; the low end of the interval of a − b has to be above zero",
        ),
    )
    for a, b, right, hint in cases:
        got = better(np.array(a), np.array(b))
        if not isinstance(got, bool | np.bool_):
            return "return True or False, for instance with `return low > 0`"
        if got != right:
            return f"for a = {a} and b = {b} it says {got}: {hint}"
    return None
