"""What the commands share: help in groups with examples, errors as one sentence, paths, progress."""

import errno
import os
import shlex
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from fernb.errors import FernbError

PATH = click.Path(path_type=Path)

EXTRAS = {
    "tensorflow": "train",
    "keras": "train",
    "tensorboard": "train",
    "anywidget": "lab",
    "ipywidgets": "lab",
    "kagglehub": "kaggle",
    "dask": "cluster",
    "distributed": "cluster",
}
"""The extra of pyproject.toml that brings a package which fernb alone does not need."""


class OutputFile(click.Path):
    """A file to be written, whose name must end in one of ``suffixes``: told before the work, not after it."""

    def __init__(self, *suffixes: str):
        super().__init__(dir_okay=False, path_type=Path)
        self.suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.suffix.lower() not in self.suffixes:
            self.fail(f"'{path}' must end in {' or '.join(self.suffixes)}.", param, ctx)
        return path


class Sentence(click.ClickException):
    """An error that the user can mend, on one line of stderr; exit code 1."""

    def show(self, file: IO[str] | None = None) -> None:
        click.echo(f"fernb: {self.message}", err=True)


class Command(click.Command):
    """A command with an ``example``, which its own help and that of its group show."""

    def __init__(self, name: str | None, *, example: str, **settings: Any):
        super().__init__(name, **settings)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            formatter.write(f"{'':{formatter.current_indent}}{self.example}\n")


class Group(click.Group):
    """Says errors that the user can mend in one sentence, and lists commands in sections with an example each."""

    def __init__(self, name: str | None = None, **settings: Any):
        super().__init__(name, **settings)
        self.sections: dict[str, list[str]] = {}

    def add_section(self, title: str, *commands: click.Command) -> None:
        """List ``commands`` under ``title``, in their order."""
        for command in commands:
            self.add_command(command)
        self.sections[title] = [str(command.name) for command in commands]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in self.sections.items():
            with formatter.section(title):
                for name in names:
                    for entry in _entries(self.commands[name], formatter.width):
                        formatter.write(textwrap.indent(entry, " " * formatter.current_indent) + "\n")

    def invoke(self, ctx: click.Context) -> Any:
        with errors_as_sentences():
            return super().invoke(ctx)


def command(name: str, example: str) -> Callable[[Callable], Command]:
    """Make a function the command ``name``; its help shows ``example``."""
    return click.command(name, cls=Command, example=example)


def _entries(command: click.Command, width: int, prefix: str = "") -> Iterator[str]:
    """For each command (of a group) its name, the first paragraph of its help, and under them its example."""
    if isinstance(command, Group):
        for name in (name for names in command.sections.values() for name in names):
            yield from _entries(command.commands[name], width, f"{command.name} ")
        return
    about = " ".join((command.help or "").split("\n\n")[0].split())
    lines = textwrap.wrap(about, width - 16)
    if isinstance(command, Command):
        lines.append(f"$ {command.example}")
    lines[0] = f"{prefix}{command.name}".ljust(13) + lines[0]
    yield "\n".join([lines[0], *(" " * 13 + line for line in lines[1:])])


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Turn what the user can mend into a :class:`Sentence`; anything else that is raised is a bug of fernb."""
    try:
        yield
    except FernbError as error:
        raise Sentence(str(error)) from error
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in EXTRAS:
            raise
        raise Sentence(
            f'this needs {package}, which is not installed: python -m pip install "fernb[{EXTRAS[package]}]".'
        ) from error
    except MemoryError as error:
        raise Sentence("there is not enough memory for this; close other programs, or give it less at once.") from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # `fernb … | head`: click ends quietly
            raise
        raise Sentence(_about(error)) from error
    except click.UsageError as error:
        if error.message and not error.message.endswith((".", "?")):
            object.__setattr__(error, "message", f"{error.message}.")
        raise


def _about(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"{where}the disk is full; free some space and run the command again."
    if error.errno == errno.EDQUOT:
        return f"{where}your share of the disk is used up; free some space and run the command again."
    return f"{where}{error.strerror or str(error) or type(error).__name__}.".replace("..", ".")


def command_line() -> str:
    """What the user typed, for the side-cars."""
    return shlex.join(["fernb", *sys.argv[1:]])


class Progress:
    """Says on stderr how far a video is, and how long it will still take: on one line of a terminal, else each minute.

    ``done`` and ``total`` are seconds of the video. A context manager: after a stop it says what is left.
    """

    def __init__(self, name: str):
        self.name, self.start, self.done_s, self.said_s = name, time.monotonic(), 0.0, 0.0
        self.terminal, self.on_line = sys.stderr.isatty(), False

    def __enter__(self) -> "Progress":
        return self

    def __call__(self, done: float, total: float) -> None:
        self.done_s, spent = done, time.monotonic() - self.start
        if spent - self.said_s < (0.1 if self.terminal else 60):
            return
        self.said_s, self.on_line = spent, self.terminal
        left = spent * (total - done) / done if done and total else 0
        line = f"{self.name}: {done:.1f} of {total:.1f} s, {left:.0f} s left"
        click.echo(f"\r{line}  " if self.terminal else line, err=True, nl=not self.terminal)

    def log(self, line: str) -> None:
        """Say something on a line of its own."""
        click.echo(("\n" if self.on_line else "") + line, err=True)
        self.on_line = False

    def __exit__(self, failed: type | None, *_: object) -> None:
        if self.on_line:
            click.echo("", err=True)
        if failed is not None and issubclass(failed, KeyboardInterrupt) and self.done_s:
            click.echo(f"stopped {self.done_s:.1f} s into {self.name}; its table so far ends in .part.csv.", err=True)


def short(path: Path) -> str:
    """A path as the user would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
