"""Which committed network suits film: that of FER2013's labels or that of FER+'s votes: ``results/film_network.json``.

    python benchmarks/film_network.py [--data DATA] [--faces N] [--out FILE]

The two know different labels, so only faces of PublicTest count about which both agree: FER2013's label is
that of more than half of FER+'s ten taggers. Each stands still before a poor camera for some frames: the
detector's box trembles in place and size, the light flickers, grain is added. Nothing is smoothed. A network
is right when it says the label, so *contempt*, which only one of them knows, is always wrong. ``same``
is the share of neighbouring frames with the same answer; ``false`` the share of frames in which an emotion is
named that the face does not show.
"""

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from _common import DATA, out_option, write
from _film import in_a_frame, resized

import fernb
from fernb import Recogniser, config, crop_face, load_faces
from fernb.data.faceset import FaceSet
from fernb.labels import EMOTIONS, EMOTIONS_8
from fernb.vision.corruptions import corrupt, noise
from fernb.vision.detection import Detection

NETWORKS = ("my_own_model_int8", "student_int8", "ferplus_int8")
MARGINS = (1.0, 1.1, 1.2)
"""Sides of the crop, as shares of the detector's box; its default is the one between."""

FRAMES, TREMBLE, FLICKER, GRAIN = 8, 0.04, 0.08, 8
"""Frames of each face; the box's and the light's standard deviation, as shares; grey levels of noise."""


def agreed(faces: FaceSet) -> FaceSet:
    """Return the faces whose label more than half of FER+'s taggers gave, too."""
    votes = np.asarray(faces.votes)
    named = votes[:, : len(EMOTIONS)]
    return faces.take((named.argmax(1) == faces.labels) & (named.max(1) * 2 > votes.sum(1)))


def trembling(face: Detection, rng: np.random.Generator, margin: float) -> Detection:
    """Return a box ``margin`` as large as the detector's, moved and scaled at random by a few percent."""
    across, down, scale = rng.normal(0, TREMBLE, 3)
    return resized(replace(face, x=face.x + round(across * face.w), y=face.y + round(down * face.h)), margin + scale)


def films(faces: FaceSet, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Return crops ``(faces, FRAMES, side, side)`` of those that Haar finds, and their labels ``(faces,)``."""
    rng, crops, labels = np.random.default_rng(1), [], []
    for image, label in zip(faces.images, faces.labels, strict=True):
        rgb = in_a_frame(image)
        found = fernb.find_faces(rgb, "haar")
        if found:
            crops.append([crop_face(rgb, trembling(found[0], rng, margin)) for _ in range(FRAMES)])
            labels.append(label)
    lit = np.array(crops) * rng.normal(1, FLICKER, (len(crops), FRAMES, 1, 1))
    grainy = corrupt(lit.clip(0, 255).astype(np.uint8).reshape(-1, *lit.shape[2:]), noise(GRAIN))
    return grainy.reshape(lit.shape), np.array(labels)


def judged(recogniser: Recogniser, crops: np.ndarray, labels: np.ndarray) -> dict:
    """Return how often a network is right, how calm its answers are, and which emotions it makes up."""
    probabilities = recogniser.predict(crops.reshape(-1, *crops.shape[2:]))
    names = np.array(recogniser.labels)[probabilities.argmax(1)].reshape(crops.shape[:2])
    truth = np.array(EMOTIONS)[labels][:, None]
    right = names == truth
    return {
        "accuracy": round(float(right.mean()), 4),
        "standard_error": round(float(right.mean(1).std(ddof=1) / np.sqrt(len(right))), 4),
        "balanced": round(float(np.mean([right[labels == one].mean() for one in np.unique(labels)])), 4),
        "same": round(float((names[:, 1:] == names[:, :-1]).mean()), 4),
        "found": {EMOTIONS[one]: round(float(right[labels == one].mean()), 4) for one in np.unique(labels)},
        "false": {name: round(float(((names == name) & (truth != name)).mean()), 4) for name in EMOTIONS_8},
    }


@click.command(help=__doc__)
@DATA
@click.option("--faces", default=1500, show_default=True, help="Faces of PublicTest about which both agree.")
@out_option(config.RESULTS / "film_network.json")
def main(source: str, faces: int, out: Path) -> None:
    splits = load_faces(source)
    clear = agreed(splits.val)
    chosen = clear.take(np.random.default_rng(0).permutation(len(clear.labels))[:faces])
    networks = [Recogniser(config.MODEL / f"{name}.tflite") for name in NETWORKS]
    result: dict = {"agreed": len(clear.labels), "of": len(splits.val.labels), "frames_of_each_face": FRAMES}
    for margin in MARGINS:
        crops, labels = films(chosen, margin)
        rows = {name: judged(one, crops, labels) for name, one in zip(NETWORKS, networks, strict=True)}
        result[f"margin_{margin:.0%}".rstrip("%")] = {"faces": len(labels), "networks": rows}
        for name, row in rows.items():
            click.echo(f"{margin} {name:18s} {row['accuracy']:.1%} ± {2 * row['standard_error']:.1%}, {row}")
    write(out, result, splits)


if __name__ == "__main__":
    main()
