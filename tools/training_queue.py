"""Train the networks of ``tools/training_queue.txt``, one after the other, at lowest priority: ``make queue``.

    python tools/training_queue.py RUNS

``RUNS`` is a folder outside the work tree. The code is cloned into it first, so that nothing that is
changed meanwhile disturbs a run; remove ``RUNS/code`` to take newer code. Each run has its folder there:
log, state and history, and its network once it is done. Started again, the queue goes on where it was.
"""

import fcntl
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click

from fernb import config

QUEUE = config.ROOT / "tools" / "training_queue.txt"


def read_queue(text: str) -> dict[str, list[str]]:
    """Return the runs of a queue: from a name to the options of ``fernb train``; ``#`` begins a comment."""
    lines = [words for words in (shlex.split(line, comments=True) for line in text.splitlines()) if words]
    names = [name for name, *_ in lines]
    wrong = [name for name in names if not re.fullmatch(r"[\w-]+", name) or names.count(name) > 1 or name == "code"]
    if wrong:
        raise click.UsageError(f"{wrong[0]!r} cannot be a run's name; take letters and digits, and each name once.")
    return {name: options for name, *options in lines}


def network(runs: Path, name: str) -> Path:
    """Return where the network of the run ``name`` is once it is done."""
    return runs / name / f"{name}.tflite"


def arguments(runs: Path, name: str, options: list[str]) -> list[str]:
    """Return what follows ``fernb train`` for a run; ``{NAME}`` in its options is the network of that run."""
    filled = [re.sub(r"\{([\w-]+)\}", lambda match: str(network(runs, match[1])), option) for option in options]
    return [*filled, "--resume", "--out", str(runs / name), "--save", str(network(runs, name).with_suffix(".keras"))]


def train(runs: Path, name: str, options: list[str]) -> bool:
    """Do one run in a process of its own, from the cloned code; say whether it went well."""
    code, log = runs / "code", runs / name / "log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    source = os.environ.get("FERNB_DATA") or config.data_source()
    environment = (
        os.environ | {"PYTHONPATH": str(code)} | ({"FERNB_DATA": str(Path(source).resolve())} if source else {})
    )
    command = [sys.executable, "-m", "fernb.app.cli", "train", *arguments(runs, name, options)]
    with log.open("a") as file:
        file.write(f"$ {shlex.join(command)}\n")
        file.flush()
        return not subprocess.run(
            command, env=environment, stdout=file, stderr=subprocess.STDOUT, cwd=code, preexec_fn=lambda: os.nice(19)
        ).returncode


@click.command(help=__doc__)
@click.argument("runs", type=click.Path(path_type=Path, file_okay=False))
@click.option("--queue", type=click.Path(path_type=Path, exists=True), default=QUEUE, help="Another list of runs.")
def main(runs: Path, queue: Path) -> None:
    runs = runs.resolve()
    runs.mkdir(parents=True, exist_ok=True)
    with (runs / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.ClickException(
                f"a queue runs in {runs} already; follow it with tail -f {runs}/*/log.txt."
            ) from None
        if not (runs / "code").exists():
            subprocess.run(["git", "clone", "--quiet", str(config.ROOT), str(runs / "code")], check=True)
        failed = []
        for name, options in read_queue(queue.read_text(encoding="utf-8")).items():
            if network(runs, name).is_file():
                click.echo(f"{name}: done")
                continue
            click.echo(f"{name}: {runs / name / 'log.txt'}")
            failed += [] if train(runs, name, options) else [name]
        if failed:
            raise click.ClickException(f"these runs failed, their logs say why: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
