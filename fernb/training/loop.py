"""One ``train`` that can be killed at any moment and goes on to the last digit. Taught in notebook 03.

Runs on any Keras 3 backend.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fernb.config import SEED
from fernb.data.faceset import FaceSet, FaceSplits
from fernb.errors import FernbError
from fernb.files import write_text
from fernb.labels import EMOTIONS_8
from fernb.networks.architectures import HEAD, VOTES_HEAD, for_any_size, start_from, with_votes_head
from fernb.training.batches import FaceBatches, Teacher, as_input
from fernb.training.checkpoint import State, load_state, read_variables, save_state, write_variables
from fernb.training.devices import Devices, hardware
from fernb.training.recipes import Recipe
from fernb.training.sharpness import Sharpness, Step
from fernb.training.targets import has_votes, vote_targets

AVERAGE_EVERY = 8
"""After so many batches the weights join their average; oftener changes nothing and costs time."""
_FREE = ("epochs", "decay", "patience", "late_bad_camera", "sharpness", "about")
"""A run may go on with other values of these."""


def train(
    splits: FaceSplits,
    recipe: Recipe,
    *,
    run: Path,
    seed: int = SEED,
    resume: bool = False,
    bfloat16: bool = False,
    progress: Callable[[str], None] = print,
    teachers: Mapping[str, Sequence[Teacher]] | None = None,
    start: keras.Model | None = None,
    devices: Devices | None = None,
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Train ``recipe`` on ``splits.train``, choosing the epoch on ``splits.val``.

    ``run`` receives ``history.csv``, TensorBoard logs and after each epoch ``state.npz``, from
    which ``resume`` goes on as if nothing had happened; ``stable.npz`` is the state before the
    decay of a trapezoid: as ``state.npz`` of another run it can be trained on for longer. ``bfloat16``
    halves the time on processors that have it (AVX512-BF16, AMX). ``progress`` takes a line per epoch.
    The answers of a head's ``teachers`` for each batch are learnt too; ``start`` lends its weights where they fit
    (:func:`~fernb.networks.architectures.start_from`); ``devices`` share the work.

    Returns the network with the weights of its best epoch (with ``votes_head`` it has two
    answers, see :func:`~fernb.networks.architectures.one_head`), and the history: lists ``loss``,
    ``accuracy``, ``val_loss``, ``val_accuracy`` and ``learning_rate``, one value per epoch.
    Raises :class:`~fernb.errors.FernbError` where ``resume`` finds a run of another recipe.
    """
    asked = asked_of(splits, recipe, seed)
    keras.utils.set_random_seed(seed)
    batches = face_batches(splits, recipe, seed, teachers)
    model, step = _compiled(recipe, len(splits.classes), bfloat16, devices)
    state = begin(model, recipe, run, asked=asked, resume=resume, start=start)
    log = _tensorboard(model, run)
    while state.epoch < recipe.epochs and not out_of_patience(state.history, recipe.patience):
        if state.epoch == recipe.decay_start:
            save_state(state, run / "stable.npz")
        figures = _one_epoch(model, batches, state, splits.val, step)
        state.variables, state.run = read_variables(model), asked
        save_state(state, run / "state.npz")
        write_history(state.history, run / "history.csv")
        log.on_epoch_end(state.epoch - 1, figures)
        progress(epoch_line(state.epoch, recipe, figures))
    log.on_train_end()
    model.set_weights(state.best)
    return model, state.history


def asked_of(splits: FaceSplits, recipe: Recipe, seed: int) -> dict:
    """Return what decides a run, and where it runs, as its state keeps it: a dictionary that JSON can hold."""
    asked = {"recipe": asdict(recipe), "seed": seed, "data": splits.digest, "hardware": hardware()}
    return json.loads(json.dumps(asked, default=str))


def begin(
    model: keras.Model, recipe: Recipe, run: Path, *, asked: dict, resume: bool, start: keras.Model | None
) -> State:
    """Go on from the state in ``run``, or clear it and begin with the weights that ``start`` lends."""
    run.mkdir(parents=True, exist_ok=True)
    state = load_state(run / "state.npz") if resume else None
    if state:
        _check_same(state.run, asked)
        write_variables(model, state.variables)
        return state
    for stale in ("state.npz", "state.previous.npz", "stable.npz", "history.csv"):
        (run / stale).unlink(missing_ok=True)
    if start is not None:
        start_from(model, start)
    return State([], model.get_weights() if recipe.ema else [], [], {}, asked)


