"""Exercises answer back: what a check says of answers untried, right, wrong and broken."""

import doctest
import importlib

import numpy as np
import pytest

from fernb import checks
from fernb.checks import NOT_TRIED, NOT_YET, RIGHT
from fernb.errors import FernbError

IMAGE = np.arange(12.0).reshape(3, 4)


@pytest.fixture(autouse=True)
def lesson(monkeypatch):
    """A lesson of three exercises."""
    for number in range(8):  # now: what registers while the table is another one would be lost
        importlib.import_module(f"fernb.checks.lesson{number:02d}")
    monkeypatch.setattr(checks, "_CHECKS", {})

    @checks.exercise("99.1")
    def halved(halve):
        return checks.difference(halve(IMAGE), IMAGE / 2, [(IMAGE * 2, "you doubled it")])

    @checks.exercise("99.2")
    def best(name, value):
        if name != "val":
            return "look at the part that the network has not seen"
        return checks.difference(value, 0.5)

    checks.exercise("99.3")(len)


def judge(*answers, number="99.1"):
    return checks.judge(number, *answers)


def test_what_is_still_to_fill_in_is_not_tried():
    def returns(image):
        return ...  # your code here

    def uses(image):
        factor = ...
        return image * factor

    def body(image): ...

    for answer in (..., returns, uses, body):
        assert judge(answer).outcome == NOT_TRIED
    assert judge("val", ..., number="99.2").outcome == NOT_TRIED
    assert judge([0, ...], 0.5, number="99.2").outcome == NOT_TRIED


def test_dots_of_an_index_are_an_answer():
    def halve(image):
        result = np.zeros_like(image)
        result[...] = image
        return result[..., :] / 2

    assert judge(halve).outcome == RIGHT


def test_right_answers_and_hints_that_fit():
    assert judge(lambda image: image / 2) == checks.Verdict("99.1", RIGHT)
    assert judge(lambda image: image * 2).hint == "you doubled it"
    assert judge("val", 0.5, number="99.2").outcome == RIGHT
    assert "not seen" in judge("train", 0.5, number="99.2").hint


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda image: None, "`return` missing"),
        (lambda image: "half", "a str"),
        (lambda image: image[:2] / 2, "shape is (2, 4), and should be (3, 4)"),
        (lambda image: 1.0, "that of one number"),
        (lambda image: image / 2 * np.nan, "NaN"),
        (lambda image: np.where(IMAGE == 6, 9, IMAGE / 2), "the value at (1, 2) is 9, and should be 3"),
    ],
)
def test_hints_say_what_differs(answer, words):
    verdict = judge(answer)
    assert verdict.outcome == NOT_YET and words in verdict.hint


def test_an_exception_names_the_readers_line():
    def halve(image):
        return np.linalg.inv(image)

    verdict = judge(halve)
    assert verdict.outcome == NOT_YET
    assert "`return np.linalg.inv(image)`, raised LinAlgError" in verdict.hint and "\n" not in verdict.hint


def test_an_answer_of_the_wrong_kind_is_told():
    assert "could not work with your answer (TypeError" in judge(3, number="99.3").hint
    assert "text" in judge(lambda image: "6").hint


def test_a_check_prints_one_line(capsys):
    checks.check("99.1", lambda image: image * 2)
    assert capsys.readouterr().out == "99.1 · not yet: you doubled it\n"


def test_unknown_exercises_are_one_sentence():
    with pytest.raises(FernbError, match=r"99\.7.*known are 99\.1, 99\.2, 99\.3"):
        judge(1, number="99.7")


def test_the_example_in_the_docstring_holds(lesson):
    checks.exercise("01.1")(lambda answer: None)
    found = doctest.DocTestFinder().find(checks.check, globs={"check": checks.check})
    assert all(doctest.DocTestRunner().run(test).failed == 0 for test in found)
