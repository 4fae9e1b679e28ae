"""What asking more than once brings: ``results/model/tta.json``.

    python benchmarks/test_time_augmentation.py [--data DATA] [--out FILE]

Every network of seven emotions, and all of them together, in one pass, with flips, and in ten
crops (Krizhevsky et al. 2012): the four corners and the middle of the face, and their mirror
images. Their side is chosen on val with the default network; test is looked at for it alone.
"""

from pathlib import Path

import click
import cv2
import numpy as np
from _common import DATA, out_option, write

from fernb import EMOTIONS, Recogniser, config, load_faces
from fernb.evaluation import evaluate
from fernb.networks.sidecar import INT8

SIDES = (46, 44, 42)
"""Sides of the crops to choose from, in pixels."""


def crops(faces: np.ndarray, side: int) -> list[np.ndarray]:
    """Return the four corners and the middle of ``faces`` uint8 ``(n, 48, 48)``, each enlarged to 48x48 again."""
    free = faces.shape[1] - side
    places = [(0, 0), (0, free), (free, 0), (free, free), (free // 2, free // 2)]
    return [
        np.stack([cv2.resize(face[top : top + side, left : left + side], face.shape) for face in faces])
        for top, left in places
    ]


def answers(recogniser: Recogniser, faces: np.ndarray, side: int) -> np.ndarray:
    """Return the mean answer to the ten crops of each face."""
    return np.mean([recogniser.predict(crop, flip=True) for crop in crops(faces, side)], axis=0)


@click.command(help=__doc__)
@DATA
@out_option(config.MODEL / "tta.json")
def main(source: str, out: Path) -> None:
    splits = load_faces(source)
    files = sorted(path for path in config.MODEL.glob("*.tflite") if not path.stem.endswith(INT8))
    networks = {path.stem: network for path in files if (network := Recogniser(path)).labels == EMOTIONS}

    default = networks[config.DEFAULT_MODEL.stem]
    val = {side: answers(default, splits.val.images, side) for side in SIDES}
    right = {side: evaluate(probs, splits.val.labels)["accuracy"] for side, probs in val.items()}
    side = max(right, key=right.get)
    ways = {
        "one pass": lambda network, faces: network.predict(faces),
        "flips": lambda network, faces: network.predict(faces, flip=True),
        "ten crops": lambda network, faces: answers(network, faces, side),
    }
    rows = {}
    for way, ask in ways.items():
        probs = {name: ask(network, splits.test.images) for name, network in networks.items()}
        probs["all together"] = np.mean(list(probs.values()), axis=0)
        for name, answer in probs.items():
            report = evaluate(answer, splits.test.labels)
            rows.setdefault(name, {})[way] = {key: report[key] for key in ("accuracy", "interval")}
            print(f"{name:16} {way:10} {report['accuracy']:.2%}", flush=True)
    result = {
        "protocol": "side of the crops chosen on PublicTest with the default network; PrivateTest at that side only",
        "side": side,
        "val_by_side": right,
        "test": rows,
    }
    write(out, result, splits)


if __name__ == "__main__":
    main()
