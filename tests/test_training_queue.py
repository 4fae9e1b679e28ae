"""The queue of long runs: read, filled in, and gone on with."""

import click
import pytest
import training_queue
from click.testing import CliRunner

QUEUE = """
# a comment
first   --recipe plain --epochs 1   # the first
second  --recipe student --teacher {first}
"""


def test_a_queue_is_names_and_options():
    runs = training_queue.read_queue(QUEUE)
    assert runs == {
        "first": ["--recipe", "plain", "--epochs", "1"],
        "second": ["--recipe", "student", "--teacher", "{first}"],
    }


@pytest.mark.parametrize("line", ["a/b --recipe plain", "first\nfirst", "code --recipe plain"])
def test_a_name_is_a_folder_of_its_own(line):
    with pytest.raises(click.UsageError, match="cannot be a run's name"):
        training_queue.read_queue(line)


def test_the_committed_queue_can_be_read_and_names_runs_that_stand_before():
    runs = training_queue.read_queue(training_queue.QUEUE.read_text(encoding="utf-8"))
    for number, options in enumerate(runs.values()):
        named = [word[1:-1] for word in options if word.startswith("{")]
        assert set(named) <= set(list(runs)[:number])


def test_a_run_resumes_and_is_taught_by_another(tmp_path):
    words = training_queue.arguments(tmp_path, "second", ["--teacher", "{first}"])
    assert words[:2] == ["--teacher", str(tmp_path / "first" / "first.tflite")]
    assert words[2:] == ["--resume", "--out", str(tmp_path / "second"), "--save", str(tmp_path / "second/second.keras")]


def test_a_queue_goes_on_after_a_failed_run_and_leaves_out_what_is_done(tmp_path, monkeypatch):
    called = []

    def train(runs, name, options):
        called.append(name)
        return name != "broken"

    monkeypatch.setattr(training_queue, "train", train)
    queue = tmp_path / "queue.txt"
    queue.write_text("done --recipe plain\nbroken --recipe vgg\nlast --recipe plain\n")
    (tmp_path / "runs" / "code").mkdir(parents=True)
    training_queue.network(tmp_path / "runs", "done").parent.mkdir()
    training_queue.network(tmp_path / "runs", "done").touch()
    result = CliRunner().invoke(training_queue.main, [str(tmp_path / "runs"), "--queue", str(queue)])
    assert called == ["broken", "last"]
    assert result.exit_code == 1 and "failed, their logs say why: broken." in result.output


def test_a_run_is_done_from_a_clone(tmp_path, monkeypatch):
    """A wrong option ends the process at once: what it says stands in the log."""
    monkeypatch.setattr(training_queue, "arguments", lambda runs, name, options: ["--recipe", "none-such"])
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "fernb").symlink_to(training_queue.config.ROOT / "fernb")
    assert not training_queue.train(tmp_path, "run", [])
    log = (tmp_path / "run" / "log.txt").read_text()
    assert ("fernb.app.cli train --recipe none-such" in log and "none-such" in log.splitlines()[-1]) or "Usage" in log
