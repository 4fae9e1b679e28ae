"""``fernb predict``: emotions in images, or a test on a data set."""

import contextlib
import json
import sys
from pathlib import Path

import click

from fernb import runtime
from fernb.app.cli.choices import FERPLUS, one_of
from fernb.app.cli.common import PATH, command, command_line, short
from fernb.errors import ModelError


@command("predict", example="fernb predict holiday.jpg")
@click.argument("images", nargs=-1, type=PATH)
@click.option("--data", "source", default=None, help="Test on this data set (default: auto).")
@click.option("--model", type=PATH, default=None, help="A .tflite or .keras network (default: the committed one).")
@click.option("--flip", is_flag=True, help="Average each face and its mirror image.")
@click.option("--ferplus", "subset", type=one_of(FERPLUS), default=None, help="Test on FER+'s eight emotions.")
@click.option("--report", type=PATH, default=None, help="Judge every network of this folder; the report goes there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def predict(
    images: tuple[Path, ...],
    source: str | None,
    model: Path | None,
    flip: bool,
    subset: str | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Name the emotions in IMAGES; without any, test the network on a data set."""
    from fernb.networks.recogniser import Recogniser

    if images and (source or subset or report):
        raise click.UsageError("give images or --data, not both.")
    if report:
        _report(report, source or "auto")
    elif images:
        _predict_images(images, Recogniser(model), flip, as_json)
    else:
        _predict_set(source or "auto", model, flip, subset, as_json)


def _predict_images(images: tuple[Path, ...], recogniser, flip: bool, as_json: bool) -> None:
    from fernb.vision.crop import crop_face
    from fernb.vision.detection import find_faces
    from fernb.vision.images import read_image

    answers = []
    for path in images:
        rgb = read_image(path)
        faces = find_faces(rgb)
        if not faces and not as_json:
            click.echo(f"{path}: no face found")
        for face in faces:
            probs = recogniser.predict(crop_face(rgb, face)[None], flip)[0]
            emotion = recogniser.labels[probs.argmax()]
            table = dict(zip(recogniser.labels, probs.round(4).tolist(), strict=True))
            answers.append({"picture": str(path), "box": face.box, "emotion": emotion, "probabilities": table})
            if not as_json:
                x, y, w, h = face.box
                click.echo(f"{path}: {emotion} {probs.max():.0%} in the box x {x}, y {y}, {w}x{h}")
    if as_json:
        click.echo(json.dumps(answers, indent=1))


def _report(folder: Path, source: str) -> None:
    from fernb.app.report import write_report
    from fernb.data.loading import load_faces

    runtime.setup(tf=True)
    for path in write_report(folder, load_faces(source), command_line()):
        click.echo(f"wrote {short(path)}")


def _predict_set(source: str, model: Path | None, flip: bool, subset: str | None, as_json: bool) -> None:
    from fernb.data.faceset import duplicated
    from fernb.data.ferplus import ferplus_splits
    from fernb.data.loading import load_faces
    from fernb.evaluation import evaluate, report_lines
    from fernb.networks.recogniser import Recogniser

    recogniser = Recogniser(model, seven=not subset)
    with contextlib.redirect_stdout(sys.stderr):  # the first line of the answer is the accuracy
        splits = load_faces(source)
    if subset:
        splits = ferplus_splits(splits, subset)
    if recogniser.labels != splits.classes:
        raise ModelError(f"{recogniser.path.name} knows {', '.join(recogniser.labels)}; the data have other emotions.")
    probs = recogniser.predict(splits.test.images, flip)
    report = evaluate(probs, splits.test.labels, recogniser.labels, duplicated(splits.test, splits.train))
    if as_json:
        click.echo(json.dumps({"data": splits.source, "model": recogniser.path.name} | report, indent=1))
    else:
        how = "with flip" if flip else "one forward pass"
        click.echo("\n".join([*report_lines(report), f"data: {splits.source}; network: {recogniser.path.name}; {how}"]))