def _tensorboard(model: keras.Model, run: Path) -> keras.callbacks.TensorBoard:
    log = keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False)
    log.set_model(model)
    return log


def _check_same(before: dict, asked: dict) -> None:
    old, new = (run["recipe"] | {name: run[name] for name in ("seed", "data")} for run in (before, asked))
    differs = [name for name in new if name not in _FREE and old.get(name) != new[name]]
    if differs:
        raise FernbError(f"the run to go on with had other settings ({', '.join(differs)}); train without --resume.")


def _one_epoch(model: keras.Model, batches: FaceBatches, state: State, val: FaceSet, step: Step) -> dict[str, float]:
    """Train and judge one epoch; ``state`` gets its average, best weights and history."""
    recipe, epoch = batches.recipe, state.epoch
    if epoch and recipe.side(epoch) != recipe.side(epoch - 1):
        # a function that has seen two sizes computes for any size, and rounds otherwise than one made after a resume
        model.make_train_function(force=True)
        model.make_predict_function(force=True)
    batches.start(epoch)
    totals = {"loss": 0.0, "accuracy": 0.0}
    single = not isinstance(model.output, dict)
    for index, (inputs, targets, weights) in enumerate(batches):
        _set_rate(model, state, recipe, epoch + index / len(batches))
        wanted, importance = (targets[HEAD], weights[HEAD]) if single else (targets, weights)
        logs = step(model, inputs, wanted, importance)
        totals["loss"] += float(logs["loss"]) * len(inputs)
        totals["accuracy"] += float(logs["accuracy" if single else f"{HEAD}_accuracy"]) * len(inputs)
        done = epoch * len(batches) + index + 1
        if recipe.ema and done % AVERAGE_EVERY == 0:
            _average(state.average, model.get_weights(), recipe.ema**AVERAGE_EVERY, done // AVERAGE_EVERY)
    figures = {name: total / len(batches.faces) for name, total in totals.items()}
    trained = model.get_weights()
    if recipe.ema:
        model.set_weights(state.average)
    figures |= _judge(model, val, recipe.side(epoch))
    figures["learning_rate"] = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    state.add(figures, model.get_weights)
    model.set_weights(trained)
    return figures


def _train_on_batch(model: keras.Model, inputs: np.ndarray, targets: Any, weights: Any) -> dict[str, float]:
    return model.train_on_batch(inputs, targets, sample_weight=weights, return_dict=True)


def _set_rate(model: keras.Model, state: State, recipe: Recipe, epoch: float) -> None:
    plateau = recipe.schedule == "plateau"
    model.optimizer.learning_rate = (
        recipe.learning_rate * plateau_factor(state.history) if plateau else recipe.rate(epoch)
    )


def plateau_factor(history: dict[str, list[float]], patience: int = 3, factor: float = 1 / 3) -> float:
    """Return by how much the rate has fallen: by ``factor`` whenever ``val_loss`` had not for ``patience`` epochs."""
    best, since, fallen = np.inf, 0, 1.0
    for loss in history.get("val_loss", []):
        best, since = (loss, 0) if loss < best else (best, since + 1)
        if since == patience:
            fallen, since = fallen * factor, 0
    return fallen


def out_of_patience(history: dict[str, list[float]], patience: int) -> bool:
    accuracy = history.get("val_accuracy", [])
    return bool(accuracy) and len(accuracy) - 1 - int(np.argmax(accuracy)) >= patience


def _average(average: list[np.ndarray], weights: list[np.ndarray], momentum: float, count: int) -> None:
    """Let ``weights`` join their moving ``average`` in place; at first it moves faster, to forget the beginning."""
    momentum = min(momentum, (1 + count) / (10 + count))
    for mean, new in zip(average, weights, strict=True):
        mean += (1 - momentum) * (new - mean)


def _judge(model: keras.Model, faces: FaceSet, side: int) -> dict[str, float]:
    probs = model.predict(as_input(faces.images, side=side), batch_size=256, verbose=0)
    return val_figures(probs[HEAD] if isinstance(probs, dict) else probs, faces)


def val_figures(probs: np.ndarray, faces: FaceSet) -> dict[str, float]:
    """Return ``val_loss`` and ``val_accuracy`` of probabilities ``(n, k)`` for ``faces``."""
    right = probs[np.arange(len(faces)), faces.labels]
    return {
        "val_loss": float(-np.log(np.maximum(right, 1e-7)).mean()),
        "val_accuracy": float((probs.argmax(1) == faces.labels).mean()),
    }


def face_batches(
    splits: FaceSplits, recipe: Recipe, seed: int, teachers: Mapping[str, Sequence[Teacher]] | None = None
) -> FaceBatches:
    """Return the batches of ``recipe`` on ``splits.train``, with targets and weights for each head."""
    faces = splits.train
    wanted, present = {HEAD: recipe.targets(faces, splits.classes)}, {}
    if recipe.votes_head:
        wanted[VOTES_HEAD] = vote_targets(faces, EMOTIONS_8)
        present[VOTES_HEAD] = has_votes(faces).astype(np.float32)
    return FaceBatches(faces, wanted, recipe=recipe, seed=seed, present=present, teachers=teachers)


def _compiled(recipe: Recipe, classes: int, bfloat16: bool, devices: Devices | None) -> tuple[keras.Model, Step]:
    """Return the network, and what trains it on one batch."""
    step: Step = devices.train_on_batch if devices else _train_on_batch
    with devices.scope() if devices else nullcontext():
        model = compiled_network(recipe, classes, bfloat16)
        if recipe.sharpness:
            step = partial(Sharpness(model, recipe.sharpness, **_judged_by(recipe)).train_on_batch, step)
    return model, step


def compiled_network(recipe: Recipe, classes: int, bfloat16: bool) -> keras.Model:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if bfloat16 else "float32")
    try:
        model = recipe.build(classes)
        model = for_any_size(model) if recipe.sides else model
        model = with_votes_head(model) if recipe.votes_head else model
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(recipe.optimizer(), **_judged_by(recipe))
    return model


