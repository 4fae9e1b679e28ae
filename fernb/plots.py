"""Every figure of the series: numbers in, ``Axes`` out; nothing is computed here.

Each function draws on the ``Axes`` it is given, or on a new one. Used in all notebooks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from fernb.labels import COLOURS, EMOTIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fernb.data.faceset import FaceSplits
    from fernb.vision.detection import Detection

DPI = 80


def _axes(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    return ax if ax is not None else plt.subplots(figsize=size, dpi=DPI, layout="constrained")[1]


def _bare(ax: "Axes") -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def picture(image: np.ndarray, title: str = "", ax: "Axes | None" = None) -> "Axes":
    """Show a picture or a grey one (0 is black, 255 white) with its title."""
    ax = _axes(ax, (4, 4))
    ax.imshow(image, cmap="gray", vmin=0, vmax=255)
    ax.set_title(title, fontsize=10)
    _bare(ax)
    return ax


def row(pictures: dict[str, np.ndarray], height: float = 2.4) -> "Figure":
    """Show pictures side by side, each under its name."""
    widths = [image.shape[1] / image.shape[0] for image in pictures.values()]
    figure, axes = plt.subplots(
        1,
        len(pictures),
        figsize=(height * sum(widths) + 0.2 * len(widths), height + 0.4),
        width_ratios=widths,
        dpi=DPI,
        layout="constrained",
        squeeze=False,
    )
    for ax, (name, image) in zip(axes[0], pictures.items(), strict=True):
        picture(image, name, ax)
    return figure


def face_grid(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    probs: np.ndarray | None = None,
    classes: Sequence[str] = EMOTIONS,
    columns: int = 7,
) -> "Figure":
    """Show faces in a grid under their true emotion; with ``probs`` the answer is added, red where wrong."""
    columns = max(1, min(columns, len(images)))
    rows = max(1, -(-len(images) // columns))
    figure, axes = plt.subplots(
        rows, columns, figsize=(1.25 * columns, 1.5 * rows), dpi=DPI, layout="constrained", squeeze=False
    )
    for ax in axes.flat:
        _bare(ax)
    for i, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
        ax.imshow(image, cmap="gray", vmin=0, vmax=255)
        title, colour = (classes[labels[i]] if labels is not None else ""), "black"
        if probs is not None:
            answer = int(probs[i].argmax())
            colour = "black" if labels is None or answer == labels[i] else "#c0392b"
            title += f"\n{classes[answer]} {probs[i, answer]:.0%}"
        ax.set_title(title.strip(), fontsize=9, color=colour)
    return figure


def class_counts(splits: "FaceSplits", ax: "Axes | None" = None) -> "Axes":
    """Show how many faces each emotion has in train, val and test."""
    ax = _axes(ax, (7, 3))
    width = 0.27
    positions = np.arange(len(splits.classes))
    for i, (name, part) in enumerate(splits.parts().items()):
        counts = np.bincount(part.labels, minlength=len(splits.classes))
        ax.bar(positions + (i - 1) * width, counts, width, label=name, color=("#34495e", "#7f8c8d", "#bdc3c7")[i])
    ax.set_xticks(positions, splits.classes)
    ax.set_ylabel("faces")
    ax.set_title(f"Faces per emotion: {splits.source}")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax


def histogram(grey: np.ndarray, ax: "Axes | None" = None) -> "Axes":
    """Show how many pixels of a grey picture have each of the 256 levels."""
    ax = _axes(ax, (4, 2.4))
    ax.hist(grey.ravel(), bins=256, range=(0, 256), color="#34495e")
    ax.set_xlabel("grey level (0 black, 255 white)")
    ax.set_ylabel("pixels")
    ax.set_xlim(0, 256)
    return ax


def learning_curves(history: dict[str, list[float]], title: str = "", best_epoch: int | None = None) -> "Figure":
    """Show loss and accuracy per epoch for train and val; ``best_epoch`` (0-based) is marked."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), dpi=DPI, layout="constrained")
    _curves(axes, history, best_epoch)
    figure.suptitle(title)
    return figure


def _curves(axes: Sequence["Axes"], history: dict[str, list[float]], best_epoch: int | None) -> None:
    epochs = np.arange(1, len(history["loss"]) + 1)
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        ax.plot(epochs, history[name], color="#34495e", label="train")
        ax.plot(epochs, history[f"val_{name}"], color="#e67e22", label="val")
        if best_epoch is not None:
            ax.axvline(best_epoch + 1, color="#7f8c8d", linestyle=":", label=f"chosen epoch {best_epoch + 1}")
        ax.set_xlabel("epoch")
        ax.set_ylabel(name)
        ax.grid(alpha=0.3)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes[0].legend(frameon=False, fontsize=8)


