"""Every figure shows what it was given, on the axes it was given, and leaves the rest alone."""

import itertools
import os
import subprocess
import sys

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from fernb import plots
from fernb.data.faceset import FaceSet, make_splits
from fernb.evaluation import evaluate, reliability
from fernb.labels import COLOURS, EMOTIONS, EMOTIONS_8
from fernb.plots.base import save_figure
from fernb.vision.detection import Detection

FACES = np.random.default_rng(2013).integers(0, 256, (10, 48, 48), np.uint8)
LABELS = np.arange(10) % 7
PROBS = np.full((10, 7), 0.05, np.float32)
PROBS[np.arange(10), LABELS] = 0.7
REPORT = evaluate(PROBS, LABELS)
HISTORY = {"loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 2.5, 2.6], "accuracy": [0.2, 0.4, 0.6]}
HISTORY["val_accuracy"] = [0.2, 0.3, 0.25]
SPLITS = make_splits(*(FaceSet(FACES[:n], LABELS[:n], None) for n in (10, 7, 3)), source="random dots")
TABLE = reliability(PROBS, LABELS)
TEST = {"reliability": TABLE, "reliability_before": TABLE, "ece": 0.01, "ece_before": 0.1}
STEPS = [{"content": 0.0, "style": 2.0, "smooth": 0.1}, {"content": 0.5, "style": 1.0, "smooth": 0.2}]
SURVIVED = [{"style": "dots", "strength": s, "same": 0.5, "interval": [0.4, 0.7], "noise": 0.6} for s in (0.3, 1, 3)]
RGB = np.zeros((60, 90, 3), np.uint8)
BOX = Detection(10, 20, 30, 30, 1.0)

ON_AXES = {
    "image": lambda ax: plots.image(FACES[0], "a face", ax=ax),
    "numbers": lambda ax: plots.numbers(np.array([[1, -2, 3]]), "three", frame=(0, 1, 1, 2), ax=ax),
    "class_counts": lambda ax: plots.class_counts(SPLITS, ax),
    "histogram": lambda ax: plots.histogram(FACES[0], ax),
    "confusion_matrix": lambda ax: plots.confusion_matrix(REPORT, ax),
    "probability_bars": lambda ax: plots.probability_bars(PROBS[0], ax=ax),
    "heat_overlay": lambda ax: plots.heat_overlay(FACES[0], np.zeros((48, 48)), title="cold", ax=ax),
    "reliability_diagram": lambda ax: plots.reliability_diagram(TABLE, ax),
    "baseline_comparison": lambda ax: plots.baseline_comparison([("chance", 1 / 7, None)], ax),
    "detections": lambda ax: plots.detections(RGB, [BOX], texts=["happy 73%"], ax=ax),
    "timeline": lambda ax: plots.timeline(np.arange(10), PROBS, ax=ax),
    "smoothing_cost": lambda ax: plots.smoothing_cost({"none": [(0.0, 30.0)]}, ax),
    "architecture": lambda ax: plots.architecture([((48, 48, 1), {"face": 1}), ((7,), {"dense": 2})], "net", ax=ax),
    "intervals": lambda ax: plots.intervals([("one", 0.6, (0.55, 0.65)), ("two", 0.7, (0.6, 0.8))], "val", ax=ax),
    "ablation": lambda ax: plots.ablation({"start": [0.6, 0.61], "more": [0.63]}, ax=ax),
    "training_cost": lambda ax: plots.training_cost({"own": (1.0, 0.7)}, [("theirs", 6.0, 0.727, False)], ax=ax),
    "closed_eyes": lambda ax: plots.closed_eyes([0, 1], [0, 0.1], alarms=[False, True], threshold=0.15, ax=ax),
}
GRIDS = {
    "row": lambda: plots.row({"before": FACES[0], "after": RGB}),
    "face_grid": lambda: plots.face_grid(FACES, LABELS, probs=PROBS),
    "learning_curves": lambda: plots.learning_curves(HISTORY, "a run", best_epoch=1),
    "runs": lambda: plots.runs({"small": HISTORY, "large": HISTORY}),
    "calibration": lambda: plots.calibration({"net": TEST}),
    "robustness": lambda: plots.robustness({"net": (0.7, {"blur": [0.6, 0.5, 0.4]})}),
    "style_losses": lambda: plots.style_losses({"adam": STEPS}),
    "survival": lambda: plots.survival({"faces": SURVIVED}),
    "weight_maps": lambda: plots.weight_maps(np.zeros((7, 48, 48))),
    "methods": lambda: plots.methods([("frozen", 0.5, 7000, 1.5), ("from scratch", 0.6, 9000, None)]),
    "confidences": lambda: plots.confidences({"a": PROBS, "b": PROBS[:1]}),
}


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    plt.close("all")  # those of other modules' tests
    yield
    plt.close("all")


def test_a_saved_figure_is_closed_and_written_whole_or_not_at_all(tmp_path):
    save_figure(plots.image(FACES[0]).figure, tmp_path / "face.png", dpi=50)
    assert cv2.imread(str(tmp_path / "face.png")) is not None
    with pytest.raises(ValueError, match="nonsense"):
        save_figure(plots.image(FACES[0]).figure, tmp_path / "face.nonsense")
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]
    assert not plt.get_fignums()


