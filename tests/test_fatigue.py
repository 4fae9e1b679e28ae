"""Closed eyes over time: the arithmetic by hand, and a drawn person who falls asleep."""

import numpy as np
import pytest

from fernb import config
from fernb.data import synthetic
from fernb.video import fatigue
from fernb.video.fatigue import EyeWatch, FatigueMeter
from fernb.vision.detection import Detection, eyes_closed, find_faces
from fernb.vision.images import read_image


def follow(meter: FatigueMeter, closed: list[bool], fps: float):
    return [meter.update(step / fps, shut) for step, shut in enumerate(closed)]


def test_share_and_spell_by_hand():
    states = follow(FatigueMeter(window=10), [False, True, True, False, True], fps=2)
    assert [state.closed_s for state in states] == [0, 0.5, 1.0, 0, 0.5]
    assert [state.closed_share for state in states] == pytest.approx([0, 1, 1, 2 / 3, 3 / 4])


def test_a_single_misread_frame_is_no_break():
    spell = [True] * 20 + [False, False] + [True] * 20  # at 30 frames a second
    assert follow(FatigueMeter(), [False, *spell], fps=30)[-1].alarm
    awake = [True] * 20 + [False] * 6 + [True] * 20
    assert not follow(FatigueMeter(), [False, *awake], fps=30)[-1].alarm


def test_what_left_the_window_is_forgotten():
    states = follow(FatigueMeter(window=5), [True] * 10 + [False] * 40, fps=5)
    assert states[9].closed_share == 1 and states[-1].closed_share == 0


@pytest.mark.parametrize("fps", [2, 5, 30])
def test_blinks_give_no_alarm_and_long_spells_do(fps):
    """Fifteen blinks of 0.2 s a minute are normal; a frame rate below 5 sees some and misses some."""
    times = np.arange(60 * fps) / fps
    awake = follow(FatigueMeter(), list((times + 0.01) % 4 < 0.2), fps)
    assert not any(state.alarm for state in awake[round(10 * fps) :])
    asleep = follow(FatigueMeter(), list(times > 30), fps)
    first = next(times[i] for i, state in enumerate(asleep) if state.alarm)
    assert 31 <= first <= 32


def test_a_gap_says_nothing_about_the_eyes():
    meter = FatigueMeter()
    meter.update(0.0, True)
    state = meter.update(20.0, True)
    assert (state.closed_share, state.closed_s, state.alarm) == (0, 0, False)


def alarms_of(monkeypatch, heights: list[int], closed: list[bool], noses: list[float] | None = None) -> list[bool]:
    """Return the alarms for a face of 100 pixels at 10 frames a second, its middle at ``heights`` pixels."""
    shut = iter(closed)
    monkeypatch.setattr(fatigue, "eyes_closed", lambda rgb, face: next(shut))
    watch, answer = EyeWatch(), []
    for i, height in enumerate(heights):
        marks = None
        if noses is not None:
            marks = np.float32([[30, 40], [70, 40], [50, 40 + 40 * noses[i]], [35, 80], [65, 80]])
        face = Detection(0, height - 50, 100, 100, 1.0, landmarks=marks)
        answer.append(watch(np.zeros((1, 1), np.uint8), face, i / 10).alarm)
    return answer


def test_a_head_that_looks_down_raises_no_alarm(monkeypatch):
    """Reading a phone for three seconds of every six was an alarm after the first second of it."""
    down = [i % 60 >= 30 for i in range(600)]
    assert not any(alarms_of(monkeypatch, [225 if one else 200 for one in down], down))
    assert not any(alarms_of(monkeypatch, [200] * 600, down, [0.7 if one else 0.53 for one in down]))
    awake = [one and i % 10 > 0 for i, one in enumerate(down)]  # the eyes are found now and then, looking down
    assert not any(alarms_of(monkeypatch, [225 if one else 200 for one in down], awake))


def test_an_upright_sleeper_raises_the_alarm_wherever_the_head_is(monkeypatch):
    asleep = [i >= 300 for i in range(330)]
    assert any(alarms_of(monkeypatch, [200] * 330, asleep))
    assert any(alarms_of(monkeypatch, [200] * 330, asleep, [0.53] * 330))
    assert any(alarms_of(monkeypatch, [200 + (i > 20) * 100 for i in range(330)], asleep))  # sat down, then slept
    slumped = [200 + (i > 20) * 20 for i in range(330)]  # a fifth of a face lower, with open eyes
    assert any(alarms_of(monkeypatch, slumped, asleep))


def test_open_eyes_of_real_people_are_seen():
    rgb = read_image(config.SAMPLES / "eileen_collins.jpg")
    assert not eyes_closed(rgb, find_faces(rgb, "haar")[0])


def test_a_drawn_person_who_falls_asleep():
    fps, drowsy_from = 5, 10
    meter, seen, true, alarms, times = FatigueMeter(), [], [], [], []
    for step, rgb in enumerate(synthetic.drowsy_frames(20, drowsy_from, fps)):
        time_s = step / fps
        faces = find_faces(rgb, "haar")
        if not faces:
            continue
        closed = eyes_closed(rgb, faces[0])
        seen.append(closed)
        true.append(synthetic.eyes_closed(time_s, drowsy_from))
        times.append(time_s)
        alarms.append(meter.update(time_s, closed).alarm)
    seen, true = np.array(seen), np.array(true)
    assert len(times) >= 95 and (seen == true).mean() > 0.9
    assert seen[true].mean() > 0.95  # a quarter passed for open: lashes, or a brow
    before = [alarm for time_s, alarm in zip(times, alarms, strict=True) if time_s < drowsy_from]
    assert not any(before) and any(alarms)  # the first spell of 1.5 s begins at 12 s
    assert times[alarms.index(True)] < 17
