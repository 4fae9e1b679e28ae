"""Makes and measures ``pre_trained_model.keras``: the work behind ``fernb transfer``.

Each *method* of reusing a backbone is fitted on train, chosen on val and looked at on test once,
with and without augmentation. Taught in notebook 04.
"""

import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np

from fernb.config import SEED
from fernb.data.faceset import FaceSplits, duplicated
from fernb.evaluation import evaluate
from fernb.files import write_json, write_text
from fernb.networks.anatomy import layer_table
from fernb.networks.architectures import to_standard_layers
from fernb.networks.backbones import Backbone
from fernb.training import hardware, publish
from fernb.transfer import bottleneck, finetuning

NAME = "pre_trained_model"
LICENCES = {
    "MobileNet": "weights learnt from ImageNet by Google, Apache 2.0",
    "VGG16": "weights learnt from ImageNet by the Visual Geometry Group, Oxford, CC BY 4.0",
    "ResNet50": "weights learnt from ImageNet by Kaiming He et al., MIT",
}


_OTHER_LICENCE = "see keras.io/api/applications"


@dataclass(frozen=True)
class Plan:
    """How much is done: ``copies`` of each face in augmented features, and epochs of the two phases."""

    grid: int = bottleneck.GRID
    copies: int = 2
    head_epochs: int = 20
    tune_epochs: int = 8
    tune: bool = True
    seed: int = SEED


def compare(
    backbone: Backbone,
    splits: FaceSplits,
    *,
    run: Path,
    out: Path,
    how: dict,
    plan: Plan | None = None,
    resume: bool = False,
    log: Callable[[str], None] = print,
) -> dict:
    """Measure every method of reusing ``backbone``; return the results, which ``transfer.json`` in ``out`` holds too.

    ``run`` receives cached features, checkpoints and ``ways.json``; with ``resume`` the rows that
    are there are not measured again. ``how`` (command) goes into the results. With ``plan.tune``
    the fine-tuned network, with or without augmentation, whichever is better on val, is written to
    ``out`` as ``pre_trained_model.keras``, with its LiteRT copy, side-car and architecture.
    """
    plan = plan or Plan()
    result = {
        **how,
        "protocol": "fitted on train, epochs chosen by accuracy on val, nothing on test; one forward pass a face",
        "data": {"source": splits.source, "digest": splits.digest},
        **describe(backbone, plan),
        "hardware": hardware(),
    }
    name = "transfer" if len(splits.classes) == 7 else "transfer_ferplus"
    rows = _Rows(run / "ways.json", out / f"{name}.json", result, resume, log)
    bench = _Bench(backbone, splits, run, plan, resume, log)
    heads = (("logistic regression on features", 0), ("MLP on features", 256))
    for method, hidden in heads:
        rows.measure(method, False, functools.partial(bench.on_features, False, hidden))
    if plan.tune:
        for augment in (True, False):

            def tuned(augment: bool = augment) -> dict:
                return bench.tuned(augment, out, how, rows.best("fine-tuned"))

            rows.measure("fine-tuned", augment, tuned)
    for method, hidden in heads:
        rows.measure(method, True, functools.partial(bench.on_features, True, hidden))
    return rows.result()


def describe(backbone: Backbone, plan: Plan) -> dict:
    """Return in plain values which backbone is used how, and whose weights these are."""
    side = [layer.height for layer in backbone.model.layers if layer.name == "resize"]
    fields = bottleneck.feature_network(backbone, plan.grid).get_layer("grid").output.shape[1]  # "about" plan.grid
    return {
        "backbone": backbone.name,
        "cut": backbone.feature_layer,
        "side": side[0] if side else backbone.model.input_shape[1],
        "grid": fields,
        "weights": backbone.weights,
        "licence": LICENCES.get(backbone.name, _OTHER_LICENCE) if "ImageNet" in backbone.weights else "MIT, as fernb",
        "seed": plan.seed,
        "copies_of_a_face_in_augmented_features": plan.copies,
    }


class _Rows:
    """Rows of the comparison, kept in a file so that a stopped run loses at most one."""

    def __init__(self, path: Path, out: Path, about: dict, resume: bool, log: Callable[[str], None]):
        self.path, self.out, self.about, self.log = path, out, about, log
        self.rows = json.loads(path.read_text(encoding="utf-8")) if resume and path.is_file() else []

    def measure(self, method: str, augment: bool, work: Callable[[], dict]) -> None:
        known = [row for row in self.rows if (row["way"], row["augmentation"]) == (method, augment)]
        if not known:
            known = [{"way": method, "augmentation": augment} | work()]
            self.rows += known
            write_json(self.path, self.rows)
        write_json(self.out, self.result())
        row = known[0]
        self.log(
            f"{method}{', augmented' if augment else ''}: val {row['val_accuracy']:.2%}, "
            f"test {row['test']['accuracy']:.2%}, {row['minutes']:.1f} minutes"
        )

    def best(self, method: str) -> float:
        return max((row["val_accuracy"] for row in self.rows if row["way"] == method), default=0)

    def result(self) -> dict:
        return self.about | {"ways": self.rows}