def words(ax):
    return [text.get_text() for text in ax.texts]


def ticks(labels):
    return [label.get_text() for label in labels]


def test_every_figure_of_the_module_is_tested():
    assert {name for name in plots.__all__ if name.islower()} == set(ON_AXES) | set(GRIDS)


@pytest.mark.parametrize("name", ON_AXES)
def test_draws_on_the_axes_it_is_given_and_nowhere_else(name):
    mine = Figure(figsize=(4, 3)).subplots()
    assert ON_AXES[name](mine) is mine
    assert mine.has_data() or mine.images
    assert not plt.get_fignums()  # a Figure of one's own needs no pyplot: nothing to close
    mine.figure.canvas.draw()


@pytest.mark.parametrize("name", ON_AXES)
def test_makes_one_figure_of_its_own_where_none_is_given(name):
    ax = ON_AXES[name](None)
    assert isinstance(ax, Axes)
    assert plt.get_fignums() == [ax.figure.number]
    assert ax.figure.dpi <= 80
    ax.figure.canvas.draw()


@pytest.mark.parametrize("name", GRIDS)
def test_grids_are_one_figure(name):
    figure = GRIDS[name]()
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == [figure.number]
    assert figure.dpi <= 80
    figure.canvas.draw()


@pytest.mark.parametrize("name", ON_AXES)
def test_settings_and_data_stay_as_they_were(name):
    settings, data = dict(plt.rcParams), [array.copy() for array in (FACES, LABELS, PROBS, RGB)]
    ON_AXES[name](None)
    assert dict(plt.rcParams) == settings
    assert all(map(np.array_equal, data, (FACES, LABELS, PROBS, RGB)))


def test_works_without_a_screen_and_leaves_the_choice_of_backend_to_jupyter():
    code = (
        "import sys; from fernb import plots; assert 'matplotlib.backends.backend_agg' not in sys.modules;"
        "plots.image([[0, 255]]).figure.canvas.draw()"
    )
    nothing_chosen = {key: value for key, value in os.environ.items() if key not in ("MPLBACKEND", "DISPLAY")}
    subprocess.run([sys.executable, "-c", code], env=nothing_chosen, check=True, timeout=120)


def test_image_is_shown_as_it_is():
    shown = plots.image(FACES[0], "a face").images[0]
    assert np.array_equal(shown.get_array(), FACES[0])
    assert shown.get_clim() == (0, 255)  # a dark image stays dark


@pytest.mark.parametrize(
    ("values", "limits", "shown"),
    [([[0, 5]], None, (0, 5)), ([[-4, 2]], None, (-4, 4)), ([[0, 5]], (-9, 9), (-9, 9)), ([[0, 0]], None, (0, 1))],
)
def test_numbers_are_shaded_between_the_limits(values, limits, shown):
    assert plots.numbers(np.array(values), limits=limits).images[0].get_clim() == shown


