"""Modules and functions stay small enough to be read at once."""

import ast

import pytest

from fernb import config

MODULE, FUNCTION = 450, 45  # lines
DRAWING = "fernb/data/rendering.py"  # a long list of strokes
MODULES = sorted((config.ROOT / "fernb").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(config.ROOT)))
def test_modules_and_functions_are_small(path):
    text = path.read_text(encoding="utf-8")
    if path.relative_to(config.ROOT).as_posix() != DRAWING:
        assert len(text.splitlines()) <= MODULE
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {node.name: node.end_lineno - node.lineno + 1 for node in functions}
    assert {name: lines for name, lines in long.items() if lines > FUNCTION} == {}