def confusion_matrix(report: dict, ax: "Axes | None" = None) -> "Axes":
    """Show the confusion matrix of a report: each row sums to 100 % of one true emotion."""
    ax = _axes(ax, (5.4, 4.6))
    names = list(report["per_class"])
    counts = np.array(report["confusion"], float)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(*share.shape):
        ax.text(
            j,
            i,
            f"{share[i, j]:.0%}",
            ha="center",
            va="center",
            color="white" if share[i, j] > 0.6 else "black",
            fontsize=9,
        )
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right")
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("answer")
    ax.set_ylabel("truth")
    ax.set_title(f"accuracy {report['accuracy']:.1%} on {report['n']:,} faces", fontsize=11)
    return ax


def probability_bars(probs: np.ndarray, classes: Sequence[str] = EMOTIONS, ax: "Axes | None" = None) -> "Axes":
    """Show the probabilities ``(k,)`` of one face as bars."""
    ax = _axes(ax, (3.4, 2.4))
    ax.barh(range(len(classes)), probs, color=[COLOURS[name] for name in classes])
    ax.set_yticks(range(len(classes)), classes)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_xlabel("probability")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def weight_maps(weights: np.ndarray, classes: Sequence[str] = EMOTIONS) -> "Figure":
    """Show weights ``(k, h, w)`` as pictures: red speaks for the emotion where it is bright, blue against."""
    figure, axes = plt.subplots(
        1, len(weights), figsize=(1.5 * len(weights), 1.8), dpi=DPI, layout="constrained", squeeze=False
    )
    most = np.abs(weights).max() or 1
    for ax, weight, name in zip(axes[0], weights, classes, strict=True):
        shown = ax.imshow(weight, cmap="RdBu_r", vmin=-most, vmax=most)
        ax.set_title(name, fontsize=9)
        _bare(ax)
    figure.colorbar(shown, ax=axes[0], shrink=0.8, label="weight")
    return figure


def heat_overlay(image: np.ndarray, heat: np.ndarray, title: str = "", ax: "Axes | None" = None) -> "Axes":
    """Lay ``heat`` (h, w) in 0..1 over a grey face: warm is where the network looked."""
    ax = picture(image, title, ax)
    ax.imshow(heat, cmap="inferno", alpha=0.45, vmin=0, vmax=1)
    return ax


def reliability_diagram(table: dict[str, list[float]], ax: "Axes | None" = None) -> "Axes":
    """Show accuracy against confidence, from :func:`fernb.evaluation.reliability`; the diagonal is honest."""
    ax = _axes(ax, (3.8, 3.4))
    ax.plot([0, 1], [0, 1], color="#7f8c8d", linestyle=":")
    sizes = 200 * np.array(table["count"]) / max(table["count"])
    ax.scatter(table["confidence"], table["accuracy"], s=sizes, color="#2980b9", alpha=0.8)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy", title="Reliability (size: faces)")
    return ax


def ladder(rungs: Sequence[tuple[str, float, Sequence[float] | None]], ax: "Axes | None" = None) -> "Axes":
    """Show ``(name, accuracy, interval or None)`` as bars, in the order given."""
    ax = _axes(ax, (7, 0.45 * len(rungs) + 0.8))
    for i, (_, accuracy, interval) in enumerate(rungs):
        error = None if interval is None else [[accuracy - interval[0]], [interval[1] - accuracy]]
        ax.barh(i, accuracy, xerr=error, color="#2980b9", capsize=3)
        ax.text((interval[1] if interval else accuracy) + 0.01, i, f"{accuracy:.1%}", va="center", fontsize=9)
    ax.set_yticks(range(len(rungs)), [name for name, *_ in rungs])
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel("accuracy")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def detections(
    rgb: np.ndarray, found: "Sequence[Detection]", texts: Sequence[str] = (), ax: "Axes | None" = None
) -> "Axes":
    """Show a picture with a box, and a text above it, for each face; eyes are boxed thinly."""
    ax = picture(rgb, "", _axes(ax, (5, 5 * rgb.shape[0] / rgb.shape[1])))
    for i, face in enumerate(found):
        ax.add_patch(Rectangle((face.x, face.y), face.w, face.h, fill=False, edgecolor="#ffdd00", linewidth=2))
        for x, y, w, h in face.eyes or ():
            ax.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor="#00d0ff", linewidth=1))
        if i < len(texts):
            ax.text(face.x, face.y - 4, texts[i], color="black", backgroundcolor="#ffdd00", fontsize=9, va="bottom")
    return ax


