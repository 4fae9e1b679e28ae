"""The rooms of fernb: imports go downwards only, and TensorFlow stays where networks are built."""

import ast
from pathlib import Path

import pytest

from fernb import config

FLOORS = (
    ("errors", "labels", "files", "config", "runtime"),  # the ground: one room, whose modules know each other
    ("vision", "data"),
    ("networks", "plots"),
    ("recognition", "evaluation"),
    ("training", "video", "attacks", "style"),
    ("transfer", "widgets", "checks"),
    ("app",),
)
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
KERAS_ROOMS = {"networks", "training", "transfer", "attacks", "style"}

PACKAGE = config.ROOT / "fernb"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
SCRIPTS = sorted(path for folder in ("benchmarks", "tools") for path in (config.ROOT / folder).glob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, str | None]]:
    """Every import of a file, wherever it stands in it: the module, and the name taken from it."""
    return imports_in(ast.parse(path.read_text(encoding="utf-8")), path)


def imports_in(tree: ast.AST, path: Path) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: write imports in full, from fernb on"
            found += [(node.module or "", alias.name) for alias in node.names]
    return found


def rooms_used(path: Path) -> set[str]:
    names = [f"{module}.{name}".split(".")[1] for module, name in imports(path) if module.split(".")[0] == "fernb"]
    return set(names) - {"__version__"}


def test_every_room_has_its_floor():
    assert {room_of(path) for path in MODULES} <= set(FLOOR)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards_only(path):
    own = room_of(path)
    unknown = rooms_used(path) - set(FLOOR)
    assert not unknown, f"inside the package, import {', '.join(unknown)} from where it stands"
    wrong = [
        room
        for room in rooms_used(path) - {own}
        if FLOOR[room] > FLOOR[own] or (FLOOR[room] == FLOOR[own] and FLOOR[own] > 0)
    ]
    assert not wrong, f"{own} may not import {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_keras_is_imported_only_where_networks_are_built(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if room_of(path) == "checks":  # a check may try the reader's function on Keras: it imports it when it is asked
        tree = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef)], [])
    heavy = {module.split(".")[0] for module, _ in imports_in(tree, path)} & {"keras", "tensorflow", "tensorboard"}
    assert not heavy or room_of(path) in KERAS_ROOMS or path.name == "runtime.py"


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=lambda path: str(path.relative_to(config.ROOT)))
def test_no_private_name_crosses_a_module(path):
    """Neither ``from fernb.x import _name`` nor ``x._name`` of a module of fernb that was imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    private = [f"{module}.{name}" for module, name in imports(path) if name and module.startswith("fernb")]
    private = [name for name in private if name.split(".")[-1].startswith("_") and not name.endswith("__")]
    modules = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fernb"
        for alias in node.names
        if (PACKAGE.parent / node.module.replace(".", "/") / f"{alias.name}.py").is_file()
    }
    private += [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
    ]
    assert not private, f"private names from elsewhere: {', '.join(private)}"
