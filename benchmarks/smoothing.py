"""What each smoothing costs and brings in film: ``results/smoothing.json``.

    python benchmarks/smoothing.py [--out FILE]

The committed clip, as it is and under three cameras' noise of frames (noise, blur, shaking, flickering
light): how often the shown emotion changes a minute beyond the changes that are drawn, how long after
a drawn change it is shown, how many of these changes are shown at all, and in how many frames the
shown emotion is right, wrong, or *unsure*. Each with every frame read, as ``scan`` does, and with five
a second, as ``live`` does: one default serves both.

A wrong name is worse than none, and half a second late is hardly seen: so those are left out that are
wrong in more than 5 % of the frames or show a change later than after 0.5 s, at either rate, in the
mean of the cameras. The calmest of the rest (mean of cameras and rates) is ``chosen``, for film of
people is more restless than a drawn face. It is the default of
:class:`fernb.video.smoothing.SteadyOptions`. The hidden Markov filter is not chosen, though it can be calmer:
it makes every lasting answer nearly certain, and a confidence that is always high says nothing.
"""

import itertools
from collections.abc import Iterable
from pathlib import Path

import click
import numpy as np
from _common import out_option, write
from _film import CAMERAS, filmed, truth

from fernb import config
from fernb.video.reading import FaceReader
from fernb.video.smoothing import SMOOTHERS, SteadyOptions, delays, false_flicker, show, smooth

MEANS = ("mean", "exponential")  # of the network's answers: a confidence stays one
SECONDS = (0.2, 0.4, 0.6, 0.8, 1.2)
MIN_FRAMES = (1, 3)
MEASURES = ("false_changes_a_minute", "delay_s", "changes_shown", "right", "wrong", "unsure")
MAX_WRONG, MAX_DELAY_S = 0.05, 0.5
NIGHT = {"night": 40.0}  # grey levels of noise, beside the cameras of all benchmarks
RATES = {"each frame": 1, "five a second": 3}  # of the clip's 15 frames a second
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
    rows: dict[str, dict[str, dict[str, dict]]] = {}
    for camera, noise in (CAMERAS | NIGHT).items():
        reader = FaceReader()
        times, probs, right = answers(noise, reader)
        for kind, seconds, held in itertools.product(SMOOTHERS, SECONDS, MIN_FRAMES):
            if kind == "none" and seconds != SECONDS[0]:
                continue
            options = SteadyOptions(kind, seconds, held, reader.confidence_threshold)
            name = f"{kind}, held {held}" if kind == "none" else f"{kind} {seconds} s, held {held}"
            for rate, step in RATES.items():
                one = judged(times[::step], probs[::step], right[::step], kind, options)
                rows.setdefault(name, {}).setdefault(rate, {})[camera] = one
    by_rate = {name: {rate: mean(of.values()) for rate, of in row.items()} for name, row in rows.items()}
    both = {name: mean(row.values()) for name, row in by_rate.items()}
    about = {"network": reader.recogniser.path.name, "chosen": choice(by_rate, both)}
    write(out, about | {"mean_of_the_cameras": both, "by_rate": by_rate, "smoothings": rows})


def mean(judgements: Iterable[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each measure."""
    rows = list(judgements)
    return {key: round(float(np.mean([row[key] for row in rows])), 4) for key in MEASURES}


def choice(by_rate: dict[str, dict[str, dict]], both: dict[str, dict]) -> str | None:
    """Return the smoothing that the rule above chooses."""

    def fits(row: dict[str, float]) -> bool:
        return row["wrong"] <= MAX_WRONG and row["delay_s"] <= MAX_DELAY_S

    fit = [name for name, rates in by_rate.items() if name.startswith(MEANS) and all(map(fits, rates.values()))]
    fit.sort(key=lambda name: both[name]["false_changes_a_minute"])
    for name in fit:
        click.echo(f"{name}: {', '.join(f'{key} {value:.3g}' for key, value in both[name].items())}")
    return fit[0] if fit else None


if __name__ == "__main__":
    main()
