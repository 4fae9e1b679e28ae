"""Figures of images and faces."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke

from fernb.labels import EMOTIONS
from fernb.plots.base import BLUE, DPI, GREY, ORANGE, RED, SMALL, bare, new_axes, new_grid, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fernb.vision.detection import Detection


def image(image: np.ndarray, title: str = "", *, ax: "Axes | None" = None) -> "Axes":
    """Show an image, RGB or grey (0 is black, 255 white), with its title."""
    ax = new_axes(ax, (4, 4))
    ax.imshow(image, cmap="gray", vmin=0, vmax=255)
    set_title(ax, title)
    bare(ax)
    return ax


def row(images: dict[str, np.ndarray], height: float = 2.4) -> "Figure":
    """Show images side by side, each under its name; ``height`` in inches."""
    widths = [one.shape[1] / one.shape[0] for one in images.values()]
    names = {name: textwrap.fill(name, max(8, int(height * w * 12))) for name, w in zip(images, widths, strict=True)}
    lines = max(name.count("\n") for name in names.values()) + 1
    figure, axes = plt.subplots(
        1,
        len(images),
        figsize=(height * sum(widths) + 0.2 * len(widths), height + 0.2 + 0.2 * lines),
        width_ratios=widths,
        dpi=DPI,
        layout="constrained",
        squeeze=False,
    )
    for ax, (name, one) in zip(axes[0], images.items(), strict=True):
        image(one, names[name], ax=ax)
    return figure


def face_grid(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    probs: np.ndarray | None = None,
    classes: Sequence[str] = EMOTIONS,
    columns: int = 7,
) -> "Figure":
    """Show faces in a grid under their true emotion; with ``probs`` the answer is added, marked ✗ where it is wrong."""
    columns = max(1, min(columns, len(images)))
    rows = max(1, -(-len(images) // columns))
    figure, axes = new_grid(rows, columns, size=(1.25, 1.5))
    for ax in axes.flat:
        bare(ax)
    for i, (ax, one) in enumerate(zip(axes.flat, images, strict=False)):
        ax.imshow(one, cmap="gray", vmin=0, vmax=255)
        title, wrong = (classes[labels[i]] if labels is not None else ""), False
        if probs is not None:
            answer = int(probs[i].argmax())
            wrong = labels is not None and answer != labels[i]
            title += f"\n{'✗ ' if wrong else ''}{classes[answer]} {probs[i, answer]:.0%}"
        ax.set_title(title.strip(), fontsize=SMALL, color=RED if wrong else "black")
    return figure


def histogram(grey: np.ndarray, ax: "Axes | None" = None) -> "Axes":
    """Show how many pixels of a grey image have each of the 256 levels.

    Levels that would flatten all others, as plain backgrounds do, run out of the axes and are
    named with their count.
    """
    ax = new_axes(ax, (4, 2.4))
    counts = np.bincount(np.ravel(grey), minlength=256)
    top = 1.25 * np.sort(counts)[-4]  # up to three levels may run out
    ax.bar(np.arange(256), counts, width=1, align="edge", color=BLUE)
    if counts.max() > 2 * top > 0:
        ax.set_ylim(0, top)
        for line, level in enumerate(np.flatnonzero(counts > top)):
            side, height = ("left" if level < 128 else "right"), top * (1 - 0.11 * line)
            text = f"  level {level}: {counts[level]:,} ↑  "
            ax.annotate(text, (level, height), ha=side, va="top", fontsize=SMALL)
    ax.set(xlabel="grey level (0 black, 255 white)", ylabel="pixels", xlim=(0, 256))
    return ax


def numbers(
    values: np.ndarray,
    title: str = "",
    *,
    limits: tuple[float, float] | None = None,
    frame: tuple[int, int, int, int] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Show a small table of numbers ``(h, w)`` as an image, with each number written into its square.

    ``limits`` are the numbers shown black and white; without them the largest number is white, and 0 is
    black where no number is negative, else middle grey. ``frame`` (row, column, height, width)
    puts a frame around some of the squares. Row and column numbers stand beside the table.
    """
    height, width = values.shape
    ax = new_axes(ax, (0.5 * width + 0.4, 0.5 * height + 0.6))
    most = float(np.abs(values.astype(float)).max()) or 1.0
    least, most = limits or (-most if values.min() < 0 else 0.0, most)
    ax.imshow(values, cmap="gray", vmin=least, vmax=most)
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value < (least + most) / 2 else "black"
        ax.text(column, row, f"{value:.3g}", ha="center", va="center", fontsize=SMALL, color=colour)
    if frame:
        top, left, high, wide = frame
        corner = (left - 0.5, top - 0.5)
        ax.add_patch(Rectangle(corner, wide, high, fill=False, edgecolor=ORANGE, linewidth=3, clip_on=False))
    set_title(ax, title)
    bare(ax)
    ax.spines[:].set(visible=True, color=GREY)
    ax.set_xticks(range(width))
    ax.set_yticks(range(height))
    ax.tick_params(length=0, labelsize=SMALL, labeltop=True, bottom=False, labelbottom=False)
    return ax


def weight_maps(weights: np.ndarray, classes: Sequence[str] = EMOTIONS) -> "Figure":
    """Show weights ``(k, h, w)`` as images: red speaks for the emotion where it is bright, blue against."""
    figure, axes = new_grid(1, len(weights), size=(1.5, 1.8))
    most = np.abs(weights).max() or 1
    for ax, weight, name in zip(axes[0], weights, classes, strict=True):
        shown = ax.imshow(weight, cmap="RdBu_r", vmin=-most, vmax=most)
        set_title(ax, name)
        bare(ax)
    figure.colorbar(shown, ax=axes[0], shrink=0.8, aspect=12, pad=0.01, fraction=0.03, label="weight")
    return figure


def heat_overlay(face: np.ndarray, heat: np.ndarray, *, title: str = "", ax: "Axes | None" = None) -> "Axes":
    """Lay ``heat`` (h, w) in 0..1 over a grey face: bright is where the network looked."""
    ax = image(face, title, ax=ax)
    ax.imshow(heat, cmap="inferno", alpha=0.45, vmin=0, vmax=1)
    return ax


def detections(
    rgb: np.ndarray, found: "Sequence[Detection]", *, texts: Sequence[str] = (), ax: "Axes | None" = None
) -> "Axes":
    """Show an image with a box, and a text above it, for each face; eyes are boxed thinly."""
    ax = image(rgb, ax=new_axes(ax, (5, 5 * rgb.shape[0] / rgb.shape[1])))
    # seen on fair hair and in the dark
    outline: list[AbstractPathEffect] = [withStroke(linewidth=4, foreground="black")]
    for i, face in enumerate(found):
        box = Rectangle((face.x, face.y), face.w, face.h, fill=False, edgecolor="#ffdd00", linewidth=2)
        ax.add_patch(box).set_path_effects(outline)
        for x, y, w, h in face.eyes or ():
            ax.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor="#56b4e9", linewidth=1))
        if i < len(texts):
            inside = face.y < 0.08 * rgb.shape[0]  # no room above
            ax.text(
                max(face.x, 0) + 2,
                max(face.y, 0) + (4 if inside else -6),
                texts[i],
                va="top" if inside else "bottom",
                fontsize=SMALL,
                bbox={"facecolor": "#ffdd00", "edgecolor": "black", "linewidth": 0.8, "pad": 1.5},
                clip_on=True,
            )
    return ax
