"""The figures of every network in a folder: alone, in pairs, and together."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from fernb.data.faceset import FaceSet, FaceSplits, duplicated
from fernb.data.ferplus import ferplus_splits
from fernb.evaluation import (
    annotator_agreement,
    evaluate,
    evaluate_network,
    evaluate_part,
    majority_class_accuracy,
    robustness,
)
from fernb.labels import EMOTIONS, EMOTIONS_8
from fernb.networks.recogniser import Recogniser
from fernb.networks.sidecar import INT8, read_sidecar

MAIN = "my_own_model"
"""The network that the model card is about, and that fernb uses unless told otherwise."""
TEACHERS = "teachers"
"""A folder beside the networks: 8-bit copies of larger ones, which taught them or could; they join the ensembles."""


def sidecars(folder: Path, *, transferred: bool = False) -> dict[str, dict]:
    """Return the side-cars of networks trained from scratch, or of those on a backbone (``fernb transfer``)."""
    found = {}
    for path in sorted(folder.glob("*.keras")):
        sidecar = read_sidecar(path)
        if "recipe" in sidecar and ("backbone" in sidecar["made"]) == transferred:
            found[path.stem] = sidecar
    return found


def measure(folder: Path, found: dict[str, dict], splits: FaceSplits) -> dict[str, Any]:
    """Return what ``metrics.json`` holds of the networks in ``folder`` whose side-cars are ``found``, by name."""
    networks = {name: _judged(folder / f"{name}.tflite", sidecar, splits) for name, sidecar in found.items()}
    metrics = {
        "data": {"source": splits.source, "digest": splits.digest},
        "ladder": _ladder(splits),
        "networks": networks,
    }
    paths = [folder / f"{name}.tflite" for name in found] + sorted((folder / TEACHERS).glob(f"*{INT8}.tflite"))
    seven, eight = ([p for p in paths if read_sidecar(p)["labels"] == [*names]] for names in (EMOTIONS, EMOTIONS_8))
    if len(seven) > 1:
        metrics |= {"ensemble": _ensemble(seven, splits), "paired": _paired(seven, splits.test)}
    if len(eight) > 1:
        plurality, clear = ferplus_splits(splits), ferplus_splits(splits, "majority").test
        metrics["ensemble_votes"] = _ensemble(eight, plurality, {"majority_flip": clear})
        metrics["paired_votes"] = _paired(eight, plurality.test)
    teachers = {path.stem: _teacher(path, splits) for path in paths if path.parent.name == TEACHERS}
    return metrics | {"teachers": teachers}


def _judged(path: Path, sidecar: dict, splits: FaceSplits) -> dict:
    recogniser = Recogniser(path)
    splits, others = _by_own_labels(recogniser, splits)
    answer = (
        {key: sidecar[key] for key in ("parameters", "made", "protocol")}
        | evaluate_network(recogniser, splits)
        | others
    )
    small = path.with_name(f"{path.stem}{INT8}.tflite")
    if small.is_file():
        report = evaluate(Recogniser(small).predict(splits.test.images), splits.test.labels, splits.classes)
        lost = answer["test"]["accuracy"] - report["accuracy"]
        answer["int8"] = {"accuracy": report["accuracy"], "lost": lost, "bytes": small.stat().st_size}
    return answer | {"bytes": path.stat().st_size, "robustness": robustness(recogniser, splits.test)}


def _teacher(path: Path, splits: FaceSplits) -> dict[str, dict]:
    """The reports of an 8-bit copy of which no other file is kept; of one for FER+ also on other labels."""
    recogniser = Recogniser(path)
    splits, others = _by_own_labels(recogniser, splits)
    return others | {
        f"{part}{'_flip' if flip else ''}": evaluate_part(recogniser, splits, part, flip=flip)
        for part in ("val", "test")
        for flip in (False, True)
    }


def ferplus_subset(sidecar: dict) -> str:
    """Return by which of FER+'s labels a network of eight emotions is judged: those of its recipe.

    A second head of a recipe for FER2013 is judged by plurality.
    """
    return sidecar["recipe"].get("ferplus") or "plurality"


def _by_own_labels(recogniser: Recogniser, splits: FaceSplits) -> tuple[FaceSplits, dict[str, dict]]:
    """The faces with the labels that a network knows; of one for FER+ also its reports by other labels."""
    if recogniser.labels != EMOTIONS_8:
        return splits, {}
    return ferplus_splits(splits, ferplus_subset(recogniser.sidecar)), _other_protocols(recogniser, splits)


def _other_protocols(eight: Recogniser, splits: FaceSplits) -> dict[str, dict]:
    """A network for FER+ on the authors' own test rows, and by its seven-class view on FER2013's labels."""
    clear, seven = ferplus_splits(splits, "majority"), Recogniser(eight.path, seven=True)
    return {
        f"{name}{'_flip' if flip else ''}": evaluate(
            recogniser.predict(part.test.images, flip), part.test.labels, part.classes
        )
        for name, recogniser, part in (("majority", eight, clear), ("seven", seven, splits))
        for flip in (False, True)
    }


def _ensemble(paths: list[Path], splits: FaceSplits, more: Mapping[str, FaceSet] | None = None) -> dict:
    """The mean answer, with flips, of those networks that are best together on val: its reports, also on ``more``."""
    parts = {"val": splits.val, "test_flip": splits.test, **(more or {})}
    networks = {path.stem: Recogniser(path) for path in paths}
    answers = {
        name: {network: recogniser.predict(part.images, flip=True) for network, recogniser in networks.items()}
        for name, part in parts.items()
    }

    def mean(team: tuple[str, ...], part: str) -> np.ndarray:
        return np.mean([answers[part][name] for name in team], axis=0)

    def right(team: tuple[str, ...], part: str) -> np.ndarray:
        return mean(team, part).argmax(1) == parts[part].labels

    teams = [team for size in range(2, len(networks) + 1) for team in combinations(networks, size)]
    best = max(teams, key=lambda team: right(team, "val").sum())
    alone = max(networks, key=lambda name: right((name,), "val").sum())
    reports = {
        name: evaluate(mean(best, name), part.labels, splits.classes, duplicate=duplicated(part, splits.train))
        for name, part in parts.items()
    }
    only_team, only_alone, p = mcnemar(right(best, "test_flip"), right((alone,), "test_flip"))
    paired = {"best_alone": alone, "only_ensemble": only_team, "only_alone": only_alone, "p": p}
    chosen = f"on val, with flips, of {len(teams)} combinations"
    return {"members": [*best], "chosen": chosen, "paired": paired} | reports


def mcnemar(this: np.ndarray, other: np.ndarray) -> tuple[int, int, float]:
    """Compare which faces, bool ``(n,)``, two networks have right, by McNemar's exact test (1947).

    Returns how many ``this`` alone has right, how many ``other`` alone, and the p-value: the chance that these faces
    would be shared as unevenly if each went to either by the toss of a coin. Taught in
    notebooks/more/03_committed_networks.
    """
    from scipy.stats import binomtest

    only_this, only_other = int((this & ~other).sum()), int((other & ~this).sum())
    asked = only_this + only_other
    return only_this, only_other, float(binomtest(only_this, asked).pvalue) if asked else 1.0


def _paired(paths: list[Path], faces: FaceSet) -> dict:
    """Each network against :data:`MAIN` (or the first, where it is not there), by McNemar's exact test.

    ``only_this`` and ``only_default`` count the faces that one of the two classifies correctly and the other does not.
    """
    right = {path.stem: Recogniser(path).predict(faces.images).argmax(1) == faces.labels for path in paths}
    default = MAIN if MAIN in right else next(iter(right))
    rows = {}
    for name in right.keys() - {default}:
        this, other, p = mcnemar(right[name], right[default])
        rows[name] = {"only_this": this, "only_default": other, "p": p}
    return {"default": default, "faces": "test, one pass", "networks": dict(sorted(rows.items()))}


def _ladder(splits: FaceSplits) -> dict:
    """What any network on these data must be held against."""
    rungs: dict[str, float | dict] = {
        "chance": 1 / len(splits.classes),
        "majority_class": majority_class_accuracy(splits.train.labels, splits.test.labels),
    }
    if splits.test.votes is not None and splits.classes == EMOTIONS:
        rungs["taggers"] = annotator_agreement(splits.test.labels, splits.test.votes)
    return rungs
