"""``fernb demo`` and ``fernb doctor``."""

import sys
from pathlib import Path

import click

from fernb import config
from fernb.app.cli.common import PATH, short


@click.command()
@click.option("--out", type=PATH, default=None, help="Where the results go (default: out/demo).")
def demo(out: Path | None) -> None:
    """Find and name emotions in the clip and photographs that come with fernb."""
    from fernb.app.demo import run

    paths = run(out or config.WORKSPACE / "out" / "demo", click.echo)
    click.echo("wrote")
    for path in paths:
        click.echo(f"  {short(path)}")


@click.command()
def doctor() -> None:
    """Say what is installed and found, and how to mend what is not."""
    from fernb.app.doctor import check

    lines, well = check()
    click.echo("\n".join(lines))
    sys.exit(0 if well else 1)
