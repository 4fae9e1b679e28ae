"""A network as blocks in reading order: how its images shrink while their channels grow."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle

from fernb.plots.base import BLUE, DARK, GREY, RED, SMALL, bare, new_axes, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 6  # more would be too small to read on a page
WIDEST = 0.6  # of a column
TALLEST, LINE = 1.5, 0.16  # inches
MEANING = "Height: side of the images (a vector: one pixel). Width: root of the number of channels."
SHORTCUT = "Orange: a shortcut past the convolutions, to the residual sum; it begins after a block's pooling."
POOLED = 0.08  # of a column: how much further right a shortcut begins that pooling precedes, inside its block


def architecture(
    stages: Sequence[tuple[tuple[int, ...], Mapping[str, int]]], title: str = "", *, ax: "Axes | None" = None
) -> "Axes":
    """Show a network's stages in rows, as text is read: pairs of a shape and how many layers of which kind.

    A shape is ``(height, width, channels)`` or ``(channels,)``; a block is as high as its images, and as wide
    as the root of its channels. The values are those of :func:`fernb.networks.anatomy.stages`.
    """
    tall = max(shape[0] for shape, _ in stages if len(shape) == 3)
    wide = max(shape[-1] for shape, _ in stages)
    blocks = [
        (
            WIDEST * math.sqrt(shape[-1] / wide),
            TALLEST * (shape[0] if len(shape) == 3 else 1) / tall,
            "×".join(map(str, shape)),
            [f"{count} × {kind}" if count > 1 else kind for kind, count in kinds.items()],
        )
        for shape, kinds in stages
    ]
    columns = math.ceil(len(blocks) / math.ceil(len(blocks) / COLUMNS))  # rows of about the same length
    rows = [blocks[i : i + columns] for i in range(0, len(blocks), columns)]
    room = [(max(height for _, height, _, _ in row), max(_lines(words) for *_, words in row)) for row in rows]
    inches = sum(high + LINE * (lines + 4) for high, lines in room)
    ax = new_axes(ax, (1.5 * columns, inches + 0.8))
    top = inches
    for number, (row, (high, lines)) in enumerate(zip(rows, room, strict=True)):
        middle = top - 2.5 * LINE - high / 2
        for i, (width, height, name, words) in enumerate(row):
            _block(ax, i, middle, width=width, height=height, words=words)
            ax.text(i, middle + high / 2 + LINE, name, ha="center", fontsize=SMALL, fontweight="bold")
            ax.text(i, middle - high / 2 - LINE / 2, _broken(words), ha="center", va="top", fontsize=SMALL)
            if number or i:
                before = i - 1 + row[i - 1][0] / 2 if i else -0.6
                _arrow(ax, (before, middle), (i - width / 2, middle))
        if row is not rows[-1]:
            _arrow(ax, (len(row) - 1 + row[-1][0] / 2, middle), (len(row) - 0.4, middle))
        top -= high + LINE * (lines + 4)
    residual = any("residual sum" in kinds for _, kinds in stages)
    ax.set(xlim=(-0.65, columns - 0.35), ylim=(0, inches))
    bare(ax)
    meaning = f"{MEANING} {SHORTCUT}" if residual else MEANING
    ax.set_xlabel(textwrap.fill(meaning, 20 * columns), fontsize=SMALL)
    set_title(ax, title)
    return ax


def _block(ax: "Axes", x: float, y: float, *, width: float, height: float, words: Sequence[str]) -> None:
    ax.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, facecolor=BLUE, edgecolor=DARK, alpha=0.8))
    if any("residual sum" in word for word in words):
        pooled = any("pooling" in word for word in words)
        left, right, over = x - width / 2 - 0.06 + POOLED * pooled, x + width / 2 + 0.06, y + height / 2 + 0.09
        ax.plot([left, left, right], [y, over, over], color=RED, linewidth=1.2)
        _arrow(ax, (right, over), (right, y), RED)


def _arrow(ax: "Axes", start: tuple[float, float], end: tuple[float, float], colour: str = GREY) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": colour, "shrinkA": 0, "shrinkB": 0})


def _broken(words: Sequence[str]) -> str:
    return "\n".join(textwrap.fill(word, 16) for word in words)


def _lines(words: Sequence[str]) -> int:
    return _broken(words).count("\n") + 1
