"""What SECURITY.md promises: nothing leaves the machine, nothing is kept unless asked, names stay names."""

import re
import socket

import pytest
from click.testing import CliRunner

from fernb import config
from fernb.app.cli import main
from fernb.errors import DataError
from fernb.labels import emotion_name
from fernb.video import scan

PHOTO, CLIP = str(config.SAMPLES / "eileen_collins.jpg"), str(config.SAMPLES / "emotions.mp4")


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """An empty folder to work in, and a network on which every word is noted."""
    said = []

    def refuse(*arguments, **_):
        said.append(arguments)
        raise OSError("there is no network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(config, "WORKSPACE", tmp_path)
    monkeypatch.chdir(tmp_path)
    yield said
    assert said == []


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["predict", PHOTO], []),
        (["live", "--source", CLIP, "--seconds", "1"], []),
        (["doctor"], []),
        (["scan", PHOTO, "--csv", "--out", "asked"], ["asked", "asked/eileen_collins.csv"]),
    ],
)
def test_nothing_leaves_the_machine_and_nothing_is_kept_unasked(arguments, kept, alone, tmp_path):
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == kept


@pytest.mark.parametrize("name", ["..mp4", "...", "a\\..\\b.mp4", "-rf.mp4", "<b>.mp4", "C:evil.mp4"])
def test_no_name_of_a_video_leaves_the_output_folder(name, tmp_path):
    source, out = tmp_path / "films" / name, tmp_path / "out"
    for path in scan.outputs(source, out, ("csv", "video", "plot", "wide")).values():
        assert path.resolve().parent == out.resolve()


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "<script>"])
def test_no_emotion_is_a_path(name):
    with pytest.raises(DataError, match=re.escape(name)):
        emotion_name(name)


def test_the_page_of_the_webcam_takes_no_html_from_anywhere():
    """Labels and messages of the kernel become text; only the widget's own markup is HTML."""
    page = (config.ROOT / "fernb" / "widgets" / "webcam.js").read_text(encoding="utf-8")
    assert re.findall(r"innerHTML\S* ?\S*", page) == ["innerHTML: MARKUP"]
    assert not re.search(
        r"insertAdjacentHTML|outerHTML|document\.write|\beval\(|fetch\(|XMLHttpRequest|https?://", page
    )
    markup = page.split("const MARKUP = `")[1].split("`;")[0]
    assert "${" not in markup
