"""pyproject.toml, constraints.txt, environment.yml, Makefile and CI say the same, and it is what is installed."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from fernb import config

ROOT = config.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEWEST = os.environ.get("CONSTRAINTS") == ""
EVERYTHING = ("cluster", "gpu", "lab", "train", "test")  # what `make` installs
pinned_versions_only = pytest.mark.skipif(NEWEST, reason="this run tries the newest versions, not the tested ones")


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def direct(*extras: str) -> list[Requirement]:
    """What pyproject.toml names for these extras, in its order."""
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    found = [Requirement(line) for lines in lists for line in lines]
    return [requirement for requirement in found if requirement.name != "fernb"]


def applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def reachable(*extras: str) -> set[str]:
    """Every package that installing fernb with these extras brings along here, by the installed metadata."""
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(r.name), e) for r in direct(*extras) if applies(r) for e in ("", *r.extras)]
    while waiting:
        name, extra = item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        for line in importlib.metadata.requires(name) or []:
            found = Requirement(line)
            if applies(found, extra):
                waiting += [(canonicalize_name(found.name), e) for e in ("", *found.extras)]
    return {name for name, _ in seen}


@pinned_versions_only
@pytest.mark.parametrize("python", ["3.11.2", "3.12.3", "3.13.0"])  # Debian 12, Ubuntu 24.04, the newest's first
def test_pinned_versions_install_on_the_pythons_that_people_have(python):
    pinned = {canonicalize_name(name) for name in constraints()}
    for package in importlib.metadata.distributions():
        if canonicalize_name(package.name) in pinned and (wanted := package.metadata.get("Requires-Python")):
            assert SpecifierSet(wanted).contains(python), f"{package.name} {package.version} needs Python {wanted}"


def test_constraints_are_exact_versions():
    text = (ROOT / "constraints.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert len(lines) == len(constraints())


@pytest.mark.parametrize("requirement", [r for r in direct(*EVERYTHING) if applies(r)], ids=lambda r: r.name)
def test_ranges_hold_the_tested_version(requirement):
    tested = {canonicalize_name(name): version for name, version in constraints().items()}
    assert requirement.specifier, "every dependency has a range"
    assert tested[canonicalize_name(requirement.name)] in requirement.specifier


@pinned_versions_only
def test_constraints_are_what_is_installed():
    tested = {canonicalize_name(name): version for name, version in constraints().items()}
    installed = {name: importlib.metadata.version(name) for name in tested if _is_installed(name)}
    assert {name: version for name, version in tested.items() if name in installed} == installed
    needed = reachable(*EVERYTHING) - {"setuptools", "wheel"}  # tools that come with a virtual environment
    assert needed <= set(tested), "constraints.txt lacks some"
    if (sys.platform, sys.version_info[:2]) == ("linux", (3, 11)):
        assert set(tested) <= needed, "constraints.txt names what nothing needs"


def _is_installed(name: str) -> bool:
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


def test_only_one_opencv_can_come():
    """Two wheels overwrite each other's files, and only the headless one runs on servers."""
    opencv = {"opencv-python-headless"}
    assert {name for name in reachable(*EVERYTHING) if name.startswith("opencv")} == opencv
    everything = {canonicalize_name(r.name) for r in direct(*PROJECT["optional-dependencies"])}
    assert {name for name in everything if name.startswith("opencv")} == opencv
    assert {name for name in constraints() if name.startswith("opencv")} == opencv


def test_opencv_5_without_haar_cascades_is_refused():
    (opencv,) = (r for r in direct() if r.name == "opencv-python-headless")
    assert "5.0.0" not in opencv.specifier and "4.14.0.94" in opencv.specifier


