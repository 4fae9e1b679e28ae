"""A lint of the notebooks: the template, and what keeps them running and readable everywhere.

A lesson ``notebooks/NN_name.ipynb`` consists of, in this order:

1. markdown ``# N. Title``, a sentence of promise, links to the notebooks before and after it;
2. markdown with a picture of the lesson's result, **You will learn**, **You need**, **You get**;
3. markdown ``## Setup``, then code with the imports, an ``assert`` on ``fernb.__version__`` and ``fernb.setup()``;
4. code with the tag ``parameters``: the named knobs, where amounts come from the profile that ``setup`` returns;
5. its lesson, with at least two **Predict first.** prompts before experiments, the lesson's key calls in sight
   (:data:`KEY_CALLS`) and a comparison of what the reader wrote by hand with fernb's (``assert_allclose``);
6. markdown ``## Limits``, ``## Summary`` (3 to 5 bullets), ``## Quiz`` (3 to 5 questions with folded answers),
   ``## Exercises`` (4 to 6, at least two of them functions to fill in, each with its check; some may stand
   in the lesson itself, where what they ask for occurs), ``## Next``.

The rules that came with the quiz hold for a lesson as soon as it has one.

``notebooks/more/NN_name.ipynb`` belong to lesson NN, link back to it, and keep the rules about cells.
``notebooks/solutions/`` is made by ``tools/solutions.py``; ``notebooks/00_start_here.ipynb`` is the way in.

Code cells have at most 15 lines, three of them up to 20, the file at most 1 MB, the kernel's name is ``python3``.
No windows of OpenCV, no ``input``, no installing, no absolute paths, in the outputs neither. Every code cell was
run, once, from top to bottom, without an error; only cells tagged ``nbval-skip`` (a camera, a network) may be
unrun. Markers for nbval are cell tags (``nbval-skip``, ``nbval-check-output``, ``raises-exception``), not comments.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import solutions
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import fernb
from fernb import config

FOLDER = config.ROOT / "notebooks"
LESSONS = sorted(FOLDER.glob("0[1-9]_*.ipynb"))
START = FOLDER / "00_start_here.ipynb"
MORE = sorted(FOLDER.glob("more/*.ipynb"))
SOLUTIONS = sorted(FOLDER.glob("solutions/*.ipynb"))

MAX_LINES, MAX_BYTES = 30, 1_000_000
SHORT, FEW_LONGER, MAX_RESULT_BYTES = 15, (3, 20), 150_000
TAGS = {
    "parameters",
    "exercise",
    "result-image",
    "nbval-skip",
    "nbval-check-output",
    "nbval-ignore-output",
    "raises-exception",
}

GOALS = ("**You will learn**", "**You need**", "**You get**")
SECTIONS = ("Setup", "Limits", "Summary", "Exercises", "Next")
KEY_CALLS = {
    1: (r"cv2\.filter2D\(", r"CascadeClassifier\(", r"\bImageDataGenerator\(", r"image_dataset_from_directory\("),
    2: (r"for epoch in ", r"\bLogisticRegression\(", r"Conv2D\("),
    3: (r"\bSequential\(", r"Conv2D\(", r"\.compile\(", r"\.fit\(", r"GradientTape\("),
    4: (r"include_top=False", r"\.trainable = False", r"\.compile\(", r"\.fit\("),
    5: (r"cv2\.VideoCapture\(", r"\.read\(\)", r"\.predict\("),
    6: (r"GradientTape\(", r"sign\(", r"for \w+ in range\(", r"imwrite\(|imencode\(|write_image\("),
    7: (r"def gram\w*\(", r"GradientTape\(", r"Adam\("),
}
"""What a reader must see done in each lesson, as regular expressions."""

FORBIDDEN = {
    r"cv2\.imshow|waitKey|namedWindow|destroyAllWindows": "a window of OpenCV kills kernels",
    r"(?<![\w.])input\(": "input() hangs a run without a person",
    r"^\s*[!%].*\b(pip|conda|apt|apt-get)\b|pip\.main|pip[\"', ]+install": "no installing in notebooks",
    r"#\s*(NBVAL_|PYTEST_)": "markers for nbval are cell tags",
}
ABSOLUTE = re.compile(r"(?<![\w.:/~<])/(?:home|root|work|tmp|Users|mnt|usr|opt|var)/\w|\b[A-Za-z]:\\\\?\w")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def problems(path: Path, notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Yield a sentence for everything in a lesson's notebook that breaks the rules above."""
    yield from file_problems(path, notebook)
    yield from template_problems(path, notebook)
    yield from cell_problems(path, notebook)
    yield from run_problems(notebook)
    if "Quiz" in sections(notebook.cells):
        yield from course_problems(path, notebook)


