"""How many faces a second each network names on one core: ``results/speed.json``.

    python benchmarks/speed.py [--out FILE]

Through :class:`fernb.Recogniser`, one face a call, as a webcam asks. Every turn asks all networks
one after the other, so that what else the machine does falls on all alike; the median turn counts.
"""

import statistics
import time
from pathlib import Path

import click
import numpy as np
from _common import on_one_core, out_option, write

from fernb import Recogniser, config, load_faces
from fernb.app.report import TEACHERS

TURNS, FACES = 15, 100


def faces_per_second(recogniser: Recogniser, faces: np.ndarray) -> float:
    """Ask for one face after the other."""
    start = time.perf_counter()
    for face in faces:
        recogniser.predict(face[None])
    return len(faces) / (time.perf_counter() - start)


@click.command(help=__doc__)
@out_option(config.RESULTS / "speed.json")
def main(out: Path) -> None:
    on_one_core()  # before LiteRT counts the cores
    faces = load_faces("synthetic").test.images[:FACES]
    paths = sorted([*config.MODEL.glob("*.tflite"), *config.MODEL.glob(f"{TEACHERS}/*.tflite")])
    networks = {path.stem: Recogniser(path) for path in paths}
    rates = {name: [] for name in networks}
    for _ in range(TURNS):
        for name, recogniser in networks.items():
            rates[name].append(faces_per_second(recogniser, faces))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    default = medians[config.DEFAULT_MODEL.stem]
    result = {
        "protocol": f"one face a call, {FACES} faces, median of {TURNS} turns",
        "networks": {
            name: {
                "faces_per_s": round(rate),
                "times_the_default": round(rate / default, 2),
                "bytes": path.stat().st_size,
            }
            for path, (name, rate) in zip(paths, medians.items(), strict=True)
        },
    }
    write(out, result)
    for name, row in result["networks"].items():
        print(f"{name:32} {row['faces_per_s']:5} faces/s  {row['times_the_default']:.2f} times the default")


if __name__ == "__main__":
    main()
