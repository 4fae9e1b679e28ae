"""Training: recipes, augmented batches, one resumable loop, publishing. Taught in notebook 03."""

from fernb.training.alike import fit_alike
from fernb.training.augmentation import Augmentation
from fernb.training.batches import FaceBatches, as_input
from fernb.training.devices import hardware
from fernb.training.loop import read_history, train
from fernb.training.publish import publish
from fernb.training.recipes import RECIPES, Recipe, recipe
from fernb.training.run import train_and_publish

__all__ = [
    "RECIPES",
    "Augmentation",
    "FaceBatches",
    "Recipe",
    "as_input",
    "fit_alike",
    "hardware",
    "publish",
    "read_history",
    "recipe",
    "train",
    "train_and_publish",
]
