"""The changes of :mod:`fernb.training.augmentation` for a whole batch at once, in JAX, on the device."""

from typing import Any

import jax
from jax import numpy as jnp

from fernb.training.augmentation import BLUR, DARKEST, MOST_NOISE, Augmentation

_REACH = 3  # pixels to each side that the blur weighs


def views(images: Any, key: Any, augmentation: Augmentation, mirror: Any) -> Any:
    """Return changed copies of ``images`` float32 ``(n, side, side)`` in 0..255, whole numbers again.

    ``key`` decides everything at random, ``mirror`` bool ``(n,)`` which copies are mirrored.
    """
    keys = jax.random.split(key, 3)
    images = _lit(_warped(images, keys[0], augmentation, mirror), keys[1], augmentation)
    return jnp.floor(_erased(images, keys[2], augmentation))


def camera(images: Any, key: Any, augmentation: Augmentation) -> Any:
    """Return ``images`` as cameras see them: some blurred and noisy, some in the dark."""
    if not (augmentation.bad_camera or augmentation.dark):
        return images
    keys = jax.random.split(key, 6)
    each = (len(images), 1, 1)
    noise = jax.random.normal(keys[0], images.shape) * jax.random.uniform(keys[1], each, maxval=MOST_NOISE)
    bad = jnp.clip(_blurred(images, keys[2]) + noise, 0, 255)
    dark = images * jax.random.uniform(keys[3], each, minval=DARKEST)
    seen = jnp.where(jax.random.bernoulli(keys[4], float(augmentation.bad_camera), each), bad, images)
    return jnp.floor(jnp.where(jax.random.bernoulli(keys[5], float(augmentation.dark), each), dark, seen))


def _warped(images: Any, key: Any, augmentation: Augmentation, mirror: Any) -> Any:
    """Turn, scale, shift and mirror each image: for each of its pixels, look up where it comes from."""
    n, side, _ = images.shape
    keys = jax.random.split(key, 3)
    angle = jnp.deg2rad(_either(keys[0], (n, 1, 1), augmentation.rotation))
    zoom = 1 + _either(keys[1], (n, 1, 1), augmentation.scale)
    shift = _either(keys[2], (n, 2, 1, 1), augmentation.shift) * side
    middle = (side - 1) / 2
    y, x = jnp.meshgrid(jnp.arange(float(side)), jnp.arange(float(side)), indexing="ij")
    x = jnp.where(mirror[:, None, None], side - 1 - x, x)
    dx, dy = x - middle - shift[:, 0], y - middle - shift[:, 1]
    from_x = (jnp.cos(angle) * dx - jnp.sin(angle) * dy) / zoom + middle
    from_y = (jnp.sin(angle) * dx + jnp.cos(angle) * dy) / zoom + middle
    return _bilinear(images, jnp.clip(from_x, 0, side - 1), jnp.clip(from_y, 0, side - 1))


def _bilinear(images: Any, x: Any, y: Any) -> Any:
    n, side, _ = images.shape
    flat = images.reshape(n, -1)
    left, top = jnp.floor(x).astype(jnp.int32), jnp.floor(y).astype(jnp.int32)
    right, low = jnp.minimum(left + 1, side - 1), jnp.minimum(top + 1, side - 1)
    across, down = x - left, y - top

    def at(row: Any, column: Any) -> Any:
        return jnp.take_along_axis(flat, (row * side + column).reshape(n, -1), axis=1).reshape(x.shape)

    above = at(top, left) * (1 - across) + at(top, right) * across
    below = at(low, left) * (1 - across) + at(low, right) * across
    return above * (1 - down) + below * down


def _lit(images: Any, key: Any, augmentation: Augmentation) -> Any:
    contrast, brightness = 1 + _either(key, (2, len(images), 1, 1), augmentation.light)
    middle = images.mean((1, 2), keepdims=True)
    return jnp.clip((images - middle) * contrast + middle * brightness, 0, 255)


def _erased(images: Any, key: Any, augmentation: Augmentation) -> Any:
    n, side, _ = images.shape
    keys = jax.random.split(key, 4)
    size = jnp.floor(jax.random.uniform(keys[0], (2, n, 1, 1), minval=0.1, maxval=0.4) * side)
    first = jnp.floor(jax.random.uniform(keys[1], (2, n, 1, 1)) * (side - size))
    place = jnp.arange(float(side))
    rows = (place[:, None] >= first[0]) & (place[:, None] < first[0] + size[0])
    columns = (place[None] >= first[1]) & (place[None] < first[1] + size[1])
    chosen = jax.random.bernoulli(keys[2], float(augmentation.erase), (n, 1, 1))
    grey = jnp.floor(jax.random.uniform(keys[3], (n, 1, 1)) * 256)
    return jnp.where(rows & columns & chosen, grey, images)


def _blurred(images: Any, key: Any) -> Any:
    """Blur each image by a Gaussian of its own, along one axis and then the other."""
    sigma = jax.random.uniform(key, (len(images), 1), minval=BLUR[0], maxval=BLUR[1])
    taps = jnp.exp(-(jnp.arange(-_REACH, _REACH + 1) ** 2) / (2 * sigma**2))
    taps = (taps / taps.sum(1, keepdims=True))[:, :, None, None]
    for axis in (1, 2):
        width = [(0, 0), (0, 0), (0, 0)]
        width[axis] = (_REACH, _REACH)
        padded = jnp.pad(images, width, mode="reflect")
        cuts = [jax.lax.slice_in_dim(padded, i, i + images.shape[axis], axis=axis) for i in range(taps.shape[1])]
        images = sum(cut * taps[:, i] for i, cut in enumerate(cuts))
    return images


def _either(key: Any, shape: tuple[int, ...], most: float) -> Any:
    """Return numbers between minus ``most`` and ``most``."""
    return jax.random.uniform(key, shape, minval=-most, maxval=most)
