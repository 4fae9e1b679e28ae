"""The command line: its formats, one sentence for what is wrong, and no TensorFlow where none is needed."""

import errno
import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace

import click
import numpy as np
import pytest
from click.testing import CliRunner

from fernb import config
from fernb.app import doctor
from fernb.app.cli import choices, main
from fernb.app.cli.common import Command, Group
from fernb.data import loading as data
from fernb.data.faceset import make_splits
from fernb.data.synthetic import draw_faces
from fernb.labels import EMOTIONS_8

CLIP = str(config.SAMPLES / "emotions.mp4")
COLLINS = str(config.SAMPLES / "eileen_collins.jpg")


def run(*arguments: str):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def few(monkeypatch):
    """Seven drawn faces of each emotion in each part."""
    splits = make_splits(*(draw_faces(49, seed) for seed in range(3)), "a few drawn faces")
    monkeypatch.setattr(data, "load_faces", lambda source="auto", **_: splits)
    return splits


def test_predict_starts_with_the_accuracy(few):
    lines = run("predict").stdout.splitlines()
    assert re.fullmatch(r"Accuracy on test set: \d+\.\d%", lines[0])
    assert "Wilson" in lines[1] and any(line.startswith("disgust") for line in lines)
    assert not any("de-duplicated" in line for line in lines) and "my_own_model.tflite" in lines[-1]
    report = json.loads(run("predict", "--json").stdout)
    assert report["n"] == 49 and f"{report['accuracy']:.1%}" in lines[0]


def test_predict_pictures():
    result = run("predict", COLLINS, str(config.SAMPLES / "china.jpg"))
    assert result.exit_code == 0
    assert re.search(r"eileen_collins\.jpg: happy \d+% in the box", result.stdout)
    assert "china.jpg: no face found" in result.stdout
    (answer,) = json.loads(run("predict", "--json", COLLINS).stdout)
    assert answer["emotion"] == "happy" and sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert run("predict", COLLINS, "--data", "x").exit_code == 2


def test_live_prints_a_line_a_second():
    result = run("live", "--source", CLIP, "--seconds", "5")
    lines = result.stdout.splitlines()
    assert lines[0] == "Reading video stream ..." and lines[1::2] == ["Preprocessing ..."] * 5
    assert all(re.fullmatch(r"00:00:0\ds : [A-Z][a-z]+ , \d+%", line) for line in lines[2::2])
    assert lines[2].startswith("00:00:00s") and lines[-1].startswith("00:00:04s : Happy")


def test_preprocess_gives_a_face_a_second(tmp_path):
    result = run("preprocess", CLIP, "--out", tmp_path)
    assert result.exit_code == 0 and "wrote 21 faces" in result.stdout
    assert {path.name for path in tmp_path.iterdir()} == {*(f"image{i}.png" for i in range(21)), "input_video.mp4"}


