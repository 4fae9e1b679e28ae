"""What :func:`fernb.training.loop.train` does, with each epoch as one compiled function: for a GPU.

A GPU takes less time for a step of a small network than Python takes to ask for it. Here the faces stay on the
device, and so does all that an epoch does with them: views, teachers' answers, both steps of sharpness-aware
minimisation, averaged weights. Needs Keras on JAX (``KERAS_BACKEND=jax``).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import keras
import numpy as np
from jax import numpy as jnp

from fernb.config import SEED
from fernb.data.faceset import FaceSet, FaceSplits
from fernb.errors import FernbError
from fernb.networks.architectures import HEAD, VOTES_HEAD
from fernb.training.accelerator_views import camera, views
from fernb.training.checkpoint import State, read_variables, save_state
from fernb.training.loop import (
    AVERAGE_EVERY,
    asked_of,
    begin,
    compiled_network,
    epoch_line,
    face_batches,
    val_figures,
    write_history,
)
from fernb.training.recipes import NO_DECAY, Recipe
from fernb.training.targets import TEMPERATURE

SAVE_EVERY = 20
"""After so many epochs the run's state is saved; it takes as long as an epoch does."""
Arrays = list[Any]
Faces = dict[str, dict[str, Any]]
"""``images`` uint8 ``(n, 48, 48)`` under HEAD, and for each head ``targets`` ``(n, k)`` and ``weights`` ``(n,)``."""


class Variables(NamedTuple):
    """A network's variables: those that are trained, and the others (moving means, dropout's seeds)."""

    trained: Arrays
    others: Arrays

    @classmethod
    def of(cls, model: keras.Model) -> "Variables":
        # copies, for a compiled step may use the memory of what it is given
        return cls(
            [jnp.array(v.value) for v in model.trainable_variables],
            [jnp.array(v.value) for v in model.non_trainable_variables],
        )

    def put(self, model: keras.Model) -> list[np.ndarray]:
        """Give ``model`` these variables; return its weights as it orders them."""
        for variable, value in zip(model.trainable_variables, self.trained, strict=True):
            variable.assign(value)
        for variable, value in zip(model.non_trainable_variables, self.others, strict=True):
            variable.assign(value)
        return model.get_weights()


class Progress(NamedTuple):
    """What a step changes."""

    now: Variables
    velocity: Arrays
    average: Variables
    steps: Any  # float32: how many were taken


