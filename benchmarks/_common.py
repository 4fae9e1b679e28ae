"""What every benchmark shares: one command line, and what stands beside its figures.

Each script is a click command: ``--data`` says which faces, ``--out`` where the JSON goes, ``--help`` the rest.
"""

import os
import platform
import shlex
import sys
from pathlib import Path

import click

from fernb import config, runtime
from fernb.data.faceset import FaceSplits
from fernb.files import write_json

DATA = click.option("--data", "source", default="fer2013", show_default=True, help="A path, or fer2013, synthetic.")

LOAD = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
"""How many processes wanted a core in the minute before the benchmark began."""


def out_option(path: Path):
    """Return the option ``--out``: the file, or the folder, that a benchmark writes (default ``path``)."""
    where = f"Where the figures go (default: {path.relative_to(config.WORKSPACE).as_posix()})."
    return click.option("--out", type=click.Path(path_type=Path), default=path, help=where)


def about(splits: FaceSplits | None = None) -> dict:
    """Return where figures come from: the command as it was typed, the hardware, its other load, the data."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]  # no machine's folders
    made = {
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words]),
        "hardware": f"{runtime.cores()} CPU cores, {platform.machine()}",
        "load_average_before": LOAD,
    }
    if splits is not None:
        made["data"] = {"source": splits.source, "digest": splits.digest}
    return made


def write(path: Path, result: dict, splits: FaceSplits | None = None) -> None:
    """Write :func:`about` and then ``result`` into ``path``."""
    write_json(path, about(splits) | result)
    click.echo(f"wrote {path}")


def on_one_core() -> None:
    """Give this process one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
