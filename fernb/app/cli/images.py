"""``fernb predict``: emotions in images, or a test on a data set."""

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fernb import runtime
from fernb.app.cli.choices import FERPLUS, one_of
from fernb.app.cli.common import PATH, command, command_line, short

if TYPE_CHECKING:
    from fernb.networks.recogniser import Recogniser


@command("predict", example="fernb predict holiday.jpg")
@click.argument("images", nargs=-1, type=PATH)
@click.option("--data", "source", default=None, help="Test on this data set (default: auto).")
@click.option("--model", type=PATH, default=None, help="A .tflite or .keras network (default: the committed one).")
@click.option("--flip", is_flag=True, help="Average each face and its mirror image.")
@click.option(
    "--whole", is_flag=True, help="Take each image for one face (default: small squares without a found one)."
)
@click.option("--out", type=PATH, default=None, help="A folder for annotated copies of IMAGES.")
@click.option("--ferplus", "subset", type=one_of(FERPLUS), default=None, help="Test on FER+'s eight emotions.")
@click.option("--report", type=PATH, default=None, help="Judge every network of this folder; the report goes there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def predict(
    images: tuple[Path, ...],
    source: str | None,
    model: Path | None,
    flip: bool,
    whole: bool,
    out: Path | None,
    subset: str | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Name the emotions in IMAGES, files or folders; without any, test the network on a data set.

    The exit code is 1 where no face was found, or a file could not be read.
    """
    from fernb.networks.recogniser import Recogniser

    if images and (source or subset or report):
        raise click.UsageError("give images or --data, not both.")
    if not images and (whole or out):
        raise click.UsageError("--whole and --out need images.")
    if report:
        _report(report, source or "auto")
    elif images:
        _predict_images(images, Recogniser(model), as_json, flip=flip, whole=whole or None, out=out)
    else:
        _predict_set(source or "auto", model, flip, subset, as_json)


def _predict_images(images: tuple[Path, ...], recogniser: "Recogniser", as_json: bool, **options: Any) -> None:
    from fernb.app.predict import failed, found_any, image_files, predict_images

    rows = predict_images(
        image_files(images),
        recogniser,
        say=(lambda line: None) if as_json else click.echo,
        warn=lambda sentence: click.echo(f"fernb: {sentence}", err=True),
        **options,
    )
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    sys.exit(0 if found_any(rows) and not failed(rows) else 1)


def _report(folder: Path, source: str) -> None:
    from fernb.app.report import write_report
    from fernb.data.loading import load_faces

    runtime.setup(tf=True)
    for path in write_report(folder, load_faces(source), command_line()):
        click.echo(f"wrote {short(path)}")


def _predict_set(source: str, model: Path | None, flip: bool, subset: str | None, as_json: bool) -> None:
    from fernb.data.ferplus import ferplus_splits
    from fernb.data.loading import load_faces
    from fernb.evaluation import evaluate_part, report_lines
    from fernb.networks.recogniser import Recogniser

    recogniser = Recogniser(model, seven=not subset)
    with contextlib.redirect_stdout(sys.stderr):  # the first line of the answer is the accuracy
        splits = load_faces(source, for_test=True)
    if subset:
        splits = ferplus_splits(splits, subset)
    report = evaluate_part(recogniser, splits, flip=flip)
    if as_json:
        click.echo(json.dumps({"data": splits.source, "model": recogniser.path.name} | report, indent=1))
    else:
        how = "with flip" if flip else "one forward pass"
        click.echo("\n".join([*report_lines(report), f"data: {splits.source}; network: {recogniser.path.name}; {how}"]))