def train_compiled(
    splits: FaceSplits,
    recipe: Recipe,
    *,
    run: Path,
    seed: int = SEED,
    resume: bool = False,
    bfloat16: bool = False,
    progress: Callable[[str], None] = print,
    teachers: Mapping[str, Sequence[keras.Model]] | None = None,
    start: keras.Model | None = None,
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Train ``recipe`` as :func:`~fernb.training.loop.train` does, and return the same.

    A head's ``teachers`` are Keras networks here. The faces that are left over when an epoch's batches are
    full wait for another epoch. The state is saved every :data:`SAVE_EVERY` epochs. Raises
    :class:`~fernb.errors.FernbError` where the recipe cannot be compiled or there is less than a batch.
    """
    if not recipe.can_be_compiled or len(splits.train) < recipe.batch_size:
        raise FernbError("only recipes without changing images, rates or rows can be compiled, for at least one batch.")
    asked = asked_of(splits, recipe, seed)
    keras.utils.set_random_seed(seed)
    model = compiled_network(recipe, len(splits.classes), bfloat16)
    state = begin(model, recipe, run, asked=asked, resume=resume, start=start)
    at = _progress(model, state)
    epoch_of = jax.jit(partial(_epoch, model, recipe, teachers or {}), donate_argnums=0)
    faces = _on_device(splits, recipe, seed)
    lent = {head: [*map(Variables.of, networks)] for head, networks in (teachers or {}).items()}
    judge = jax.jit(partial(_probabilities, model))
    while state.epoch < recipe.epochs:
        at, loss, accuracy = epoch_of(at, *_plan(recipe, len(splits.train), seed, state.epoch), faces, lent)
        judged = at.average if recipe.ema else at.now
        figures = {"loss": float(loss), "accuracy": float(accuracy)} | _judge(judge, judged, splits.val)
        figures["learning_rate"] = recipe.rate(state.epoch + 1)
        state.add(figures, partial(judged.put, model))
        if state.epoch % SAVE_EVERY == 0 or state.epoch == recipe.epochs:
            _save(model, at, state, asked, run)
        progress(epoch_line(state.epoch, recipe, figures))
    model.set_weights(state.best)
    return model, state.history


def _progress(model: keras.Model, state: State) -> Progress:
    """Return where the run stands, from ``model``, its optimiser and the ``state``'s average."""
    now = Variables.of(model)
    model.optimizer.build(model.trainable_variables)
    velocity = [jnp.array(v.value) for v in model.optimizer.momentums]
    average = Variables.of(model)
    if state.average:
        model.set_weights(state.average)
        average = Variables.of(model)
        now.put(model)
    return Progress(now, velocity, average, jnp.float32(int(model.optimizer.iterations)))


def _save(model: keras.Model, at: Progress, state: State, asked: dict, run: Path) -> None:
    state.average = at.average.put(model)
    at.now.put(model)
    for variable, value in zip(model.optimizer.momentums, at.velocity, strict=True):
        variable.assign(value)
    model.optimizer.iterations.assign(int(at.steps))
    state.variables, state.run = read_variables(model), asked
    save_state(state, run / "state.npz")
    write_history(state.history, run / "history.csv")


def _on_device(splits: FaceSplits, recipe: Recipe, seed: int) -> Faces:
    batches = face_batches(splits, recipe, seed)
    faces: Faces = {
        head: {"targets": jnp.asarray(targets), "weights": jnp.asarray(batches.weights[head], jnp.float32)}
        for head, targets in batches.targets.items()
    }
    faces[HEAD]["images"] = jnp.asarray(splits.train.images)
    return faces


def _plan(recipe: Recipe, n: int, seed: int, epoch: int) -> tuple[Any, Any, Any, Any]:
    """Return an epoch's rows ``(steps, batch)``, and for each step a key of randomness, the rate and the epoch."""
    steps = n // recipe.batch_size
    rows = np.random.default_rng((seed, epoch)).permutation(n)[: steps * recipe.batch_size].reshape(steps, -1)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), epoch), steps)
    rates = jnp.array([recipe.rate(epoch + step / steps) for step in range(steps)], jnp.float32)
    return jnp.asarray(rows), keys, rates, jnp.full(steps, epoch)


def _epoch(
    model: keras.Model,
    recipe: Recipe,
    teachers: Mapping[str, Sequence[keras.Model]],
    at: Progress,
    rows: Any,
    keys: Any,
    rates: Any,
    epochs: Any,
    faces: Faces,
    lent: Mapping[str, Sequence[Variables]],
) -> tuple[Progress, Any, Any]:
    """Train one epoch; return where the run stands then, and the mean loss and accuracy of its batches."""

    def step(at: Progress, given: tuple[Any, Any, Any, Any]) -> tuple[Progress, tuple[Any, Any]]:
        batch_rows, key, rate, epoch = given

        def soft(head: str, images: Any) -> Any:
            return _softened(teachers[head], lent[head], images) if head in teachers else None

        batch = _batch(recipe, faces, batch_rows, key, epoch, soft)
        return _step(model, recipe, at, batch, rate)

    at, (losses, right) = jax.lax.scan(step, at, (rows, keys, rates, epochs))
    return at, losses.mean(), right.mean()


