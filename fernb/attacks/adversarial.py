"""Adversarial images: targeted attacks on the 8-bit grid, and how large their changes are.

An image is saved in whole levels of 0..255, so every attack here returns uint8 and judges itself
by what uint8 holds: gradients are taken *at the rounded image* and applied to a change that keeps
its fractions (a straight-through estimate). Bounds ``eps`` are in levels, that is in 1/255; ``L2``
is stated for pixels in 0..1, as the literature does. Taught in notebook 06.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fernb.errors import FernbError, ModelError

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

MIN_MARGIN = 0.02
"""Logits by which the target must lead: the LiteRT copy has half-precision weights, and must agree."""

LossGradient = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]

_BATCH = 64  # faces; larger batches do not fit a processor's cache
_STRIP = 256  # rows of a large image that are measured at a time
_WINDOW = 11  # pixels a side of the window of SSIM


class TargetModel:
    """A network under attack: its logits, and their gradients with respect to the image.

    ``model`` is a keras model that takes float32 ``(n, h, w, 1)`` in 0..255 and ends in a softmax,
    as :func:`fernb.networks.storage.load_model` returns it. The softmax is left out, because its
    gradients vanish where the network is certain. Needs the TensorFlow backend. Raises
    :class:`~fernb.errors.ModelError` where the model does not end in a softmax.
    """

    def __init__(self, model: "keras.Model"):
        import keras
        import tensorflow as tf

        if keras.backend.backend() != "tensorflow":
            raise ModelError("attacks need Keras's TensorFlow backend; set KERAS_BACKEND=tensorflow.")
        self.classes = int(model.output.shape[-1])
        network = without_softmax(model)

        @tf.function(input_signature=[tf.TensorSpec((None, *model.input.shape[1:])), tf.TensorSpec((None,), tf.int32)])
        def loss_gradient(images: "tf.Tensor", targets: "tf.Tensor") -> tuple:
            with tf.GradientTape() as tape:
                tape.watch(images)
                logits = network(images, training=False)
                wanted = tf.one_hot(targets, self.classes)
                target = tf.reduce_sum(logits * wanted, 1)
                others = logits - 1e9 * wanted
                log_odds = target - tf.reduce_logsumexp(others, 1)
            return target - tf.reduce_max(others, 1), log_odds, tape.gradient(log_odds, images)

        self._loss_gradient = loss_gradient
        self._forward = tf.function(lambda images: network(images, training=False), reduce_retracing=True)

    def logits(self, faces: np.ndarray) -> np.ndarray:
        """Return float32 ``(n, k)`` for ``faces`` ``(n, h, w)`` in 0..255."""
        return _in_batches(lambda part: (self._forward(part).numpy(),), faces)[0]

    def loss_gradient(self, faces: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return how near each face is to its target, and the direction towards it.

        ``faces`` ``(n, h, w)`` in 0..255, ``targets`` int ``(n,)``. Returns the *logit margin*
        ``(n,)``, see :func:`logit_margin`; the *log odds* ``(n,)`` of the target, log(p / (1 - p));
        and the gradient of the log odds, float32 ``(n, h, w)`` per level. Up to a positive factor
        for each face, that is the gradient of the cross-entropy with the target, with a minus.
        """
        margin, log_odds, gradient = _in_batches(
            lambda part, goals: [x.numpy() for x in self._loss_gradient(part, goals)], faces, targets
        )
        return margin, log_odds, gradient


def _in_batches(
    run: Callable[..., Sequence[np.ndarray]], faces: np.ndarray, *more: np.ndarray
) -> tuple[np.ndarray, ...]:
    parts = []
    for start in range(0, max(len(faces), 1), _BATCH):
        rows = slice(start, start + _BATCH)
        images = np.asarray(faces[rows], np.float32)[..., None]
        parts.append(run(images, *(np.asarray(array[rows], np.int32) for array in more)))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return tuple(array[..., 0] if array.ndim == 4 else array for array in joined)


def without_softmax(model: "keras.Model") -> "keras.Model":
    """Return a keras model that ends in the logits of ``model``, sharing all its other layers.

    The last layer must be a softmax ``Activation`` or ``Softmax``, or a ``Dense`` with that
    activation. Raises :class:`~fernb.errors.ModelError` otherwise.
    """
    import keras

    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return keras.Model(model.input, last.input)
    if getattr(last, "activation", None) is not keras.activations.softmax:
        raise ModelError(f"{model.name} does not end in a softmax, so its logits are unknown.")
    if not isinstance(last, keras.layers.Dense):
        return keras.Model(model.input, last.input)
    linear = keras.layers.Dense(last.units, use_bias=last.use_bias, dtype="float32", name=f"{last.name}_logits")
    logits = keras.Model(model.input, linear(last.input))
    linear.set_weights(last.get_weights())
    return logits


