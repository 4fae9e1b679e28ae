"""The command line: ``fernb --help``. Each command imports what it needs when it runs."""

import contextlib
import json
import shlex
import sys
import time
from pathlib import Path

import click

from fernb import __version__, config, runtime
from fernb.errors import FernbError, ModelError


class _Sentence(click.ClickException):
    def show(self, file=None) -> None:
        click.echo(f"fernb: {self.message}", err=True)


class _Group(click.Group):
    """Turns an error that the user can mend into one sentence and exit code 1."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except FernbError as error:
            raise _Sentence(str(error)) from error
        except OSError as error:
            if error.filename is None:
                raise
            raise _Sentence(f"{error.filename}: {error.strerror}.") from error


_path = click.Path(path_type=Path)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Learn, run and trust facial emotion recognition."""


@main.command()
@click.option("--out", type=_path, default=None, help="Where the results go (default: out/demo).")
def demo(out: Path | None) -> None:
    """Find and name emotions in the clip and photographs that come with fernb."""
    from fernb.app.demo import run

    paths = run(out or config.WORKSPACE / "out" / "demo", click.echo)
    click.echo("wrote")
    for path in paths:
        click.echo(f"  {_short(path)}")


@main.command()
def doctor() -> None:
    """Say what is installed and found, and how to mend what is not."""
    from fernb.app.doctor import check

    lines, well = check()
    click.echo("\n".join(lines))
    sys.exit(0 if well else 1)


@main.group(cls=_Group)
def data() -> None:
    """Look at, import or fetch FER2013."""


@data.command()
@click.argument("path", type=_path, required=False)
def info(path: Path | None) -> None:
    """Say which faces there are: rows, emotions, votes, duplicates."""
    from fernb.data.faceset import describe
    from fernb.data.loading import HOW_TO_GET, load_faces

    source = path or config.data_source()
    click.echo("\n".join(describe(load_faces(source or "synthetic"))))
    if source is None:
        click.echo(HOW_TO_GET)


@data.command("import")
@click.argument("path", type=_path)
@click.option("--out", type=_path, default=None, help="The cache to write (default: data/fer2013.npz).")
@click.option("--votes", type=_path, default=None, help="FER+'s fer2013new.csv, where it is not beside PATH.")
@click.option("--skip-bad-rows", is_flag=True, help="Count bad rows and go on.")
def import_(path: Path, out: Path | None, votes: Path | None, skip_bad_rows: bool) -> None:
    """Check any layout of FER2013 (CSV, archive, image folders) and write fernb's cache."""
    from fernb.data.loading import import_data

    def progress(rows: int) -> None:
        click.echo(f"\r{rows:,} rows", err=True, nl=False)

    try:
        report = import_data(path, out, votes, skip_bad_rows, progress)
    finally:
        click.echo("", err=True)
    click.echo("\n".join(report.lines()))


@data.command()
def fetch() -> None:
    """Download the public image folders from Kaggle and import them."""
    from fernb.data.loading import fetch

    click.echo("\n".join(fetch().lines()))


def _command() -> str:
    """What the user typed, for the side-cars."""
    return shlex.join(["fernb", *sys.argv[1:]])


@main.command()
@click.option("--recipe", default="lesson", show_default=True, help="One of the recipes in fernb.training.")
@click.option("--data", "source", default="auto", help="A path, or auto, fer2013, synthetic.")
@click.option("--out", type=_path, default=None, help="Where network, logs and history go (default: runs/RECIPE).")
@click.option("--save", type=_path, default=None, help="The network's file (default: OUT/RECIPE.keras).")
@click.option("--epochs", type=click.IntRange(1), default=None, help="Instead of the recipe's own number.")
@click.option("--seed", type=int, default=config.SEED, show_default=True)
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@click.option("--bfloat16", is_flag=True, help="Twice as fast on processors with AVX512-BF16 or AMX.")
@click.option("--teacher", "teachers", type=_path, multiple=True, help="Learn from this network's answers too.")
@click.option("--start", type=_path, default=None, help="Begin with the weights of this .keras network.")
def train(
    recipe: str,
    source: str,
    out: Path | None,
    save: Path | None,
    epochs: int | None,
    seed: int,
    resume: bool,
    bfloat16: bool,
    teachers: tuple[Path, ...],
    start: Path | None,
) -> None:
    """Train a network; the epoch is chosen on the validation part."""
    from fernb.data.ferplus import ferplus_splits
    from fernb.data.loading import load_faces
    from fernb.networks.recogniser import Recogniser
    from fernb.networks.storage import load_model
    from fernb.targets import distillation_targets
    from fernb.training import publish
    from fernb.training import recipe as named
    from fernb.training import train as fit

    chosen = named(recipe, **({"epochs": epochs} if epochs else {}))
    taught = [Recogniser(path) for path in teachers]  # a wrong path is told before hours of work
    begun = load_model(start) if start else None
    splits = load_faces(source)
    if chosen.ferplus:
        splits = ferplus_splits(splits, chosen.ferplus)
    targets = chosen.targets(splits.train, splits.classes)
    if taught:
        targets = distillation_targets(targets, [teacher.predict(splits.train.images) for teacher in taught])
    out = out or config.RUNS / recipe
    model, history = fit(splits, chosen, out, seed, resume, bfloat16, click.echo, targets, begun)
    how = {"command": _command(), "recipe": recipe, "seed": seed, "bfloat16": bfloat16}
    path, sidecar = publish(model, history, splits, chosen, save or out / f"{recipe}.keras", how)
    for part in ("val", "test", "test_flip"):
        figures = sidecar["metrics"][part]
        click.echo(f"{part}: {figures['accuracy']:.2%} of {figures['n']:,} faces")
    click.echo(f"wrote {_short(path)}, its .tflite copies and its .json")


