"""How far hacked faces carry, what survives, and what defences cost and bring.

    python benchmarks/robustness.py [--data DATA] [--faces 100] [--train 4000] [--other FILE.keras ...]
        [--out FILE]

Hacked faces are shown to the transfer network too (do they carry over?), beside a control with random
signs; ``--other`` names further networks to show them to. A copy of the network is trained on for two
epochs with attacked faces.
Needs FER2013; writes ``results/hack_cnn/robustness.json``. Some 6 minutes of one CPU core.
"""

from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from _common import DATA, about, out_option
from attacks import HAPPY, SAD, rate, rightly_happy
from scipy.stats import mannwhitneyu

import fernb
from fernb import config
from fernb.attacks.adversarial import (
    TargetModel,
    add,
    adversarial_patch,
    apply_patch,
    ddn,
    pgd,
    random_places,
    universal,
)
from fernb.attacks.defences import (
    adversarial_training,
    feature_squeezing,
    jpeg,
    photographed,
    randomised_smoothing,
    resized,
    squeezing_score,
)
from fernb.data.faceset import FaceSet
from fernb.data.loading import load_faces
from fernb.evaluation import wilson
from fernb.files import write_json
from fernb.networks.recogniser import Recogniser

TRANSFER = config.MODEL / "pre_trained_model.keras"
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as saved": lambda faces: faces,
    "JPEG 95": lambda faces: jpeg(faces, 95),
    "JPEG 75": lambda faces: jpeg(faces, 75),
    "JPEG 50": lambda faces: jpeg(faces, 50),
    "enlarged twofold and back": lambda faces: resized(faces, 2),
    "three quarters and back": lambda faces: resized(faces, 0.75),
    "halved and back": lambda faces: resized(faces, 0.5),
    "blur and noise, as printed and photographed": photographed,
}


@click.command(help=__doc__)
@DATA
@click.option("--model", type=click.Path(path_type=Path), default=config.DEFAULT_MODEL.with_suffix(".keras"))
@click.option("--faces", "n_faces", type=int, default=100, show_default=True)
@click.option("--train", "n_train", type=int, default=4000, show_default=True, help="Faces to train and search on.")
@click.option("--other", "others", type=click.Path(path_type=Path), multiple=True, help="A further network to fool.")
@out_option(config.RESULTS / "hack_cnn" / "robustness.json")
def main(source: str, model: Path, n_faces: int, n_train: int, others: tuple[Path, ...], out: Path) -> None:
    fernb.setup(tf=True)
    from fernb.networks.storage import load_model

    target_model, recogniser = TargetModel(load_model(model)), Recogniser(model.with_suffix(".tflite"))
    splits = load_faces(source)
    rng = np.random.default_rng(config.SEED)
    happy = rightly_happy(splits.test, recogniser)
    faces = happy[rng.permutation(len(happy))[:n_faces]]
    some = splits.train.take(rng.permutation(len(splits.train))[:n_train])
    result = about(splits) | {"part": "PrivateTest", "network": model.name, "n": len(faces)}

    def enter(key: str, value: dict) -> None:
        result[key] = value
        print(key, value, flush=True)
        write_json(out, result)

    hacked = {
        "PGD, 4/255": pgd(target_model, faces, targets=SAD, eps=4),
        "PGD, 8/255": pgd(target_model, faces, targets=SAD, eps=8),
        "least L2": ddn(target_model, faces, targets=SAD, steps=40),
    }
    enter("survival", {name: survival(recogniser.predict, one) for name, one in hacked.items()})
    enter("defences_not_adapted_to", defences(recogniser, splits.test.take(np.arange(500)), faces, hacked))
    enter("universal", universal_rates(target_model, recogniser, some, happy))
    enter("sticker", patch_rates(target_model, recogniser, some, happy))
    networks = {"the transfer network of notebook 4": load_model(TRANSFER)}
    networks |= {path.stem: load_model(path) for path in others}
    shown = hacked | {"random signs, 8/255": random_signs(faces, 8)}
    enter("carries_over", {name: carried(TargetModel(other), faces, shown) for name, other in networks.items()})
    enter("adversarial_training", hardened(load_model(model), some, splits.test))


def survival(predict, hacked: np.ndarray) -> dict:
    """The share of hacked faces still called sad, and called happy again, after each change."""
    table = {}
    for name, change in CHANGES.items():
        answer = predict(change(hacked)).argmax(1)
        table[name] = {"sad": float((answer == SAD).mean()), "happy": float((answer == HAPPY).mean())}
    return table


