"""The widgets for photographs and scanned videos, as objects without a browser."""

import shutil
import subprocess
from datetime import datetime

import cv2
import numpy as np
import pandas as pd
import pytest

import fernb
from fernb import config
from fernb.errors import DataError, VideoError
from fernb.video import table as video_table
from fernb.video.following import FaceFollower
from fernb.video.reading import FaceReader
from fernb.video.smoothing import flicker
from fernb.video.stream import frames
from fernb.video.table import Table
from fernb.widgets.photo import PhotoUpload
from fernb.widgets.video import VideoExplorer, frame_at

CLIP = config.SAMPLES / "emotions.mp4"


def picture(image) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(image.value, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The table of the sample clip, a frame each half second."""
    path = tmp_path_factory.mktemp("scan") / "emotions.csv"
    with Table(path, fernb.EMOTIONS) as table:
        for frame, readings in FaceReader(follower=FaceFollower(detector="haar")).read(frames(CLIP, 0.5)):
            table.add(frame, readings)
    return path


# --- a photograph ------------------------------------------------------------------------------------


def choose(widget: PhotoUpload, name: str, data: bytes) -> str:
    """Do what the browser does when a file was chosen; return the words."""
    file = {"name": name, "type": "", "size": len(data), "content": memoryview(data), "last_modified": datetime.now()}
    widget._choose.set_trait("value", (file,))
    return widget._words.value


def test_a_photograph_is_read():
    widget = PhotoUpload(detector="haar")
    words = choose(widget, "<b>ada.jpg", (config.SAMPLES / "grace_hopper.jpg").read_bytes())
    assert "&lt;b&gt;ada.jpg: 1 face." in words  # a file's name is no HTML
    assert widget.probs.shape == (1, 7) and len(widget.faces) == 1 and widget.rgb.ndim == 3
    name = fernb.EMOTIONS[widget.probs[0].argmax()]
    assert f"<b>1: {name}</b>" in widget._answer.value and f"{widget.probs[0].max():.0%}" in widget._answer.value
    assert max(picture(widget._picture).shape) <= 520


def test_a_picture_without_a_face_says_what_to_try():
    widget = PhotoUpload(detector="haar")
    assert "no face was found" in choose(widget, "flower.jpg", (config.SAMPLES / "flower.jpg").read_bytes())
    assert widget.faces == [] and widget.probs.shape == (0, 7)


@pytest.mark.parametrize("data", [b"", b"hello", (config.SAMPLES / "flower.jpg").read_bytes()[:300]])
def test_a_bad_file_is_a_sentence_and_the_old_answer_goes(data):
    widget = PhotoUpload(detector="haar")
    choose(widget, "grace.jpg", (config.SAMPLES / "grace_hopper.jpg").read_bytes())
    assert "bad.jpg is not an image" in choose(widget, "bad.jpg", data)
    assert widget.rgb is None and widget.faces is None and widget._answer.value == ""
    assert "1 face" in choose(widget, "grace.jpg", (config.SAMPLES / "grace_hopper.jpg").read_bytes())


def test_a_picture_that_would_fill_the_memory_is_refused():
    wide = cv2.imencode(".png", np.zeros((1, 20_000), np.uint8))[1].tobytes()
    assert "scale it below" in choose(PhotoUpload(), "wide.png", wide)


# --- a scanned video ---------------------------------------------------------------------------------


def test_the_slider_moves_through_the_analysed_frames(table):
    explorer = VideoExplorer(CLIP, table)
    assert explorer.position.max == len(pd.read_csv(table)["frame"].unique()) - 1
    before, line = explorer._picture.value, explorer._timeline.value
    explorer.position.value = 9
    assert "at 4.5" in explorer._words.value and "person 1" in explorer._words.value
    assert explorer._picture.value != before and explorer._timeline.value != line


def test_smoothing_redraws_the_timeline(table):
    explorer = VideoExplorer(CLIP, table)
    explorer.kind.value = "none"
    raw = explorer.rows[list(explorer.labels)].to_numpy(np.float32)
    np.testing.assert_array_equal(explorer.smoothed, raw)
    timeline = explorer._timeline.value
    assert f"{flicker(explorer.rows['time_s'].tolist(), raw.argmax(1).tolist()):.0f} raw" in explorer._cost.value
    explorer.kind.value = "mean"
    explorer.seconds.value = 3
    assert explorer._timeline.value != timeline
    assert np.abs(np.diff(explorer.smoothed, axis=0)).mean() < np.abs(np.diff(raw, axis=0)).mean()
    np.testing.assert_allclose(explorer.smoothed.sum(1), 1, atol=0.01)


def test_what_the_scan_smoothed_comes_out_the_same(table):
    explorer = VideoExplorer(CLIP, table)  # both start with the default
    scanned = explorer.rows[[f"smoothed_{name}" for name in explorer.labels]].to_numpy()
    np.testing.assert_allclose(explorer.smoothed, scanned, atol=0.001)


def test_a_video_without_faces_can_be_looked_through(table, tmp_path):
    rows = pd.read_csv(table)
    rows[["frame", "time_s"]].reindex(columns=rows.columns).to_csv(tmp_path / "nobody.csv", index=False)
    explorer = VideoExplorer(CLIP, tmp_path / "nobody.csv")
    assert "no face" in explorer._words.value and "Nobody" in explorer._cost.value


@pytest.mark.parametrize(
    "content", [None, "", "a,b\n1,2\n", "\0\0", ",".join(video_table.columns(fernb.EMOTIONS)) + "\n"]
)
def test_what_is_no_table_is_one_sentence(tmp_path, content):
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=r"table\.csv"):
        VideoExplorer(CLIP, path)


def test_another_video_than_the_tables_is_told(table, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "short.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 64))
    for _ in range(5):
        writer.write(np.zeros((64, 64, 3), np.uint8))
    writer.release()
    with pytest.raises(VideoError, match=r"short\.mp4 has no frame 3"):
        VideoExplorer(tmp_path / "short.mp4", table)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")
def test_frames_are_the_scanned_ones_in_a_variable_frame_rate(tmp_path):
    path = tmp_path / "vfr.mp4"
    pick = "select='lt(n,10)+not(mod(n,5))'"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", CLIP, "-t", "6", "-vf", pick, "-fps_mode", "vfr", path], check=True
    )
    for frame in frames(path, step=3):
        np.testing.assert_array_equal(frame_at(path, frame.index, frame.time_s), frame.rgb)


def test_a_folder_of_pictures_is_a_video(tmp_path):
    shutil.copy(config.SAMPLES / "grace_hopper.jpg", tmp_path / "img1.jpg")
    np.testing.assert_array_equal(frame_at(tmp_path, 0, 0.0), fernb.read_image(tmp_path / "img1.jpg"))
    with pytest.raises(VideoError, match="no frame 1"):
        frame_at(tmp_path, 1, 1.0)
