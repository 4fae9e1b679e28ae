"""What a folder of trained networks is worth: metrics, figures and a model card. ``fernb predict --report``.

Nothing in it is typed by hand: figures come from the networks' files and the faces, words from
the side-cars. Taught in notebook 03.
"""

import csv
import json
import os
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fernb.data.faceset import FaceSet, FaceSplits, duplicated
from fernb.data.ferplus import ferplus_splits
from fernb.errors import DataError
from fernb.evaluation import (
    annotator_agreement,
    evaluate,
    evaluate_network,
    majority_class_accuracy,
    robustness,
    wilson,
)
from fernb.files import write_json, write_text
from fernb.labels import EMOTIONS, EMOTIONS_8
from fernb.networks.recogniser import Recogniser
from fernb.networks.sidecar import INT8, read_sidecar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAIN = "my_own_model"
"""The network that the model card is about, and that fernb uses unless told otherwise."""
TEACHERS = "teachers"
"""A folder beside the networks: 8-bit copies of larger ones, which taught them or could; they join the ensembles."""


def write_report(folder: str | os.PathLike, splits: FaceSplits, command: str) -> list[Path]:
    """Judge every network of ``folder`` that ``fernb train`` made, and write what came out beside them.

    Writes ``metrics.json``, ``learning_curves_all.png``, ``reliability.png``, ``robustness.png``,
    ``NAME_architecture.txt`` for each network, of :data:`MAIN` also ``model_card.md``, ``learning_curves.png``,
    ``confusion_matrix.png`` and ``architecture.png``, and ``ablation.png`` where there is an ``ablation.csv``;
    returns their paths. ``NAME_decisions.txt``, where it is there, opens a network's ``NAME_architecture.txt``;
    figures of any network or teacher are filled in there: ``{NAME[test][accuracy]:.1%}``.
    Raises :class:`~fernb.errors.DataError` where no network is.
    """
    folder = Path(folder)
    sidecars = _sidecars(folder)
    if not sidecars:
        raise DataError(f"there is no network of `fernb train` in {folder}; name the folder where it saved one.")
    networks = {name: _judged(folder / f"{name}.tflite", sidecar, splits) for name, sidecar in sidecars.items()}
    metrics = {
        "command": command,
        "data": {"source": splits.source, "digest": splits.digest},
        "ladder": _ladder(splits),
        "networks": networks,
    }
    paths = [folder / f"{name}.tflite" for name in sidecars] + sorted((folder / TEACHERS).glob(f"*{INT8}.tflite"))
    seven, eight = ([p for p in paths if read_sidecar(p)["labels"] == [*names]] for names in (EMOTIONS, EMOTIONS_8))
    if len(seven) > 1:
        metrics |= {"ensemble": _ensemble(seven, splits), "paired": _paired(seven, splits.test)}
    if len(eight) > 1:
        clear = ferplus_splits(splits, "majority").test
        metrics["ensemble_votes"] = _ensemble(eight, ferplus_splits(splits), {"majority_flip": clear})
        metrics["teachers"] = {p.stem: _other_protocols(p, splits) for p in eight if p.parent.name == TEACHERS}
    write_json(folder / "metrics.json", metrics)
    written = [folder / "metrics.json", *_figures(folder, sidecars, networks, splits.source)]
    transferred = _sidecars(folder, transferred=True)
    others = transferred | {path.stem: read_sidecar(path) for path in (folder / TEACHERS).glob("*.json")}
    judged = networks | {name: one["metrics"] | one for name, one in others.items()}
    for name, sidecar in (sidecars | transferred).items():
        written.append(folder / f"{name}_architecture.txt")
        write_text(written[-1], _architecture(folder, name, sidecar, judged))
    if MAIN in networks:
        written.append(folder / "model_card.md")
        write_text(written[-1], _model_card(sidecars[MAIN], metrics))
    return written


def _sidecars(folder: Path, *, transferred: bool = False) -> dict[str, dict]:
    """The side-cars of networks that were trained from scratch, or of those on a backbone (``fernb transfer``)."""
    found = {}
    for path in sorted(folder.glob("*.keras")):
        sidecar = read_sidecar(path)
        if "recipe" in sidecar and ("backbone" in sidecar["made"]) == transferred:
            found[path.stem] = sidecar
    return found


def _judged(path: Path, sidecar: dict, splits: FaceSplits) -> dict:
    recogniser, others = Recogniser(path), {}
    if sidecar["labels"] == [*EMOTIONS_8]:  # by a recipe for FER+, or a second head of one for FER2013
        others = _other_protocols(path, splits)
        splits = ferplus_splits(splits, sidecar["recipe"].get("ferplus") or "plurality")
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


