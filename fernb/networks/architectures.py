"""The networks themselves, by name: VGG, ResNet and MobileNet style, and early pooling, for grey 48×48 faces.

Every network takes grey faces as they are stored, float32 or uint8 ``(n, 48, 48, 1)`` in
0..255, and returns probabilities ``(n, k)``: scaling and softmax live *inside* the model, so
that no caller can get them wrong. Taught in notebook 03.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

from fernb.errors import ModelError
from fernb.labels import EMOTIONS, EMOTIONS_8

INPUT_SHAPE = (48, 48, 1)
HEAD = "emotion"
"""The layer that answers."""
VOTES_HEAD = "votes"
"""The second head of a network that learns FER+'s votes beside FER2013's labels, see :func:`with_votes_head`."""
MOBILENET_WIDTHS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
FACE_MEAN = 114.8
"""The grey level, in 0..255, that is zero for the weights of ``tools/face_weights.py``: the mean of VGG's three."""


@dataclass(frozen=True)
class NetworkConfig:
    """Which network is built: one of :data:`ARCHITECTURES`, and its size.

    ``widths`` are the channels of the blocks (``resnet``: stages). ``blocks`` is the number of
    residual blocks a stage and ``stochastic_depth`` how often the deepest one is skipped in
    training, both of ``resnet`` only; ``squeeze`` adds squeeze-and-excitation to ``resnet`` and
    ``early_pooling``. ``dropout`` in 0..1 stands before the softmax. Without ``normalise`` there
    is no batch normalisation. ``mobilenet`` heeds ``dropout`` alone.
    """

    architecture: str = "vgg"
    widths: tuple[int, ...] = (32, 64, 128, 256)
    blocks: int = 1
    squeeze: bool = True
    stochastic_depth: float = 0
    dropout: float = 0.4
    normalise: bool = True


class FusedBatchNormalization(layers.BatchNormalization):
    """Batch normalisation in one pass while training on TensorFlow; elsewhere Keras's own.

    Keras computes mean and variance in separate passes, which takes most of the time of
    training a small network on a CPU; TensorFlow's fused kernel makes the same four vectors.
    It is for training only: :func:`to_standard_layers` puts Keras's standard layer in its place.
    """

    def call(
        self, inputs: keras.KerasTensor, training: bool | None = None, mask: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        if not (training and self.trainable and keras.backend.backend() == "tensorflow"):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        images = inputs if inputs.shape.rank == 4 else inputs[:, None, None, :]  # the kernel takes NHWC only
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            images, tf.cast(self.gamma, tf.float32), tf.cast(self.beta, tf.float32), epsilon=self.epsilon
        )
        # the kernel returns the unbiased variance, Keras keeps the biased one
        count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], tf.float32)
        variance *= (count - 1) / count
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + tf.cast(batch, moving.dtype) * (1 - self.momentum))
        return tf.reshape(outputs, tf.shape(inputs))


def build_vgg(
    classes: int = len(EMOTIONS),
    widths: tuple[int, ...] = (32, 64, 128, 256),
    *,
    dense: int = 256,
    dropout: float = 0.4,
    normalise: type[layers.Layer] | None = layers.BatchNormalization,
    name: str = "vgg",
) -> keras.Model:
    """Build a VGG-style network (Simonyan & Zisserman 2015) for 48×48 grey faces.

    Each block has two 3×3 convolutions of the same width and ends with a 2×2 max-pooling;
    after them come one dense layer on all of the last ``3 × 3 × widths[-1]`` and a softmax.
    ``normalise`` is the layer class after each convolution (None: none).
    """
    inputs = keras.Input(INPUT_SHAPE, name="face")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs)
    for block, width in enumerate(widths, 1):
        for turn in (1, 2):
            x = _convolution(x, width, normalise, f"block{block}_conv{turn}")
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
        if dropout:
            x = layers.SpatialDropout2D(dropout / 4, name=f"block{block}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(dense, use_bias=normalise is None, name="dense")(x)
    if normalise:
        x = normalise(name="dense_norm")(x)
    x = layers.Activation("relu", name="dense_relu")(x)
    return _with_answer(inputs, x, classes, dropout=dropout, name=name)


def _with_answer(
    inputs: keras.KerasTensor, features: keras.KerasTensor, classes: int, *, dropout: float, name: str
) -> keras.Model:
    """End a network: dropout and a softmax, which stays in float32 when the rest trains in bfloat16."""
    if dropout:
        features = layers.Dropout(dropout, name="dropout")(features)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name=HEAD)(features)
    return keras.Model(inputs, outputs, name=name)


