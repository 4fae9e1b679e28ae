"""How often an alarm of tired eyes is right, and how often false: ``results/tired_eyes.json``.

    python benchmarks/tired_eyes.py [--out FILE]

Three films, read five times a second with Haar, and with YuNet where its file is found: a drawn person
who falls asleep at 10 s with the head upright, one who reads a phone for 3 s of every 6 s (the head
25 degrees down about its neck, the lids over the eyes), and the sample clip, whose person is awake. For
each the share of frames with an alarm (from the sleeper's first second of closed eyes on, and before it)
by the eyes alone, and as fernb has it, by eyes and head. Beside them the share of closed and of open
drawn eyes that are read right, and the milliseconds of one core that a look at two eyes takes.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click
import cv2
import numpy as np
from _common import out_option, write

from fernb import config
from fernb.data import synthetic
from fernb.video.fatigue import FatigueMeter
from fernb.video.following import FaceFollower
from fernb.video.reading import FaceReader
from fernb.video.stream import Frame, frames
from fernb.vision.detection import eyes_closed, find_yunet

FPS, ASLEEP_S, SLEEPER_S, PHONE_S = 5, 10.0, 20.0, 24.0
ALARM_S = 13.0  # the sleeper's first whole second of closed eyes is over


def read(film: Iterable[Frame], detector: str) -> list[tuple[float, bool, bool, bool, float]]:
    """Return of each frame with a face: time, eyes closed, alarm by the eyes alone, alarm by all, ms for the eyes."""
    reader, alone, rows = FaceReader(follower=FaceFollower(detector=detector), fatigue=True), FatigueMeter(), []
    for frame, readings in reader.read(film):
        for reading in (readings or [])[:1]:
            start = time.process_time()
            closed = eyes_closed(frame.rgb, reading.face)
            took = 1000 * (time.process_time() - start)
            assert reading.fatigue is not None
            alarm = alone.update(frame.time_s, closed).alarm
            rows.append((frame.time_s, closed, alarm, reading.fatigue.alarm, took))
    return rows


def alarms(rows: list, chosen: Callable[[float], bool]) -> dict[str, float]:
    """Return the share of the frames at ``chosen`` times with an alarm."""
    own = np.array([(alone, both) for time_s, _, alone, both, _ in rows if chosen(time_s)], float)
    return dict(zip(("by_the_eyes_alone", "by_eyes_and_head"), own.mean(0).round(3).tolist(), strict=True))


def right(rows: list, truth: Callable[[float], bool], wanted: bool) -> float:
    """Return the share of the frames with closed (or open) eyes that are read as such."""
    own = [closed == wanted for time_s, closed, *_ in rows if truth(time_s) == wanted]
    return round(float(np.mean(own)), 3)


@click.command(help=__doc__)
@out_option(config.RESULTS / "tired_eyes.json")
def main(out: Path) -> None:
    cv2.setNumThreads(1)
    sleeper = [Frame(i, i / FPS, rgb) for i, rgb in enumerate(synthetic.drowsy_frames(SLEEPER_S, ASLEEP_S, FPS))]
    phone = [Frame(i, i / FPS, rgb) for i, rgb in enumerate(synthetic.phone_frames(PHONE_S, FPS))]
    awake = list(frames(config.SAMPLES / "emotions.mp4", every=1 / FPS))
    result = {}
    for detector in ("haar", "yunet") if find_yunet() else ("haar",):
        asleep, reading, watching = (read(film, detector) for film in (sleeper, phone, awake))
        result[detector] = {
            "sleeper_asleep": alarms(asleep, lambda time_s: time_s >= ALARM_S),
            "sleeper_awake": alarms(asleep, lambda time_s: time_s < ASLEEP_S),
            "phone": alarms(reading, lambda time_s: True),
            "sample_clip": alarms(watching, lambda time_s: True),
            "closed_eyes_right": right(asleep, lambda time_s: synthetic.eyes_closed(time_s, ASLEEP_S), True),
            "open_eyes_right": right(asleep, lambda time_s: synthetic.eyes_closed(time_s, ASLEEP_S), False),
            "ms_for_the_eyes": round(float(np.mean([row[-1] for row in (*asleep, *reading, *watching)])), 1),
        }
    write(out, {"frames_per_s": FPS, **result})


if __name__ == "__main__":
    main()
