"""Accuracy against the cost of training: fernb's networks beside published ones.

    python benchmarks/cost.py

Training costs 6 × multiply-adds × images: two operations each, once forwards and twice back; twice that, where
steps are sharpness-aware. A network that was trained on from another, or taught by others, bears their cost too
(each of them once), and that of the teachers' answers. What ``faces`` learnt elsewhere is not counted, for nobody
says what it cost; the figure says *tuned*. The published accuracies are those of their authors, with the source beside
each; their cost was counted once from the layers, epochs and views in their code.
"""

import functools
import json
from collections import Counter
from pathlib import Path

import click
import keras
from _common import out_option, write

from fernb import config, plots
from fernb.app.report import TEACHERS
from fernb.networks.anatomy import multiply_adds
from fernb.networks.architectures import NetworkConfig, build_network
from fernb.networks.sidecar import named_in_command
from fernb.networks.storage import load_model
from fernb.plots.base import save_figure
from fernb.training.recipes import Recipe

IMAGES = 28_709  # of Training, in each epoch
NOTES = {"faces": "faces (tuned)"}
CAPTION = (
    "Operations of training: 6 for a multiply-add, times faces and epochs; estimated here for published networks. "
    "fernb's networks answer once a face; those that name crops average their answers to so many views of each. "
    "What VGGFace2's pre-training cost is not in faces (tuned). The cost of a taught network, such as "
    "my_own_model, includes its teachers'. Those of fernb above 71 % also learnt from FER+'s votes; the published ones "
    "from FER2013's labels alone."
)
ON_TEST = "PrivateTest itself"
PUBLISHED = (
    # who, PFLOP, accuracy, by what the epoch was chosen, source
    ("Pramerdorfer & Kampel 2016, VGG of 1.8 M", 6.0, 0.727, "a validation set", "arXiv 1612.02903"),
    ("pooya-mohammadi/FER, VGG", 8.7, 0.7208, "PublicTest", "github.com/pooya-mohammadi/FER"),
    (
        "WuJie1010, ResNet18, ten crops",
        47.0,
        0.7297,
        ON_TEST,
        "github.com/WuJie1010/Facial-Expression-Recognition.Pytorch",
    ),
    ("usef-kh/fer, VGG, ten crops", 181.0, 0.7328, ON_TEST, "arXiv 2105.03588, github.com/usef-kh/fer"),
    (
        "LetheSec, ResNet18, five crops",
        224.0,
        0.7370,
        ON_TEST,
        "github.com/LetheSec/Fer2013-Facial-Emotion-Recognition-Pytorch",
    ),
)


def epochs_by_side(recipe: dict, epochs: int) -> dict[int, int]:
    """Return how many epochs were trained on images of each side in pixels."""
    schedule = {name: recipe[name] for name in ("epochs", "schedule", "decay", "sides") if name in recipe}
    planned = Recipe("", **schedule)  # an older side-car has other fields besides
    return dict(Counter(map(planned.side, range(epochs))))


def training_pflop(path: Path) -> float:
    """Return what the training of the network ``path`` (``.keras``) cost, in PFLOP, with all that it came from."""
    return sum(map(_own_pflop, ancestry(path)))


def ancestry(path: Path) -> list[Path]:
    """Return ``path`` and every network that it began from or learnt from, directly or not, each once."""
    found = [path]
    for one in found:  # which grows
        sidecar = json.loads(one.with_suffix(".json").read_text())
        others = _named(one.parent, "start", sidecar) + _named(one.parent, "teacher", sidecar)
        found += [other for other in others if other not in found]
    return found


def _own_pflop(path: Path) -> float:
    """Return the cost of a network's own epochs and of its teachers' answers in them, in PFLOP."""
    sidecar, model = _network(path)
    recipe, run = sidecar["recipe"], sidecar["made"]["epochs_run"]
    operations = 6 * (2 if recipe.get("sharpness") else 1)
    cost = sum(operations * multiply_adds(model, side) * n for side, n in epochs_by_side(recipe, run).items())
    teachers = _named(path.parent, "teacher", sidecar)
    cost += sum(2 * multiply_adds(_network(teacher)[1]) * run for teacher in teachers)
    return cost * IMAGES / 1e15


@functools.cache
def _network(path: Path) -> tuple[dict, keras.Model]:
    """Return the side-car and the network; of a teacher only the side-car is kept, and says how to build it."""
    sidecar = json.loads(path.with_suffix(".json").read_text())
    if path.is_file():
        return sidecar, load_model(path)
    return sidecar, build_network(NetworkConfig(**sidecar["recipe"]["network"]), len(sidecar["labels"]))


def _named(folder: Path, option: str, sidecar: dict) -> list[Path]:
    """Return the networks in ``folder`` or its ``teachers`` that the command named, each once, whatever its copy."""
    names = named_in_command(sidecar, option)
    places = [place / f"{name}.keras" for name in names for place in (folder, folder / TEACHERS)]
    return [path for path in places if path.with_suffix(".json").is_file()]


@click.command(help=__doc__)
@out_option(config.MODEL / "cost.json")
def main(out: Path) -> None:
    own = {}
    for path in sorted([*config.MODEL.glob("*.json"), *config.MODEL.glob(f"{TEACHERS}/*.json")]):
        path, sidecar = path.with_suffix(".keras"), json.loads(path.read_text())
        if "recipe" in sidecar and "backbone" not in sidecar["made"] and len(sidecar["labels"]) == 7:
            test = sidecar["metrics"]["test"]
            own[path.stem] = {"pflop": round(training_pflop(path), 3), "accuracy": test["accuracy"]}
            click.echo(f"{path.stem:16} {own[path.stem]['pflop']:6.2f} PFLOP  {test['accuracy']:.2%}")
    names = ("name", "pflop", "accuracy", "chosen_on", "source")
    write(out, {"own": own, "published": [dict(zip(names, row, strict=True)) for row in PUBLISHED]})
    figure = plots.training_cost(
        {NOTES.get(name, name): (row["pflop"], row["accuracy"]) for name, row in own.items()},
        [(*row[:3], row[3] == ON_TEST) for row in PUBLISHED],
        caption=CAPTION,
    ).figure
    save_figure(figure, out.with_suffix(".png"), dpi=100)


if __name__ == "__main__":
    main()
