"""Accuracy against what a network's training cost."""

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from fernb.plots.base import BLUE, DARK, GREY, SMALL, add_caption, figure_of, new_axes, percent, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

PLACES = ((8, 0, "left"), (-8, 0, "right"), (0, 13, "center"), (0, -13, "center"), (8, 10, "left"), (8, -10, "left"))
"""Where a label may stand: points right of its marker and above it, and how it is aligned; best first."""


def training_cost(
    own: Mapping[str, tuple[float, float]],
    published: Sequence[tuple[str, float, float, bool]],
    *,
    caption: str = "",
    ax: "Axes | None" = None,
) -> "Axes":
    """Show accuracy over training cost: ``own`` networks by name, and ``published`` ones; ``caption`` below.

    The values of ``own`` are PFLOP (10¹⁵ operations) and accuracy in 0..1. A row of ``published`` is a name, PFLOP,
    accuracy, and whether its epoch was chosen on the very faces of the test: such squares are hollow.
    """
    ax = new_axes(ax, (9, 5.4))
    labels = []
    for name, (cost, accuracy) in own.items():
        ax.plot(cost, accuracy, "o", color=BLUE, markersize=6, zorder=3)  # seen inside a hollow square as well
        labels.append(ax.annotate(name, (cost, accuracy), color=BLUE))
    for letter, (name, cost, accuracy, on_test) in zip(ascii_lowercase, published, strict=False):
        inside = "none" if on_test else GREY
        ax.plot(cost, accuracy, "s", color=DARK, markerfacecolor=inside, markersize=9, label=f"{letter}  {name}")
        labels.append(ax.annotate(letter, (cost, accuracy), color=DARK))
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.margins(x=0.15, y=0.12)
    ax.set(xlabel="training cost in PFLOP (log)", ylabel="accuracy on PrivateTest")
    percent(ax.yaxis)
    ax.grid(alpha=0.3)
    set_title(ax, "What training cost, and what it brought")
    if published:
        _legend(ax)
    if caption:
        add_caption(figure_of(ax), caption)
    _place(ax, labels)
    return ax


def _legend(ax: "Axes") -> None:
    """Say below the axes what the markers mean, and who the letters are."""
    kinds = (
        ("o", BLUE, BLUE, "fernb: epoch chosen on PublicTest"),
        ("s", DARK, GREY, "published: epoch chosen on other faces"),
        ("s", DARK, "none", "published: epoch chosen on the test's own faces"),
    )
    lines = [
        Line2D([], [], linestyle="", marker=marker, markersize=size, color=edge, markerfacecolor=inside, label=label)
        for size, (marker, edge, inside, label) in zip((6, 9, 9), kinds, strict=True)
    ]
    below: dict[str, Any] = {"loc": "upper left", "frameon": False, "fontsize": SMALL, "borderaxespad": 0}
    ax.add_artist(ax.legend(handles=lines, bbox_to_anchor=(0, -0.15), **below))
    ax.legend(bbox_to_anchor=(0.52, -0.15), **below)


def _place(ax: "Axes", labels: "Sequence[Annotation]") -> None:
    """Move each label to the first of :data:`PLACES` where it covers least: markers, labels before it, the frame."""
    for label in labels:
        label.set(fontsize=SMALL, va="center", anncoords="offset points")
    figure = figure_of(ax)
    figure.draw_without_rendering()  # what lies where is known only after the layout
    point = figure.dpi / 72
    centres = ax.transData.transform([label.xy for label in labels])
    taken = [Bbox.from_bounds(x - 6 * point, y - 6 * point, 12 * point, 12 * point) for x, y in centres]
    room = ax.get_window_extent()
    for label in labels:
        boxes = [_at(label, place) for place in PLACES]
        covered = [box.count_overlaps(taken) + (box.x0 < room.x0) + (box.x1 > room.x1) for box in boxes]
        taken.append(_at(label, PLACES[covered.index(min(covered))]))


def _at(label: "Annotation", place: tuple[int, int, str]) -> Bbox:
    label.set(position=place[:2], ha=place[2])
    return label.get_window_extent()
