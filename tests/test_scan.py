"""Scan and extract: two people at once, honest speed and sound, and the way back from the table to the faces."""

import itertools
import shutil
import struct
import subprocess

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import fernb
from fernb import config
from fernb.app import samples
from fernb.app.cli import main
from fernb.data import synthetic
from fernb.errors import FernbError, VideoError
from fernb.video import extract, live, scan
from fernb.video import stream as video_stream
from fernb.video import table as video_table
from fernb.video.extract import Wanted
from fernb.video.following import FaceFollower
from fernb.video.reading import FaceReader
from fernb.video.scan import Sampling
from fernb.video.smoothing import SteadyOptions
from fernb.video.stream import Frame, frames
from fernb.video.writer import VideoWriter
from fernb.vision.images import write_image

ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Four seconds at 10 frames a second: two real people, the camera moving; one leaves at half-time."""
    path = tmp_path_factory.mktemp("clip") / "two.mp4"
    with VideoWriter(path, 10) as writer:
        for rgb in samples.two_people(4, 10, away=(2, 4)):
            writer.add(rgb)
    return path


@pytest.fixture(scope="module")
def scanned(clip, tmp_path_factory):
    out = tmp_path_factory.mktemp("scan")
    seen = []
    paths = scan.scan(clip, out, FaceReader(), progress=lambda done, total: seen.append((done, total)))
    assert [path.name for path in paths] == ["two.csv", "two_annotated.mp4", "two_timeline.png"]
    assert len(seen) == 40 and seen[-1] == (pytest.approx(3.9), pytest.approx(4.0))
    return paths


def test_each_person_has_a_number_of_their_own(scanned):
    rows = pd.read_csv(scanned[0])
    assert rows.groupby("frame").size().tolist() == [2] * 20 + [1] * 20
    sides = rows.groupby("track")["x"].mean()
    assert sorted(rows["track"].unique()) == [1, 2] and abs(sides[1] - sides[2]) > 150
    assert rows["held"].max() > 5 and (rows["held"] >= 1).all()
    collins = sides.idxmin()
    assert (rows[rows["track"] == collins]["emotion"] == "happy").all()
    assert "frames analysed, 0 without a face" in video_table.summary(scanned[0])[0]


@pytest.mark.parametrize("every", [Sampling(), Sampling(seconds=0.5), Sampling(step=7)])
def test_the_annotated_copy_keeps_the_speed(clip, tmp_path, every):
    paths = scan.scan(clip, tmp_path, FaceReader(), every, kinds=("video",))
    copy = list(frames(paths[1]))
    assert len(copy) == 40 and copy[-1].time_s == pytest.approx(3.9, abs=0.02)


@ffmpeg
def test_the_sound_is_kept(clip, tmp_path):
    loud = tmp_path / "loud.mp4"
    sine = ["-f", "lavfi", "-i", "sine=duration=4", "-shortest"]
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", clip, *sine, "-c:v", "copy", loud], check=True)
    copy = scan.scan(loud, tmp_path / "out", FaceReader(), Sampling(step=10), kinds=("video",))[1]
    probe = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", copy]
    assert subprocess.run(probe, capture_output=True, text=True).stdout.split() == ["video", "audio"]


@pytest.mark.parametrize(("text", "expected"), [("0.5s", Sampling(0.5)), ("5", Sampling(step=5))])
def test_sampling_is_read(text, expected):
    assert scan.sampling(text) == expected


@pytest.mark.parametrize("text", ["", "s", "-1s", "0", "infs", "nans", "five", "0.5"])
def test_other_samplings_are_one_sentence(text):
    with pytest.raises(FernbError, match="cannot sample"):
        scan.sampling(text)


def test_extract_finds_the_way_back(clip, scanned, tmp_path):
    wanted = Wanted("happy", repeat=3, min_confidence=0.5, apart=1.0)
    *faces, sheet = extract.extract(clip, scanned[0], wanted, tmp_path)
    rows = extract.choose(scanned[0], wanted)
    assert len(faces) == len(rows) >= 3 and sheet.name == "contact_sheet.png"
    assert rows["confidence"].is_monotonic_decreasing and (rows["held"] >= 3).all()
    times = np.sort(rows["time_s"])
    assert (np.diff(times) >= 1.0 - 1e-9).all()  # one person, so thinned by time
    first = fernb.read_image(faces[0])
    assert first.shape[0] == first.shape[1] > rows.iloc[0]["w"]
    found = fernb.find_faces(first, "haar")
    assert len(found) == 1 and fernb.Recogniser().predict(fernb.crop_face(first, found[0])[None]).argmax() == 3


def test_extract_heeds_person_and_number_of_faces(scanned):
    alone = extract.choose(scanned[0], Wanted("happy", only_faces=1, apart=0))
    both = extract.choose(scanned[0], Wanted("happy", only_faces=2, apart=0))
    assert alone["frame"].min() == 20 and both["frame"].max() == 19
    person = int(alone["track"].iloc[0])
    assert len(extract.choose(scanned[0], Wanted("happy", person=person, apart=0))) == len(alone) + len(both)
    assert len(extract.choose(scanned[0], Wanted("happy", person=99))) == 0


def test_what_cannot_be_extracted_is_one_sentence(clip, scanned, tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    shutil.copy(scanned[0], tmp_path / "far.csv")
    rows = pd.read_csv(tmp_path / "far.csv")
    rows["frame"] += 1000
    rows.to_csv(tmp_path / "far.csv", index=False)
    cases = {"absent.csv": "no table", "other.csv": "not a table", "far.csv": "has no frame 1"}
    for name, word in cases.items():
        with pytest.raises(FernbError, match=word):
            extract.extract(clip, tmp_path / name, Wanted("happy"), tmp_path / "out")
    with pytest.raises(VideoError, match="is disgust as asked"):
        extract.extract(clip, scanned[0], Wanted("disgust", min_confidence=0.99), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_video_without_a_face_has_a_table_all_the_same(tmp_path):
    path = tmp_path / "empty.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 5, (160, 120))
    for _ in range(5):
        writer.write(np.full((120, 160, 3), 90, np.uint8))
    writer.release()
    (table, _video) = scan.scan(path, tmp_path / "out", FaceReader())
    assert pd.read_csv(table)["track"].isna().tolist() == [True] * 5
    assert video_table.summary(table) == ["5 frames analysed, 5 without a face"]


def test_counts_in_the_old_layout(clip, tmp_path):
    paths = scan.scan(clip, tmp_path, FaceReader(), Sampling(step=5), kinds=("wide",))
    assert [path.name for path in paths] == ["two.csv", "two_counts.csv"]
    counts = pd.read_csv(paths[1])
    assert list(counts) == ["frame", "face", "Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"]
    assert counts["frame"].tolist() == list(range(0, 40, 5))
    assert counts["face"].tolist() == [2] * 4 + [1] * 4
    assert (counts.iloc[:, 2:].sum(axis=1) == counts["face"]).all()


def test_a_folder_of_pictures_in_the_order_in_which_people_count(tmp_path):
    for name in ("img10.png", "img2.png", "img1.jpg", "notes.txt"):
        if name.endswith("txt"):
            (tmp_path / name).write_text("no picture")
        else:
            picture = fernb.read_image(config.SAMPLES / "eileen_collins.jpg")
            write_image(tmp_path / name, picture if name == "img2.png" else picture[:300, 60:400])
    paths = scan.scan(tmp_path, tmp_path / "out", FaceReader())
    rows = pd.read_csv(paths[0])
    assert rows["time_s"].tolist() == [0, 1, 2] and (rows["emotion"] == "happy").all()
    assert rows["w"][1] == pytest.approx(rows["w"][0], abs=15) and rows["x"][1] > rows["x"][0] + 40  # img2 came second
    assert len(list(frames(paths[1]))) == 3
    (tmp_path / "none").mkdir()
    with pytest.raises(VideoError, match="no frame"):
        scan.scan(tmp_path / "none", tmp_path / "out", FaceReader())


def test_who_returns_soon_keeps_the_number_and_later_is_new():
    for away, numbers in (((1, 2), {1, 2}), ((1, 3.5), {1, 2, 3})):
        stream = (Frame(i, i / 10, rgb) for i, rgb in enumerate(samples.two_people(5, 10, away)))
        seen = [reading.track for _, readings in FaceReader().read(stream) for reading in readings]
        assert set(seen) == numbers


def test_unsure_faces_are_named_so_and_not_extracted(clip, tmp_path):
    reader = FaceReader(steady=SteadyOptions(confidence_threshold=1.0))
    table = scan.scan(clip, tmp_path, reader, Sampling(step=10), kinds=("csv", "wide"))[0]
    rows = pd.read_csv(table)
    assert (rows["emotion"] == "unsure").all() and (rows["confidence"] > 0.2).all()
    with pytest.raises(VideoError, match="is happy as asked"):
        extract.extract(clip, table, Wanted("happy"), tmp_path / "x")
    assert pd.read_csv(tmp_path / "two_counts.csv").iloc[:, 2:].to_numpy().sum() == 0


def test_fatigue_has_its_columns(tmp_path):
    path = tmp_path / "drowsy.mp4"
    with VideoWriter(path, 5) as writer:
        for rgb in synthetic.drowsy_frames(9, 4, 5):
            writer.add(rgb)
    reader = FaceReader(follower=FaceFollower(min_eyes=0), fatigue=True)
    table = scan.scan(path, tmp_path, reader, kinds=("csv",))[0]
    rows = pd.read_csv(table)
    assert rows["fatigue_alarm"].iloc[:20].sum() == 0 and rows["fatigue_alarm"].iloc[26:].sum() > 0
    assert rows["eyes_closed"].between(0, 1).all() and rows["eyes"].notna().all()
    assert "eyes closed long or often from 4.8" in "\n".join(video_table.summary(table))


def write_clip(path, codec: str, pictures) -> None:
    pictures = list(pictures)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10, pictures[0].shape[1::-1])
    for picture in pictures:
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    writer.release()


def test_portrait_videos_are_turned_upright(clip, tmp_path):
    """Phones film lying down and set a flag: the matrix in the track's header turns the picture by a quarter."""
    path, upright = tmp_path / "phone.mp4", (frame.rgb[:, :400] for frame in itertools.islice(frames(clip), 10))
    write_clip(path, "mp4v", (cv2.rotate(rgb, cv2.ROTATE_90_COUNTERCLOCKWISE) for rgb in upright))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 400 << 16, 0, 1 << 30)
    path.write_bytes(data)
    assert next(frames(path)).rgb.shape == (360, 400, 3)
    paths = scan.scan(path, tmp_path / "out", FaceReader(), Sampling(step=3))
    assert pd.read_csv(paths[0]).groupby("frame").size().tolist() == [1] * 4  # the second face is cut through
    assert next(frames(paths[1])).rgb.shape == (360, 400, 3)


