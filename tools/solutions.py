"""Solution notebooks and trial runs, from the lessons and ``notebooks/solutions/NN.py``.

A lesson's exercise is a code cell with the tag ``exercise`` and the first line ``# exercise NN.K``; the code
cell after it holds its check. Its solution stands once, in ``notebooks/solutions/NN.py``, after a line
``# %% NN.K``, and takes the cell's place.

    python tools/solutions.py                        # writes notebooks/solutions/NN_*.ipynb
    python tools/solutions.py --trial OUT LESSON...  # writes what CI runs

A trial runs a lesson once, as its reader gets it. After each check, which must say *not tried yet*, it runs
the solution and the check again, which must say *right*.
"""

import copy
import re
import sys
from pathlib import Path

import click
import nbformat
from nbformat.v4 import new_output

LESSONS = Path(__file__).parents[1] / "notebooks"
EXERCISE = re.compile(r"# exercise (\d\d\.\d+)$", re.MULTILINE)
LINK = re.compile(r"(\]\(|(?:src|href)=\")(?!https?:|#|mailto:|attachment:|data:)")


def read_solutions(path: Path) -> dict[str, str]:
    """Return the code of each solution in a file of ``# %% NN.K`` blocks; none where there is no file."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    parts = re.split(r"^# %% (\d\d\.\d+) *$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))


def solutions_of(lesson: Path) -> dict[str, str]:
    """Return the solutions of a lesson's notebook."""
    return read_solutions(LESSONS / "solutions" / f"{lesson.name[:2]}.py")


def exercise_number(cell: nbformat.NotebookNode) -> str | None:
    """Return the number of the exercise that a cell is, such as ``"01.3"``, or None."""
    if cell.cell_type != "code" or "exercise" not in cell.metadata.get("tags", []):
        return None
    found = EXERCISE.match(cell.source)
    if not found:
        raise SystemExit(f"the first line of an exercise is '# exercise NN.K', not {cell.source.splitlines()[0]!r}")
    return found[1]


def solve(lesson: nbformat.NotebookNode, solutions: dict[str, str]) -> nbformat.NotebookNode:
    """Return a lesson with its exercises solved, without outputs, to lie one folder deeper."""
    solved = copy.deepcopy(lesson)
    for cell in solved.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(r"\1../", cell.source)
            continue
        cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("execution", None)
        if number := exercise_number(cell):
            cell.source = solutions[number]
    return solved


def trial(lesson: nbformat.NotebookNode, solutions: dict[str, str]) -> nbformat.NotebookNode:
    """Return a lesson that tries each exercise twice: as it stands, then with its solution."""
    cells, number = [], None
    for cell in lesson.cells:
        if cell.cell_type == "code" and number:
            cells += _expecting(cell, f"{number} · not tried yet"), nbformat.v4.new_code_cell(solutions[number])
            cells.append(_expecting(cell, f"{number} · right"))
        else:
            cells.append(cell)
        number = exercise_number(cell) if cell.cell_type == "code" else number
    return nbformat.v4.new_notebook(cells=cells, metadata=lesson.metadata)


def _expecting(check: nbformat.NotebookNode, line: str) -> nbformat.NotebookNode:
    """Return a cell whose output nbval compares with ``line``."""
    return nbformat.v4.new_code_cell(
        check.source,
        execution_count=1,
        metadata={"tags": ["nbval-check-output"]},
        outputs=[new_output("stream", name="stdout", text=f"{line}\n")],
    )


@click.command(help=__doc__)
@click.option("--trial", "folder", type=click.Path(path_type=Path), help="Write trials of the lessons there.")
@click.argument("lessons", type=click.Path(path_type=Path), nargs=-1)
def main(folder: Path | None, lessons: tuple[Path, ...]) -> None:
    out = folder or LESSONS / "solutions"
    out.mkdir(parents=True, exist_ok=True)
    for path in lessons or sorted(LESSONS.glob("[0-9]*.ipynb")):
        solutions = solutions_of(path)
        if folder or solutions:
            make = trial if folder else solve
            nbformat.write(make(nbformat.read(path, as_version=4), solutions), out / path.name)
            print(f"{out / path.name}: {len(solutions)} solutions", file=sys.stderr)


if __name__ == "__main__":
    main()
