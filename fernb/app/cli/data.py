"""``fernb data``: look at, import or fetch FER2013."""

from pathlib import Path

import click

from fernb import config
from fernb.app.cli.common import PATH, Group, command


@click.group("data", cls=Group)
def data() -> None:
    """Look at, import or fetch FER2013."""


@command("info", example="fernb data info")
@click.argument("path", type=PATH, required=False)
def info(path: Path | None) -> None:
    """Say which faces a data set has: rows, emotions, votes, duplicates."""
    from fernb.data.faceset import describe
    from fernb.data.loading import HOW_TO_GET, load_faces

    source = path or config.data_source()
    click.echo("\n".join(describe(load_faces(source or "synthetic", for_test=True))))
    if source is None:
        click.echo(HOW_TO_GET)


@command("import", example="fernb data import fer2013.csv")
@click.argument("path", type=PATH)
@click.option("--out", type=PATH, default=None, help="The cache to write (default: data/fer2013.npz).")
@click.option("--votes", type=PATH, default=None, help="FER+'s fer2013new.csv, where it is not beside PATH.")
@click.option("--skip-bad-rows", is_flag=True, help="Count bad rows and go on.")
def import_(path: Path, out: Path | None, votes: Path | None, skip_bad_rows: bool) -> None:
    """Check any layout of FER2013 (CSV, archive, image folders) and write fernb's cache."""
    from fernb.data.loading import import_data

    def progress(rows: int) -> None:
        click.echo(f"\r{rows:,} rows", err=True, nl=False)

    try:
        report = import_data(path, out, votes=votes, skip_bad_rows=skip_bad_rows, progress=progress)
    finally:
        click.echo("", err=True)
    click.echo("\n".join(report.lines()))


@command("fetch", example="fernb data fetch")
def fetch() -> None:
    """Download FER2013's image folders from Kaggle and import them."""
    from fernb.data.loading import fetch

    click.echo("\n".join(fetch().lines()))


data.add_section("Commands", info, import_, fetch)
