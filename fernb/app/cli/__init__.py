"""The command line: ``fernb --help``. Each command imports what it needs when it runs."""

import click

from fernb import __version__
from fernb.app.cli import attacks, data, images, networks, start, style, videos
from fernb.app.cli.common import Group


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Learn, run and trust facial emotion recognition.

    Every command has --help.
    """


main.add_section("Start here", start.demo, start.doctor, start.fetch)
main.add_section("Read faces", images.predict, videos.live, videos.scan, videos.extract, videos.preprocess)
main.add_section("Train networks", data.data, networks.train, networks.transfer)
main.add_section("Fool and paint", attacks.hack, style.style)