@ffmpeg
def test_odd_sizes_are_read_and_written(clip, tmp_path):
    path = tmp_path / "odd.mp4"
    crop = ["-vf", "format=yuv444p,crop=639:359", "-frames:v", "5", "-c:v", "libx264"]
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", clip, *crop, path], check=True)
    assert next(frames(path)).rgb.shape == (359, 639, 3)
    paths = scan.scan(path, tmp_path / "out", FaceReader())
    assert len(list(frames(paths[1]))) == 5


@ffmpeg
def test_no_frame_is_lost(clip, tmp_path):
    """The table has as many frames as the decoder counts, for a variable frame rate too."""
    path = tmp_path / "vfr.mp4"
    pick = "select='lt(n,10)+not(mod(n,5))'"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", clip, "-vf", pick, "-fps_mode", "vfr", path], check=True)
    count = ["-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"]
    for video in (clip, path):
        decoded = subprocess.run(["ffprobe", "-v", "error", *count, video], capture_output=True, text=True).stdout
        table = scan.scan(video, tmp_path / "out", FaceReader(), kinds=("csv",))[0]
        assert pd.read_csv(table)["frame"].nunique() == int(decoded)


def test_a_stop_half_way_leaves_a_readable_table(clip, tmp_path):
    def stop(done: float, total: float) -> None:
        if done > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan.scan(clip, tmp_path, FaceReader(), progress=stop)
    assert pd.read_csv(tmp_path / "two.part.csv")["time_s"].max() == pytest.approx(1.1)
    assert [path.name for path in tmp_path.iterdir()] == ["two.part.csv"]


