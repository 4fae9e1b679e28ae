"""What a network looks at: Grad-CAM's family. Taught in notebook 03."""

import keras
import numpy as np


def grad_cam(model: keras.Model, faces: np.ndarray, emotions: np.ndarray | None = None) -> np.ndarray:
    """Return where ``model`` found its answer, by HiResCAM (Draelos & Carin 2020).

    That is Grad-CAM (Selvaraju et al. 2017) for networks that flatten their last maps: each
    place of a map keeps a gradient of its own, where Grad-CAM takes the mean over the map.

    ``faces`` uint8 ``(n, 48, 48)``; ``emotions`` int ``(n,)`` are the outputs to explain
    (default: each face's own answer). The last rectified maps are multiplied by the gradient
    of the emotion's logit, summed, and scaled up. Returns float32 ``(n, 48, 48)`` in 0..1,
    each face's warmest place at 1. Needs the TensorFlow backend.
    """
    import cv2
    import tensorflow as tf

    last = [layer for layer in model.layers if isinstance(layer, keras.layers.Activation) and _is_map(layer)][-1]
    both = keras.Model(model.input, [last.output, model.output])
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


def _is_map(layer: keras.layers.Layer) -> bool:
    return len(layer.output.shape) == 4
