"""What a folder of trained networks is worth: metrics, figures and a model card. ``fernb predict --report``.

Nothing in it is typed by hand: figures come from the networks' files and the faces, words from
the side-cars. Taught in notebook 03.
"""

import os
from pathlib import Path

from fernb.app.report.figures import draw
from fernb.app.report.metrics import MAIN, TEACHERS, measure, sidecars
from fernb.app.report.texts import architecture, model_card
from fernb.data.faceset import FaceSplits
from fernb.errors import DataError
from fernb.files import write_json, write_text
from fernb.networks.sidecar import read_sidecar

__all__ = ["MAIN", "TEACHERS", "write_report"]


def write_report(folder: str | os.PathLike, splits: FaceSplits, command: str) -> list[Path]:
    """Judge every network of ``folder`` that ``fernb train`` made, and write what came out beside them.

    Writes ``metrics.json``, ``learning_curves_all.png``, ``reliability.png``, ``robustness.png``,
    ``NAME_architecture.txt`` for each network, of :data:`MAIN` also ``model_card.md``, ``learning_curves.png``,
    ``confusion_matrix.png`` and ``architecture.png``, and ``ablation.png`` where there is an ``ablation.csv``;
    returns their paths. ``NAME_decisions.txt``, where it is there, opens a network's ``NAME_architecture.txt``;
    figures of any network or teacher are filled in there: ``{NAME[test][accuracy]:.1%}``.
    Raises :class:`~fernb.errors.DataError` where no network is.
    """
    folder = Path(folder)
    found = sidecars(folder)
    if not found:
        raise DataError(f"there is no network of `fernb train` in {folder}; name the folder where it saved one.")
    metrics = {"command": command} | measure(folder, found, splits)
    write_json(folder / "metrics.json", metrics)
    networks = metrics["networks"]
    written = [folder / "metrics.json", *draw(folder, found, networks, splits.source)]
    transferred = sidecars(folder, transferred=True)
    others = transferred | {path.stem: read_sidecar(path) for path in (folder / TEACHERS).glob("*.json")}
    judged = networks | {name: one["metrics"] | one for name, one in others.items()}
    for name, sidecar in (found | transferred).items():
        written.append(folder / f"{name}_architecture.txt")
        write_text(written[-1], architecture(folder, name, sidecar, judged))
    if MAIN in networks:
        written.append(folder / "model_card.md")
        write_text(written[-1], model_card(found[MAIN], metrics))
    return written
