"""Figures of style transfer."""

from typing import TYPE_CHECKING

import numpy as np

from fernb.plots.base import MARKERS, PALETTE, SMALL, new_grid, percent, set_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def style_losses(histories: dict[str, list[dict[str, float]]]) -> "Figure":
    """Show content, style and smoothness loss of one or more style transfers.

    Over gradient evaluations where the histories have them, for a step of one optimiser may cost
    more than one of another; over steps elsewhere.
    """
    counted = all("evaluations" in step for history in histories.values() for step in history)
    figure, axes = new_grid(1, 3, size=(3.4, 2.6))
    for ax, name in zip(axes[0], ("content", "style", "smooth"), strict=True):
        for (label, history), line in zip(histories.items(), ("-", "--", ":", "-.") * len(histories), strict=False):
            where = [step["evaluations"] if counted else i for i, step in enumerate(history, 1)]
            ax.plot(where, [step[name] for step in history], line, label=label)
        ax.set(ylim=(0, None), xlabel="gradient evaluations" if counted else "step")
        set_title(ax, f"{name} loss")
        ax.grid(alpha=0.3)
    axes[0, 0].set_ylabel("relative loss")
    axes[0, 0].legend(frameon=False, fontsize=SMALL)
    return figure


def survival(groups: dict[str, list[dict]]) -> "Figure":
    """Show how many answers outlive a style, by strength: a panel for each group, rows as in ``emotion.json``.

    Thin lines are styles, with 95 % intervals; the thick one is their mean, and the dashed one the
    mean of the controls, noise of the same size.
    """
    figure, axes = new_grid(1, len(groups), size=(5.2, 3.4), sharey=True)
    for ax, (title, rows) in zip(axes[0], groups.items(), strict=True):
        strengths = sorted({row["strength"] for row in rows})
        for number, style in enumerate(dict.fromkeys(row["style"] for row in rows)):
            own, colour = [row for row in rows if row["style"] == style], PALETTE[number % len(PALETTE)]
            beside = [row["strength"] * 1.05 ** (number - 2) for row in own]  # side by side, not one over the other
            same = [row["same"] for row in own]
            reach = np.abs(np.array([row["interval"] for row in own]).T - same)
            settings = {"marker": MARKERS[number % 7], "markersize": 4, "linewidth": 0.8, "alpha": 0.6}
            ax.errorbar(beside, same, reach, color=colour, label=style, **settings)
        for key, label, line in (("same", "mean of the styles", "-"), ("noise", "noise of the same size", "--")):
            means = [np.mean([row[key] for row in rows if row["strength"] == strength]) for strength in strengths]
            ax.plot(strengths, means, line, color="black", linewidth=2.4, label=label)
        ax.set(xscale="log", ylim=(0, 1.02), xlabel="strength of the style (log)")
        ax.set_xticks(strengths, [f"{strength:g}" for strength in strengths])
        ax.minorticks_off()
        ax.grid(alpha=0.3)
        set_title(ax, title)
        percent(ax.yaxis)
    axes[0, 0].set_ylabel("same answer as before")
    axes[0, -1].legend(frameon=False, fontsize=SMALL, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
