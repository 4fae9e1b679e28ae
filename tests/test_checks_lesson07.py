"""The checks of lesson 7: a typical mistake gets the hint that fits it."""

import numpy as np
import pytest
import tensorflow as tf

from fernb.checks import RIGHT, judge, right_or

PLACES = 6  # of the maps that 07.1 asks with
AT_END = {
    0.1: np.array([0.2, 0.05, 1.00, 0.04]),
    1: np.array([0.5, 0.10, 0.80, 0.05]),
    10: np.array([15.0, 2.50, 0.25, 0.16]),
}


def flat(maps):
    return tf.reshape(maps, (-1, maps.shape[-1]))


def gram(maps):
    return tf.matmul(flat(maps), flat(maps), transpose_a=True) / PLACES


def reshaped(maps):
    table = tf.reshape(maps, (maps.shape[-1], -1))
    return tf.matmul(table, table, transpose_b=True) / PLACES


def relative(off, wanted):
    return tf.reduce_mean(off) / tf.reduce_mean(wanted**2)


def steps(image):
    return (image[:, 1:, :-1] - image[:, :-1, :-1]) / 255, (image[:, :-1, 1:] - image[:, :-1, :-1]) / 255


def variation(image, little=1e-4, off=1e-2):
    down, across = steps(image)
    return tf.reduce_mean(tf.sqrt(down**2 + across**2 + little)) - off


def absolute_steps(image):
    """The other usual definition, with all steps of the image."""
    down, across = image[:, 1:] - image[:, :-1], image[:, :, 1:] - image[:, :, :-1]
    return (tf.reduce_mean(tf.abs(down)) + tf.reduce_mean(tf.abs(across))) / 255


def lower_row(image):
    across = (image[:, 1:, 1:] - image[:, 1:, :-1]) / 255
    return tf.reduce_mean(tf.sqrt(steps(image)[0] ** 2 + across**2 + 1e-4)) - 1e-2


def all_steps(image):
    down, across = (image[:, 1:] - image[:, :-1]) / 255, (image[:, :, 1:] - image[:, :, :-1]) / 255
    return tf.reduce_mean(tf.sqrt(down**2 + across**2 + 1e-4)) - 1e-2


def outside(height, width, box):
    x, y, w, h = box
    mask = np.ones((height, width))
    mask[y : y + h, x : x + w] = 0
    return mask


def mixed(original, painted, mask):
    return mask[..., None] * painted + (1 - mask[..., None]) * original


def switched(original, painted, where):
    return np.where(where[..., None], painted, original)