def defences(recogniser: Recogniser, test: FaceSet, faces: np.ndarray, hacked: dict) -> dict:
    """What squeezing and smoothing cost on clean faces and bring on hacked ones, and how well squeezing detects."""
    methods = {
        "none": recogniser.predict,
        "median 3x3": lambda x: recogniser.predict(feature_squeezing(x)),
        "noise of 8 levels, 8 votes": lambda x: randomised_smoothing(recogniser.predict, x, sigma=8, samples=8),
        "noise of 16 levels, 8 votes": lambda x: randomised_smoothing(recogniser.predict, x, sigma=16, samples=8),
    }
    table = {}
    for name, predict in methods.items():
        table[name] = {"accuracy": float((predict(test.images).argmax(1) == test.labels).mean()), "n": len(test)}
        for kind, attacked in hacked.items():
            answer = predict(attacked).argmax(1)
            table[name][kind] = {"sad": float((answer == SAD).mean()), "happy": float((answer == HAPPY).mean())}
    clean = squeezing_score(recogniser.predict, faces)
    threshold = float(np.quantile(clean, 0.95))
    detection = {"threshold": threshold, "false_alarms": 0.05}
    for kind, attacked in hacked.items():
        odd = squeezing_score(recogniser.predict, attacked)
        auc = mannwhitneyu(odd, clean).statistic / (len(odd) * len(clean))  # the same number
        detection[kind] = {"detected": float((odd > threshold).mean()), "auc": float(auc)}
    return {"ways": table, "detection": detection}


def universal_rates(target_model: TargetModel, recogniser: Recogniser, some: FaceSet, faces: np.ndarray) -> dict:
    """One change for all faces, found on train, tried on the happy faces of test."""
    train = some.images[some.labels == HAPPY][:1000]
    rates = {}
    for eps in (4, 8, 16):
        change = universal(target_model, train, target=SAD, eps=eps, steps=20)
        rates[str(eps)] = rate(recogniser.predict(add(faces, change)).argmax(1) == SAD)
    return rates


def patch_rates(target_model: TargetModel, recogniser: Recogniser, some: FaceSet, faces: np.ndarray) -> dict:
    """A patch found on train, put at random places of the happy faces of test; a grey one for comparison."""
    train = some.images[some.labels == HAPPY][:1000]
    places = np.random.default_rng(config.SEED)
    rates = {}
    for side in (10, 16):
        where = random_places(len(faces), side, rng=places)
        patches = {
            "sad": adversarial_patch(target_model, train, target=SAD, side=side, steps=40),
            "grey": np.full((side, side), 127, np.uint8),
        }
        rates[str(side)] = {
            name: rate(recogniser.predict(apply_patch(faces, patch, places=where)).argmax(1) == SAD)
            for name, patch in patches.items()
        }
    return rates


def random_signs(faces: np.ndarray, eps: int) -> np.ndarray:
    """The control: faces with each pixel moved by eps levels, up or down by chance."""
    return add(faces, eps * np.random.default_rng(config.SEED).choice((-1, 1), faces.shape))


def carried(other: TargetModel, faces: np.ndarray, hacked: dict) -> dict:
    """What another network says of the faces that it rightly calls happy, once they were hacked for the first one."""
    mine = other.logits(faces).argmax(1) == HAPPY
    answers = {kind: other.logits(attacked[mine]).argmax(1) for kind, attacked in hacked.items()}
    table = {kind: {"sad": rate(a == SAD), "not_happy": rate(a != HAPPY)} for kind, a in answers.items()}
    return {"happy_before": int(mine.sum())} | table


def hardened(model, some: FaceSet, test: FaceSet) -> dict:
    """Adversarial training of a copy: accuracy before and after, and PGD against each, which knows its network."""
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    adversarial_training(copy, some.images, labels=some.labels, eps=4, epochs=2)
    table = {}
    for name, network in {"as it is": model, "after adversarial training, 4/255": copy}.items():
        target_model = TargetModel(network)
        right = target_model.logits(test.images).argmax(1) == test.labels
        faces = test.images[right & (test.labels == HAPPY)][:100]
        pgd_rates = {}
        for eps in (1, 2, 4, 8):
            pgd_rates[str(eps)] = rate(
                target_model.logits(pgd(target_model, faces, targets=SAD, eps=eps, until=0.0)).argmax(1) == SAD
            )
        table[name] = {"accuracy": float(right.mean()), "interval": wilson(right.sum(), len(right)), "pgd": pgd_rates}
    return table


if __name__ == "__main__":
    main()
