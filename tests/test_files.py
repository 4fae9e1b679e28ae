"""Files are whole or as they were, whatever happens while they are written."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from fernb import runtime
from fernb.errors import FernbError, OutputError
from fernb.files import TEMPORARY, alone, atomic_write, write_json, write_text


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("first")
        assert temporary.suffix == ".txt" and not path.exists()
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "first" and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(tmp_path, mask, monkeypatch):
    """The process's umask was set to 0 for a moment, in which other threads made files that all may write."""
    before = os.umask(mask)
    try:
        monkeypatch.setattr(os, "umask", lambda _: pytest.fail("the umask belongs to the whole process"))
        write_text(tmp_path / "a.txt", "a")
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask
    finally:
        monkeypatch.undo()
        os.umask(before)


@pytest.mark.parametrize(
    "name", ["a" * 250 + ".png", "holiday: beach.tar.gz", os.fsdecode(b"caf\xe9.json"), "." + "b" * 200]
)
def test_any_name_can_be_written(tmp_path, name):
    write_text(tmp_path / name, name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_full_disk_is_a_sentence_that_names_the_file(tmp_path, number):
    """Such an error names no file itself, and was a traceback in most commands."""
    (tmp_path / "table.csv").write_text("older")
    told = pytest.raises(OutputError, match=r"cannot write .*table\.csv: .*; free some space")
    with told, atomic_write(tmp_path / "table.csv") as temporary:
        temporary.write_text("half")
        raise OSError(number, os.strerror(number))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"]


def test_a_disk_that_is_really_full(tmp_path):
    """A limit on the size of files stands in for the disk; the kernel ends the write in the midst of it."""
    code = """
import pathlib, resource, sys
from fernb.files import write_text
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_text(sys.argv[1], "x" * 5000)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.txt"], capture_output=True, text=True)
    assert "OutputError: cannot write" in done.stderr and "a.txt: file too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path):
    for error in (
        BrokenPipeError(errno.EPIPE, "pipe"),
        FileNotFoundError(errno.ENOENT, "gone", "x"),
        OSError("camera"),
    ):
        with pytest.raises(type(error)) as caught, atomic_write(tmp_path / "a.txt"):
            raise error
        assert caught.value is error


def test_places_that_cannot_be_written_are_told_before_the_work(tmp_path):
    (tmp_path / "file").write_text("a")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "file" / "below.txt", tmp_path / "pipe", "/dev/null", "/proc/none/a.txt"):
        with pytest.raises(FernbError, match="cannot write"), atomic_write(path):
            pytest.fail("the work began")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "pipe"]


KILLED = """
import sys, time
from fernb.files import atomic_write
with atomic_write(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_run_left_goes_with_the_next(tmp_path):
    command = [sys.executable, "-c", KILLED, tmp_path / "table.csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        write_text(tmp_path / "other.txt", "while it runs")
        assert len(list(tmp_path.glob(f"{TEMPORARY}*"))) == 1  # it belongs to a process that lives
        process.send_signal(signal.SIGKILL)
    write_text(tmp_path / "again.txt", "after it")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.txt", "other.txt"]


def test_one_write_within_another(tmp_path):
    with atomic_write(tmp_path / "outer.txt") as outer:
        outer.write_text("outer")
        with atomic_write(outer) as inner:
            inner.write_text("changed")
        write_json(tmp_path / "inner.json", [1])
    assert (tmp_path / "outer.txt").read_text() == "changed"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inner.json", "outer.txt"]


def test_a_sentence_can_be_printed_anywhere():
    message = str(FernbError("no file " + os.fsdecode(b"caf\xe9")))
    assert message.encode("utf-8") and "caf" in message


def test_two_threads_may_silence_standard_error(capfd):
    """The second one kept the first one's silence as what to go back to."""
    first, second = threading.Event(), threading.Event()

    def one():
        with runtime.silent_stderr():
            first.set()
            second.wait(0.2)

    def two():
        first.wait()
        with runtime.silent_stderr():
            second.set()

    threads = [threading.Thread(target=work) for work in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_no_standard_error_is_no_error():
    code = "import os; os.close(2); from fernb.runtime import silent_stderr\nwith silent_stderr(): print('fine')"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True).stdout == "fine\n"


def test_two_at_once_into_one_output_are_told(tmp_path):
    """Each went on writing, over the other's files."""
    lock, hold = tmp_path / "out" / ".lock", "import sys, time; from pathlib import Path; from fernb.files import alone"
    program = f"{hold}\nwith alone(Path(sys.argv[1]), 'it'): print('held', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", program, str(lock)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="another fernb writes out/films just now"), alone(lock, "out/films"):
            pass
    finally:
        other.kill()
        other.wait()
    with alone(lock, "out/films"):  # the system let go of it
        pass
    assert not lock.exists()
