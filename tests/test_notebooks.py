"""A lint of the notebooks: the template, and what keeps them running and readable everywhere.

A notebook ``notebooks/NN_name.ipynb`` consists of, in this order:

1. markdown ``# N. Title``, a sentence of promise, links to the notebooks before and after it;
2. markdown with **You will learn**, **You need**, **You get**;
3. markdown ``## Setup``, then code with the imports, an ``assert`` on ``fernb.__version__`` and ``fernb.setup()``;
4. code with the tag ``parameters``: the named knobs, where amounts come from the profile that ``setup`` returns;
5. its lesson;
6. markdown ``## Limits``, ``## Summary`` (3 to 5 bullets), ``## Exercises`` (3 to 5, numbered), ``## Next``.

Code cells have at most 30 lines, the file at most 1 MB, the kernel's name is ``python3``. No windows of
OpenCV, no ``input``, no installing, no absolute paths, in the outputs neither. Every code cell was run, once,
from top to bottom, without an error; only cells tagged ``nbval-skip`` (a camera, a network) may be unrun.
Markers for nbval are cell tags (``nbval-skip``, ``nbval-check-output``, ``raises-exception``), not comments.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import fernb
from fernb import config

FOLDER = config.ROOT / "notebooks"
NOTEBOOKS = sorted([*FOLDER.glob("*.ipynb"), *FOLDER.glob("solutions/*.ipynb")])

MOST_LINES, MAX_BYTES = 30, 1_000_000
TAGS = {"parameters", "nbval-skip", "nbval-check-output", "nbval-ignore-output", "raises-exception"}
GOALS = ("**You will learn**", "**You need**", "**You get**")
SECTIONS = ("Setup", "Limits", "Summary", "Exercises", "Next")
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
    for number, cell in enumerate(notebook.cells):
        where = f"cell {number}"
        if cell.cell_type == "code":
            yield from (f"{where}: {text}" for text in code_problems(cell))
        elif cell.cell_type == "markdown":
            yield from (f"{where}: {text}" for text in link_problems(path, cell.source))
    yield from run_problems(notebook)


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
    for name, mark in (("Summary", r"^[-*] "), ("Exercises", r"^\d+\. ")):
        found = len(re.findall(mark, parts.get(name, ""), re.MULTILINE))
        if name in parts and not 3 <= found <= 5:
            yield f"the {name.lower()} has {found} points, not 3 to 5"

    tagged = [i for i, c in enumerate(cells) if "parameters" in c.metadata.get("tags", [])]
    first = [i for i, c in enumerate(cells) if c.cell_type == "code"][:2]
    if len(tagged) != 1 or tagged != first[1:]:
        yield "the second code cell, and no other, has the tag 'parameters'"
    setup = cells[first[0]].source if first else ""
    if not re.search(r"assert fernb\.__version__\.startswith\(", setup) or "fernb.setup(" not in setup:
        yield "the first code cell asserts fernb.__version__ and calls fernb.setup()"


def sections(cells: list) -> dict[str, str]:
    """The texts under the headings of second level, in their order."""
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    titles = re.split(r"^## (.+?) *$", text, flags=re.MULTILINE)[1:]
    return dict(zip(titles[::2], titles[1::2], strict=True))


def code_problems(cell: nbformat.NotebookNode) -> Iterator[str]:
    if not cell.source.strip():
        yield "empty"
    if (lines := len(cell.source.splitlines())) > MOST_LINES:
        yield f"{lines} lines are more than {MOST_LINES}"
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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_keeps_the_rules(path):
    notebook = nbformat.read(path, as_version=4)
    check = problems if path.parent == FOLDER else solution_problems
    assert list(check(path, notebook)) == []


def solution_problems(path: Path, notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Solutions are no lessons: only what keeps them runnable is asked of them."""
    yield from file_problems(path, notebook)
    for number, cell in enumerate(notebook.cells):
        check = code_problems(cell) if cell.cell_type == "code" else link_problems(path, cell.source)
        yield from (f"cell {number}: {text}" for text in check)


@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p.parent == FOLDER], ids=lambda path: path.stem)
def test_neighbours_are_linked_and_the_version_is_ours(path):
    notebook = nbformat.read(path, as_version=4)
    first, last = notebook.cells[0].source, "\n".join(c.source for c in notebook.cells[-2:])
    lessons = [p.name for p in NOTEBOOKS if p.parent == FOLDER]
    place = lessons.index(path.name)
    if place > 0:
        assert f"]({lessons[place - 1]})" in first, f"link to {lessons[place - 1]} in the first cell"
    if place + 1 < len(lessons):
        assert f"]({lessons[place + 1]})" in first, f"link to {lessons[place + 1]} in the first cell"
        assert f"]({lessons[place + 1]})" in last, f"link to {lessons[place + 1]} under Next"
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
        (put(7, "## Exercises\n\n1. one"), "exercises has 1"),
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
