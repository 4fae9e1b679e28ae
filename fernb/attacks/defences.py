"""What happens to a hacked image on its way, and what can be done against attacks. Taught in notebook 06.

Faces are uint8 ``(n, 48, 48)`` throughout. None of these defences was tested against an
attacker who knows it, except adversarial training; Athalye et al. (2018) show how most others
then fall.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fernb.vision import corruptions

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def jpeg(faces: np.ndarray, quality: int) -> np.ndarray:
    """Return ``faces`` after JPEG compression of ``quality`` 0..100."""
    return corruptions.corrupt(faces, corruptions.jpeg(quality))


def resized(faces: np.ndarray, factor: float) -> np.ndarray:
    """Return ``faces`` scaled by ``factor`` and back, as a web page or a messenger does."""

    def there_and_back(face: np.ndarray) -> np.ndarray:
        other = cv2.resize(face, None, fx=factor, fy=factor, interpolation=_best(factor))
        return cv2.resize(other, face.shape[::-1], interpolation=_best(1 / factor))

    return np.array([there_and_back(face) for face in faces])


def _best(factor: float) -> int:
    return cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC


def photographed(faces: np.ndarray, *, blur: float = 0.7, noise: float = 4, seed: int = 0) -> np.ndarray:
    """Return a stand-in for printed and photographed ``faces``: ``blur`` in pixels, ``noise`` in levels."""
    soft = np.array([cv2.GaussianBlur(face, (0, 0), blur) for face in faces], np.float32)
    return _noisy(soft, noise, np.random.default_rng(seed))


def _noisy(faces: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return np.rint(faces + rng.normal(0, sigma, faces.shape)).clip(0, 255).astype(np.uint8)


Predict = Callable[[np.ndarray], np.ndarray]
"""What gives probabilities ``(n, k)`` of faces, such as :meth:`fernb.Recogniser.predict`."""


def feature_squeezing(faces: np.ndarray) -> np.ndarray:
    """Return ``faces`` after a 3×3 median, which removes what single pixels say (feature squeezing, Xu et al. 2018)."""
    return np.array([cv2.medianBlur(face, 3) for face in faces])


def randomised_smoothing(
    predict: Predict, faces: np.ndarray, *, sigma: float = 8, samples: int = 16, seed: int = 0
) -> np.ndarray:
    """Return probabilities ``(n, k)`` averaged over ``samples`` noisy copies of each face.

    Randomised smoothing (Cohen et al. 2019), without its certificate: noise of ``sigma`` levels
    hides what the attack added, and some of the face.
    """
    rng = np.random.default_rng(seed)
    return np.mean([predict(_noisy(faces, sigma, rng)) for _ in range(samples)], 0)


def squeezing_score(predict: Predict, faces: np.ndarray) -> np.ndarray:
    """Return how much the probabilities change when faces are squeezed, ``(n,)`` in 0..2: their L1 distance.

    Clean faces hardly change, so a threshold on the score detects many hacked ones (Xu et al. 2018).
    """
    return np.abs(predict(faces) - predict(feature_squeezing(faces))).sum(1)


def adversarial_training(
    model: "keras.Model",
    faces: np.ndarray,
    *,
    labels: np.ndarray,
    eps: int = 4,
    epochs: int = 2,
    learning_rate: float = 0.01,
    batch_size: int = 64,
    seed: int = 0,
    log: Callable[[str], None] = print,
) -> None:
    """Train ``model`` further, in place, on faces that are attacked anew in every step.

    The cheap way of Wong et al. (2020): a random start within ``eps`` levels and one untargeted
    step along the gradient's sign, then a usual step of SGD on the attacked faces; the learning
    rate falls to zero. ``labels`` int ``(n,)``; ``log`` takes a line for each epoch. Needs the
    TensorFlow backend.
    """
    import keras

    optimizer = keras.optimizers.SGD(learning_rate, momentum=0.9, nesterov=True)
    optimizer.build(model.trainable_variables)
    step = _adversarial_step(model, optimizer, eps)
    rng, total, done = np.random.default_rng(seed), epochs * -(-len(faces) // batch_size), 0
    for epoch in range(epochs):
        losses = []
        order = rng.permutation(len(faces))
        for rows in np.split(order, range(batch_size, len(faces), batch_size)):
            optimizer.learning_rate.assign(learning_rate * (1 - done / total))
            losses.append(float(step(faces[rows, ..., None].astype(np.float32), labels[rows].astype(np.int32))))
            done += 1
        log(f"epoch {epoch + 1}/{epochs}: loss on attacked faces {np.mean(losses):.3f}")


def _adversarial_step(model: "keras.Model", optimizer: "keras.optimizers.Optimizer", eps: int) -> Callable:
    """Compile one step: attack the batch within ``eps`` levels, then learn from what came of it."""
    import keras
    import tensorflow as tf

    loss_of = keras.losses.SparseCategoricalCrossentropy()

    @tf.function(input_signature=[tf.TensorSpec(model.input.shape), tf.TensorSpec((None,), tf.int32)])
    def step(batch: "tf.Tensor", truth: "tf.Tensor") -> "tf.Tensor":
        start = tf.clip_by_value(batch + tf.random.uniform(tf.shape(batch), -eps, eps), 0, 255)
        with tf.GradientTape() as tape:
            tape.watch(start)
            loss = loss_of(truth, model(start, training=False))
        moved = start + 1.25 * eps * tf.sign(tape.gradient(loss, start))
        attacked = tf.clip_by_value(tf.clip_by_value(moved, batch - eps, batch + eps), 0, 255)
        with tf.GradientTape() as tape:
            loss = loss_of(truth, model(attacked, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step
