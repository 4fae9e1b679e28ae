"""fernb: learn, run and trust facial emotion recognition.

Importing this package is cheap: each name below is imported at first use, and TensorFlow
only by what trains or builds networks.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what editors and type checkers see; at run time __getattr__ imports it
    from fernb.data.faceset import FaceSet, FaceSplits
    from fernb.data.loading import load_faces
    from fernb.errors import FernbError
    from fernb.labels import EMOTIONS
    from fernb.networks.recogniser import Recogniser
    from fernb.recognition import recognise
    from fernb.runtime import setup
    from fernb.vision.crop import crop_face
    from fernb.vision.detection import Detection, find_faces
    from fernb.vision.images import read_image

__version__ = "0.1.0"

_HOME = {
    "EMOTIONS": "labels",
    "setup": "runtime",
    "FaceSet": "data.faceset",
    "FaceSplits": "data.faceset",
    "load_faces": "data.loading",
    "Detection": "vision.detection",
    "find_faces": "vision.detection",
    "crop_face": "vision.crop",
    "read_image": "vision.images",
    "Recogniser": "networks.recogniser",
    "recognise": "recognition",
    "FernbError": "errors",
}

__all__ = [
    "EMOTIONS",
    "Detection",
    "FaceSet",
    "FaceSplits",
    "FernbError",
    "Recogniser",
    "crop_face",
    "find_faces",
    "load_faces",
    "read_image",
    "recognise",
    "setup",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"fernb.{_HOME[name]}"), name)
    raise AttributeError(f"module 'fernb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
