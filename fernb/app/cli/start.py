"""``fernb demo``, ``fernb doctor`` and ``fernb fetch``."""

import sys
from pathlib import Path

import click

from fernb import config
from fernb.app.cli.common import PATH, Group, command, short


@command("demo", example="fernb demo")
@click.option("--out", type=PATH, default=None, help="Where the results go (default: out/demo).")
def demo(out: Path | None) -> None:
    """Find faces and name their emotions in the clip and photographs that come with fernb."""
    from fernb.app.demo import run

    paths = run(out or config.WORKSPACE / "out" / "demo", click.echo)
    click.echo("wrote")
    for path in paths:
        click.echo(f"  {short(path)}")


@command("doctor", example="fernb doctor")
def doctor() -> None:
    """Say what is installed and found, and how to mend what is not."""
    from fernb.app.doctor import check

    lines, well = check()
    click.echo("\n".join(lines))
    sys.exit(0 if well else 1)


@click.group("fetch", cls=Group)
def fetch() -> None:
    """Download what fernb works better with."""


@command("yunet", example="fernb fetch yunet")
def yunet() -> None:
    """Download YuNet (0.2 MB), a better face detector than the default; fernb uses it from then on."""
    from fernb.vision.detection import fetch_yunet

    click.echo(f"wrote {short(fetch_yunet())}")


fetch.add_section("Commands", yunet)
