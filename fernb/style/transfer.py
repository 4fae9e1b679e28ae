"""Neural style transfer: the content of one picture, the style of another (Gatys et al. 2015).

A picture is changed step by step until a network's maps of it are those of the content, and the
products of its maps, the Gram matrices, are those of the style. The losses are relative: 0 is
"the same", 1 is "as far off as a picture that wakes no map at all", so that one set of weights
does for every network. Needs the TensorFlow backend. Taught in notebook 07.
"""

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf
from keras import ops
from scipy.optimize import minimize

from fernb.errors import FernbError, ImageError
from fernb.files import write_json
from fernb.style.features import Features, load_features
from fernb.vision.images import to_rgb, write_image

SIZE = 224
STEPS = 120
STYLE_WEIGHT = 5.0  # with strength 1
SMOOTH_WEIGHT = 0.1
MIN_SIDE = 16  # pixels; a smaller picture has no style, and vanishes in the poolings
SCALE = 1e4  # of the losses for L-BFGS, whose first step is as long as the gradient
OPTIMISERS = ("lbfgs", "adam")


def content_loss(maps, wanted):
    """Return the mean squared difference of ``(n, h, w, c)`` maps over the mean square of ``wanted``: ``(n,)``."""
    off = ops.mean(ops.square(maps - wanted), (1, 2, 3))
    return off / (ops.mean(ops.square(wanted), (1, 2, 3)) + 1e-12)


def gram_matrix(maps, shift=0.0):
    """Return how far the filters fire together: ``(n, h, w, c)`` maps to ``(n, c, c)``.

    Entry (i, j) is the mean over all places of ``(maps_i - shift_i) * (maps_j - shift_j)``: where
    something is gets lost, what goes with what stays. ``shift`` (Novak & Nikulin 2016) keeps
    filters that always fire from drowning the others.
    """
    height, width, depth = maps.shape[1:] if None not in maps.shape[1:] else ops.shape(maps)[1:]
    flat = ops.reshape(maps - shift, (-1, height * width, depth))
    return ops.matmul(ops.transpose(flat, (0, 2, 1)), flat) / ops.cast(height * width, flat.dtype)


def style_loss(gram, wanted):
    """Return the mean squared difference of ``(n, c, c)`` Gram matrices over the mean square of ``wanted``."""
    off = ops.mean(ops.square(gram - wanted), (1, 2))
    return off / (ops.mean(ops.square(wanted), (1, 2)) + 1e-12)


def total_variation(picture):
    """Return the mean length of the gradient of ``(n, h, w, c)`` (Rudin et al. 1992) over 255: ``(n,)``.

    High for noise, low for plain areas. A small constant keeps it smooth where the gradient is 0.
    """
    down = (picture[:, 1:, :-1] - picture[:, :-1, :-1]) / 255
    across = (picture[:, :-1, 1:] - picture[:, :-1, :-1]) / 255
    return ops.mean(ops.sqrt(ops.square(down) + ops.square(across) + 1e-4), (1, 2, 3)) - 1e-2


def match_colours(picture: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Return ``picture`` with the mean and covariance of the colours of ``style``; both RGB uint8.

    The linear map that moves colours least (Pitié & Kokaram 2007), as Gatys et al. 2017 use it.
    """
    colours, wanted = picture.reshape(-1, 3).astype(float), style.reshape(-1, 3).astype(float)
    own, other = np.cov(colours.T) + np.eye(3), np.cov(wanted.T) + np.eye(3)  # a plain picture has none
    root, inverse = _power(own, 0.5), _power(own, -0.5)
    turn = inverse @ _power(root @ other @ root, 0.5) @ inverse
    matched = (colours - colours.mean(0)) @ turn + wanted.mean(0)
    return np.rint(matched.clip(0, 255)).astype(np.uint8).reshape(picture.shape)


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**exponent) @ vectors.T


def luminance(picture: np.ndarray) -> np.ndarray:
    """Return the luminance of an RGB uint8 picture, float32 ``(h, w, 1)`` in 0..255."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)[..., :1].astype(np.float32)


def _with_luminance(picture: np.ndarray, luminance: np.ndarray) -> np.ndarray:
    parts = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    parts[..., :1] = luminance
    return cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB)


@dataclass(frozen=True)
class Step:
    """Where a transfer stands: step ``number`` of ``steps``, its losses, and the picture so far (RGB uint8)."""

    number: int
    steps: int
    losses: dict[str, float]
    picture: np.ndarray


