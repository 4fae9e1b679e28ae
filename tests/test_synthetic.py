import csv
import itertools

import cv2
import numpy as np
import pytest

from fernb import config
from fernb.data import synthetic
from fernb.data.rendering import (
    Identity,
    Light,
    Muscles,
    Pose,
    draw_head,
    pose_head,
    shape_brow,
    shape_eye,
    shape_mouth,
)
from fernb.errors import DataError
from fernb.labels import EMOTIONS, EMOTIONS_8
from fernb.video.stream import frames

UNSEEN_SEED = config.SEED  # nothing was tuned on it

FACS = {
    "happy": {6, 12},
    "sad": {1, 4, 15},
    "surprise": {1, 2, 5, 26},
    "fear": {1, 2, 4, 5, 7, 20, 26},
    "angry": {4, 5, 7, 23},
    "disgust": {9, 15, 16},
    "neutral": set(),
    "contempt": {"R12", "R14"},
}


def test_action_units_are_those_of_facs():
    assert {emotion: set(units) for emotion, units in synthetic.ACTION_UNITS.items()} == FACS


def test_every_showing_has_its_emotions_units():
    rng = np.random.default_rng(0)
    for emotion in EMOTIONS_8:
        units = synthetic.expression(emotion, rng)
        assert set(units) >= FACS[emotion]
        assert all(0 < strength <= 1 for strength in units.values())


def test_action_units_move_what_facs_says():
    who, rest = Identity(), Muscles({})
    mouth = shape_mouth(who, rest)
    smile, sad, jaw = (shape_mouth(who, Muscles({unit: 1.0})) for unit in (12, 15, 26))
    assert smile.corners[1][1] < mouth.corners[1][1] < sad.corners[1][1]
    assert smile.corners[1][0] > mouth.corners[1][0]
    assert jaw.gap > mouth.gap + 4
    assert shape_brow(who, Muscles({1: 1.0}), 1)[0, 1] < shape_brow(who, rest, 1)[0, 1]
    assert shape_brow(who, Muscles({2: 1.0}), 1)[2, 1] < shape_brow(who, rest, 1)[2, 1]
    assert shape_brow(who, Muscles({4: 1.0}), 1)[0, 1] > shape_brow(who, rest, 1)[0, 1]
    lids = [np.concatenate(shape_eye(who, Muscles(units), 1)[:2]) for units in ({5: 1.0}, {}, {7: 1.0})]
    opening = [np.ptp(points[:, 1]) for points in lids]
    assert opening[0] > opening[1] > opening[2]


def test_contempt_pulls_the_persons_right_corner_alone():
    mouth, rest = (shape_mouth(Identity(), Muscles(units)) for units in ({"R12": 1.0, "R14": 1.0}, {}))
    assert mouth.corners[-1][1] < rest.corners[-1][1]
    assert np.allclose(mouth.corners[1], rest.corners[1])


@pytest.mark.parametrize("classes", [EMOTIONS, EMOTIONS_8])
def test_faces_have_shape_type_and_balance(classes):
    faces = synthetic.draw_faces(3 * len(classes) + 1, 1, classes)
    assert faces.images.shape == (3 * len(classes) + 1, 48, 48)
    assert faces.images.dtype == np.uint8
    assert faces.labels.dtype == np.int64
    counts = np.bincount(faces.labels, minlength=len(classes))
    assert counts.max() - counts.min() <= 1
    assert (faces.images.reshape(len(faces), -1).std(1) > 10).all()


