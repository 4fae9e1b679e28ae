"""A recipe from data to files: teachers, start weights, FER+, training, publishing. What ``fernb train`` does."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from fernb.config import SEED
from fernb.data.faceset import FaceSplits
from fernb.data.ferplus import ferplus_splits
from fernb.errors import FernbError
from fernb.networks.architectures import HEAD, VOTES_HEAD
from fernb.networks.recogniser import Recogniser
from fernb.networks.sidecar import read_sidecar, sidecar_path
from fernb.networks.storage import calibrated, load_model
from fernb.training.checkpoint import load_state
from fernb.training.devices import Devices, hardware
from fernb.training.loop import train
from fernb.training.publish import publish
from fernb.training.recipes import Recipe


def train_and_publish(
    recipe: Recipe,
    splits: FaceSplits,
    *,
    run: Path,
    path: Path,
    votes_path: Path | None = None,
    teachers: Sequence[Path] = (),
    start: Path | None = None,
    seed: int = SEED,
    resume: bool = False,
    bfloat16: bool = False,
    devices: Devices | None = None,
    how: dict,
    log: Callable[[str], None] = print,
) -> list[tuple[Path, dict]]:
    """Train ``recipe`` on ``splits`` in the folder ``run``; return the path and side-car of each network written.

    The network is saved as ``path`` (``.keras``, with its copies); the second head of a recipe with
    ``votes_head`` as ``votes_path`` (default: ``path`` with ``_votes``). ``teachers`` are networks
    whose answers are learnt too (Hinton et al. 2015), each by the head that has its emotions; ``start``
    is a ``.keras`` file whose weights are lent, as they were before calibration; both are read before
    the work begins. ``devices`` share the work. ``how`` goes into the side-car, ``log`` takes a line an
    epoch. On another backend than TensorFlow the run is trained and nothing is written beside it, for the
    copies need TensorFlow; on JAX, a recipe that can be is compiled for a GPU
    (:mod:`fernb.training.accelerator`). Raises :class:`~fernb.errors.FernbError` for what is missing or does not fit.
    """
    faces = ferplus_splits(splits, recipe.ferplus) if recipe.ferplus else splits
    heads = [(HEAD, faces, path)]
    if recipe.votes_head:
        heads.append((VOTES_HEAD, ferplus_splits(splits), votes_path or path.with_name(f"{path.stem}_votes.keras")))
    by_head = _by_head(teachers, {head: part.classes for head, part, _ in heads})
    settings: dict[str, Any] = {"run": run, "seed": seed, "resume": resume, "bfloat16": bfloat16, "progress": log}
    settings["start"] = uncalibrated(start) if start else None
    model, history = _train(faces, recipe, by_head, devices, settings)
    if keras.backend.backend() != "tensorflow":
        log("trained; give the same command with --resume and without KERAS_BACKEND, for TensorFlow writes the files.")
        return []
    how = how | _trained_on(run)
    return [
        publish(model, part, history=history, recipe=recipe, path=file, how=how, head=head, seen=splits.train)
        for head, part, file in heads
    ]


def _train(
    faces: FaceSplits,
    recipe: Recipe,
    teachers: Mapping[str, Sequence[Path]],
    devices: Devices | None,
    settings: dict[str, Any],
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Train epoch by epoch on a GPU where JAX can, else batch by batch."""
    if keras.backend.backend() == "jax" and recipe.can_be_compiled:
        from fernb.training.accelerator import train_compiled

        networks = {head: [load_model(file) for file in files] for head, files in teachers.items()}
        return train_compiled(faces, recipe, teachers=networks, **settings)
    # one thread each: they answer for the next batch while the student learns on the other cores
    answers = {head: [Recogniser(file, threads=1).predict for file in files] for head, files in teachers.items()}
    return train(faces, recipe, teachers=answers, devices=devices, **settings)


def uncalibrated(path: Path) -> keras.Model:
    """Return the network ``path`` as it was before :func:`~fernb.training.publish.publish` calibrated it."""
    model = load_model(path)
    temperature = read_sidecar(path).get("temperature") if sidecar_path(path).is_file() else None
    return calibrated(model, 1 / temperature) if temperature else model


def _by_head(teachers: Sequence[Path], heads: Mapping[str, Sequence[str]]) -> dict[str, list[Path]]:
    """Sort ``teachers`` by the head, of those with their classes in ``heads``, that has their emotions."""
    found: dict[str, list[Path]] = {}
    for path in teachers:
        labels = read_sidecar(path)["labels"]
        head = next((head for head, classes in heads.items() if labels == [*classes]), None)
        if head is None:
            raise FernbError(
                f"{path.name} cannot teach: it knows {', '.join(labels)}; "
                f"the data has {', '.join(next(iter(heads.values())))}."
            )
        found.setdefault(head, []).append(path)
    return found


def _trained_on(run: Path) -> dict[str, str]:
    """Return the hardware that the run's state names; it may have been trained elsewhere than it is published."""
    state = load_state(run / "state.npz")
    return {"hardware": state.run.get("hardware", hardware()) if state else hardware()}
