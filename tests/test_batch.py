"""Many videos at once: what is done is not done again, and a broken one stops nothing."""

import json
import os
import signal
import time

import pandas as pd
import pytest
from click.testing import CliRunner

from fernb.app.cli import main
from fernb.errors import FernbError
from fernb.video import batch


def test_a_folder_is_scanned_by_several_processes_and_resumed(films, tmp_path):
    folder, out = films, tmp_path / "out"
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


def crash(source, out, options):
    """Work that one file kills."""
    if source.stem == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    made = out / f"{source.stem}.csv"
    made.write_text("")
    return [made]


def test_a_crash_in_native_code_fails_one_video_only(tmp_path):
    """The pool of processes ends with the process: all videos after it failed."""
    given = [tmp_path / f"{name}.mp4" for name in ("a", "b", "deadly", "c", "d", "e")]
    for source in given:
        source.write_bytes(b"")
    said = []
    assert batch.scan_many(given, tmp_path, crash, {}, log=said.append) == [tmp_path / "deadly.mp4"]
    manifest = json.loads((tmp_path / batch.MANIFEST).read_text())
    assert [entry["state"] for entry in manifest.values()] == ["done", "done", "failed", "done", "done", "done"]
    assert "process crashed" in manifest[str(tmp_path / "deadly.mp4")]["why"]
    assert len(said) == 6


def test_a_long_manifest_is_not_written_for_each_video(tmp_path, monkeypatch):
    """Ten thousand times a file of ten thousand entries would be most of the work."""
    written = []
    monkeypatch.setattr(batch, "write_json", lambda path, entries: (written.append(1), time.sleep(0.01)))
    for name in (names := [f"{i}.mp4" for i in range(50)]):
        (tmp_path / name).write_bytes(b"")

    def run(work, sources, out, options):
        return ((source, []) for source in sources)

    batch.scan_many([tmp_path / name for name in names], tmp_path, crash, {}, run=run, log=lambda line: None)
    assert len(written) <= 5  # the first, the last, and a few in between


def test_ctrl_c_says_how_to_go_on_and_keeps_what_is_done(tmp_path):
    given, said = [tmp_path / "a.mp4", tmp_path / "b.mp4"], []
    for source in given:
        source.write_bytes(b"")

    def run(work, sources, out, options):
        yield sources[0], []
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch.scan_many(given, tmp_path, crash, {}, run=run, log=said.append)
    assert said[-1].startswith("stopped; the same command goes on")
    states = [entry["state"] for entry in json.loads((tmp_path / batch.MANIFEST).read_text()).values()]
    assert states == ["done", "unfinished"]
