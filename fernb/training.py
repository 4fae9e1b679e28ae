"""Training: named recipes, batches with augmentation, and one ``train`` that can be resumed.

Runs on any Keras 3 backend. Taught in notebook 03.
"""

import math
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import keras
import numpy as np

from fernb.augmentation import Augmentation
from fernb.config import SEED, cores
from fernb.data import FaceSet, FaceSplits, duplicated
from fernb.errors import FernbError
from fernb.evaluation import evaluate, fit_temperature, fit_unsure_below
from fernb.models import FusedBatchNormalization, build_resnet, build_vgg, save_model, write_sidecar
from fernb.recogniser import Recogniser


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run, apart from data and seed.

    ``schedule`` is ``cosine`` (linear warm-up over ``warmup`` epochs, then half a cosine down
    to zero; Loshchilov & Hutter 2017) or ``plateau`` (the rate falls to a third when
    ``val_loss`` has not fallen for three epochs). Training stops after ``patience`` epochs in
    which ``val_accuracy`` did not rise.
    """

    about: str
    network: str = "vgg"
    widths: tuple[int, ...] = (32, 64, 128, 256)
    dropout: float = 0.4
    normalise: bool = True
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    epochs: int = 40
    batch_size: int = 128
    learning_rate: float = 0.1
    schedule: str = "cosine"
    warmup: int = 2
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    patience: int = 15

    def build(self, classes: int) -> keras.Model:
        """Build the network of this recipe for ``classes`` emotions."""
        norm = FusedBatchNormalization if self.normalise else None
        build = {"vgg": build_vgg, "resnet": build_resnet}[self.network]
        return build(classes, self.widths, dropout=self.dropout, normalise=norm)

    def rate(self, epoch: int) -> float:
        """Return the learning rate of ``epoch`` (0-based) under the cosine schedule."""
        if epoch < self.warmup:
            return self.learning_rate * (epoch + 1) / (self.warmup + 1)
        done = (epoch - self.warmup) / max(1, self.epochs - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


_PLAIN = Recipe(
    "No augmentation, dropout or normalisation: the net that notebook 03 watches overfit.",
    widths=(16, 32, 64),
    dropout=0,
    normalise=False,
    augmentation=None,
    epochs=40,
    batch_size=32,
    learning_rate=0.02,
    schedule="plateau",
    weight_decay=0,
    label_smoothing=0,
)

RECIPES = {
    "plain": _PLAIN,
    "lesson": Recipe(
        "Half the width and a short cosine: minutes on a laptop.",
        widths=(16, 32, 64, 128),
        epochs=15,
        learning_rate=0.05,
    ),
    "vgg": Recipe(
        "The committed first network: VGG style, 1.8 million parameters, about an hour on two CPU cores.",
        dropout=0.3,
        augmentation=Augmentation(rotation=12, scale=0.12, shift=0.08, erase=0.2),
        epochs=36,
        learning_rate=0.05,
    ),
    "resnet": Recipe(
        "Residual with squeeze-and-excitation, 1.3 million parameters: the best that two CPU cores train in hours.",
        network="resnet",
        dropout=0.2,
        augmentation=Augmentation(rotation=12, scale=0.12, shift=0.1, erase=0.2),
        epochs=60,
        weight_decay=1e-3,
        patience=60,
    ),
}


def recipe(name: str, **changes) -> Recipe:
    """Return the recipe ``name``, with fields replaced by ``changes``.

    Raises :class:`~fernb.errors.FernbError` for an unknown name.
    """
    if name not in RECIPES:
        raise FernbError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}.")
    return replace(RECIPES[name], **changes)


class FaceBatches(keras.utils.PyDataset):
    """Shuffled, augmented batches ``(float32 (b, 48, 48, 1), float32 (b, k))`` of a set of faces.

    Order and augmentation depend on ``seed``, ``epoch`` and the batch alone, so a resumed run
    sees what the unbroken one would have seen.
    """

    def __init__(self, faces: FaceSet, classes: int, batch_size: int, augmentation: Augmentation | None, seed: int):
        super().__init__()
        self.faces, self.classes, self.batch_size = faces, classes, batch_size
        self.augmentation, self.seed = augmentation, seed
        self.start(epoch=0)

    def start(self, epoch: int) -> None:
        """Shuffle for ``epoch``."""
        self.epoch = epoch
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.faces))

    def __len__(self) -> int:
        return math.ceil(len(self.faces) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        images = self.faces.images[rows]
        if self.augmentation:
            images = self.augmentation(images, np.random.default_rng((self.seed, self.epoch, index)))
        return as_input(images), np.eye(self.classes, dtype=np.float32)[self.faces.labels[rows]]


def as_input(images: np.ndarray) -> np.ndarray:
    """Return faces uint8 ``(n, 48, 48)`` as float32 ``(n, 48, 48, 1)``, still in 0..255."""
    return images[..., None].astype(np.float32)


def train(
    splits: FaceSplits,
    recipe: Recipe,
    run: Path,
    seed: int = SEED,
    resume: bool = False,
    bfloat16: bool = False,
    report: Callable[[str], None] = print,
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Train ``recipe`` on ``splits.train``, choosing the epoch on ``splits.val``.

    ``run`` receives the best weights, ``history.csv``, TensorBoard logs and a backup after each
    epoch; with ``resume`` a killed run goes on from that backup. ``bfloat16`` halves the time
    on processors that have such instructions (AVX512-BF16, AMX) and costs time on others.
    ``report`` takes one line per epoch.

    Returns the network with the weights of its best epoch, and the history: lists ``loss``,
    ``accuracy``, ``val_loss``, ``val_accuracy`` and ``learning_rate``, one value per epoch.
    """
    run.mkdir(parents=True, exist_ok=True)
    finished = resume and read_history(run / "history.csv") and not any((run / "backup").glob("*"))
    if not resume:
        for stale in [run / "history.csv", run / "best.weights.h5", *(run / "backup").glob("*")]:
            stale.unlink(missing_ok=True)
    keras.utils.set_random_seed(seed)
    model = _compiled(recipe, len(splits.classes), bfloat16)
    batches = FaceBatches(splits.train, len(splits.classes), recipe.batch_size, recipe.augmentation, seed)
    val = as_input(splits.val.images), np.eye(len(splits.classes), dtype=np.float32)[splits.val.labels]
    if not finished:  # Keras removes its backup at the end; fitting again would begin from the start
        model.fit(
            batches,
            validation_data=val,
            validation_batch_size=256,
            epochs=recipe.epochs,
            callbacks=_callbacks(recipe, run, batches, report),
            verbose=0,
        )
    if (run / "best.weights.h5").is_file():
        model.load_weights(run / "best.weights.h5")
    return model, read_history(run / "history.csv")


