"""Neural style transfer: the content of one image, the style of another (Gatys et al. 2015).

An image is changed step by step until a network's maps of it are those of the content, and the
products of its maps, the Gram matrices, are those of the style. The losses are relative: 0 is
"the same", 1 is "as far off as an image whose maps are all 0", so that one set of weights does
for every network. Needs the TensorFlow backend. Taught in notebook 07.
"""

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf
from keras import ops
from scipy.optimize import minimize

from fernb.errors import FernbError, ImageError
from fernb.files import write_json
from fernb.style.features import FeatureExtractor, load_features
from fernb.vision.images import to_rgb, write_image

SIZE = 224
STEPS = 120
STYLE_WEIGHT = 5.0  # with strength 1
SMOOTH_WEIGHT = 0.1
MIN_SIDE = 16  # pixels; a smaller image has no style, and vanishes in the poolings
SIZES = (MIN_SIDE, 4096)  # pixels on the longer side; beyond them the memory of most machines ends
MAX_WEIGHT = 1e6  # of style or smoothness; float32 is at its end beyond that
SCALE = 1e4  # of the losses for L-BFGS, whose first step is as long as the gradient
OPTIMISERS = ("lbfgs", "adam")


def content_loss(maps: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Return the mean squared difference of ``(n, h, w, c)`` maps over the mean square of ``wanted``: ``(n,)``."""
    off = ops.mean(ops.square(maps - wanted), (1, 2, 3))
    return off / (ops.mean(ops.square(wanted), (1, 2, 3)) + 1e-12)


def gram_matrix(maps: tf.Tensor, shift: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Return how strongly the filters answer together: ``(n, h, w, c)`` maps to ``(n, c, c)``.

    Entry (i, j) is the mean over all places of ``(maps_i - shift_i) * (maps_j - shift_j)``: where
    something is gets lost, what goes with what stays. ``shift`` (Novak & Nikulin 2016) keeps
    filters that always answer from hiding the others.
    """
    height, width, depth = maps.shape[1:] if None not in maps.shape[1:] else ops.shape(maps)[1:]
    flat = ops.reshape(maps - shift, (-1, height * width, depth))
    return ops.matmul(ops.transpose(flat, (0, 2, 1)), flat) / ops.cast(height * width, flat.dtype)


def style_loss(gram: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Return the mean squared difference of ``(n, c, c)`` Gram matrices over the mean square of ``wanted``."""
    off = ops.mean(ops.square(gram - wanted), (1, 2))
    return off / (ops.mean(ops.square(wanted), (1, 2)) + 1e-12)


def total_variation(image: tf.Tensor) -> tf.Tensor:
    """Return the mean length of the gradient of ``(n, h, w, c)`` (Rudin et al. 1992) over 255: ``(n,)``.

    High for noise, low for plain areas. A small constant keeps it smooth where the gradient is 0.
    """
    down = (image[:, 1:, :-1] - image[:, :-1, :-1]) / 255
    across = (image[:, :-1, 1:] - image[:, :-1, :-1]) / 255
    return ops.mean(ops.sqrt(ops.square(down) + ops.square(across) + 1e-4), (1, 2, 3)) - 1e-2


def match_colours(image: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Return ``image`` with the mean and covariance of the colours of ``style``; both RGB uint8.

    The linear map that moves colours least (Pitié & Kokaram 2007), as Gatys et al. 2017 use it.
    """
    colours, wanted = image.reshape(-1, 3).astype(float), style.reshape(-1, 3).astype(float)
    own, other = np.cov(colours.T) + np.eye(3), np.cov(wanted.T) + np.eye(3)  # a plain image has none
    root, inverse = _power(own, 0.5), _power(own, -0.5)
    turn = inverse @ _power(root @ other @ root, 0.5) @ inverse
    matched = (colours - colours.mean(0)) @ turn + wanted.mean(0)
    return np.rint(matched.clip(0, 255)).astype(np.uint8).reshape(image.shape)


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**exponent) @ vectors.T


def luminance(image: np.ndarray) -> np.ndarray:
    """Return the luminance of an RGB uint8 image, float32 ``(h, w, 1)`` in 0..255."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)[..., :1].astype(np.float32)


def _with_luminance(image: np.ndarray, luminance: np.ndarray) -> np.ndarray:
    parts = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    parts[..., :1] = luminance
    return cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB)


@dataclass(frozen=True)
class Step:
    """Where a transfer stands: step ``number`` of ``steps``, its losses, and the image so far (RGB uint8)."""

    number: int
    steps: int
    losses: dict[str, float]
    image: np.ndarray


@dataclass
class Result:
    """What a transfer made: ``image`` RGB uint8, its settings, each step, and how it went.

    ``history`` has for each step its losses and the gradient ``evaluations`` so far, by which
    optimisers can be compared: a step of L-BFGS may take several, one of Adam takes one.
    """

    image: np.ndarray
    settings: dict
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    stopped: bool = False


def transfer_style(
    content: np.ndarray,
    style: np.ndarray,
    *,
    features: FeatureExtractor | None = None,
    size: int = SIZE,
    strength: float = 1.0,
    smooth: float = 1.0,
    keep_colour: bool = False,
    steps: int = STEPS,
    optimiser: str = "lbfgs",
    progress: Callable[[Step], None] | None = None,
) -> Result:
    """Paint ``content`` in the style of ``style``; both are images as :func:`fernb.vision.images.to_rgb` takes them.

    The result has ``size`` pixels on its longer side. ``strength`` weighs style against content
    (0: none; 1: as a rule; 10: much), ``smooth`` weighs the total variation. ``keep_colour``
    changes the luminance only; features that see no colour do so anyway, and then the content is
    given the style's colours first. Half of the ``steps`` are taken at half the size, where
    strokes are large and steps cheap (Gatys et al. 2017).

    ``progress`` is called after each step; StopIteration raised there, or Ctrl-C, ends the
    transfer, and the image so far is returned with ``stopped`` True.

    Raises :class:`~fernb.errors.ImageError` for an image under 16 pixels a side, and
    :class:`~fernb.errors.FernbError` for a setting out of its range.
    """
    check_settings(size=size, strength=strength, smooth=smooth, steps=steps, optimiser=optimiser)
    content, style = resize_to_fit(content, size), resize_to_fit(style, size, name="style")
    if style.std((0, 1)).max() < 1:
        raise ImageError("the style image is one plain colour, which has no style; take another one.")
    features = features or load_features()
    start = time.monotonic()
    run = _Run(content, style, features, (strength, smooth), keep_colour, steps, optimiser, progress)
    stopped = run.go()
    image = _resized(run.image, content.shape)  # it may have been stopped at half the size
    settings: dict[str, Any] = {"size": size, "strength": strength, "smooth": smooth, "keep_colour": keep_colour}
    settings |= {"steps": steps, "optimiser": optimiser, "features": features.name, "about": features.about}
    return Result(image, settings, run.history, time.monotonic() - start, stopped)


def check_settings(*, size: int, strength: float, smooth: float, steps: int, optimiser: str) -> None:
    """Raise FernbError for settings of :func:`transfer_style` that are out of range or no numbers."""
    if optimiser not in OPTIMISERS:
        raise FernbError(f"there is no optimiser {optimiser!r}; there are {', '.join(OPTIMISERS)}.")
    for name, number, (low, high) in (("size", size, SIZES), ("steps", steps, (1, 100_000))):
        if not low <= number <= high or number != int(number):
            raise FernbError(f"{name} is {number}; give a whole number from {low} to {high}.")
    for name, weight in (("strength", strength), ("smooth", smooth)):
        if not 0 <= weight <= MAX_WEIGHT:  # false for NaN too
            raise FernbError(f"{name} is {weight}; give a number from 0 to {MAX_WEIGHT:g}.")


def save(result: Result, path: str | os.PathLike, **more: object) -> None:
    """Write the image to ``path`` and, beside it, a ``.json`` with the settings, the last losses and ``more``."""
    write_image(path, result.image)
    told = {"image": Path(path).name, **more, **result.settings, "steps_done": len(result.history)}
    last = {name: float(f"{value:.4g}") for name, value in (result.history or [{}])[-1].items()}
    told["gradient_evaluations"] = int(last.pop("evaluations", 0))
    told |= {"stopped": result.stopped, "seconds": round(result.seconds, 1), "losses": last}
    write_json(Path(path).with_suffix(".json"), told)


def resize_to_fit(image: np.ndarray, size: int, *, name: str = "content") -> np.ndarray:
    """Return ``image`` as RGB uint8 with ``size`` pixels on its longer side.

    Raises :class:`~fernb.errors.ImageError` where a side is under 16 pixels, before or after.
    """
    image = to_rgb(image)
    height, width = image.shape[:2]
    zoom = size / max(height, width)
    shape = round(width * zoom), round(height * zoom)
    if min(height, width, *shape) < MIN_SIDE:
        raise ImageError(
            f"the {name} image of {width}x{height} pixels is too small or too narrow: "
            f"both sides must have {MIN_SIDE} pixels, also when the longer one has {size}."
        )
    return _resized(image, shape[::-1])


def _resized(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    method = cv2.INTER_AREA if shape[0] < image.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(image, shape[1::-1], interpolation=method)


class _Stopped(Exception):
    """The caller has seen enough."""


class _Run:
    """One transfer under way; ``image`` is the image so far at any time."""

    def __init__(
        self,
        content: np.ndarray,
        style: np.ndarray,
        features: FeatureExtractor,
        weights: tuple[float, float],
        keep_colour: bool,
        steps: int,
        optimiser: str,
        progress: Callable[[Step], None] | None,
    ):
        self.features, self.steps, self.progress = features, steps, progress
        self.luminance = keep_colour or not features.colour
        if self.luminance and not keep_colour:
            content = match_colours(content, style)
        self.content, self.style, self.image = content, style, content
        self.weights = tf.constant([1.0, STYLE_WEIGHT * weights[0], SMOOTH_WEIGHT * weights[1]])
        self.minimise = lbfgs if optimiser == "lbfgs" else adam
        self.history: list[dict[str, float]] = []
        self.evaluations = 0

    def go(self) -> bool:
        """Run to the end; return whether it was stopped before."""
        shapes = [self.content.shape[:2], self.style.shape[:2]]
        halves = [(height // 2, width // 2) for height, width in shapes]
        coarse = self.steps // 2 if min(map(min, halves)) >= 2 * MIN_SIDE else 0
        try:
            for (own, other), steps in ((halves, coarse), (shapes, self.steps - coarse)):
                if steps:
                    self._level(_resized(self.content, own), _resized(self.style, other), steps)
        except (KeyboardInterrupt, _Stopped):
            return True
        return False

    def _level(self, content: np.ndarray, style: np.ndarray, steps: int) -> None:
        begin = self._input(_resized(self.image, content.shape))
        wished, style = self._input(content), self._input(style)
        if self.luminance:  # else a dark style would only darken
            style = (style - style.mean()) / (style.std() + 1) * max(wished.std(), 10) + wished.mean()
        wanted, evaluate = references(self.features, wished, style=style), evaluator(self.features)

        def loss_and_gradient(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            self.evaluations += 1
            losses, gradient = evaluate(tf.constant(x.reshape(begin.shape), tf.float32), wanted, self.weights)
            return losses.numpy(), gradient.numpy()

        self.minimise(loss_and_gradient, begin, steps=steps, step=functools.partial(self._step, content=content))

    def _input(self, image: np.ndarray) -> np.ndarray:
        return (luminance(image) if self.luminance else image.astype(np.float32))[None]

    def _step(self, x: np.ndarray, losses: np.ndarray, content: np.ndarray) -> None:
        painted = np.rint(x.clip(0, 255)).astype(np.uint8).reshape(*content.shape[:2], -1)
        if self.luminance:
            painted = _with_luminance(content, painted)
        self.image = painted
        named = dict(zip(("total", "content", "style", "smooth"), losses.tolist(), strict=True))
        self.history.append(named | {"evaluations": self.evaluations})
        if self.progress:
            try:
                self.progress(Step(len(self.history), self.steps, named, painted))
            except StopIteration as reason:  # which SciPy would take for the end of one size only
                raise _Stopped from reason


def references(features: FeatureExtractor, content: np.ndarray, *, style: np.ndarray) -> dict[str, dict]:
    """Return what is to be reached: content maps, and each style layer's shift and Gram matrix.

    ``content`` and ``style`` are float32 ``(1, h, w, 3)`` or, for luminance, ``(1, h, w, 1)``, in 0..255.
    """
    maps = features.model(_three(tf.constant(style)))
    shifts = {name: ops.mean(maps[name], (0, 1, 2), keepdims=True) for name in features.style}
    grams = {name: gram_matrix(maps[name], shifts[name]) for name in features.style}
    seen = features.model(_three(tf.constant(content)))[features.content]
    return {"content": {features.content: seen}, "shift": shifts, "gram": grams}


def losses(features: FeatureExtractor, image: tf.Tensor, *, wanted: dict[str, dict]) -> tuple:
    """Return content, style and smoothness loss, each ``(n,)``, of ``image``, a tensor as in :func:`references`."""
    maps = features.model(_three(image))
    layers = [style_loss(gram_matrix(maps[name], wanted["shift"][name]), gram) for name, gram in wanted["gram"].items()]
    content = content_loss(maps[features.content], wanted["content"][features.content])
    return content, sum(layers) / len(layers), total_variation(image)


def _three(image: tf.Tensor) -> tf.Tensor:
    return ops.repeat(image, 3, -1) if image.shape[-1] == 1 else image


@functools.lru_cache(maxsize=4)
def evaluator(features: FeatureExtractor) -> Callable:
    """Compile, once for each network: ``(image, wanted, weights)`` to total and single losses, and the gradient.

    The losses are means over the ``n`` images; each image's gradient is that of its own total.
    """

    @tf.function(reduce_retracing=True)
    def evaluate(image: tf.Tensor, wanted: dict[str, dict], weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(image)
            parts = tf.stack(losses(features, image, wanted=wanted))
            totals = tf.linalg.matvec(parts, weights, transpose_a=True)
        every = tf.concat([totals[None], parts], 0)
        return tf.reduce_mean(every, 1), tape.gradient(totals, image)

    return evaluate


def lbfgs(
    loss_and_gradient: Callable, begin: np.ndarray, *, steps: int, step: Callable = lambda x, losses: None
) -> None:
    """Minimise by L-BFGS-B (Byrd et al. 1995), every pixel within 0..255; ``step`` sees each point."""
    last = None

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal last
        last, gradient = loss_and_gradient(x)
        return SCALE * float(last[0]), SCALE * gradient.ravel().astype(np.float64)

    def callback(x: np.ndarray) -> None:
        step(x, last)

    options = {"maxiter": steps, "maxfun": 3 * steps, "ftol": 0, "gtol": 0}
    minimize(
        objective,
        begin.ravel().astype(np.float64),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 255)] * begin.size,
        callback=callback,
        options=options,
    )


def adam(
    loss_and_gradient: Callable, begin: np.ndarray, *, steps: int, step: Callable = lambda x, losses: None
) -> np.ndarray:
    """Minimise by Adam (Kingma & Ba 2015) with steps of 4 grey levels that shrink to 1; return the last point."""
    x = keras.Variable(begin)
    optimiser = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4.0, steps, alpha=0.25), beta_2=0.99)
    for _ in range(steps):
        losses, gradient = loss_and_gradient(ops.convert_to_numpy(x))
        optimiser.apply([ops.convert_to_tensor(gradient)], [x])
        x.assign(ops.clip(x, 0, 255))
        step(ops.convert_to_numpy(x), losses)
    return ops.convert_to_numpy(x)