def _other_protocols(path: Path, splits: FaceSplits) -> dict[str, dict]:
    """A network for FER+ on the authors' own test rows, and by its seven-class view on FER2013's labels."""
    clear, seven = ferplus_splits(splits, "majority"), Recogniser(path, seven=True)
    eight = Recogniser(path)
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

    teams = [team for size in range(2, len(networks) + 1) for team in combinations(networks, size)]
    best = max(teams, key=lambda team: (mean(team, "val").argmax(1) == splits.val.labels).sum())
    reports = {
        name: evaluate(mean(best, name), part.labels, splits.classes, duplicate=duplicated(part, splits.train))
        for name, part in parts.items()
    }
    return {"members": [*best], "chosen": "on val, with flips"} | reports


def _paired(paths: list[Path], faces: FaceSet) -> dict:
    """Each network against :data:`MAIN` (or the first, where it is not there), by McNemar's exact test.

    ``only_this`` and ``only_default`` count the faces that one of the two names rightly and the other does not.
    """
    from scipy.stats import binomtest

    right = {path.stem: Recogniser(path).predict(faces.images).argmax(1) == faces.labels for path in paths}
    default = MAIN if MAIN in right else next(iter(right))
    rows = {}
    for name in right.keys() - {default}:
        this, other = (int((right[a] & ~right[b]).sum()) for a, b in ((name, default), (default, name)))
        p = float(binomtest(this, this + other).pvalue) if this + other else 1.0
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


def _figures(folder: Path, sidecars: dict[str, dict], networks: dict[str, dict], source: str) -> list[Path]:
    from fernb import plots
    from fernb.plots.base import figure_of, save_figure

    tests = {name: network["test"] for name, network in networks.items()}
    apart = {
        name: f"FER+'s {sidecar['recipe'].get('ferplus') or 'plurality'} labels, 8 emotions, {tests[name]['n']:,} faces"
        for name, sidecar in sidecars.items()
        if sidecar["labels"] == [*EMOTIONS_8]
    }
    counts = {f" ({test['n']:,} faces)" for name, test in tests.items() if name not in apart}
    faces = _test_set(source) + "".join(counts)
    others = "".join(f" {name}: {words}." for name, words in apart.items())
    figures: dict[str, Figure] = {
        "learning_curves_all": plots.runs(
            {_run(name, sidecar): sidecar["history"] for name, sidecar in sidecars.items()}
        ),
        "reliability": plots.calibration(
            tests,
            uncalibrated={name for name, sidecar in sidecars.items() if sidecar.get("temperature") is None},
            caption="ECE, expected calibration error: the mean gap between confidence and accuracy in 15 bins of equal "
            "width, weighted by their faces. A dot is a bin; its area compares the bins of one panel. "
            f"Tested on {faces}, one pass each.{others} Calibrated by one temperature, fitted on val.",
        ),
        "robustness": plots.robustness(
            {name: (network["test"]["accuracy"], network["robustness"]) for name, network in networks.items()},
            apart=apart,
            caption=f"Tested on {faces}, one pass each; each corruption from weak (left) to strong."
            + " Dashed lines are on other labels and faces: compare their slopes, not their heights." * bool(apart),
        ),
    }
    if MAIN in networks:
        figures |= _figures_of_one(folder, sidecars[MAIN], networks[MAIN], source)
    if (folder / "ablation.csv").is_file():
        figures["ablation"] = figure_of(plots.ablation(read_ablation(folder / "ablation.csv")))
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        save_figure(figure, paths[-1], dpi=100)
    return paths


def _test_set(source: str) -> str:
    return "FER2013's PrivateTest" if source == "FER2013" else f"the test set of {source}"


def _run(name: str, sidecar: dict) -> str:
    """A second head has the history of the first: its accuracies are those of the other head's emotions."""
    recipe = sidecar["recipe"]
    second = sidecar["labels"] == [*EMOTIONS_8] and recipe.get("votes_head") and not recipe.get("ferplus")
    return f"{name}: history of its 7-emotion head" if second else name


def _figures_of_one(folder: Path, sidecar: dict, network: dict, source: str) -> dict[str, "Figure"]:
    from fernb import plots
    from fernb.networks.anatomy import multiply_adds, stages
    from fernb.networks.storage import load_model
    from fernb.plots.base import figure_of
    from fernb.training.recipes import Recipe

    history, recipe = sidecar["history"], sidecar["recipe"]
    best = int(np.argmax(history["val_accuracy"]))
    caption = (
        f"Epoch {best + 1} was chosen, by accuracy on val ({history['val_accuracy'][best]:.1%}). Train is measured "
        "during the epoch on augmented faces, with dropout; val after it, on the faces as they are."
    )
    if recipe.get("votes_head"):
        caption += (
            " The loss of train adds that of the second head, which learns FER+'s votes; val's has the labels only."
        )
    if "--teacher " in sidecar["made"]["command"]:
        share = recipe.get("teaching", Recipe.teaching)
        caption += (
            f" Train's targets are {share:.0%} the teachers' softened answers, the rest labels (or votes): their "
            "entropy is a floor for its loss. Its accuracy is agreement with these targets' likeliest emotion, "
            "val's with the labels."
        )
    if recipe.get("sides"):
        steps = ", ".join(f"{side} pixels from epoch {epoch + 1}" for epoch, side in recipe["sides"])
        caption += f" Faces were smaller at first: {steps}, 48 while the rate falls."
    model = load_model(folder / f"{MAIN}.keras")
    size = f"{model.count_params():,} parameters, {multiply_adds(model) / 1e6:.0f} million multiply-adds a face"
    shown = plots.architecture([(stage.shape, stage.kinds) for stage in stages(model)], f"{MAIN}: {size}")
    return {
        "learning_curves": plots.learning_curves(history, MAIN, best_epoch=best, caption=caption),
        "confusion_matrix": figure_of(plots.confusion_matrix(network["test"], title=f"{MAIN} on {_test_set(source)}")),
        "architecture": figure_of(shown),
    }