@pytest.mark.parametrize(
    ("number", "answers", "word"),
    [
        ("07.1", (lambda maps: gram(maps) * PLACES,), "divides by the number of places"),
        ("07.1", (lambda maps: flat(maps) @ tf.transpose(flat(maps)) / PLACES,), "pairs places"),
        ("07.1", (reshaped,), "cannot exchange axes"),
        ("07.1", (lambda maps: gram(maps - tf.reduce_mean(maps, (0, 1, 2))),), "subtract nothing yet"),
        ("07.1", (lambda maps: gram(maps).numpy(),), "with TensorFlow"),
        ("07.1", (lambda maps: tf.constant(np.asarray(gram(maps))),), "with TensorFlow"),
        ("07.1", (lambda maps: None,), "`return` missing"),
        ("07.2", (lambda gram, wanted: tf.reduce_mean((gram - wanted) ** 2),), "divide by the mean square"),
        ("07.2", (lambda gram, wanted: relative((gram - wanted) ** 2, gram),), "not of `made`"),
        ("07.2", (lambda gram, wanted: (gram - wanted) ** 2 / tf.reduce_mean(wanted**2),), "one number"),
        ("07.2", (lambda gram, wanted: tf.reduce_mean(((gram - wanted) / wanted) ** 2),), "two means first"),
        ("07.2", (lambda gram, wanted: np.float32(relative((gram - wanted) ** 2, wanted)),), "with TensorFlow"),
        ("07.3", (lambda image: variation(image, off=0),), "subtract 0.01"),
        ("07.3", (lambda image: variation(image, 0, 0),), "steep at 0"),
        ("07.3", (lambda image: variation(image, little=1e-8, off=0),), "steep at 0"),
        ("07.3", (lambda image: sum(tf.reduce_mean(tf.abs(step)) for step in steps(image)),), "length of an arrow"),
        ("07.3", (absolute_steps,), "length of an arrow"),
        ("07.3", (lower_row,), "same pixel as down"),
        ("07.3", (all_steps,), "different shapes"),
        ("07.3", (lambda image: variation(image).numpy(),), "with TensorFlow"),
        ("07.4", (4.0, 4.3636, AT_END), "price_low is the other way round"),
        ("07.4", (-0.25, 4.3636, AT_END), "price_low has the wrong sign"),
        ("07.4", (4.3636, 0.25, AT_END), "the other step"),
        ("07.4", (0.25, 0.2292, AT_END), "price_high is the other way round"),
        ("07.4", (0.25, -4.3636, AT_END), "price_high has the wrong sign"),
        ("07.4", (0.25, 2.4, AT_END), "only the rise"),
        ("07.4", (0.25, 25, AT_END), "not of factors"),
        ("07.4", (0.25, 26.364, AT_END), "totals"),
        ("07.4", (7, 4.3636, AT_END), "not that"),
        ("07.4", ("three", 4.3636, AT_END), "one number"),
        ("07.5", (outside, lambda original, painted, mask: mask * painted + (1 - mask) * original), "third axis"),
        ("07.5", (outside, lambda *images: mixed(images[1], images[0], images[2]).astype(np.uint8)), "wrong way round"),
        ("07.5", (outside, lambda a, b, mask: switched(a, b, mask > 0)), "asks for a mixture"),
        ("07.5", (outside, lambda a, b, mask: switched(a, b, mask == 1)), "asks for a mixture"),
        ("07.5", (outside, lambda a, b, mask: a + (b - a) * mask[..., None]), "into float"),
        ("07.5", (outside, lambda a, b, mask: np.rint(a + (b - a) * mask[..., None]).astype(np.uint8)), "into float"),
        ("07.5", (outside, lambda a, b, mask: (b + (a - b) * (1 - mask[..., None])).astype(np.uint8)), "into float"),
        ("07.5", (outside, mixed), "should be uint8"),
        ("07.5", (lambda height, width, box: 1 - outside(height, width, box), mixed), "other way round"),
        ("07.5", (lambda height, width, box: outside(width, height, box).T, mixed), "y and h come first"),
        ("07.6", (0.3, "last"), "two numbers"),
        ("07.6", ([0.2, 0.4], "last"), "this order"),
        ("07.6", ([0.4, 0.2], "first"), "again"),
    ],
)
def test_a_mistake_gets_its_hint(number, answers, word):
    verdict = judge(number, *answers)
    assert verdict.outcome != RIGHT
    assert word in verdict.hint


def test_a_hint_does_not_give_a_number_away():
    assert "0.25" not in judge("07.4", 7, 4.3636, AT_END).hint


@pytest.mark.parametrize(
    ("number", "answers"),
    [
        ("07.1", (gram,)),
        ("07.1", (lambda maps: tf.einsum("nhwa,nhwb->ab", maps, maps) / PLACES,)),
        ("07.2", (lambda gram, wanted: relative((gram - wanted) ** 2, wanted),)),
        ("07.3", (variation,)),
        ("07.4", (0.25, 4.3636, AT_END)),
        ("07.5", (outside, lambda *images: np.rint(mixed(*images)).astype(np.uint8))),
        ("07.5", (outside, lambda *images: mixed(*images).astype(np.uint8))),
        ("07.6", ([0.4, 0.2], "last")),
    ],
)
def test_a_right_answer_is_right(number, answers):
    assert judge(number, *answers).outcome == RIGHT


def test_a_total_variation_without_a_slope_on_plain_areas_is_found_out():
    """Where its value is nearly right, the gradient tells."""

    def no_slope(image):
        return variation(image, 0, 0) + tf.stop_gradient(variation(image) - variation(image, 0, 0))

    assert "infinitely steep at 0" in judge("07.3", no_slope).hint


def test_a_lesson_goes_on_with_what_is_right(capsys):
    def untried(maps):
        return ...

    assert right_or("07.1", gram, flat) is gram
    assert right_or("07.1", untried, gram) is gram
    assert right_or("07.1", flat, gram) is gram
    assert capsys.readouterr().out.count("the function of fernb") == 2
