"""Accuracy against what a network's training cost."""

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import TYPE_CHECKING

from fernb.plots.base import BLUE, GREY, SMALL, new_axes, percent, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def training_cost(
    own: Mapping[str, tuple[float, float]], published: Sequence[tuple[str, float, float]], *, ax: "Axes | None" = None
) -> "Axes":
    """Show accuracy over training cost: ``own`` networks by name, and ``published`` ones ``(name, PFLOP, accuracy)``.

    The values of ``own`` are PFLOP (10¹⁵ operations) and accuracy in 0..1.
    """
    ax = new_axes(ax, (7.5, 4))
    for name, (cost, accuracy) in own.items():
        ax.plot(cost, accuracy, "o", color=BLUE)
        ax.annotate(name, (cost, accuracy), (6, -4), textcoords="offset points", fontsize=SMALL, color=BLUE)
    for letter, (name, cost, accuracy) in zip(ascii_lowercase, published, strict=False):
        ax.plot(cost, accuracy, "s", color=GREY, markerfacecolor="none", label=f"{letter}  {name}")
        ax.annotate(letter, (cost, accuracy), (0, 6), textcoords="offset points", ha="center", fontsize=SMALL)
    ax.set_xscale("log")
    ax.margins(x=0.25, y=0.15)
    if published:
        ax.legend(title="published", frameon=False, fontsize=SMALL, handlelength=0, loc="lower right")
    ax.set(xlabel="training cost in PFLOP (log)", ylabel="accuracy on PrivateTest")
    percent(ax.yaxis)
    ax.grid(alpha=0.3)
    set_title(ax, "What training cost, and what it brought (dots: fernb; squares: published)")
    return ax
