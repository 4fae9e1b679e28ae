"""Figures over time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from fernb.labels import COLOURS, EMOTIONS
from fernb.plots.base import DARK, GREY, MARKERS, RED, SMALL, new_axes, percent, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def timeline(
    times: Sequence[float],
    probs: np.ndarray,
    *,
    classes: Sequence[str] = EMOTIONS,
    truth: Sequence[tuple[float, float, str]] = (),
    shown: Sequence[tuple[float, float, str]] = (),
    title: str = "",
    ax: "Axes | None" = None,
) -> "Axes":
    """Show one person's probabilities ``(n, k)`` over ``times`` in seconds as stacked areas.

    ``truth`` and ``shown`` (what was told the user) hold ``(start, end, emotion)`` and are drawn
    as strips above; short stretches have a colour only.
    """
    ax = new_axes(ax, (10, 3.2))
    ax.stackplot(times, np.asarray(probs).T, colors=[COLOURS[name] for name in classes], labels=classes)
    height = 1.0
    for spans in (shown, truth):
        if len(spans):
            _strip(ax, spans, bottom=height + 0.01, length=max(times) - min(times))
            height += 0.1
    names = " and ".join(["truth"] * bool(len(truth)) + ["what was shown"] * bool(len(shown)))
    ax.set(xlim=(min(times), max(times)), ylim=(0, height), xlabel="time (s)", ylabel="probability")
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    percent(ax.yaxis)
    set_title(ax, title + (f" (above: {names})" if names else ""))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, reverse=True)
    return ax


def _strip(ax: "Axes", spans: Sequence[tuple[float, float, str]], *, bottom: float, length: float) -> None:
    for start, end, name in spans:
        ax.add_patch(Rectangle((start, bottom), end - start, 0.09, color=COLOURS[name]))
        if end - start > 0.08 * length:  # else the name is wider than its stretch
            middle = (start + end) / 2, bottom + 0.045
            ax.text(*middle, name, ha="center", va="center", fontsize=8, clip_on=True, color=_ink(COLOURS[name]))


def _ink(ground: str) -> str:
    """Return the colour of letters that can be read on a colour ``#rrggbb``."""
    return "white" if np.dot(to_rgb(ground), (0.2126, 0.7152, 0.0722)) < 0.5 else "black"


def smoothing_cost(curves: dict[str, Sequence[tuple[float, float]]], ax: "Axes | None" = None) -> "Axes":
    """Show for each smoother its points ``(delay in s, false changes a minute)``: left and low is good.

    False changes are on a logarithmic axis that includes 0, because no smoothing has hundreds.
    """
    ax = new_axes(ax, (6, 3.2))
    for (name, points), marker in zip(curves.items(), MARKERS * len(curves), strict=False):
        ax.plot(*zip(*points, strict=True), marker=marker, label=name, alpha=0.85)
    ax.set_yscale("symlog", linthresh=1)
    most = max(changes for points in curves.values() for _, changes in points)
    ax.set_yticks([0, *(tick for tick in (1, 3, 10, 30, 100, 300, 1000, 3000) if tick <= max(3, 1.5 * most))])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.minorticks_off()
    ax.set(xlabel="mean delay after a true change (s)", ylabel="false changes a minute")
    ax.set_ylim(-0.15, max(3, 1.5 * most))
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, fontsize=SMALL)
    return ax


def closed_eyes(
    times: Sequence[float],
    share: Sequence[float],
    *,
    alarms: Sequence[bool],
    threshold: float,
    ax: "Axes | None" = None,
) -> "Axes":
    """Show the share of time with closed eyes over ``times`` in seconds; shaded where the alarm is on."""
    ax = new_axes(ax, (8, 2.4))
    ax.plot(times, share, color=DARK, label="closed")
    ax.axhline(threshold, color=GREY, linestyle=":", label="threshold of the alarm")
    ax.fill_between(times, 0, 1, where=alarms, color=RED, alpha=0.25, step="post", label="alarm")
    ax.set(ylim=(0, max(0.5, *share)), xlim=(min(times), max(times)), xlabel="time (s)", ylabel="share of time closed")
    percent(ax.yaxis)
    ax.legend(frameon=False, loc="upper left", fontsize=SMALL)
    return ax
