"""Checks of lesson 3."""

import numpy as np

from fernb.checks import difference, exercise


@exercise("03.1")
def count_the_weights(conv_weights):
    cases = [(3, 1, 16), (3, 16, 32), (5, 8, 4)]
    expected = np.array([(side * side * maps + 1) * filters for side, maps, filters in cases])
    mistakes = [
        (np.array([side * side * maps * filters for side, maps, filters in cases]), "the biases are missing"),
        (np.array([(side * side + 1) * filters for side, _, filters in cases]), "a filter reads *all* incoming maps"),
        (
            np.array([(side * maps + 1) * filters for side, maps, filters in cases]),
            "a filter has side × side places in each map, not side",
        ),
        (
            np.array([(side * side + 1) * maps * filters for side, maps, filters in cases]),
            "a filter has one bias, not one for each map that it reads",
        ),
        (
            np.array([side * side * maps + 1 for side, maps, _ in cases]),
            "that is one filter; there are `filters` of them",
        ),
        (
            np.array([side * side * maps * filters + 1 for side, maps, filters in cases]),
            "every filter has a bias of its own",
        ),
    ]
    return difference(np.array([conv_weights(*case) for case in cases]), expected, mistakes)


@exercise("03.2")
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


@exercise("03.3")
def early_stopping_by_hand(early_stopping):
    expected = np.array([_stop(*case) for case in _LOSSES])
    never = np.array([(int(np.argmin(losses)) + 1, len(losses)) for losses, _ in _LOSSES])
    late = np.array([_stop(losses, patience + 1) for losses, patience in _LOSSES])
    ties = np.array([_stop(*case, better=lambda loss, lowest: loss <= lowest) for case in _LOSSES])
    forgetful = np.array([(len(losses), len(losses)) for losses, _ in _LOSSES])
    stuck = np.array([(0, min(patience, len(losses))) for losses, patience in _LOSSES])
    mistakes = [
        (expected - 1, "epochs are counted from 1"),
        (never, "it never stops: break as soon as `patience` epochs in a row brought no new lowest loss"),
        (late, "it stops one epoch too late"),
        (ties, "a loss as low as the lowest one is not a new lowest loss: compare with <"),
        (forgetful, "remember the lowest loss as well as its epoch, else every loss looks like a new lowest one"),
        (stuck, "where a loss is lower than the lowest so far, remember its epoch, too"),
        (expected[:, ::-1], "return the epoch that is kept first, then the last one that ran"),
    ]
    return difference(np.array([early_stopping(*case) for case in _LOSSES]), expected, mistakes)


@exercise("03.4")
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
    ]
    return difference(smooth(labels, classes, share), hard * (1 - share) + share / classes, mistakes)


@exercise("03.5")
def a_network_for_a_small_machine(small_network):
    net = small_network()
    kinds = [type(layer).__name__ for layer in net.layers]
    if tuple(net.input_shape[1:]) != (48, 48, 1) or tuple(net.output_shape[1:]) != (7,):
        return f"it must go from (48, 48, 1) to 7 numbers; yours goes from {net.input_shape} to {net.output_shape}"
    if net.count_params() >= 30_000:
        return f"it has {net.count_params():,} weights; look for the layer that has most of them"
    if "Conv2D" not in kinds:
        return "there is no convolution in it"
    if not any("Dropout" in kind for kind in kinds[:-1]):
        return "there is no dropout before the last layer"
    probs = np.asarray(net(np.random.default_rng(5).uniform(0, 255, (4, 48, 48, 1)).astype("float32")))
    if not np.allclose(probs.sum(1), 1, atol=1e-3) or (probs < 0).any():
        return "its answers do not add up to 1; the last layer needs a softmax"
    return None


@exercise("03.6")
def read_an_interval(that_help, effects):
    if isinstance(that_help, str):
        return "give a list of names, with square brackets"
    unknown = set(that_help) - set(effects)
    if unknown:
        return f"there is no row {sorted(map(str, unknown))[0]!r}; the rows are {', '.join(effects)}"
    for name, (mean, low, _) in effects.items():
        if name in that_help and low <= 0:
            return f"the interval of {name!r} begins at {low:+.1f}, so it holds zero or less: that is no proof"
        if name not in that_help and low > 0:
            return f"{name!r} is missing: it gains {mean:+.1f}, and its whole interval is above zero"
    return None
