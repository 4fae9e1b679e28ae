"""fernb: learn, run and trust facial emotion recognition.

Importing this package is cheap: each name below is imported at first use, and TensorFlow
only by what trains or builds networks.
"""

import importlib

__version__ = "0.1.0"

_HOME = {
    "EMOTIONS": "labels",
    "setup": "config",
    "FaceSet": "data",
    "FaceSplits": "data",
    "load_faces": "data",
    "Detection": "faces",
    "find_faces": "faces",
    "crop_face": "faces",
    "read_picture": "images",
    "Recogniser": "recogniser",
    "FernbError": "errors",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"fernb.{_HOME[name]}"), name)
    raise AttributeError(f"module 'fernb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
