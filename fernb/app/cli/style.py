"""``fernb style``."""

from pathlib import Path
from typing import Any

import click

from fernb import config
from fernb.app.cli.choices import FEATURES, OPTIMISERS, one_of
from fernb.app.cli.common import PATH, command, short
from fernb.errors import FernbError


@command("style", example="fernb style photo.jpg woodcut")
@click.argument("content", type=PATH)
@click.argument("style")
@click.option("--out", type=PATH, default=None, help="A .png or .jpg file (default: out/style/CONTENT_STYLE.png).")
@click.option("--size", type=click.IntRange(16), default=224, show_default=True, help="Pixels on the longer side.")
@click.option("--strength", type=click.FloatRange(0), default=1.0, show_default=True, help="Style against content.")
@click.option(
    "--smooth", type=click.FloatRange(0), default=1.0, show_default=True, help="Weight of the total variation."
)
@click.option("--keep-colour", is_flag=True, help="Change the luminance only.")
@click.option("--steps", type=click.IntRange(1), default=120, show_default=True, help="More steps, more style.")
@click.option("--optimiser", type=one_of(OPTIMISERS), default="lbfgs", show_default=True, help="How it climbs down.")
@click.option(
    "--features", type=one_of(FEATURES), default="auto", show_default=True, help="The network that sees style."
)
@click.option("--weights", type=PATH, default=None, help="The weight file of the features.")
def style(content: Path, style: str, out: Path | None, features: str, weights: Path | None, **settings: Any) -> None:
    """Paint the image CONTENT in the style of STYLE: a file, or strokes, mosaic, glass, woodcut, dots.

    Ctrl-C ends it early and keeps the picture so far.
    """
    from fernb.style.pictures import style_image
    from fernb.vision.images import read_image

    out = out or config.WORKSPACE / "out" / "style" / f"{content.stem}_{Path(style).stem}.png"
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):  # now, not after a minute of work
        raise FernbError(f"cannot write {out.name}: use a name that ends in .png or .jpg.")
    for source in (content, Path(style)):
        if source.exists() and out.resolve() == source.resolve():
            raise FernbError(f"{source} would be overwritten; give another --out.")
    images = read_image(content), style_image(style)
    from fernb.style import transfer as style_transfer
    from fernb.style.features import load_features
    from fernb.style.transfer import Step

    style_transfer.check_settings(**{name: value for name, value in settings.items() if name != "keep_colour"})

    sees = load_features(features, weights)
    click.echo(f"features: {sees.about}")

    def progress(step: Step) -> None:
        click.echo(f"\rstep {step.number} of {step.steps}, loss {step.losses['total']:.3f}  ", err=True, nl=False)

    result = style_transfer.transfer_style(*images, features=sees, progress=progress, **settings)
    click.echo("", err=True)
    if result.stopped:
        click.echo(f"stopped after {len(result.history)} of {settings['steps']} steps")
    style_transfer.save(result, out, content=content.name, style=Path(style).name)
    click.echo(f"wrote {short(out)} and its .json in {result.seconds:.0f} s")
