"""A trained network becomes files with everything needed to judge and repeat it."""

from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from fernb.config import SEED
from fernb.data.faceset import FaceSet, FaceSplits
from fernb.evaluation import evaluate_network, fit_temperature
from fernb.networks.architectures import HEAD, one_head, to_standard_layers
from fernb.networks.recogniser import Recogniser
from fernb.networks.sidecar import write_sidecar
from fernb.networks.storage import calibrated, save_model
from fernb.networks.training_faces import KEY, write_training_faces
from fernb.training.batches import as_input
from fernb.training.devices import hardware
from fernb.training.recipes import Recipe

EXAMPLES = 500
"""Training faces by which the 8-bit copy of a network learns the range of its activations."""


def publish(
    model: keras.Model,
    splits: FaceSplits,
    *,
    history: dict[str, list[float]],
    recipe: Recipe,
    path: Path,
    how: dict,
    head: str = HEAD,
    seen: FaceSet | None = None,
) -> tuple[Path, dict]:
    """Save a trained network with everything needed to judge and repeat it; return its path and side-car.

    Of a network with two answers ``head`` says which one; ``splits`` have that one's emotions.
    ``seen`` are all faces that it was trained on (default: ``splits.train``); their hashes are
    written beside it, see :mod:`fernb.networks.training_faces`.
    The network is calibrated first: its logits are divided by the ``temperature`` that fits val.
    The side-car holds the labels, that temperature, ``how`` it was made (command, seed;
    hardware, where it is not this one; the epoch, where it is not the best of ``history``), the
    recipe, the data's digest, the history and the figures on val and test of the saved LiteRT copy.
    """
    model = one_head(model, head) if isinstance(model.output, dict) else to_standard_layers(model)
    val = model.predict(as_input(splits.val.images), batch_size=256, verbose=0)
    temperature = fit_temperature(val, splits.val.labels)
    best = int(np.argmax(history["val_accuracy"])) + 1
    sidecar = {
        "labels": list(splits.classes),
        "temperature": temperature,
        "made": {"hardware": hardware(), "epoch": best} | how | {"epochs_run": len(history["loss"])},
        "recipe": asdict(recipe),
        "data": {"source": splits.source, "digest": splits.digest}
        | ({"votes": "FER+'s ten votes for each face of train"} if recipe.votes or recipe.votes_head else {}),
        KEY: write_training_faces(path.parent, splits.train if seen is None else seen),
        "protocol": "trained on train, epoch chosen by accuracy on val, nothing chosen on test; one forward pass a "
        "face, val_flip and test_flip average each face and its mirror image",
        "history": {name: [round(value, 5) for value in values] for name, values in history.items()},
    }
    examples = splits.train.sample(EXAMPLES, SEED).images
    path = save_model(calibrated(model, temperature), path, sidecar=sidecar, examples=examples)
    recogniser = Recogniser(path.with_suffix(".tflite"))
    sidecar = recogniser.sidecar | {"metrics": evaluate_network(recogniser, splits)}
    write_sidecar(path, sidecar)
    return path, sidecar
