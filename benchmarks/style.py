"""Neural style: the gallery, its times, and whether emotions survive. Writes into ``results/style/``.

    python benchmarks/style.py gallery [STYLE ...]            # pictures of 224 pixels, with losses and seconds
    python benchmarks/style.py untrained                      # eight draws of the untrained VGG, to choose by eye
    python benchmarks/style.py compare squeezenet_notop.h5    # beside features of ImageNet: SqueezeNet 1.1
    python benchmarks/style.py portrait squeezenet_notop.h5   # the face of notebook 07 in glass, by SqueezeNet
    python benchmarks/style.py emotion [DATA]                 # predictions before and after
    python benchmarks/style.py features vgg.keras             # cut the default features out of a network

``emotion`` takes drawn faces, and real ones where FER2013 is given or imported. Painted faces are
kept in ``runs/style``: only the first run takes long, and with another network in ``results/model``
the same command asks that one in seconds. After a change to how faces are painted, delete that folder.
"""

import functools
import hashlib
import json
import time
from pathlib import Path

import click
import keras
import numpy as np
from _common import about
from keras import layers, ops

from fernb import EMOTIONS, config, load_faces
from fernb.data.synthetic import draw_faces
from fernb.files import atomic_write, write_json
from fernb.networks.recogniser import Recogniser
from fernb.style.features import OWN_NETWORK, FeatureExtractor, load_features
from fernb.style.pictures import STYLES, style_image
from fernb.style.survival import paint_faces, survival_against_noise
from fernb.style.transfer import resize_to_fit, save, transfer_style
from fernb.vision.crop import crop_face, cut_face
from fernb.vision.detection import find_faces
from fernb.vision.images import read_image, write_image

OUT, KEPT = config.RESULTS / "style", config.RUNS / "style"
STRENGTHS = (0.3, 1.0, 3.0)
PAINTERS = (("fer", STRENGTHS), ("untrained", (1.0,)))
REAL, DRAWN = 70, 35  # faces
GALLERY = [("eileen_collins", style, {}) for style in STYLES] + [
    ("china", "strokes", {"strength": 3.0}),
    ("flower", "glass", {}),
    ("grace_hopper", "woodcut", {"keep_colour": True, "strength": 0.5}),
]


@click.group(help=__doc__)
def main() -> None:
    pass


def _write(name: str, told: dict) -> None:
    write_json(OUT / name, told)


_features = functools.cache(load_features)


def _sample(name: str) -> np.ndarray:
    return read_image(config.SAMPLES / f"{name}.jpg")


# --- pictures ----------------------------------------------------------------------------------------


@main.command()
@click.argument("chosen", nargs=-1)
def gallery(chosen: tuple[str, ...]) -> None:
    seen = _features("fer")
    for content, style, settings in GALLERY:
        if chosen and style not in chosen:
            continue
        before = time.process_time()
        result = transfer_style(_sample(content), style_image(style), features=seen, **settings)
        used = {"processor_seconds": round(time.process_time() - before, 1)}
        save(result, OUT / f"{content}_{style}.jpg", content=f"{content}.jpg", style=style, **about(), **used)
        print(content, style, f"{result.seconds:.1f} s", used, flush=True)
    made = [OUT / f"eileen_collins_{style}.jpg" for style in STYLES]
    if all(path.is_file() for path in made):
        styles = np.hstack([resize_to_fit(style_image(style), 224) for style in STYLES])
        write_image(OUT / "gallery.jpg", np.vstack([styles, np.hstack([read_image(path) for path in made])]))


@main.command()
def untrained() -> None:
    """Seeds 0 to 3 above, 4 to 7 below."""
    content, pictures = _sample("eileen_collins"), []
    for seed in range(8):
        seen = load_features("untrained", seed=seed)
        pictures.append(transfer_style(content, style_image("mosaic"), features=seen, size=128, steps=40).image)
        print(seed, flush=True)
    write_image(OUT / "untrained.jpg", np.vstack([np.hstack(pictures[:4]), np.hstack(pictures[4:])]))


@main.command("compare")
@click.argument("weights")
def compare_features(weights: str) -> None:
    """Rows: the project's own features, SqueezeNet's, untrained ones. Columns: the styles."""
    content, rows, told = _sample("eileen_collins"), [], []
    settings = {"size": 128, "steps": 60}
    for seen in (_features("fer"), squeezenet(weights), load_features("untrained")):
        row = []
        for style in ("strokes", "mosaic", "glass", "woodcut"):
            result = transfer_style(content, style_image(style), features=seen, **settings)
            row.append(result.image)
            told.append({"features": seen.name, "style": style})
            told[-1]["losses"] = {name: round(value, 4) for name, value in result.history[-1].items()}
            print(told[-1], flush=True)
        rows.append(np.hstack(row))
        write_image(OUT / "compared.jpg", np.vstack(rows))
        _write("compared.json", {**about(), **settings, "rows": told})


@main.command()
@click.argument("weights")
def portrait(weights: str) -> None:
    """Much total variation, as the first layer looks at every second pixel only and leaves a grid."""
    picture = _sample("eileen_collins")
    face = cut_face(picture, find_faces(picture)[0], margin=0.5)
    settings = {"size": 240, "steps": 80, "smooth": 15.0}
    result = transfer_style(face, style_image("glass"), features=squeezenet(weights), **settings)
    save(result, OUT / "portrait.jpg", content="eileen_collins.jpg", style="glass", **about())