@main.command()
@click.argument("pictures", nargs=-1, type=_path)
@click.option("--data", "source", default=None, help="Test on this data set (default: auto).")
@click.option("--model", type=_path, default=None, help="A .tflite or .keras network (default: the committed one).")
@click.option("--flip", is_flag=True, help="Average each face and its mirror image.")
@click.option("--ferplus", "subset", default=None, help="Test on FER+'s eight emotions: plurality, majority …")
@click.option("--report", type=_path, default=None, help="Judge every network of this folder; the report goes there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def predict(
    pictures: tuple[Path, ...],
    source: str | None,
    model: Path | None,
    flip: bool,
    subset: str | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Name the emotions in PICTURES; without any, test the network on a data set."""
    from fernb.networks.recogniser import Recogniser

    if pictures and (source or subset or report):
        raise click.UsageError("give pictures or --data, not both.")
    if report:
        _report(report, source or "auto")
    elif pictures:
        _predict_pictures(pictures, Recogniser(model), flip, as_json)
    else:
        _predict_set(source or "auto", model, flip, subset, as_json)


def _predict_pictures(pictures: tuple[Path, ...], recogniser, flip: bool, as_json: bool) -> None:
    from fernb.vision.crop import crop_face
    from fernb.vision.detection import find_faces
    from fernb.vision.images import read_image

    answers = []
    for path in pictures:
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
    for path in write_report(folder, load_faces(source), _command()):
        click.echo(f"wrote {_short(path)}")


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


def _reading_options(command):
    """Add the options that say how faces are read over time."""
    for option in reversed(
        (
            click.option(
                "--smoothing", default="exponential", show_default=True, help="none, mean, exponential or hmm."
            ),
            click.option("--over", type=float, default=0.4, show_default=True, help="Smooth over so many seconds."),
            click.option(
                "--hold", type=click.IntRange(1), default=1, help="Show an emotion once it held for N frames."
            ),
            click.option("--unsure-below", type=click.FloatRange(0, 1), help="Default: what the network's tests say."),
            click.option("--fatigue", is_flag=True, help="Watch for eyes that are closed long or often."),
            click.option("--model", type=_path, help="A .tflite or .keras network (default: the committed one)."),
        )
    ):
        command = option(command)
    return command


def _reader(smoothing: str, over: float, hold: int, unsure_below: float | None, fatigue: bool, model: Path | None):
    from fernb.networks.recogniser import Recogniser
    from fernb.video.reading import FaceReader
    from fernb.video.tracking import Tracker

    recogniser = Recogniser(model)
    least = recogniser.unsure_below if unsure_below is None else unsure_below
    tracker = Tracker(smoothing=over, kind=smoothing, hold=hold, unsure_below=least)
    return FaceReader(recogniser, tracker, eyes=True, fatigue=fatigue)


@main.command()
@click.argument("videos", nargs=-1, required=True, type=_path)
@click.option("--out", type=_path, default=None, help="Default: out/scan.")
@click.option("--every", default="1", show_default=True, help="Analyse a frame each 0.5s, or each 5th frame.")
@click.option("--csv", "kinds", flag_value="csv", multiple=True, help="Write the table only, or with:")
@click.option("--video", "kinds", flag_value="video", multiple=True, help="… the annotated video,")
@click.option("--plot", "kinds", flag_value="plot", multiple=True, help="… the timelines. Without any: all three.")
@click.option(
    "--wide", "kinds", flag_value="wide", multiple=True, help="… counts per frame, as older tools wrote them."
)
@_reading_options
def scan(videos: tuple[Path, ...], out: Path | None, every: str, kinds: tuple[str, ...], **reading) -> None:
    """Name each person's emotions in VIDEOS, or folders of pictures: a table, an annotated copy, timelines."""
    from fernb.video import scan as video_scan
    from fernb.video import table as video_table

    chosen = video_scan.sampling(every)
    out, kinds = out or config.WORKSPACE / "out" / "scan", kinds or ("csv", "video", "plot")
    for video in videos:
        progress = _Progress(video.name)
        paths = video_scan.scan(video, out, _reader(**reading), chosen, kinds, progress)
        progress.end()
        click.echo("\n".join(video_table.summary(paths[0])))
        click.echo("wrote " + ", ".join(map(_short, paths)))


class _Progress:
    """Says on one line of stderr how far a video is, and how long it will still take."""

    def __init__(self, name: str):
        self.name, self.start = name, time.monotonic()

    def __call__(self, done: float, total: float) -> None:
        left = (time.monotonic() - self.start) * (total - done) / done if done and total else 0
        click.echo(f"\r{self.name}: {done:.1f} of {total:.1f} s, {left:.0f} s left  ", err=True, nl=False)

    def end(self) -> None:
        click.echo("", err=True)


@main.command()
@click.argument("video", type=_path)
@click.argument("table", type=_path, required=False)
@click.option("--emotion", required=True, help="The emotion that is wanted.")
@click.option("--repeat", type=click.IntRange(1), default=1, help="It must have held for so many analysed frames.")
@click.option("--min-confidence", type=click.FloatRange(0, 1), default=0.0, help="And be as probable as this.")
@click.option("--person", type=int, default=None, help="Only this person's faces.")
@click.option("--only-faces", type=click.IntRange(1), default=None, help="Only frames with so many faces.")
@click.option("--out", type=_path, default=None, help="Default: out/extract.")
def extract(video: Path, table: Path | None, emotion: str, out: Path | None, **wishes) -> None:
    """Cut the faces out of VIDEO that show an emotion, by the TABLE of a scan (made anew where none is given)."""
    from fernb.labels import emotion_name
    from fernb.networks.recogniser import Recogniser
    from fernb.video import extract as video_extract
    from fernb.video import scan as video_scan
    from fernb.video.reading import FaceReader

    wanted = video_extract.Wanted(emotion_name(emotion), **wishes)
    out = out or config.WORKSPACE / "out" / "extract"
    if table is None:
        progress = _Progress(video.name)
        table = video_scan.scan(video, out, FaceReader(Recogniser()), kinds=("csv",), progress=progress)[0]
        progress.end()
    paths = video_extract.extract(video, table, wanted, out)
    click.echo(f"wrote {len(paths) - 1} faces and a contact sheet into {_short(out)}")


@main.command()
@click.argument("video", type=_path)
@click.option("--out", type=_path, default=None, help="Default: results/preprocessing_test.")
def preprocess(video: Path, out: Path | None) -> None:
    """Cut one 48x48 grey face a second out of VIDEO, as a network sees it."""
    from fernb.video.preprocess import preprocess_video

    out = out or config.RESULTS / "preprocessing_test"
    written = preprocess_video(video, out, click.echo)
    click.echo(f"wrote {len(written)} faces and the clip into {_short(out)}")


@main.command()
@click.option("--source", default="0", help="A camera's number, or a video.", show_default=True)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=None, help="Stop after so many seconds.")
@click.option("--csv", "table", type=_path, default=None, help="Write every reading into this table too.")
@click.option("--video", "film", type=_path, default=None, help="Record the annotated picture into this MP4.")
@click.option("--plot", type=_path, default=None, help="Draw the table's timelines into this PNG at the end.")
@_reading_options
def live(
    source: str, seconds: float | None, table: Path | None, film: Path | None, plot: Path | None, **reading
) -> None:
    """Name the emotion of a camera or video once a second; Ctrl-C ends it."""
    from fernb.video.live import watch

    if plot and not table:
        raise click.UsageError("--plot draws the table of --csv; give both.")
    number_or_path = int(source) if source.isdecimal() else Path(source)
    watch(number_or_path, _reader(**reading), click.echo, seconds, table, film, plot)