@pytest.mark.parametrize("system", [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64")])
def test_exactly_one_tensorflow_everywhere(system):
    where = {"sys_platform": system[0], "platform_machine": system[1]}
    found = [r.name for r in direct("train") if r.name.startswith("tensorflow") and r.marker.evaluate(where)]
    assert found == ["tensorflow-cpu" if system == ("linux", "x86_64") else "tensorflow"]


def test_fernb_alone_is_light():
    """``pip install fernb`` reads images and video; TensorFlow and Jupyter come with extras."""
    assert not {"tensorflow", "tensorflow-cpu", "keras", "tensorboard", "jupyterlab", "ipywidgets"} & reachable()


# --- environment.yml -----------------------------------------------------------------------------------


def expected_environment() -> dict:
    """environment.yml by pyproject.toml and constraints.txt: the direct dependencies with exact versions."""
    tested = {canonicalize_name(name): version for name, version in constraints().items()}
    tested["tensorflow"] = tested["tensorflow-cpu"]  # the same release, for the other systems
    pins = []
    for requirement in sorted(direct(*EVERYTHING), key=lambda r: r.name):
        marker = f" ; {requirement.marker}" if requirement.marker else ""
        pins.append(f"{requirement.name}=={tested[canonicalize_name(requirement.name)]}{marker}")
    pip = ["-c constraints.txt", "-e .", *pins]
    return {"name": "fernb", "channels": ["conda-forge"], "dependencies": ["python=3.11", "pip", {"pip": pip}]}


def test_environment_yml_says_the_same():
    expected = expected_environment()
    found = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert found == expected, "put into environment.yml:\n" + yaml.safe_dump(expected, sort_keys=False, width=200)


# --- wheel, make and CI --------------------------------------------------------------------------------


def test_a_wheel_works_without_a_checkout(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("fernb-*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    program = "from fernb import Recogniser, config; print(config.IS_CHECKOUT, *Recogniser().labels)"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path / "installed",
        check=True,
        capture_output=True,
        text=True,
    )
    assert answer.stdout.split() == ["False", "angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    assert (tmp_path / "installed" / "fernb" / "_project" / "data" / "samples").is_dir()


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@needs_make
@pytest.mark.parametrize("target", ["demo", "test", "soak", "lab", "full", "render", "solutions", "book"])
def test_make_knows(target, tmp_path):
    """Each target sets itself up where there is no .venv yet."""
    answer = make(tmp_path, "-n", target, "DATA=x.csv")
    assert answer.returncode == 0
    assert "-m venv .venv" in answer.stdout and "-c constraints.txt" in answer.stdout


@needs_make
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["demo", "PYTHON=false"], "fernb needs Python 3.11"),
        (["demo", "PYTHON=./no-venv"], "install the package python3-venv"),
        (["full"], "make full DATA="),
    ],
)
def test_make_says_what_is_missing(arguments, sentence, tmp_path):
    (tmp_path / "no-venv").write_text('#!/bin/sh\ntest "$1" = -c\n')  # passes the version check, has no venv
    (tmp_path / "no-venv").chmod(0o755)
    if arguments == ["full"]:
        (tmp_path / ".venv").mkdir()
        (tmp_path / ".venv" / ".ready").touch()
    answer = make(tmp_path, *arguments)
    assert answer.returncode != 0
    assert sentence in answer.stdout


def make(folder, *arguments: str) -> subprocess.CompletedProcess:
    for name in ("pyproject.toml", "constraints.txt", "Makefile"):
        if not (folder / name).exists():
            shutil.copy(ROOT / name, folder)
    ready = folder / ".venv" / ".ready"
    if ready.exists():
        ready.touch()
    outside = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "CONSTRAINTS"}
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, env=outside)


def test_ci_calls_make_test():
    assert re.search(r"^make test\b", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert all(step["run"].startswith(".ci/run") for step in jobs["test"]["steps"] if "run" in step)


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not a git checkout")
def test_no_machine_paths_in_the_repository():
    """Nobody else has these folders: a path comes from an argument, the environment or fernb.config."""
    machine = "|".join("/" + name + "/[a-z]" for name in ("work", "root", "farm"))
    found = subprocess.run(
        ["git", "grep", "-nIE", f"(^|[^a-z.0-9])({machine})"], cwd=ROOT, capture_output=True, text=True
    )
    allowed = ("tests/test_notebooks.py:", "tests/test_setup.py:")
    assert [line for line in found.stdout.splitlines() if not line.startswith(allowed)] == []
