"""Many networks of one kind, each trained without TensorFlow's start-up of its own. Used in notebook 03."""

import re
from typing import Any

import keras

_LEARNERS: dict[str, keras.Model] = {}  # for each kind of network the one that learns for all of them


def fit_alike(net: keras.Model, *data: Any, **options: Any) -> keras.callbacks.History:
    """Do what ``net.fit(*data, **options)`` does, and end with the same weights, but sooner.

    TensorFlow compiles a training step for each network anew, which takes a second or two, also for
    one that differs from the last only in its weights. Here a copy is compiled once for all networks with
    the same layers and the same arguments of ``compile``: it takes over the variables of ``net`` (weights,
    states of random layers and of the optimiser), learns, and hands them back. Callbacks see the copy.
    ``net`` must be built and compiled; copies are kept until the program ends.
    """
    kind = _kind(net)
    if kind not in _LEARNERS:
        learner = keras.models.clone_model(net)
        learner.compile_from_config(net.get_compile_config())
        _LEARNERS[kind] = learner
    learner = _LEARNERS[kind]
    _copy(net, learner)
    history = learner.fit(*data, **options)
    _copy(learner, net)
    return history


def _kind(net: keras.Model) -> str:
    """Return what says how ``net`` is built and compiled; only the names that Keras counts up are left out."""
    text = net.to_json()  # what compile was told is in it, too
    names = list(dict.fromkeys(re.findall(r'"name": "([^"]+)"', text)))  # of layers, inputs, optimiser, in their order

    def numbered(match: re.Match[str]) -> str:
        word, colon = match.groups()
        return match[0] if colon or word not in names else f'"part {names.index(word)}"'

    return re.sub(r'"([^"]+)"(:?)', numbered, text)


def _copy(source: keras.Model, target: keras.Model) -> None:
    """Give ``target`` the values of all variables of ``source``, those of its optimiser included."""
    for model in (source, target):
        model.optimizer.build(model.trainable_variables)
    for old, new in zip(source.variables, target.variables, strict=True):
        new.assign(old)
    for old, new in zip(source.optimizer.variables, target.optimizer.variables, strict=True):
        new.assign(old)
