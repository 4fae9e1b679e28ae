"""Batches of faces that depend on seed, epoch and number alone, so that a resumed run sees the same ones."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np

from fernb.data.faceset import FaceSet
from fernb.training.recipes import Recipe
from fernb.training.targets import class_weights, distillation_targets

Teacher = Callable[[np.ndarray], np.ndarray]
"""Answers faces uint8 ``(n, 48, 48)`` with probabilities float32 ``(n, k)``."""
Batch = tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]
"""Inputs float32 ``(b, s, s, 1)``; for each head targets float32 ``(b, k)``; for each head weights ``(b,)``."""


def as_input(images: np.ndarray, *, side: int | None = None) -> np.ndarray:
    """Return faces uint8 ``(n, h, w)`` as float32 ``(n, h, w, 1)``, still in 0..255; shrunk to ``side``, if given."""
    if side and side != images.shape[1]:
        images = np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images])
    return images[..., None].astype(np.float32)


class FaceBatches:
    """Shuffled, augmented batches of faces.

    ``targets`` has float32 ``(n, k)`` for each head. ``present`` optionally names rows that count
    for a head, as weights ``(n,)``. A head that has ``teachers`` learns from
    their answers too (Hinton et al. 2015). They answer for the very image that the student
    sees, augmented and at full size: an answer for the face as it was would ask the student to see
    what was cut off or covered (Beyer et al. 2022). They do not see what a bad camera does to it, so the
    student learns to answer as if it were not there.
    """

    def __init__(
        self,
        faces: FaceSet,
        targets: dict[str, np.ndarray],
        *,
        recipe: Recipe,
        seed: int,
        present: dict[str, np.ndarray] | None = None,
        teachers: Mapping[str, Sequence[Teacher]] | None = None,
    ):
        self.teachers = teachers or {}
        self.faces, self.targets, self.recipe, self.seed = faces, targets, recipe, seed
        classes = next(iter(targets.values())).shape[1]
        rarity = class_weights(faces.labels, classes)[faces.labels]
        weights = rarity if recipe.balance == "weights" else np.ones_like(rarity)
        self.weights = {head: weights * (present or {}).get(head, np.float32(1)) for head in targets}
        self.chances = rarity / rarity.sum() if recipe.balance == "sampling" else None
        self.start(0)

    def start(self, epoch: int) -> None:
        """Shuffle for ``epoch`` (0-based)."""
        self.epoch, self.side = epoch, self.recipe.side(epoch)
        rng, n = np.random.default_rng((self.seed, epoch)), len(self.faces)
        self.order = rng.permutation(n) if self.chances is None else rng.choice(n, n, p=self.chances)

    def __len__(self) -> int:
        return math.ceil(len(self.faces) / self.recipe.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of the epoch in order, each made while the one before is worked on."""
        with ThreadPoolExecutor(1) as pool:
            following = pool.submit(self.__getitem__, 0)
            for index in range(1, len(self) + 1):
                batch = following.result()
                if index < len(self):
                    following = pool.submit(self.__getitem__, index)
                yield batch

    def __getitem__(self, index: int) -> Batch:
        if not 0 <= index < len(self):
            raise IndexError(index)
        size = self.recipe.batch_size
        rows = self.order[index * size : (index + 1) * size]
        rng = np.random.default_rng((self.seed, self.epoch, index))
        images = self._views(rows, rng)
        targets = {head: values[rows] for head, values in self.targets.items()}
        for head, teachers in self.teachers.items():
            answers = [teacher(images) for teacher in teachers]
            targets[head] = distillation_targets(targets[head], answers, self.recipe.teaching)
        inputs = as_input(self._seen(images, rng), side=self.side)
        weights = {head: values[rows] for head, values in self.weights.items()}
        if self.recipe.mixup:
            share, other = np.float32(rng.beta(self.recipe.mixup, self.recipe.mixup)), rng.permutation(len(rows))
            inputs = share * inputs + (1 - share) * inputs[other]
            targets = {head: share * t + (1 - share) * t[other] for head, t in targets.items()}
        return inputs, targets, weights

    def _views(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        images, augmentation = self.faces.images[rows], self.recipe.augmentation
        if augmentation is None:
            return images
        # one epoch a face, the next its mirror image (arXiv 2404.00498): chance repeats the same side half of the time
        mirror = (rows + self.epoch) % 2 == 0 if self.recipe.alternate_flips else None
        side = None if self.teachers else self.side  # teachers know faces of full size
        return augmentation.views(images, rng, side=side, mirror=mirror)

    def _seen(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        augmentation = self.recipe.augmentation
        if augmentation is None:
            return images
        if self.recipe.decays(self.epoch) and self.recipe.late_bad_camera:
            augmentation = replace(augmentation, bad_camera=self.recipe.late_bad_camera)
        return augmentation.camera(images, rng)
