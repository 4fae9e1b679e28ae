"""The photograph in ``results/hack_cnn``: one that the network is sure is happy, and its hacked copy that is sad.

    python benchmarks/hack_picture.py [--out FOLDER]

Tries the happy photograph of ``data/samples`` whole, cut to head and shoulders, and mirrored, and
takes the first that the network calls happy with more than 90 % through each detector. With
``FERNB_MODELS`` naming the folder of YuNet's file, the hack holds for both detectors. Writes
``input_image.png``, ``hacked_image.png`` and ``hack.json``. Seconds on two CPU cores.
"""

import tempfile
from pathlib import Path

import click
import numpy as np
from _common import out_option

from fernb import config
from fernb.attacks.photograph import Hacker, hack_file
from fernb.vision.images import read_image, write_image

OUT = config.RESULTS / "hack_cnn"
SURE = 0.9
SOURCE = "eileen_collins.jpg"  # NASA, public domain: data/README.md
VIEWS = {"whole": np.s_[:, :], "head and shoulders": np.s_[:300, 60:360]}


@click.command(help=__doc__)
@out_option(OUT)
def main(out: Path) -> None:
    name, rgb, share = pick(Hacker())
    print(f"{name}: happy {share:.1%}" + ("" if share > SURE else "; none is above 90 %"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SOURCE.replace(".jpg", ".png")
        write_image(path, rgb)
        how = {"command": "python benchmarks/hack_picture.py", "photograph_from": f"data/samples/{SOURCE}, {name}"}
        told = hack_file(path, "sad", out=out, how=how)
    for detector, answers in told["detectors"].items():
        print(f"{detector}: {answers['after']['emotion']} {answers['after']['probabilities']['sad']:.1%}")
    print(told["photograph"])


def pick(hacker: Hacker) -> tuple[str, np.ndarray, float]:
    """Return the first view of the photograph that each detector calls happy with more than 90 %, else the happiest."""
    happy = hacker.number("happy")
    photograph, views = read_image(config.SAMPLES / SOURCE), []
    for mirrored in (False, True):
        for view, part in VIEWS.items():
            rgb = np.ascontiguousarray(photograph[part][:, ::-1] if mirrored else photograph[part])
            share = min(float(face.probabilities[happy]) for face in hacker.look(rgb).values())
            views.append((f"{view}, mirrored" if mirrored else view, rgb, share))
            if share > SURE:
                return views[-1]
    return max(views, key=lambda view: view[2])


if __name__ == "__main__":
    main()