def cell_problems(path: Path, notebook: nbformat.NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            yield from (f"cell {number}: {text}" for text in code_problems(cell))
        elif cell.cell_type == "markdown":
            yield from (f"cell {number}: {text}" for text in link_problems(path, cell.source))


def file_problems(path: Path, notebook: nbformat.NotebookNode) -> Iterator[str]:
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        yield f"{path.stat().st_size:,} bytes are more than {MAX_BYTES:,}"
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        yield f"not a valid notebook: {str(error).splitlines()[0]}"
    if (name := notebook.metadata.get("kernelspec", {}).get("name")) != "python3":
        yield f"the kernel is {name!r}, not 'python3'"


def template_problems(path: Path, notebook: nbformat.NotebookNode) -> Iterator[str]:
    cells = notebook.cells
    number = int(path.name[:2])
    title = re.match(r"# (\d+)\. \S.*", cells[0].source) if cells and cells[0].cell_type == "markdown" else None
    if not title or int(title[1]) != number:
        yield f"the first cell must start with '# {number}. Title'"
    elif len(cells[0].source.strip().splitlines()) < 3:
        yield "the first cell needs a sentence of promise and the links after its title"
    second = cells[1].source if len(cells) > 1 and cells[1].cell_type == "markdown" else ""
    missing = [goal for goal in GOALS if goal not in second]
    if missing or [second.find(goal) for goal in GOALS] != sorted(second.find(goal) for goal in GOALS):
        yield f"the second cell must name {', '.join(GOALS)} in this order"

    parts = sections(cells)
    if [name for name in parts if name in SECTIONS] != list(SECTIONS):
        yield f"the headings {', '.join(SECTIONS)} must be there in this order"
    found = len(re.findall(r"^[-*] ", parts.get("Summary", ""), re.MULTILINE))
    if "Summary" in parts and not 3 <= found <= 5:
        yield f"the summary has {found} points, not 3 to 5"

    tagged = [i for i, c in enumerate(cells) if "parameters" in c.metadata.get("tags", [])]
    first = [i for i, c in enumerate(cells) if c.cell_type == "code"][:2]
    if len(tagged) != 1 or tagged != first[1:]:
        yield "the second code cell, and no other, has the tag 'parameters'"
    setup = cells[first[0]].source if first else ""
    if not re.search(r"assert fernb\.__version__\.startswith\(", setup) or "fernb.setup(" not in setup:
        yield "the first code cell asserts fernb.__version__ and calls fernb.setup()"


def course_problems(path: Path, notebook: nbformat.NotebookNode) -> Iterator[str]:
    """What is asked of a lesson that has its quiz."""
    number = int(path.name[:2])
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    parts, text = sections(notebook.cells), "\n".join(cell.source for cell in code)
    picture = f"images/{path.name[:2]}_result.png"
    if not re.match(rf"!\[[^\]]+\]\({picture}\)", notebook.cells[1].source):
        yield f"the second cell must begin with ![words]({picture})"
    elif (
        size := (path.parent / picture).stat().st_size if (path.parent / picture).is_file() else 0
    ) > MAX_RESULT_BYTES:
        yield f"{picture} has {size:,} bytes, more than {MAX_RESULT_BYTES:,}"
    if sum("result-image" in cell.metadata.get("tags", []) for cell in code) != 1:
        yield "one code cell has the tag 'result-image'"
    if [name for name in parts if name in (*SECTIONS, "Quiz")].index("Quiz") != SECTIONS.index("Summary") + 1:
        yield "the quiz comes after the summary"
    if not 3 <= (found := parts["Quiz"].count("<details>")) <= 5:
        yield f"the quiz has {found} folded answers, not 3 to 5"
    if (found := sum(c.source.startswith("**Predict first.**") for c in notebook.cells)) < 2:
        yield f"there are {found} cells that begin with **Predict first.**, not 2 or more"
    yield from (f"{call} is not in sight" for call in KEY_CALLS.get(number, ()) if not re.search(call, text))
    if "assert_allclose(" not in text:
        yield "nothing is held against fernb's by np.testing.assert_allclose"
    lengths = [len(cell.source.splitlines()) for cell in code]
    allowed, longest = FEW_LONGER
    if sum(n > SHORT for n in lengths) > allowed or max(lengths) > longest:
        yield f"cells of {[n for n in lengths if n > SHORT]} lines; {allowed} may have {SHORT + 1} to {longest}"
    yield from exercise_problems(path, notebook)


def exercise_problems(path: Path, notebook: nbformat.NotebookNode) -> Iterator[str]:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    asked = [
        (solutions.exercise_number(cell), cell, after) for cell, after in zip(code, [*code[1:], None], strict=True)
    ]
    asked = [(number, cell, after) for number, cell, after in asked if number]
    numbers = [number for number, _, _ in asked]
    if numbers != [f"{path.name[:2]}.{k}" for k in range(1, len(asked) + 1)] or not 4 <= len(asked) <= 6:
        yield f"the exercises are {numbers}, not {path.name[:2]}.1 and so on, 4 to 6 of them"
    if sum("def " in cell.source for _, cell, _ in asked) < 2:
        yield "fewer than two exercises are functions to fill in"
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for number, _, after in asked:
        if after is None or not after.source.startswith(f'checks.check("{number}"'):
            yield f"the code cell after exercise {number} must be its check"
        if f"### Exercise {number}: " not in text:
            yield f"there is no heading '### Exercise {number}: …'"


def sections(cells: list) -> dict[str, str]:
    """The texts under the headings of second level, in their order."""
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    titles = re.split(r"^## (.+?) *$", text, flags=re.MULTILINE)[1:]
    return dict(zip(titles[::2], titles[1::2], strict=True))


def code_problems(cell: nbformat.NotebookNode) -> Iterator[str]:
    if not cell.source.strip():
        yield "empty"
    if (lines := len(cell.source.splitlines())) > MAX_LINES:
        yield f"{lines} lines are more than {MAX_LINES}"
    for pattern, reason in FORBIDDEN.items():
        if found := re.search(pattern, cell.source, re.MULTILINE):
            yield f"{found[0].strip()!r}: {reason}"
    if unknown := set(cell.metadata.get("tags", [])) - TAGS:
        yield f"unknown tags {sorted(unknown)}"
    for text in (cell.source, *output_texts(cell)):
        if found := ABSOLUTE.search(text):
            yield f"an absolute path, {text[found.start() : found.start() + 30]!r}"


def output_texts(cell: nbformat.NotebookNode) -> Iterator[str]:
    for output in cell.outputs:
        yield output.get("text", "")
        yield from (v for kind, v in output.get("data", {}).items() if kind.startswith("text/") and isinstance(v, str))


def link_problems(path: Path, text: str) -> Iterator[str]:
    if found := ABSOLUTE.search(text):
        yield f"an absolute path, {text[found.start() : found.start() + 30]!r}"
    for target in LINK.findall(text):
        if re.match(r"https?:|#|mailto:|attachment:|data:", target):
            continue
        if not (path.parent / target.split("#")[0]).exists():
            yield f"the link to {target} leads nowhere"


def run_problems(notebook: nbformat.NotebookNode) -> Iterator[str]:
    expected = 0
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        if cell.execution_count is None and "nbval-skip" in cell.metadata.get("tags", []):
            if cell.outputs:
                yield f"cell {number}: outputs, but no execution count"
            continue
        expected += 1
        if cell.execution_count != expected:
            yield f"cell {number}: execution count {cell.execution_count}, not {expected}: run it from top to bottom"
            return
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", []):
                yield f"cell {number}: ends with {output.ename}"
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                yield f"cell {number}: a widget's output does not survive on disk; clear it"
            if output.get("execution_count", expected) != expected:
                yield f"cell {number}: its output has another execution count"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_keeps_the_rules(path):
    assert list(problems(path, nbformat.read(path, as_version=4))) == []


@pytest.mark.parametrize("path", [START, *MORE], ids=lambda path: path.stem)
def test_a_notebook_beside_the_lessons_keeps_the_rules_about_cells(path):
    notebook = nbformat.read(path, as_version=4)
    found = [*file_problems(path, notebook), *cell_problems(path, notebook), *run_problems(notebook)]
    assert found == []
    if path != START:
        lesson = next(lesson for lesson in LESSONS if lesson.name[:2] == path.name[:2])
        assert f"](../{lesson.name})" in notebook.cells[0].source, "link back to the lesson in the first cell"
        assert f"](more/{path.name})" in lesson.read_text(encoding="utf-8"), "the lesson links it"


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_a_solution_notebook_is_what_the_tool_makes(path):
    lesson = nbformat.read(FOLDER / path.name, as_version=4)
    made = nbformat.read(path, as_version=4)
    assert made == solutions.solve(lesson, solutions.solutions_of(path)), "run `make solutions`"
    assert [*file_problems(path, made), *cell_problems(path, made)] == []
    for theirs, ours in zip(lesson.cells, made.cells, strict=True):
        if ours.cell_type == "code" and not solutions.exercise_number(theirs):
            assert ours.source == theirs.source


@pytest.mark.parametrize("path", [START, *LESSONS], ids=lambda path: path.stem)
def test_every_exercise_has_a_solution_of_the_same_form(path):
    cells = {solutions.exercise_number(cell): cell for cell in nbformat.read(path, as_version=4).cells}
    cells.pop(None, None)
    solved = solutions.solutions_of(path)
    assert list(cells) == list(solved)
    assert bool(cells) == (FOLDER / "solutions" / path.name).is_file(), "run `make solutions`"
    for number, code in solved.items():
        assert solutions.EXERCISE.match(code)[1] == number, f"the solution must begin with '# exercise {number}'"
        assert names(code) >= names(cells[number].source), "the solution defines what the exercise asks for"


def names(code: str) -> set[str]:
    """What a cell defines: its functions with their arguments, and its variables."""
    tree = ast.parse(code)
    functions = {f"{f.name}({ast.unparse(f.args)})" for f in tree.body if isinstance(f, ast.FunctionDef)}
    targets = [t for part in tree.body if isinstance(part, ast.Assign) for t in part.targets]
    return functions | {part.id for t in targets for part in ast.walk(t) if isinstance(part, ast.Name)}


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_neighbours_are_linked_and_the_version_is_ours(path):
    notebook = nbformat.read(path, as_version=4)
    first, last = notebook.cells[0].source, "\n".join(c.source for c in notebook.cells[-2:])
    series = [START.name, *(p.name for p in LESSONS)]
    place = series.index(path.name)
    if place > 1 or "Quiz" in sections(notebook.cells):
        assert f"]({series[place - 1]})" in first, f"link to {series[place - 1]} in the first cell"
    if place + 1 < len(series):
        assert f"]({series[place + 1]})" in first, f"link to {series[place + 1]} in the first cell"
        assert f"]({series[place + 1]})" in last, f"link to {series[place + 1]} under Next"
    setup = next(c.source for c in notebook.cells if c.cell_type == "code")
    asked = re.search(r"__version__\.startswith\(\s*[\"']([\d.]+)[\"']", setup)
    assert asked and fernb.__version__.startswith(asked[1])


# --- the lint itself ---------------------------------------------------------------------------------

PATH = Path("03_example.ipynb")


def good() -> nbformat.NotebookNode:
    """A notebook that keeps all the rules."""
    setup = 'import fernb\n\nassert fernb.__version__.startswith("0.1."), "git pull"\nprofile = fernb.setup()'
    cells = [
        new_markdown_cell("# 3. Example\n\nA promise.\n\nPrevious: none"),
        new_markdown_cell("**You will learn** to test\n\n**You need** a minute\n\n**You get** a lint"),
        new_markdown_cell("## Setup"),
        new_code_cell(setup, execution_count=1),
        new_code_cell("EPOCHS = profile.epochs", execution_count=2, metadata={"tags": ["parameters"]}),
        new_markdown_cell("## Limits\n\nMany."),
        new_markdown_cell("## Summary\n\n- one\n- two\n- three"),
        new_markdown_cell("## Exercises\n\n1. one\n2. two\n3. three"),
        new_markdown_cell("## Next\n\nThe end."),
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})


