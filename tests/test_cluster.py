"""Many videos by a Dask cluster: a real scheduler and three worker processes on this machine."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from fernb.app.cli import main
from fernb.errors import FernbError
from fernb.video import batch, cluster

distributed = None
if "CI" in os.environ:
    import distributed
else:
    distributed = pytest.importorskip("distributed", reason='pip install "fernb[cluster]" to test it')


@pytest.fixture(scope="module")
def dask():
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0", silence_logs=50
    ) as started:
        yield started


def logged(source: Path, out: Path, options: dict) -> list[Path]:
    """Work that says when it begins and ends, and where."""
    for word in ("begun", "done"):
        with (out / "log.txt").open("a") as log:
            log.write(f"{source.stem} {word} {os.getpid()}\n")
        time.sleep(options["seconds"] * (word == "begun"))
    if source.stem == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    made = out / f"{source.stem}.csv"
    made.write_text(source.read_text())
    return [made]


def sources(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / f"{name}.mp4").write_text(name)
    return [folder / f"{name}.mp4" for name in names]


def lines(out: Path) -> list[list[str]]:
    log = out / "log.txt"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def kill_one_at_work(out: Path, killed: list[str]) -> None:
    """Kill the worker process that began last, once some of the work is done."""
    while sum(word == "done" for _, word, _ in lines(out)) < 4:
        time.sleep(0.02)
    name, word, pid = lines(out)[-1]
    while word != "begun":
        time.sleep(0.02)
        name, word, pid = lines(out)[-1]
    os.kill(int(pid), signal.SIGKILL)
    killed.append(name)


def test_a_worker_that_dies_loses_nothing_and_nothing_is_done_twice(dask, tmp_path):
    names = [f"v{i:02}" for i in range(16)]
    given, killed = sources(tmp_path, *names), []
    murder = threading.Thread(target=kill_one_at_work, args=(tmp_path, killed), daemon=True)
    murder.start()
    with cluster.on_cluster(dask.scheduler_address) as run:
        failed = batch.scan_many(given, tmp_path, logged, {"seconds": 0.3}, run=run, log=lambda line: None)
    murder.join(10)
    log = lines(tmp_path)
    assert failed == [] and len(killed) == 1
    assert sorted(name for name, word, _ in log if word == "done") == names
    assert sorted(name for name, word, _ in log if word == "begun") == sorted([*names, *killed])
    assert all((tmp_path / f"{name}.csv").read_text() == name for name in names)
    manifest = json.loads((tmp_path / batch.MANIFEST).read_text())
    assert [entry["state"] for entry in manifest.values()] == ["done"] * 16
    assert not (tmp_path / batch.NOTES).exists()


def test_the_command_writes_what_it_writes_without_a_cluster(dask, films, tmp_path):
    arguments = ["scan", str(films), "--csv", "--every", "2", "--scheduler", dask.scheduler_address]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 1 and "1 of 3 could not be scanned" in result.stderr
    manifest = json.loads((tmp_path / "out" / batch.MANIFEST).read_text())
    assert [entry["state"] for entry in manifest.values()] == ["done", "done", "failed"]
    one = CliRunner().invoke(main, ["scan", str(films / "a.mp4"), "--csv", "--every", "2", "--out", str(tmp_path)])
    assert one.exit_code == 0
    alone = pd.read_csv(tmp_path / "a.csv")
    for name in ("a", "b"):
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / f"{name}.csv"), alone)
    (films / "broken.mp4").unlink()
    again = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "out")])
    assert again.exit_code == 0 and "2 of 2 are done already" in again.stdout


def test_a_cluster_can_be_started_here(tmp_path, monkeypatch):
    monkeypatch.setattr("fernb.runtime.cores", lambda: 1)
    with cluster.on_cluster("local") as run:
        outcomes = dict(run(logged, sources(tmp_path, "a", "b"), tmp_path, {"seconds": 0}))
    assert outcomes == {tmp_path / f"{name}.mp4": [tmp_path / f"{name}.csv"] for name in "ab"}


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "tcp://127.0.0.1"])
def test_no_scheduler_is_one_sentence(address, monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT_S", 0.3)
    with pytest.raises(FernbError, match="dask scheduler"), cluster.on_cluster(address):
        pass