def _convolution(
    x: keras.KerasTensor,
    width: int,
    normalise: type[layers.Layer] | None,
    name: str,
    stride: int = 1,
    activate: bool = True,
) -> keras.KerasTensor:
    x = layers.Conv2D(width, 3, stride, "same", use_bias=normalise is None, kernel_initializer="he_normal", name=name)(
        x
    )
    if normalise:
        x = normalise(name=f"{name}_norm")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x) if activate else x


def build_resnet(
    classes: int = len(EMOTIONS),
    widths: tuple[int, ...] = (32, 64, 128, 256),
    *,
    blocks: int = 1,
    squeeze: bool = True,
    dropout: float = 0.3,
    stochastic_depth: float = 0,
    normalise: type[layers.Layer] | None = layers.BatchNormalization,
    name: str = "resnet",
) -> keras.Model:
    """Build a residual network (He et al. 2016) with a 3×3 stem for 48×48 grey faces.

    Each stage has ``blocks`` basic blocks of two 3×3 convolutions; every stage but the first
    begins by halving the image. With ``squeeze`` each block weighs its channels by
    squeeze-and-excitation (Hu et al. 2018). ``stochastic_depth`` is how often the deepest block
    is skipped in training (Huang et al. 2016); shallower ones are skipped less. Global average
    pooling and a softmax end it.
    """
    inputs = keras.Input(INPUT_SHAPE, name="face")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs)
    x = _convolution(x, widths[0], normalise, "stem")
    for stage, width in enumerate(widths, 1):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            skip = stochastic_depth * ((stage - 1) * blocks + block) / (len(widths) * blocks)
            x = _residual(x, width, stride, squeeze, skip, normalise, f"stage{stage}_block{block}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return _with_answer(inputs, x, classes, dropout=dropout, name=name)


def _residual(
    x: keras.KerasTensor,
    width: int,
    stride: int,
    squeeze: bool,
    skip: float,
    normalise: type[layers.Layer] | None,
    name: str,
) -> keras.KerasTensor:
    shortcut = x
    if stride > 1 or x.shape[-1] != width:
        if stride > 1:  # averaging loses less than a strided 1×1 convolution (He et al. 2019)
            shortcut = layers.AveragePooling2D(stride, name=f"{name}_shortcut_pool")(shortcut)
        shortcut = layers.Conv2D(width, 1, use_bias=normalise is None, name=f"{name}_shortcut")(shortcut)
        if normalise:
            shortcut = normalise(name=f"{name}_shortcut_norm")(shortcut)
    x = _convolution(x, width, normalise, f"{name}_conv1", stride)
    x = _convolution(x, width, normalise, f"{name}_conv2", activate=False)
    if squeeze:
        x = _squeeze_and_excite(x, width, name)
    if skip:
        # all of a face's branch or nothing
        x = layers.Dropout(skip, noise_shape=(None, 1, 1, 1), name=f"{name}_skip")(x)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _squeeze_and_excite(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    weights = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    weights = layers.Dense(max(8, width // 8), activation="relu", name=f"{name}_excite1")(weights)
    weights = layers.Dense(width, activation="sigmoid", name=f"{name}_excite2")(weights)
    return layers.Multiply(name=f"{name}_scale")([x, weights])


def build_early_pooling(
    classes: int = len(EMOTIONS),
    widths: tuple[int, ...] = (32, 64, 160, 320),
    *,
    squeeze: bool = True,
    dropout: float = 0.3,
    normalise: type[layers.Layer] | None = layers.BatchNormalization,
    name: str = "early_pooling",
) -> keras.Model:
    """Build a network that pools right after each block's first convolution, which makes the second one cheap.

    The order within a block (convolution, pooling, normalisation, ReLU) is that of K. Jordan's
    fast CIFAR-10 networks (arXiv 2404.00498); the second convolution is a residual branch with
    squeeze-and-excitation. Three times as fast as ``vgg`` of the same widths. Global average
    pooling and a softmax end it, so its convolutions can train on smaller images.
    """
    inputs = keras.Input(INPUT_SHAPE, name="face")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs)
    for block, width in enumerate(widths, 1):
        name_ = f"block{block}"
        kernel = {"use_bias": normalise is None, "kernel_initializer": "he_normal"}
        x = layers.Conv2D(width, 3, padding="same", name=f"{name_}_conv1", **kernel)(x)
        x = layers.MaxPooling2D(name=f"{name_}_pool")(x)
        if normalise:
            x = normalise(name=f"{name_}_conv1_norm")(x)
        x = shortcut = layers.Activation("relu", name=f"{name_}_conv1_relu")(x)
        x = _convolution(x, width, normalise, f"{name_}_conv2", activate=False)
        if squeeze:
            x = _squeeze_and_excite(x, width, name_)
        x = layers.Add(name=f"{name_}_add")([x, shortcut])
        x = layers.Activation("relu", name=f"{name_}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return _with_answer(inputs, x, classes, dropout=dropout, name=name)


def build_mobilenet(
    classes: int = len(EMOTIONS),
    *,
    side: int = 160,
    dropout: float = 0.4,
    normalise: type[layers.Layer] = layers.BatchNormalization,
    name: str = "mobilenet",
) -> keras.Model:
    """Build MobileNet 1.0 (Howard et al. 2017) for 48×48 grey faces, which it enlarges to ``side`` pixels.

    It is there for weights that were learnt on large pictures of faces (``tools/face_weights.py``): its
    layers have the names of :func:`keras.applications.MobileNet`, its first one takes grey, and
    its input is centred where those weights have their zero.
    """
    inputs = keras.Input(INPUT_SHAPE, name="face")
    x = layers.Resizing(side, side, name="enlarge")(inputs)
    x = layers.Rescaling(1 / 127.5, offset=-FACE_MEAN / 127.5, name="scale")(x)
    kernel = {"padding": "same", "use_bias": False}

    def normalised(x: keras.KerasTensor, layer: layers.Layer) -> keras.KerasTensor:
        x = normalise(momentum=0.97, name=f"{layer.name}_norm")(layer(x))
        return layers.ReLU(6.0, name=f"{layer.name}_relu")(x)

    x = normalised(x, layers.Conv2D(32, 3, 2, name="conv1", **kernel))
    for number, width in enumerate(MOBILENET_WIDTHS, 1):
        stride = 2 if number in (2, 4, 6, 12) else 1
        x = normalised(x, layers.DepthwiseConv2D(3, stride, name=f"conv_dw_{number}", **kernel))
        x = normalised(x, layers.Conv2D(width, 1, name=f"conv_pw_{number}", **kernel))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return _with_answer(inputs, x, classes, dropout=dropout, name=name)


ARCHITECTURES: dict[str, Callable[[NetworkConfig, int, type[layers.Layer] | None], keras.Model]] = {
    "vgg": lambda c, classes, norm: build_vgg(classes, c.widths, dropout=c.dropout, normalise=norm),
    "resnet": lambda c, classes, norm: build_resnet(
        classes,
        c.widths,
        blocks=c.blocks,
        squeeze=c.squeeze,
        dropout=c.dropout,
        stochastic_depth=c.stochastic_depth,
        normalise=norm,
    ),
    "early_pooling": lambda c, classes, norm: build_early_pooling(
        classes, c.widths, squeeze=c.squeeze, dropout=c.dropout, normalise=norm
    ),
    "mobilenet": lambda c, classes, norm: build_mobilenet(
        classes, dropout=c.dropout, normalise=norm or layers.BatchNormalization
    ),
}
"""Architectures by name: functions of a configuration, the number of emotions and the normalisation's layer."""


def build_network(
    config: NetworkConfig, classes: int = len(EMOTIONS), *, norm: type[layers.Layer] = layers.BatchNormalization
) -> keras.Model:
    """Build the network that ``config`` describes for ``classes`` emotions, with ``norm`` for its normalisation.

    Raises :class:`~fernb.errors.ModelError` for an architecture that is not in :data:`ARCHITECTURES`.
    """
    if config.architecture not in ARCHITECTURES:
        raise ModelError(f"there is no architecture {config.architecture!r}; there are {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[config.architecture](config, classes, norm if config.normalise else None)


def with_votes_head(model: keras.Model) -> keras.Model:
    """Return ``model`` with a second answer, probabilities of FER+'s eight emotions, from the same features.

    The outputs become a dictionary with the keys :data:`HEAD` and :data:`VOTES_HEAD`.
    """
    head = model.get_layer(HEAD)
    votes = layers.Dense(len(EMOTIONS_8), activation="softmax", dtype="float32", name=VOTES_HEAD)(head.input)
    return keras.Model(model.input, {HEAD: head.output, VOTES_HEAD: votes}, name=model.name)


def for_any_size(model: keras.Model) -> keras.Model:
    """Return a copy of ``model``, with the same weights, that takes images of any size ``(n, h, w, 1)``.

    Only for networks that pool globally, not for ``vgg``.
    """
    copy = keras.models.clone_model(model, input_tensors=keras.Input((None, None, 1), name="face"))
    copy.set_weights(model.get_weights())
    return copy


def one_head(model: keras.Model, head: str = HEAD) -> keras.Model:
    """Return a float32 copy of ``model``, for 48×48 faces, that gives the answer of ``head`` alone.

    ``head`` is :data:`HEAD`, or :data:`VOTES_HEAD` for a network of :func:`with_votes_head`.
    """
    answer = model.output[head] if isinstance(model.output, dict) else model.output
    copy = keras.models.clone_model(
        to_standard_layers(keras.Model(model.input, answer, name=model.name)),
        input_tensors=keras.Input(INPUT_SHAPE, name="face"),
    )
    start_from(copy, model)
    return copy


def to_standard_layers(model: keras.Model) -> keras.Model:
    """Return a float32 copy of ``model`` with Keras's standard layers only, ready to be saved."""

    def standard(layer: layers.Layer) -> layers.Layer:
        config = layer.get_config() | {"dtype": "float32"}
        kind = layers.BatchNormalization if isinstance(layer, FusedBatchNormalization) else type(layer)
        return kind.from_config(config)

    copy = keras.models.clone_model(model, clone_function=standard)
    copy.set_weights(model.get_weights())
    return keras.Model(copy.input, copy.output, name=model.name)  # cloning keeps an optimiser, twice the weights


def start_from(model: keras.Model, source: keras.Model) -> int:
    """Give ``model`` the weights of every layer that ``source`` has by the same name and shapes; return how many.

    The head may be either of ``source``; one for other emotions has other shapes and keeps its own weights. Raises
    :class:`~fernb.errors.ModelError` where nothing fits.
    """
    theirs = {layer.name: layer.get_weights() for layer in source.layers}
    fitting = 0
    for layer in model.layers:
        wanted = [tuple(w.shape) for w in layer.weights]
        for name in (HEAD, VOTES_HEAD) if layer.name == HEAD else (layer.name,):
            weights = theirs.get(name, [])
            if weights and [w.shape for w in weights] == wanted:
                layer.set_weights(weights)
                fitting += 1
                break
    if not fitting:
        raise ModelError(f"no layer of {source.name} fits {model.name}; start from a network of the same recipe.")
    return fitting
