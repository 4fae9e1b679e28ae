"""What each smoothing costs and brings in film: ``results/smoothing.json``.

    python benchmarks/smoothing.py [--out FILE]

The committed clip, as it is and under two cameras' noise of frames (noise, blur, shaking, flickering
light): how often the shown emotion changes a minute beyond the changes that are drawn, how long after
a drawn change it is shown, how many of these changes are shown at all, and in how many frames the
shown emotion is right, wrong, or *unsure*. A wrong name is worse than none, and half a second late is
hardly seen: so ``chosen`` is the calmest of those that are wrong in at most 5 % of the frames and show
a change within 0.5 s, in the mean of the three.
"""

import itertools
from pathlib import Path

import click
import numpy as np
from _common import out_option, write
from _film import CAMERAS, filmed, truth

from fernb import config
from fernb.video.reading import FaceReader
from fernb.video.smoothing import SMOOTHERS, SteadyOptions, delays, false_flicker, show, smooth

SECONDS = (0.2, 0.4, 0.6, 0.8, 1.2)
MIN_FRAMES = (1, 3)
MEASURES = ("false_changes_a_minute", "delay_s", "changes_shown", "right", "wrong", "unsure")
MAX_WRONG, MAX_DELAY_S = 0.05, 0.5
LOST_S = 3.0  # the delay of a change that is never shown: a drawn emotion's whole time


def answers(noise: float, reader: FaceReader) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return times (n,), raw probabilities (n, k) and the drawn emotion's index of each frame with a face."""
    labels, drawn = reader.recogniser.labels, truth()
    rows = [
        (frame.time_s, readings[0].probs, labels.index(drawn[min(int(frame.time_s), len(drawn) - 1)]))
        for frame, readings in reader.read(filmed(noise))
        if readings
    ]
    times, probs, right = zip(*rows, strict=True)
    return np.array(times), np.array(probs), list(right)


def judged(times: np.ndarray, probs: np.ndarray, right: list[int], kind: str, options: SteadyOptions) -> dict:
    """Return what is seen of one person's answers with one smoothing."""
    smoothed = smooth(times, probs, kind, options.seconds)
    shown = show(smoothed, options.min_frames, options.confidence_threshold)
    late = np.array(delays(times, shown, right))
    hits, unsure = np.mean([a == b for a, b in zip(shown, right, strict=True)]), np.mean([a is None for a in shown])
    return {
        "false_changes_a_minute": round(false_flicker(times, shown, right), 1),
        "delay_s": round(float(np.minimum(late, LOST_S).mean()), 2),
        "changes_shown": round(float(np.isfinite(late).mean()), 3),
        "right": round(float(hits), 4),
        "wrong": round(float(1 - hits - unsure), 4),
        "unsure": round(float(unsure), 4),
    }


@click.command(help=__doc__)
@out_option(config.RESULTS / "smoothing.json")
def main(out: Path) -> None:
    rows: dict[str, dict[str, dict]] = {}
    for camera, noise in CAMERAS.items():
        reader = FaceReader()
        times, probs, right = answers(noise, reader)
        threshold = reader.confidence_threshold
        for kind, seconds, held in itertools.product(SMOOTHERS, SECONDS, MIN_FRAMES):
            if kind == "none" and seconds != SECONDS[0]:
                continue
            options = SteadyOptions(kind, seconds, held, threshold)
            name = f"{kind}, held {held}" if kind == "none" else f"{kind} {seconds} s, held {held}"
            rows.setdefault(name, {})[camera] = judged(times, probs, right, kind, options)
    mean = {name: {key: np.mean([row[key] for row in of.values()]) for key in MEASURES} for name, of in rows.items()}
    fit = [name for name, one in mean.items() if one["wrong"] <= MAX_WRONG and one["delay_s"] <= MAX_DELAY_S]
    fit.sort(key=lambda name: mean[name]["false_changes_a_minute"])
    for name in fit:
        click.echo(f"{name}: {', '.join(f'{key} {value:.3g}' for key, value in mean[name].items())}")
    about = {"network": reader.recogniser.path.name, "chosen": fit[0] if fit else None}
    means = {name: {key: round(float(value), 3) for key, value in one.items()} for name, one in mean.items()}
    write(out, about | {"mean_of_the_cameras": means, "smoothings": rows})


if __name__ == "__main__":
    main()
