"""Pictures that fool a network: targeted attacks on the 8-bit grid, and how far they went.

A picture is saved in whole levels of 0..255, so every attack here returns uint8 and judges
itself by what uint8 holds: gradients are taken *at the rounded picture* and applied to a
change that keeps its fractions (a straight-through estimate). Bounds ``eps`` are in levels,
that is in 1/255; ``L2`` is stated for pixels in 0..1, as the literature does. Taught in
notebook 06.
"""

import cv2
import numpy as np

from fernb.errors import FernbError, ModelError

GAP = 0.02
"""Logits by which the target must lead: the LiteRT copy has half-precision weights, and must agree."""

_BATCH = 64  # faces; larger batches fall out of a processor's cache


class Victim:
    """A network under attack: its logits, and their gradients with respect to the picture.

    ``model`` is a keras model that takes float32 ``(n, h, w, 1)`` in 0..255 and ends in a softmax,
    as :func:`fernb.networks.storage.load_model` returns it. The softmax is left out, for its gradients
    vanish where the network is sure. Needs the TensorFlow backend. Raises
    :class:`~fernb.errors.ModelError` where the model does not end in a softmax.
    """

    def __init__(self, model):
        import keras
        import tensorflow as tf

        if keras.backend.backend() != "tensorflow":
            raise ModelError("attacks need Keras's TensorFlow backend; set KERAS_BACKEND=tensorflow.")
        self.classes = int(model.output.shape[-1])
        network = without_softmax(model)

        @tf.function(input_signature=[tf.TensorSpec((None, *model.input.shape[1:])), tf.TensorSpec((None,), tf.int32)])
        def pull(pictures, targets):
            with tf.GradientTape() as tape:
                tape.watch(pictures)
                logits = network(pictures, training=False)
                wanted = tf.one_hot(targets, self.classes)
                target = tf.reduce_sum(logits * wanted, 1)
                others = logits - 1e9 * wanted
                odds = target - tf.reduce_logsumexp(others, 1)
            return target - tf.reduce_max(others, 1), odds, tape.gradient(odds, pictures)

        self._pull = pull
        self._forward = tf.function(lambda pictures: network(pictures, training=False), reduce_retracing=True)

    def logits(self, faces: np.ndarray) -> np.ndarray:
        """Return float32 ``(n, k)`` for ``faces`` ``(n, h, w)`` in 0..255."""
        return _in_batches(lambda part: (self._forward(part).numpy(),), faces)[0]

    def pull(self, faces: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return how far each face is from its target, and which way it lies.

        ``faces`` ``(n, h, w)`` in 0..255, ``targets`` int ``(n,)``. The three are the *gap*
        ``(n,)``, the target's logit minus the largest other one (above 0: the network says the
        target); the *log odds* ``(n,)`` of the target, log(p / (1 - p)); and the gradient of the
        log odds, float32 ``(n, h, w)`` per level. Up to a positive factor per face that is also the
        gradient of minus the cross-entropy.
        """
        return _in_batches(lambda part, goals: [x.numpy() for x in self._pull(part, goals)], faces, targets)


def _in_batches(run, faces: np.ndarray, *more: np.ndarray) -> tuple[np.ndarray, ...]:
    parts = []
    for start in range(0, max(len(faces), 1), _BATCH):
        rows = slice(start, start + _BATCH)
        pictures = np.asarray(faces[rows], np.float32)[..., None]
        parts.append(run(pictures, *(np.asarray(array[rows], np.int32) for array in more)))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return tuple(array[..., 0] if array.ndim == 4 else array for array in joined)


def without_softmax(model):
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


def fgsm(victim: Victim, faces: np.ndarray, targets: np.ndarray, eps: int) -> np.ndarray:
    """Return ``faces`` after one step of ``eps`` levels along the gradient's sign (Goodfellow et al. 2015).

    ``faces`` uint8 ``(n, 48, 48)``, ``targets`` int ``(n,)`` or one for all; returns uint8.
    """
    return pgd(victim, faces, targets, eps, steps=1)


def pgd(
    victim: Victim,
    faces: np.ndarray,
    targets: np.ndarray,
    eps: int,
    steps: int = 20,
    until: float | None = None,
) -> np.ndarray:
    """Return ``faces`` changed by at most ``eps`` whole levels each pixel so that ``targets`` becomes likeliest.

    Projected gradient ascent from the picture itself (iterated FGSM, Kurakin et al. 2017; PGD,
    Madry et al. 2018) with momentum (Dong et al. 2018): one step of ``eps``, then ``steps - 1``
    shrinking ones; the likeliest rounded picture on the way is kept, the original included.
    A face is left alone as soon as its gap (:meth:`Victim.pull`) reaches ``until``, which saves
    time where only success counts. ``faces`` uint8 ``(n, 48, 48)``; returns uint8.
    """
    faces, targets, low, high = _start(faces, targets, eps)
    if not len(faces):
        return faces.astype(np.uint8)

    def pull(change: np.ndarray, rows: np.ndarray):
        return victim.pull(faces[rows] + change, targets[rows])

    return _added(faces, climb(pull, low, high, eps, steps, until))


def climb(pull, low: np.ndarray, high: np.ndarray, eps: int, steps: int, until: float | None = None) -> np.ndarray:
    """Return whole changes ``(n, h, w)`` between ``low`` and ``high`` that raise the odds most: the heart of PGD.

    ``pull(changes, rows)`` answers for the pictures ``rows`` as :meth:`Victim.pull` does.
    """
    low, high = np.maximum(low, -eps), np.minimum(high, eps)
    change, best = np.zeros(low.shape, np.float32), np.zeros(low.shape, np.float32)
    momentum, reached = np.zeros(low.shape, np.float32), np.full(len(low), -np.inf)
    rows = np.arange(len(low))
    for step in range(steps + 1):
        whole = np.rint(change[rows])
        gap, odds, slope = pull(whole, rows)
        better = odds > reached[rows]
        reached[rows[better]], best[rows[better]] = odds[better], whole[better]
        if until is not None:
            rows, slope, better = rows[gap < until], slope[gap < until], better[gap < until]
        if step == steps or not len(rows) or eps == 0:
            return best
        size = np.abs(slope).mean((1, 2), keepdims=True)
        momentum[rows] = 0.75 * momentum[rows] + slope / np.maximum(size, 1e-12)
        rate = eps if step == 0 else 0.5 * eps * (1 - step / steps)
        change[rows] = np.clip(change[rows] + rate * np.sign(momentum[rows]), low[rows], high[rows])
    return best


def minimum_l2(victim: Victim, faces: np.ndarray, targets: np.ndarray, steps: int = 100) -> np.ndarray:
    """Return ``faces`` with about the least change, in the L2 norm and in whole levels, that reaches ``targets``.

    Decoupled direction and norm (DDN, Rony et al. 2019): walk along the gradient, and pull the
    change onto a sphere that shrinks where the target is reached and grows where it is not.
    Three things differ, for the grid: gradients are taken at the rounded picture while the
    change keeps its fractions; the first radius is each face's distance to the linearised
    boundary (DeepFool, Moosavi-Dezfooli et al. 2016) and steps shrink with it; in the end the
    best change is scaled down as far as its rounding still succeeds. A face that cannot be
    brought there comes back unchanged. ``faces`` uint8 ``(n, 48, 48)``; returns uint8.
    """
    faces, targets, low, high = _start(faces, targets, 255)
    if not len(faces):
        return faces.astype(np.uint8)
    radius = rate = None
    change, best, exact = (np.zeros(faces.shape, np.float32) for _ in range(3))
    least = np.full(len(faces), np.inf)
    for step in range(steps):
        whole = np.rint(change)
        gap, _, slope = victim.pull(faces + whole, targets)
        size = _norm(slope)
        there = gap > GAP
        better = there & (_norm(whole) < least)
        least[better], best[better], exact[better] = _norm(whole)[better], whole[better], change[better]
        if radius is None:
            radius = np.clip(-gap / np.maximum(size, 1e-12), 10, 510)
            rate = radius.copy()
        cosine = (1 + np.cos(np.pi * step / steps)) / 2
        pace = 0.05 * (0.1 + 0.9 * cosine)
        radius = np.where(there, np.minimum(radius, least) * (1 - pace), radius * (1 + pace))
        change += _each(rate * (0.01 + 0.99 * cosine) / np.maximum(size, 1e-12)) * slope
        change = np.clip(change * _each(radius / np.maximum(_norm(change), 1e-12)), low, high)
    return _added(faces, _shortened(victim, faces, targets, best, exact))


def _shortened(victim: Victim, faces, targets, best: np.ndarray, exact: np.ndarray, tries: int = 8) -> np.ndarray:
    """Bisect for the smallest factor by which the rounding of ``exact`` still succeeds."""
    least, inner, outer = _norm(best), np.full(len(faces), 0.7), np.ones(len(faces))
    for _ in range(tries):
        middle = (inner + outer) / 2
        whole = np.rint(_each(middle) * exact)
        there = lead(victim.logits(faces + whole), targets) > GAP
        better = there & (_norm(whole) < least)
        best[better], least[better] = whole[better], _norm(whole)[better]
        inner, outer = np.where(there, inner, middle), np.where(there, middle, outer)
    return best


def universal(victim: Victim, faces: np.ndarray, target: int, eps: int, steps: int = 60, seed: int = 0) -> np.ndarray:
    """Return *one* change int16 ``(48, 48)`` within ``eps`` levels that pushes any face towards ``target``.

    After Moosavi-Dezfooli et al. 2017, found by sign-gradient ascent on random batches of
    ``faces`` uint8 ``(n, 48, 48)``. Add it with :func:`add`.
    """
    rng, change = np.random.default_rng(seed), np.zeros(faces.shape[1:], np.float32)
    momentum = np.zeros_like(change)
    for step in range(steps):
        batch = faces[rng.permutation(len(faces))[:_BATCH]]
        _, odds, slope = victim.pull(add(batch, change), np.full(len(batch), target))
        momentum = 0.75 * momentum + _towards_the_unconvinced(odds, slope)
        change = np.clip(change + eps * 0.3 * (1 - step / steps) * np.sign(momentum), -eps, eps)
    return np.rint(change).astype(np.int16)


def sticker(
    victim: Victim, faces: np.ndarray, target: int, side: int = 12, steps: int = 150, seed: int = 0
) -> np.ndarray:
    """Return a patch uint8 ``(side, side)`` that says ``target`` wherever it is stuck (Brown et al. 2017).

    Each step sticks it on random places of random ``faces`` uint8 ``(n, 48, 48)``; use :func:`stick`.
    """
    rng, patch = np.random.default_rng(seed), np.full((side, side), 127.0, np.float32)
    momentum = np.zeros_like(patch)
    for step in range(steps):
        batch = faces[rng.permutation(len(faces))[:_BATCH]]
        places = random_places(len(batch), side, rng)
        _, odds, slope = victim.pull(stick(batch, patch, places), np.full(len(batch), target))
        under = np.array([one[y : y + side, x : x + side] for one, (x, y) in zip(slope, places, strict=True)])
        momentum = 0.75 * momentum + _towards_the_unconvinced(odds, under)
        patch = np.clip(patch + 24 * (1 - step / steps) * np.sign(momentum), 0, 255)
    return np.rint(patch).astype(np.uint8)


def random_places(n: int, side: int, rng: np.random.Generator, size: int = 48) -> np.ndarray:
    """Return ``n`` corners int ``(n, 2)``, x then y, at which a patch of ``side`` stays inside the face."""
    return rng.integers(0, size - side + 1, (n, 2))


def stick(faces: np.ndarray, patch: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return ``faces`` uint8 ``(n, 48, 48)`` with ``patch`` stuck on each at its corner ``places[i]`` = (x, y)."""
    stuck = faces.copy()
    for face, (x, y) in zip(stuck, places, strict=True):
        face[y : y + len(patch), x : x + len(patch)] = np.rint(patch)
    return stuck


