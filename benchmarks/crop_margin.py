"""How much around a detector's box the network should see: ``results/crop_margin.json``.

    python benchmarks/crop_margin.py [--data DATA] [--faces N] [--model FILE] [--out FILE]

A network learns from FER2013's own crops, and reads what a detector's box cuts out of a frame. So faces
of PublicTest, three times enlarged with their edges repeated around them, are searched as a frame is,
and read with boxes that are smaller and larger by some share: accuracy, and the same under a camera's
noise. ``box_of_face`` is the side of the found box as a share of FER2013's. The same boxes are tried on
the drawn clip under two cameras' noise, as a check. ``best`` is the scale that is best on PublicTest.
"""

from pathlib import Path

import click
import numpy as np
from _common import DATA, out_option, write
from _film import CAMERAS, ZOOM, filmed, in_a_frame, resized, truth

import fernb
from fernb import Recogniser, config, crop_face, load_faces
from fernb.evaluation import wilson
from fernb.recognition import recognise_faces
from fernb.video.following import FaceFollower
from fernb.video.reading import video_recogniser
from fernb.vision.corruptions import corrupt, noise

SCALES = (0.9, 1.0, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4)
"""Sides of the crop, as shares of the detector's box."""


def of_fer2013(recogniser: Recogniser, images: np.ndarray, labels: np.ndarray) -> dict:
    """Return what the detector's boxes are to FER2013's, and the accuracy at each scale."""
    found, own = [], []
    for image, label in zip(images, labels, strict=True):
        rgb = in_a_frame(image)
        faces = fernb.find_faces(rgb, "haar")
        if faces:
            found.append((rgb, faces[0], label))
            own.append(image)
    right, shares = np.array([label for *_, label in found]), [face.w / (ZOOM * 48) for _, face, _ in found]

    def accuracy(crops: np.ndarray) -> dict:
        """Return it for clean and for noisy crops, with the interval of the clean ones."""
        hits = int((recogniser.predict(crops).argmax(1) == right).sum())
        noisy = recogniser.predict(corrupt(crops, noise(8))).argmax(1) == right
        return {
            "accuracy": round(hits / len(right), 4),
            "interval": [round(value, 4) for value in wilson(hits, len(right))],
            "with_noise": round(float(noisy.mean()), 4),
        }

    return {
        "faces": len(images),
        "found": len(found),
        "box_of_face": [round(float(value), 3) for value in np.percentile(shares, (10, 50, 90))],
        "own_crop": accuracy(np.array(own)),
        "scales": {
            str(scale): accuracy(np.array([crop_face(rgb, resized(face, scale)) for rgb, face, _ in found]))
            for scale in SCALES
        },
    }


def of_film(recogniser: Recogniser, level: float) -> dict[str, float]:
    """Return the share of the drawn clip's frames that are read right at each scale."""
    follower, drawn = FaceFollower(detector="haar"), truth()
    right: dict[str, list[bool]] = {str(scale): [] for scale in SCALES}
    for frame in filmed(level):
        tracks = follower(frame)[:1]
        for scale in SCALES:
            boxes = [resized(track.steady, scale) for track in tracks]
            for face in recognise_faces(frame.rgb, boxes, recogniser):
                right[str(scale)].append(face.emotion == drawn[min(int(frame.time_s), len(drawn) - 1)])
    return {scale: round(float(np.mean(hits)), 4) for scale, hits in right.items()}


@click.command(help=__doc__)
@DATA
@click.option("--faces", default=1000, show_default=True, help="Faces of PublicTest.")
@click.option("--model", type=click.Path(path_type=Path, exists=True), help="Default: the network for film.")
@out_option(config.RESULTS / "crop_margin.json")
def main(source: str, faces: int, model: Path | None, out: Path) -> None:
    splits = load_faces(source)
    recogniser = Recogniser(model) if model else video_recogniser()
    picked = np.random.default_rng(0).permutation(len(splits.val.labels))[:faces]
    real = of_fer2013(recogniser, splits.val.images[picked], splits.val.labels[picked])
    film = {camera: of_film(recogniser, level) for camera, level in CAMERAS.items()}
    means = {scale: (row["accuracy"] + row["with_noise"]) / 2 for scale, row in real["scales"].items()}
    best = max(means, key=lambda scale: means[scale])
    result = {"network": recogniser.path.name, "best": best, "fer2013": real, "drawn_clip": film}
    write(out, result, splits)
    for scale, row in real["scales"].items():
        click.echo(f"{scale}: {row}, film {', '.join(f'{one[scale]:.1%}' for one in film.values())}")
    click.echo(f"box of face {real['box_of_face']}, own crop {real['own_crop']}, best {best}")


if __name__ == "__main__":
    main()
