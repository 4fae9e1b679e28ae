"""How noisy are FER2013's labels? What FER+'s ten taggers say of them.

    python benchmarks/labels.py [--data DATA] [--out FILE]

Needs FER2013 with FER+ votes; writes ``results/model/labels.json``.
"""

import json
from pathlib import Path

import click
import numpy as np
from _common import DATA, out_option, write

from fernb import EMOTIONS, config, load_faces
from fernb.data.ferplus import FERPLUS_SUBSETS, ferplus_splits
from fernb.evaluation import annotator_agreement


@click.command(help=__doc__)
@DATA
@out_option(config.MODEL / "labels.json")
def main(source: str, out: Path) -> None:
    splits = load_faces(source)
    test = splits.test
    rows = {}
    for number, name in enumerate(EMOTIONS):
        chosen = test.take(test.labels == number)
        rows[name] = annotator_agreement(chosen.labels, chosen.votes)
    clear = test.votes[:, : len(EMOTIONS)].max(1) >= 9
    result = {
        "about": "accuracy of FER+'s taggers on FER2013's labels, PrivateTest, seven emotions",
        "all": annotator_agreement(test.labels, test.votes),
        "per_emotion": rows,
        "share_with_nine_votes_of_ten": float(np.mean(clear)),
        "ferplus_rows": {
            subset: {name: len(part) for name, part in ferplus_splits(splits, subset).parts().items()}
            for subset in FERPLUS_SUBSETS
        },
    }
    write(out, result, splits)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
