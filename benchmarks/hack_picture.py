"""The photograph in ``results/hack_cnn``: one that the network is sure is happy, and its hacked copy that is sad.

    python benchmarks/hack_picture.py

Tries the happy photograph of ``data/samples`` whole, cut to head and shoulders, and mirrored, and
takes the first that the network calls happy with more than 90 %. Writes ``input_image.png``,
``hacked_image.png`` and ``hack.json``. Seconds on two CPU cores.
"""

import tempfile
from pathlib import Path

import numpy as np

from fernb import config
from fernb.attacks.photograph import Answer, ask, hack_file
from fernb.networks.recogniser import Recogniser
from fernb.vision.images import read_image, write_image

OUT = config.RESULTS / "hack_cnn"
SURE = 0.9
SOURCE = "eileen_collins.jpg"  # NASA, public domain: data/README.md
CUTS = {"whole": np.s_[:, :], "head and shoulders": np.s_[:300, 60:360]}


def main() -> None:
    name, rgb, answer = pick(Recogniser())
    share = float(answer.probs.max())
    print(f"{name}: {answer.emotion} {share:.1%}" + ("" if share > SURE else "; none is above 90 %"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SOURCE.replace(".jpg", ".png")
        write_image(path, rgb)
        how = {"command": "python benchmarks/hack_picture.py", "photograph_from": f"data/samples/{SOURCE}, {name}"}
        report = hack_file(path, "sad", OUT, how=how)
    print("hacked:", report["after"]["emotion"], report["after"]["probabilities"]["sad"], report["photograph"])


def pick(recogniser: Recogniser) -> tuple[str, np.ndarray, Answer]:
    """Return the first view of the photograph that is called happy with more than 90 %, else the happiest."""
    happy = recogniser.labels.index("happy")
    photograph, views = read_image(config.SAMPLES / SOURCE), []
    for mirrored in (False, True):
        for cut, part in CUTS.items():
            rgb = np.ascontiguousarray(photograph[part][:, ::-1] if mirrored else photograph[part])
            answer = ask(rgb, recogniser)
            views.append((f"{cut}, mirrored" if mirrored else cut, rgb, answer))
            if answer.probs[happy] > SURE:
                return views[-1]
    return max(views, key=lambda view: view[2].probs[happy])


if __name__ == "__main__":
    main()
