"""Readings drawn into frames: boxes, names, bars, contact sheets. Taught in notebook 05."""

from dataclasses import replace

import cv2
import numpy as np

from fernb.errors import VideoError
from fernb.labels import COLOURS
from fernb.video.reading import UNSURE, Reading
from fernb.vision.detection import Detection

Rect = tuple[int, int, int, int]  # x, y, w, h
UNSURE_COLOUR = (160, 160, 160)


def scaled(readings: list[Reading], zoom: float) -> list[Reading]:
    """Return readings for a picture that is ``zoom`` times as large; eyes and landmarks are left out."""

    def grown(reading: Reading) -> Reading:
        x, y, w, h = (round(value * zoom) for value in reading.face.box)
        return replace(reading, face=replace(reading.face, x=x, y=y, w=w, h=h, eyes=None, landmarks=None))

    return [grown(reading) for reading in readings]


def annotate(rgb: np.ndarray, readings: list[Reading], labels: tuple[str, ...]) -> np.ndarray:
    """Return a copy of a frame with each person's box, number, emotion, and bars where they cover nobody.

    Names stand on a ground of their own inside the frame, above the box or below it.
    """
    out = rgb.copy()
    taken: list[Rect] = [reading.face.box for reading in readings]
    for reading in readings:
        face, (emotion, confidence) = reading.face, reading.shown(labels)
        colour = UNSURE_COLOUR if emotion == UNSURE else _rgb(COLOURS[emotion])
        cv2.rectangle(out, (face.x, face.y), (face.x + face.w, face.y + face.h), colour, 2)
        for x, y, w, h in face.eyes or ():
            cv2.rectangle(out, (x, y), (x + w, y + h), (0, 208, 255), 1)
        texts = [f"{reading.track}: {emotion} {confidence:.0%}"]
        if reading.fatigue is not None and reading.fatigue.alarm:
            texts.append("eyes closed: tired?")
        above = face.y - 2
        for text in texts:
            place = _label(out, text, face, above, colour)
            taken.append(place)
            above = place[1] - 2
    for reading in readings:
        bars = _place_bars(reading.face, len(labels), out.shape, taken)
        if bars:
            taken.append(bars)
            _bars(out, *bars[:2], reading, labels)
    return out


def _label(out: np.ndarray, text: str, face: Detection, bottom: int, colour: tuple[int, int, int]) -> Rect:
    """Write ``text`` on a ground of ``colour`` that ends at ``bottom``, wholly inside the frame; return its place."""
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1)
    w, h = width + 8, height + base + 4
    x = int(np.clip(face.x, 0, max(0, out.shape[1] - w)))
    y = bottom - h if bottom >= h else min(face.y + face.h + 2, out.shape[0] - h)
    y = max(0, y)
    cv2.rectangle(out, (x, y), (x + w, y + h), colour, -1)
    dark = np.dot(colour, (0.299, 0.587, 0.114)) > 140  # text that can be read on any emotion's colour
    ink = (0, 0, 0) if dark else (255, 255, 255)
    cv2.putText(out, text, (x + 4, y + height + 2), cv2.FONT_HERSHEY_SIMPLEX, 0.6, ink, 1, cv2.LINE_AA)
    return x, y, w, h


PANEL_WIDTH, PANEL_STEP = 168, 20  # pixels of the bars, and of one row of them


def _place_bars(face: Detection, rows: int, shape: tuple[int, ...], taken: list[Rect]) -> Rect | None:
    """Return where beside a face its bars cover nobody: right, left, below or above it; None if nowhere."""
    w, h = PANEL_WIDTH, PANEL_STEP * rows
    for x, y in (
        (face.x + face.w + 6, face.y),
        (face.x - w - 6, face.y),
        (face.x, face.y + face.h + 6),
        (face.x, face.y - h - 38),  # above its name
    ):
        y = min(max(y, 0), shape[0] - h) if x != face.x else y
        inside = x >= 0 and y >= 0 and x + w <= shape[1] and y + h <= shape[0]
        if inside and not any(x < a + c and a < x + w and y < b + d and b < y + h for a, b, c, d in taken):
            return x, y, w, h
    return None


def _bars(out: np.ndarray, left: int, top: int, reading: Reading, labels: tuple[str, ...]) -> None:
    for i, name in enumerate(labels):
        y = top + i * PANEL_STEP
        panel = out[y : y + PANEL_STEP, left : left + PANEL_WIDTH]
        panel[:] = panel // 3  # a dark ground keeps text readable on any picture
        end = left + 80 + round((PANEL_WIDTH - 84) * float(reading.smoothed[i]))
        cv2.rectangle(out, (left + 80, y + 3), (end, y + PANEL_STEP - 3), _rgb(COLOURS[name]), -1)
        cv2.putText(out, name, (left + 3, y + 15), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def contact_sheet(crops: list[np.ndarray], captions: list[str], columns: int = 7, side: int = 120) -> np.ndarray:
    """Return one RGB picture with all ``crops`` (grey faces) and a caption under each."""
    if not crops:
        raise VideoError("there are no faces to put on a contact sheet.")
    rows, cell = -(-len(crops) // columns), side + 28
    sheet = np.full((rows * cell, columns * (side + 8), 3), 255, np.uint8)
    for i, (crop, caption) in enumerate(zip(crops, captions, strict=True)):
        top, left = i // columns * cell, i % columns * (side + 8) + 4
        sheet[top + 4 : top + 4 + side, left : left + side] = cv2.resize(crop, (side, side))[..., None]
        cv2.putText(sheet, caption, (left, top + side + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return sheet
