"""`fernb predict IMAGES`: crops, folders, copies, exit codes, and bad files among good ones."""

import json
import os
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

import fernb
from fernb import config
from fernb.app.cli import main
from fernb.recognition import MAX_CROP_SIDE, recognise
from fernb.vision.images import read_image, write_image

COLLINS, CHINA = config.SAMPLES / "eileen_collins.jpg", config.SAMPLES / "china.jpg"


def run(*arguments: object):
    return CliRunner().invoke(main, ["predict", *map(str, arguments)])


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    rgb = read_image(COLLINS)
    return fernb.crop_face(rgb, fernb.find_faces(rgb, "haar")[0])


def test_ready_crops_are_read_whole(tmp_path, crop):
    """`fernb preprocess`'s own output was refused where the detector found no face in 48 pixels."""
    write_image(tmp_path / "crop.png", crop)
    (face,) = recognise(crop)
    assert face.detection.box == (0, 0, 48, 48) and face.emotion == "happy"
    np.testing.assert_array_equal(face.crop, crop)
    assert "happy" in run(tmp_path / "crop.png").stdout
    assert recognise(crop, whole=False) == []
    blank = np.zeros((MAX_CROP_SIDE, MAX_CROP_SIDE + 1), np.uint8)
    assert recognise(blank) == [] and len(recognise(blank, whole=True)) == 1


def test_a_folder_with_copies_and_a_bad_file(tmp_path, crop):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shutil.copy(COLLINS, folder)
    shutil.copy(CHINA, folder)
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image either")
    result = run(folder, "--out", out, "--json")
    assert result.exit_code == 1 and result.stderr.startswith("fernb: ") and "broken.jpg" in result.stderr
    rows = {os.path.basename(row["picture"]): row for row in json.loads(result.stdout)}
    assert set(rows) == {"broken.jpg", "china.jpg", "eileen_collins.jpg"}
    assert "error" in rows["broken.jpg"] and rows["china.jpg"]["box"] is None
    assert rows["eileen_collins.jpg"]["emotion"] == "happy"
    assert sorted(os.listdir(out)) == ["china.png", "eileen_collins.png"]
    changed = (read_image(out / "eileen_collins.png") != read_image(COLLINS)).any(2)
    assert 0.002 < changed.mean() < 0.2
    np.testing.assert_array_equal(read_image(out / "china.png"), read_image(CHINA))


def test_exit_codes():
    assert run(COLLINS, CHINA).exit_code == 0
    nobody = run(CHINA)
    assert nobody.exit_code == 1 and "no face found" in nobody.stdout
    assert run("--whole").exit_code == 2


def test_no_image_is_overwritten(tmp_path, crop):
    write_image(tmp_path / "a.png", crop)
    write_image(tmp_path / "b" / "a.png", crop)
    before = (tmp_path / "a.png").read_bytes()
    for arguments, word in (
        ((tmp_path / "a.png", tmp_path / "b" / "a.png", "--out", tmp_path / "c"), "two images"),
        ((tmp_path / "a.png", "--out", tmp_path), "overwrite itself"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1 and word in result.stderr and result.stderr.count("\n") == 1
    assert (tmp_path / "a.png").read_bytes() == before and not (tmp_path / "c").exists()
    (tmp_path / "empty").mkdir()
    assert "no images in it" in run(tmp_path / "empty").stderr


def test_a_name_that_is_not_utf8(tmp_path, crop):
    write_image(tmp_path / os.fsdecode(b"caf\xe9.png"), crop)
    result = run(tmp_path)
    assert result.exit_code == 0 and "caf" in result.stdout


def test_a_folder_for_each_emotion_is_a_test_set(tmp_path, crop):
    """Emotions may be missing; the means are those of the emotions that are there."""
    write_image(tmp_path / "happy" / "1.png", crop)
    write_image(tmp_path / "Surprise" / "2.png", crop[:, ::-1])
    result = run("--data", tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "Accuracy on test set: 50.0%"
    assert "balanced accuracy 50.0%" in result.stdout and "for testing only" in result.stdout