def test_data_commands(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["emotion,pixels,Usage"]
    for i in range(9):
        usage = ("Training", "PublicTest", "PrivateTest")[i % 3]
        rows.append(f"{i % 7},{' '.join(map(str, rng.integers(0, 256, 2304)))},{usage}")
    (tmp_path / "fer2013.csv").write_text("\n".join(rows))
    result = run("data", "import", tmp_path / "fer2013.csv", "--out", tmp_path / "cache.npz")
    assert result.exit_code == 0 and "train 3, val 3, test 3" in result.stdout
    assert "train 3, val 3, test 3" in run("data", "info", tmp_path / "cache.npz").stdout
    assert "drawn faces" in run("data", "info").stdout


def test_train_then_predict_with_it(few, tmp_path):
    result = run("train", "--recipe", "lesson", "--epochs", "1", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "epoch   1/1" in result.stdout and "test: " in result.stdout
    sidecar = json.loads((tmp_path / "lesson.json").read_text())
    assert sidecar["data"]["source"] == few.source and sidecar["made"]["seed"] == config.SEED
    answer = run("predict", "--model", tmp_path / "lesson.tflite", "--json")
    assert json.loads(answer.stdout)["accuracy"] == sidecar["metrics"]["test"]["accuracy"]


def test_train_leaves_an_earlier_run_alone(few, tmp_path):
    """Without --resume, its state and history were removed."""
    (tmp_path / "state.npz").write_bytes(b"hours of work")
    result = run("train", "--recipe", "lesson", "--epochs", "1", "--out", tmp_path)
    assert result.exit_code == 1 and "--resume" in result.stderr and "--out" in result.stderr
    assert (tmp_path / "state.npz").read_bytes() == b"hours of work"


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "absent.jpg"],
        ["predict", "--model", "absent.tflite"],
        ["predict", "--data", "absent.csv"],
        ["live", "--source", "absent.mp4"],
        ["live", "--source", "77"],
        ["preprocess", COLLINS + "x"],
        ["data", "import", "absent.csv"],
        ["data", "import", "."],
    ],
)
def test_what_is_wrong_is_one_sentence(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 1
    said = [line for line in result.stderr.splitlines() if line]
    assert len(said) == 1 and said[0].startswith("fernb: ") and said[0].endswith(".")
    assert list(tmp_path.iterdir()) == []


def test_a_network_is_not_tested_on_emotions_that_it_does_not_know(monkeypatch):
    monkeypatch.setattr("fernb.data.ferplus.ferplus_splits", lambda splits, subset: replace(splits, classes=EMOTIONS_8))
    result = run("predict", "--ferplus", "majority")
    assert result.exit_code == 1 and "the data have other emotions" in result.stderr


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.ENOSPC, "No space left on device", "out/x.csv"), "out/x.csv: the disk is full"),
        (OSError("cannot write"), "cannot write"),
        (PermissionError(errno.EACCES, "Permission denied", "x.csv"), "x.csv: Permission denied"),
        (MemoryError(), "not enough memory"),
        (ModuleNotFoundError("No module named 'keras'", name="keras"), 'pip install "fernb[train]"'),
    ],
)
def test_what_the_machine_lacks_is_one_sentence_too(error, sentence, monkeypatch):
    def fails(*given):
        raise error

    monkeypatch.setattr("fernb.app.demo.run", fails)
    result = run("demo")
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert result.stderr.startswith(
        f"fernb: {sentence}" if not isinstance(error, ImportError | MemoryError) else "fernb: "
    )
    assert sentence in result.stderr and result.stderr.endswith(".\n") and not result.stderr.endswith("..\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "--recipe", "best"], "is not one of 'plain', 'lesson'"),
        (["train", "--seed", "-1"], "not in the range x>=0"),
        (["scan", CLIP, "--smoothing", "hard"], "is not one of 'none', 'mean'"),
        (["style", COLLINS, "dots", "--features", "best"], "is not one of 'auto', 'vgg19'"),
        (["live", "--csv", "t.csv", "--plot", "t.xyz"], "'t.xyz' must end in .png."),
        (["live", "--video", "film.webm"], "must end in .mp4."),
        (["train", "--save", "/"], "is a directory."),
        (["train", "--save", "net"], "must end in .keras."),
        (["live", "--bla"], "No such option '--bla'."),
        (["trane"], "Did you mean"),
    ],
)
def test_a_wrong_option_is_told_with_what_it_can_be(arguments, sentence):
    result = run(*arguments)
    assert result.exit_code == 2 and sentence in result.stderr
    assert result.stderr.rstrip().endswith((".", "?)"))


# --- help ----------------------------------------------------------------------------------------------


def commands(group: Group = main, before: tuple[str, ...] = ()):
    for name, command in group.commands.items():
        if isinstance(command, Group):
            yield from commands(command, (*before, name))
        else:
            yield pytest.param(command, id=" ".join([*before, name]))


@pytest.mark.parametrize("command", commands())
def test_help_has_whole_sentences_and_an_example(command):
    assert isinstance(command, Command) and command.help.strip().endswith(".")
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not (option.help or "").strip().endswith((".", ".)", ":"))] == []
    program, *arguments = shlex.split(command.example)
    found = main
    while isinstance(found, Group):
        found = found.commands[arguments.pop(0)]
    assert program == "fernb" and found is command
    command.make_context(command.name, arguments)  # the example's options exist


def test_help_lists_every_command_with_its_example():
    text = run("--help").stdout
    for parameter in commands():
        (command,) = parameter.values
        assert parameter.id in text and f"$ {command.example}" in text
    assert "..." not in text.replace("[ARGS]...", "")


