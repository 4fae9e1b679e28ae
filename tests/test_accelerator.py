"""Epochs compiled by JAX: in a process of its own, for Keras's backend cannot be changed once it is loaded."""

import json
import os
import subprocess
import sys

import pytest

from fernb import config

pytest.importorskip("jax", reason="compiled epochs need JAX: pip install 'fernb[gpu]'")

SCRIPT = """
import json, sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax, keras
import numpy as np
from jax import numpy as jnp

from fernb.data.faceset import FaceSet, make_splits
from fernb.networks.architectures import HEAD, NetworkConfig
from fernb.training import Augmentation, Recipe, accelerator
from fernb.training.accelerator_views import camera, views

told, out = {}, Path(sys.argv[1])
rng = np.random.default_rng(5)
labels = np.arange(80) % 2
images = rng.integers(0, 90, (80, 48, 48), dtype=np.uint8)
for image, label in zip(images, labels):
    image[: 24 if label else 48][0 if label else 24 :] += 120
faces = FaceSet(images, labels)
splits = make_splits(faces.take(np.arange(64)), faces.take(np.arange(64, 80)), faces.take(np.arange(64, 80)), "stripes")

# views: nothing changes nothing, a mirror mirrors, and the statistics are those of the NumPy augmentation
still = Augmentation(rotation=0, scale=0, shift=0, light=0, erase=0)
given, key, half = jnp.asarray(images, jnp.float32), jax.random.key(0), jnp.arange(80) % 2 == 0
same = np.asarray(views(given, key, still, half))
told["still"] = bool((same[1::2] == images[1::2]).all() and (same[::2] == images[::2, :, ::-1]).all())
strong = Augmentation(bad_camera=0.5, dark=0.3)
many = np.tile(images, (10, 1, 1))
ours = camera(views(jnp.asarray(many, jnp.float32), key, strong, jnp.zeros(800, bool)), key, strong)
theirs = strong.camera(strong.views(many, rng, mirror=np.zeros(800, bool)), rng)
told["statistics"] = [[float(np.mean(x)), float(np.std(x))] for x in (np.asarray(ours), theirs)]

# a sharpness-aware step with weight decay, by hand for a softmax regression
inputs = keras.Input((48, 48, 1))
flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
model = keras.Model(inputs, keras.layers.Dense(7, activation="softmax", use_bias=False, name=HEAD)(flat))
recipe = Recipe("", sharpness=0.5, weight_decay=0.1, label_smoothing=0, ema=0)
model.compile(recipe.optimizer())
model.optimizer.build(model.trainable_variables)
x, y = images[:20] / 255, np.eye(7)[labels[:20]]

def gradient(weights):
    scores = np.exp(x.reshape(20, -1) @ weights)
    return x.reshape(20, -1).T @ (scores / scores.sum(1, keepdims=True) - y) / 20

(start,) = model.get_weights()
uphill = gradient(start)
down = gradient(start + 0.5 * uphill / np.linalg.norm(uphill))
now = accelerator.Variables.of(model)
at = accelerator.Progress(now, [jnp.zeros_like(w) for w in now.trained], now, jnp.float32(0))
batch = (jnp.asarray(images[:20], jnp.float32), {HEAD: jnp.asarray(y)}, {HEAD: jnp.ones(20)})
after, _ = accelerator._step(model, recipe, at, batch, 0.01)
wanted = start * (1 - 0.01 * 0.1) - (1 + 0.9) * 0.01 * down
told["step"] = float(np.abs(np.asarray(after.now.trained[0]) - wanted).max())

# a run that learns, with a teacher; and one that is stopped and goes on is the same
recipe = Recipe("tiny", network=NetworkConfig("vgg", (4, 8), dropout=0.1), epochs=4, batch_size=16, sharpness=0.05,
                learning_rate=0.05, warmup=1, ema=0.9, label_smoothing=0, augmentation=Augmentation(rotation=3))
train = partial(accelerator.train_compiled, splits, bfloat16=False, progress=lambda line: None)
accelerator.SAVE_EVERY = 2
teacher, told["unbroken"] = train(recipe, run=out / "unbroken")
state = out / "unbroken" / "state.previous.npz"
(out / "resumed").mkdir()
(out / "resumed" / "state.npz").write_bytes(state.read_bytes())
_, told["resumed"] = train(recipe, run=out / "resumed", resume=True)
pupil, told["taught"] = train(replace(recipe, mixup=0.2), run=out / "taught", teachers={HEAD: [teacher]})
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path_factory.mktemp("runs"))],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(config.ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])


def test_views_that_change_nothing_change_nothing_but_the_side(told):
    assert told["still"]


def test_views_are_like_those_of_the_plain_augmentation(told):
    (mean, deviation), (other_mean, other_deviation) = told["statistics"]
    assert mean == pytest.approx(other_mean, rel=0.04) and deviation == pytest.approx(other_deviation, rel=0.04)


def test_a_step_is_the_formulas(told):
    assert told["step"] < 1e-5


def test_a_run_learns_and_a_stopped_one_is_the_unbroken_one(told):
    assert told["unbroken"]["loss"][-1] < told["unbroken"]["loss"][0]
    assert len(told["unbroken"]["loss"]) == 4
    assert told["resumed"] == told["unbroken"]


def test_a_taught_run_has_the_teachers_answers_in_its_loss(told):
    assert told["taught"]["loss"][-1] != told["unbroken"]["loss"][-1]
    assert max(told["taught"]["val_accuracy"]) > 0.5
