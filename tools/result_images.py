"""Write ``notebooks/images/NN_result.png``: the picture a lesson opens with, from the cell that draws it.

    python tools/result_images.py

A lesson's cell with the tag ``result-image`` draws the picture; its last image is taken as it was rendered.
"""

import base64
from pathlib import Path

import nbformat

LESSONS = Path(__file__).resolve().parents[1] / "notebooks"


def result_image(notebook: nbformat.NotebookNode) -> bytes | None:
    """Return the last PNG of the cell tagged ``result-image``, or None where there is none."""
    for cell in notebook.cells:
        if "result-image" in cell.metadata.get("tags", []):
            pictures = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
            return base64.b64decode(pictures[-1]) if pictures else None
    return None


def main() -> None:
    """Write the pictures of all lessons that have one."""
    (LESSONS / "images").mkdir(exist_ok=True)
    for path in sorted(LESSONS.glob("[0-9]*.ipynb")):
        if picture := result_image(nbformat.read(path, as_version=4)):
            (LESSONS / "images" / f"{path.name[:2]}_result.png").write_bytes(picture)


if __name__ == "__main__":
    main()