@dataclass
class Result:
    """What a transfer made: ``picture`` RGB uint8, its settings, the losses of each step, and how it went."""

    picture: np.ndarray
    settings: dict
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    stopped: bool = False


def transfer_style(
    content: np.ndarray,
    style: np.ndarray,
    features: Features | None = None,
    *,
    size: int = SIZE,
    strength: float = 1.0,
    smooth: float = 1.0,
    keep_colour: bool = False,
    steps: int = STEPS,
    optimiser: str = "lbfgs",
    progress: Callable[[Step], None] | None = None,
) -> Result:
    """Paint ``content`` in the style of ``style``; both are pictures as :func:`fernb.vision.images.to_rgb` takes them.

    The result has ``size`` pixels on its longer side. ``strength`` weighs style against content
    (0: none; 1: as a rule; 10: much), ``smooth`` weighs the total variation. ``keep_colour``
    changes the luminance only; features that see no colour do so anyway, and then the content is
    given the style's colours first. Half of the ``steps`` are taken at half the size, where
    strokes are large and steps cheap (Gatys et al. 2017).

    ``progress`` is called after each step; StopIteration raised there, or Ctrl-C, ends the
    transfer, and the picture so far is returned with ``stopped`` True.

    Raises :class:`~fernb.errors.ImageError` for a picture under 16 pixels a side, and
    :class:`~fernb.errors.FernbError` for a setting out of its range.
    """
    if optimiser not in OPTIMISERS:
        raise FernbError(f"there is no optimiser {optimiser!r}; there are {', '.join(OPTIMISERS)}.")
    if size < MIN_SIDE or steps < 1 or strength < 0 or smooth < 0:
        raise FernbError(f"size must be {MIN_SIDE} or more, steps 1 or more, strength and smooth not negative.")
    content, style = fit(content, size, "content"), fit(style, size, "style")
    if style.std((0, 1)).max() < 1:
        raise ImageError("the style picture is one plain colour, which has no style; take another one.")
    features = features or load_features()
    start = time.monotonic()
    run = _Run(content, style, features, (strength, smooth), keep_colour, steps, optimiser, progress)
    stopped = run.go()
    picture = _resized(run.picture, content.shape)  # it may have been stopped at half the size
    settings = {"size": size, "strength": strength, "smooth": smooth, "keep_colour": keep_colour}
    settings |= {"steps": steps, "optimiser": optimiser, "features": features.name, "about": features.about}
    return Result(picture, settings, run.history, time.monotonic() - start, stopped)


def save(result: Result, path: str | os.PathLike, **more) -> None:
    """Write the picture to ``path`` and, beside it, a ``.json`` with the settings, the last losses and ``more``."""
    write_image(path, result.picture)
    told = {"picture": Path(path).name, **more, **result.settings, "steps_done": len(result.history)}
    last = {name: float(f"{value:.4g}") for name, value in (result.history or [{}])[-1].items()}
    told |= {"stopped": result.stopped, "seconds": round(result.seconds, 1), "losses": last}
    write_json(Path(path).with_suffix(".json"), told)


def fit(picture: np.ndarray, size: int, name: str = "picture") -> np.ndarray:
    """Return ``picture`` as RGB uint8 with ``size`` pixels on its longer side.

    Raises :class:`~fernb.errors.ImageError` where a side is under 16 pixels, before or after.
    """
    picture = to_rgb(picture)
    height, width = picture.shape[:2]
    zoom = size / max(height, width)
    shape = round(width * zoom), round(height * zoom)
    if min(height, width, *shape) < MIN_SIDE:
        raise ImageError(
            f"the {name} picture of {width}x{height} pixels is too small or too narrow: "
            f"both sides must have {MIN_SIDE} pixels, also when the longer one has {size}."
        )
    return _resized(picture, shape[::-1])


