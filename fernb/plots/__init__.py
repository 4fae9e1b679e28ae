"""Every figure of the series: numbers in, ``Axes`` out; nothing is computed here.

Each function draws on the ``Axes`` it is given as ``ax``, or on a new one. All have one style:
labelled axes with units, no frame above and on the right, and the colours of Okabe & Ito (2008),
which colour-blind readers can tell apart. Used in all notebooks.
"""

from fernb.plots.architecture import architecture
from fernb.plots.base import DPI, PALETTE
from fernb.plots.cost import training_cost
from fernb.plots.images import detections, face_grid, heat_overlay, histogram, image, numbers, row, weight_maps
from fernb.plots.networks import (
    ablation,
    baseline_comparison,
    calibration,
    class_counts,
    confidences,
    confusion_matrix,
    intervals,
    learning_curves,
    methods,
    probability_bars,
    reliability_diagram,
    robustness,
    runs,
)
from fernb.plots.style import style_losses, survival
from fernb.plots.video import closed_eyes, smoothing_cost, timeline

__all__ = [
    "DPI",
    "PALETTE",
    "ablation",
    "architecture",
    "baseline_comparison",
    "calibration",
    "class_counts",
    "closed_eyes",
    "confidences",
    "confusion_matrix",
    "detections",
    "face_grid",
    "heat_overlay",
    "histogram",
    "image",
    "intervals",
    "learning_curves",
    "methods",
    "numbers",
    "probability_bars",
    "reliability_diagram",
    "robustness",
    "row",
    "runs",
    "smoothing_cost",
    "style_losses",
    "survival",
    "timeline",
    "training_cost",
    "weight_maps",
]
