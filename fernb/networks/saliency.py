"""What a network looks at: Grad-CAM's family. Taught in notebook 03."""

import keras
import numpy as np

from fernb.errors import ModelError


def grad_cam(model: keras.Model, faces: np.ndarray, *, emotions: np.ndarray | None = None) -> np.ndarray:
    """Return where ``model`` found its answer, by HiResCAM (Draelos & Carin 2020).

    That is Grad-CAM (Selvaraju et al. 2017) for networks that flatten their last maps: each
    place of a map keeps a gradient of its own, where Grad-CAM takes the mean over the map.

    ``faces`` uint8 ``(n, 48, 48)``; ``emotions`` int ``(n,)`` are the outputs to explain
    (default: each face's own answer). The maps of :func:`map_layer` are multiplied by the gradient
    of the emotion's logit, summed, and scaled up. Returns float32 ``(n, 48, 48)`` in 0..1,
    each face's warmest place at 1. Needs the TensorFlow backend.
    """
    import cv2
    import tensorflow as tf

    both = keras.Model(model.input, [map_layer(model).output, model.output])
    with tf.GradientTape() as tape:
        maps, probs = both(tf.constant(faces[..., None], tf.float32), training=False)
        chosen = tf.argmax(probs, 1) if emotions is None else tf.constant(emotions, tf.int64)
        logits = tf.math.log(probs + 1e-9)  # up to a constant, which the mean takes out
        logits -= tf.reduce_mean(logits, 1, keepdims=True)
        score = tf.reduce_sum(tf.gather(logits, chosen, batch_dims=1))
    heat = tf.nn.relu(tf.reduce_sum(maps * tape.gradient(score, maps), -1)).numpy()
    heat /= np.maximum(heat.max((1, 2), keepdims=True), 1e-9)
    large = [cv2.resize(one, faces.shape[:0:-1], interpolation=cv2.INTER_CUBIC) for one in heat]
    return np.clip(np.array(large, np.float32), 0, 1)


def map_layer(model: keras.Model) -> keras.layers.Layer:
    """Return the last layer of ``model`` whose output is rectified maps, or else any maps of several places.

    Raises :class:`~fernb.errors.ModelError` where it has no maps.
    """
    maps = [layer for layer in model.layers[1:] if len(layer.output.shape) == 4 and max(layer.output.shape[1:3]) > 1]
    if not maps:
        raise ModelError(f"{model.name} has no layer of maps, so nothing shows where it looks.")
    return next((layer for layer in reversed(maps) if _is_rectified(layer)), maps[-1])


def _is_rectified(layer: keras.layers.Layer) -> bool:
    kinds = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU)
    return isinstance(layer, kinds) or "relu" in getattr(getattr(layer, "activation", None), "__name__", "")
