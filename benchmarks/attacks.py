"""Happy faces made Sad: how often, by how little, and against Foolbox on the same faces and network.

    python benchmarks/attacks.py [--data DATA] [--model FILE.keras] [--bulk 300] [--faces 100] [--out FOLDER]

Needs FER2013, and ``pip install "fernb[bench]"`` for Foolbox. Of the faces of PrivateTest that the
network rightly calls happy a fixed sample of ``--bulk`` is attacked within bounds for
``bulk.json``, and ``--faces`` of them with the least change for ``attacks.json``. Success is what
the LiteRT copy says of the PNG files read back from disk. Some 10 minutes of one CPU core.
Writes into ``results/hack_cnn/``.
"""

import tempfile
import time
from pathlib import Path

import click
import numpy as np
from _common import DATA, about, out_option

import fernb
from fernb import config
from fernb.attacks.adversarial import MIN_MARGIN, TargetModel, ddn, fgsm, logit_margin, measures, pgd
from fernb.data.loading import load_faces
from fernb.evaluation import wilson
from fernb.files import write_json
from fernb.networks.recogniser import Recogniser
from fernb.vision.crop import crop_face, whole_image
from fernb.vision.images import read_image, write_image

OUT = config.RESULTS / "hack_cnn"
HAPPY, SAD = fernb.EMOTIONS.index("happy"), fernb.EMOTIONS.index("sad")
EPS = (1, 2, 4, 8)


@click.command(help=__doc__)
@DATA
@click.option("--model", type=click.Path(path_type=Path), default=config.DEFAULT_MODEL.with_suffix(".keras"))
@click.option("--bulk", "n_bulk", type=int, default=300, show_default=True, help="Faces attacked within bounds.")
@click.option("--faces", "n_faces", type=int, default=100, show_default=True, help="Of them with the least change.")
@out_option(OUT)
def main(source: str, model: Path, n_bulk: int, n_faces: int, out: Path) -> None:
    fernb.setup(tf=True)
    from fernb.networks.storage import load_model

    network = load_model(model)
    target_model, recogniser = TargetModel(network), Recogniser(model.with_suffix(".tflite"))
    splits = load_faces(source)
    faces = rightly_happy(splits.test, recogniser)
    faces = faces[np.random.default_rng(config.SEED).permutation(len(faces))[:n_bulk]]
    told = about(splits) | {
        "part": "PrivateTest",
        "network": model.name,
        "success": "the LiteRT copy calls the PNG read back from disk sad",
    }
    write_json(out / "bulk.json", told | {"about": "happy to sad"} | bulk(target_model, recogniser, faces))

    def keep(rows: dict) -> None:  # after each attack, because the slow ones may be stopped
        write_json(out / "attacks.json", told | {"n": n_faces, "attacks": rows})

    compare_attacks(target_model, recogniser, network, faces[:n_faces], keep)


def rightly_happy(test, recogniser: Recogniser) -> np.ndarray:
    """The faces of a set that are labelled happy and called happy."""
    faces = test.images[test.labels == HAPPY]
    return faces[recogniser.predict(faces).argmax(1) == HAPPY]


