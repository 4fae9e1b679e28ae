"""From an image to the emotions in it: the only place where detection, cropping and recognition are joined.

Taught in notebooks 01 and 05.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fernb.config import FACE_SIDE
from fernb.vision.crop import crop_face, whole_image
from fernb.vision.detection import Detection, find_faces
from fernb.vision.images import to_uint8

if TYPE_CHECKING:
    from fernb.networks.recogniser import Recogniser

MAX_CROP_SIDE = 128  # pixels; a larger square is a photograph, in which a face would be found


@dataclass(frozen=True)
class RecognisedFace:
    """A face and what the network says of it.

    ``crop`` is what the network saw, grey uint8 ``(48, 48)``; ``probabilities`` float32 ``(k,)``
    are those of the emotions in ``labels`` and sum to 1.
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
    rgb: np.ndarray,
    recogniser: "Recogniser | None" = None,
    *,
    detector: str = "auto",
    flip: bool = False,
    whole: bool | None = None,
) -> list[RecognisedFace]:
    """Find the faces of an image and name their emotions, largest face first.

    ``rgb`` is an image as :func:`fernb.vision.images.to_uint8` takes it; ``recogniser`` defaults to
    the committed network; ``detector`` is that of :func:`fernb.find_faces`, ``flip`` that of
    :meth:`fernb.Recogniser.predict`. With ``whole`` the whole image is taken for one face, without
    a search; None does so where no face is found in a square of at most :data:`MAX_CROP_SIDE`
    pixels, as data sets and ``fernb preprocess`` have them. Raises what those raise.

    >>> for face in fernb.recognise(fernb.read_image("data/samples/grace_hopper.jpg")):  # doctest: +SKIP
    ...     print(face.detection.box, face.emotion, round(face.confidence, 2))
    """
    image = to_uint8(rgb)
    height, width = image.shape[:2]
    faces = [] if whole else find_faces(image, detector)
    if whole or (whole is None and not faces and height == width <= MAX_CROP_SIDE):
        faces = [whole_image(image)]
    return recognise_faces(image, faces, recogniser, flip=flip)


def recognise_faces(
    rgb: np.ndarray, faces: Sequence[Detection], recogniser: "Recogniser | None" = None, *, flip: bool = False
) -> list[RecognisedFace]:
    """Name the emotions of ``faces``, which were found in ``rgb`` already, in their order; see :func:`recognise`."""
    if recogniser is None:
        from fernb.networks.recogniser import Recogniser

        recogniser = Recogniser()
    image = to_uint8(rgb)
    crops = np.array([crop_face(image, face) for face in faces], np.uint8).reshape(-1, FACE_SIDE, FACE_SIDE)
    probabilities = recogniser.predict(crops, flip)
    return [
        RecognisedFace(face, crop, row, recogniser.labels)
        for face, crop, row in zip(faces, crops, probabilities, strict=True)
    ]
