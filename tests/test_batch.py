"""Many videos at once: what is done is not done again, and a broken one stops nothing."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from fernb.app import samples
from fernb.app.cli import main
from fernb.errors import FernbError
from fernb.video import batch


def test_a_folder_is_scanned_by_several_processes_and_resumed(tmp_path):
    folder, out = tmp_path / "films", tmp_path / "out"
    folder.mkdir()
    writer = cv2.VideoWriter(str(folder / "a.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (640, 360))
    for rgb in samples.two_people(1, 10, away=(0, 2)):
        writer.write(np.ascontiguousarray(rgb[..., ::-1]))
    writer.release()
    shutil.copy(folder / "a.mp4", folder / "b.mp4")
    (folder / "broken.mp4").write_bytes(b"no video")
    arguments = ["scan", str(folder), "--csv", "--every", "2", "--out", str(out)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "1 of 3 could not be scanned" in result.stderr
    states = [entry["state"] for entry in json.loads((out / batch.MANIFEST).read_text()).values()]
    assert sorted(states) == ["done", "done", "failed"]
    a, b = pd.read_csv(out / "a.csv"), pd.read_csv(out / "b.csv")
    pd.testing.assert_frame_equal(a, b)
    assert (a["track"] == 1).all() and len(a) == 5
    (folder / "broken.mp4").unlink()
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 0 and "2 of 2 are done already" in again.stdout


def test_what_has_changed_is_done_anew(tmp_path):
    source, made = tmp_path / "a.mp4", tmp_path / "a.csv"
    source.write_bytes(b"1"), made.write_bytes(b"2")
    options = {"every": "1", "kinds": ("csv",)}
    entry = {"state": "done", "files": [str(made)], "options": {"every": "1", "kinds": ["csv"]}, **batch._stamp(source)}
    assert batch._done(entry, source, options)
    assert not batch._done(entry, source, {**options, "every": "2"})
    source.write_bytes(b"longer")
    assert not batch._done(entry, source, options)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_a_broken_manifest_is_one_sentence(tmp_path, content):
    (tmp_path / batch.MANIFEST).write_text(content)
    with pytest.raises(FernbError, match=r"manifest\.json"):
        batch.scan_many([tmp_path / "a.mp4"], tmp_path, print, {})


def test_a_folder_of_images_is_one_source(tmp_path):
    (tmp_path / "img1.png").write_bytes(b"")
    assert batch.sources_of([tmp_path]) == [tmp_path]