def test_live_names_each_person_and_keeps_everything(clip, tmp_path):
    lines: list[str] = []
    table, film, plot = (tmp_path / f"live.{end}" for end in ("csv", "mp4", "png"))
    live.watch(clip, FaceReader(), lines.append, table=table, film=film, plot=plot)
    spoken = [line for line in lines if "Preprocessing" not in line]
    assert spoken[0] == "Reading video stream ..." and sum("person 2 :" in line for line in spoken) == 2
    assert "00:00:03s : Happy" in spoken[-2] and spoken[-1].startswith("20 frames analysed")
    assert pd.read_csv(table)["frame"].nunique() == 20
    assert len(list(frames(film))) == 20 and plot.stat().st_size > 5000


def test_ctrl_c_ends_live_and_keeps_table_and_film(clip, tmp_path):
    def stop(line: str) -> None:
        if line.startswith("00:00:02s"):
            raise KeyboardInterrupt

    live.watch(clip, FaceReader(), stop, table=tmp_path / "live.csv", film=tmp_path / "live.mp4")
    assert pd.read_csv(tmp_path / "live.csv")["time_s"].max() == pytest.approx(2)
    assert len(list(frames(tmp_path / "live.mp4"))) == 11


def test_the_commands(clip, tmp_path):
    run = CliRunner().invoke
    result = run(main, ["scan", str(clip), "--csv", "--every", "0.5s", "--out", str(tmp_path)])
    assert result.exit_code == 0 and "person 1" in result.stdout and result.stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == ["two.csv"]
    arguments = [
        "extract",
        str(clip),
        str(tmp_path / "two.csv"),
        "--emotion",
        "happiness",
        "--out",
        str(tmp_path / "x"),
    ]
    assert "contact sheet" in run(main, arguments).stdout
    assert (
        "contact sheet" in run(main, ["extract", str(clip), "--emotion", "happy", "--out", str(tmp_path / "y")]).stdout
    )
    for bad in (
        ["scan", "absent.mp4"],
        ["extract", str(clip), "--emotion", "joy"],
        ["scan", str(clip), "--every", "x"],
    ):
        result = run(main, bad)
        assert result.exit_code == 1 and result.stderr.strip().splitlines()[-1].startswith("fernb: ")


