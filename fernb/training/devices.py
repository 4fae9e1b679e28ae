"""Training on several devices at once: each has a copy of the network and a share of every batch.

Data parallelism, as `tf.distribute.MirroredStrategy` has it: the copies average their gradients at
each step, so they stay alike, and a step is the one that a single device would have made. Batch
normalisation takes its mean and variance over a device's own share.
"""

import platform
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np

from fernb.errors import FernbError
from fernb.runtime import cores


class Devices:
    """All GPUs of this machine, or all of TensorFlow's logical CPUs where there is none.

    Raises :class:`~fernb.errors.FernbError` on another backend than TensorFlow.
    """

    def __init__(self) -> None:
        if keras.backend.backend() != "tensorflow":
            raise FernbError(
                "training on all devices needs Keras on TensorFlow; unset KERAS_BACKEND, or use one device."
            )
        import tensorflow as tf

        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        self.strategy = tf.distribute.MirroredStrategy([device.name for device in devices])

    def __len__(self) -> int:
        return self.strategy.num_replicas_in_sync

    def scope(self) -> AbstractContextManager:
        """Return the context in which a network is built and compiled, so that each device gets its copy."""
        return self.strategy.scope()

    def train_on_batch(self, model: keras.Model, inputs: np.ndarray, targets: Any, weights: Any) -> dict[str, float]:
        """Do what ``model.train_on_batch`` does, which would give each device the whole batch.

        Arguments are those of ``train_on_batch``. A batch with fewer faces than devices goes to each whole.
        """
        if not model.optimizer.built:  # what a step would make by and by must be there before the copies part
            with self.scope():
                model.optimizer.build(model.trainable_variables)
                model.test_on_batch(inputs[:1], keras.tree.map_structure(lambda rows: rows[:1], targets))
        model.make_train_function()
        model.reset_metrics()
        return model.train_function(iter([self._shares((inputs, targets, weights), len(inputs))]))

    def _shares(self, batch: tuple, size: int) -> Any:
        import tensorflow as tf

        def share(context: Any) -> Any:
            rows = np.arange(size)
            own = np.array_split(rows, len(self))[context.replica_id_in_sync_group] if size >= len(self) else rows
            return tf.nest.map_structure(lambda values: tf.constant(values[own]), batch)

        return self.strategy.experimental_distribute_values_from_function(share)


def hardware() -> str:
    """Return the backend, and the GPU or the cores and the processor, as side-cars state them."""
    if keras.backend.backend() == "jax":
        import jax

        if jax.default_backend() == "gpu":
            return f"jax on {jax.local_device_count()} {jax.devices()[0].device_kind}"
    return f"{keras.backend.backend()} on {cores()} CPU cores, {platform.machine()}"
