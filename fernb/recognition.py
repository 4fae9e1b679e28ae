"""From an image to the emotions in it: the only place where finding, cropping and naming are joined.

Taught in notebooks 01 and 05.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fernb.config import FACE_SIDE
from fernb.vision.crop import crop_face
from fernb.vision.detection import Detection, find_faces

if TYPE_CHECKING:
    from fernb.networks.recogniser import Recogniser


@dataclass(frozen=True)
class RecognisedFace:
    """A face and what the network says of it: probabilities float32 ``(k,)`` over ``labels``, which sum to 1.

    ``crop`` is what the network saw, grey uint8 ``(48, 48)``.
    """

    detection: Detection
    crop: np.ndarray
    probabilities: np.ndarray
    labels: tuple[str, ...]

    @property
    def emotion(self) -> str:
        """The most probable emotion."""
        return self.labels[int(self.probabilities.argmax())]

    @property
    def confidence(self) -> float:
        """Its probability, 0 to 1."""
        return float(self.probabilities.max())


def recognise(
    rgb: np.ndarray, recogniser: "Recogniser | None" = None, *, detector: str = "auto", flip: bool = False
) -> list[RecognisedFace]:
    """Find the faces of an image and name their emotions, largest face first.

    ``rgb`` is an image as :func:`fernb.vision.images.to_rgb` takes it; ``recogniser`` defaults to
    the committed network; ``detector`` is one of :func:`fernb.find_faces`; ``flip`` is that of
    :meth:`fernb.Recogniser.predict`. Raises what those raise.

    >>> for face in fernb.recognise(fernb.read_image("data/samples/grace_hopper.jpg")):  # doctest: +SKIP
    ...     print(face.detection.box, face.emotion, round(face.confidence, 2))
    """
    return recognise_faces(rgb, find_faces(rgb, detector), recogniser, flip=flip)


def recognise_faces(
    rgb: np.ndarray, faces: Sequence[Detection], recogniser: "Recogniser | None" = None, *, flip: bool = False
) -> list[RecognisedFace]:
    """Name the emotions of ``faces``, found in ``rgb`` already, in their order; see :func:`recognise`."""
    if recogniser is None:
        from fernb.networks.recogniser import Recogniser

        recogniser = Recogniser()
    crops = np.array([crop_face(rgb, face) for face in faces], np.uint8).reshape(-1, FACE_SIDE, FACE_SIDE)
    probabilities = recogniser.predict(crops, flip)
    return [
        RecognisedFace(face, crop, row, recogniser.labels)
        for face, crop, row in zip(faces, crops, probabilities, strict=True)
    ]
