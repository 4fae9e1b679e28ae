"""``fernb scan``, ``live``, ``extract`` and ``preprocess``."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fernb import config
from fernb.app.cli.choices import SMOOTHINGS, one_of
from fernb.app.cli.common import PATH, OutputFile, Progress, command, short
from fernb.errors import FernbError
from fernb.files import alone

if TYPE_CHECKING:
    from fernb.video.reading import FaceReader


def reading_options(command: Callable) -> Callable:
    """Add the options that say how faces are read over time."""
    for option in reversed(
        (
            click.option(
                "--smoothing",
                type=one_of(SMOOTHINGS),
                default="mean",
                show_default=True,
                help="How answers are smoothed.",
            ),
            click.option(
                "--over", type=click.FloatRange(0), default=0.6, show_default=True, help="Smooth over so many seconds."
            ),
            click.option(
                "--hold", type=click.IntRange(1), default=1, help="Show an emotion once it held for N frames."
            ),
            click.option(
                "--unsure-below",
                type=click.FloatRange(0, 1),
                help="Name nothing that is less probable (default: by the network's tests).",
            ),
            click.option(
                "--eyes", type=click.IntRange(0, 2), help="Look for the eyes, and keep faces that show so many."
            ),
            click.option("--small-faces", is_flag=True, help="Look for faces further away too; slower."),
            click.option("--fatigue", is_flag=True, help="Watch for eyes that are closed long or often."),
            click.option("--model", type=PATH, help="A .tflite or .keras network (default: the committed one)."),
        )
    ):
        command = option(command)
    return command


def _reader(
    *,
    smoothing: str,
    over: float,
    hold: int,
    unsure_below: float | None,
    eyes: int | None,
    small_faces: bool,
    fatigue: bool,
    model: Path | None,
    threads: int | None = None,
) -> "FaceReader":
    from fernb.networks.recogniser import Recogniser
    from fernb.video.following import SEARCH_SIDE, SMALL_FACES_SIDE, FaceFollower
    from fernb.video.reading import FaceReader, video_recogniser
    from fernb.video.smoothing import SteadyOptions

    steady = SteadyOptions(smoothing, over, hold, unsure_below)
    follower = FaceFollower(search_side=SMALL_FACES_SIDE if small_faces else SEARCH_SIDE, min_eyes=eyes)
    recogniser = Recogniser(model, threads=threads) if model else video_recogniser(threads)
    return FaceReader(recogniser, steady, follower=follower, fatigue=fatigue)


def scan_one(video: Path, out: Path, options: dict) -> list[Path]:
    """Scan one of many videos, in a process of its own."""
    from fernb.video import scan as video_scan

    reader = _reader(**options["reading"], threads=1)
    return video_scan.scan(video, out, reader, video_scan.sampling(options["every"]), tuple(options["kinds"]))


@command("scan", example="fernb scan film.mp4 --out out/film")
@click.argument("videos", nargs=-1, required=True, type=PATH)
@click.option("--out", type=PATH, default=None, help="Default: out/scan.")
@click.option("--every", default="1", show_default=True, help="Analyse each Nth frame, or one each 0.5s.")
@click.option(
    "--csv", "kinds", flag_value="csv", multiple=True, help="Write the table (without any of these: all three)."
)
@click.option("--video", "kinds", flag_value="video", multiple=True, help="Write the annotated video.")
@click.option("--plot", "kinds", flag_value="plot", multiple=True, help="Write each person's timeline.")
@click.option("--wide", "kinds", flag_value="wide", multiple=True, help="Write counts per frame, as older tools did.")
@click.option("--scheduler", help="Let a Dask cluster do it: its address (tcp://host:8786), or local.")
@reading_options
def scan(
    videos: tuple[Path, ...],
    out: Path | None,
    every: str,
    kinds: tuple[str, ...],
    scheduler: str | None,
    **reading: Any,
) -> None:
    """Name each person's emotions in VIDEOS, or folders of them or of images: a table, an annotated copy and timelines.

    Several videos are read at once, a process a core or on a cluster, and a second call does only what is left.
    So are the parts of one that is longer than ten minutes, where no annotated copy is wanted.
    """
    from fernb.video import batch
    from fernb.video import scan as video_scan
    from fernb.video import table as video_table

    chosen = video_scan.sampling(every)
    out, kinds = out or config.WORKSPACE / "out" / "scan", kinds or ("csv", "video", "plot")
    sources = batch.sources_of(videos)
    if len(sources) > 1 or scheduler:
        _scan_many(sources, out, {"every": every, "kinds": kinds, "reading": reading}, scheduler)
        return
    (video,) = sources
    with alone(out / f".{video.stem}.lock", f"{short(out)} for {video.name}"), Progress(video.name) as progress:
        again = partial(_reader, **reading, threads=1)
        reader = _reader(**reading)
        paths = video_scan.scan(video, out, reader, chosen, kinds, again=again, progress=progress, log=progress.log)
    click.echo("\n".join(video_table.summary(paths[0])))
    click.echo("wrote " + ", ".join(map(short, paths)))


def _scan_many(sources: list[Path], out: Path, options: dict, scheduler: str | None) -> None:
    from fernb.video import batch

    if model := options["reading"]["model"]:
        options["reading"]["model"] = model.absolute()  # a worker stands in another folder
    with ExitStack() as stack:
        run: batch.Runner = batch.in_processes
        if scheduler:
            from fernb.video.cluster import on_cluster

            run = stack.enter_context(on_cluster(scheduler))
        stack.enter_context(alone(out / ".lock", short(out)))
        failed = batch.scan_many(sources, out, scan_one, options, run=run, log=click.echo)
    if failed:
        where = short(out / batch.MANIFEST)
        raise FernbError(f"{len(failed)} of {len(sources)} could not be scanned; {where} says why.")


@command("live", example="fernb live --source 0")
@click.option("--source", default="0", help="A camera's number, or a video.", show_default=True)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=None, help="Stop after so many seconds.")
@click.option("--csv", "table", type=OutputFile(".csv"), help="Write every reading into this table too.")
@click.option("--video", "film", type=OutputFile(".mp4"), help="Record the annotated frames into this MP4.")
@click.option("--plot", type=OutputFile(".png"), help="Draw the table's timelines into this PNG at the end.")
@reading_options
def live(
    source: str, seconds: float | None, table: Path | None, film: Path | None, plot: Path | None, **reading: Any
) -> None:
    """Name the emotion of a camera or video once a second; Ctrl-C ends it."""
    from fernb.video.live import watch

    if plot and not table:
        raise click.UsageError("--plot draws the table of --csv; give both.")
    number_or_path = int(source) if source.isdecimal() else Path(source)
    watch(number_or_path, _reader(**reading), click.echo, seconds=seconds, table=table, film=film, plot=plot)


@command("extract", example="fernb extract film.mp4 --emotion happy")
@click.argument("video", type=PATH)
@click.argument("table", type=PATH, required=False)
@click.option("--emotion", required=True, help="The emotion that is wanted.")
@click.option("--repeat", type=click.IntRange(1), default=1, help="It must have held for so many analysed frames.")
@click.option("--min-confidence", type=click.FloatRange(0, 1), default=0.0, help="And be as probable as this.")
@click.option("--person", type=int, default=None, help="Only this person's faces.")
@click.option("--only-faces", type=click.IntRange(1), default=None, help="Only frames with so many faces.")
@click.option("--out", type=PATH, default=None, help="Default: out/extract.")
@reading_options
def extract(video: Path, table: Path | None, emotion: str, out: Path | None, **options: Any) -> None:
    """Cut the faces out of VIDEO that show an emotion, by the TABLE of a scan or by a new one."""
    from fernb.labels import emotion_name
    from fernb.video import extract as video_extract
    from fernb.video import scan as video_scan

    wishes = {name: options.pop(name) for name in ("repeat", "min_confidence", "person", "only_faces")}
    wanted = video_extract.Wanted(emotion_name(emotion), **wishes)
    out = out or config.WORKSPACE / "out" / "extract"
    if table is None:
        with Progress(video.name) as progress:
            reader = _reader(**options)
            table = video_scan.scan(video, out, reader, kinds=("csv",), progress=progress, log=progress.log)[0]
    paths = video_extract.extract(video, table, wanted, out)
    click.echo(f"wrote {len(paths) - 1} faces and a contact sheet into {short(out)}")


@command("preprocess", example="fernb preprocess film.mp4")
@click.argument("video", type=PATH, required=False)
@click.option("--source", help="Instead of VIDEO: a camera's number, or a video.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=None, help="Stop after so many seconds.")
@click.option("--out", type=PATH, default=None, help="Default: results/preprocessing_test.")
def preprocess(video: Path | None, source: str | None, seconds: float | None, out: Path | None) -> None:
    """Cut one 48x48 grey face a second out of VIDEO, or a camera, as a network sees it."""
    from fernb.video.preprocess import preprocess_video

    if (video is None) == (source is None):
        raise click.UsageError("give either a VIDEO or --source.")
    named = str(video or source)
    chosen = int(named) if video is None and named.isdecimal() else Path(named)
    out = out or config.RESULTS / "preprocessing_test"
    written = preprocess_video(chosen, out, click.echo, seconds=seconds)
    click.echo(f"wrote {len(written)} faces and the clip into {short(out)}")