def add(faces: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return ``faces`` uint8 plus ``change`` in levels (of a shape that broadcasts), rounded and clipped to uint8."""
    return np.clip(faces + np.rint(change).astype(np.int16), 0, 255).astype(np.uint8)


def lead(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return by how much the target's logit leads the largest other one, ``(n,)``; below 0 where it does not."""
    rows = np.arange(len(logits))
    others = logits.copy()
    others[rows, targets] = -np.inf
    return logits[rows, targets] - others.max(1)


def _towards_the_unconvinced(odds: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Mean gradient of the cross-entropy, of size 1: faces that already say the target have little weight."""
    mean = (slope * _each(1 / (1 + np.exp(np.clip(odds, -50, 50))))).mean(0)
    return mean / max(np.abs(mean).mean(), 1e-12)


def _start(faces: np.ndarray, targets, eps: int) -> tuple[np.ndarray, ...]:
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
    """Return how far two uint8 pictures of one shape (grey or RGB) are apart.

    ``linf`` in levels (1/255), ``l2`` for pixels in 0..1, ``pixels_changed`` and their
    ``share_changed``, ``psnr`` in dB (infinite for equal pictures) and ``ssim``.
    """
    if before.shape != after.shape:
        raise ValueError(f"pictures of {before.shape} and {after.shape} cannot be compared")
    change = after.astype(np.float64) - before
    changed = np.abs(change).reshape(*before.shape[:2], -1).max(-1) > 0
    error = np.square(change).mean()
    return {
        "linf": int(np.abs(change).max()),
        "l2": float(np.sqrt(np.square(change).sum()) / 255),
        "pixels_changed": int(changed.sum()),
        "share_changed": float(changed.mean()),
        "psnr": float(10 * np.log10(255**2 / error)) if error else float("inf"),
        "ssim": ssim(before, after),
    }


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Return the structural similarity (Wang et al. 2004) of two uint8 pictures: 1 for equal ones.

    As its authors state it: an 11×11 Gaussian window of sigma 1.5, moved over the picture where
    it fits wholly, and the mean over places and channels. Sides must be 11 pixels or more.
    """
    x, y = a.astype(np.float64), b.astype(np.float64)

    def mean(picture: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(picture, (11, 11), 1.5)[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())
