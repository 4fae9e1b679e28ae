"""What options can be, as plain names: the tables themselves stand in rooms that load NumPy or TensorFlow.

``tests/test_cli.py`` holds each equal to its table.
"""

import click

RECIPES = (
    "plain",
    "lesson",
    "vgg",
    "resnet",
    "long",
    "restart",
    "wide",
    "wide_mixup",
    "wide_vgg",
    "faces",
    "faces_ferplus",
    "taught",
    "student",
    "ferplus",
)
"""Keys of ``fernb.training.RECIPES``."""

SMOOTHINGS = ("none", "mean", "exponential", "hmm")
"""Keys of ``fernb.video.smoothing.SMOOTHERS``."""

FEATURES = ("auto", "vgg19", "vgg16", "fer", "untrained")
"""``fernb.style.features.NAMES``."""

OPTIMISERS = ("lbfgs", "adam")

FERPLUS = ("not_nf", "plurality", "unique", "majority")
"""Keys of ``fernb.data.ferplus.FERPLUS_SUBSETS``."""


def one_of(names: tuple[str, ...]) -> click.Choice:
    """Accept one of ``names``, in capitals too."""
    return click.Choice(names, case_sensitive=False)
