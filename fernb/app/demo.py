"""The main job on the embedded clip and photographs, end to end: ``fernb demo``."""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from fernb import config
from fernb.app.samples import read_truth
from fernb.files import atomic_write
from fernb.networks.recogniser import Recogniser
from fernb.recognition import recognise
from fernb.video.annotate import annotate, contact_sheet
from fernb.video.reading import FaceReader, Reading
from fernb.video.stream import frames, video_info
from fernb.video.table import Table
from fernb.video.writer import VideoWriter
from fernb.vision.crop import crop_face
from fernb.vision.images import read_image, write_image

EVERY = 0.1  # seconds between analysed frames


def run(out: Path, say: Callable[[str], None] = print) -> list[Path]:
    """Analyse the sample clip and photographs; return the files written into ``out``.

    They are ``photographs.csv``, ``emotions.csv`` (the table of the clip), ``annotated.mp4``,
    ``timeline.png``, ``contact_sheet.png`` and ``overview.png``, which has a frame of each
    emotion above the timeline.
    """
    recogniser = Recogniser()
    out.mkdir(parents=True, exist_ok=True)
    say(f"{recogniser!r} on the samples that come with fernb")
    return [photographs(out, recogniser, say), *clip(out, recogniser, say)]


def photographs(out: Path, recogniser: Recogniser, say: Callable[[str], None]) -> Path:
    """Name the emotion of each face in the sample photographs."""
    path = out / "photographs.csv"
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "x", "y", "w", "h", "emotion", "confidence"])
        for picture in sorted(config.SAMPLES.glob("*.jpg")):
            found = recognise(read_image(picture), recogniser)
            for face in found:
                writer.writerow([picture.name, *face.detection.box, face.emotion, f"{face.confidence:.4f}"])
                say(f"  {picture.name:<20} {face.emotion} {face.confidence:.0%}")
            if not found:
                say(f"  {picture.name:<20} no face")
    return path


def clip(out: Path, recogniser: Recogniser, say: Callable[[str], None]) -> list[Path]:
    """Analyse the sample clip; write its table, annotated copy, timeline and contact sheet."""
    source, truth = config.SAMPLES / "emotions.mp4", read_truth(config.SAMPLES / "emotions.csv")
    names = ("emotions.csv", "annotated.mp4", "timeline.png", "contact_sheet.png", "overview.png")
    paths = [out / name for name in names]
    kept: list[tuple[float, Reading, np.ndarray]] = []
    middles: dict[str, np.ndarray] = {}
    rate = min(1 / EVERY, video_info(source).fps)
    with Table(paths[0], recogniser.labels) as table, VideoWriter(paths[1], rate) as video:
        for frame, found in FaceReader(recogniser).read(frames(source, EVERY)):
            readings = found or []
            table.add(frame, readings)
            picture = annotate(frame.rgb, readings, recogniser.labels)
            video.add(picture)
            shown = [name for start, end, name in truth if (start + end) / 2 <= frame.time_s < end]
            if shown:
                middles.setdefault(shown[0], picture)
            kept += [(frame.time_s, reading, crop_face(frame.rgb, reading.face)) for reading in readings]
    _timeline(paths[2], kept, recogniser.labels, truth)
    write_image(paths[3], _best_of_each_second(kept, recogniser.labels))
    write_image(paths[4], _overview(list(middles.values()), read_image(paths[2])))
    _summary(kept, recogniser.labels, truth, say)
    return paths


def _timeline(path: Path, kept: list, labels: tuple[str, ...], truth: list) -> None:
    from matplotlib.figure import Figure

    from fernb import plots
    from fernb.plots.base import save_figure

    person = Counter(reading.track for _, reading, _ in kept).most_common(1)[0][0]
    own = [(time_s, reading.smoothed) for time_s, reading, _ in kept if reading.track == person]
    times, probs = zip(*own, strict=True)
    figure = Figure(figsize=(10, 3.2), dpi=plots.DPI, layout="constrained")  # no window, nothing to close
    plots.timeline(times, np.array(probs), classes=labels, truth=truth, title=f"person {person}", ax=figure.subplots())
    save_figure(figure, path)


def _best_of_each_second(kept: list, labels: tuple[str, ...]) -> np.ndarray:
    best: dict[int, tuple] = {}
    for time_s, reading, crop in kept:
        second = int(time_s)
        if second not in best or reading.smoothed.max() > best[second][0].smoothed.max():
            best[second] = (reading, crop)
    captions = [f"{second}s {labels[reading.smoothed.argmax()]}" for second, (reading, _) in best.items()]
    return contact_sheet([crop for _, crop in best.values()], captions)


def _overview(pictures: list[np.ndarray], timeline: np.ndarray, columns: int = 4) -> np.ndarray:
    """Lay out frames in rows of ``columns`` and the timeline under them, as wide as they are."""
    height, width = pictures[0].shape[:2]
    blank = np.full((height, width, 3), 255, np.uint8)
    cells = pictures + [blank] * (-len(pictures) % columns)
    rows = [np.hstack(cells[start : start + columns]) for start in range(0, len(cells), columns)]
    grid = cv2.resize(np.vstack(rows), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    scale = grid.shape[1] / timeline.shape[1]
    size = (grid.shape[1], round(timeline.shape[0] * scale))
    return np.vstack([grid, cv2.resize(timeline, size, interpolation=cv2.INTER_CUBIC)])


def _summary(kept: list, labels: tuple[str, ...], truth: list, say: Callable[[str], None]) -> None:
    """Say for each stretch of the clip what was shown and what was read."""
    say("  emotions.mp4         time      shown      read (share of frames)")
    for start, end, shown in truth:
        read = Counter(labels[r.smoothed.argmax()] for time_s, r, _ in kept if start <= time_s < end)
        words = ", ".join(f"{name} {count / read.total():.0%}" for name, count in read.most_common(3))
        say(f"  {'':<20} {start:3.0f}-{end:2.0f} s  {shown:<10} {words or 'no face'}")
