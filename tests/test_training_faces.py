"""A network that is tested on faces that it was trained on: that is noticed, and said."""

import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from fernb import config, evaluation
from fernb.app.cli import main
from fernb.data import loading
from fernb.data.faceset import FaceSet, make_splits
from fernb.data.synthetic import draw_faces
from fernb.errors import ModelError
from fernb.networks.recogniser import Recogniser
from fernb.networks.training_faces import KEY, face_hashes, trained_on, write_training_faces

SEEN, NEW = draw_faces(30, 1), draw_faces(20, 2)


@pytest.fixture
def network(tmp_path):
    """The committed network, as if it had been trained on ``SEEN``."""
    path = shutil.copy(config.DEFAULT_MODEL, tmp_path)
    sidecar = json.loads(config.DEFAULT_MODEL.with_suffix(".json").read_text())
    sidecar[KEY] = write_training_faces(tmp_path, SEEN)
    (tmp_path / "my_own_model.json").write_text(json.dumps(sidecar))
    return tmp_path / path


def mixed():
    """A test set of 50 faces, 30 of which were trained on, and a training part that knows nothing of it."""
    faces = FaceSet(np.concatenate([SEEN.images, NEW.images]), np.concatenate([SEEN.labels, NEW.labels]))
    return make_splits(draw_faces(10, 3), draw_faces(10, 4), faces, "mixed")


def test_hashes_tell_pixels_apart():
    images = SEEN.images.copy()
    images[1, 0, 0] ^= 1
    assert (face_hashes(images) == face_hashes(SEEN.images)).tolist() == [i != 1 for i in range(30)]
    assert face_hashes(images[:0]).shape == (0,)


def test_one_file_for_all_networks_that_were_trained_on_the_same_faces(tmp_path):
    names = {write_training_faces(tmp_path, faces) for faces in (SEEN, SEEN.take(np.arange(30)[::-1]), NEW)}
    assert len(names) == 2 == len(list(tmp_path.iterdir()))


def test_faces_that_were_trained_on_are_known_again(network):
    assert trained_on(Recogniser(network), mixed().test).tolist() == [True] * 30 + [False] * 20


def test_the_score_without_them_is_that_of_the_new_faces(network):
    report = evaluation.evaluate_part(Recogniser(network), mixed())
    alone = (Recogniser(network).predict(NEW.images).argmax(1) == NEW.labels).mean()
    assert report["n_deduplicated"] == 20 and report["accuracy_deduplicated"] == pytest.approx(alone)


def test_predict_says_so_in_one_sentence(network, monkeypatch):
    monkeypatch.setattr(loading, "load_faces", lambda source="auto", **_: mixed())
    lines = CliRunner().invoke(main, ["predict", "--model", str(network)]).stdout.splitlines()
    assert re.match(
        r"The network was trained on 30 of these faces; de-duplicated, without them: .* of 20 faces", lines[2]
    )


@pytest.mark.parametrize("name", ["../other.npy", "gone.npy", 7, "objects.npy", "faces.npy"])
def test_a_wrong_file_is_one_sentence(network, name):
    np.save(network.with_name("objects.npy"), np.array([{}], object))
    np.save(network.with_name("faces.npy"), SEEN.images)
    recogniser = Recogniser(network)
    recogniser.sidecar[KEY] = name
    with pytest.raises(ModelError, match="trained on cannot be read"):
        trained_on(recogniser, NEW)


@pytest.mark.parametrize("path", sorted(config.MODEL.rglob("*.tflite")), ids=lambda path: path.stem)
def test_a_committed_network_has_the_file_that_its_side_car_names(path):
    known = trained_on(Recogniser(path), NEW)  # a missing file would raise
    assert known is None or not known.any()
