"""The texts of a report: why each network is as it is, and the model card."""

import json
from pathlib import Path

import numpy as np

from fernb.app.report.ablation import ablation_interval, read_ablation
from fernb.app.report.figures import trained_under
from fernb.app.report.metrics import MAIN
from fernb.evaluation import wilson
from fernb.labels import EMOTIONS, EMOTIONS_8
from fernb.networks.sidecar import named_in_command


def architecture(folder: Path, name: str, sidecar: dict, judged: dict[str, dict]) -> str:
    """Why a network is as it is, what was tried before, its layers, and its recipe."""
    from fernb.networks.anatomy import layer_table
    from fernb.networks.storage import load_model

    recipe, decisions = sidecar["recipe"], folder / f"{name}_decisions.txt"
    lines = [recipe["about"], f"Made by: {sidecar['made']['command']}", ""]
    lines += [decisions.read_text(encoding="utf-8").format(**judged)] if decisions.is_file() else []
    lines += _every_network(judged)
    if (folder / "ablation.csv").is_file():
        lines += ["", *_ablation(read_ablation(folder / "ablation.csv"))]
    lines += ["", "The layers", "", layer_table(load_model(folder / f"{name}.keras"))]
    lines += ["The recipe", "", json.dumps(recipe, indent=1)]
    return "\n".join(lines) + "\n"


def _ablation(table: dict[str, list[float]]) -> list[str]:
    """The rows of an ablation, best first, against the first one."""
    start, interval = np.mean(next(iter(table.values()))), ablation_interval(table)
    lines = [
        "Changes to a small network that learns from few faces (benchmarks/ablation.py): accuracy on val, mean of its",
        "seeds, and percentage points gained on the start. Each run's epoch was chosen on the same val.",
    ]
    if interval:
        lines.append(f"A gain is known to ± {100 * interval:.1f} points (95 %), if luck is equally large in all rows.")
    lines.append("")
    for change, values in sorted(table.items(), key=lambda row: -np.mean(row[1])):
        gain = 100 * (np.mean(values) - start)
        lines.append(f"{change:40} {np.mean(values):.2%}  {round(gain, 1) + 0:+.1f}  ({len(values)} seeds)")
    return lines


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


def _learnt_from(sidecar: dict) -> dict[str, str]:
    """What the model card says of sources besides the labels: ``taught`` by networks, ``votes`` of FER+."""
    teachers = named_in_command(sidecar, "teacher")
    taught = f" It was distilled from others: {', '.join(sorted(teachers))}." if teachers else ""
    votes = sidecar.get("data", {}).get("votes", "")
    if votes:
        others = " and those that taught it" if teachers else ""
        votes = (
            f" Besides its labels, this network{others} learnt from {votes}: do not compare its figures with those "
            "of networks that learnt from FER2013's labels alone."
        )
    return {"taught": taught, "votes": votes}


def model_card(sidecar: dict, metrics: dict) -> str:
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
    duplicates = f"without the {test['n'] - test['n_deduplicated']:,} of them that also occur in train"
    return (
        Path(__file__)
        .with_name("model_card.md")
        .read_text(encoding="utf-8")
        .format(
            about=sidecar["recipe"]["about"],
            parameters=network["parameters"],
            made=sidecar["made"],
            epoch=int(np.argmax(sidecar["history"]["val_accuracy"])) + 1,
            data=metrics["data"],
            trained_under=trained_under({MAIN: sidecar}),
            **_learnt_from(sidecar),
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
