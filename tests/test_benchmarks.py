"""Every benchmark and tool can be imported, and says in ``--help`` what it does."""

import importlib.util
import itertools
import json
import shutil
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from fernb import config
from fernb.data.faceset import FaceSet
from fernb.data.synthetic import clip_frames, draw_faces
from fernb.video.stream import frames

BENCHMARKS = sorted(path for path in (config.ROOT / "benchmarks").glob("*.py") if not path.name.startswith("_"))
TOOLS = sorted((config.ROOT / "tools").glob("*.py"))


def load(path, monkeypatch):
    """Import a script as Python does when it is run: what lies beside it can be imported, and is forgotten after."""
    monkeypatch.syspath_prepend(path.parent)
    before = set(sys.modules)
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in set(sys.modules) - before:
        if (path.parent / f"{name}.py").is_file():
            del sys.modules[name]
    return module


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.stem)
def test_a_tool_can_be_imported(path, monkeypatch):
    assert callable(load(path, monkeypatch).main)


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_script_says_what_it_does(path, monkeypatch):
    result = CliRunner().invoke(load(path, monkeypatch).main, ["--help"])
    assert result.exit_code == 0 and f"python benchmarks/{path.name}" in result.output
    assert "--out" in result.output or "Commands:" in result.output


def test_figures_say_where_they_come_from(monkeypatch, tmp_path):
    common = load(config.ROOT / "benchmarks" / "_common.py", monkeypatch)
    monkeypatch.setattr(sys, "argv", ["benchmarks/speed.py", "--out", str(tmp_path / "x.json"), "--faces", "3"])
    common.write(tmp_path / "x.json", {"figure": 1})
    told = json.loads((tmp_path / "x.json").read_text())
    assert told["command"] == "python benchmarks/speed.py --out x.json --faces 3"  # no folder of this machine
    assert "CPU cores" in told["hardware"] and told["figure"] == 1


def test_the_sample_clip_is_drawn(monkeypatch, tmp_path):
    tool = load(config.ROOT / "tools" / "draw_clip.py", monkeypatch)
    monkeypatch.setattr(tool, "clip_frames", lambda: itertools.islice(clip_frames(), 3))
    assert CliRunner().invoke(tool.main, ["--out", str(tmp_path)]).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["emotions.csv", "emotions.mp4"]
    assert len(list(frames(tmp_path / "emotions.mp4"))) == 3
    assert (tmp_path / "emotions.csv").read_bytes() == (config.SAMPLES / "emotions.csv").read_bytes()


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_the_table_of_benchmarks_has_it(path):
    assert f"`{path.name}`" in (config.ROOT / "benchmarks" / "README.md").read_text()


def test_cost_counts_small_images_and_the_network_that_was_trained_on(tmp_path, monkeypatch):
    cost = load(config.ROOT / "benchmarks" / "cost.py", monkeypatch)
    recipe = {"epochs": 12, "schedule": "trapezoid", "decay": 0.25, "sides": [[0, 32], [4, 40]]}
    assert cost.epochs_by_side(recipe, 12) == {32: 4, 40: 5, 48: 3}
    assert cost.epochs_by_side({"epochs": 60, "schedule": "cosine"}, 45) == {48: 45}


def lineage(folder, **commands):
    """Copy resnet into ``folder`` under each name, as made by its command."""
    for name, words in commands.items():
        shutil.copy(config.MODEL / "resnet.keras", folder / f"{name}.keras")
        sidecar = json.loads((config.MODEL / "resnet.json").read_text())
        sidecar["made"]["command"] = f"fernb train {words}"
        (folder / f"{name}.json").write_text(json.dumps(sidecar))


@pytest.mark.parametrize(
    "option, others, answers",
    [
        ("", 0, 0),
        ("--start results/model/first.keras", 1, 0),
        ("--teacher a/first.tflite", 1, 1),
        ("--teacher a/first.tflite --teacher a/second_votes.keras", 2, 3),  # second learnt from first, too
    ],
)
def test_cost_holds_that_of_the_networks_it_came_from_each_once(option, others, answers, tmp_path, monkeypatch):
    cost = load(config.ROOT / "benchmarks" / "cost.py", monkeypatch)
    lineage(tmp_path, first="", second="--teacher a/first.tflite", last=option)
    multiply_adds, images, epochs = 142.245e6, 28_709, 60
    own, answer = (operations * multiply_adds * images * epochs / 1e15 for operations in (6, 2))
    wanted = own * (1 + others) + answer * answers
    assert cost.training_pflop(tmp_path / "last.keras") == pytest.approx(wanted, rel=1e-3)


def test_near_duplicates_are_shifted_mirrored_or_lit_otherwise_but_not_other_faces(monkeypatch):
    near = load(config.ROOT / "benchmarks" / "near_duplicates.py", monkeypatch)
    train, other = draw_faces(40, 1), draw_faces(10, 2)
    copies = train.images[:3].copy()
    copies[0] = np.roll(copies[0], 1, axis=1)
    copies[1] = copies[1, :, ::-1]
    copies[2] = copies[2] // 2 + 60
    alike = near.correlation(FaceSet(copies, train.labels[:3], None), train)
    assert (alike >= near.ALIKE).all() and alike.max() <= 1 + 1e-6
    assert (near.correlation(other, train) < near.ALIKE).all()