def add(source: str, **more):
    """A change of the good notebook: one more code cell before the limits."""
    return lambda notebook: notebook.cells.insert(5, new_code_cell(source, **({"execution_count": 3} | more)))


def drop(number: int):
    return lambda notebook: notebook.cells.pop(number)


def put(number: int, source: str):
    return lambda notebook: notebook.cells[number].update(source=source)


ROOTS = ("home", "root", "work", "tmp", "Users", "mnt", "usr", "opt", "var")
"""Where machines keep people's files: a path under any of them must be found out."""


def test_a_good_notebook_passes():
    assert list(problems(PATH, good())) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (put(0, "# 4. Example\n\nA promise.\n\nNext"), "# 3. Title"),
        (put(0, "# 3. Example"), "promise"),
        (put(1, "**You need** it, **You will learn** it, **You get** it"), "in this order"),
        (drop(2), "headings"),
        (drop(5), "headings"),
        (drop(7), "headings"),
        (drop(4), "'parameters'"),
        (put(3, "import fernb"), "asserts fernb.__version__"),
        (put(6, "## Summary\n\n- one"), "summary has 1"),
        (put(8, "## Next\n\n[4](04_gone.ipynb)"), "leads nowhere"),
        (add("x = 1\n" * 31), "31 lines"),
        (add(""), "empty"),
        (add("cv2.imshow('face', image)"), "window"),
        (add("name = input('name')"), "input()"),
        (add("%pip install fernb"), "installing"),
        (add("!pip install fernb"), "installing"),
        (add("# NBVAL_SKIP\nx = 1"), "tags"),
        *((add(f"read('/{root}/me/fer2013.csv')"), "absolute") for root in ROOTS),
        (add(r"read('C:\\faces')"), "absolute"),
        (add("x", outputs=[new_output("stream", name="stdout", text=f"wrote /{ROOTS[0]}/ada/out\n")]), "absolute"),
        (add("x", metadata={"tags": ["nbval_skip"]}), "unknown tags"),
        (add("x", execution_count=None), "execution count None"),
        (add("x", execution_count=7), "execution count 7"),
        (add("1 / 0", outputs=[new_output("error", ename="ZeroDivisionError", evalue="")]), "ZeroDivisionError"),
        (
            add("w", outputs=[new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}})]),
            "widget",
        ),
        (lambda notebook: notebook.metadata.kernelspec.update(name="cv"), "kernel"),
    ],
)
def test_a_bad_notebook_is_found_out(change, complaint):
    notebook = good()
    change(notebook)
    assert any(complaint in problem for problem in problems(PATH, notebook)), list(problems(PATH, notebook))


