"""Recipes: everything that decides a training run apart from data and seed. Taught in notebook 03."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from fernb.config import FACE_SIDE
from fernb.data.faceset import FaceSet
from fernb.errors import FernbError
from fernb.networks.architectures import FusedBatchNormalization, NetworkConfig, build_network
from fernb.training.augmentation import Augmentation
from fernb.training.targets import label_targets, vote_targets

NO_DECAY = ("bias", "gamma", "beta")
"""Trained variables without weight decay, by how their names end."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run, apart from data and seed.

    The network: ``network``.

    The task: ``ferplus`` is None for FER2013's seven labels, or a subset of
    :func:`fernb.data.ferplus.ferplus` for eight; ``votes`` trains towards FER+'s votes instead of
    labels. ``votes_head`` is the weight of a second loss: the votes as an auxiliary task for a
    second head of the same network (Caruana 1997), which costs nothing an image. ``balance``
    helps rare emotions by ``weights`` in the loss or by ``sampling``; ``focal`` is the gamma of
    the focal loss (Lin et al. 2017), 0 for cross-entropy.

    The way: ``schedule`` is ``cosine`` (linear warm-up over ``warmup`` epochs, then half a
    cosine down to zero; Loshchilov & Hutter 2017), ``trapezoid`` (warm-up, a constant rate, and
    over the last share ``decay`` of the epochs a straight line to zero; Hägele et al. 2024, so
    that a run can be made longer afterwards) or ``plateau`` (the rate falls to a third when
    ``val_loss`` has not fallen for three epochs). ``sides`` holds pairs (epoch, side): from that
    epoch on images are so many pixels wide, and 48 while the rate decays. ``mixup`` is the
    alpha of mixup (Zhang et al. 2018) and ``ema`` the momentum of the averaged weights that are
    judged and kept (Polyak & Juditsky 1992); 0 turns them off. With ``alternate_flips`` each
    face is mirrored in every other epoch instead of by chance; ``late_bad_camera`` is the
    augmentation's ``bad_camera`` while the rate decays. ``sharpness`` is the radius of
    sharpness-aware minimisation (:class:`~fernb.training.sharpness.Sharpness`), 0 for plain
    steps. Where there are teachers, their answers make up the share ``teaching`` of the targets.
    Training stops after ``patience`` epochs in which ``val_accuracy`` did not rise.
    """

    about: str
    network: NetworkConfig = field(default_factory=NetworkConfig)
    ferplus: str | None = None
    votes: bool = False
    votes_head: float = 0
    balance: str | None = None
    focal: float = 0
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    alternate_flips: bool = False
    late_bad_camera: float = 0
    mixup: float = 0
    sharpness: float = 0
    ema: float = 0
    epochs: int = 40
    batch_size: int = 128
    learning_rate: float = 0.1
    schedule: str = "cosine"
    warmup: int = 2
    decay: float = 0.25
    sides: tuple[tuple[int, int], ...] = ()
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    patience: int = 15
    teaching: float = 0.7

    def build(self, classes: int) -> keras.Model:
        """Build the network of this recipe for ``classes`` emotions."""
        return build_network(self.network, classes, norm=FusedBatchNormalization)

    def rate(self, epoch: float) -> float:
        """Return the learning rate after ``epoch`` epochs, fractions included, under ``cosine`` or ``trapezoid``."""
        if epoch < self.warmup:
            return self.learning_rate * (epoch + 1) / (self.warmup + 1)
        if self.schedule == "trapezoid":
            return self.learning_rate * min(1, (self.epochs - epoch) / (self.epochs - self.decay_start))
        done = (epoch - self.warmup) / max(1, self.epochs - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    @property
    def decay_start(self) -> int:
        """The epoch (0-based) in which a trapezoid begins to fall; ``epochs`` under other schedules."""
        return round(self.epochs * (1 - self.decay)) if self.schedule == "trapezoid" else self.epochs

    def decays(self, epoch: int) -> bool:
        """Say whether a trapezoid falls in ``epoch``."""
        return epoch >= self.decay_start

    def side(self, epoch: int) -> int:
        """Return how wide training images are in ``epoch``, in pixels."""
        begun = [side for first, side in sorted(self.sides) if first <= epoch]
        return FACE_SIDE if self.decays(epoch) or not begun else begun[-1]

    @property
    def can_be_compiled(self) -> bool:
        """Say whether :mod:`fernb.training.accelerator` can train it: it knows no more than what these are without."""
        plain = self.augmentation is not None and self.schedule != "plateau" and self.balance != "sampling"
        return plain and not (self.sides or self.focal or self.late_bad_camera)

    def targets(self, faces: FaceSet, classes: tuple[str, ...]) -> np.ndarray:
        """Return what the network is trained towards, float32 ``(n, k)``."""
        return vote_targets(faces, classes) if self.votes else label_targets(faces, classes)

    def optimizer(self) -> keras.optimizers.Optimizer:
        """Return a fresh SGD with Nesterov momentum; biases and normalisation are free of weight decay.

        Keras's weight decay is decoupled: it takes ``rate · weight_decay`` of a weight at each
        step, a tenth of what PyTorch's same number takes at momentum 0.9.
        """
        optimizer = keras.optimizers.SGD(
            self.learning_rate, momentum=0.9, nesterov=True, weight_decay=self.weight_decay or None
        )
        if self.weight_decay:
            optimizer.exclude_from_weight_decay(var_names=[*NO_DECAY])
        return optimizer


_PLAIN = Recipe(
    "No augmentation, dropout or normalisation: notebook 03 holds its own training loop against it.",
    network=NetworkConfig("vgg", (16, 32, 64), dropout=0, normalise=False),
    augmentation=None,
    epochs=40,
    batch_size=32,
    learning_rate=0.02,
    schedule="plateau",
    weight_decay=0,
    label_smoothing=0,
)
_RESNET = Recipe(
    "Residual with squeeze-and-excitation, 1.3 million parameters: hours of two CPU cores.",
    network=NetworkConfig("resnet", dropout=0.2),
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
_LONG = Recipe(
    "Early pooling, FER+'s votes as a second task, small images first: hours or days of two CPU cores.",
    network=NetworkConfig("early_pooling", (32, 64, 160, 320), dropout=0.3),
    votes_head=1,
    augmentation=Augmentation(rotation=10, scale=0.2, shift=0.1),
    alternate_flips=True,
    late_bad_camera=0.15,
    ema=0.999,
    epochs=300,
    schedule="trapezoid",
    decay=0.45,
    sides=((0, 32), (40, 40)),
    weight_decay=4e-3,
    label_smoothing=0,
    patience=300,
)
_WIDE = replace(
    _LONG,
    about="Residual, twice as wide as resnet, sharpness-aware: minutes of a GPU, days of a CPU.",
    network=NetworkConfig("resnet", (64, 128, 256, 512), dropout=0.3),
    augmentation=Augmentation(rotation=12, scale=0.2),
    late_bad_camera=0,
    sharpness=0.1,
    epochs=274,
    schedule="cosine",
    warmup=3,
    sides=(),
    weight_decay=5e-3,
)
_FACES = replace(
    _WIDE,
    about="MobileNet that begins with weights learnt on faces (--start, tools/face_weights.py): a teacher.",
    network=NetworkConfig("mobilenet", dropout=0.4),
    mixup=0.2,
    sharpness=0.05,
    epochs=96,
    learning_rate=0.03,
    warmup=1,
)
_TAUGHT = replace(
    _WIDE,
    about="Pools early, learns from larger networks, too (--teacher), sharpness-aware: minutes of a GPU.",
    network=_LONG.network,
    augmentation=Augmentation(rotation=10, shift=0.1, erase=0.2, bad_camera=0.15, dark=0.1),
    sharpness=0.05,
    epochs=404,
    weight_decay=4e-3,
    teaching=0.8,
    patience=404,
)

_VOTES_ALONE: dict[str, Any] = {
    "ferplus": "plurality",
    "votes": True,
    "votes_head": 0,
    "sharpness": 0,
    "schedule": "trapezoid",
    "warmup": 0,
    "decay": 1,
}
"""FER+ as the only task of a network that has learnt already: plain steps, and a rate that falls in a straight line."""

RECIPES = {
    "plain": _PLAIN,
    "lesson": Recipe(
        "Half the width, gentle augmentation and a short cosine: minutes on a laptop.",
        network=NetworkConfig("vgg", (16, 32, 64, 128), dropout=0.2),
        augmentation=Augmentation(rotation=10, scale=0.1, shift=0.08, erase=0),
        epochs=18,
        batch_size=64,
        learning_rate=0.03,
    ),
    "vgg": Recipe(
        "VGG style, 1.8 million parameters, about an hour on two CPU cores.",
        network=NetworkConfig("vgg", dropout=0.3),
        augmentation=Augmentation(rotation=12, scale=0.12, shift=0.08, erase=0.2),
        epochs=36,
        learning_rate=0.05,
    ),
    "resnet": _RESNET,
    "long": _LONG,
    "restart": _RESTART,
    "wide": _WIDE,
    "wide_mixup": replace(
        _WIDE,
        about="wide with mixup and a larger radius: the second of the three teachers.",
        mixup=0.2,
        sharpness=0.2,
        epochs=197,
    ),
    "wide_vgg": replace(
        _WIDE,
        about="VGG style, twice as wide as vgg, 5.9 million parameters: the third of the three teachers.",
        network=NetworkConfig("vgg", (64, 128, 256, 512), dropout=0.4),
        epochs=294,
        learning_rate=0.05,
    ),
    "faces": _FACES,
    "faces_ferplus": replace(
        _FACES,
        about="The second head of faces (--start) learns FER+ alone, at a low rate: an hour of one CPU core.",
        **_VOTES_ALONE,
        mixup=0,
        ema=0.995,
        epochs=6,
        learning_rate=0.01,
        teaching=0.7,
    ),
    "taught": _TAUGHT,
    "student": replace(
        _TAUGHT,
        about="Half as wide as resnet, 0.3 million parameters, for small machines: learns from larger networks.",
        network=NetworkConfig("resnet", (16, 32, 64, 128), dropout=0.1),
        augmentation=Augmentation(rotation=10, scale=0.12, shift=0.08, erase=0.1, bad_camera=0.1, dark=0.1),
        sharpness=0,
        epochs=428,
        patience=428,
        weight_decay=2e-3,
    ),
    "ferplus": replace(
        _TAUGHT,
        about="Eight emotions of FER+, towards the distribution of the votes; begins with a network for FER2013.",
        **_VOTES_ALONE,
        ema=0.998,
        epochs=50,
        learning_rate=0.05,
        weight_decay=2e-3,
        patience=12,
    ),
}


def recipe(name: str, **changes: Any) -> Recipe:
    """Return the recipe ``name``, with fields replaced by ``changes``.

    Raises :class:`~fernb.errors.FernbError` for an unknown name.
    """
    if name not in RECIPES:
        raise FernbError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}.")
    return replace(RECIPES[name], **changes)
