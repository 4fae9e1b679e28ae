"""The command line: ``fernb --help``. Each command imports what it needs when it runs."""

import click

from fernb import __version__
from fernb.app.cli import attacks, data, images, networks, start, style, videos
from fernb.app.cli.common import SentenceGroup


@click.group(cls=SentenceGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Learn, run and trust facial emotion recognition."""


for command in (
    start.demo,
    start.doctor,
    data.data,
    networks.train,
    images.predict,
    videos.scan,
    videos.extract,
    videos.preprocess,
    videos.live,
    networks.transfer,
    style.style,
    attacks.hack,
):
    main.add_command(command)