def _judged_by(recipe: Recipe) -> dict[str, Any]:
    """Return what ``compile`` takes beside an optimiser: losses and metrics."""
    smoothing = recipe.label_smoothing
    if recipe.focal:
        loss = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=recipe.focal, label_smoothing=smoothing)
    else:
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    # XLA is slower than oneDNN's kernels on a CPU, and the only good way on JAX
    settings: dict[str, Any] = {"jit_compile": "auto" if keras.backend.backend() == "jax" else False}
    if not recipe.votes_head:
        return settings | {"loss": loss, "metrics": ["accuracy"]}
    losses = {HEAD: loss, VOTES_HEAD: keras.losses.CategoricalCrossentropy()}
    shares = {HEAD: 1.0, VOTES_HEAD: recipe.votes_head}
    return settings | {"loss": losses, "loss_weights": shares, "metrics": {HEAD: ["accuracy"]}}


def epoch_line(epoch: int, recipe: Recipe, figures: dict[str, float]) -> str:
    return (
        f"epoch {epoch:3d}/{recipe.epochs}  loss {figures['loss']:.3f}  accuracy {figures['accuracy']:.1%}  "
        f"val_loss {figures['val_loss']:.3f}  val_accuracy {figures['val_accuracy']:.1%}"
    )


def write_history(history: dict[str, list[float]], path: Path) -> None:
    """Write a history as CSV: a column for each figure, a row for each epoch (from 0)."""
    rows = [",".join(["epoch", *history])]
    rows += [",".join(map(repr, (epoch, *row))) for epoch, row in enumerate(zip(*history.values(), strict=True))]
    write_text(path, "\n".join(rows) + "\n")


def read_history(path: Path) -> dict[str, list[float]]:
    """Read the history that a run wrote: one list per column, empty where there is none yet."""
    if not path.is_file() or path.stat().st_size == 0:
        return {}
    table = np.genfromtxt(path, delimiter=",", names=True, ndmin=1)
    return {name: table[name].tolist() for name in table.dtype.names or () if name != "epoch"} if table.size else {}
