"""Write the SHA-256 of each network's files into its side-car, for networks saved before that was done.

    python tools/hash_networks.py [--folder FOLDER]

`fernb train` and `fernb transfer` do it themselves. Only for files that you made or trust: what is written here
is what fernb checks when it loads them.
"""

from pathlib import Path

import click

from fernb import config
from fernb.networks.sidecar import read_sidecar, write_sidecar


@click.command(help=__doc__)
@click.option("--folder", type=click.Path(path_type=Path), default=config.MODEL, help="Default: results/model.")
def main(folder: Path) -> None:
    for path in sorted(folder.glob("*.keras")):
        write_sidecar(path, read_sidecar(path))
        click.echo(f"{path.stem}: {', '.join(read_sidecar(path)['sha256'])}")


if __name__ == "__main__":
    main()
