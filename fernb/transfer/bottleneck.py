"""Two ways to reuse a network that has learnt elsewhere: bottleneck features, and fine-tuning.

A *bottleneck feature* is what a frozen backbone makes of a face: computed once, cached, and
then learnt from in seconds. *Fine-tuning* goes on from there and lets the upper layers of the
backbone learn too, slowly. Taught in notebook 04.
"""

import hashlib
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers

from fernb.config import SEED
from fernb.data.faceset import FaceSet
from fernb.files import atomic_write
from fernb.networks.backbones import Backbone
from fernb.training.augmentation import Augmentation

GRID = 3
"""Features keep so much of *where*: averages over 3 × 3 fields of the feature layer's maps."""

MANY = 4000
"""From so many inputs on a network is compiled into a graph, which answers nearly twice as fast."""

GENTLE = Augmentation(rotation=12, scale=0.12, shift=0.08, erase=0.2)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class BottleneckFeatures:
    """Features float16 ``(n, d)`` of faces, their labels ``(n,)``, and the seconds that they took."""

    values: np.ndarray
    labels: np.ndarray
    seconds: float


def feature_network(backbone: Backbone, grid: int = GRID) -> keras.Model:
    """Return the network from faces ``(n, 48, 48, 1)`` to features ``(n, d)``.

    The maps of the feature layer are averaged over about ``grid × grid`` fields; 1 is global average
    pooling, which forgets where in the face a thing was.
    """
    field = -(-backbone.model.output.shape[1] // grid)
    x = layers.AveragePooling2D(field, padding="same", name="grid")(backbone.model.output)
    return keras.Model(backbone.model.input, layers.Flatten(name="features")(x), name=f"{backbone.name}_features")


def bottleneck_features(
    backbone: Backbone,
    faces: FaceSet,
    *,
    grid: int = GRID,
    cache: Path | None = None,
    progress: Progress | None = None,
    batch_size: int = 128,
) -> BottleneckFeatures:
    """Return what ``backbone`` makes of ``faces``, from the folder ``cache`` where it was made before.

    The file's name depends on faces, layers and weights, so a stale one is never taken; it is
    written whole or not at all, and a broken one is made anew. ``progress`` is called with the
    faces done and all of them.
    """
    path = cache / f"{_features_digest(backbone, faces, grid)}.npz" if cache else None
    if path and (known := _read_features(path, faces)):
        return known
    start = time.perf_counter()
    values = answers(
        feature_network(backbone, grid), faces.images, progress=progress, batch_size=batch_size, pack=_float16
    )
    features = BottleneckFeatures(values, faces.labels, time.perf_counter() - start)
    if path:
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez(file, values=values, seconds=features.seconds)
    return features


def answers(
    model: keras.Model,
    inputs: np.ndarray,
    *,
    progress: Progress | None = None,
    batch_size: int = 128,
    pack: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> np.ndarray:
    """Return what ``model`` makes of ``inputs``: faces uint8 ``(n, 48, 48)`` or features ``(n, d)``.

    Each batch goes through ``pack``. Unlike ``model.predict`` it builds a graph only for many
    inputs: elsewhere that takes longer than the answers.
    """
    ask = model.predict_on_batch if len(inputs) >= MANY else lambda batch: model(batch, training=False)
    inputs = inputs[..., None] if inputs.ndim == 3 else inputs
    parts = [np.empty((0, *model.output.shape[1:]), np.float32)]
    for first in range(0, len(inputs), batch_size):
        batch = inputs[first : first + batch_size].astype(np.float32)
        parts.append(pack(keras.ops.convert_to_numpy(ask(batch))))
        if progress:
            progress(first + len(batch), len(inputs))
    return np.concatenate(parts[1:] or parts)


def _float16(values: np.ndarray) -> np.ndarray:
    most = np.finfo(np.float16).max  # networks without normalisation reach thousands
    return np.clip(values, -most, most).astype(np.float16)


def _features_digest(backbone: Backbone, faces: FaceSet, grid: int) -> str:
    digest = hashlib.sha256(f"{backbone.digest} {grid} {faces.images.shape}".encode())
    digest.update(np.ascontiguousarray(faces.images).data)
    return f"{backbone.name.lower()}-{digest.hexdigest()[:24]}"


def _read_features(path: Path, faces: FaceSet) -> BottleneckFeatures | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            values, seconds = file["values"], float(file["seconds"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return BottleneckFeatures(values, faces.labels, seconds) if len(values) == len(faces) else None


def augmented(faces: FaceSet, copies: int = 3, *, augmentation: Augmentation = GENTLE, seed: int = SEED) -> FaceSet:
    """Return ``faces`` followed by ``copies - 1`` randomly changed versions of each.

    Features are computed once, so augmentation must come before them, and each copy costs as much again.
    """
    rng = np.random.default_rng(seed)
    images = [faces.images, *(augmentation(faces.images, rng) for _ in range(copies - 1))]
    return FaceSet(np.concatenate(images), np.tile(faces.labels, copies))


def activation_sparsity(maps: np.ndarray) -> dict[str, float]:
    """Return how many values of the maps ``(n, h, w, c)`` of a ReLU are 0, as shares.

    ``zero`` is that of zeros among all values, ``dead`` that of filters which answer to no face at all.
    """
    return {"zero": float((maps == 0).mean()), "dead": float((maps == 0).all((0, 1, 2)).mean())}


def build_head(
    features: int, classes: int, *, hidden: int = 256, dropout: float = 0.5, standardise: bool = True
) -> keras.Model:
    """Build what is learnt on features ``(n, d)``: an MLP, or with ``hidden=0`` a logistic regression.

    ``standardise`` puts batch normalisation first, which brings every feature to the same spread.
    """
    inputs = x = keras.Input((features,), name="features")
    if standardise:
        x = layers.BatchNormalization(momentum=0.9, name="head_norm")(x)
    if dropout:
        x = layers.Dropout(dropout, name="head_dropout")(x)
    if hidden:
        x = layers.Dense(hidden, activation="relu", kernel_initializer="he_normal", name="head_dense")(x)
        x = layers.Dropout(dropout, name="head_dropout_2")(x) if dropout else x
    outputs = layers.Dense(classes, activation="softmax", name="emotion")(x)
    return keras.Model(inputs, outputs, name="head")


def fit_head(
    head: keras.Model,
    train: BottleneckFeatures,
    *,
    val: BottleneckFeatures,
    epochs: int = 30,
    learning_rate: float = 1e-3,
    patience: int | None = 4,
    seed: int = SEED,
) -> dict[str, list[float]]:
    """Fit ``head`` by Adam; return the history.

    The epoch of the best accuracy on ``val`` is kept, and training stops ``patience`` epochs
    after it; with None all ``epochs`` are run and the last one is kept.
    """
    keras.utils.set_random_seed(seed)
    head.compile(
        keras.optimizers.Adam(learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    stop = keras.callbacks.EarlyStopping("val_accuracy", patience=patience or 0, mode="max", restore_best_weights=True)
    history = head.fit(
        train.values,
        train.labels,
        validation_data=(val.values, val.labels),
        batch_size=128,
        validation_batch_size=512,
        epochs=epochs,
        callbacks=[] if patience is None else [stop],
        verbose=0,
    )
    return history.history


def attach(backbone: Backbone, head: keras.Model, *, grid: int = GRID) -> keras.Model:
    """Return one network from faces to probabilities: backbone, grid and head, which keep sharing their layers."""
    network = feature_network(backbone, grid)
    x = network.output
    for layer in head.layers[1:]:
        x = layer(x)
    return keras.Model(network.input, x, name=f"{backbone.name.lower()}_transfer")
