"""Put links to Binder and Colab into the first cell of each notebook.

    python tools/badges.py OWNER/NAME notebooks/*.ipynb      # the repository on GitHub

Called again, it replaces the links. What differs on Binder and Colab stands in notebooks/00_start_here.ipynb.
"""

import re
from pathlib import Path

import click
import nbformat

ROOT = Path(__file__).resolve().parents[1]
BADGES = re.compile(r"\n\n\[!\[Open in Binder\].*")


def badges(repository: str, path: str) -> str:
    """Return the line of Markdown for the notebook at ``path``, relative to the repository."""
    binder = f"https://mybinder.org/v2/gh/{repository}/HEAD?labpath={path.replace('/', '%2F')}"
    colab = f"https://colab.research.google.com/github/{repository}/blob/main/{path}"
    return (
        f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder}) "
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})"
    )


@click.command(help=__doc__)
@click.argument("repository")
@click.argument("notebooks", nargs=-1)
def main(repository: str, notebooks: tuple[str, ...]) -> None:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise SystemExit(f"name the repository as owner/name, not {repository!r}: make badges REPOSITORY=owner/name")
    for name in notebooks:
        path = Path(name).resolve()
        notebook = nbformat.read(path, as_version=4)
        first = notebook.cells[0]
        line = badges(repository, path.relative_to(ROOT).as_posix())
        first.source = f"{BADGES.sub('', first.source).rstrip()}\n\n{line}"
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
