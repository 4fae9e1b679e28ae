"""Neural style: the gallery, its times, and whether emotions survive. Writes into ``results/style/``.

    python benchmarks/style.py features runs/vgg/vgg.keras    # cut the default features out of a network
    python benchmarks/style.py gallery                        # a picture of each style, with losses and seconds
    python benchmarks/style.py untrained                      # eight draws of the untrained VGG, to choose by eye
    python benchmarks/style.py emotion [DATA]                 # predictions before and after

All need the committed files only; ``emotion`` adds real faces where FER2013 is given or imported.
Run ``emotion`` again when ``results/model/my_own_model.tflite`` changes.
"""

import json
import os
import sys
import time

import keras
import numpy as np

from fernb import EMOTIONS, config, load_faces
from fernb.faces import crop_face, cut_face, find_faces
from fernb.files import whole_file
from fernb.images import read_picture, write_picture
from fernb.recogniser import Recogniser
from fernb.style_emotion import sweep
from fernb.style_features import OWN_NETWORK, load_features
from fernb.style_transfer import SIZE, fit, save, transfer
from fernb.styles import STYLES, draw_style
from fernb.synthetic import draw_faces

OUT = config.RESULTS / "style"
STRENGTHS = (0.1, 0.3, 1.0, 3.0)
REAL, DRAWN = 140, 70  # faces


def features(network: str) -> None:
    whole = keras.models.load_model(network, compile=False)
    part = keras.Model(whole.input, whole.get_layer("block3_conv2_relu").output, name="features")
    with whole_file(OWN_NETWORK) as temporary:
        part.save(temporary)


def gallery() -> None:
    seen, content = load_features("fer"), read_picture(config.SAMPLES / "eileen_collins.jpg")
    for name in STYLES:
        before = time.process_time()
        result = transfer(content, draw_style(name), seen)
        used = {"processor_seconds": round(time.process_time() - before, 1), "load": round(os.getloadavg()[0], 1)}
        made = {"command": "python benchmarks/style.py gallery", "hardware": _hardware(), **used}
        save(result, OUT / f"eileen_collins_{name}.jpg", content="eileen_collins.jpg", style=name, **made)
        print(name, f"{result.seconds:.1f} s", used)


def untrained() -> None:
    content, rows = read_picture(config.SAMPLES / "eileen_collins.jpg"), []
    for seeds in ((0, 1, 2, 3), (4, 5, 6, 7)):
        row = []
        for seed in seeds:
            seen = load_features("untrained", seed=seed)
            both = [
                transfer(content, draw_style(name), seen, size=128, steps=60).picture for name in ("glass", "mosaic")
            ]
            row.append(np.vstack(both))
        rows.append(np.hstack(row))
    write_picture(OUT / "untrained.jpg", np.vstack(rows))


def emotion(source: str | None) -> None:
    recogniser, fer = Recogniser(), load_features("fer")
    told = {
        "command": "python benchmarks/style.py emotion",
        "hardware": _hardware(),
        "network": {key: recogniser.sidecar[key] for key in ("made", "parameters")},
        "about": "share of faces whose predicted emotion is the same after painting, 95 % Wilson interval; "
        "noise: the same share where Gaussian noise of the same size takes the place of the style",
        "photograph": photograph(recogniser, fer),
    }
    sets = {"drawn": draw_faces(DRAWN, config.SEED)}
    if source or config.data_source():
        sets["fer2013_test"] = load_faces(source or "fer2013").test.sample(REAL)
    styles = {name: draw_style(name) for name in STYLES}
    for name, faces in sets.items():
        before = float((recogniser.predict(faces.images).argmax(1) == faces.labels).mean())
        rows = sweep(faces.images, faces.labels, recogniser, styles, fer, STRENGTHS, _say)
        rows += sweep(faces.images, faces.labels, recogniser, styles, load_features("untrained"), (1.0,), _say)
        told[name] = {"faces": len(faces), "accuracy_before": before, "rows": rows}
        with whole_file(OUT / "emotion_survives.json") as temporary:
            temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _say(line: str) -> None:
    print(line, flush=True)


def photograph(recogniser: Recogniser, seen) -> list[dict]:
    """The astronaut's face before and after: is it still found, and what is it called where it was?"""
    picture = read_picture(config.SAMPLES / "eileen_collins.jpg")
    face = cut_face(picture, find_faces(picture, detector="haar")[0], margin=0.5)
    face = fit(face, SIZE)
    place, rows = find_faces(face, detector="haar")[0], []
    for name in STYLES:
        for strength in (0.0, *STRENGTHS):
            after = transfer(face, draw_style(name), seen, strength=strength).picture if strength else face
            probs = recogniser.predict(crop_face(after, place)[None])[0]
            found = bool(find_faces(after, detector="haar"))
            rows.append({"style": name, "strength": strength, "found": found, "emotion": EMOTIONS[probs.argmax()]})
            rows[-1]["probabilities"] = dict(zip(EMOTIONS, probs.round(4).tolist(), strict=True))
            print(rows[-1], flush=True)
    return rows


def _hardware() -> str:
    return f"{config.cores()} CPU cores"


if __name__ == "__main__":
    commands = {"features": features, "gallery": gallery, "untrained": untrained, "emotion": emotion}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    if sys.argv[1] == "emotion":
        emotion(sys.argv[2] if len(sys.argv) > 2 else None)
    else:
        commands[sys.argv[1]](*sys.argv[2:])
