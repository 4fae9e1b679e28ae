"""A long video in parts: the table is the same in one process or in three, and nearly that of one long reading."""

import os
import signal

import cv2
import numpy as np
import pandas as pd
import pytest

from fernb import runtime
from fernb.app import samples
from fernb.errors import VideoError
from fernb.video import parts
from fernb.video.parts import Joint, Sighting, Span
from fernb.video.reading import FaceReader
from fernb.video.scan import scan
from fernb.video.smoothing import SteadyOptions
from fernb.video.stream import VideoInfo

CUT = Span(part_s=3.0, lead_s=2.0)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Twelve seconds of two people; one of them is away for three, across the second border."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (640, 360))
    for rgb in samples.two_people(12, 10, away=(4.5, 7.5)):
        writer.write(np.ascontiguousarray(rgb[..., ::-1]))
    writer.release()
    return path


def table(film, out, span, monkeypatch, **options) -> pd.DataFrame:
    monkeypatch.setattr(parts, "whole", lambda reader: span)
    (path,) = scan(film, out, FaceReader(), kinds=("csv",), **options)
    return pd.read_csv(path)


@pytest.fixture(scope="module")
def joined(film, tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        return table(film, tmp_path_factory.mktemp("one"), CUT, monkeypatch)


def test_three_processes_write_the_same_table_as_one(film, joined, tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "cores", lambda: 3)
    told = []
    three = table(
        film, tmp_path, CUT, monkeypatch, again=FaceReader, progress=lambda done_s, length_s: told.append(done_s)
    )
    pd.testing.assert_frame_equal(three, joined)
    assert [path.name for path in tmp_path.glob("film*")] == ["film.csv"]
    assert told and 0 <= told[-1] <= 12


def test_the_parts_give_nearly_the_table_of_one_long_reading(film, joined, tmp_path, monkeypatch):
    unbroken = table(film, tmp_path / "unbroken", Span(part_s=np.inf), monkeypatch)
    assert joined["frame"].unique().tolist() == unbroken["frame"].unique().tolist() == list(range(120))
    both = joined.merge(unbroken, on=["frame", "track"], suffixes=("", "_whole"))
    assert len(both) >= 0.97 * len(unbroken) and set(joined["track"]) == set(unbroken["track"])
    boxes = np.array([(both[name] - both[f"{name}_whole"]).abs() for name in "xywh"])
    assert (boxes.max(0) <= 0.1 * both["w"]).mean() >= 0.98  # the searches fall on other frames
    assert (both["emotion"] == both["emotion_whole"]).mean() >= 0.98
    stayed = both[both["track"] == 1]  # who comes back is found some frames sooner or later
    assert ((stayed["held"] - stayed["held_whole"]).abs() <= 2).mean() >= 0.95


def seen(frame, person, x=0, emotion="happy", held=1) -> Sighting:
    return Sighting(frame, frame / 10, person, (x, 0, 50, 50), emotion, held)


def test_people_keep_their_numbers_whatever_the_new_reader_calls_them():
    joint = Joint()
    for frame in range(10):
        joint.place(seen(frame, 1, x=0))
        joint.place(seen(frame, 2, x=300))
    joint.begin([seen(frame, number, x=x) for frame in range(5, 10) for number, x in ((2, 3), (1, 297))])
    assert [joint.place(seen(10, number)).person for number in (2, 1, 3, 3)] == [1, 2, 3, 3]


def test_a_stranger_at_another_place_is_a_new_person():
    joint = Joint()
    for frame in range(10):
        joint.place(seen(frame, 4))
    joint.begin([seen(frame, 1, x=500) for frame in range(10)])
    assert joint.place(seen(10, 1, x=500)).person == 5


def test_an_emotion_goes_on_being_held_until_it_changes():
    joint = Joint()
    for frame in range(100):
        joint.place(seen(frame, 1, held=frame + 1))
    joint.begin([seen(frame, 1, held=frame - 89) for frame in range(90, 100)])
    rows = [seen(100, 1, held=11), seen(101, 1, emotion="sad", held=1), seen(102, 1, emotion="sad", held=2)]
    assert [joint.place(row).held for row in rows] == [101, 1, 2]


def test_sightings_of_long_ago_are_forgotten():
    joint = Joint(lead_s=2)
    for frame in range(10_000):
        joint.place(seen(frame, 1))
    assert len(joint._recent) <= 21


@pytest.mark.parametrize(
    ("duration_s", "cores", "expected"),
    [
        (0.0, 4, [(0, np.inf)]),
        (601.0, 1, [(0, np.inf)]),
        (599.0, 4, [(0, np.inf)]),
        (1801.0, 2, [(0, 2), (2, np.inf)]),
        (1801.0, 8, [(0, 1), (1, 2), (2, 3), (3, np.inf)]),
        (np.inf, 2, [(0, np.inf)]),
        (np.nan, 2, [(0, np.inf)]),
    ],
)
def test_parts_are_shared_among_the_cores(duration_s, cores, expected):
    shared = parts.shares(Span(), VideoInfo(25, duration_s), cores)
    assert [(span.first, span.last) for span in shared] == expected


def test_who_remembers_for_long_reads_in_one_go():
    assert np.isfinite(parts.whole(FaceReader()).part_s)
    assert np.isinf(parts.whole(FaceReader(fatigue=True)).part_s)
    assert np.isinf(parts.whole(FaceReader(steady=SteadyOptions(seconds=5))).part_s)
    assert np.isinf(parts.whole(FaceReader(steady=SteadyOptions(min_frames=50))).part_s)


def test_a_header_that_promises_too_much_costs_nothing(film, joined, tmp_path):
    spans = parts.shares(CUT, VideoInfo(10, 60.0), 3)  # the film ends within the first of them
    path = tmp_path / "film.csv"
    assert parts.table_on_cores(film, path, FaceReader, spans) == pytest.approx(11.9)
    pd.testing.assert_frame_equal(pd.read_csv(path), joined)


def test_a_stop_leaves_the_journals_and_the_older_table(film, tmp_path):
    path = tmp_path / "film.csv"
    path.write_text("older")

    def stop(done_s: float) -> None:
        if done_s > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parts.table_on_cores(film, path, FaceReader, parts.shares(CUT, VideoInfo(10, 12.0), 2), progress=stop)
    assert path.read_text() == "older"


def die() -> FaceReader:
    os.kill(os.getpid(), signal.SIGKILL)
    return FaceReader()


def test_a_crash_is_one_sentence(film, tmp_path):
    spans = parts.shares(CUT, VideoInfo(10, 12.0), 2)
    with pytest.raises(VideoError, match="crashed"):
        parts.table_on_cores(film, tmp_path / "film.csv", die, spans)
    assert not list(tmp_path.iterdir())