@main.command()
@click.option("--backbone", default="MobileNet", show_default=True, help="A network of keras.applications, or own.")
@click.option("--weights", type=_path, default=None, help="Its weight file (default: look for one, or download it).")
@click.option("--cut", default=None, help="The layer whose output is used (default: a good one for the backbone).")
@click.option("--side", type=click.IntRange(32, 512), default=96, show_default=True, help="Pixels that it sees.")
@click.option("--data", "source", default="auto", help="A path, or auto, fer2013, synthetic.")
@click.option("--ferplus", is_flag=True, help="Learn the eight emotions of FER+.")
@click.option("--bottleneck-only", is_flag=True, help="Minutes instead of an hour: no fine-tuning, no network.")
@click.option("--epochs", type=click.IntRange(1), default=8, show_default=True, help="Of fine-tuning.")
@click.option("--out", type=_path, default=None, help="Where network and figures go (default: runs/transfer).")
@click.option("--seed", type=int, default=config.SEED, show_default=True)
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
def transfer(
    backbone: str,
    weights: Path | None,
    cut: str | None,
    side: int,
    source: str,
    ferplus: bool,
    bottleneck_only: bool,
    epochs: int,
    out: Path | None,
    seed: int,
    resume: bool,
) -> None:
    """Teach emotions to a network that has learnt elsewhere, in every way, and compare."""
    from fernb.data.ferplus import ferplus_splits as voted
    from fernb.data.loading import load_faces
    from fernb.networks.backbones import pretrained
    from fernb.transfer.comparison import Plan, compare

    base = pretrained(backbone, cut, side, weights)
    splits = load_faces(source)
    splits = voted(splits) if ferplus else splits
    run = config.RUNS / "transfer"
    how = {"command": _command()}
    plan = Plan(tune_epochs=epochs, tune=not bottleneck_only, seed=seed)
    kept = run / f"{base.name}-{base.digest[:8]}-{splits.digest[:8]}"
    compare(base, splits, kept, out or run, how, plan, resume, click.echo)
    click.echo(f"wrote {_short(out or run)}")


