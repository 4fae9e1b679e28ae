"""Videos: honest times and counts, a table that survives a stop, files written whole."""

import shutil
import subprocess

import cv2
import numpy as np
import pandas as pd
import pytest

import fernb
from fernb import config
from fernb.app import demo, samples
from fernb.errors import VideoError
from fernb.video import annotate as annotate_module
from fernb.video import preprocess
from fernb.video import stream as video_stream
from fernb.video import table as video_table
from fernb.video import writer as video_writer
from fernb.video.annotate import annotate, contact_sheet
from fernb.video.following import FaceFollower
from fernb.video.reading import FaceReader, Reading
from fernb.video.stream import Frame, frames
from fernb.video.table import Table
from fernb.video.writer import VideoWriter
from fernb.vision.detection import Detection

COLLINS = cv2.resize(fernb.read_image(config.SAMPLES / "eileen_collins.jpg")[:256, 96:352], (160, 160))
LABELS = fernb.EMOTIONS
ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Three seconds at 10 frames a second: a face, nothing, the face again."""
    path = tmp_path_factory.mktemp("clip") / "gap.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (160, 160))
    for i in range(30):
        writer.write(np.full((160, 160, 3), 90, np.uint8) if 10 <= i < 20 else COLLINS[..., ::-1].copy())
    writer.release()
    return path


def test_every_frame_comes_with_its_time(clip):
    seen = list(frames(clip))
    assert [frame.index for frame in seen] == list(range(30))
    np.testing.assert_allclose([frame.time_s for frame in seen], np.arange(30) / 10, atol=0.005)
    assert np.abs(seen[0].rgb.astype(int) - COLLINS).mean() < 12  # RGB, not BGR
    info = video_stream.video_info(clip)
    assert info.fps == 10 and info.duration_s == pytest.approx(3)


@pytest.mark.parametrize(("every", "indices"), [(0.5, [0, 5, 10, 15, 20, 25]), (1, [0, 10, 20]), (9, [0])])
def test_sampling_is_by_time(clip, every, indices):
    assert [frame.index for frame in frames(clip, every)] == indices


@ffmpeg
def test_variable_frame_rate_keeps_the_containers_times(clip, tmp_path):
    path = tmp_path / "vfr.mp4"
    pick = "select='lt(n,10)+not(mod(n,5))'"  # ten frames at 10/s, then 2/s
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", clip, "-vf", pick, "-fps_mode", "vfr", path], check=True)
    times = [frame.time_s for frame in frames(path)]
    np.testing.assert_allclose(times, [*np.arange(10) / 10, 1.0, 1.5, 2.0, 2.5], atol=0.01)


@pytest.mark.parametrize("content", [None, b"", b"not a video at all"])
def test_what_is_no_video_is_one_sentence(tmp_path, content):
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError, match=r"bad\.mp4"):
        list(frames(path))


def test_no_camera_offers_a_file():
    with pytest.raises(VideoError, match="--source FILE"):
        list(frames(77))


def test_the_table_has_a_row_for_each_face_and_for_none(clip, tmp_path):
    path = tmp_path / "emotions.csv"
    stream = FaceReader(follower=FaceFollower(detector="haar")).read(frames(clip, 0.5))
    path.write_text("an older table")
    with Table(path, LABELS) as table:
        for number, (frame, readings) in enumerate(stream):
            table.add(frame, readings)
            half_way = pd.read_csv(table.journal)  # a stop here would leave this
            assert len(half_way) == number + 1 and path.read_text() == "an older table"
    assert not table.journal.exists()
    rows = pd.read_csv(path)
    assert list(rows.columns) == video_table.columns(LABELS)
    assert rows["emotion"].isna().tolist() == [False, False, True, True, False, False]
    assert rows["track"].dropna().tolist() == [1, 1, 1, 1]  # one second away: still the same person
    found = rows.dropna()
    np.testing.assert_allclose(found[list(LABELS)].sum(axis=1), 1, atol=1e-3)
    assert (found["emotion"] == "happy").all()


def reading(x: int, y: int, side: int) -> Reading:
    probs = np.full(7, 1 / 7, np.float32)
    return Reading(1, Detection(x, y, side, side, 1.0), probs, probs, 0)


@pytest.mark.parametrize("box", [(10, 10, 60), (120, 120, 90), (-20, -20, 50), (0, 150, 200)])
def test_annotation_leaves_the_frame_as_it_is_and_copes_with_borders(box):
    before = COLLINS.copy()
    out = annotate(COLLINS, [reading(*box)], LABELS)
    assert out.shape == COLLINS.shape and (out != COLLINS).any()
    np.testing.assert_array_equal(COLLINS, before)
    np.testing.assert_array_equal(annotate(COLLINS, [], LABELS), COLLINS)


@pytest.mark.parametrize("box", [(0, 0, 60), (600, 0, 80), (610, 300, 60), (-30, 330, 90), (0, 0, 640)])
def test_a_name_is_wholly_inside_the_frame(box):
    """At the edges names were cut off."""
    rgb, face = np.full((360, 640, 3), 200, np.uint8), reading(*box).face
    x, y, w, h = annotate_module._label(rgb, "1: surprise 100%", face, face.y - 2, (230, 159, 0))
    assert x >= 0 and y >= 0 and x + w <= 640 and y + h <= 360
    assert (rgb[y : y + h, x : x + w] != 200).any(2).all()


def test_bars_cover_nobody(monkeypatch):
    rgb = np.full((360, 640, 3), 200, np.uint8)
    drawn = []
    monkeypatch.setattr(annotate_module, "_bars", lambda out, left, top, *_: drawn.append((left, top, 168, 140)))
    people = [reading(20, 60, 90), reading(330, 80, 120), reading(300, 255, 90)]
    annotate(rgb, people, LABELS)
    assert len(drawn) >= 2
    boxes = [*drawn, *(person.face.box for person in people)]
    for i, (x, y, w, h) in enumerate(drawn):
        assert x >= 0 and y >= 0 and x + w <= 640 and y + h <= 360
        others = boxes[:i] + boxes[i + 1 :]
        assert not any(x < a + c and a < x + w and y < b + d and b < y + h for a, b, c, d in others)


def test_written_videos_are_whole_or_not_there(tmp_path):
    path = tmp_path / "out.mp4"
    with VideoWriter(path, 10) as writer:
        for _ in range(7):
            writer.add(COLLINS)
    assert len(list(frames(path))) == 7
    with pytest.raises(KeyError), VideoWriter(tmp_path / "broken.mp4", 10) as writer:
        writer.add(COLLINS)
        raise KeyError
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]


@ffmpeg
def test_written_videos_play_in_a_browser(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        writer.add(COLLINS)
    probe = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", tmp_path / "out.mp4"]
    assert subprocess.run(probe, capture_output=True, text=True).stdout.strip() == "h264"


@ffmpeg
def test_ffmpeg_dies_on_the_way_and_the_video_is_kept(tmp_path):
    """The finished part was thrown away, and the scan with it."""
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        for i in range(60):
            writer.add(np.full((48, 64, 3), 4 * i, np.uint8))
            if i == 40:
                writer._sink._process.kill()
                writer._sink._process.wait()
    seen = [frame.rgb for frame in frames(tmp_path / "out.mp4")]
    assert len(seen) == 60 and seen[0].shape == (48, 64, 3)
    assert "died on the way" in writer.notes[0] and "MPEG-4" in writer.notes[0]
    assert [round(float(rgb.mean()) / 4) for rgb in seen[41:]] == pytest.approx(range(41, 60), abs=1)
    assert round(float(seen[5].mean()) / 4) == pytest.approx(5, abs=1)  # what was encoded before is there
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_failing_ffmpeg_leaves_mpeg4_and_says_so(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ffmpeg").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    video_writer.h264_works.cache_clear()
    with VideoWriter(tmp_path / "out.mp4", 10, sound=tmp_path / "bin" / "ffmpeg") as writer:
        writer.add(COLLINS)
    video_writer.h264_works.cache_clear()
    assert len(list(frames(tmp_path / "out.mp4"))) == 1
    assert "MPEG-4" in writer.notes[0] and "silent" in writer.notes[1]


def test_a_writer_without_a_frame_writes_no_file(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", 10):
        pass
    assert not list(tmp_path.iterdir())  # 0 bytes stood here


def test_a_contact_sheet_has_room_for_all():
    sheet = contact_sheet([np.zeros((48, 48), np.uint8)] * 9, ["a"] * 9, columns=4)
    assert sheet.shape == (3 * 148, 4 * 128, 3)
    with pytest.raises(VideoError, match="no faces"):
        contact_sheet([], [])


# --- one face a second -------------------------------------------------------------------------------


def test_preprocess_writes_one_crop_a_second(clip, tmp_path):
    (tmp_path / "image9.png").write_bytes(b"of an older, longer clip")
    (tmp_path / "image_of_mum.png").write_bytes(b"of nobody's business")
    said = []
    written = preprocess.preprocess_video(clip, tmp_path, said.append)
    assert [path.name for path in written] == ["image0.png", "image2.png"]
    assert said == ["no face in second 1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "image0.png",
        "image2.png",
        "image_of_mum.png",
        "input_video.mp4",
    ]
    assert cv2.imread(str(written[0]), cv2.IMREAD_UNCHANGED).shape == (48, 48)


def test_preprocess_writes_nothing_where_there_is_no_face(tmp_path):
    with VideoWriter(tmp_path / "empty.mp4", 5) as writer:
        writer.add(np.zeros((120, 160, 3), np.uint8))
    with pytest.raises(VideoError, match="no face was found"):
        preprocess.preprocess_video(tmp_path / "empty.mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- demo --------------------------------------------------------------------------------------------


def test_truth_is_read_as_stretches(tmp_path):
    (tmp_path / "truth.csv").write_text("second,emotion\n0,sad\n1,sad\n2,happy\n")
    assert samples.read_truth(tmp_path / "truth.csv") == [(0, 2, "sad"), (2, 3, "happy")]


def test_the_demo_names_what_the_clip_shows(tmp_path):
    said = []
    written = demo.run(tmp_path, said.append)
    assert {path.name for path in written} == {path.name for path in tmp_path.iterdir()}
    table = pd.read_csv(tmp_path / "emotions.csv")
    truth = [
        name
        for start, end, name in samples.read_truth(config.SAMPLES / "emotions.csv")
        for _ in range(int(end - start))
    ]
    shown = [truth[int(time_s)] for time_s in table["time_s"]]
    assert (table["emotion"] == shown).mean() > 0.8
    pictures = pd.read_csv(tmp_path / "photographs.csv").set_index("picture")
    assert pictures.loc["eileen_collins.jpg", "emotion"] == "happy"
    assert any("no face" in line for line in said)
    assert len(list(frames(tmp_path / "annotated.mp4"))) == len(table)
    assert frames is video_stream.frames and isinstance(next(frames(tmp_path / "annotated.mp4")), Frame)
