"""Why bottleneck features can fail on small faces, and what helps, one remedy after the other.

    python benchmarks/bottleneck_features.py [--weights FILE] [--out FILE]

ImageNet's MobileNet on a sample of FER2013: fitted on 6,000 faces of Training, judged on 1,500 of
PublicTest (PrivateTest is not touched). Writes ``results/model/bottleneck.json``.
"""

import time
from pathlib import Path

import click
import numpy as np
from _common import DATA, out_option, write

from fernb import config, load_faces
from fernb.data.faceset import FaceSplits
from fernb.evaluation import evaluate
from fernb.networks.backbones import pretrained
from fernb.transfer import bottleneck

TO_THE_END = {"standardise": False, "dropout": 0, "patience": None}
STOPPED = TO_THE_END | {"patience": 4}
CALM = {"standardise": True, "dropout": 0.5, "patience": 4}


def _step(name: str, layer: str, side: int, grid: int, kind: dict) -> dict:
    return {"name": name, "layer": layer, "side": side, "grid": grid, "kind": kind}


STEPS = (
    _step("last block, 48 pixels, trained to the end", "conv_pw_12_relu", 48, 1, TO_THE_END),
    _step("… stopped at the best epoch", "conv_pw_12_relu", 48, 1, STOPPED),
    _step("… features standardised, dropout", "conv_pw_12_relu", 48, 1, CALM),
    _step("… picture enlarged to 96 pixels, 3×3 fields", "conv_pw_12_relu", 96, 3, CALM),
    _step("… cut earlier: block 9", "conv_pw_9_relu", 96, 3, CALM),
    _step("… cut earlier: block 7", "conv_pw_7_relu", 96, 3, CALM),
    _step("… cut earlier: block 5", "conv_pw_5_relu", 96, 3, CALM),
)


def measure(
    splits: FaceSplits, weights: str | None, *, name: str, layer: str, side: int, grid: int, kind: dict
) -> dict:
    """Fit an MLP on the features of one step; return its figures on val."""
    start = time.perf_counter()
    backbone = pretrained("MobileNet", layer, side=side, weights=weights)
    cache = config.RUNS / "transfer" / "bottleneck"
    train, val = (
        bottleneck.bottleneck_features(backbone, part, grid=grid, cache=cache) for part in (splits.train, splits.val)
    )
    kind = dict(kind)
    patience = kind.pop("patience")
    head = bottleneck.build_head(train.values.shape[1], 7, **kind)
    history = bottleneck.fit_head(head, train, val=val, epochs=40, patience=patience)
    probs = bottleneck.answers(head, val.values)
    report = evaluate(probs, val.labels)
    counts, _ = np.histogram(probs.max(1), bins=20, range=(0, 1))
    return {
        "step": name,
        "cut": layer,
        "side": side,
        "map": list(backbone.model.output.shape[1:]),
        "grid": grid,
        **bottleneck.activation_sparsity(bottleneck.answers(backbone.model, splits.val.images[:500])),
        "epochs_run": len(history["loss"]),
        "train_accuracy": history["accuracy"][-1],
        "val_accuracy": report["accuracy"],
        "val_interval": report["interval"],
        "confidence": float(probs.max(1).mean()),
        "ece": report["ece"],
        "confidence_histogram": counts.tolist(),
        "seconds": round(time.perf_counter() - start),
    }


@click.command(help=__doc__)
@DATA
@click.option("--weights", help="MobileNet's weight file (default: look for one, or download it).")
@out_option(config.MODEL / "bottleneck.json")
def main(source: str, weights: str | None, out: Path) -> None:
    splits = load_faces(source).limit(6000, 1500, 1)
    rows = []
    for step in STEPS:
        rows.append(measure(splits, weights, **step))
        print({key: value for key, value in rows[-1].items() if key != "confidence_histogram"}, flush=True)
    result = {
        "protocol": "MobileNet of ImageNet; fitted on 6,000 faces of train, judged on 1,500 of val; test not touched",
        "seed": config.SEED,
        "steps": rows,
    }
    write(out, result, splits)


if __name__ == "__main__":
    main()