@main.command()
@click.argument("content", type=_path)
@click.argument("style")
@click.option("--out", type=_path, default=None, help="A .png or .jpg file (default: out/style/CONTENT_STYLE.png).")
@click.option("--size", type=int, default=224, show_default=True, help="Pixels on the longer side.")
@click.option("--strength", type=float, default=1.0, show_default=True, help="Style against content.")
@click.option("--smooth", type=float, default=1.0, show_default=True, help="Weight of the total variation.")
@click.option("--keep-colour", is_flag=True, help="Change the luminance only.")
@click.option("--steps", type=int, default=120, show_default=True)
@click.option("--optimiser", type=click.Choice(["lbfgs", "adam"]), default="lbfgs", show_default=True)
@click.option("--features", default="auto", show_default=True, help="auto, vgg19, vgg16, fer or untrained.")
@click.option("--weights", type=_path, default=None, help="The weight file of the features.")
def style(content: Path, style: str, out: Path | None, features: str, weights: Path | None, **settings) -> None:
    """Paint the picture CONTENT in the style of STYLE: a file, or strokes, mosaic, glass, woodcut, dots.

    Ctrl-C ends it early and keeps the picture so far.
    """
    from fernb.style.pictures import style_image
    from fernb.vision.images import read_image

    out = out or config.WORKSPACE / "out" / "style" / f"{content.stem}_{Path(style).stem}.png"
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):  # now, not after a minute of work
        raise FernbError(f"cannot write {out.name}: use a name that ends in .png or .jpg.")
    pictures = read_image(content), style_image(style)
    from fernb.style import transfer as style_transfer
    from fernb.style.features import load_features

    sees = load_features(features, weights)
    click.echo(f"features: {sees.about}")

    def progress(step) -> None:
        click.echo(f"\rstep {step.number} of {step.steps}, loss {step.losses['total']:.3f}  ", err=True, nl=False)

    result = style_transfer.transfer_style(*pictures, features=sees, progress=progress, **settings)
    click.echo("", err=True)
    if result.stopped:
        click.echo(f"stopped after {len(result.history)} of {settings['steps']} steps")
    style_transfer.save(result, out, content=content.name, style=Path(style).name)
    click.echo(f"wrote {_short(out)} and its .json in {result.seconds:.0f} s")


@main.command()
@click.argument("picture", type=_path)
@click.option("--to", "emotion", required=True, help="What the network shall say, e.g. sad.")
@click.option("--eps", type=int, default=None, help="The most by which a pixel may change, of 255. Default: the least.")
@click.option("--out", type=_path, default=None, help="Default: out/hack.")
def hack(picture: Path, emotion: str, eps: int | None, out: Path | None) -> None:
    """Change PICTURE slightly so that the network sees another emotion in it."""
    from fernb.attacks.photograph import hack_file

    out = out or config.WORKSPACE / "out" / "hack"
    report = hack_file(picture, emotion, out, eps, {"command": _command()})
    for when in ("before", "after"):
        answer = report[when]
        click.echo(f"{when}: {answer['emotion']} {answer['probabilities'][answer['emotion']]:.0%}")
    change = report["photograph"]
    click.echo(
        f"changed {change['pixels_changed']:,} pixels by at most {change['linf']}/255: "
        f"PSNR {change['psnr']:.1f} dB, SSIM {change['ssim']:.4f}"
    )
    click.echo(f"wrote input_image.png, hacked_image.png and hack.json into {_short(out)}")


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    main()