def test_row_names_each_picture():
    figure = plots.row({"before": FACES[0], "after": RGB})
    assert [ax.get_title() for ax in figure.axes] == ["before", "after"]
    assert all(len(ax.images) == 1 for ax in figure.axes)


def test_face_grid_tells_truth_and_answer_and_marks_the_wrong():
    wrong = np.roll(PROBS, 1, axis=0)
    figure = plots.face_grid(FACES, LABELS, probs=np.concatenate([PROBS[:1], wrong[1:]]))
    first, second = figure.axes[:2]
    assert first.get_title() == "angry\nangry 70%"
    assert second.get_title() == "disgust\n✗ angry 70%"
    assert first.title.get_color() == "black" != second.title.get_color()
    assert sum(len(ax.images) for ax in figure.axes) == 10


@pytest.mark.parametrize(("n", "cells"), [(0, 1), (1, 1), (3, 3), (7, 7), (8, 14)])
def test_face_grid_of_any_number(n, cells):
    figure = plots.face_grid(FACES[:n])
    assert len(figure.axes) == cells
    assert sum(len(ax.images) for ax in figure.axes) == n


def test_face_grid_with_answers_alone_marks_nothing_wrong():
    ax = plots.face_grid(FACES[:1], probs=PROBS).axes[0]
    assert (ax.get_title(), ax.title.get_color()) == ("angry 70%", "black")


def test_class_counts_has_a_bar_for_each_emotion_and_part():
    ax = plots.class_counts(SPLITS)
    heights = [[bar.get_height() for bar in bars] for bars in ax.containers]
    assert heights == [[2, 2, 2, 1, 1, 1, 1], [1] * 7, [1, 1, 1, 0, 0, 0, 0]]
    assert ticks(ax.get_xticklabels()) == list(EMOTIONS)
    assert ticks(ax.get_legend().get_texts()) == ["train", "val", "test"]
    assert "random dots" in ax.get_title()


def test_histogram_counts_every_pixel():
    ax = plots.histogram(FACES[0])
    heights = [bar.get_height() for bar in ax.patches]
    assert np.array_equal(heights, np.bincount(FACES[0].ravel(), minlength=256))


def test_one_level_does_not_flatten_the_histogram():
    grey = np.full((100, 100), 255, np.uint8)
    grey[:20, :51] = np.tile(np.arange(100, 151), (20, 1))
    ax = plots.histogram(grey)
    assert 20 <= ax.get_ylim()[1] < 40  # white has 8,980 pixels, every other level 20
    assert words(ax) == ["  level 255: 8,980 ↑  "]
    plots.histogram(np.zeros((4, 4), np.uint8)).figure.canvas.draw()  # one level alone is no trouble


def test_an_architecture_names_its_stages():
    ax = plots.architecture([((48, 48, 1), {"face": 1}), ((24, 24, 8), {"3×3 convolution": 2}), ((7,), {"dense": 1})])
    assert words(ax)[:2] == ["48×48×1", "face"] and "2 × 3×3\nconvolution" in words(ax)
    assert [box.get_height() / ax.patches[0].get_height() for box in ax.patches] == pytest.approx([1, 0.5, 1 / 48])
    assert [box.get_width() / ax.patches[0].get_width() for box in ax.patches] == pytest.approx([1, 8**0.5, 7**0.5])
    assert "Height" in ax.get_xlabel() and "shortcut" not in ax.get_xlabel()


def test_a_deep_architecture_goes_on_in_a_second_row_and_shows_its_shortcuts():
    kinds = {"max-pooling": 1, "3×3 convolution": 1, "squeeze-and-excitation": 1, "residual sum": 1}
    ax = plots.architecture([((48, 48, 1), {"face": 1})] + [((24, 24, 64), kinds)] * 9 + [((7,), {"dense": 1})])
    middles = [box.get_y() + box.get_height() / 2 for box in ax.patches]
    assert len({round(middle, 6) for middle in middles[:6]}) == 1 and middles[6] < middles[5]
    assert len(ax.lines) == 9 and "shortcut" in ax.get_xlabel()
    assert ax.figure.get_figwidth() <= 9  # inches; more would be shrunk on a page
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    label = ax.xaxis.label.get_window_extent()
    assert label.x0 >= 0 and label.x1 <= ax.figure.bbox.width


