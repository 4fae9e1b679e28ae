"""What a network looks at: Grad-CAM. Taught in notebook 03."""

import keras
import numpy as np


def grad_cam(model: keras.Model, faces: np.ndarray, emotions: np.ndarray | None = None) -> np.ndarray:
    """Return where ``model`` found its answer, by Grad-CAM (Selvaraju et al. 2017).

    ``faces`` uint8 ``(n, 48, 48)``; ``emotions`` int ``(n,)`` are the outputs to explain
    (default: each face's own answer). The last convolution's maps are weighted by the mean
    gradient of the emotion's probability, summed, and scaled up. Returns float32
    ``(n, 48, 48)`` in 0..1, each face's warmest place at 1. Needs the TensorFlow backend.
    """
    import cv2
    import tensorflow as tf

    last = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][-1]
    both = keras.Model(model.inputs, [last.output, model.output])
    with tf.GradientTape() as tape:
        maps, probs = both(tf.constant(faces[..., None], tf.float32), training=False)
        chosen = tf.argmax(probs, 1) if emotions is None else tf.constant(emotions, tf.int64)
        score = tf.reduce_sum(tf.math.log(tf.gather(probs, chosen, batch_dims=1) + 1e-9))
    weights = tf.reduce_mean(tape.gradient(score, maps), (1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(maps * weights, -1)).numpy()
    heat /= np.maximum(heat.max((1, 2), keepdims=True), 1e-9)
    large = [cv2.resize(one, faces.shape[:0:-1], interpolation=cv2.INTER_CUBIC) for one in heat]
    return np.clip(np.array(large, np.float32), 0, 1)
