"""Faces: found by both detectors, cut out the one way, and whatever picture comes is answered."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fernb
from fernb import config
from fernb.errors import FernbError, ImageError, ModelError
from fernb.vision import detection, images
from fernb.vision import detection as faces
from fernb.vision.crop import crop_face, eye_angle, whole
from fernb.vision.detection import Detection, find_faces

COLLINS = fernb.read_image(config.SAMPLES / "eileen_collins.jpg")
FACE = fernb.load_faces("synthetic-easy").test.images[0]


def test_the_face_of_the_photograph():
    (face,) = find_faces(COLLINS, "haar", eyes=True)
    assert abs(face.x + face.w / 2 - 224) < 12 and abs(face.y + face.h / 2 - 113) < 15
    assert 0.4 <= face.score <= 1 and face.frontal and len(face.eyes) == 2
    assert all(face.x <= x and x + w <= face.x + face.w and y < face.y + face.h / 2 for x, y, w, _ in face.eyes)
    assert find_faces(COLLINS, "haar")[0].frontal is None  # nobody looked


@pytest.mark.parametrize("name", ["china", "flower"])
def test_no_face_where_there_is_none(name):
    assert find_faces(fernb.read_image(config.SAMPLES / f"{name}.jpg"), "haar") == []


def test_a_large_picture_gives_boxes_of_its_own_size():
    large = cv2.resize(COLLINS, None, fx=4, fy=4)
    (face,) = find_faces(large, "haar")
    assert abs(face.x + face.w / 2 - 4 * 224) < 60 and face.w > 250


def test_forty_faces_are_all_found_largest_first():
    head = cv2.resize(COLLINS[30:190, 140:300], (96, 96))
    crowd = np.tile(head, (5, 8, 1))
    crowd[:96, :96] = cv2.resize(COLLINS[45:175, 160:290], (96, 96))  # one comes closer
    found = find_faces(crowd, "haar")
    assert len(found) == 40
    assert [face.w * face.h for face in found] == sorted((face.w * face.h for face in found), reverse=True)


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 900, 3), (23, 23), (48, 48, 4)])
def test_tiny_and_odd_pictures_have_no_face(shape):
    assert find_faces(np.zeros(shape, np.uint8), "haar") == []


def test_an_empty_picture_and_an_unknown_detector_are_one_sentence():
    with pytest.raises(ImageError, match="not empty"):
        find_faces(np.zeros((0, 5, 3), np.uint8))
    with pytest.raises(FernbError, match="no detector 'dlib'"):
        find_faces(COLLINS, "dlib")


def test_an_opencv_without_cascades_says_what_to_install(monkeypatch):
    monkeypatch.setattr(faces, "_loaded", threading.local())
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(FernbError, match="opencv-python-headless<5"):
        find_faces(COLLINS, "haar")


# --- the one path to a network's input ---------------------------------------------------------------


def test_every_way_gives_the_same_face(tmp_path):
    images.write_image(tmp_path / "face.png", FACE)
    read = fernb.read_image(tmp_path / "face.png")
    colour = cv2.cvtColor(FACE, cv2.COLOR_GRAY2RGB)
    inside = np.zeros((100, 120, 3), np.uint8)
    inside[20:68, 30:78] = colour
    for picture, where in (
        (FACE, whole(FACE)),
        (read, whole(read)),
        (colour, whole(colour)),
        (inside, Detection(30, 20, 48, 48, 1.0)),
    ):
        np.testing.assert_array_equal(crop_face(picture, where), FACE)


@given(st.integers(-60, 150), st.integers(-60, 150), st.integers(1, 200), st.integers(1, 200))
def test_any_box_gives_a_face(x, y, w, h):
    picture = np.arange(100 * 80, dtype=np.uint32).reshape(100, 80).astype(np.uint8)
    crop = crop_face(picture, Detection(x, y, w, h, 1.0))
    assert crop.shape == (48, 48) and crop.dtype == np.uint8


def test_outside_the_picture_the_edge_is_repeated():
    picture = np.full((60, 60), 7, np.uint8)
    assert (crop_face(picture, Detection(-30, -30, 90, 90, 1.0)) == 7).all()
    with pytest.raises(ImageError, match="empty"):
        crop_face(picture, Detection(0, 0, 0, 0, 1.0))


def test_alignment_levels_the_eyes():
    eyes = np.array([[40, 60], [80, 40], [60, 70], [45, 90], [80, 80]], np.float32)
    tilted = Detection(20, 20, 90, 90, 1.0, landmarks=eyes)
    assert eye_angle(tilted) == pytest.approx(-26.565, abs=0.01)
    picture = np.zeros((130, 130), np.uint8)
    for x, y in eyes[:2].astype(int):
        cv2.circle(picture, (int(x), int(y)), 5, 255, -1)
    level = crop_face(picture, tilted, align=True)
    left, right = (np.argwhere(half > 100)[:, 0].mean() for half in (level[:, :24], level[:, 24:]))
    assert abs(left - right) < 1
    unknown = Detection(20, 20, 90, 90, 1.0)
    np.testing.assert_array_equal(crop_face(picture, unknown, align=True), crop_face(picture, unknown))
    assert eye_angle(Detection(0, 0, 9, 9, 1.0, eyes=((0, 0, 2, 2), (1, 30, 2, 2)))) is None  # no head is tilted so


def test_each_thread_has_its_own_cascade():
    found = []
    threads = [threading.Thread(target=lambda: found.append(len(find_faces(COLLINS, "haar")))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1, 1, 1, 1]


# --- YuNet -------------------------------------------------------------------------------------------


def test_yunet_is_asked_for_by_its_file(tmp_path, monkeypatch):
    monkeypatch.setenv("FERNB_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="fernb fetch yunet"):
        find_faces(COLLINS, "yunet")
    with pytest.raises(ModelError, match="no YuNet file"):
        find_faces(COLLINS, yunet=tmp_path / "absent.onnx")
    (tmp_path / "yunet.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="not YuNet"):
        find_faces(COLLINS)  # auto takes what lies there


@pytest.fixture
def server():
    """A server that answers with ``content``, cut off where it should be."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/whole" else 404)
            self.end_headers()
            self.wfile.write(b"network")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_the_download_is_checked(server, tmp_path, monkeypatch):
    monkeypatch.setenv("FERNB_MODELS", str(tmp_path / "models"))
    right = hashlib.sha256(b"network").hexdigest()
    for url, digest, word in ((f"{server}/whole", "0" * 64, "not the file"), (f"{server}/gone", right, "404")):
        with pytest.raises(ModelError, match=word):
            detection.fetch_yunet(url, digest, timeout=5)
        assert not (tmp_path / "models").exists()
    assert detection.fetch_yunet(f"{server}/whole", right).read_bytes() == b"network"