def test_learning_curves_count_epochs_from_one():
    loss, accuracy = plots.learning_curves(HISTORY, "a run", best_epoch=1).axes
    assert loss.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert list(loss.lines[1].get_ydata()) == HISTORY["val_loss"]
    assert list(accuracy.lines[1].get_ydata()) == HISTORY["val_accuracy"]
    assert list(loss.lines[2].get_xdata()) == [2, 2]
    assert ticks(loss.get_legend().get_texts())[-1] == "chosen epoch 2"
    assert len(plots.learning_curves(HISTORY).axes[0].lines) == 2


def test_a_caption_takes_no_room_from_the_panels():
    words = "Train is measured during the epoch on augmented faces, with dropout; val after it. " * 4
    heights = []
    for figure in (plots.learning_curves(HISTORY), plots.learning_curves(HISTORY, caption=words)):
        figure.canvas.draw()
        heights.append(figure.axes[0].get_window_extent().height)
    assert heights[1] > 0.95 * heights[0]
    assert figure.get_supxlabel().replace("\n", " ") == words.strip()


def test_confusion_matrix_shows_shares_of_each_truth():
    report = {"per_class": {"cat": {}, "dog": {}}, "confusion": [[3, 1], [0, 0]], "accuracy": 0.75, "n": 4}
    ax = plots.confusion_matrix(report)
    assert words(ax) == ["75%", "25%", "0%", "0%"]  # no dog was shown: no division by zero
    assert ticks(ax.get_xticklabels()) == ["cat", "dog"]
    assert ticks(ax.get_yticklabels()) == ["cat (4)", "dog (0)"]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("true emotion (faces)", "predicted emotion")
    assert ax.get_title() == "accuracy 75.0% on 4 faces (each row: 100%)"
    assert plots.confusion_matrix(report, title="net on pets").get_title() == f"net on pets\n{ax.get_title()}"


def test_probability_bars_wear_the_emotions_colours():
    ax = plots.probability_bars(np.arange(8) / 28, EMOTIONS_8)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(np.arange(8) / 28)
    assert [to_hex(bar.get_facecolor()) for bar in ax.patches] == [COLOURS[name] for name in EMOTIONS_8]
    assert ax.get_xlim() == (0, 1)


def test_weight_maps_share_one_scale_around_zero():
    weights = np.zeros((2, 8, 8))
    weights[1, 0, 0] = -3
    figure = plots.weight_maps(weights, ["cat", "dog"])
    assert [ax.get_title() for ax in figure.axes[:2]] == ["cat", "dog"]
    assert [ax.images[0].get_clim() for ax in figure.axes[:2]] == [(-3, 3)] * 2


def test_heat_lies_over_the_face():
    face, heat = plots.heat_overlay(FACES[0], np.eye(48), title="warm").images
    assert np.array_equal(face.get_array(), FACES[0])
    assert heat.get_clim() == (0, 1)
    assert 0 < heat.get_alpha() < 1


def test_reliability_diagram_has_a_dot_for_each_bin():
    table = {"confidence": [0.2, 0.9], "accuracy": [0.1, 0.8], "count": [5, 20]}
    dots = plots.reliability_diagram(table).collections[0]
    assert dots.get_offsets().tolist() == [[0.2, 0.1], [0.9, 0.8]]
    assert dots.get_sizes()[1] == 4 * dots.get_sizes()[0]


