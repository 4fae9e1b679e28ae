"""Cut out every face that shows a wanted emotion: ``fernb extract``. Taught in notebook 05."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fernb.errors import VideoError
from fernb.video.annotate import contact_sheet
from fernb.video.stream import Frame, frames_at
from fernb.video.table import read_table
from fernb.vision.crop import cut_face
from fernb.vision.detection import Detection
from fernb.vision.images import to_grey, write_image

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Wanted:
    """Which faces to cut out.

    ``repeat`` is for how many analysed frames the emotion must have held, ``person`` whose face
    (None: anybody's), ``only_faces`` how many faces the frame must show (None: any number), and
    ``apart`` how many seconds there must be between two faces of one person.
    """

    emotion: str
    repeat: int = 1
    min_confidence: float = 0.0
    person: int | None = None
    only_faces: int | None = None
    apart: float = 0.5


def choose(table: Path, wanted: Wanted) -> "pd.DataFrame":
    """Return the rows of a scan's table that are wanted, surest first.

    Near-duplicates are thinned: of one person's faces within ``apart`` seconds only the surest
    stays. Raises :class:`~fernb.errors.DataError` for a table that no scan wrote.
    """
    rows = read_table(table)
    seen = rows.dropna(subset="track")
    fits = (seen["emotion"] == wanted.emotion) & (seen["confidence"] >= wanted.min_confidence)
    fits &= seen["held"] >= wanted.repeat
    if wanted.person is not None:
        fits &= seen["track"] == wanted.person
    if wanted.only_faces is not None:
        fits &= seen.groupby("frame")["track"].transform("size") == wanted.only_faces
    kept: dict[float, list[float]] = {}
    chosen = []
    for row in seen[fits].sort_values("confidence", ascending=False).itertuples():
        times = kept.setdefault(row.track, [])
        if all(abs(row.time_s - other) >= wanted.apart for other in times):
            times.append(row.time_s)
            chosen.append(row.Index)
    return seen.loc[chosen]


def extract(video: Path, table: Path, wanted: Wanted, out: Path) -> list[Path]:
    """Write the wanted faces as PNG, ranked by confidence, and a contact sheet; return the paths.

    Names tell rank, emotion, frame, time and person. Only the frames that hold one are turned into
    images. Raises :class:`~fernb.errors.VideoError` where no face is wanted, or where video and
    table do not belong together, :class:`~fernb.errors.DataError` for a table that no scan wrote.
    """
    rows = choose(table, wanted)
    if not len(rows):
        raise VideoError(
            f"no face in {table.name} is {wanted.emotion} as asked for; ask for less confidence or repeats."
        )
    ranked: dict[int, list[tuple[int, Any]]] = {}
    for rank, row in enumerate(rows.itertuples(), 1):
        ranked.setdefault(int(row.frame), []).append((rank, row))
    faces = {}
    for frame in frames_at(video, {index: own[0][1].time_s for index, own in ranked.items()}):
        for rank, row in ranked[frame.index]:
            faces[rank] = cut_face(frame.rgb, _box(row, frame, table)), row
    paths = []
    for rank, (face, row) in sorted(faces.items()):
        name = f"{rank:03d}_{wanted.emotion}_frame{int(row.frame):06d}_{row.time_s:.2f}s_person{int(row.track)}.png"
        write_image(out / name, face)
        paths.append(out / name)
    captions = [f"{row.time_s:.1f}s {row.confidence:.0%}" for _, (_, row) in sorted(faces.items())]
    sheet = contact_sheet([to_grey(face) for _, (face, _) in sorted(faces.items())], captions)
    write_image(out / "contact_sheet.png", sheet)
    return [*paths, out / "contact_sheet.png"]


def _box(row: Any, frame: Frame, table: Path) -> Detection:
    box = Detection(int(row.x), int(row.y), int(row.w), int(row.h), float(row.detector_score))
    height, width = frame.rgb.shape[:2]
    if box.x >= width or box.y >= height or box.x + box.w <= 0 or box.y + box.h <= 0 or box.w > 2 * width:
        raise VideoError(
            f"{table.name}, frame {frame.index}: the face's box {box.box} is not in an image of {width}x{height}"
            " pixels; give the video of this table."
        )
    return box
