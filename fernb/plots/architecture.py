"""A network as a row of boxes: how its images shrink while their channels grow."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle

from fernb.plots.base import BLUE, DARK, GREY, SMALL, bare, new_axes, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def architecture(
    stages: Sequence[tuple[tuple[int, ...], Mapping[str, int]]], title: str = "", *, ax: "Axes | None" = None
) -> "Axes":
    """Show a network's stages, from left to right: pairs of a shape and how many layers of which kind.

    A shape is ``(height, width, channels)`` or ``(channels,)``; a box is as high as its image and
    the wider the more channels it has. The values are those of :func:`fernb.networks.anatomy.stages`.
    """
    ax = new_axes(ax, (1.75 * len(stages) + 0.5, 4.2))
    tallest = max(shape[0] for shape, _ in stages if len(shape) == 3)
    for i, (shape, kinds) in enumerate(stages):
        height = shape[0] / tallest if len(shape) == 3 else 0.5
        width = 0.12 + 0.03 * shape[-1] ** 0.5 if len(shape) == 3 else 0.06
        box = Rectangle((i - width / 2, 0.5 - height / 2), width, height, facecolor=BLUE, edgecolor=DARK, alpha=0.8)
        ax.add_patch(box)
        ax.text(i, 1.06, "×".join(map(str, shape)), ha="center", fontsize=SMALL, fontweight="bold")
        words = "\n".join(f"{count} × {kind}" if count > 1 else kind for kind, count in kinds.items())
        ax.text(i, -0.06, words, ha="center", va="top", fontsize=SMALL)
        if i:
            ax.annotate("", (i - 0.36, 0.5), (i - 0.64, 0.5), arrowprops={"arrowstyle": "->", "color": GREY})
    ax.set(xlim=(-0.6, len(stages) - 0.4), ylim=(-0.5, 1.15))
    bare(ax)
    set_title(ax, title)
    return ax
