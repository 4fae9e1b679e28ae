"""``fernb train`` and ``fernb transfer``."""

from pathlib import Path

import click

from fernb import config
from fernb.app.cli.choices import RECIPES, one_of
from fernb.app.cli.common import PATH, OutputFile, command, command_line, short
from fernb.errors import OutputError
from fernb.files import alone


@command("train", example="fernb train --recipe vgg --data fer2013")
@click.option("--recipe", type=one_of(RECIPES), default="lesson", show_default=True, help="What is trained, and how.")
@click.option("--data", "source", default="auto", help="A path, or auto, fer2013, synthetic.")
@click.option("--out", type=PATH, default=None, help="Where network, logs and history go (default: runs/RECIPE).")
@click.option("--save", type=OutputFile(".keras"), help="The network's file (default: OUT/RECIPE.keras).")
@click.option("--epochs", type=click.IntRange(1), default=None, help="Instead of the recipe's own number.")
@click.option("--seed", type=click.IntRange(0), default=config.SEED, show_default=True, help="Of everything random.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@click.option("--bfloat16", is_flag=True, help="Twice as fast on processors with AVX512-BF16 or AMX.")
@click.option(
    "--devices", type=click.Choice(["one", "all"]), default="one", show_default=True, help="GPUs that share the work."
)
@click.option("--teacher", "teachers", type=PATH, multiple=True, help="Learn from this network's answers too.")
@click.option("--start", type=PATH, default=None, help="Begin with the weights of this .keras network.")
@click.option("--save-votes", type=OutputFile(".keras"), help="The file for a second head, of FER+'s eight emotions.")
def train(
    recipe: str,
    source: str,
    out: Path | None,
    save: Path | None,
    epochs: int | None,
    seed: int,
    resume: bool,
    bfloat16: bool,
    devices: str,
    teachers: tuple[Path, ...],
    start: Path | None,
    save_votes: Path | None,
) -> None:
    """Train a network; the epoch is chosen on the validation part."""
    from fernb.data.loading import load_faces
    from fernb.training import recipe as named
    from fernb.training import train_and_publish
    from fernb.training.devices import Devices

    chosen = named(recipe, **({"epochs": epochs} if epochs else {}))
    out = out or config.RUNS / recipe
    if not resume and (out / "state.npz").exists():
        raise OutputError(
            f"{short(out)} holds an earlier run; go on with it by --resume, or choose another folder with --out."
        )
    with alone(out / ".lock", short(out)):
        written = train_and_publish(
            chosen,
            load_faces(source),
            run=out,
            path=save or out / f"{recipe}.keras",
            votes_path=save_votes,
            teachers=teachers,
            start=start,
            seed=seed,
            resume=resume,
            bfloat16=bfloat16,
            devices=Devices() if devices == "all" else None,
            how={"command": command_line(), "recipe": recipe, "seed": seed, "bfloat16": bfloat16},
            log=click.echo,
        )
    for path, sidecar in written:
        _say(path, sidecar)


def _say(path: Path, sidecar: dict) -> None:
    for part in ("val", "test", "test_flip"):
        figures = sidecar["metrics"][part]
        click.echo(f"{part}: {figures['accuracy']:.2%} of {figures['n']:,} faces")
    click.echo(f"wrote {short(path)}, its .tflite copies and its .json")


@command("transfer", example="fernb transfer --bottleneck-only")
@click.option("--backbone", default="MobileNet", show_default=True, help="A network of keras.applications, or own.")
@click.option("--weights", type=PATH, default=None, help="Its weight file (default: look for one, or download it).")
@click.option("--cut", default=None, help="The layer whose output is used (default: a good one for the backbone).")
@click.option("--side", type=click.IntRange(32, 512), default=96, show_default=True, help="Pixels that it sees.")
@click.option("--data", "source", default="auto", help="A path, or auto, fer2013, synthetic.")
@click.option("--ferplus", is_flag=True, help="Learn the eight emotions of FER+.")
@click.option("--bottleneck-only", is_flag=True, help="Minutes instead of an hour: no fine-tuning, no network.")
@click.option("--epochs", type=click.IntRange(1), default=8, show_default=True, help="Of fine-tuning.")
@click.option("--out", type=PATH, default=None, help="Where network and figures go (default: runs/transfer).")
@click.option("--seed", type=click.IntRange(0), default=config.SEED, show_default=True, help="Of everything random.")
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
    """Teach emotions to a network that was trained on other images, in several ways, and compare them."""
    from fernb.data.ferplus import ferplus_splits as voted
    from fernb.data.loading import load_faces
    from fernb.networks.backbones import pretrained
    from fernb.transfer.comparison import Plan, compare

    base = pretrained(backbone, cut, side=side, weights=weights)
    splits = load_faces(source)
    splits = voted(splits) if ferplus else splits
    run = config.RUNS / "transfer"
    how = {"command": command_line()}
    plan = Plan(tune_epochs=epochs, tune=not bottleneck_only, seed=seed)
    kept = run / f"{base.name}-{base.digest[:8]}-{splits.digest[:8]}"
    compare(base, splits, run=kept, out=out or run, how=how, plan=plan, resume=resume, log=click.echo)
    click.echo(f"wrote {short(out or run)}")
