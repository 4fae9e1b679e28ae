"""The JSON beside a network's file: its labels, how it was made, what it is worth, and its files' SHA-256."""

import hashlib
import itertools
import json
import math
import os
import re
import shlex
from pathlib import Path
from typing import Any

from fernb.errors import ModelError
from fernb.files import write_json

INT8 = "_int8"
"""What the name of a network's copy in 8-bit integers ends with."""

MAX_BYTES = 16 << 20  # of a side-car; the largest here have 20 kB


def sidecar_path(model: str | os.PathLike) -> Path:
    """Return where the side-car of the file ``model`` is; all files of one network share it."""
    model = Path(model)
    return model.with_name(model.stem.removesuffix(INT8) + ".json")


def write_sidecar(path: str | os.PathLike, sidecar: dict) -> None:
    """Write the JSON that stands beside the model ``path``, with the SHA-256 of each file of the network."""
    path = sidecar_path(path)
    files = [path.with_name(path.stem + ending) for ending in (".keras", ".tflite", f"{INT8}.tflite")]
    digests = {_ending(file): file_digest(file) for file in files if file.is_file()}
    write_json(path, sidecar | {"sha256": digests})


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_sidecar(model: str | os.PathLike) -> dict[str, Any]:
    """Return the JSON beside ``model``.

    Raises :class:`~fernb.errors.ModelError` where there is none, where its ``labels`` are not a
    list of different names, or where its ``metrics`` or ``sha256`` are of another kind.
    """
    path = sidecar_path(model)
    wrong = f"{path} is not a side-car of a fernb model"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{wrong}: it has more than {MAX_BYTES >> 20} MB.")
        sidecar = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        name = Path(model).name
        raise ModelError(f"{path.name} is missing beside {name}: it says which emotion each output is.") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError):
        raise ModelError(f"{wrong}: it is no JSON.") from None
    if not isinstance(sidecar, dict) or "labels" not in sidecar:
        raise ModelError(f"{wrong}: it has no list of labels.")
    _check_labels(sidecar["labels"], wrong)
    for name in ("metrics", "sha256"):
        if not isinstance(sidecar.get(name, {}), dict):
            raise ModelError(f"{wrong}: its {name} are no JSON object.")
    return sidecar


def _check_labels(labels: object, wrong: str) -> None:
    if not isinstance(labels, list) or not all(isinstance(label, str) and label.strip() for label in labels):
        raise ModelError(f"{wrong}: its labels are not a list of names.")
    if len(labels) < 2:
        raise ModelError(f"{wrong}: it names {len(labels)} emotions; a network tells two or more apart.")
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ModelError(f"{wrong}: it has the label {twice[0]!r} twice.")


def named_in_command(sidecar: dict[str, Any], option: str) -> list[str]:
    """Return the networks that the command which made a network names after ``--option``, each once.

    A second head (``_votes``) and an 8-bit copy go by the name of their network.
    """
    words = shlex.split(sidecar["made"]["command"])
    files = [file for word, file in itertools.pairwise(words) if word == f"--{option}"]
    return [*dict.fromkeys(re.sub(r"(_votes|_int8)$", "", Path(file).stem) for file in files)]


def confidence_threshold(sidecar: dict[str, Any]) -> float:
    """Return the confidence below which the network was wrong more often than right on val; 0 where it is unknown.

    Raises :class:`~fernb.errors.ModelError` where it is no probability.
    """
    metrics = sidecar.get("metrics", {})
    value = metrics.get("confidence_threshold", metrics.get("unsure_below", 0.0))  # the latter until 2026
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise ModelError(f"the side-car's confidence threshold is {value!r}; it must be a number from 0 to 1.")
    return float(value)


def is_verified(model: Path, sidecar: dict[str, Any]) -> bool:
    """Say whether ``model`` has the SHA-256 that its side-car states; False where it states none.

    Raises :class:`~fernb.errors.ModelError` where the file is another one.
    """
    stated = sidecar.get("sha256", {}).get(_ending(model))
    if stated is None:
        return False
    if stated != file_digest(model):
        raise ModelError(
            f"{model.name} is not the file that {sidecar_path(model).name} describes: it was changed or damaged; "
            "get both files again."
        )
    return True


def verify(model: Path) -> None:
    """Raise ModelError where the JSON beside ``model`` states another SHA-256; without one, nothing is known."""
    try:
        sidecar = json.loads(sidecar_path(model).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    if isinstance(sidecar, dict) and isinstance(sidecar.get("sha256"), dict):
        is_verified(model, sidecar)


def _ending(model: Path) -> str:
    """Return what tells a network's files apart, whatever its name: ``.keras``, ``.tflite`` or ``_int8.tflite``."""
    return (INT8 if model.stem.endswith(INT8) else "") + model.suffix