def read_ablation(path: str | os.PathLike) -> dict[str, list[float]]:
    """Return the accuracies on val of each row of ``benchmarks/ablation.py``'s table: one for each seed."""
    rows: dict[str, list[float]] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["change"], []).append(float(row["val_accuracy"]))
    return rows


def _architecture(folder: Path, name: str, sidecar: dict, judged: dict[str, dict]) -> str:
    """Why a network is as it is, what was tried before, its layers, and its recipe."""
    from fernb.networks.anatomy import layer_table
    from fernb.networks.storage import load_model

    recipe, decisions = sidecar["recipe"], folder / f"{name}_decisions.txt"
    lines = [recipe["about"], f"Made by: {sidecar['made']['command']}", ""]
    lines += [decisions.read_text(encoding="utf-8").format(**judged)] if decisions.is_file() else []
    lines += _every_network(judged)
    if (folder / "ablation.csv").is_file():
        lines += ["", "Every single change to a smaller network, accuracy on val (mean of its seeds)", ""]
        table = read_ablation(folder / "ablation.csv")
        lines += [f"{change:40} {np.mean(values):.2%}  ({len(values)} seeds)" for change, values in table.items()]
    lines += ["", "The layers", "", layer_table(load_model(folder / f"{name}.keras"))]
    lines += ["The recipe", "", json.dumps(recipe, indent=1)]
    return "\n".join(lines) + "\n"


def _every_network(judged: dict[str, dict]) -> list[str]:
    """A list for each set of emotions, worst on val first."""
    lines = []
    for labels, about in ((EMOTIONS, "FER2013's seven emotions"), (EMOTIONS_8, "FER+'s eight emotions")):
        same = {name: one for name, one in judged.items() if [*one["test"]["per_class"]] == [*labels]}
        if same:
            faces = " and ".join(f"{next(iter(same.values()))[part]['n']:,}" for part in ("val", "test"))
            lines += [f"Networks for {about}, worst on val first ({faces} faces of val and test)", ""]
        for name, one in sorted(same.items(), key=lambda item: item[1]["val"]["accuracy"]):
            lines.append(
                f"{name:18} {one['parameters']:>10,} parameters  val {one['val']['accuracy']:.2%}  "
                f"test {one['test']['accuracy']:.2%}, with flip {one['test_flip']['accuracy']:.2%}"
            )
        lines += [""] if same else []
    return lines[:-1]


def _recall_interval(row: dict) -> str:
    low, high = wilson(round(row["recall"] * row["support"]), row["support"])
    return f"{low:.0%} to {high:.0%}"


def _model_card(sidecar: dict, metrics: dict) -> str:
    network = metrics["networks"][MAIN]
    test, flip = network["test"], network["test_flip"]
    low, high = test["interval"]
    rows = "\n".join(
        f"| {name} | {row['support']:,} | {row['precision']:.1%} | {row['recall']:.1%} ({_recall_interval(row)}) |"
        for name, row in test["per_class"].items()
    )
    worst = min(test["per_class"], key=lambda name: test["per_class"][name]["recall"])
    weak = {name: test["accuracy"] - values[-1] for name, values in network["robustness"].items()}
    taggers = metrics["ladder"].get("taggers")
    ceiling = (
        f" FER+'s ten taggers, by most votes, agree with {taggers['majority']:.1%} of the test labels."
        if taggers
        else ""
    )
    duplicates = f"without the {test['n'] - test['n_deduplicated']:,} of them that also stand in Training"
    return (
        Path(__file__)
        .with_name("model_card.md")
        .read_text(encoding="utf-8")
        .format(
            about=sidecar["recipe"]["about"],
            parameters=network["parameters"],
            made=sidecar["made"],
            data=metrics["data"],
            protocol=sidecar["protocol"],
            test=test,
            low=low,
            high=high,
            flip=flip,
            duplicates=duplicates,
            rows=rows,
            worst=worst,
            temperature=sidecar["temperature"],
            unsure_below=network["unsure_below"],
            worst_corruption=max(weak, key=lambda name: weak[name]),
            lost=100 * max(weak.values()),
            ceiling=ceiling,
            command=metrics["command"],
        )
    )