def timeline(
    times: Sequence[float],
    probs: np.ndarray,
    classes: Sequence[str] = EMOTIONS,
    truth: Sequence[tuple[float, float, str]] = (),
    title: str = "",
    ax: "Axes | None" = None,
) -> "Axes":
    """Show one person's probabilities ``(n, k)`` over ``times`` in seconds as stacked areas.

    ``truth`` holds ``(start, end, emotion)``, drawn as a strip above; short stretches have a colour only.
    """
    ax = _axes(ax, (10, 3.2))
    ax.stackplot(times, np.asarray(probs).T, colors=[COLOURS[name] for name in classes], labels=classes)
    for start, end, name in truth:
        ax.add_patch(Rectangle((start, 1.01), end - start, 0.09, color=COLOURS[name]))
        if end - start > 0.08 * (max(times) - min(times)):  # else the name is wider than its stretch
            ax.text((start + end) / 2, 1.055, name, ha="center", va="center", fontsize=8, clip_on=True)
    ax.set(xlim=(min(times), max(times)), ylim=(0, 1.1 if len(truth) else 1), xlabel="time (s)", ylabel="probability")
    ax.set_title(title + (" (strip: the truth)" if len(truth) else ""), fontsize=11)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, reverse=True)
    return ax


def smoothing_cost(curves: dict[str, Sequence[tuple[float, float]]], ax: "Axes | None" = None) -> "Axes":
    """Show for each smoother its points ``(delay in s, false changes a minute)``: left and low is good."""
    ax = _axes(ax, (6, 3.2))
    for name, points in curves.items():
        ax.plot(*zip(*points, strict=True), marker="o", label=name, alpha=0.85)
    ax.set(xlabel="mean delay after a true change (s)", ylabel="false changes a minute")
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    return ax


def closed_eyes(
    times: Sequence[float], share: Sequence[float], alarm: Sequence[bool], limit: float, ax: "Axes | None" = None
) -> "Axes":
    """Show the share of time with closed eyes over ``times`` in seconds; red where the alarm is on."""
    ax = _axes(ax, (8, 2.4))
    ax.plot(times, share, color="#34495e")
    ax.axhline(limit, color="#7f8c8d", linestyle=":")
    ax.fill_between(times, 0, 1, where=alarm, color="#e74c3c", alpha=0.25, step="post", label="alarm")
    ax.set(ylim=(0, max(0.5, *share)), xlim=(min(times), max(times)), xlabel="time (s)", ylabel="share closed")
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(frameon=False, loc="upper left")
    return ax


