"""Put the figures of the JSON files in results/ into README.md, results/README.md and docs/.

    python tools/readme_numbers.py

In these files a figure stands between comments, ``<!-- FILE KEY.KEY FORMAT -->66.31%<!-- -->``;
FILE is a path in results/ without its ``.json``. The summary of the sample clip's scan is renewed too.
"""

import functools
import json
import re

import click

from fernb import config
from fernb.files import write_text
from fernb.video.table import summary

DOCS = ("docs/many_videos.md", "docs/soak.md", "docs/training.md")
FILES = [config.ROOT / name for name in ("README.md", "results/README.md", *DOCS)]
FIGURE = re.compile(r"<!-- ([\w/]+) ([\w.]+) (\S+) -->[^<\n]*<!-- -->")

SCAN = re.compile(r"(\$ fernb scan data/samples/emotions\.mp4\n).*?\n(?=wrote )", re.DOTALL)


def filled(text: str) -> str:
    """Return ``text`` with every figure as its file has it. Raises KeyError where the file lacks it."""

    def figure(match: re.Match) -> str:
        file, keys, form = match.groups()
        table = json.loads((config.ROOT / "results" / f"{file}.json").read_text(encoding="utf-8"))
        value = functools.reduce(lambda t, key: t[int(key) if isinstance(t, list) else key], keys.split("."), table)
        return f"<!-- {file} {keys} {form} -->{value:{form}}<!-- -->"

    scanned = "\n".join(summary(config.ROOT / "results" / "scan" / "emotions.csv"))
    return SCAN.sub(lambda match: f"{match[1]}{scanned}\n", FIGURE.sub(figure, text))


@click.command(help=__doc__)
def main() -> None:
    for file in FILES:
        write_text(file, filled(file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