def test_calibration_has_one_panel_where_nothing_was_calibrated():
    figure = plots.calibration({"net": TEST, "plain": TEST}, uncalibrated={"plain"}, caption="15 bins")
    net, calibrated, plain, empty = figure.axes
    assert [ax.get_title() for ax in (net, calibrated)] == ["net, as trained: ECE 0.100", "net, calibrated: ECE 0.010"]
    assert plain.collections and not empty.collections and "no temperature is applied" in words(empty)[0]
    assert not any(ax.get_legend() for ax in figure.axes) and len(figure.legends) == 1  # it would cover points
    assert figure.get_supxlabel() == "15 bins"


def test_baseline_comparison_keeps_the_order_and_draws_the_intervals():
    ax = plots.baseline_comparison([("chance", 1 / 7, None), ("human", 0.65, [0.6, 0.7])])
    assert ticks(ax.get_yticklabels()) == ["chance", "human"]
    assert ax.yaxis_inverted()  # the first stands on top
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([1 / 7, 0.65])
    assert words(ax) == ["14.3%", "65.0%"]
    assert len(ax.collections) == 1  # one interval
    assert ax.collections[0].get_segments()[0][:, 0] == pytest.approx([0.6, 0.7])
    assert ax.get_xlabel() == "accuracy (lines: 95 % intervals)"


def test_a_stated_range_is_no_confidence_interval():
    ax = plots.baseline_comparison([("net", 0.7, [0.69, 0.71]), ("people", 0.65, [0.6, 0.7])], stated={"people"})
    solid, dotted = (lines.get_linestyle()[0][1] for lines in ax.collections)
    assert solid is None and dotted is not None
    assert ax.get_xlabel() == "accuracy (lines: 95 % intervals; dotted: a stated range)"


def test_detections_boxes_faces_and_eyes():
    with_eyes = Detection(50, 10, 30, 30, 1.0, eyes=((55, 18, 6, 6), (68, 18, 6, 6)))
    ax = plots.detections(RGB, [BOX, with_eyes], texts=["happy 73%"])
    boxes = [(*box.get_xy(), box.get_width(), box.get_height()) for box in ax.patches]
    assert boxes == [(10, 20, 30, 30), (50, 10, 30, 30), (55, 18, 6, 6), (68, 18, 6, 6)]
    assert words(ax) == ["happy 73%"]
    assert not plots.detections(RGB, []).patches


def test_timeline_stacks_to_one_and_shows_the_truth():
    ax = plots.timeline(np.arange(10), PROBS, truth=[(0, 4, "happy"), (4, 9, "sad")], title="person 1")
    assert len(ax.collections) == 7
    assert ax.collections[-1].get_paths()[0].vertices[:, 1].max() == pytest.approx(1, abs=1e-5)
    assert [to_hex(strip.get_facecolor()) for strip in ax.patches] == [COLOURS["happy"], COLOURS["sad"]]
    assert words(ax) == ["happy", "sad"]
    assert ax.get_title() == "person 1 (above: truth)"
    assert ax.get_xlabel() == "time (s)"
    assert ticks(ax.get_legend().get_texts()) == list(reversed(EMOTIONS))


def test_timeline_names_only_stretches_with_room_for_it():
    ax = plots.timeline(np.arange(10), PROBS, truth=[(0, 0.5, "happy"), (0.5, 9, "sad")])
    assert len(ax.patches) == 2
    assert words(ax) == ["sad"]
    assert ax.texts[0].get_color() == "white"  # black could not be read on this blue


def test_timeline_shows_what_was_shown_below_the_truth():
    ax = plots.timeline(np.arange(10), PROBS, truth=[(0, 9, "happy")], shown=[(0, 9, "sad")])
    assert words(ax) == ["sad", "happy"] and ax.get_ylim()[1] == pytest.approx(1.2)


def test_timeline_without_truth_has_no_strip():
    ax = plots.timeline(np.arange(10), PROBS)
    assert not ax.patches
    assert ax.get_ylim() == (0, 1)


def test_smoothing_cost_has_a_line_for_each_smoother():
    ax = plots.smoothing_cost({"none": [(0.0, 30.0)], "mean": [(0.1, 9.0), (0.3, 2.0)]})
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[0, 30]], [[0.1, 9], [0.3, 2]]]
    assert ticks(ax.get_legend().get_texts()) == ["none", "mean"]
    assert ax.get_yscale() == "symlog"  # no smoothing has hundreds of changes, good ones two