@dataclass
class _Bench:
    backbone: Backbone
    splits: FaceSplits
    run: Path
    plan: Plan
    resume: bool
    log: Callable[[str], None]
    heads: dict = field(default_factory=dict)  # the MLP is measured itself, and fine-tuning starts from it

    def features(self, part: str, augment: bool = False) -> bottleneck.BottleneckFeatures:
        faces = self.splits.parts()[part]
        if augment:
            faces = bottleneck.augmented(faces, self.plan.copies, seed=self.plan.seed)
        return bottleneck.bottleneck_features(
            self.backbone,
            faces,
            grid=self.plan.grid,
            cache=self.run / "features",
            progress=_Lines(f"features of {part}", self.log),
        )

    def head(self, augment: bool, hidden: int) -> tuple[keras.Model, float, int]:
        """Return a fitted head, the seconds that its features and itself took, and its epochs."""
        if (augment, hidden) in self.heads:
            return self.heads[augment, hidden]
        train, val = self.features("train", augment), self.features("val")
        start = time.perf_counter()
        head = bottleneck.build_head(train.values.shape[1], len(self.splits.classes), hidden=hidden)
        history = bottleneck.fit_head(head, train, val=val, epochs=self.plan.head_epochs, seed=self.plan.seed)
        seconds = train.seconds + val.seconds + time.perf_counter() - start
        self.heads[augment, hidden] = head, seconds, len(history["loss"])
        return self.heads[augment, hidden]

    def on_features(self, augment: bool, hidden: int) -> dict:
        head, seconds, epochs = self.head(augment, hidden)
        probs = {part: bottleneck.answers(head, self.features(part).values) for part in ("val", "test")}
        size = bottleneck.attach(self.backbone, head, grid=self.plan.grid).count_params()
        return self.row(probs, seconds, size, head, epochs)

    def tuned(self, augment: bool, out: Path, how: dict, best: float) -> dict:
        """Fine-tune and publish, where accuracy on val is above ``best``; return the row."""
        head, seconds, _ = self.head(False, 256)
        start = time.perf_counter()
        recipe = finetuning.tuning(
            self.backbone,
            epochs=self.plan.tune_epochs if augment else -(-self.plan.tune_epochs * 2 // 3),  # it overfits sooner
            augmentation=bottleneck.GENTLE if augment else None,
        )
        run = self.run / ("tuned_augmented" if augment else "tuned")
        model, history, recipe = finetuning.fine_tune(
            self.backbone,
            head,
            splits=self.splits,
            run=run,
            recipe=recipe,
            seed=self.plan.seed,
            resume=self.resume,
            log=self.log,
        )
        seconds += time.perf_counter() - start
        probs = {part: bottleneck.answers(model, self.splits.parts()[part].images) for part in ("val", "test")}
        row = self.row(probs, seconds, model.count_params(), model, len(history["loss"]))
        if row["val_accuracy"] > best:
            how = how | describe(self.backbone, self.plan) | {"minutes": round(seconds / 60, 1)}
            path, _ = publish(
                model,
                self.splits,
                history=history,
                recipe=replace(recipe, network=replace(recipe.network, start=None)),
                path=out / f"{NAME}.keras",
                how=how,
            )
            write_architecture(to_standard_layers(model), path)
        return row

    def row(self, probs: dict, seconds: float, parameters: int, learner: keras.Model, epochs: int) -> dict:
        val, test = self.splits.val, self.splits.test
        figures = evaluate(
            probs["test"], test.labels, self.splits.classes, duplicate=duplicated(test, self.splits.train)
        )
        return {
            "parameters": parameters,
            "learnt_parameters": sum(int(np.prod(w.shape)) for w in learner.trainable_weights),
            "epochs_run": epochs,
            "minutes": round(seconds / 60, 2),
            "val_accuracy": float((probs["val"].argmax(1) == val.labels).mean()),
            "val_confidence": float(probs["val"].max(1).mean()),
            "test": {key: value for key, value in figures.items() if key != "confusion"},
        }


class _Lines:
    """Says at each fifth of a long work how far it is."""

    def __init__(self, what: str, log: Callable[[str], None]):
        self.what, self.log, self.said = what, log, 0

    def __call__(self, done: int, total: int) -> None:
        if done * 5 // total > self.said:
            self.said = done * 5 // total
            self.log(f"{self.what}: {done:,} of {total:,} faces")


def write_architecture(model: keras.Model, path: Path) -> Path:
    """Write the layers of ``model``, a line each, beside the file ``path``; return the new file's path."""
    path = path.with_name(f"{path.stem}_architecture.txt")
    write_text(path, layer_table(model))
    return path