def _resized(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    method = cv2.INTER_AREA if shape[0] < picture.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(picture, shape[1::-1], interpolation=method)


class _Stopped(Exception):
    """The caller has seen enough."""


class _Run:
    """One transfer under way; ``picture`` is the picture so far at any time."""

    def __init__(self, content, style, features, weights, keep_colour, steps, optimiser, progress):
        self.features, self.steps, self.progress = features, steps, progress
        self.luminance = keep_colour or not features.colour
        if self.luminance and not keep_colour:
            content = match_colours(content, style)
        self.content, self.style, self.picture = content, style, content
        self.weights = tf.constant([1.0, STYLE_WEIGHT * weights[0], SMOOTH_WEIGHT * weights[1]])
        self.minimise = lbfgs if optimiser == "lbfgs" else adam
        self.history: list[dict[str, float]] = []

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
        begin = self._input(_resized(self.picture, content.shape))
        wished, style = self._input(content), self._input(style)
        if self.luminance:  # else a dark style would only darken
            style = (style - style.mean()) / (style.std() + 1) * max(wished.std(), 10) + wished.mean()
        wanted, evaluate = targets(self.features, wished, style), evaluator(self.features)

        def value_and_slope(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            losses, slope = evaluate(tf.constant(x.reshape(begin.shape), tf.float32), wanted, self.weights)
            return losses.numpy(), slope.numpy()

        self.minimise(value_and_slope, begin, steps, functools.partial(self._step, content=content))

    def _input(self, picture: np.ndarray) -> np.ndarray:
        return (luminance(picture) if self.luminance else picture.astype(np.float32))[None]

    def _step(self, x: np.ndarray, losses: np.ndarray, content: np.ndarray) -> None:
        painted = np.rint(x.clip(0, 255)).astype(np.uint8).reshape(*content.shape[:2], -1)
        if self.luminance:
            painted = _with_luminance(content, painted)
        self.picture = painted
        self.history.append(dict(zip(("total", "content", "style", "smooth"), losses.tolist(), strict=True)))
        if self.progress:
            try:
                self.progress(Step(len(self.history), self.steps, self.history[-1], painted))
            except StopIteration as reason:  # which SciPy would take for the end of one size only
                raise _Stopped from reason


def targets(features: Features, content: np.ndarray, style: np.ndarray) -> dict[str, dict]:
    """Return what to reach: content maps, and each style layer's shift and Gram matrix.

    ``content`` and ``style`` are float32 ``(1, h, w, 3)`` or, for luminance, ``(1, h, w, 1)``, in 0..255.
    """
    maps = features.model(_three(tf.constant(style)))
    shifts = {name: ops.mean(maps[name], (0, 1, 2), keepdims=True) for name in features.style}
    grams = {name: gram_matrix(maps[name], shifts[name]) for name in features.style}
    seen = features.model(_three(tf.constant(content)))[features.content]
    return {"content": {features.content: seen}, "shift": shifts, "gram": grams}


def losses(features: Features, picture, wanted: dict[str, dict]) -> tuple:
    """Return content, style and smoothness loss, each ``(n,)``, of ``picture``, a tensor as in :func:`targets`."""
    maps = features.model(_three(picture))
    layers = [style_loss(gram_matrix(maps[name], wanted["shift"][name]), gram) for name, gram in wanted["gram"].items()]
    content = content_loss(maps[features.content], wanted["content"][features.content])
    return content, sum(layers) / len(layers), total_variation(picture)


def _three(picture):
    return ops.repeat(picture, 3, -1) if picture.shape[-1] == 1 else picture


@functools.lru_cache(maxsize=4)
def evaluator(features: Features):
    """Compile, once for each network: ``(picture, wanted, weights)`` to total and single losses, and the gradient.

    The losses are means over the ``n`` pictures; each picture's gradient is that of its own total.
    """

    @tf.function(reduce_retracing=True)
    def evaluate(picture, wanted, weights):
        with tf.GradientTape() as tape:
            tape.watch(picture)
            parts = tf.stack(losses(features, picture, wanted))
            totals = tf.linalg.matvec(parts, weights, transpose_a=True)
        every = tf.concat([totals[None], parts], 0)
        return tf.reduce_mean(every, 1), tape.gradient(totals, picture)

    return evaluate


def lbfgs(value_and_slope, begin: np.ndarray, steps: int, step=lambda x, losses: None) -> None:
    """Minimise by L-BFGS-B (Byrd et al. 1995), every pixel within 0..255; ``step`` sees each point."""
    last = None

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal last
        last, slope = value_and_slope(x)
        return SCALE * float(last[0]), SCALE * slope.ravel().astype(np.float64)

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


def adam(value_and_slope, begin: np.ndarray, steps: int, step=lambda x, losses: None) -> np.ndarray:
    """Minimise by Adam (Kingma & Ba 2015) with steps of 4 grey levels that shrink to 1; return the last point."""
    x = keras.Variable(begin)
    optimiser = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4.0, steps, alpha=0.25), beta_2=0.99)
    for _ in range(steps):
        losses, slope = value_and_slope(ops.convert_to_numpy(x))
        optimiser.apply([ops.convert_to_tensor(slope)], [x])
        x.assign(ops.clip(x, 0, 255))
        step(ops.convert_to_numpy(x), losses)
    return ops.convert_to_numpy(x)
