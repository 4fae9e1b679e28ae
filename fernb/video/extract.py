"""Cut out every face that shows a wanted emotion: ``fernb extract``. Taught in notebook 05."""

from dataclasses import dataclass
from pathlib import Path

from fernb.errors import VideoError
from fernb.video.annotate import contact_sheet
from fernb.video.stream import frames
from fernb.vision.crop import cut_face
from fernb.vision.detection import Detection
from fernb.vision.images import to_grey, write_image


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


def choose(table: Path, wanted: Wanted):
    """Return the rows of a scan's table that are wanted, surest first, as a DataFrame.

    Near-duplicates are thinned: of one person's faces within ``apart`` seconds only the surest
    stays. Raises :class:`~fernb.errors.VideoError` for a table that no scan wrote.
    """
    import pandas as pd

    try:
        rows = pd.read_csv(table)
        seen = rows.dropna(subset="track")
        fits = (seen["emotion"] == wanted.emotion) & (seen["confidence"] >= wanted.min_confidence)
        fits &= seen["held"] >= wanted.repeat
    except FileNotFoundError:
        raise VideoError(f"there is no table at {table}; `fernb scan VIDEO` writes one.") from None
    except (KeyError, ValueError, TypeError) as error:
        raise VideoError(f"{table.name} is not a table that `fernb scan` wrote ({error}).") from error
    if wanted.person is not None:
        fits &= seen["track"] == wanted.person
    if wanted.only_faces is not None:
        fits &= seen.groupby("frame")["track"].transform("size") == wanted.only_faces
    kept = []
    for row in seen[fits].sort_values("confidence", ascending=False).itertuples():
        if all(row.track != other.track or abs(row.time_s - other.time_s) >= wanted.apart for other in kept):
            kept.append(row)
    return seen.loc[[row.Index for row in kept]]


def extract(video: Path, table: Path, wanted: Wanted, out: Path) -> list[Path]:
    """Write the wanted faces as PNG, ranked by confidence, and a contact sheet; return the paths.

    Names tell rank, emotion, frame, time and person. Raises :class:`~fernb.errors.VideoError`
    where no face is wanted, or where video and table do not belong together.
    """
    rows = choose(table, wanted)
    if not len(rows):
        raise VideoError(
            f"no face in {table.name} is {wanted.emotion} as asked for; ask for less confidence or repeats."
        )
    ranked = {(int(row.frame), int(row.track)): (rank, row) for rank, row in enumerate(rows.itertuples(), 1)}
    wanted_frames = {frame for frame, _ in ranked}
    faces = {}
    for frame in frames(video):
        if frame.index in wanted_frames:
            for key, (rank, row) in ranked.items():
                if key[0] == frame.index:
                    box = Detection(int(row.x), int(row.y), int(row.w), int(row.h), row.detector_score)
                    faces[rank] = cut_face(frame.rgb, box), row
    if len(faces) != len(ranked):
        raise VideoError(f"{table.name} names frames that {video.name} does not have; scan that video again.")
    paths = []
    for rank, (face, row) in sorted(faces.items()):
        name = f"{rank:03d}_{wanted.emotion}_frame{int(row.frame):06d}_{row.time_s:.2f}s_person{int(row.track)}.png"
        write_image(out / name, face)
        paths.append(out / name)
    captions = [f"{row.time_s:.1f}s {row.confidence:.0%}" for _, (_, row) in sorted(faces.items())]
    sheet = contact_sheet([to_grey(face) for _, (face, _) in sorted(faces.items())], captions)
    write_image(out / "contact_sheet.png", sheet)
    return [*paths, out / "contact_sheet.png"]
