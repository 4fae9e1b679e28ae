"""Fine-tuning: the upper layers of a backbone learn too, slowly. Taught in notebook 04."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
from keras import layers

from fernb.config import SEED
from fernb.data.faceset import FaceSplits
from fernb.errors import ModelError
from fernb.files import atomic_write
from fernb.networks.architectures import FusedBatchNormalization
from fernb.networks.backbones import OWN, Backbone
from fernb.networks.storage import load_model
from fernb.training import Recipe, train
from fernb.training.augmentation import Augmentation
from fernb.transfer.bottleneck import GENTLE, attach

FIRST_TUNED = {"MobileNet": "conv_dw_3", "VGG16": "block4_conv1", "ResNet50": "conv4_block1_1_conv"}
"""Fine-tuning leaves everything before this layer as it was; of other backbones it tunes all."""

MOMENTUM = 0.9
"""Of batch normalisation that learns: what its running means keep of themselves at each batch.

Keras's 0.99 would still hold three quarters of the old images' means after thirty batches, while the
weights learn by the new ones'; lesson 4 and ``benchmarks/transfer_learning.py`` show what that costs.
"""


def unfreeze(model: keras.Model, first: str | None, *, norm: bool = False) -> None:
    """Let ``model`` learn from the layer ``first`` on (None: all of it), its batch normalisation only with ``norm``.

    Frozen normalisation keeps its old means: in Keras ``trainable = False`` does that. One that
    learns must follow the new images within an epoch, see :data:`MOMENTUM`.
    """
    on = first is None
    for layer in model.layers:
        on = on or layer.name == first
        is_norm = isinstance(layer, layers.BatchNormalization)
        layer.trainable = on and (norm or not is_norm)
        if is_norm and layer.trainable:
            layer.momentum = MOMENTUM


@dataclass(frozen=True)
class PretrainedNetwork:
    """The network that fine-tuning goes on from: in the file ``start``, learning from the layer ``first`` on.

    ``norm`` lets batch normalisation learn with the rest; :func:`tuning` says where it should.
    """

    backbone: str = "MobileNet"
    start: Path | None = None
    first: str | None = None
    norm: bool = False

    def build(self) -> keras.Model:
        """Load the network and unfreeze its upper layers."""
        if self.start is None:
            raise ModelError("fine-tuning begins with a network; name its file as start.")
        model = load_model(self.start)
        model = _fused(model) if self.norm else model
        unfreeze(model, self.first, norm=self.norm)
        return model


@dataclass(frozen=True)
class FineTuning(Recipe):
    """A recipe whose network is a :class:`PretrainedNetwork`."""

    about: str = "A pre-trained backbone with a fitted head, its upper layers tuned at a low rate."
    network: PretrainedNetwork = field(default_factory=PretrainedNetwork)  # type: ignore[assignment]
    augmentation: Augmentation | None = GENTLE
    epochs: int = 8
    batch_size: int = 64
    learning_rate: float = 3e-4
    warmup: int = 0  # the head is fitted already
    weight_decay: float = 0
    patience: int = 5

    def build(self, classes: int) -> keras.Model:
        """Load the network and unfreeze its upper layers; its head knows ``classes`` already."""
        return self.network.build()

    def optimizer(self) -> keras.optimizers.Optimizer:
        """Return a fresh Adam: with frozen normalisation, SGD at any useful rate blows the network up."""
        return keras.optimizers.Adam(self.learning_rate, weight_decay=self.weight_decay or None, clipnorm=1.0)


def tuning(backbone: Backbone, **changes: Any) -> FineTuning:
    """Return the recipe that suits ``backbone``, with fields replaced by ``changes``.

    A network that has seen faces keeps its normalisation as it was. One of ImageNet must learn
    it anew: MobileNet has filters that never answered there, and frozen normalisation enlarges
    them thirtyfold when they begin to. Where it is frozen, or there is none (VGG16), nothing holds
    large steps back; they are smallest for the own network, whose weights were kept small by decay.
    """
    has_norm = any(isinstance(layer, layers.BatchNormalization) for layer in backbone.model.layers)
    norm = has_norm and backbone.name != OWN
    network = PretrainedNetwork(backbone.name, first=FIRST_TUNED.get(backbone.name), norm=norm)
    rate = 1e-3 if norm else 3e-5 if has_norm else 1e-4
    settings: dict[str, Any] = {"network": network, "learning_rate": rate}
    return FineTuning(**settings | changes)


def _fused(model: keras.Model) -> keras.Model:
    """Return a copy of ``model`` with the faster batch normalisation;
    :func:`~fernb.networks.architectures.to_standard_layers` undoes it."""

    def faster(layer: layers.Layer) -> layers.Layer:
        is_norm = isinstance(layer, layers.BatchNormalization)
        return (FusedBatchNormalization if is_norm else type(layer)).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=faster)
    copy.set_weights(model.get_weights())
    return copy


def fine_tune(
    backbone: Backbone,
    head: keras.Model,
    *,
    splits: FaceSplits,
    run: Path,
    recipe: FineTuning | None = None,
    seed: int = SEED,
    resume: bool = False,
    log: Callable[[str], None] = print,
) -> tuple[keras.Model, dict[str, list[float]], FineTuning]:
    """Tune the upper layers of ``backbone`` under the fitted ``head``; the epoch is chosen on ``splits.val``.

    Head first: a head of random weights would send large errors down and destroy what the
    backbone knows. ``run`` receives what :func:`fernb.training.train` writes. Returns network,
    history and the recipe that ran.
    """
    recipe = recipe or tuning(backbone)
    start = run / "head.keras"
    if not (resume and start.is_file()):
        with atomic_write(start) as temporary:
            attach(backbone, head).save(temporary)
    recipe = replace(recipe, network=replace(recipe.network, start=start))
    model, history = train(splits, recipe, run=run, seed=seed, resume=resume, progress=log)
    return model, history, recipe