def test_a_seed_tells_the_faces():
    first, again, other = (synthetic.draw_faces(7, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.images, other.images)


def test_no_faces_and_unknown_emotions():
    assert len(synthetic.draw_faces(0, 1)) == 0
    with pytest.raises(DataError, match="bored"):
        synthetic.draw_faces(1, 1, ("bored",))


def test_splits_are_apart_and_repeatable():
    splits, again = (synthetic.drawn_splits(5, 21, 14, 14) for _ in range(2))
    assert splits.source == "drawn faces"
    assert splits.digest == again.digest
    assert [len(part) for part in splits.parts().values()] == [21, 14, 14]
    every = np.concatenate([part.images for part in splits.parts().values()])
    assert len(np.unique(every.reshape(len(every), -1), axis=0)) == len(every)


def test_a_turned_head_stays_in_the_picture():
    head = draw_head(Identity(glasses=0.8, beard=0.5), {12: 1.0}, Light(), 2.0, 30)
    poses = [Pose(yaw=yaw, pitch=0.1, roll=0.1) for yaw in (-0.4, 0.0, 0.4)]
    pictures = [pose_head(head, pose, 2.0, (96, 96), (48, 38)) for pose in poses]
    for face, cover in pictures:
        assert face.shape == cover.shape == (96, 96)
        assert face.dtype == cover.dtype == np.float32
        assert np.isfinite(face).all()
        assert cover.min() >= 0 and cover.max() <= 1.001
        assert cover[38:60, 40:56].min() > 0.9
    assert np.abs(pictures[0][0] - pictures[2][0]).mean() > 0.02


# --- the clip --------------------------------------------------------------------------------------------


def test_each_emotion_of_the_clip_is_full_when_its_second_begins():
    for second in range(21):
        emotion = synthetic.CLIP_ORDER[second // synthetic.CLIP_SECONDS]
        shown, full = synthetic.clip_units(second + 0.001), synthetic.clip_shows(emotion)
        assert all(shown[unit] >= 0.85 * strength for unit, strength in full.items())
    assert set(synthetic.CLIP_ORDER) == set(EMOTIONS)


def test_the_clip_moves_smoothly():
    times = np.arange(0, 21, 1 / 15)
    units = [synthetic.clip_units(time) for time in times]
    for before, after in itertools.pairwise(units):
        assert max((abs(after.get(u, 0) - before.get(u, 0)) for u in before | after), default=0) < 0.25


def _clip_frames(every):
    reader = cv2.VideoCapture(str(config.SAMPLES / "emotions.mp4"))
    for index in itertools.count():
        ok, frame = reader.read()
        if not ok:
            return
        if index % every == 0:
            yield frame


def test_the_committed_clip_is_as_described():
    path = config.SAMPLES / "emotions.mp4"
    reader = cv2.VideoCapture(str(path))
    assert (reader.get(cv2.CAP_PROP_FRAME_WIDTH), reader.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (640, 480)
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) / reader.get(cv2.CAP_PROP_FPS) == pytest.approx(21)
    assert path.stat().st_size < 1_500_000
    assert b"avc1" in path.read_bytes()
    with (config.SAMPLES / "emotions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["second"]) for row in rows] == list(range(21))
    assert [row["emotion"] for row in rows] == [e for e in synthetic.CLIP_ORDER for _ in range(3)]


def test_another_head_makes_the_same_faces_and_is_written_without_loss(tmp_path):
    person = synthetic.random_identity(np.random.default_rng(4))
    drawn = list(itertools.islice(synthetic.clip_frames(person=person), 2))
    lossless = cv2.VideoWriter.fourcc(*"FFV1")  # as the capstone's program and benchmarks/capstone_heads.py do
    video = cv2.VideoWriter(str(tmp_path / "another.avi"), lossless, synthetic.CLIP_FPS, synthetic.CLIP_SIZE)
    for frame in drawn:
        video.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    video.release()
    for read, frame in zip(frames(tmp_path / "another.avi"), drawn, strict=True):
        np.testing.assert_array_equal(read.rgb, frame)
    assert np.any(drawn[0] != next(synthetic.clip_frames()))


def test_haar_finds_the_face_of_the_committed_clip():
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    found = []
    for frame in _clip_frames(every=5):
        boxes = cascade.detectMultiScale(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), 1.1, 5, minSize=(80, 80))
        found.append(any(x < 320 < x + w and y < 240 < y + h for x, y, w, h in boxes))
    assert len(found) == 63
    assert np.mean(found) >= 0.95


def test_a_network_trained_on_real_faces_names_the_drawn_ones():
    if not config.DEFAULT_MODEL.is_file():
        pytest.skip(f"there is no trained model at {config.DEFAULT_MODEL}")
    from fernb.networks.recogniser import Recogniser

    faces = synthetic.draw_faces(350, UNSEEN_SEED)
    named = Recogniser().predict(faces.images).argmax(1)
    assert (named == faces.labels).mean() >= 0.60
