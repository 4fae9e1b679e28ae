"""Draw the sample clip, one person who shows all seven emotions, and its labels.

    python tools/draw_clip.py [--out data/samples]

Writes ``emotions.mp4``, 21 seconds of 640×480 at 15 frames a second, three seconds to an emotion,
and ``emotions.csv`` with the columns ``second`` (0 to 20) and ``emotion``.
"""

import csv
from pathlib import Path

import click

from fernb import config
from fernb.data.synthetic import CLIP_FPS, CLIP_ORDER, CLIP_SECONDS, clip_frames
from fernb.files import atomic_write
from fernb.video.writer import VideoWriter


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), default=config.SAMPLES, help="The folder of the samples.")
def main(out: Path) -> None:
    with VideoWriter(out / "emotions.mp4", CLIP_FPS) as video:
        for frame in clip_frames():
            video.add(frame)
    with atomic_write(out / "emotions.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["second", "emotion"])
        rows.writerows((second, CLIP_ORDER[second // CLIP_SECONDS]) for second in range(CLIP_SECONDS * len(CLIP_ORDER)))


if __name__ == "__main__":
    main()
