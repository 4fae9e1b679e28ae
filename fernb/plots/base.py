"""The one style of every figure: sizes, colours, axes."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import PercentFormatter

from fernb.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

DPI = 80
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000")
"""Colours of Okabe & Ito (2008), in the order in which lines take them."""

MARKERS = "osD^vPX"
"""Markers in the order in which lines take them, so that colour is never the only difference."""

BLUE, ORANGE, RED, GREY, DARK = PALETTE[0], PALETTE[1], PALETTE[3], "#7f7f7f", "#333333"
TITLE, SMALL = 10, 9  # points


def new_axes(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    """Return ``ax`` in the common style, or a figure of ``size`` inches with new ones."""
    ax = ax if ax is not None else plt.subplots(figsize=size, dpi=DPI, layout="constrained")[1]
    return plain(ax)


def new_grid(rows: int, columns: int, *, size: tuple[float, float], **settings: Any) -> "tuple[Figure, np.ndarray]":
    """Make a figure of ``rows × columns`` axes, each of ``size`` inches."""
    figsize = size[0] * columns, size[1] * rows
    figure, axes = plt.subplots(
        rows, columns, figsize=figsize, dpi=DPI, layout="constrained", squeeze=False, **settings
    )
    for ax in axes.flat:
        plain(ax)
    return figure, axes


def plain(ax: "Axes") -> "Axes":
    """Give ``ax`` the common style."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_prop_cycle(color=PALETTE)
    return ax


def bare(ax: "Axes") -> None:
    """Take ticks and frame away, as for images."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def set_title(ax: "Axes", text: str, *, inches: float | None = None) -> None:
    """Set a title that is broken where it would run into its neighbour; ``inches`` is the width that it has."""
    if inches:
        characters = max(8, int(inches * 72 / (0.56 * TITLE)))
        text = "\n".join(textwrap.fill(line, characters) for line in text.split("\n"))
    ax.set_title(text, fontsize=TITLE)


def figure_of(ax: "Axes") -> "Figure":
    """Return the figure that ``ax`` was drawn on."""
    figure = ax.get_figure(root=True)
    assert figure is not None, "axes that were just drawn belong to a figure"
    return figure


def add_caption(figure: "Figure", text: str) -> None:
    """Write ``text`` below everything else, broken to the figure's width; the figure grows by its lines."""
    lines = textwrap.wrap(text, int(14.5 * figure.get_figwidth()))
    figure.set_figheight(figure.get_figheight() + 1.4 * SMALL / 72 * len(lines))
    figure.supxlabel("\n".join(lines), fontsize=SMALL, x=0.02, ha="left")


def save_figure(figure: "Figure", path: Path, *, dpi: float | None = None) -> None:
    """Write ``figure`` to ``path``, whole or not at all, with ``dpi`` (default: its own), and close it.

    pyplot keeps each figure that it made until it is closed. Raises
    :class:`~fernb.errors.OutputError` where the file cannot be written.
    """
    try:
        with atomic_write(path) as temporary:
            figure.savefig(temporary, dpi=dpi or figure.dpi)
    finally:
        plt.close(figure)


def percent(axis: "Axis", decimals: int | None = 0) -> None:
    """Show the numbers of an axis, 0 to 1, as percentages."""
    axis.set_major_formatter(PercentFormatter(1, decimals=decimals))
