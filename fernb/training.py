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
from fernb.config import SEED
from fernb.data.faceset import FaceSet, FaceSplits
from fernb.errors import FernbError
from fernb.evaluation import evaluate_network, fit_temperature
from fernb.networks.architectures import (
    FusedBatchNormalization,
    build_resnet,
    build_vgg,
    start_from,
    to_standard_layers,
)
from fernb.networks.recogniser import Recogniser
from fernb.networks.sidecar import write_sidecar
from fernb.networks.storage import calibrated, save_model
from fernb.runtime import cores
from fernb.targets import class_weights, label_targets, vote_targets


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run, apart from data and seed.

    The network: ``network`` is ``vgg`` or ``resnet``, with ``widths``, ``blocks`` a stage,
    ``squeeze``-and-excitation and ``stochastic_depth`` (resnet only), ``dropout``.

    The task: ``ferplus`` is None for FER2013's seven labels, or a subset of
    :func:`fernb.data.ferplus.ferplus_splits` for eight; ``votes`` trains towards FER+'s votes; ``balance``
    helps rare emotions by ``weights`` in the loss or by ``sampling``; ``focal`` is the gamma of
    the focal loss (Lin et al. 2017), 0 for cross-entropy.

    The way: ``schedule`` is ``cosine`` (linear warm-up over ``warmup`` epochs, then half a
    cosine down to zero; Loshchilov & Hutter 2017) or ``plateau`` (the rate falls to a third
    when ``val_loss`` has not fallen for three epochs). ``mixup`` is the alpha of mixup (Zhang
    et al. 2018) and ``ema`` the momentum of the averaged weights that are kept (Polyak &
    Juditsky 1992); 0 turns them off. Training stops after ``patience`` epochs in which
    ``val_accuracy`` did not rise.
    """

    about: str
    network: str = "vgg"
    widths: tuple[int, ...] = (32, 64, 128, 256)
    blocks: int = 1
    squeeze: bool = True
    stochastic_depth: float = 0
    dropout: float = 0.4
    normalise: bool = True
    ferplus: str | None = None
    votes: bool = False
    balance: str | None = None
    focal: float = 0
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    mixup: float = 0
    ema: float = 0
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
        if self.network == "resnet":
            return build_resnet(
                classes, self.widths, self.blocks, self.squeeze, self.dropout, self.stochastic_depth, norm
            )
        return build_vgg(classes, self.widths, dropout=self.dropout, normalise=norm)

    def rate(self, epoch: int) -> float:
        """Return the learning rate of ``epoch`` (0-based) under the cosine schedule."""
        if epoch < self.warmup:
            return self.learning_rate * (epoch + 1) / (self.warmup + 1)
        done = (epoch - self.warmup) / max(1, self.epochs - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    def optimizer(self) -> keras.optimizers.Optimizer:
        """Return a fresh SGD with Nesterov momentum; biases and normalisation are free of weight decay."""
        optimizer = keras.optimizers.SGD(
            self.learning_rate,
            momentum=0.9,
            nesterov=True,
            weight_decay=self.weight_decay or None,
            use_ema=self.ema > 0,
            ema_momentum=self.ema or 0.99,
        )
        if self.weight_decay:
            optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer

    def targets(self, faces: FaceSet, classes: tuple[str, ...]) -> np.ndarray:
        """Return what the network is trained towards, float32 ``(n, k)``."""
        return vote_targets(faces, classes) if self.votes else label_targets(faces, classes)


EXAMPLES = 500
"""Training faces by which the 8-bit copy of a network learns the range of its activations."""

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
_RESNET = Recipe(
    "Residual with squeeze-and-excitation, 1.3 million parameters: the best that two CPU cores train in hours.",
    network="resnet",
    dropout=0.2,
    augmentation=Augmentation(rotation=12, scale=0.12, shift=0.1, erase=0.2),
    epochs=60,
    weight_decay=1e-3,
    patience=60,
)

_RESTART = replace(
    _RESNET,
    about="The residual network trained on, against overfitting: stronger augmentation, bad cameras, weight decay.",
    augmentation=Augmentation(bad_camera=0.25),
    epochs=45,
    learning_rate=0.05,
    warmup=1,
    weight_decay=1e-2,
    label_smoothing=0,
)

RECIPES = {
    "plain": _PLAIN,
    "lesson": Recipe(
        "Half the width, gentle augmentation and a short cosine: minutes on a laptop.",
        widths=(16, 32, 64, 128),
        dropout=0.2,
        augmentation=Augmentation(rotation=10, scale=0.1, shift=0.08, erase=0),
        epochs=18,
        batch_size=64,
        learning_rate=0.03,
    ),
    "vgg": Recipe(
        "VGG style, 1.8 million parameters, about an hour on two CPU cores.",
        dropout=0.3,
        augmentation=Augmentation(rotation=12, scale=0.12, shift=0.08, erase=0.2),
        epochs=36,
        learning_rate=0.05,
    ),
    "resnet": _RESNET,
    "wide": replace(
        _RESNET,
        about="Twice as wide, two blocks a stage, 300 epochs with mixup and averaged weights: for a GPU.",
        widths=(64, 128, 256, 512),
        blocks=2,
        stochastic_depth=0.1,
        dropout=0.3,
        augmentation=Augmentation(),
        mixup=0.2,
        ema=0.999,
        epochs=300,
        warmup=5,
        patience=300,
    ),
    "restart": _RESTART,
    "student": replace(
        _RESTART,
        about="Half as wide, 0.3 million parameters, for small machines: learns from a larger network, its --teacher.",
        widths=(16, 32, 64, 128),
        learning_rate=0.1,
        warmup=2,
    ),
    "ferplus": replace(
        _RESTART,
        about="Eight emotions of FER+, towards the distribution of the votes; begins with a network for FER2013.",
        ferplus="plurality",
        votes=True,
        epochs=20,
        learning_rate=0.03,
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
    """Shuffled, augmented batches of faces: images float32 ``(b, 48, 48, 1)``, targets ``(b, k)``, weights ``(b,)``.

    Order and augmentation depend on ``seed``, ``epoch`` and the batch alone, so a resumed run
    sees what the unbroken one would have seen. ``targets`` is float32 ``(n, k)``.
    """

    def __init__(self, faces: FaceSet, targets: np.ndarray, recipe: Recipe, seed: int):
        super().__init__()
        self.faces, self.targets, self.recipe, self.seed = faces, targets, recipe, seed
        weights = class_weights(faces.labels, targets.shape[1])[faces.labels]
        self.weights = weights if recipe.balance == "weights" else np.ones_like(weights)
        self.chances = weights / weights.sum() if recipe.balance == "sampling" else None
        self.start(epoch=0)

    def start(self, epoch: int) -> None:
        """Shuffle for ``epoch``."""
        self.epoch = epoch
        rng, n = np.random.default_rng((self.seed, epoch)), len(self.faces)
        self.order = rng.permutation(n) if self.chances is None else rng.choice(n, n, p=self.chances)

    def __len__(self) -> int:
        return math.ceil(len(self.faces) / self.recipe.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        size = self.recipe.batch_size
        rows = self.order[index * size : (index + 1) * size]
        images, rng = self.faces.images[rows], np.random.default_rng((self.seed, self.epoch, index))
        if self.recipe.augmentation:
            images = self.recipe.augmentation(images, rng)
        inputs, targets = as_input(images), self.targets[rows]
        if self.recipe.mixup:
            share, other = np.float32(rng.beta(self.recipe.mixup, self.recipe.mixup)), rng.permutation(len(rows))
            inputs = share * inputs + (1 - share) * inputs[other]
            targets = share * targets + (1 - share) * targets[other]
        return inputs, targets, self.weights[rows]


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
    targets: np.ndarray | None = None,
    start: keras.Model | None = None,
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Train ``recipe`` on ``splits.train``, choosing the epoch on ``splits.val``.

    ``run`` receives the best weights, ``history.csv``, TensorBoard logs and a backup after each
    epoch; with ``resume`` a killed run goes on from that backup. ``bfloat16`` halves the time
    on processors that have such instructions (AVX512-BF16, AMX) and costs time on others.
    ``report`` takes one line per epoch. ``targets`` float32 ``(n, k)`` stand in for the
    recipe's own, for distillation. ``start`` lends its weights where they fit, see
    :func:`fernb.networks.architectures.start_from`.

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
    if start is not None:
        start_from(model, start)
    if targets is None:
        targets = recipe.targets(splits.train, splits.classes)
    batches = FaceBatches(splits.train, targets, recipe, seed)
    val = as_input(splits.val.images), label_targets(splits.val, splits.classes)
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
    if recipe.focal:
        loss = keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=recipe.focal, label_smoothing=recipe.label_smoothing
        )
    else:
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    # XLA is slower than oneDNN's kernels on a CPU, and the only good way on JAX
    jit = "auto" if keras.backend.backend() == "jax" else False
    model.compile(recipe.optimizer(), loss, metrics=["accuracy"], jit_compile=jit)
    return model


def _callbacks(recipe: Recipe, run: Path, batches: FaceBatches, report: Callable[[str], None]) -> list:
    history = read_history(run / "history.csv")
    best = max(history["val_accuracy"]) if history else None  # a resumed run must not overwrite it by worse weights
    if recipe.schedule == "cosine":
        schedule = keras.callbacks.LearningRateScheduler(recipe.rate)
    else:
        schedule = keras.callbacks.ReduceLROnPlateau("val_loss", factor=1 / 3, patience=3)
    # the backup wants the weights as trained, the checkpoint their average: that is what is judged and kept
    averaging = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if recipe.ema else []
    return [
        keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.start(epoch)),
        schedule,
        keras.callbacks.BackupAndRestore(run / "backup"),
        *averaging,
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

    The network is calibrated first: its logits are divided by the ``temperature`` that fits val.
    The side-car holds the labels, that temperature, ``how`` it was made (command, seed), the
    recipe, the data's digest, the hardware, the history and the figures on val and test of the
    saved LiteRT copy.
    """
    val = to_standard_layers(model).predict(as_input(splits.val.images), batch_size=256, verbose=0)
    temperature = fit_temperature(val, splits.val.labels)
    sidecar = {
        "labels": list(splits.classes),
        "temperature": temperature,
        "made": how | {"epochs_run": len(history["loss"]), "hardware": hardware()},
        "recipe": asdict(recipe),
        "data": {"source": splits.source, "digest": splits.digest},
        "protocol": "trained on train, epoch chosen by accuracy on val, test looked at once; one forward pass a face, "
        "test_flip averages each face and its mirror image",
        "history": {name: [round(value, 5) for value in values] for name, values in history.items()},
    }
    path = save_model(calibrated(model, temperature), path, sidecar, splits.train.sample(EXAMPLES, SEED).images)
    recogniser = Recogniser(path.with_suffix(".tflite"))
    sidecar = recogniser.sidecar | {"metrics": evaluate_network(recogniser, splits)}
    write_sidecar(path, sidecar)
    return path, sidecar


def hardware() -> str:
    """Return the backend, the cores and the processor, as side-cars state them."""
    return f"{keras.backend.backend()} on {cores()} CPU cores, {platform.machine()}"