def test_closed_eyes_marks_the_alarm():
    ax = plots.closed_eyes([0, 1, 2, 3], [0, 0.1, 0.2, 0.1], alarms=[False, False, True, False], threshold=0.15)
    (alarm,) = ax.collections
    assert alarm.get_paths()[0].vertices[:, 0].tolist().count(2) > 0
    assert ax.get_ylim() == (0, 0.5) and ax.get_xlim() == (0, 3)


def test_methods_have_axes_and_name_what_was_not_timed():
    figure = plots.methods([("frozen", 0.5, 7000, 1.5), ("from scratch", 0.6, 9000, None)])
    assert [ax.get_xlabel() for ax in figure.axes] == ["accuracy", "learnt parameters (log)", "minutes (log)"]
    assert [[word.strip() for word in words(ax)] for ax in figure.axes] == [
        ["50.0%", "60.0%"],
        ["7,000", "9,000"],
        ["1.5", "not timed"],
    ]
    figure.canvas.draw()
    assert all(any(ticks(ax.get_xticklabels())) for ax in figure.axes)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.5, 0.6]
    assert ticks(figure.axes[0].get_yticklabels()) == ["frozen", "from scratch"]
    assert figure.axes[0].yaxis_inverted()  # the first stands on top


def test_methods_leave_minutes_out_where_nothing_was_timed():
    assert len(plots.methods([("frozen", 0.5, 7000, None)]).axes) == 2


def test_confidences_counts_shares_of_the_faces():
    figure = plots.confidences({"sure": PROBS, "unsure": np.full((4, 7), 1 / 7, np.float32)})
    assert [ax.get_title() for ax in figure.axes] == ["sure", "unsure"]
    for ax, place in zip(figure.axes, (0.7, 1 / 7), strict=True):
        heights = [bar.get_height() for bar in ax.patches]
        (full,) = [bar for bar in ax.patches if bar.get_height() > 0]
        assert sum(heights) == pytest.approx(1)
        assert full.get_x() - 1e-6 <= place <= full.get_x() + full.get_width() + 1e-6


def test_runs_mark_the_epoch_that_was_kept():
    figure = plots.runs({"small": HISTORY, "large": HISTORY | {"val_accuracy": [0.4, 0.3, 0.2]}})
    marks = [next(line for line in ax.lines if line.get_linestyle() == ":").get_xdata()[0] for ax in figure.axes]
    assert marks == [2, 1]
    assert {ax.get_ylabel() for ax in figure.axes} == {"accuracy"}  # losses of several networks cannot be compared
    assert [ax.get_title() for ax in figure.axes] == ["small\nepoch 2 of 3", "large\nepoch 1 of 3"]
    assert not any(ax.get_legend() for ax in figure.axes) and len(figure.legends) == 1  # lines would run through it


def test_robustness_begins_with_clean_faces():
    ax = plots.robustness({"net": (0.7, {"blur": [0.6, 0.5, 0.4]})}).axes[0]
    assert list(ax.lines[0].get_ydata()) == [0.7, 0.6, 0.5, 0.4]
    assert ticks(ax.get_xticklabels()) == ["clean", "0.7", "1.2", "2"]
    assert ax.get_title() == "blur (σ in pixels)"


def test_robustness_sets_apart_what_was_judged_on_other_faces():
    row = (0.7, {"blur": [0.6, 0.5, 0.4]})
    figure = plots.robustness({"eight": row, "seven": row}, apart={"eight": "8 emotions"})
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["-", "--"]
    assert ticks(figure.legends[0].get_texts()) == ["seven", "eight: 8 emotions"]


