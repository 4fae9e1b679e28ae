"""The JSON beside a network's file: its labels, how it was made and what it is worth."""

import json
import os
from pathlib import Path

from fernb.errors import ModelError
from fernb.files import write_json


def write_sidecar(path: str | os.PathLike, sidecar: dict) -> None:
    """Write the JSON that stands beside the model ``path``."""
    write_json(Path(path).with_suffix(".json"), sidecar)


INT8 = "_int8"
"""What the name of a network's copy in 8-bit integers ends with."""


def read_sidecar(model: Path) -> dict:
    """Return the JSON beside ``model``; raises ModelError where there is none, or one without labels."""
    path = model.with_name(model.stem.removesuffix(INT8) + ".json")  # the small copy shares it
    try:
        sidecar = json.loads(path.read_text(encoding="utf-8"))
        labels = sidecar["labels"]
    except FileNotFoundError:
        raise ModelError(f"{path.name} is missing beside {model.name}: it says which emotion each output is.") from None
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{path} is not a side-car of a fernb model: it has no list of labels.") from None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ModelError(f"{path} is not a side-car of a fernb model: its labels are not a list of names.")
    return sidecar
