"""Training on two devices: the very steps of one, tried on two logical CPUs in a process of their own."""

import subprocess
import sys

SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from fernb import training
from fernb.data.faceset import FaceSet, make_splits
from fernb.networks.architectures import NetworkConfig
from fernb.training.devices import Devices

rng = np.random.default_rng(1)
parts = [FaceSet(rng.integers(0, 256, (n, 48, 48), np.uint8), np.arange(n) % 7) for n in (70, 14, 14)]
splits = make_splits(*parts, "test")
both = Devices()
assert len(both) == 2


def weights_of(name, recipe, devices):
    run = Path(sys.argv[1]) / name
    quiet = lambda line: None
    model, history = training.train(splits, recipe, run=run, progress=quiet, devices=devices)
    return model.get_weights(), history["loss"]


for normalise in (False, True):
    network = NetworkConfig("vgg", (8, 8), dropout=0, normalise=normalise)
    recipe = training.Recipe("tiny", network=network, epochs=2, batch_size=16, learning_rate=0.01, ema=0.9)
    (one, loss), (two, losses) = (weights_of(f"{normalise}{d}", recipe, d) for d in (None, both))
    if normalise:  # each device has its own mean and variance
        assert np.isfinite(losses).all() and abs(losses[-1] - loss[-1]) < 0.5, (loss, losses)
    else:
        assert np.allclose(loss, losses, rtol=1e-3), (loss, losses)
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-3)
print("alike")
"""


def test_two_devices_make_the_steps_of_one(tmp_path):
    done = subprocess.run([sys.executable, "-c", SCRIPT, tmp_path], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip().endswith("alike"), done.stderr[-3000:]