def fgsm(target_model: TargetModel, faces: np.ndarray, *, targets: np.ndarray | int, eps: int) -> np.ndarray:
    """Return ``faces`` after one step of ``eps`` levels along the gradient's sign (FGSM, Goodfellow et al. 2015).

    ``faces`` uint8 ``(n, 48, 48)``, ``targets`` int ``(n,)`` or one for all; returns uint8.
    """
    return pgd(target_model, faces, targets=targets, eps=eps, steps=1)


def pgd(
    target_model: TargetModel,
    faces: np.ndarray,
    *,
    targets: np.ndarray | int,
    eps: int,
    steps: int = 20,
    until: float | None = None,
) -> np.ndarray:
    """Return ``faces`` changed by at most ``eps`` whole levels each pixel so that ``targets`` becomes most probable.

    Projected gradient ascent from the image itself (iterated FGSM, Kurakin et al. 2017; PGD,
    Madry et al. 2018) with momentum (Dong et al. 2018): one step of ``eps``, then ``steps - 1``
    shrinking ones; of all rounded images on the way, the original included, the one with the
    best odds is kept. A face is left alone as soon as its logit margin reaches ``until``, which
    saves time where only success counts. ``faces`` uint8 ``(n, 48, 48)``; returns uint8. Raises
    :class:`~fernb.errors.FernbError` where ``eps`` is no whole number of levels.
    """
    faces, targets, low, high = _start(faces, targets, eps)
    if not len(faces):
        return faces.astype(np.uint8)

    def loss_gradient(change: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return target_model.loss_gradient(faces[rows] + change, targets[rows])

    return _added(
        faces, projected_gradient_ascent(loss_gradient, low=low, high=high, eps=eps, steps=steps, until=until)
    )


def projected_gradient_ascent(
    loss_gradient: LossGradient, *, low: np.ndarray, high: np.ndarray, eps: int, steps: int, until: float | None = None
) -> np.ndarray:
    """Return whole changes ``(n, h, w)`` between ``low`` and ``high`` that raise the odds most: the heart of PGD.

    ``loss_gradient(changes, rows)`` answers for the images ``rows`` as :meth:`TargetModel.loss_gradient` does.
    """
    low, high = np.maximum(low, -eps), np.minimum(high, eps)
    change, best = np.zeros(low.shape, np.float32), np.zeros(low.shape, np.float32)
    momentum, reached = np.zeros(low.shape, np.float32), np.full(len(low), -np.inf)
    rows = np.arange(len(low))
    for step in range(steps + 1):
        whole = np.rint(change[rows])
        margin, odds, gradient = loss_gradient(whole, rows)
        better = odds > reached[rows]
        reached[rows[better]], best[rows[better]] = odds[better], whole[better]
        if until is not None:
            rows, gradient = rows[margin < until], gradient[margin < until]
        if step == steps or not len(rows) or eps == 0:
            return best
        size = np.abs(gradient).mean((1, 2), keepdims=True)
        momentum[rows] = 0.75 * momentum[rows] + gradient / np.maximum(size, 1e-12)
        rate = eps if step == 0 else 0.5 * eps * (1 - step / steps)
        change[rows] = np.clip(change[rows] + rate * np.sign(momentum[rows]), low[rows], high[rows])
    return best


def ddn(target_model: TargetModel, faces: np.ndarray, *, targets: np.ndarray | int, steps: int = 100) -> np.ndarray:
    """Return ``faces`` with about the smallest change, in the L2 norm and in whole levels, that reaches ``targets``.

    DDN, decoupled direction and norm (Rony et al. 2019): walk along the gradient, and project the
    change onto a sphere that shrinks where the target is reached and grows where it is not.
    Three things differ, for the grid: gradients are taken at the rounded image while the change
    keeps its fractions; the first radius is each face's distance to the linearised boundary
    (DeepFool, Moosavi-Dezfooli et al. 2016) and steps shrink with it; in the end the best change
    is scaled down as far as its rounding still succeeds. A face that cannot be brought there
    comes back unchanged. ``faces`` uint8 ``(n, 48, 48)``; returns uint8.
    """
    faces, targets, low, high = _start(faces, targets, 255)
    if not len(faces):
        return faces.astype(np.uint8)
    radius = rate = None
    change, best, exact = (np.zeros(faces.shape, np.float32) for _ in range(3))
    smallest = np.full(len(faces), np.inf)
    for step in range(steps):
        whole = np.rint(change)
        margin, _, gradient = target_model.loss_gradient(faces + whole, targets)
        size = _norm(gradient)
        there = margin > MIN_MARGIN
        better = there & (_norm(whole) < smallest)
        smallest[better], best[better], exact[better] = _norm(whole)[better], whole[better], change[better]
        if radius is None:
            radius = np.clip(-margin / np.maximum(size, 1e-12), 10, 510)
            rate = radius.copy()
        cosine = (1 + np.cos(np.pi * step / steps)) / 2
        pace = 0.05 * (0.1 + 0.9 * cosine)
        radius = np.where(there, np.minimum(radius, smallest) * (1 - pace), radius * (1 + pace))
        change += _each(rate * (0.01 + 0.99 * cosine) / np.maximum(size, 1e-12)) * gradient
        change = np.clip(change * _each(radius / np.maximum(_norm(change), 1e-12)), low, high)
    return _added(faces, _shortened(target_model, faces, targets, best, exact))


def _shortened(
    target_model: TargetModel, faces: np.ndarray, targets: np.ndarray, best: np.ndarray, exact: np.ndarray
) -> np.ndarray:
    """Bisect for the smallest factor by which the rounding of ``exact`` still succeeds."""
    smallest, inner, outer = _norm(best), np.full(len(faces), 0.7), np.ones(len(faces))
    for _ in range(8):
        middle = (inner + outer) / 2
        whole = np.rint(_each(middle) * exact)
        there = logit_margin(target_model.logits(faces + whole), targets) > MIN_MARGIN
        better = there & (_norm(whole) < smallest)
        best[better], smallest[better] = whole[better], _norm(whole)[better]
        inner, outer = np.where(there, inner, middle), np.where(there, middle, outer)
    return best


def universal(
    target_model: TargetModel, faces: np.ndarray, *, target: int, eps: int, steps: int = 60, seed: int = 0
) -> np.ndarray:
    """Return *one* change int16 ``(48, 48)`` within ``eps`` levels that pushes any face towards ``target``.

    A universal perturbation (Moosavi-Dezfooli et al. 2017), found by sign-gradient ascent on
    random batches of ``faces`` uint8 ``(n, 48, 48)``. Add it with :func:`add`.
    """
    rng, change = np.random.default_rng(seed), np.zeros(faces.shape[1:], np.float32)
    momentum = np.zeros_like(change)
    for step in range(steps):
        batch = faces[rng.permutation(len(faces))[:_BATCH]]
        _, odds, gradient = target_model.loss_gradient(add(batch, change), np.full(len(batch), target))
        momentum = 0.75 * momentum + _mean_direction(odds, gradient)
        change = np.clip(change + eps * 0.3 * (1 - step / steps) * np.sign(momentum), -eps, eps)
    return np.rint(change).astype(np.int16)


def adversarial_patch(
    target_model: TargetModel, faces: np.ndarray, *, target: int, side: int = 12, steps: int = 150, seed: int = 0
) -> np.ndarray:
    """Return a patch uint8 ``(side, side)`` that makes the network say ``target`` wherever it is put.

    An adversarial patch (Brown et al. 2017): each step puts it at random places of random
    ``faces`` uint8 ``(n, 48, 48)``. Put it on faces with :func:`apply_patch`.
    """
    rng, patch = np.random.default_rng(seed), np.full((side, side), 127.0, np.float32)
    momentum = np.zeros_like(patch)
    for step in range(steps):
        batch = faces[rng.permutation(len(faces))[:_BATCH]]
        places = random_places(len(batch), side, rng=rng)
        patched = apply_patch(batch, patch, places=places)
        _, odds, gradient = target_model.loss_gradient(patched, np.full(len(batch), target))
        under = np.array([one[y : y + side, x : x + side] for one, (x, y) in zip(gradient, places, strict=True)])
        momentum = 0.75 * momentum + _mean_direction(odds, under)
        patch = np.clip(patch + 24 * (1 - step / steps) * np.sign(momentum), 0, 255)
    return np.rint(patch).astype(np.uint8)


def random_places(n: int, side: int, *, rng: np.random.Generator, size: int = 48) -> np.ndarray:
    """Return ``n`` corners int ``(n, 2)``, x then y, at which a patch of ``side`` stays inside the face."""
    return rng.integers(0, size - side + 1, (n, 2))


def apply_patch(faces: np.ndarray, patch: np.ndarray, *, places: np.ndarray) -> np.ndarray:
    """Return ``faces`` uint8 ``(n, 48, 48)`` with ``patch`` on each of them, its corner at ``places[i]`` = (x, y)."""
    patched = faces.copy()
    for face, (x, y) in zip(patched, places, strict=True):
        face[y : y + len(patch), x : x + len(patch)] = np.rint(patch)
    return patched


def add(faces: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return ``faces`` uint8 plus ``change`` in levels (of a shape that broadcasts), rounded and clipped to uint8."""
    return np.clip(faces + np.rint(change).astype(np.int16), 0, 255).astype(np.uint8)


def logit_margin(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the target's logit minus the largest other one, ``(n,)``: above 0 the network says the target."""
    rows = np.arange(len(logits))
    others = logits.copy()
    others[rows, targets] = -np.inf
    return logits[rows, targets] - others.max(1)


def _mean_direction(odds: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Mean gradient of the cross-entropy, of size 1: faces that already say the target have little weight."""
    mean = (gradient * _each(1 / (1 + np.exp(np.clip(odds, -50, 50))))).mean(0)
    return mean / max(np.abs(mean).mean(), 1e-12)


def _start(faces: np.ndarray, targets: np.ndarray | int, eps: int) -> tuple[np.ndarray, ...]:
    faces = np.asarray(faces)
    if faces.ndim != 3 or faces.dtype != np.uint8:
        raise ValueError(f"faces must be uint8 (n, h, w), got {faces.dtype} {faces.shape}")
    if not 0 <= eps <= 255 or eps != int(eps):
        raise FernbError(f"eps is {eps}; give a whole number of grey levels from 0 to 255.")
    targets = np.broadcast_to(np.asarray(targets, np.int32), len(faces))
    start = faces.astype(np.float32)
    return start, targets, -start, 255 - start


def _added(faces: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.clip(faces + whole, 0, 255).astype(np.uint8)


def _norm(changes: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(changes, dtype=np.float64).sum((1, 2)))


def _each(factors: np.ndarray) -> np.ndarray:
    return np.asarray(factors, np.float32)[:, None, None]


def measures(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Return how different two uint8 images of one shape (grey or RGB) are.

    ``linf`` in levels (1/255), ``l2`` for pixels in 0..1, ``pixels_changed`` and their
    ``share_changed``, ``psnr`` in dB (infinite for equal images) and ``ssim``. Large images are
    measured in strips, so that the memory needed does not grow with them.
    """
    if before.shape != after.shape:
        raise ValueError(f"images of {before.shape} and {after.shape} cannot be compared")
    largest = squares = changed = 0
    for top in range(0, len(before), _STRIP):
        change = after[top : top + _STRIP].astype(np.int32) - before[top : top + _STRIP]
        largest = max(largest, int(np.abs(change).max()))
        squares += int(np.square(change).sum(dtype=np.int64))
        changed += int(np.count_nonzero(change.reshape(*change.shape[:2], -1).any(-1)))
    return {
        "linf": largest,
        "l2": float(np.sqrt(squares) / 255),
        "pixels_changed": changed,
        "share_changed": changed / (before.shape[0] * before.shape[1]),
        "psnr": float(10 * np.log10(255**2 * before.size / squares)) if squares else float("inf"),
        "ssim": ssim(before, after),
    }


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Return the structural similarity (Wang et al. 2004) of two uint8 images: 1 for equal ones.

    TensorFlow's, which is what its authors state: an 11×11 Gaussian window of sigma 1.5, moved
    over the image where it fits wholly, and the mean over places and channels; right to 1e-4,
    because it calculates in float32. Sides must be 11 pixels or more.
    """
    import tensorflow as tf

    total, places = 0.0, len(a) - _WINDOW + 1
    for top in range(0, places, _STRIP):
        rows = slice(top, top + _STRIP + _WINDOW - 1)
        one, two = (np.atleast_3d(image[rows]) for image in (a, b))
        same = np.array_equal(one, two)  # as most of a photograph is, outside of the face
        total += min(_STRIP, places - top) * (1.0 if same else float(tf.image.ssim(one, two, max_val=255)))
    return total / places
