"""The table of ``benchmarks/ablation.py``, and how far luck moves its rows. Taught in notebooks/more/03_ablation."""

import csv
import os
from collections.abc import Mapping, Sequence

import numpy as np


def read_ablation(path: str | os.PathLike) -> dict[str, list[float]]:
    """Return the accuracies on val of each row of ``benchmarks/ablation.py``'s table: one for each seed."""
    rows: dict[str, list[float]] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["change"], []).append(float(row["val_accuracy"]))
    return rows


def ablation_interval(table: Mapping[str, Sequence[float]]) -> float | None:
    """Return how far luck moves a row's mean difference from the first row: half of a 95 % interval.

    What is left of each accuracy without the means of its row and its seed is luck, taken to be equally large in all
    rows (two-way analysis of variance). None where rows have different numbers of seeds, or one. Taught in
    notebooks/more/03_ablation.
    """
    from scipy import stats

    rows, seeds = len(table), len(next(iter(table.values())))
    if rows < 2 or seeds < 2 or any(len(values) != seeds for values in table.values()):
        return None
    scores = np.array([*table.values()])
    luck = scores - scores.mean(1, keepdims=True) - scores.mean(0) + scores.mean()
    free = (rows - 1) * (seeds - 1)
    return float(stats.t.ppf(0.975, free) * np.sqrt((luck**2).sum() / free * 2 / seeds))
