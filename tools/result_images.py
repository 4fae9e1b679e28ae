"""Write ``notebooks/images/NN_result.png``: the picture a lesson opens with, from the cell that draws it.

    python tools/result_images.py

A lesson's cell with the tag ``result-image`` draws the picture; its last image is taken. ``fernb.setup`` keeps
figures as JPEG; such a one becomes a PNG of 256 colours, which keeps photographs below the size that is allowed.
"""

import base64
import io
from pathlib import Path

import click
import nbformat
from PIL import Image

LESSONS = Path(__file__).resolve().parents[1] / "notebooks"


def result_image(notebook: nbformat.NotebookNode) -> bytes | None:
    """Return the last image of the cell tagged ``result-image`` as PNG, or None where there is none."""
    for cell in notebook.cells:
        if "result-image" in cell.metadata.get("tags", []):
            bundles = [output.get("data", {}) for output in cell.outputs]
            images = [bundle[kind] for bundle in bundles for kind in ("image/png", "image/jpeg") if kind in bundle]
            return _png(base64.b64decode(images[-1])) if images else None
    return None


def _png(data: bytes) -> bytes:
    """Return a PNG as it is, and a JPEG as a PNG of 256 colours."""
    if not data.startswith(b"\xff\xd8"):
        return data
    png = io.BytesIO()
    Image.open(io.BytesIO(data)).quantize(256, kmeans=2).save(png, "png", optimize=True)
    return png.getvalue()


@click.command(help=__doc__)
def main() -> None:
    (LESSONS / "images").mkdir(exist_ok=True)
    for path in sorted(LESSONS.glob("[0-9]*.ipynb")):
        if picture := result_image(nbformat.read(path, as_version=4)):
            (LESSONS / "images" / f"{path.name[:2]}_result.png").write_bytes(picture)


if __name__ == "__main__":
    main()