def finished() -> nbformat.NotebookNode:
    """A lesson with a quiz that keeps all the rules."""
    notebook = good()
    cells = notebook.cells
    cells[1].source = "![a curve](images/03_result.png)\n\n" + cells[1].source
    answer = "<details><summary>Answer</summary>\n\nYes.\n</details>\n\n"
    exercises = []
    for k in range(1, 5):
        stub = f"# exercise 03.{k}\n" + ("def f(x):\n    return ..." if k < 3 else "answer = ...")
        exercises += [
            new_markdown_cell(("## Exercises\n\n" if k == 1 else "") + f"### Exercise 03.{k}: try"),
            new_code_cell(stub, execution_count=2 + 2 * k, metadata={"tags": ["exercise"]}),
            new_code_cell(f'checks.check("03.{k}", {"f" if k < 3 else "answer"})', execution_count=3 + 2 * k),
        ]
    calls = "Sequential()\nConv2D(8)\nm.compile()\nm.fit()\nwith GradientTape():\n    pass\nassert_allclose(1, 1)"
    notebook.cells = [
        *cells[:5],
        new_markdown_cell("**Predict first.** What?"),
        new_code_cell(calls, execution_count=3, metadata={"tags": ["result-image"]}),
        new_markdown_cell("**Predict first.** And now?"),
        *cells[5:7],
        new_markdown_cell("## Quiz\n\n" + 3 * answer),
        *exercises,
        cells[8],
    ]
    return notebook


