"""Why bottleneck features can fail on small faces, and what helps, one remedy after the other.

    python benchmarks/bottleneck_features.py [--weights FILE]

ImageNet's MobileNet on a sample of FER2013: fitted on 6,000 faces of Training, judged on 1,500 of
PublicTest (PrivateTest is not touched). Writes ``results/model/bottleneck.json``.
"""

import argparse
import platform
import time

import numpy as np

from fernb import config, load_faces, runtime
from fernb.evaluation import evaluate
from fernb.files import write_json
from fernb.networks.backbones import pretrained
from fernb.transfer import bottleneck

TO_THE_END = {"standardise": False, "dropout": 0, "patience": None}
STOPPED = TO_THE_END | {"patience": 4}
CALM = {"standardise": True, "dropout": 0.5, "patience": 4}

STEPS = (
    ("last block, 48 pixels, trained to the end", "conv_pw_12_relu", 48, 1, TO_THE_END),
    ("… stopped at the best epoch", "conv_pw_12_relu", 48, 1, STOPPED),
    ("… features standardised, dropout", "conv_pw_12_relu", 48, 1, CALM),
    ("… picture enlarged to 96 pixels, 3×3 fields", "conv_pw_12_relu", 96, 3, CALM),
    ("… cut earlier: block 9", "conv_pw_9_relu", 96, 3, CALM),
    ("… cut earlier: block 7", "conv_pw_7_relu", 96, 3, CALM),
    ("… cut earlier: block 5", "conv_pw_5_relu", 96, 3, CALM),
)


def measure(splits, name: str, cut: str, side: int, grid: int, kind: dict, weights: str | None) -> dict:
    """Fit an MLP on the features of one step; return its figures on val."""
    start = time.perf_counter()
    backbone = pretrained("MobileNet", cut, side, weights)
    cache = config.RUNS / "transfer" / "bottleneck"
    train, val = (bottleneck.bottleneck_features(backbone, part, grid, cache) for part in (splits.train, splits.val))
    kind = dict(kind)
    patience = kind.pop("patience")
    head = bottleneck.build_head(train.values.shape[1], 7, **kind)
    history = bottleneck.fit_head(head, train, val, epochs=40, patience=patience)
    probs = bottleneck.answers(head, val.values)
    report = evaluate(probs, val.labels)
    counts, _ = np.histogram(probs.max(1), bins=20, range=(0, 1))
    return {
        "step": name,
        "cut": cut,
        "side": side,
        "map": list(backbone.model.output.shape[1:]),
        "grid": grid,
        **bottleneck.silence(bottleneck.answers(backbone.model, splits.val.images[:500])),
        "epochs_run": len(history["loss"]),
        "train_accuracy": history["accuracy"][-1],
        "val_accuracy": report["accuracy"],
        "val_interval": report["interval"],
        "confidence": float(probs.max(1).mean()),
        "ece": report["ece"],
        "confidence_histogram": counts.tolist(),
        "seconds": round(time.perf_counter() - start),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights")
    weights = parser.parse_args().weights
    splits = load_faces("fer2013").limit(6000, 1500, 1)
    rows = []
    for step in STEPS:
        rows.append(measure(splits, *step, weights))
        print({key: value for key, value in rows[-1].items() if key != "confidence_histogram"}, flush=True)
    result = {
        "command": "python benchmarks/bottleneck_features.py --weights mobilenet_1_0_to_block12.weights.h5",
        "protocol": "MobileNet of ImageNet; fitted on 6,000 faces of train, judged on 1,500 of val; test not touched",
        "seed": config.SEED,
        "data": {"source": splits.source, "digest": splits.digest},
        "hardware": f"{runtime.cores()} CPU cores, {platform.machine()}, other jobs beside it",
        "steps": rows,
    }
    write_json(config.MODEL / "bottleneck.json", result)


if __name__ == "__main__":
    main()
