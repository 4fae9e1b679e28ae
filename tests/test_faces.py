"""Faces: found by both detectors, cut out the one way, and whatever image comes is answered."""

import contextlib
import hashlib
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fernb
from fernb import config
from fernb.errors import FernbError, ImageError, ModelError
from fernb.vision import crop, detection, images
from fernb.vision.crop import crop_face, cut_face, eye_angle, whole_image
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


def test_a_large_image_gives_boxes_of_its_own_size():
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
def test_tiny_and_odd_images_have_no_face(shape):
    assert find_faces(np.zeros(shape, np.uint8), "haar") == []


def test_an_empty_image_and_an_unknown_detector_are_one_sentence():
    with pytest.raises(ImageError, match="not empty"):
        find_faces(np.zeros((0, 5, 3), np.uint8))
    with pytest.raises(FernbError, match="no detector 'dlib'"):
        find_faces(COLLINS, "dlib")


def test_an_opencv_without_cascades_says_what_to_install(monkeypatch):
    monkeypatch.setattr(detection, "_per_thread", threading.local())
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
    for image, where in (
        (FACE, whole_image(FACE)),
        (read, whole_image(read)),
        (colour, whole_image(colour)),
        (inside, Detection(30, 20, 48, 48, 1.0)),
    ):
        np.testing.assert_array_equal(crop_face(image, where), FACE)


@given(st.integers(-60, 150), st.integers(-60, 150), st.integers(1, 200), st.integers(1, 200))
def test_any_box_gives_a_face(x, y, w, h):
    image = np.arange(100 * 80, dtype=np.uint32).reshape(100, 80).astype(np.uint8)
    crop = crop_face(image, Detection(x, y, w, h, 1.0))
    assert crop.shape == (48, 48) and crop.dtype == np.uint8


def test_outside_the_image_the_edge_is_repeated():
    image = np.full((60, 60), 7, np.uint8)
    assert (crop_face(image, Detection(-30, -30, 90, 90, 1.0)) == 7).all()
    with pytest.raises(ImageError, match="must be 1 to"):
        crop_face(image, Detection(0, 0, 0, 0, 1.0))


def test_alignment_levels_the_eyes():
    eyes = np.array([[40, 60], [80, 40], [60, 70], [45, 90], [80, 80]], np.float32)
    tilted = Detection(20, 20, 90, 90, 1.0, landmarks=eyes)
    assert eye_angle(tilted) == pytest.approx(-26.565, abs=0.01)
    image = np.zeros((130, 130), np.uint8)
    for x, y in eyes[:2].astype(int):
        cv2.circle(image, (int(x), int(y)), 5, 255, -1)
    level = crop_face(image, tilted, align=True)
    left, right = (np.argwhere(half > 100)[:, 0].mean() for half in (level[:, :24], level[:, 24:]))
    assert abs(left - right) < 1
    unknown = Detection(20, 20, 90, 90, 1.0)
    np.testing.assert_array_equal(crop_face(image, unknown, align=True), crop_face(image, unknown))
    assert eye_angle(Detection(0, 0, 9, 9, 1.0, eyes=((0, 0, 2, 2), (1, 30, 2, 2)))) is None  # no head is tilted so