def _batch(
    recipe: Recipe,
    faces: Faces,
    rows: Any,
    key: Any,
    epoch: Any,
    soft: Callable[[str, Any], Any],
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return a batch as :class:`~fernb.training.batches.FaceBatches` does: images, targets, weights."""
    keys = jax.random.split(key, 5)
    assert recipe.augmentation is not None
    turned = (rows + epoch) % 2 == 0
    mirror = turned if recipe.alternate_flips else jax.random.bernoulli(keys[0], recipe.augmentation.flip, rows.shape)
    images = views(faces[HEAD]["images"][rows].astype(jnp.float32), keys[1], recipe.augmentation, mirror)
    targets = {head: part["targets"][rows] for head, part in faces.items()}
    weights = {head: part["weights"][rows] for head, part in faces.items()}
    for head in targets:
        if (told := soft(head, images)) is not None:
            targets[head] = recipe.teaching * told + (1 - recipe.teaching) * targets[head]
    images = camera(images, keys[2], recipe.augmentation)
    if recipe.mixup:
        share = jax.random.beta(keys[3], recipe.mixup, recipe.mixup)
        other = jax.random.permutation(keys[4], len(rows))
        images = share * images + (1 - share) * images[other]
        targets = {head: share * t + (1 - share) * t[other] for head, t in targets.items()}
    return images, targets, weights


def _answers(model: keras.Model, variables: Variables, images: Any, *, training: bool) -> tuple[dict[str, Any], Arrays]:
    """Return each head's probabilities for ``images`` ``(n, 48, 48)``, and the other variables afterwards."""
    answers, others = model.stateless_call(variables.trained, variables.others, images[..., None], training=training)
    return (answers if isinstance(answers, dict) else {HEAD: answers}), others


def _softened(teachers: Sequence[keras.Model], lent: Sequence[Variables], images: Any) -> Any:
    """Return the teachers' mean probabilities, softened as in ``distillation_targets``."""
    told = [_answers(*pair, images, training=False)[0][HEAD] for pair in zip(teachers, lent, strict=True)]
    return jax.nn.softmax(jnp.log(jnp.clip(sum(told) / len(told), 1e-12, 1)) / TEMPERATURE)


def _step(model: keras.Model, recipe: Recipe, at: Progress, batch: tuple, rate: Any) -> tuple[Progress, tuple]:
    """Take one step of Nesterov's SGD, sharpness-aware if so asked, with Keras's decoupled weight decay."""
    images, targets, weights = batch
    slope = jax.value_and_grad(partial(_loss, model, recipe), has_aux=True)
    (loss, (others, right)), gradient = slope(at.now.trained, at.now.others, images, targets, weights)
    if recipe.sharpness:
        length = jnp.sqrt(sum((g.astype(jnp.float32) ** 2).sum() for g in gradient)) + 1e-12
        uphill = [w + recipe.sharpness * g / length for w, g in zip(at.now.trained, gradient, strict=True)]
        _, gradient = slope(uphill, at.now.others, images, targets, weights)
    momentum = model.optimizer.momentum
    velocity = [momentum * v - rate * g for v, g in zip(at.velocity, gradient, strict=True)]
    trained = [
        w * (1 - rate * recipe.weight_decay * decays) + momentum * v - rate * g
        for w, v, g, decays in zip(at.now.trained, velocity, gradient, _decays(model), strict=True)
    ]
    now = Variables(trained, others)
    return Progress(now, velocity, _averaged(at, now, recipe.ema), at.steps + 1), (loss, right)


def _decays(model: keras.Model) -> list[bool]:
    """Say for each trained variable whether weight decay applies, as in ``Recipe.optimizer``."""
    return [not variable.path.endswith(NO_DECAY) for variable in model.trainable_variables]


def _loss(
    model: keras.Model, recipe: Recipe, trained: Arrays, others: Arrays, images: Any, targets: dict, weights: dict
) -> tuple[Any, tuple[Arrays, Any]]:
    """Return the heads' weighted cross-entropies added up, with the other variables and the accuracy."""
    answers, others = _answers(model, Variables(trained, others), images, training=True)
    total = 0.0
    for head, wanted in targets.items():
        smoothing = recipe.label_smoothing if head == HEAD else 0
        wanted = wanted * (1 - smoothing) + smoothing / wanted.shape[1]
        losses = -(wanted * jnp.log(jnp.clip(answers[head].astype(jnp.float32), 1e-7, 1))).sum(1)
        total += (recipe.votes_head if head == VOTES_HEAD else 1) * (weights[head] * losses).mean()
    return total, (others, (answers[HEAD].argmax(1) == targets[HEAD].argmax(1)).mean())


def _averaged(at: Progress, now: Variables, momentum: float) -> Variables:
    """Let ``now`` join the moving average; at first it moves faster, to forget the beginning."""
    if not momentum:
        return now
    count = at.steps / AVERAGE_EVERY
    keep = jnp.minimum(momentum, ((1 + count) / (10 + count)) ** (1 / AVERAGE_EVERY))

    def mean(old: Any, new: Any) -> Any:
        return old * keep + new * (1 - keep) if jnp.issubdtype(new.dtype, jnp.floating) else new

    return Variables(
        [mean(*pair) for pair in zip(at.average.trained, now.trained, strict=True)],
        [mean(*pair) for pair in zip(at.average.others, now.others, strict=True)],
    )


def _probabilities(model: keras.Model, variables: Variables, images: Any) -> Any:
    return _answers(model, variables, images.astype(jnp.float32), training=False)[0][HEAD]


def _judge(judge: Callable, variables: Variables, faces: FaceSet) -> dict[str, float]:
    probs = np.concatenate([judge(variables, faces.images[i : i + 512]) for i in range(0, len(faces), 512)])
    return val_figures(probs, faces)