def answers(faces: np.ndarray, recogniser: Recogniser) -> np.ndarray:
    """What the network says of faces that went to disk as PNG and came back: ``(n, k)``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "face.png"
        back = []
        for face in faces:
            write_image(path, face)
            rgb = read_image(path)
            back.append(crop_face(rgb, whole_image(rgb)))
    return recogniser.predict(np.array(back))


def bulk(target_model: TargetModel, recogniser: Recogniser, faces: np.ndarray) -> dict:
    """The share of faces that PGD and FGSM make sad within each bound."""
    rates = {}
    done = np.zeros(len(faces), bool)
    hacked = faces.copy()
    for eps in EPS:
        start = time.monotonic()
        hacked[~done] = pgd(
            target_model, faces[~done], targets=SAD, eps=eps, steps=40, until=5 * MIN_MARGIN
        )  # a narrower bound holds here too
        done = answers(hacked, recogniser).argmax(1) == SAD
        once = answers(fgsm(target_model, faces, targets=SAD, eps=eps), recogniser).argmax(1) == SAD
        rates[str(eps)] = {
            "pgd": rate(done),
            "fgsm": rate(once),
            "largest_change": int(np.abs(hacked.astype(int) - faces).max()),
            "seconds": round(time.monotonic() - start),
        }
        print(eps, rates[str(eps)], flush=True)
    return {"n": len(faces), "rates": rates}


def rate(success: np.ndarray) -> dict:
    return {"rate": float(success.mean()), "interval": wilson(success.sum(), len(success)), "n": len(success)}


def compare_attacks(target_model: TargetModel, recogniser: Recogniser, model, faces: np.ndarray, keep) -> None:
    """Minimum-norm attacks side by side; ``keep`` takes the rows after each."""
    rows = {}

    def enter(name: str, attacked: np.ndarray, seconds: float) -> None:
        rows[name] = row(faces, attacked, recogniser) | {"seconds": round(seconds)}
        print(name, rows[name], flush=True)
        keep(rows)

    start = time.monotonic()
    ours = ddn(target_model, faces, targets=SAD, steps=100)
    enter("fernb DDN, 100 steps", ours, time.monotonic() - start)
    for name, attack in foolbox_attacks().items():
        start = time.monotonic()
        exact = run_foolbox(attack, model, faces)
        seconds = time.monotonic() - start
        enter(f"{name}, rounded", round_to_grid(exact), seconds)
        enter(f"{name}, stretched", stretched(target_model, faces, exact), seconds)


def foolbox_attacks() -> dict:
    from foolbox import attacks

    return {
        "Foolbox DDN, 100 steps": attacks.DDNAttack(steps=100),
        "Foolbox C&W, 4 x 100 steps": attacks.L2CarliniWagnerAttack(
            binary_search_steps=4, steps=100, stepsize=0.01, initial_const=0.01
        ),
    }


def run_foolbox(attack, model, faces: np.ndarray) -> np.ndarray:
    """Return the attack's pictures as floats ``(n, 48, 48)`` in 0..255, before any rounding."""
    import tensorflow as tf
    from foolbox import TensorFlowModel
    from foolbox.criteria import TargetedMisclassification

    from fernb.attacks.adversarial import without_softmax

    if not hasattr(np, "find_common_type"):  # Foolbox 3.3.4 asks for it, NumPy 2 no longer has it
        np.find_common_type = lambda array_types, scalar_types: np.result_type(*array_types)
    network = without_softmax(model)
    logits = tf.function(
        lambda pictures: network(pictures * 255.0, training=False), autograph=False, reduce_retracing=True
    )
    target = TensorFlowModel(logits, bounds=(0, 1), device="cpu")
    results = []
    for start in range(0, len(faces), 64):
        part = tf.constant(faces[start : start + 64, ..., None] / 255, tf.float32)
        criterion = TargetedMisclassification(tf.fill([len(part)], SAD))
        results.append(attack.run(target, part, criterion).numpy()[..., 0] * 255)
    return np.concatenate(results)


def round_to_grid(pictures: np.ndarray) -> np.ndarray:
    return np.rint(pictures).clip(0, 255).astype(np.uint8)


def stretched(target_model: TargetModel, faces: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The other library's change, lengthened as little as its rounding needs: a help that it does not give itself."""
    result, todo = round_to_grid(exact), np.ones(len(faces), bool)
    for factor in np.arange(1, 2, 0.01):
        tried = round_to_grid(faces[todo] + factor * (exact[todo] - faces[todo]))
        there = logit_margin(target_model.logits(tried), np.full(len(tried), SAD)) > MIN_MARGIN
        numbers = np.flatnonzero(todo)[there]
        result[numbers], todo[numbers] = tried[there], False
        if not todo.any():
            break
    return result


def row(faces: np.ndarray, attacked: np.ndarray, recogniser: Recogniser) -> dict:
    """Success on disk, and the size of the change; the median counts a failure as infinite."""
    probs = answers(attacked, recogniser)
    success = probs.argmax(1) == SAD
    each = [measures(*pair) for pair in zip(faces, attacked, strict=True)]
    l2 = np.where(success, [one["l2"] for one in each], np.inf)
    middle = float(np.median(l2))
    return {
        "success": rate(success),
        "median_l2": middle if np.isfinite(middle) else None,
        "median_l2_of_successes": float(np.median(l2[success])) if success.any() else None,
        "median_linf": float(np.median([one["linf"] for one in each])),
        "median_pixels_changed": float(np.median([one["pixels_changed"] for one in each])),
        "median_psnr": float(np.median([one["psnr"] for one in each])),
        "median_ssim": float(np.median([one["ssim"] for one in each])),
        "median_probability": float(np.median(probs[:, SAD])),
    }


if __name__ == "__main__":
    main()