def picture(folder: Path, size: int = 1000) -> Path:
    """Where the finished lesson lies, with its picture of ``size`` bytes."""
    (folder / "images").mkdir()
    (folder / "images" / "03_result.png").write_bytes(bytes(size))
    return folder / PATH


def test_a_finished_lesson_passes(tmp_path):
    assert list(problems(picture(tmp_path), finished())) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (put(1, "**You will learn** **You need** **You get**"), "must begin with ![words](images/03_result.png)"),
        (drop(5), "1 cells that begin with **Predict first.**"),
        (put(6, "assert_allclose(1, 1)"), "GradientTape"),
        (put(6, "Sequential(Conv2D(8)).compile().fit(GradientTape())"), "held against fernb's"),
        (put(6, "x = 1\n" * 21), "cells of [21] lines"),
        (put(10, "## Quiz\n\n**1.** What?"), "quiz has 0 folded answers"),
        (drop(16), "the code cell after exercise 03.2 must be its check"),
        (drop(14), "there is no heading '### Exercise 03.2"),
        (put(12, "# exercise 03.1\nanswer = ..."), "fewer than two exercises are functions"),
        (put(12, "# exercise 04.1\ndef f(x): ..."), "not 03.1 and so on"),
        (lambda notebook: notebook.cells[6].metadata.update(tags=[]), "tag 'result-image'"),
        (lambda notebook: notebook.cells.insert(9, notebook.cells.pop(10)), "after the summary"),
    ],
)
def test_a_lesson_with_a_quiz_but_without_the_rest_is_found_out(change, complaint, tmp_path):
    notebook = finished()
    change(notebook)
    found = list(problems(picture(tmp_path), notebook))
    assert any(complaint in problem for problem in found), found


def test_a_large_result_picture_is_found_out(tmp_path):
    assert any("bytes" in problem for problem in problems(picture(tmp_path, 200_000), finished()))


@pytest.mark.parametrize(
    "source",
    ["axes.imshow(face)", "plt.imshow(face)", "user_input(1)", "x = a / tmp / b", "url = 'https://x.org/home/me'"],
)
def test_honest_code_is_left_alone(source):
    notebook = good()
    add(source)(notebook)
    assert list(problems(PATH, notebook)) == []


def test_an_unrun_camera_cell_is_fine():
    notebook = good()
    add("live(0)", execution_count=None, metadata={"tags": ["nbval-skip"]})(notebook)
    add("x = 1")(notebook)
    assert list(problems(PATH, notebook)) == []


def test_a_large_file_is_found_out(tmp_path):
    path = tmp_path / "03_example.ipynb"
    notebook = good()
    notebook.cells[5].source += "long " * 300_000
    nbformat.write(notebook, path)
    assert any("bytes" in problem for problem in problems(path, notebook))
