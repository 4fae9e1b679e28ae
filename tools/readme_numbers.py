"""Put the figures of the JSON files in results/ into the README.

    python tools/readme_numbers.py

In the README a figure stands between comments, ``<!-- FILE KEY.KEY FORMAT -->66.31%<!-- -->``;
FILE is a path in results/ without its ``.json``.
"""

import functools
import json
import re

import click

from fernb import config
from fernb.files import write_text

README = config.ROOT / "README.md"
FIGURE = re.compile(r"<!-- ([\w/]+) ([\w.]+) (\S+) -->[^<\n]*<!-- -->")


def filled(text: str) -> str:
    """Return ``text`` with every figure as its file has it. Raises KeyError where the file lacks it."""

    def figure(match: re.Match) -> str:
        file, keys, form = match.groups()
        table = json.loads((config.ROOT / "results" / f"{file}.json").read_text(encoding="utf-8"))
        value = functools.reduce(lambda t, key: t[int(key) if isinstance(t, list) else key], keys.split("."), table)
        return f"<!-- {file} {keys} {form} -->{value:{form}}<!-- -->"

    return FIGURE.sub(figure, text)


@click.command(help=__doc__)
def main() -> None:
    write_text(README, filled(README.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
