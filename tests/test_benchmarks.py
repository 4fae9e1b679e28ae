"""Every benchmark and tool can be imported, and says in ``--help`` what it does."""

import importlib.util
import itertools
import json
import shutil
import sys

import pytest
from click.testing import CliRunner

from fernb import config
from fernb.data.synthetic import clip_frames
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


@pytest.mark.parametrize(
    "option, answers", [("", 0), ("--start results/model/resnet.keras", 0), ("--teacher a/resnet.tflite", 2)]
)
def test_cost_holds_that_of_the_networks_it_began_with(option, answers, tmp_path, monkeypatch):
    cost = load(config.ROOT / "benchmarks" / "cost.py", monkeypatch)
    for name, words in (("resnet", ""), ("student", option)):
        shutil.copy(config.MODEL / f"{name}.keras", tmp_path)
        sidecar = json.loads((config.MODEL / f"{name}.json").read_text())
        sidecar["made"]["command"] = f"fernb train {words}"
        del sidecar["sha256"]
        (tmp_path / f"{name}.json").write_text(json.dumps(sidecar))
    older, images = 142.245e6, 28_709
    alone, run = 6 * older * images * 60 / 1e15, sidecar["made"]["epochs_run"]
    assert cost.training_pflop(tmp_path / "resnet.keras") == pytest.approx(alone, rel=1e-3)
    own = 6 * cost.multiply_adds(cost.load_model(tmp_path / "student.keras")) * images * run / 1e15
    wanted = own + (alone + answers * older * images * run / 1e15 if option else 0)
    assert cost.training_pflop(tmp_path / "student.keras") == pytest.approx(wanted, rel=1e-3)
