"""What the commands share: errors as one sentence, paths, progress."""

import shlex
import sys
import time
from pathlib import Path

import click

from fernb.errors import FernbError


class Sentence(click.ClickException):
    def show(self, file=None) -> None:
        click.echo(f"fernb: {self.message}", err=True)


class SentenceGroup(click.Group):
    """Turns an error that the user can mend into one sentence and exit code 1."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except FernbError as error:
            raise Sentence(str(error)) from error
        except OSError as error:
            if error.filename is None:
                raise
            raise Sentence(f"{error.filename}: {error.strerror}.") from error


PATH = click.Path(path_type=Path)


def command_line() -> str:
    """What the user typed, for the side-cars."""
    return shlex.join(["fernb", *sys.argv[1:]])


class Progress:
    """Says on one line of stderr how far a video is, and how long it will still take."""

    def __init__(self, name: str):
        self.name, self.start = name, time.monotonic()

    def __call__(self, done: float, total: float) -> None:
        left = (time.monotonic() - self.start) * (total - done) / done if done and total else 0
        click.echo(f"\r{self.name}: {done:.1f} of {total:.1f} s, {left:.0f} s left  ", err=True, nl=False)

    def end(self) -> None:
        click.echo("", err=True)


def short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