def squeezenet(weights: str) -> FeatureExtractor:
    """SqueezeNet 1.1 (Iandola et al. 2016) up to its sixth fire module, from a file of Keras weights."""
    import h5py

    def convolution(x, name: str, stride: int = 1):
        arrays = []
        file[name].visititems(lambda _, item: arrays.append(np.array(item)) if hasattr(item, "shape") else None)
        kernel, bias = sorted(arrays, key=np.ndim, reverse=True)
        layer = layers.Conv2D(kernel.shape[-1], kernel.shape[0], stride, "same", activation="relu")
        x = layer(x)
        layer.set_weights([kernel, bias])
        return x

    inputs = keras.Input((None, None, 3))
    with h5py.File(weights) as file:
        maps = {"conv1": convolution(inputs - np.array([123.68, 116.78, 103.94], np.float32), "conv1", stride=2)}
        x = layers.AveragePooling2D(3, 2, "same")(maps["conv1"])
        for number in range(2, 7):
            small = convolution(x, f"fire{number}/squeeze1x1")
            x = ops.concatenate([convolution(small, f"fire{number}/expand{side}x{side}") for side in (1, 3)], -1)
            maps[f"fire{number}"] = x
            if number in (3, 5):
                x = layers.AveragePooling2D(3, 2, "same")(x)
    about = f"SqueezeNet 1.1, ImageNet weights of {Path(weights).name}"
    return FeatureExtractor("squeezenet", about, keras.Model(inputs, maps), "fire3", tuple(maps), colour=True)


# --- emotions ----------------------------------------------------------------------------------------


@main.command()
@click.argument("source", required=False)
def emotion(source: str | None) -> None:
    recogniser = Recogniser(seven=True)
    told = {
        **about(),
        "network": {key: recogniser.sidecar[key] for key in ("made", "parameters")},
        "about": "same: share of faces whose predicted emotion is the same after painting, 95 % Wilson interval; "
        "noise: that share where Gaussian noise of the same size takes the place of the style",
        "photograph": photograph(recogniser),
    }
    sets = {"drawn": draw_faces(DRAWN, config.SEED)}
    if source or config.data_source():
        sets["fer2013_test"] = load_faces(source or "fer2013").test.sample(REAL)
    for name, faces in sets.items():
        before = float((recogniser.predict(faces.images).argmax(1) == faces.labels).mean())
        told[name] = {"faces": len(faces), "accuracy_before": before, "rows": []}
        for features, strengths in PAINTERS:
            for style in STYLES:
                for strength in strengths:
                    painted = _kept(paint_faces, faces.images, features, style, strength)
                    row = {"features": features, "style": style, "strength": strength}
                    row |= _rounded(
                        survival_against_noise(faces.images, painted, recogniser=recogniser, labels=faces.labels)
                    )
                    told[name]["rows"].append(row)
                    print(name, *row.values(), flush=True)
        _write("emotion.json", told)


def _kept(paint, pictures: np.ndarray, features: str, style: str, strength: float) -> np.ndarray:
    """Paint, or take what was painted before from the same pictures with the same features."""
    given = pictures.tobytes() + (OWN_NETWORK.read_bytes() if features == "fer" else b"")
    digest = hashlib.sha256(given).hexdigest()[:12]
    path = KEPT / f"{digest}_{features}_{style}_{strength:g}.npz"
    if path.is_file():
        return np.load(path, allow_pickle=False)["painted"]
    painted = paint(pictures, style_image(style), features=_features(features), strength=strength)
    with atomic_write(path) as temporary:
        np.savez_compressed(temporary, painted=painted)
    return painted


def photograph(recogniser: Recogniser) -> list[dict]:
    """The astronaut's face before and after: is it still found, and what is it called where it was?

    Also writes ``photograph.jpg``: a column for each style, from the top the face and what each strength makes of it.
    """
    picture = _sample("eileen_collins")
    face = resize_to_fit(cut_face(picture, find_faces(picture, detector="haar")[0], margin=0.5), 160)
    place = find_faces(face, detector="haar")[0]
    rows, sheet = [{"style": "none", "strength": 0.0, **_answer(recogniser, face, place)}], []
    for style in STYLES:
        sheet.append([face])
        for strength in STRENGTHS:
            after = _kept(_paint_photograph, face, "fer", style, strength)
            rows.append({"style": style, "strength": strength, **_answer(recogniser, after, place)})
            sheet[-1].append(after)
            print(rows[-1], flush=True)
    write_image(OUT / "photograph.jpg", np.hstack([np.vstack(column) for column in sheet]))
    return rows


def _paint_photograph(
    face: np.ndarray, style: np.ndarray, *, features: FeatureExtractor, strength: float
) -> np.ndarray:
    return transfer_style(face, style, features=features, size=max(face.shape), strength=strength, steps=60).image


def _answer(recogniser: Recogniser, picture: np.ndarray, place) -> dict:
    probs = recogniser.predict(crop_face(picture, place)[None])[0]
    found = bool(find_faces(picture, detector="haar"))
    probabilities = dict(zip(EMOTIONS, probs.astype(float).round(4).tolist(), strict=True))
    return {"found": found, "emotion": EMOTIONS[probs.argmax()], "probabilities": probabilities}


def _rounded(told: dict) -> dict:
    return {key: np.round(value, 4).tolist() for key, value in told.items()}


# --- features ----------------------------------------------------------------------------------------


@main.command()
@click.argument("network")
def features(network: str) -> None:
    """Keep the first three blocks of a network that ``fernb train --recipe vgg`` made."""
    whole = keras.models.load_model(network, compile=False)
    part = keras.Model(whole.input, whole.get_layer("block3_conv2_relu").output, name="features")
    with atomic_write(OWN_NETWORK) as temporary:
        part.save(temporary)
    made = json.loads(Path(network).with_suffix(".json").read_text())["made"]
    _write("features.json", {**about(), "network": made, "parameters": part.count_params()})


if __name__ == "__main__":
    main()