def test_only_the_face_is_turned_to_grey(monkeypatch):
    """Of a frame with ten faces the whole was converted ten times; the faces stay the same to the last bit."""
    boxes = [Detection(x, 90, 60 + x // 7, 64, 1.0) for x in range(-20, 500, 55)]
    frame = cv2.resize(COLLINS, (640, 480))
    before = [crop_face(images.to_grey(frame), box) for box in boxes]
    converted = []
    monkeypatch.setattr(crop, "to_grey", lambda image: converted.append(image.size) or images.to_grey(image))
    for box, face in zip(boxes, before, strict=True):
        np.testing.assert_array_equal(crop_face(frame, box), face)
    assert sum(converted) < frame.size / 2


@pytest.mark.parametrize("box", [(0, 0, 10**18, 10**18), (5, 5, 100_000, 3), (-(10**15), 10**15, 40, 40)])
def test_a_box_beyond_all_images_is_bounded_work(box):
    for cut in (crop_face, cut_face):
        try:
            assert cut(COLLINS, Detection(*box, 1.0)).shape[0] <= 64
        except ImageError as error:
            assert "must be 1 to" in str(error)


@given(st.integers(-60, 150), st.integers(-60, 150), st.integers(1, 200), st.integers(1, 200))
def test_eyes_of_any_box(x, y, w, h):
    box = Detection(x, y, w, h, 1.0)
    assert len(detection.find_eyes(COLLINS[:100, :80], box)) <= 2
    assert detection.eyes_closed(COLLINS[:100, :80], box) in (True, False)


def test_no_thread_shares_a_detector():
    face = find_faces(COLLINS, "haar")[0]
    kept, found = [], []

    def work():
        found.append((len(find_faces(COLLINS, "haar", eyes=True)), detection.eyes_closed(COLLINS, face)))
        kept.append(dict(detection._per_thread.__dict__))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(1, False)] * 4
    assert all(len(own) >= 3 for own in kept)  # faces, eyes, open eyes
    assert len({id(one) for own in kept for one in own.values()}) == sum(map(len, kept))


IMPORTS_ALL = """
import importlib, pkgutil
import cv2
del cv2.CascadeClassifier
import fernb
rooms = ("fernb.vision", "fernb.data", "fernb.video", "fernb.recognition", "fernb.evaluation")
for module in pkgutil.walk_packages(fernb.__path__, "fernb."):
    if module.name.startswith(rooms):
        importlib.import_module(module.name)
"""


def test_fernb_imports_under_an_opencv_without_cascades():
    """OpenCV 5 has no CascadeClassifier, and an annotation that named it ended `import fernb.video`."""
    done = subprocess.run([sys.executable, "-c", IMPORTS_ALL], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- YuNet -------------------------------------------------------------------------------------------


@pytest.fixture
def models(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("FERNB_MODELS", str(folder))
    return folder


def test_yunet_is_asked_for_by_its_file(models):
    with pytest.raises(ModelError, match="fernb fetch yunet"):
        find_faces(COLLINS, "yunet")
    with pytest.raises(ModelError, match="no YuNet file"):
        find_faces(COLLINS, yunet=models / "absent.onnx")


def test_a_yunet_of_unknown_content_is_never_opened(models, monkeypatch):
    """OpenCV crashes on a damaged ONNX file, so only known ones reach it."""
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *_: pytest.fail("opened"))
    (models / "yunet.onnx").write_bytes(b"not a network")
    assert detection.find_yunet() is None
    assert len(find_faces(COLLINS)) == 1  # Haar's
    with pytest.raises(ModelError, match="fernb fetch yunet"):
        find_faces(COLLINS, "yunet")
    with pytest.raises(ModelError, match="damaged"):
        find_faces(COLLINS, yunet=models / "yunet.onnx")


def test_yunet_is_looked_for_once(models, monkeypatch):
    known = models / "yunet_b.onnx"
    known.write_bytes(b"weights")
    (models / "yunet_a.onnx").write_bytes(b"others")
    monkeypatch.setitem(detection.KNOWN_YUNETS, hashlib.sha256(b"weights").hexdigest(), "for this test")
    assert detection.find_yunet() == known
    with monkeypatch.context() as patch:  # neither the folder nor a file is read again
        patch.setattr(Path, "glob", lambda *_: pytest.fail("searched"))
        patch.setattr(Path, "read_bytes", lambda *_: pytest.fail("read"))
        assert [detection.find_yunet() for _ in range(3)] == [known] * 3
    known.write_bytes(b"weights, changed")
    assert detection.find_yunet() is None
    known.unlink()
    assert detection.find_yunet() is None


@pytest.fixture
def server(monkeypatch):
    """A server for the addresses ``https://server/…`` whose ``/slow`` trickles for ever."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404 if self.path == "/gone" else 200)
            if self.path == "/cut":
                self.send_header("Content-Length", "100")
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(100 if self.path == "/slow" else 1):
                    self.wfile.write(b"network")
                    self.wfile.flush()
                    time.sleep(0.05 if self.path == "/slow" else 0)

        def log_message(self, *_):
            pass

    ask = urllib.request.urlopen
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()

        def by_http(url: str, timeout: float):  # no certificate for a test
            answer = ask(url.replace("https://server", f"http://127.0.0.1:{running.server_port}"), timeout=timeout)
            answer.url = "http://elsewhere" if url.endswith("/led-away") else url
            return answer

        monkeypatch.setattr(urllib.request, "urlopen", by_http)
        yield
        running.shutdown()


@pytest.mark.parametrize(
    ("url", "digest", "word"),
    [
        ("https://server/whole", "0" * 64, "not the file"),
        ("https://server/gone", None, "404"),
        ("https://server/cut", None, "not the file|IncompleteRead"),
        ("https://server/slow", None, "more than 0.3 seconds"),
        ("https://server/led-away", None, "away from https"),
        ("http://server/whole", None, "https://"),
        ("file:///etc/hostname", None, "https://"),
    ],
)
def test_a_bad_download_leaves_nothing(server, models, url, digest, word):
    right = hashlib.sha256(b"network").hexdigest()
    if url.endswith("/cut"):
        right = hashlib.sha256(b"network" + bytes(93)).hexdigest()
    with pytest.raises(ModelError, match=word):
        detection.fetch_yunet(url, sha256=digest or right, timeout=0.3 if "slow" in url else 5)
    assert list(models.iterdir()) == []


def test_a_good_download_is_whole(server, models):
    right = hashlib.sha256(b"network").hexdigest()
    assert detection.fetch_yunet("https://server/whole", sha256=right).read_bytes() == b"network"


def test_a_known_face_is_found_again_in_its_surroundings_only():
    (face,) = find_faces(COLLINS, "haar")
    (again,) = find_faces(COLLINS, "haar", near=[face.moved(6, -6)])
    assert np.abs(np.subtract(again.box, face.box)).max() <= 0.1 * face.w
    assert find_faces(COLLINS, "haar", near=[face.moved(3 * face.w // 2, 0)]) == []
    assert find_faces(COLLINS, "haar", near=[face.moved(10 * face.w, 0)]) == []  # outside of the image
    assert find_faces(COLLINS, "haar", near=[face.scaled(0.5)]) == []  # none as small as that
    assert find_faces(COLLINS, "haar", near=[]) == []
