"""The figures of a report, with captions that say what was measured on which faces."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fernb.app.report.ablation import ablation_interval, read_ablation
from fernb.app.report.metrics import MAIN, ferplus_subset
from fernb.labels import EMOTIONS_8
from fernb.networks.sidecar import named_in_command
from fernb.training.augmentation import BLUR, MOST_NOISE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(folder: Path, sidecars: dict[str, dict], networks: dict[str, dict], source: str) -> list[Path]:
    from fernb import plots
    from fernb.plots.base import figure_of, save_figure

    tests = {name: network["test"] for name, network in networks.items()}
    apart = {name: _votes(sidecars[name], test) for name, test in tests.items() if "contempt" in test["per_class"]}
    counts = {f" ({test['n']:,} faces)" for name, test in tests.items() if name not in apart}
    faces = _test_set(source) + "".join(counts)
    others = "".join(f" {name}: {words}." for name, words in apart.items())
    figures: dict[str, Figure] = {
        "learning_curves_all": plots.runs(
            {_run(name, sidecar): sidecar["history"] for name, sidecar in sidecars.items()},
            caption="Train is measured during the epoch on augmented faces, with dropout; val after it, on the faces "
            "as they are. Where a network was taught, train is agreement with its targets, which are mostly its "
            "teachers' answers: do not compare that with val.",
        ),
        "reliability": plots.calibration(
            tests,
            uncalibrated={name for name, sidecar in sidecars.items() if sidecar.get("temperature") is None},
            caption="ECE, expected calibration error: the mean gap between confidence and accuracy in 15 bins of equal "
            "width, weighted by their faces. A dot is a bin; its area compares the bins of one panel. "
            f"Bins without a face are left out. Tested on {faces}, one pass each.{others} Calibrated by one "
            "temperature, fitted on val.",
        ),
        "robustness": plots.robustness(
            {name: (network["test"]["accuracy"], network["robustness"]) for name, network in networks.items()},
            apart=apart,
            caption=f"Tested on {faces}, one pass each; each corruption from weak (left) to strong."
            + " Dashed lines are on other labels and faces: compare their slopes, not their heights." * bool(apart)
            + trained_under(sidecars),
        ),
    }
    if MAIN in networks:
        figures |= _figures_of_one(folder, sidecars[MAIN], networks[MAIN], source)
    if (folder / "ablation.csv").is_file():
        table = read_ablation(folder / "ablation.csv")
        figures["ablation"] = figure_of(plots.ablation(table, interval=ablation_interval(table)))
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        save_figure(figure, paths[-1], dpi=100)
    return paths


def _votes(sidecar: dict, test: dict) -> str:
    return f"FER+'s {ferplus_subset(sidecar)} labels, 8 emotions, {test['n']:,} faces"


def trained_under(sidecars: dict[str, dict]) -> str:
    """Say which networks saw such corruptions in training, and how strong: that is no test of unknown ones."""
    augmentations = {name: sidecar["recipe"].get("augmentation") or {} for name, sidecar in sidecars.items()}
    seen = [name for name, augmentation in augmentations.items() if augmentation.get("bad_camera")]
    if not seen:
        return ""
    return (
        f" In training, {', '.join(seen)} saw blur of up to {BLUR[1]:g} pixel, noise of up to {MOST_NOISE} grey levels "
        "and less light" + ("; the others did not." if len(seen) < len(sidecars) else ".")
    )


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
        f"Epoch {best + 1} was chosen, by accuracy on val ({history['val_accuracy'][best]:.1%}, weights of 32 bits). "
        "Train is measured during the epoch on augmented faces, with dropout; val after it, on the faces as they are."
    )
    if recipe.get("votes_head"):
        caption += (
            " The loss of train adds that of the second head, which learns FER+'s votes; val's has the labels only."
        )
    if named_in_command(sidecar, "teacher"):
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