def wild_table(scanned, tmp_path, column: str, value):
    rows = pd.read_csv(scanned[0], dtype=object)
    rows.loc[2, column] = value
    rows.to_csv(tmp_path / "wild.csv", index=False)
    return tmp_path / "wild.csv"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("x", "1e18"),
        ("w", "0"),
        ("h", "inf"),
        ("y", "here"),
        ("w", None),
        ("time_s", "nan"),
        ("time_s", "-1"),
        ("frame", "1.5"),
        ("frame", "1e300"),
        ("track", "-3"),
        ("happy", "7"),
        ("smoothed_sad", "sad"),
        ("confidence", "inf"),
        ("held", None),
        ("emotion", "<b>joy</b>"),
    ],
)
def test_a_damaged_table_is_told_by_row_and_column(scanned, tmp_path, column, value):
    with pytest.raises(FernbError, match=rf"wild\.csv, row 4, column {column}: "):
        extract.choose(wild_table(scanned, tmp_path, column, value), Wanted("happy"))


def test_a_box_outside_the_image_is_another_videos(clip, scanned, tmp_path):
    rows = pd.read_csv(scanned[0])
    rows["x"] += 5000
    rows.to_csv(tmp_path / "moved.csv", index=False)
    with pytest.raises(VideoError, match="give the video of this table"):
        extract.extract(clip, tmp_path / "moved.csv", Wanted("happy"), tmp_path / "out")


def test_no_output_is_its_own_source(clip, tmp_path):
    before = clip.read_bytes()
    mine = tmp_path / "mine_annotated.mp4"
    mine.write_bytes(before)
    for path in ("csv", "mp4"):
        with pytest.raises(FernbError, match="the video itself"):
            live.watch(mine, FaceReader(), table=mine if path == "csv" else None, film=mine if path == "mp4" else None)
    with pytest.raises(FernbError, match="would write the same files"):
        scan.distinct([tmp_path / "a" / "film.mp4", tmp_path / "b" / "film.mov"])
    assert mine.read_bytes() == before


def test_a_scan_that_reads_nothing_leaves_the_older_table(tmp_path):
    (tmp_path / "bad.csv").write_text("good")
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError):
        scan.scan(tmp_path / "bad.mp4", tmp_path, FaceReader())
    assert (tmp_path / "bad.csv").read_text() == "good"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "bad.mp4"]


def test_who_is_unsure_is_told_with_the_best_guess(clip):
    lines: list[str] = []
    reader = FaceReader(steady=SteadyOptions(confidence_threshold=1.0))
    live.watch(clip, reader, lines.append, seconds=1)
    assert any(": person 1 : Unsure (" in line for line in lines)


class Times:
    """A stream whose time stamps are made up."""

    def __init__(self, times: list[float]):
        self.times, self.at = times, -1

    def get(self, what: int) -> float:
        return {cv2.CAP_PROP_POS_MSEC: 1000 * self.times[max(self.at, 0)], cv2.CAP_PROP_FPS: 10.0}.get(what, 0.0)

    def grab(self) -> bool:
        self.at += 1
        return self.at < len(self.times)


@pytest.mark.parametrize("jump", [1e9, float("nan"), float("inf"), -50.0])
def test_broken_time_stamps_go_on_from_the_last_good_one(jump):
    stamps = [0.0, 0.1, jump, 0.3 if np.isnan(jump) or np.isinf(jump) else jump + 0.1]
    times = [time_s for time_s, _ in video_stream._parts(Times(stamps), camera=False)]
    np.testing.assert_allclose(times, [0, 0.1, 0.2, 0.3], atol=1e-3)