def _compiled(recipe: Recipe, classes: int, bfloat16: bool) -> keras.Model:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if bfloat16 else "float32")
    try:
        model = recipe.build(classes)
    finally:
        keras.config.set_dtype_policy(before)
    optimizer = keras.optimizers.SGD(
        recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay or None
    )
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    # XLA is slower than oneDNN's kernels on a CPU, and the only good way on JAX
    jit = "auto" if keras.backend.backend() == "jax" else False
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=jit)
    return model


def _callbacks(recipe: Recipe, run: Path, batches: FaceBatches, report: Callable[[str], None]) -> list:
    history = read_history(run / "history.csv")
    best = max(history["val_accuracy"]) if history else None  # a resumed run must not overwrite it by worse weights
    if recipe.schedule == "cosine":
        schedule = keras.callbacks.LearningRateScheduler(recipe.rate)
    else:
        schedule = keras.callbacks.ReduceLROnPlateau("val_loss", factor=1 / 3, patience=3)
    return [
        keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.start(epoch)),
        schedule,
        keras.callbacks.ModelCheckpoint(
            run / "best.weights.h5",
            monitor="val_accuracy",
            mode="max",
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=best,
        ),
        keras.callbacks.EarlyStopping("val_accuracy", patience=recipe.patience, mode="max", baseline=best),
        keras.callbacks.CSVLogger(run / "history.csv", append=bool(history)),
        keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: report(_line(epoch, recipe, logs))),
        keras.callbacks.BackupAndRestore(run / "backup"),
    ]


def _line(epoch: int, recipe: Recipe, logs: dict[str, float]) -> str:
    return (
        f"epoch {epoch + 1:3d}/{recipe.epochs}  loss {logs['loss']:.3f}  accuracy {logs['accuracy']:.1%}  "
        f"val_loss {logs['val_loss']:.3f}  val_accuracy {logs['val_accuracy']:.1%}"
    )


def read_history(path: Path) -> dict[str, list[float]]:
    """Read the history that a run wrote: one list per column, empty where there is none yet."""
    if not path.is_file() or path.stat().st_size == 0:
        return {}
    table = np.genfromtxt(path, delimiter=",", names=True, ndmin=1)
    return {name: table[name].tolist() for name in table.dtype.names if name != "epoch"} if table.size else {}


def publish(
    model: keras.Model, history: dict, splits: FaceSplits, recipe: Recipe, path: Path, how: dict
) -> tuple[Path, dict]:
    """Save a trained network with everything needed to judge and repeat it; return its path and side-car.

    The side-car holds the labels, ``how`` it was made (command, seed), the recipe, the data's
    digest, the hardware, the history and the figures on val and test of the saved LiteRT copy.
    """
    sidecar = {
        "labels": list(splits.classes),
        "made": how | {"epochs_run": len(history["loss"]), "hardware": _hardware()},
        "recipe": asdict(recipe),
        "data": {"source": splits.source, "digest": splits.digest},
        "protocol": "trained on train, epoch chosen by accuracy on val, test looked at once; one forward pass a face",
        "history": {name: [round(value, 5) for value in values] for name, values in history.items()},
    }
    path = save_model(model, path, sidecar)
    recogniser = Recogniser(path.with_suffix(".tflite"))
    metrics = {}
    for name, part in (("val", splits.val), ("test", splits.test)):
        probs = recogniser.predict(part.images)
        metrics[name] = evaluate(probs, part.labels, splits.classes, duplicated(part, splits.train))
        if name == "val":
            metrics["temperature"] = fit_temperature(probs, part.labels)
            metrics["unsure_below"] = fit_unsure_below(probs, part.labels)
    sidecar = recogniser.sidecar | {"metrics": metrics}
    write_sidecar(path, sidecar)
    return path, sidecar


def _hardware() -> str:
    return f"{keras.backend.backend()} on {cores()} CPU cores, {platform.machine()}"