def ways(rows: Sequence[tuple[str, float, int, float | None]]) -> "Figure":
    """Show ``(name, accuracy, learnt parameters, minutes or None)`` of several networks as three columns of bars."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 0.42 * len(rows) + 1), dpi=DPI, layout="constrained", sharey=True)
    kinds = (
        ("accuracy", "{:.1%}", "#2980b9"),
        ("learnt parameters", "{:,.0f}", "#7f8c8d"),
        ("minutes", "{:.1f}", "#e67e22"),
    )
    for number, (ax, (name, form, colour)) in enumerate(zip(axes, kinds, strict=True), 1):
        values = [row[number] for row in rows]
        ax.barh(range(len(rows)), [0 if value is None else value for value in values], color=colour)
        for i, value in enumerate(values):
            ax.text(value or 0, i, " unknown" if value is None else " " + form.format(value), va="center", fontsize=9)
        ax.set_xlim(0, 1.35 * max(value or 0 for value in values))
        ax.set_xticks([])
        ax.set_title(name, fontsize=10)
        ax.spines[["top", "right", "bottom"]].set_visible(False)
    axes[0].set_yticks(range(len(rows)), [row[0] for row in rows])
    axes[0].invert_yaxis()
    return figure


def confidences(groups: dict[str, np.ndarray], bins: int = 20) -> "Figure":
    """Show for each named ``probs`` ``(n, k)`` how certain the answers are: their largest probability."""
    figure, axes = plt.subplots(
        1, len(groups), figsize=(3.2 * len(groups), 2.4), dpi=DPI, layout="constrained", sharey=True, squeeze=False
    )
    for ax, (name, probs) in zip(axes[0], groups.items(), strict=True):
        ax.hist(np.max(probs, 1), bins=bins, range=(0, 1), color="#34495e", weights=np.full(len(probs), 1 / len(probs)))
        ax.set(xlim=(0, 1), xlabel="probability of the answer")
        ax.set_title(name, fontsize=10)
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes[0, 0].set_ylabel("faces")
    return figure


def runs(histories: dict[str, dict[str, list[float]]]) -> "Figure":
    """Show loss and accuracy per epoch of several networks, a row each; the epoch that was kept is marked."""
    figure, axes = plt.subplots(
        len(histories), 2, figsize=(9, 2.6 * len(histories)), dpi=DPI, layout="constrained", squeeze=False
    )
    for (left, right), (name, history) in zip(axes, histories.items(), strict=True):
        _curves((left, right), history, int(np.argmax(history["val_accuracy"])))
        left.set_title(name, fontsize=10)
    return figure


def calibration(tests: dict[str, dict]) -> "Figure":
    """Show reliability before and after calibration, a row for each network, from :func:`fernb.evaluation.judge`."""
    figure, axes = plt.subplots(
        len(tests), 2, figsize=(7.4, 3.4 * len(tests)), dpi=DPI, layout="constrained", squeeze=False
    )
    for (before, after), (name, test) in zip(axes, tests.items(), strict=True):
        for ax, stage, key in ((before, f"{name}, as trained", "_before"), (after, "calibrated", "")):
            reliability_diagram(test[f"reliability{key}"], ax)
            ax.set_title(f"{stage}: ECE {test[f'ece{key}']:.3f}", fontsize=10)
    return figure


def robustness(networks: dict[str, tuple[float, dict[str, list[float]]]]) -> "Figure":
    """Show for each network ``(accuracy on clean faces, {corruption: accuracy weak to strong})``."""
    kinds = list(next(iter(networks.values()))[1])
    figure, axes = plt.subplots(
        1, len(kinds), figsize=(1.9 * len(kinds), 2.8), dpi=DPI, layout="constrained", sharey=True, squeeze=False
    )
    for ax, kind in zip(axes[0], kinds, strict=True):
        for name, (clean, table) in networks.items():
            ax.plot([clean, *table[kind]], marker="o", markersize=4, label=name)
        ax.set_xticks(range(len(table[kind]) + 1), ["clean", "weak", "middle", "strong"], rotation=60)
        ax.set_title(kind, fontsize=10)
        ax.grid(alpha=0.3)
    axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes[0, 0].set_ylabel("accuracy")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def ablation(rows: dict[str, Sequence[float]], ax: "Axes | None" = None) -> "Axes":
    """Show the accuracies of each change's seeds as points, and their mean as a line; the first row is the start."""
    ax = _axes(ax, (7.5, 0.42 * len(rows) + 1))
    start = np.mean(next(iter(rows.values())))
    ax.axvline(start, color="#7f8c8d", linestyle=":")
    for i, values in enumerate(rows.values()):
        mean = np.mean(values)
        ax.plot(values, [i] * len(values), "o", color="#2980b9", alpha=0.6)
        ax.plot([mean] * 2, [i - 0.3, i + 0.3], color="#34495e")
        ax.annotate(
            f"{100 * (mean - start):+.1f}", (1.01, i), xycoords=("axes fraction", "data"), va="center", fontsize=9
        )
    ax.set_yticks(range(len(rows)), list(rows))
    ax.invert_yaxis()
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    ax.set_xlabel("accuracy on val; right: points gained by the change")
    return ax


def style_losses(histories: dict[str, list[dict[str, float]]]) -> "Figure":
    """Show content, style and smoothness loss of each step of one or more style transfers."""
    names = ("content", "style", "smooth")
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.6), dpi=DPI, layout="constrained")
    for ax, name in zip(axes, names, strict=True):
        for label, history in histories.items():
            ax.plot(range(1, len(history) + 1), [step[name] for step in history], label=label)
        ax.set(ylim=(0, None), xlabel="step", title=name)
        ax.grid(alpha=0.3)
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def survival(groups: dict[str, list[dict]]) -> "Figure":
    """Show how many answers outlive a style, by strength: a panel for each group, rows as in ``emotion.json``.

    Lines are styles, with 95 % intervals; dotted ones are noise of the same size.
    """
    figure, axes = plt.subplots(
        1, len(groups), figsize=(5.2 * len(groups), 3.4), dpi=DPI, layout="constrained", sharey=True, squeeze=False
    )
    for ax, (title, rows) in zip(axes[0], groups.items(), strict=True):
        for number, style in enumerate(dict.fromkeys(row["style"] for row in rows)):
            own = [row for row in rows if row["style"] == style]
            strengths = [row["strength"] * 1.04 ** (number - 2) for row in own]  # side by side, not one over the other
            same = [row["same"] for row in own]
            reach = np.abs(np.array([row["interval"] for row in own]).T - same)
            ax.errorbar(strengths, same, reach, marker="o", capsize=2, color=f"C{number}", label=style)
            ax.plot(strengths, [row["noise"] for row in own], linestyle=":", color=f"C{number}")
        ax.set(xscale="log", ylim=(0, 1.02), xlabel="strength", title=title)
        ax.set_xticks([row["strength"] for row in own], [f"{row['strength']:g}" for row in own])
        ax.minorticks_off()
        ax.grid(alpha=0.3)
    axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes[0, 0].set_ylabel("same answer as before")
    axes[0, -1].legend(frameon=False, fontsize=8)
    return figure
