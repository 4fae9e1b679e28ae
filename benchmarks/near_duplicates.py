"""How many test faces have their picture in Training, too: shifted, mirrored or compressed anew?

    python benchmarks/near_duplicates.py [--data DATA] [--out FILE]

Two faces are near-duplicates where their pixels correlate by 0.92 or more, one of them mirrored or not. (Of 58 pairs
of FER2013 between 0.92 and 0.945, 57 were the same picture to the eye; of 55 between 0.90 and 0.92, 47.) Each network
is tested on PrivateTest without those faces, one pass, and the ensembles of ``fernb predict --report`` with flips.
Takes two minutes.
"""

import json
from pathlib import Path

import click
import numpy as np
from _common import DATA, out_option, write
from sklearn.metrics import pairwise_distances_argmin_min

from fernb import config, load_faces
from fernb.app.report import TEACHERS
from fernb.data.faceset import FaceSet, FaceSplits, duplicated
from fernb.data.ferplus import ferplus_splits
from fernb.evaluation import evaluate
from fernb.labels import EMOTIONS, EMOTIONS_8
from fernb.networks.recogniser import Recogniser

ALIKE = 0.92  # correlation


def correlation(faces: FaceSet, others: FaceSet) -> np.ndarray:
    """Return for each of ``faces`` the highest correlation with one of ``others``, mirrored or not: float ``(n,)``."""
    known = _centred(others.images)
    both = [
        1 - pairwise_distances_argmin_min(_centred(images), known, metric="cosine")[1]
        for images in (faces.images, faces.images[:, :, ::-1])
    ]
    return np.maximum(*both)


def _centred(images: np.ndarray) -> np.ndarray:
    pixels = images.reshape(len(images), -1).astype(np.float32)
    return pixels - pixels.mean(1, keepdims=True)


def on_new_faces(splits: FaceSplits, networks: dict[str, Recogniser], team: list[str]) -> dict:
    """Test ``networks``, and those of ``team`` together, on the faces of test that are not like one of train."""
    test, alike = splits.test, correlation(splits.test, splits.train) >= ALIKE
    answers = {name: network.predict(test.images) for name, network in networks.items()}
    answers["ensemble"] = np.mean([networks[name].predict(test.images, flip=True) for name in team], axis=0)
    rows: dict = {"n": int((~alike).sum())}
    for name, probs in answers.items():
        report = evaluate(probs, test.labels, splits.classes, duplicate=alike)
        rows[name] = {key: report[f"{key}_deduplicated"] for key in ("accuracy", "interval")}
    return rows


@click.command(help=__doc__)
@DATA
@out_option(config.MODEL / "near_duplicates.json")
def main(source: str, out: Path) -> None:
    splits = load_faces(source)
    metrics = json.loads((config.MODEL / "metrics.json").read_text(encoding="utf-8"))
    counts = {
        name: {"identical": int(duplicated(part, splits.train).sum()), "near": int((alike >= ALIKE).sum())}
        for name, part in splits.parts().items()
        if name != "train"
        for alike in [correlation(part, splits.train)]
    }
    result: dict = {"correlation": ALIKE, "faces": counts}
    files = [config.MODEL / f"{name}.tflite" for name in metrics["networks"]]
    files += [config.MODEL / TEACHERS / f"{name}.tflite" for name in metrics["teachers"]]
    networks = {file.stem: Recogniser(file) for file in files}
    for key, labels, faces in (("ensemble", EMOTIONS, splits), ("ensemble_votes", EMOTIONS_8, ferplus_splits(splits))):
        same = {name: network for name, network in networks.items() if network.labels == labels}
        result[f"test_of_{len(labels)}"] = on_new_faces(faces, same, metrics[key]["members"])
    write(out, result, splits)


if __name__ == "__main__":
    main()