def test_hollow_squares_chose_their_epoch_on_the_test_set():
    ax = plots.training_cost({"own": (1.0, 0.7)}, [("fair", 6.0, 0.72, False), ("lucky", 7.0, 0.73, True)])
    own, fair, lucky = ax.lines
    assert (own.get_marker(), fair.get_marker(), lucky.get_marker()) == ("o", "s", "s")
    assert lucky.get_markerfacecolor() == "none" != fair.get_markerfacecolor()
    kinds = next(artist for artist in ax.get_children() if isinstance(artist, Legend) and artist is not ax.get_legend())
    faces = {
        text.get_text(): line.get_markerfacecolor() for text, line in zip(kinds.texts, kinds.get_lines(), strict=True)
    }
    assert faces["published: epoch chosen on the test's own faces"] == "none"
    assert ticks(ax.get_legend().get_texts()) == ["a  fair", "b  lucky"]


def test_labels_of_costs_cover_no_marker_and_no_label():
    own = {"my_own_model": (186.4, 0.7325), "wide_mixup": (38.5, 0.73), "first": (0.7, 0.67)}
    ax = plots.training_cost(own, [("c", 47.0, 0.7297, True), ("d", 181.0, 0.7328, True), ("e", 224.0, 0.737, True)])
    ax.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    points = ax.transData.transform([line.get_xydata()[0] for line in ax.lines])
    assert not any(box.contains(*point) for box in boxes for point in points)


def test_ablation_tells_points_gained():
    ax = plots.ablation({"start": [0.60, 0.62], "less": [0.58, 0.6], "more": [0.63, 0.63]}, interval=0.01)
    assert words(ax) == ["+2.0", "+0.0", "-2.0"]
    assert ticks(ax.get_yticklabels()) == ["more", "start", "less"]  # the best on top
    lines = [list(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 1]
    np.testing.assert_allclose(lines, [[1, 3], [-3, -1]])


def test_intervals_reach_from_low_to_high_and_one_row_can_be_marked():
    ax = plots.intervals([("one", 0.6, (0.55, 0.7)), ("two", 0.7, (0.6, 0.8))], "val", title="t", marked="two")
    assert words(ax) == ["60.0%", "70.0%"] and ax.get_xlabel().startswith("accuracy on val")
    bars = [bar.get_segments()[0][:, 0] for bar in ax.collections]
    np.testing.assert_allclose(bars, [[0.55, 0.7], [0.6, 0.8]])
    assert ax.lines[0].get_color() != ax.lines[3].get_color()


def test_style_losses_have_a_line_for_each_transfer():
    figure = plots.style_losses({"adam": STEPS, "lbfgs": STEPS[:1]})
    assert [list(line.get_ydata()) for line in figure.axes[1].lines] == [[2.0, 1.0], [2.0]]
    assert {ax.get_xlabel() for ax in figure.axes} == {"step"}
    counted = plots.style_losses({"adam": [step | {"evaluations": 5 * i} for i, step in enumerate(STEPS, 1)]})
    assert list(counted.axes[0].lines[0].get_xdata()) == [5, 10]


def test_survival_shows_the_mean_of_the_noise_dashed():
    ax = plots.survival({"faces": SURVIVED}).axes[0]
    (dashed,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed.get_ydata(), [0.6] * 3)
    assert ticks(ax.get_xticklabels()) == ["0.3", "1", "3"]


def test_long_names_do_not_run_into_each_other():
    figure = plots.row({f"the style, as the network {i} sees it": FACES[0] for i in range(3)}, 1.6)
    figure.canvas.draw()
    boxes = [ax.title.get_window_extent() for ax in figure.axes]
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(boxes))


@pytest.mark.parametrize("blind", ["protan", "deutan"])
def test_colour_blind_readers_can_tell_the_emotions_apart(blind):
    """Colours as seen after Machado et al. 2009, severity 1; distances of ten in CIELAB are plainly seen."""
    see = {
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    }[blind]
    srgb = np.array([to_rgb(COLOURS[name]) for name in EMOTIONS_8])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = (linear @ np.transpose(see)).clip(0, 1)
    seen = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = cv2.cvtColor(seen[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    apart = np.linalg.norm(lab[:, None] - lab, axis=-1) + 1000 * np.eye(len(lab))
    assert apart.min() > 10
