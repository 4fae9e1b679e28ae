"""How far hacked faces carry, what survives, and what defences cost and bring.

    python benchmarks/robustness.py [--data DATA] [--faces 100] [--train 4000] [--other FILE.keras ...]

Hacked faces are shown to the transfer network too (do they carry over?); ``--other`` names further
networks to show them to. A copy of the network is trained on for two epochs with attacked faces.
Needs FER2013; writes ``results/hack_cnn/robustness.json``. Some 6 minutes of one CPU core.
"""

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from attacks import HAPPY, SAD, rate, rightly_happy, save
from scipy.stats import mannwhitneyu

import fernb
from fernb import config
from fernb.attacks.adversarial import Victim, add, minimum_l2, pgd, random_places, stick, sticker, universal
from fernb.attacks.defences import adversarial_training, jpeg, photographed, resized, smoothed, squeezed, strangeness
from fernb.data.faceset import FaceSet
from fernb.data.loading import load_faces
from fernb.evaluation import wilson
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="fer2013")
    parser.add_argument("--model", type=Path, default=config.DEFAULT_MODEL.with_suffix(".keras"))
    parser.add_argument("--faces", type=int, default=100)
    parser.add_argument("--train", type=int, default=4000)
    parser.add_argument("--other", type=Path, action="append", default=[])
    options = parser.parse_args()
    fernb.setup(tf=True)
    from fernb.networks.storage import load_model

    victim, recogniser = Victim(load_model(options.model)), Recogniser(options.model.with_suffix(".tflite"))
    splits = load_faces(options.data)
    rng = np.random.default_rng(config.SEED)
    happy = rightly_happy(splits.test, recogniser)
    faces = happy[rng.permutation(len(happy))[: options.faces]]
    some = splits.train.take(rng.permutation(len(splits.train))[: options.train])
    result = {
        "command": shlex.join(["python", "benchmarks/robustness.py", *sys.argv[1:]]),
        "data": {"source": splits.source, "digest": splits.digest, "part": "PrivateTest"},
        "network": options.model.name,
        "n": len(faces),
    }

    def enter(key: str, value: dict) -> None:
        result[key] = value
        print(key, value, flush=True)
        save("robustness.json", result)

    hacked = {
        "PGD, 4/255": pgd(victim, faces, SAD, 4),
        "PGD, 8/255": pgd(victim, faces, SAD, 8),
        "least L2": minimum_l2(victim, faces, SAD, steps=40),
    }
    enter("survival", {name: survival(recogniser.predict, one) for name, one in hacked.items()})
    enter("defences_not_adapted_to", defences(recogniser, splits.test.take(np.arange(500)), faces, hacked))
    enter("universal", universal_rates(victim, recogniser, some, happy))
    enter("sticker", sticker_rates(victim, recogniser, some, happy))
    others = {"the transfer network of notebook 4": load_model(TRANSFER)}
    others |= {path.stem: load_model(path) for path in options.other}
    enter("carries_over", {name: carried(Victim(other), faces, hacked) for name, other in others.items()})
    enter("adversarial_training", hardened(load_model(options.model), some, splits.test))


def survival(predict, hacked: np.ndarray) -> dict:
    """The share of hacked faces still called sad, and called happy again, after each change."""
    table = {}
    for name, change in CHANGES.items():
        answer = predict(change(hacked)).argmax(1)
        table[name] = {"sad": float((answer == SAD).mean()), "happy": float((answer == HAPPY).mean())}
    return table


def defences(recogniser: Recogniser, test: FaceSet, faces: np.ndarray, hacked: dict) -> dict:
    """What squeezing and smoothing cost on honest faces and bring on hacked ones, and how well squeezing detects."""
    ways = {
        "none": recogniser.predict,
        "median 3x3": lambda x: recogniser.predict(squeezed(x)),
        "noise of 8 levels, 8 votes": lambda x: smoothed(recogniser.predict, x, 8, samples=8),
        "noise of 16 levels, 8 votes": lambda x: smoothed(recogniser.predict, x, 16, samples=8),
    }
    table = {}
    for name, predict in ways.items():
        table[name] = {"accuracy": float((predict(test.images).argmax(1) == test.labels).mean()), "n": len(test)}
        for kind, attacked in hacked.items():
            answer = predict(attacked).argmax(1)
            table[name][kind] = {"sad": float((answer == SAD).mean()), "happy": float((answer == HAPPY).mean())}
    honest = strangeness(recogniser.predict, faces)
    threshold = float(np.quantile(honest, 0.95))
    detection = {"threshold": threshold, "false_alarms": 0.05}
    for kind, attacked in hacked.items():
        odd = strangeness(recogniser.predict, attacked)
        auc = mannwhitneyu(odd, honest).statistic / (len(odd) * len(honest))  # the same number
        detection[kind] = {"detected": float((odd > threshold).mean()), "auc": float(auc)}
    return {"ways": table, "detection": detection}


def universal_rates(victim: Victim, recogniser: Recogniser, some: FaceSet, faces: np.ndarray) -> dict:
    """One change for all faces, found on train, tried on the happy faces of test."""
    train = some.images[some.labels == HAPPY][:1000]
    rates = {}
    for eps in (4, 8, 16):
        change = universal(victim, train, SAD, eps, steps=20)
        rates[str(eps)] = rate(recogniser.predict(add(faces, change)).argmax(1) == SAD)
    return rates


def sticker_rates(victim: Victim, recogniser: Recogniser, some: FaceSet, faces: np.ndarray) -> dict:
    """A sticker found on train, stuck on random places of the happy faces of test; a grey one for comparison."""
    train = some.images[some.labels == HAPPY][:1000]
    places = np.random.default_rng(config.SEED)
    rates = {}
    for side in (10, 16):
        where = random_places(len(faces), side, places)
        patches = {"sad": sticker(victim, train, SAD, side, steps=40), "grey": np.full((side, side), 127, np.uint8)}
        rates[str(side)] = {
            name: rate(recogniser.predict(stick(faces, patch, where)).argmax(1) == SAD)
            for name, patch in patches.items()
        }
    return rates


def carried(other: Victim, faces: np.ndarray, hacked: dict) -> dict:
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
    adversarial_training(copy, some.images, some.labels, eps=4, epochs=2)
    table = {}
    for name, network in {"as it is": model, "after adversarial training, 4/255": copy}.items():
        victim = Victim(network)
        right = victim.logits(test.images).argmax(1) == test.labels
        faces = test.images[right & (test.labels == HAPPY)][:100]
        pgd_rates = {}
        for eps in (1, 2, 4, 8):
            pgd_rates[str(eps)] = rate(victim.logits(pgd(victim, faces, SAD, eps, until=0.0)).argmax(1) == SAD)
        table[name] = {"accuracy": float(right.mean()), "interval": wilson(right.sum(), len(right)), "pgd": pgd_rates}
    return table


if __name__ == "__main__":
    main()
