"""Figures of data sets, training, and how good networks are."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from fernb.labels import COLOURS, EMOTIONS
from fernb.plots.base import (
    BLUE,
    DARK,
    GREY,
    MARKERS,
    ORANGE,
    RED,
    SMALL,
    add_caption,
    new_axes,
    new_grid,
    percent,
    set_title,
)
from fernb.vision.corruptions import STRENGTHS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fernb.data.faceset import FaceSplits


def class_counts(splits: "FaceSplits", ax: "Axes | None" = None) -> "Axes":
    """Show how many faces each emotion has in train, val and test."""
    ax = new_axes(ax, (7, 3))
    width = 0.27
    positions = np.arange(len(splits.classes))
    for i, (name, part) in enumerate(splits.parts().items()):
        counts = np.bincount(part.labels, minlength=len(splits.classes))
        ax.bar(positions + (i - 1) * width, counts, width, label=name, color=(BLUE, ORANGE, "#bdc3c7")[i])
    ax.set_xticks(positions, splits.classes)
    ax.set_ylabel("faces")
    set_title(ax, f"Faces per emotion: {splits.source}")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax


def learning_curves(
    history: dict[str, list[float]], title: str = "", *, best_epoch: int | None = None, caption: str = ""
) -> "Figure":
    """Show loss and accuracy per epoch for train and val, ``caption`` below; ``best_epoch`` (0-based) is marked."""
    figure, axes = new_grid(1, 2, size=(4.5, 3.2))
    for ax, name in zip(axes[0], ("loss", "accuracy"), strict=True):
        _curve(ax, history, name=name, best_epoch=best_epoch)
    axes[0, 0].set_ylim(bottom=0)
    axes[0, 0].legend(frameon=False, fontsize=SMALL)
    figure.suptitle(title)
    add_caption(figure, caption)
    return figure


def _curve(ax: "Axes", history: dict[str, list[float]], *, name: str, best_epoch: int | None) -> None:
    epochs = np.arange(1, len(history[name]) + 1)
    ax.plot(epochs, history[name], color=BLUE, label="train")
    ax.plot(epochs, history[f"val_{name}"], color=ORANGE, linestyle="--", label="val")
    if best_epoch is not None:
        ax.axvline(best_epoch + 1, color=GREY, linestyle=":", label=f"chosen epoch {best_epoch + 1}")
    ax.set(xlabel="epoch", ylabel=name)
    ax.grid(alpha=0.3)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if name == "accuracy":
        percent(ax.yaxis, decimals=None)  # as many as the ticks need


def runs(histories: dict[str, dict[str, list[float]]], *, caption: str = "") -> "Figure":
    """Show accuracy per epoch of several networks, a panel each; the epoch that was kept is marked, ``caption`` below.

    Their losses are left out: other losses and label smoothing make them incomparable.
    """
    columns = min(3, len(histories))
    figure, axes = new_grid(-(-len(histories) // columns), columns, size=(3.6, 3), sharey=True)
    for ax in axes.flat[len(histories) :]:
        ax.set_axis_off()
    for ax, (name, history) in zip(axes.flat, histories.items(), strict=False):
        best = int(np.argmax(history["val_accuracy"]))
        _curve(ax, history, name="accuracy", best_epoch=best)
        set_title(ax, f"{name}\nepoch {best + 1} of {len(history['val_accuracy'])}", inches=3.2)
    lines = axes[0, 0].get_legend_handles_labels()[0]
    figure.legend(lines, ["train", "val", "epoch chosen on val"], loc="outside upper center", ncols=3, frameon=False)
    add_caption(figure, caption)
    return figure


def confusion_matrix(scores: dict, ax: "Axes | None" = None, *, title: str = "") -> "Axes":
    """Show the confusion matrix of :func:`fernb.evaluation.evaluate`: each row sums to 100 % of one true emotion.

    The number of its faces stands beside each true emotion, ``title`` above the accuracy.
    """
    import seaborn  # here, because it takes a second and videos draw no matrix

    ax = new_axes(ax, (5.4, 4.6))
    names = list(scores["per_class"])
    counts = np.array(scores["confusion"], float)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    rows = [f"{name} ({n:,.0f})" for name, n in zip(names, counts.sum(1), strict=True)]
    shown = {"annot": True, "fmt": ".0%", "annot_kws": {"fontsize": SMALL}, "cbar": False, "square": True}
    seaborn.heatmap(share, cmap="Blues", vmin=0, vmax=1, xticklabels=names, yticklabels=rows, ax=ax, **shown)
    ax.tick_params("x", rotation=40)
    ax.tick_params("y", rotation=0)
    ax.set(xlabel="predicted emotion", ylabel="true emotion (faces)")
    accuracy = f"accuracy {scores['accuracy']:.1%} on {scores['n']:,} faces (each row: 100%)"
    set_title(ax, f"{title}\n{accuracy}" if title else accuracy)
    return ax


def probability_bars(probs: np.ndarray, classes: Sequence[str] = EMOTIONS, *, ax: "Axes | None" = None) -> "Axes":
    """Show the probabilities ``(k,)`` of one face as bars."""
    ax = new_axes(ax, (3.4, 2.4))
    ax.barh(range(len(classes)), probs, color=[COLOURS[name] for name in classes])
    ax.set_yticks(range(len(classes)), classes)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    percent(ax.xaxis)
    ax.set_xlabel("probability")
    return ax


def reliability_diagram(table: dict[str, list[float]], ax: "Axes | None" = None) -> "Axes":
    """Show accuracy against confidence, from :func:`fernb.evaluation.reliability`.

    On the dotted diagonal both are equal; below it the network is overconfident.
    """
    ax = new_axes(ax, (3.8, 3.4))
    ax.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="confidence = accuracy")
    sizes = 200 * np.array(table["count"]) / max(table["count"])
    points = ax.scatter(table["confidence"], table["accuracy"], sizes, BLUE, alpha=0.8, label="faces (area: number)")
    points.set_clip_on(False)  # a large point at 100 % is drawn whole
    ax.set(xlim=(0, 1), ylim=(0, 1.06), xlabel="confidence", ylabel="accuracy")
    percent(ax.xaxis)
    percent(ax.yaxis)
    set_title(ax, "Reliability")
    ax.legend(frameon=False, fontsize=8, loc="lower right", markerscale=0.5)  # no network is that overconfident
    return ax


def calibration(tests: dict[str, dict], *, uncalibrated: Collection[str] = (), caption: str = "") -> "Figure":
    """Show reliability before and after calibration, a row for each network, and ``caption`` below.

    The values are those of :func:`fernb.evaluation.evaluate_network`. Networks in ``uncalibrated`` have one panel.
    """
    figure, axes = new_grid(len(tests), 2, size=(3.7, 2.9))
    for (before, after), (name, test) in zip(axes, tests.items(), strict=True):
        panels = [(before, "as trained", "_before"), (after, "calibrated", "")]
        if name in uncalibrated:
            after.set_axis_off()
            after.text(0.5, 0.5, f"{name} is as trained:\nno temperature is applied.", ha="center", fontsize=SMALL)
        for ax, stage, key in panels[:1] if name in uncalibrated else panels:
            reliability_diagram(test[f"reliability{key}"], ax)
            if legend := ax.get_legend():
                legend.remove()  # all panels have the same
            set_title(ax, f"{name}, {stage}: ECE {test[f'ece{key}']:.3f}", inches=3.4)
    shown = axes[0, 0].get_legend_handles_labels()
    figure.legend(*shown, loc="outside upper center", ncols=2, frameon=False, fontsize=SMALL, markerscale=0.6)
    add_caption(figure, caption)
    return figure


def baseline_comparison(
    rows: Sequence[tuple[str, float, Sequence[float] | None]],
    ax: "Axes | None" = None,
    *,
    stated: Collection[str] = (),
) -> "Axes":
    """Show ``(name, accuracy, interval or None)`` as bars, in the order given.

    An interval is that of 95 % confidence, but for the names in ``stated``: their range is what
    somebody stated (people: 65 ± 5 %), and drawn without caps and dotted.
    """
    ax = new_axes(ax, (7, 0.45 * len(rows) + 0.8))
    for i, (name, accuracy, interval) in enumerate(rows):
        ax.barh(i, accuracy, color=GREY if name in stated else BLUE)
        if interval is not None:
            reach = [[accuracy - interval[0]], [interval[1] - accuracy]]
            drawn = ax.errorbar(accuracy, i, xerr=reach, fmt="none", ecolor="black", capsize=0 if name in stated else 3)
            drawn.lines[2][0].set_linestyle(":" if name in stated else "-")
        ax.text((interval[1] if interval else accuracy) + 0.01, i, f"{accuracy:.1%}", va="center", fontsize=SMALL)
    ax.set_yticks(range(len(rows)), [name for name, *_ in rows])
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    percent(ax.xaxis)
    measured = any(interval is not None and name not in stated for name, _, interval in rows)
    notes = ["lines: 95 % intervals"] * measured + ["dotted: a stated range"] * bool(stated)
    ax.set_xlabel("accuracy" + (f" ({'; '.join(notes)})" if notes else ""))
    return ax


def methods(rows: Sequence[tuple[str, float, int, float | None]]) -> "Figure":
    """Show ``(name, accuracy, learnt parameters, minutes or None)`` of several networks as columns of bars.

    Where no row has minutes, there is no column of them.
    """
    kinds = [("accuracy", "{:.1%}", BLUE), ("learnt parameters", "{:,.0f}", GREY), ("minutes", "{:.3g}", ORANGE)]
    kinds = kinds if any(row[3] is not None for row in rows) else kinds[:2]
    height = 0.42 * len(rows) + 1.2
    figure, axes = new_grid(1, len(kinds), size=(11 / 3, height), sharey=True)
    for number, (ax, (name, form, colour)) in enumerate(zip(axes[0], kinds, strict=True), 1):
        values = [row[number] for row in rows]
        known = [value for value in values if value]
        ax.barh(range(len(rows)), [value or 0 for value in values], color=colour)
        if number == 1:
            ax.set_xlim(0, 1.2)
            ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
            percent(ax.xaxis)
        elif known:  # from thousands to millions, from seconds to hours
            ax.set_xscale("log")
            low = 10 ** np.floor(np.log10(min(known)))
            ax.set_xlim(low, max(known) * (max(known) / low) ** 0.45)
        for i, value in enumerate(values):
            text, place = (" not timed", ax.get_xlim()[0]) if value is None else (f" {form.format(value)}", value)
            ax.text(place, i, text, va="center", fontsize=SMALL, color=GREY if value is None else "black")
        ax.set_xlabel(name + (" (log)" if ax.get_xscale() == "log" else ""))
    axes[0, 0].set_yticks(range(len(rows)), [row[0] for row in rows])
    axes[0, 0].invert_yaxis()
    return figure


def confidences(groups: dict[str, np.ndarray], bins: int = 20) -> "Figure":
    """Show for each named ``probs`` ``(n, k)`` how certain the answers are: their largest probability."""
    figure, axes = new_grid(1, len(groups), size=(3.2, 2.4), sharey=True)
    for ax, (name, probs) in zip(axes[0], groups.items(), strict=True):
        ax.hist(np.max(probs, 1), bins=bins, range=(0, 1), color=BLUE, weights=np.full(len(probs), 1 / len(probs)))
        ax.set(xlim=(0, 1), xlabel="probability of the answer")
        set_title(ax, name, inches=3)
        percent(ax.xaxis)
        percent(ax.yaxis)
    axes[0, 0].set_ylabel("share of faces")
    return figure


def robustness(
    networks: dict[str, tuple[float, dict[str, list[float]]]],
    *,
    apart: Mapping[str, str] | None = None,
    caption: str = "",
) -> "Figure":
    """Show for each network ``(accuracy on clean faces, {corruption: accuracy weak to strong})``, ``caption`` below.

    Networks in ``apart`` were judged on other faces, which it names: they are dashed, and last in the legend.
    """
    apart = apart or {}
    networks = dict(sorted(networks.items(), key=lambda item: item[0] in apart))
    kinds = list(next(iter(networks.values()))[1])
    columns = min(3, len(kinds))
    figure, axes = new_grid(-(-len(kinds) // columns), columns, size=(3.1, 2.6), sharey=True)
    for ax in axes.flat[len(kinds) :]:
        ax.set_axis_off()
    for ax, kind in zip(axes.flat, kinds, strict=False):
        for (name, (clean, table)), marker in zip(networks.items(), MARKERS * len(networks), strict=False):
            label, line = (f"{name}: {apart[name]}", "--") if name in apart else (name, "-")
            ax.plot([clean, *table[kind]], line, marker=marker, markersize=4, label=label)
        _, unit, strengths = STRENGTHS[kind]
        ax.set_xticks(range(len(strengths) + 1), ["clean", *(f"{strength:g}" for strength in strengths)])
        set_title(ax, f"{kind} ({unit})", inches=3)
        ax.grid(alpha=0.3)
        percent(ax.yaxis)
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False, fontsize=SMALL
    )
    add_caption(figure, caption)
    return figure


def ablation(rows: Mapping[str, Sequence[float]], *, interval: float | None = None, ax: "Axes | None" = None) -> "Axes":
    """Show the accuracies that each change gains on the first row, best first: dots are seeds.

    ``interval`` is half of the 95 % interval of each row's mean, and drawn around it. Values are in 0..1, what is
    shown are percentage points.
    """
    ax = new_axes(ax, (7.5, 0.36 * len(rows) + 1))
    start = np.asarray(next(iter(rows.values())))
    best = sorted(rows.items(), key=lambda row: -np.mean(row[1]))
    ax.axvline(0, color=GREY, linestyle=":")
    for i, (name, values) in enumerate(best):
        mean = 100 * float(np.mean(values) - start.mean())
        if interval and name != next(iter(rows)):
            ax.plot([mean - 100 * interval, mean + 100 * interval], [i, i], color=DARK, linewidth=1)
        seeds = np.asarray(values) - (start if len(values) == len(start) else start.mean())  # of the same seed
        ax.plot(100 * seeds, [i] * len(values), "o", color=BLUE, alpha=0.6)
        ax.plot([mean] * 2, [i - 0.25, i + 0.25], color=DARK)
        ax.annotate(
            f"{round(mean, 1) + 0:+.1f}", (1.01, i), xycoords=("axes fraction", "data"), va="center", fontsize=SMALL
        )
    ax.set_yticks(range(len(rows)), [name for name, _ in best])
    ax.invert_yaxis()
    line = ", line: 95 % interval" if interval else ""
    ax.set_xlabel(f"percentage points of val gained\n(dots: seeds, tick: mean{line})")
    return ax


def intervals(
    rows: Sequence[tuple[str, float, Sequence[float]]],
    faces: str,
    *,
    title: str = "",
    marked: str | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Show ``(name, accuracy, (low, high))`` of several networks on ``faces``, from the top down; ``marked`` is red."""
    ax = new_axes(ax, (8, 0.3 * len(rows) + 1))
    for i, (name, value, (low, high)) in enumerate(rows):
        colour = RED if name == marked else BLUE
        ax.errorbar(value, i, xerr=[[value - low], [high - value]], fmt="o", capsize=4, color=colour)
        ax.annotate(f"{value:.1%}", (high, i), (4, 0), textcoords="offset points", va="center", fontsize=SMALL)
    ax.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=SMALL)
    ax.margins(x=0.12, y=0.1)
    ax.invert_yaxis()
    percent(ax.xaxis)
    ax.set_xlabel(f"accuracy on {faces}, with 95 % interval")
    set_title(ax, title)
    return ax
