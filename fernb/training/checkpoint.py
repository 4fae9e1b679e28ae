"""The state of a run in one file, so that a run can be killed at any moment and goes on as if it had not been.

A state is a ``.npz`` of arrays and one JSON text; nothing in it is ever unpickled.
"""

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from fernb import files
from fernb.errors import FernbError


@dataclass
class State:
    """What a run consists of after an epoch.

    ``variables`` are those of the network and its optimiser, the seeds of dropout among them;
    ``average`` is the network's averaged weights (empty without averaging) and ``best`` the
    weights that were best on val so far. ``history`` has a list for each figure, one value an
    epoch. ``run`` says what the run was asked to do: recipe, seed, digest of the data.
    """

    variables: list[np.ndarray]
    average: list[np.ndarray]
    best: list[np.ndarray]
    history: dict[str, list[float]]
    run: dict

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.history.get("loss", []))

    def add(self, figures: dict[str, float], weights: Callable[[], list[np.ndarray]]) -> None:
        """Add an epoch's ``figures`` to the history; where it is the best on val, keep what ``weights`` returns."""
        if not self.best or figures["val_accuracy"] > max(self.history["val_accuracy"]):
            self.best = weights()
        for name, value in figures.items():
            self.history.setdefault(name, []).append(float(value))


def previous(path: Path) -> Path:
    """Return where the state before the one at ``path`` is kept."""
    return path.with_suffix(f".previous{path.suffix}")


def save_state(state: State, path: Path) -> None:
    """Write ``state`` to ``path``, whole or not at all; the state that was there is kept beside it."""
    arrays = {
        f"{kind}/{i}": array
        for kind in ("variables", "average", "best")
        for i, array in enumerate(getattr(state, kind))
    }
    facts = json.dumps({"history": state.history, "run": state.run})  # JSON keeps every digit of a float64
    with files.atomic_write(path) as temporary:
        with temporary.open("wb") as file:
            np.savez(file, facts=np.array(facts), **arrays)
        if path.is_file():
            shutil.copyfile(path, previous(path))


def load_state(path: Path) -> State | None:
    """Return the state at ``path``, or the one before where that is broken; None where there is neither file.

    Raises :class:`~fernb.errors.FernbError` where there are files, but none can be read.
    """
    there = [file for file in (path, previous(path)) if file.is_file()]
    for file in there:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                facts = json.loads(str(arrays["facts"]))
                lists = {kind: _numbered(arrays, kind) for kind in ("variables", "average", "best")}
            return State(**lists, history=facts["history"], run=facts["run"])
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile):
            continue
    if there:
        raise FernbError(f"{path} cannot be read, nor the state before it; train anew without --resume.")
    return None


def _numbered(arrays: np.lib.npyio.NpzFile, kind: str) -> list[np.ndarray]:
    return [arrays[f"{kind}/{i}"] for i in range(sum(name.startswith(f"{kind}/") for name in arrays.files))]


def read_variables(model: keras.Model) -> list[np.ndarray]:
    """Return copies of all variables of a compiled ``model``: weights, seeds, metrics, the optimiser's."""
    return [keras.ops.convert_to_numpy(variable).copy() for variable in _variables(model)]


def write_variables(model: keras.Model, values: list[np.ndarray]) -> None:
    """Give ``model`` what :func:`read_variables` returned for a network of the same recipe."""
    variables = _variables(model)
    if [tuple(v.shape) for v in variables] != [value.shape for value in values]:
        raise FernbError("the saved state is of another network; train anew without --resume.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _variables(model: keras.Model) -> list:
    model.optimizer.build(model.trainable_variables)
    metrics = {id(variable) for variable in model.metrics_variables}
    return [v for v in model.variables if id(v) not in metrics] + model.optimizer.variables
