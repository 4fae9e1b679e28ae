"""Sharpness-aware minimisation: each step follows the gradient of worse weights nearby.

Runs on any Keras 3 backend.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Step = Callable[[keras.Model, np.ndarray, Any, Any], dict[str, float]]
"""Does what ``model.train_on_batch(inputs, targets, weights, return_dict=True)`` does."""
_ALWAYS_CUT = 1e4  # so many times a loss, no gradient is shorter than 1


class Sharpness:
    """Steps of sharpness-aware minimisation (SAM, Foret et al. 2021).

    A step first climbs: along the gradient, by ``radius`` in the space of all trained weights,
    to where the batch's loss is worst nearby. It then applies the gradient found there to the weights as
    they were. Where that lowers the loss, it does so for all weights around: the network settles in a wide
    valley, and fits wrong labels less. Costs two steps' time. ``settings`` are those with which the network
    was compiled.
    """

    def __init__(self, model: keras.Model, radius: float, **settings: Any):
        weights = settings.pop("loss_weights", 1.0)
        scaled = keras.tree.map_structure(lambda weight: weight * _ALWAYS_CUT, weights)
        uphill = keras.optimizers.SGD(-radius, global_clipnorm=1.0)
        self.climber = keras.Model(model.input, model.output)  # the same layers and weights
        self.shape: tuple[int, ...] = ()  # of the images of the last step
        self.climber.compile(uphill, loss_weights=scaled, **settings)

    def train_on_batch(
        self, step: Step, model: keras.Model, inputs: np.ndarray, targets: Any, weights: Any
    ) -> dict[str, float]:
        """Let ``step`` climb and descend on one batch; loss and accuracy are those of the worse weights."""
        if inputs.shape[1:] != self.shape:  # as the loop does with the network's own function
            self.shape = inputs.shape[1:]
            self.climber.make_train_function(force=True)
        here = [keras.ops.convert_to_numpy(value).copy() for value in model.trainable_variables]
        step(self.climber, inputs, targets, weights)
        ways = [keras.ops.convert_to_numpy(v) - old for v, old in zip(model.trainable_variables, here, strict=True)]
        logs = step(model, inputs, targets, weights)
        for variable, way in zip(model.trainable_variables, ways, strict=True):
            variable.assign(variable - way)
        return logs
