"""``fernb hack``."""

from pathlib import Path

import click

from fernb import config
from fernb.app.cli.common import PATH, command, command_line, short


@command("hack", example="fernb hack photo.jpg --to sad")
@click.argument("image", type=PATH)
@click.option("--to", "emotion", required=True, help="What the network shall say, e.g. sad.")
@click.option("--eps", type=int, default=None, help="The most by which a pixel may change, of 255. Default: the least.")
@click.option("--model", type=PATH, default=None, help="The .keras network to fool (default: the committed one).")
@click.option("--out", type=PATH, default=None, help="Default: out/hack.")
def hack(image: Path, emotion: str, eps: int | None, model: Path | None, out: Path | None) -> None:
    """Change IMAGE slightly so that the network sees another emotion in it."""
    from fernb.attacks.photograph import hack_file

    out = out or config.WORKSPACE / "out" / "hack"
    told = hack_file(image, emotion, out=out, eps=eps, model=model, how={"command": command_line()})
    for when in ("before", "after"):
        answer = told[when]
        click.echo(f"{when}: {answer['emotion']} {answer['probabilities'][answer['emotion']]:.0%}")
    change = told["photograph"]
    click.echo(
        f"changed {change['pixels_changed']:,} pixels by at most {change['linf']}/255: "
        f"PSNR {change['psnr']:.1f} dB, SSIM {change['ssim']:.4f}"
    )
    click.echo(f"wrote input_image.png, hacked_image.png and hack.json into {short(out)}")