def test_choices_are_what_the_package_knows():
    from fernb.data.ferplus import FERPLUS_SUBSETS
    from fernb.style.features import NAMES
    from fernb.training import RECIPES
    from fernb.video.smoothing import SMOOTHERS

    assert tuple(RECIPES) == choices.RECIPES and tuple(SMOOTHERS) == choices.SMOOTHINGS
    assert tuple(NAMES) == choices.FEATURES and tuple(FERPLUS_SUBSETS) == choices.FERPLUS


# --- without TensorFlow --------------------------------------------------------------------------------

LIGHT = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "tensorboard", "anywidget", "ipywidgets", "IPython"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from fernb.app.cli import main
main(sys.argv[1:])
"""


def run_light(*arguments: object, cwd=None) -> subprocess.CompletedProcess:
    """The command where neither TensorFlow nor Jupyter is installed."""
    words = [sys.executable, "-c", LIGHT, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, cwd=cwd)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["train", "--help"],
        ["doctor"],
        ["predict", COLLINS],
        ["live", "--source", CLIP, "--seconds", "1"],
        ["scan", CLIP, "--every", "5s", "--out", "out"],
    ],
    ids=" ".join,
)
def test_reading_faces_needs_no_tensorflow(arguments, tmp_path):
    done = run_light(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["train"], ["transfer"], ["hack", COLLINS, "--to", "sad"], ["style", COLLINS, "dots"]],
    ids=lambda words: words[0],
)
def test_what_needs_tensorflow_says_so(arguments, tmp_path):
    done = run_light(*arguments, "--out", tmp_path / "x.png")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert 'pip install "fernb[train]"' in done.stderr and done.stderr.endswith(".\n")
    assert list(tmp_path.iterdir()) == []


# --- doctor ------------------------------------------------------------------------------------------


def test_doctor_is_content_here():
    result = run("doctor")
    assert result.exit_code == 0 and "ERROR" not in result.stdout
    topics = [line.split()[0] for line in result.stdout.splitlines()]
    assert {"python", "fernb", "opencv", "device", "data", "detector", "camera", "model", "ffmpeg"} <= set(topics)


@pytest.mark.parametrize(
    ("wheels", "word"),
    [
        (["opencv-python 4.9.0", "opencv-python-headless 4.9.0"], "overwrite each other"),
        ([], "missing"),
        (["opencv-python-headless 5.0.0"], "Haar"),
    ],
)
def test_doctor_sees_a_wrong_opencv(monkeypatch, wheels, word):
    monkeypatch.setattr(doctor, "opencv_wheels", lambda: wheels)
    result = run("doctor")
    assert result.exit_code == 1 and word in result.stdout and "pip install" in result.stdout


@pytest.mark.parametrize(("cores", "words"), [(1, "CPU with 1 core\n"), (2, "CPU with 2 cores\n")])
def test_doctor_counts_cores(monkeypatch, cores, words):
    monkeypatch.setattr("fernb.runtime.cores", lambda: cores)
    assert words in run("doctor").stdout


def test_doctor_says_how_to_get_yunet(monkeypatch, tmp_path):
    monkeypatch.setenv("FERNB_MODELS", str(tmp_path))
    assert "detector      Haar; `fernb fetch yunet`" in run("doctor").stdout
    (tmp_path / "face_yunet.onnx").write_bytes(b"another")
    assert "face_yunet.onnx has an unknown hash and is not used" in run("doctor").stdout


def test_doctor_names_files_without_folders_where_asked(monkeypatch, tmp_path):
    (tmp_path / "faces.npz").touch()
    monkeypatch.setenv("FERNB_DATA", str(tmp_path / "faces.npz"))
    assert "data          faces.npz" in doctor.check(folders=False)[0]
    monkeypatch.setenv("FERNB_DATA", str(tmp_path / "absent.npz"))
    whole = [line for line in doctor.check(folders=False)[0] if "ERROR" in line]
    assert whole and str(tmp_path / "absent.npz") in whole[0], "what an error names stays whole"


def test_doctor_sees_missing_data_and_model(monkeypatch, tmp_path):
    monkeypatch.setenv("FERNB_DATA", str(tmp_path / "absent.csv"))
    monkeypatch.setattr(config, "DEFAULT_MODEL", tmp_path / "absent.tflite")
    result = run("doctor")
    assert result.exit_code == 1
    assert "mend FERNB_DATA" in result.stdout and "model         ERROR" in result.stdout
