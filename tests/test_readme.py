"""What the README says is so: its commands, links, code and figures."""

import csv
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys

import click
import pytest
import yaml

from fernb import EMOTIONS, config
from fernb.app.cli import main
from fernb.video.table import columns

ROOT = config.ROOT
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("  #")[0].split(" #")[0].strip()
    for block in re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
FERNB = [command.removeprefix(".venv/bin/") for command in COMMANDS if re.match(r"(\.venv/bin/)?fernb ", command)]
TOO_LONG = ("fernb train", "fernb demo", "fernb transfer", "fernb style")  # their own tests run them small


def test_the_first_screen_says_how_to_start():
    start = README.splitlines()[:25]
    assert COMMANDS[:3] == ["make demo", "make test", "make lab"]
    assert any("](results/demo.png)" in line for line in start)


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#\s]+)", README)
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []


@pytest.mark.parametrize(
    "name", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "results/README.md", "benchmarks/README.md"]
)
def test_what_the_guides_name_is_there(name):
    """A newcomer finds the file that is named; a module without its suffix may be a folder."""
    text, folder = (ROOT / name).read_text(encoding="utf-8"), (ROOT / name).parent
    named = re.findall(r"`((?:fernb|tests|benchmarks|tools|notebooks)/[\w/.]*)`", text)
    named += [f"benchmarks/{script}" for script in re.findall(r"^\| `(\w+\.py)`", text, re.MULTILINE)]
    named = [path for path in named if "NN" not in path]  # stands for a number of two digits
    assert [path for path in named if not (ROOT / path).exists() and not (ROOT / f"{path}.py").exists()] == []
    links = re.findall(r"\]\(([^)#\s]+)", text)
    assert [link for link in links if not link.startswith("http") and not (folder / link).exists()] == []


def test_the_readme_shows_every_room():
    rooms = {
        path.stem for path in (ROOT / "fernb").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    shown = set(re.findall(r"`(\w+)/?`", README[README.index("## Layout") :]))
    assert rooms - {"__init__"} <= shown


def test_pre_commit_does_what_make_lint_does():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    made = [line.split("/", 1)[1].removesuffix(" .") for line in lint.splitlines()]
    assert [hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude") for hook in hooks] == made


def test_every_column_of_the_table_is_explained():
    table = README.split("## The table of a video")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert named == [name for name in columns(EMOTIONS) if name in named]
    assert set(columns(EMOTIONS)) - set(named) == {*EMOTIONS[1:-1], *(f"smoothed_{name}" for name in EMOTIONS[1:-1])}


def test_every_notebook_is_in_the_table():
    linked = re.findall(r"\(notebooks/(.+?\.ipynb)\)", README)
    assert linked == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_make_targets_exist(command):
    target = shlex.split(command)[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", FERNB)
def test_options_exist(command):
    """Click reads the arguments and stops before it does anything."""
    words = shlex.split(command)[1:]
    context, current = None, main
    while isinstance(current, click.Group):
        context = current.make_context(current.name, words[:1], parent=context, resilient_parsing=True)
        _, current, _ = current.resolve_command(context, words)
        words = words[1:]
    current.make_context(current.name, words, parent=context)


def test_the_extras_exist():
    extras = re.findall(r"\[(\w+)\]\"", "\n".join(COMMANDS) + README)
    text = (ROOT / "pyproject.toml").read_text()
    assert extras and all(re.search(rf"^{extra} = \[", text, re.MULTILINE) for extra in extras)


def test_every_figure_is_as_its_file_has_it():
    spec = importlib.util.spec_from_file_location("readme_numbers", ROOT / "tools" / "readme_numbers.py")
    numbers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(numbers)
    for file in numbers.FILES:
        text = file.read_text(encoding="utf-8")
        assert numbers.FIGURE.search(text) and numbers.filled(text) == text, "run `python tools/readme_numbers.py`"


# --- in a scratch copy ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A copy of the project without what users make, and a FER2013 of seven drawn faces a split."""
    from fernb.data.synthetic import draw_faces

    folder = tmp_path_factory.mktemp("scratch") / "fernb"
    mine = shutil.ignore_patterns(".*", "runs", "out", "models", "*.npz", "__pycache__", "*.egg-info", "tests")
    shutil.copytree(ROOT, folder, ignore=mine)
    table = folder / "path" / "to" / "fer2013.csv"
    table.parent.mkdir(parents=True)
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["emotion", "pixels", "Usage"])
        for seed, usage in enumerate(("Training", "PublicTest", "PrivateTest")):
            faces = draw_faces(len(EMOTIONS), seed)
            for image, label in zip(faces.images, faces.labels, strict=True):
                rows.writerow([label, " ".join(map(str, image.ravel())), usage])
    return folder


def run(folder, *arguments: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FERNB_")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )


def test_commands_do_what_they_say(scratch):
    for command in FERNB:
        if command.startswith(TOO_LONG):
            continue
        answer = run(scratch, "-m", "fernb.app.cli", *shlex.split(command)[1:])
        assert answer.returncode == 0, f"{command}: {answer.stderr}"
        assert answer.stdout, command
        if command == "fernb predict":
            assert re.fullmatch(r"Accuracy on test set: \d+\.\d%", answer.stdout.splitlines()[0])


def test_python_example_runs(scratch):
    for program in re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        answer = run(scratch, "-c", program)
        assert answer.returncode == 0, answer.stderr
        assert any(emotion in answer.stdout for emotion in EMOTIONS)
