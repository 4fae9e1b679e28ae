"""What makes solution notebooks, trial runs, result pictures and badges out of the lessons."""

import base64
import io
import re
import subprocess
import sys

import badges
import nbformat
import pytest
import result_images
import solutions
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image, ImageChops

from fernb import config

STUB = "# exercise 99.1\ndef twice(x):\n    return ..."
SOLVED = "# exercise 99.1\ndef twice(x):\n    return 2 * x"


def lesson() -> nbformat.NotebookNode:
    cells = [
        new_markdown_cell("# 99. Example\n\n[back](01_a.ipynb) [web](https://x.org) [here](#x) ![p](images/p.png)"),
        new_code_cell("a = 1", execution_count=1, outputs=[new_output("stream", text="1\n")]),
        new_code_cell(STUB, execution_count=2, metadata={"tags": ["exercise"]}),
        new_code_cell('checks.check("99.1", twice)', execution_count=3),
        new_code_cell("b = 2", execution_count=4),
    ]
    return new_notebook(cells=cells)


def test_solutions_are_read_by_their_numbers(tmp_path):
    path = tmp_path / "99.py"
    assert solutions.read_solutions(path) == {}
    path.write_text(f"# A note.\n\n# %% 99.1\n{SOLVED}\n\n\n# %% 99.2\nanswer = 3\n")
    assert solutions.read_solutions(path) == {"99.1": SOLVED, "99.2": "answer = 3"}


def test_a_solved_lesson_differs_in_its_exercises_only():
    notebook = lesson()
    solved = solutions.solve(notebook, {"99.1": SOLVED})
    assert [cell.source for cell in solved.cells[1:]] == ["a = 1", SOLVED, 'checks.check("99.1", twice)', "b = 2"]
    links = "[back](../01_a.ipynb) [web](https://x.org) [here](#x) ![p](../images/p.png)"
    assert solved.cells[0].source.endswith(links)
    assert all(cell.execution_count is None and not cell.outputs for cell in solved.cells[1:])
    assert notebook.cells[1].outputs, "the lesson itself stays"


def test_a_trial_runs_each_check_before_and_after_the_solution():
    tried = solutions.trial(lesson(), {"99.1": SOLVED}).cells[1:]
    check = 'checks.check("99.1", twice)'
    assert [cell.source for cell in tried] == ["a = 1", STUB, check, SOLVED, check, "b = 2"]
    assert [tried[i].outputs[0].text for i in (2, 4)] == ["99.1 · not tried yet\n", "99.1 · right\n"]
    assert all(tried[i].metadata.tags == ["nbval-check-output"] for i in (2, 4))


@pytest.mark.parametrize("said", ["right", "not yet: look again"])
def test_nbval_finds_out_a_solution_that_is_not_right(said, tmp_path):
    notebook = lesson()
    notebook.cells[3].source = f"print('99.1 ·', 'not tried yet' if twice(1) is ... else {said!r})"
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    path = tmp_path / "trial.ipynb"
    nbformat.write(solutions.trial(notebook, {"99.1": SOLVED}), path)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env", path]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (ran.returncode == 0) == (said == "right"), ran.stdout


def test_an_exercise_without_its_number_is_one_sentence():
    cell = new_code_cell("def twice(x): ...", metadata={"tags": ["exercise"]})
    with pytest.raises(SystemExit, match="first line of an exercise"):
        solutions.exercise_number(cell)


def test_the_result_picture_is_the_tagged_cells_last():
    notebook = lesson()
    assert result_images.result_image(notebook) is None
    pictures = [new_output("display_data", {"image/png": base64.b64encode(data).decode()}) for data in (b"a", b"b")]
    notebook.cells[1].update(outputs=pictures, metadata={"tags": ["result-image"]})
    assert result_images.result_image(notebook) == b"b"


def test_a_jpeg_becomes_a_result_image_too():
    file = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(file, "jpeg")
    jpeg = new_output("display_data", {"image/jpeg": base64.b64encode(file.getvalue()).decode()})
    notebook = lesson()
    notebook.cells[1].update(outputs=[jpeg], metadata={"tags": ["result-image"]})
    with Image.open(io.BytesIO(result_images.result_image(notebook))) as png:
        assert (png.format, png.size) == ("PNG", (8, 6))


def test_the_opening_picture_of_lesson_6_is_that_of_its_committed_run():
    path = config.ROOT / "notebooks" / "06_hack_the_cnn.ipynb"  # its titles say the network's answers
    drawn = result_images.result_image(nbformat.read(path, as_version=4))
    with Image.open(io.BytesIO(drawn)) as run, Image.open(path.parent / "images" / "06_result.png") as opening:
        assert opening.size == run.size, "run `python tools/result_images.py`"
        assert ImageChops.difference(opening.convert("RGB"), run.convert("RGB")).getbbox() is None


def test_badges_replace_older_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(badges, "ROOT", tmp_path)
    path = tmp_path / "notebooks" / "99_example.ipynb"
    path.parent.mkdir()
    nbformat.write(lesson(), path)
    for repository in ("ada/old", "ada/fernb"):
        monkeypatch.setattr(sys, "argv", ["badges.py", repository, str(path)])
        badges.main(standalone_mode=False)
    text = nbformat.read(path, as_version=4).cells[0].source
    assert text.startswith("# 99. Example") and "ada/old" not in text
    assert text.count("ada/fernb/HEAD?labpath=notebooks%2F99_example.ipynb") == 1
    assert text.count("github/ada/fernb/blob/main/notebooks/99_example.ipynb") == 1
    monkeypatch.setattr(sys, "argv", ["badges.py", "", str(path)])
    with pytest.raises(SystemExit, match="owner/name"):
        badges.main(standalone_mode=False)


def test_the_site_shows_every_page_and_runs_nothing():
    text = (config.ROOT / "book" / "conf.py").read_text(encoding="utf-8")
    assert 'nb_execution_mode = "off"' in text
    index = (config.ROOT / "book" / "index.md").read_text(encoding="utf-8")
    for page in ("00_start_here", "0[1-9]*", "more/*", "solutions/*", "glossary", "TEACHING"):
        assert f"../notebooks/{page}" in index


def test_the_glossary_is_sorted_and_explains_each_term_once():
    text = (config.ROOT / "notebooks" / "glossary.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    entries = [re.fullmatch(r"- \*\*(.+?)\*\* \(([0-9a-z, ]+)\): (.+\.)", line) for line in lines]
    assert len(entries) > 100 and all(entries), [line for line, entry in zip(lines, entries, strict=True) if not entry]
    words = [entry[1].casefold().replace("ε", "epsilon") for entry in entries]
    firsts = [re.sub(r"[^a-z0-9]+", " ", word.split(",")[0]) for word in words]
    assert firsts == sorted(firsts)
    terms = [term.strip() for word in words for term in word.split(",")]
    assert sorted(terms) == sorted(set(terms))
