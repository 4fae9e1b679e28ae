"""Exercises that answer back: *not tried yet*, *right*, or a hint that fits the mistake.

A lesson asks with :func:`check`. What it checks stands in this package, one module to a lesson
(``lesson01`` holds 01.1, 01.2 …), in plain functions that a curious reader may look at.
"""

import ast
import importlib
import inspect
import sysconfig
import textwrap
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fernb.errors import FernbError

NOT_TRIED, RIGHT, NOT_YET = "not tried yet", "right", "not yet"

_NOT_THE_READERS = (str(Path(__file__).parents[1]), sysconfig.get_path("stdlib"), "<")
"""How the file names of fernb, of Python and of code without a file begin."""

_CHECKS: dict[str, Callable[..., str | None]] = {}
_BLANKS: dict[str, int] = {}


@dataclass(frozen=True)
class Verdict:
    """What came of an answer: ``outcome`` is "not tried yet", "right" or "not yet", the last one with a hint."""

    number: str
    outcome: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.number} · {self.outcome}" + (f": {self.hint}" if self.hint else "")


def exercise(number: str, blanks: int = 0) -> Callable:
    """Register the decorated function as the check of exercise ``number``, such as ``"01.3"``.

    The function takes the reader's answers and returns None where they are right, else a hint of
    one sentence. It need not catch what goes wrong in the reader's code. Where the exercise has
    several places with ``...``, ``blanks`` says how many: who filled in some of them is told what is left.
    """

    def register(function: Callable[..., str | None]) -> Callable[..., str | None]:
        _CHECKS[number], _BLANKS[number] = function, blanks
        return function

    return register


def check(number: str, *answers: object) -> None:
    """Print in one line whether ``answers`` solve exercise ``number``; never raise because of them.

    >>> check("01.1", ...)
    01.1 · not tried yet
    """
    print(judge(number, *answers))


def right_or(number: str, answer: Callable, reference: Callable) -> Callable:
    """Return ``answer`` where it solves exercise ``number``, else ``reference``, and print which.

    For an exercise in the middle of a lesson: the cells after it run whether or not it was tried.
    """
    right = judge(number, answer).outcome == RIGHT
    print(f"{number} · the lesson goes on with {'your function' if right else 'the function of fernb'}")
    return answer if right else reference


def judge(number: str, *answers: object) -> Verdict:
    """Return the :class:`Verdict` on the reader's ``answers`` to exercise ``number``.

    Raises :class:`~fernb.errors.FernbError` if there is no such exercise.
    """
    function = _find(number)
    if left := [line for answer in answers for line in _unfilled(answer)]:
        tried = len(left) < _BLANKS[number]
        return Verdict(number, NOT_YET, f"`{left[0]}` still has its dots") if tried else Verdict(number, NOT_TRIED)
    try:
        hint = function(*answers)
    except Exception as error:  # whatever the reader's code raises is theirs to mend, and becomes a hint
        return Verdict(number, NOT_YET, _explain(error))
    return Verdict(number, NOT_YET, hint) if hint else Verdict(number, RIGHT)


def difference(
    got: object,
    expected: object,
    mistakes: Iterable[tuple[object, str]] = (),
    *,
    rtol: float = 1e-4,
    atol: float = 1e-6,
) -> str | None:
    """Return None where ``got`` equals ``expected`` (numbers or an array of them), else a hint.

    Each of ``mistakes`` is a wrong result that people often arrive at, and its hint; the first
    that ``got`` equals is told. Otherwise the hint names what differs: type, shape, a value that
    is no number, or the place where the values are farthest apart.
    """
    if got is None:
        return "your function returned None; is the `return` missing?"
    try:
        if np.asarray(got).dtype.kind in "US":
            return f"numbers were expected, and this is text ({_name(got)})"
        values = np.asarray(got, np.float64)
    except (TypeError, ValueError):
        return f"numbers were expected, and this is {_name(got)}"
    truth = np.asarray(expected, np.float64)
    if _close(values, truth, rtol, atol):
        return None
    for wrong, hint in mistakes:
        if _close(values, np.asarray(wrong, np.float64), rtol, atol):
            return hint
    return _describe(values, truth)


def _find(number: str) -> Callable[..., str | None]:
    """Return the check of an exercise, from the module of its lesson."""
    name = f"fernb.checks.lesson{number.partition('.')[0]}"
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
    if number not in _CHECKS:
        known = ", ".join(sorted(_CHECKS)) or "none of this lesson"
        raise FernbError(f"there is no exercise {number!r}; known are {known}.")
    return _CHECKS[number]


def _unfilled(answer: object) -> list[str]:
    """Return the lines of an answer that still hold a ``...`` to be filled in; "..." for one that has no lines."""
    if isinstance(answer, list | tuple):
        return [line for part in answer for line in _unfilled(part)]
    if answer is Ellipsis or not inspect.isroutine(answer):
        return ["..."] if answer is Ellipsis else []
    try:
        source = textwrap.dedent(inspect.getsource(answer))
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError):
        return []  # no source to look at: what it returns will tell
    indices = {part for node in ast.walk(tree) if isinstance(node, ast.Subscript) for part in ast.walk(node.slice)}
    dots = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value is ...]
    places = sorted(node.lineno for node in dots if node not in indices)
    return [source.splitlines()[place - 1].partition("#")[0].strip() for place in places]


def _explain(error: Exception) -> str:
    """Return what an exception says, with the reader's own line that led to it."""
    said = f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(_NOT_THE_READERS) and "site-packages" not in frame.filename:
            return f"line {frame.lineno} of your cell, `{frame.line}`, raised {said}"
    if isinstance(error, TypeError) and "not callable" in str(error):
        return f"a function was expected ({said}): pass it by its name, without brackets behind it"
    return f"the check could not work with your answer ({said})"


def _close(values: np.ndarray, truth: np.ndarray, rtol: float, atol: float) -> bool:
    return values.shape == truth.shape and np.allclose(values, truth, rtol, atol, equal_nan=True)


def _describe(values: np.ndarray, truth: np.ndarray) -> str:
    """Return in words how ``values`` differ from ``truth``, float64 arrays of any shapes."""
    if values.shape != truth.shape:
        return (
            f"the shape is {values.shape or 'that of one number'}, and should be {truth.shape or 'that of one number'}"
        )
    if not np.isfinite(values).all():
        return "some values are NaN or infinite; was something divided by zero, or the logarithm of 0 taken?"
    place = np.unravel_index(np.abs(values - truth).argmax(), truth.shape)
    where = f" at {tuple(map(int, place))}" if truth.ndim else ""
    return f"the value{where} is {values[place]:.6g}, and should be {truth[place]:.6g}"


def _name(value: object) -> str:
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
