"""Numbers of a test: against cases worked by hand, and against what must hold for any answers."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, f1_score

from fernb import evaluation
from fernb.errors import DataError
from fernb.labels import EMOTIONS, EMOTIONS_8, VOTE_COLUMNS

PETS = ("cat", "dog", "fish")


def answers(chosen, confidence=0.8, classes=3):
    """Probabilities in which ``chosen`` get ``confidence`` and the other classes share the rest."""
    probs = np.full((len(chosen), classes), (1 - confidence) / (classes - 1))
    probs[np.arange(len(chosen)), chosen] = confidence
    return probs


@st.composite
def any_answers(draw):
    """Any probabilities (n, k) with labels (n,), of one to forty faces and two to eight emotions."""
    n, k = draw(st.integers(1, 40)), draw(st.integers(2, 8))
    raw = draw(hnp.arrays(np.float32, (n, k), elements=st.floats(0, 1, width=32))) + np.float32(1e-3)
    labels = draw(hnp.arrays(np.int64, n, elements=st.integers(0, k - 1)))
    return raw / raw.sum(1, keepdims=True), labels


# truth cat cat dog fish, answers cat dog dog cat
LABELS = np.array([0, 0, 1, 2])
PROBS = answers([0, 1, 1, 0])


def test_evaluate_by_hand():
    report = evaluation.evaluate(PROBS, LABELS, PETS)
    assert report["n"] == 4
    assert report["accuracy"] == 0.5
    assert report["confusion"] == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]  # rows are the truth
    assert report["per_class"]["cat"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert report["per_class"]["dog"] == pytest.approx({"precision": 0.5, "recall": 1, "f1": 2 / 3, "support": 1})
    assert report["per_class"]["fish"] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}
    assert report["macro"] == pytest.approx({"precision": 1 / 3, "recall": 0.5, "f1": (0.5 + 2 / 3 + 0) / 3})
    assert report["weighted"] == pytest.approx({"precision": 3 / 8, "recall": 0.5, "f1": (2 * 0.5 + 2 / 3) / 4})
    assert report["ece"] == pytest.approx(0.8 - 0.5)  # all at 80 % confidence, half of them right
    assert "accuracy_deduplicated" not in report


def test_deduplicated_leaves_the_marked_faces_out():
    report = evaluation.evaluate(PROBS, LABELS, PETS, duplicate=np.array([1, 0, 0, 1]))
    assert report["accuracy"] == 0.5
    assert report["n_deduplicated"] == 2
    assert report["accuracy_deduplicated"] == 0.5
    assert report["interval_deduplicated"] == evaluation.wilson(1, 2)
    first_left_out = evaluation.evaluate(PROBS, LABELS, PETS, duplicate=np.array([True, False, False, False]))
    assert first_left_out["accuracy_deduplicated"] == pytest.approx(1 / 3)


def test_no_deduplicated_score_where_every_face_is_a_duplicate():
    report = evaluation.evaluate(PROBS, LABELS, PETS, duplicate=np.ones(4, bool))
    assert report["n_deduplicated"] == 0 and "accuracy_deduplicated" not in report
    assert "was trained on all of these faces" in evaluation.report_lines(report)[2]


def test_wilson_by_hand():
    # the score interval's own formula: (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), z = 1.96
    assert evaluation.wilson(50, 100) == pytest.approx([0.4038, 0.5962], abs=1e-4)
    assert evaluation.wilson(2500, 3589) == pytest.approx([0.6813, 0.7114], abs=1e-4)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_proportion(pair):
    correct, n = pair
    low, high = evaluation.wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1


@given(any_answers())
def test_evaluate_agrees_with_scikit_learn_and_with_itself(case):
    probs, labels = case
    classes = EMOTIONS_8[: probs.shape[1]]
    report = evaluation.evaluate(probs, labels, classes)
    chosen = probs.argmax(1)
    assert report["accuracy"] == pytest.approx(accuracy_score(labels, chosen))
    for mean in ("macro", "weighted"):
        assert report[mean]["f1"] == pytest.approx(
            f1_score(labels, chosen, labels=np.unique(labels), average=mean, zero_division=0)
        )
    confusion = np.array(report["confusion"])
    assert confusion.sum() == len(labels)
    assert np.trace(confusion) / len(labels) == pytest.approx(report["accuracy"])
    assert [row["support"] for row in report["per_class"].values()] == confusion.sum(1).tolist()
    assert 0 <= report["ece"] <= 1
    assert json.loads(json.dumps(report)) == report


@given(any_answers(), st.integers(1, 30))
def test_reliability_counts_every_face_once(case, bins):
    probs, labels = case
    table = evaluation.reliability(probs, labels, bins=bins)
    assert sum(table["count"]) == len(labels)
    assert len(table["count"]) <= bins
    assert all(0 <= value <= 1 for value in table["accuracy"])
    assert np.average(table["accuracy"], weights=table["count"]) == pytest.approx((probs.argmax(1) == labels).mean())
    assert 0 <= evaluation.expected_calibration_error(probs, labels, bins=bins) <= 1


def test_reliability_by_hand():
    probs = np.array([[0.6, 0.4], [0.7, 0.3], [0.1, 0.9], [0.0, 1.0]])
    table = evaluation.reliability(probs, np.array([0, 1, 1, 1]), bins=4)
    assert table["count"] == [2, 2]  # 50 to 75 % and 75 to 100 %, where certainty itself belongs too
    assert table["confidence"] == pytest.approx([0.65, 0.95])
    assert table["accuracy"] == [0.5, 1.0]
    assert evaluation.expected_calibration_error(probs, np.array([0, 1, 1, 1]), bins=4) == pytest.approx(0.1)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 2.5])
def test_temperature_is_found_again(true_temperature):
    rng = np.random.default_rng(2013)
    honest = rng.dirichlet(np.ones(4), 20_000)
    labels = (honest.cumsum(1) > rng.random((len(honest), 1))).argmax(1)  # each row's label drawn from the row
    shown = evaluation.apply_temperature(honest, 1 / true_temperature)
    found = evaluation.fit_temperature(shown, labels)
    assert found == pytest.approx(true_temperature, rel=0.05)
    mended = evaluation.apply_temperature(shown, found)
    assert evaluation.expected_calibration_error(mended, labels) < 0.02


@given(any_answers(), st.floats(0.2, 5))
def test_temperature_changes_certainty_and_no_answer(case, temperature):
    probs, _ = case
    scaled = evaluation.apply_temperature(probs, temperature)
    assert scaled.dtype == probs.dtype
    assert np.allclose(scaled.sum(1), 1, atol=1e-5)
    rows = np.arange(len(probs))
    assert np.allclose(scaled[rows, probs.argmax(1)], scaled.max(1), atol=1e-6)
    change = scaled.max(1) - probs.max(1)
    assert (change <= 1e-5).all() if temperature >= 1 else (change >= -1e-5).all()


def test_temperature_bears_certainty_and_no_faces():
    assert np.isfinite(evaluation.apply_temperature(np.eye(3, dtype=np.float32), 3)).all()
    assert evaluation.apply_temperature(np.zeros((0, 7), np.float32), 2.0).shape == (0, 7)


def test_report_in_words():
    report = evaluation.evaluate(PROBS, LABELS, PETS, duplicate=np.array([True, False, False, False]))
    lines = evaluation.report_lines(report)
    assert lines[0] == "Accuracy on test set: 50.0%"
    assert lines[1] == "50.00% of 4 faces, 95 % interval 15.00% to 85.00% (Wilson)"
    assert lines[2] == (
        "The network was trained on 1 of these faces; de-duplicated, without them: 33.33% of 3 faces, 6.15% to 79.23%"
    )
    assert [line.split() for line in lines[5:10]] == [
        ["cat", "50.0%", "50.0%", "50.0%", "2"],
        ["dog", "50.0%", "100.0%", "66.7%", "1"],
        ["fish", "0.0%", "0.0%", "0.0%", "1"],
        ["macro", "33.3%", "50.0%", "38.9%", "4"],
        ["weighted", "37.5%", "50.0%", "41.7%", "4"],
    ]
    start = next(i for i, line in enumerate(lines) if line.startswith("confusion matrix"))
    matrix = lines[start + 1 : start + 5]
    assert matrix[0].split() == list(PETS)
    assert [line.split()[1:] for line in matrix[1:]] == [["1", "1", "0"], ["0", "1", "0"], ["1", "0", "0"]]
    assert len({len(line) for line in matrix}) == 1  # aligned


def test_report_leaves_out_what_it_does_not_know():
    assert not any(
        "de-duplicated" in line for line in evaluation.report_lines(evaluation.evaluate(PROBS, LABELS, PETS))
    )


@given(any_answers())
def test_first_line_has_one_decimal(case):
    probs, labels = case
    report = evaluation.evaluate(probs, labels, EMOTIONS_8[: probs.shape[1]])
    words, percent = evaluation.report_lines(report)[0].split(": ")
    assert words == "Accuracy on test set"
    assert abs(float(percent.removesuffix("%")) - 100 * report["accuracy"]) <= 0.05 + 1e-9


def test_majority_class_is_that_of_the_training_set():
    assert evaluation.majority_class_accuracy(np.array([2, 2, 1]), np.array([1, 1, 1, 2])) == 0.25


def votes(**given_votes):
    return [given_votes.get(name, 0) for name in VOTE_COLUMNS]


def test_vote_ceiling_by_hand():
    happy, sad, neutral = (EMOTIONS.index(name) for name in ("happy", "sad", "neutral"))
    labels = np.array([happy, sad, neutral, happy])
    table = np.array(
        [
            votes(happy=8, neutral=2),  # the majority agrees with the label; 8 of 10 taggers do
            votes(sad=4, neutral=4, contempt=2),  # a tie of two: half a point; contempt does not count
            votes(happy=10),  # nobody agrees
            votes(nf=10),  # not a face: left out
        ]
    )
    result = evaluation.annotator_agreement(labels, table)
    assert result["n"] == 3
    assert result["majority"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert result["one_tagger"] == pytest.approx((0.8 + 0.5 + 0) / 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: evaluation.evaluate(np.zeros((0, 7)), np.zeros(0, int)), "no faces"),
        (lambda: evaluation.expected_calibration_error(np.zeros((0, 7)), np.zeros(0, int)), "no faces"),
        (lambda: evaluation.fit_temperature(np.zeros((0, 7)), np.zeros(0, int)), "no faces"),
        (lambda: evaluation.wilson(0, 0), "no faces"),
        (lambda: evaluation.annotator_agreement(np.zeros(2, int), np.zeros((2, 10))), "no faces"),
        (lambda: evaluation.annotator_agreement(np.array([7]), np.ones((1, 10))), "labels run from 7 to 7"),
        (lambda: evaluation.evaluate(PROBS, LABELS + 1, PETS), "labels run from 1 to 3"),
        (lambda: evaluation.evaluate(PROBS, LABELS - 1, PETS), "labels run from -1 to 1"),
        (lambda: evaluation.evaluate(PROBS, LABELS[:3], PETS), "do not fit 3 labels"),
        (lambda: evaluation.evaluate(PROBS[0], LABELS, PETS), "do not fit 4 labels"),
        (lambda: evaluation.evaluate(PROBS * np.nan, LABELS, PETS), "not finite"),
        (lambda: evaluation.evaluate(PROBS, LABELS, EMOTIONS), "3 probabilities"),
    ],
)
def test_what_does_not_fit_is_one_sentence(call, words):
    with pytest.raises(DataError, match=words):
        call()


def test_unsure_below_is_where_answers_become_right_more_often_than_not():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 4000)
    probs = np.stack([confidence, 1 - confidence], 1)
    probs = np.where(probs.max(1, keepdims=True) == probs[:, :1], probs, probs[:, ::-1])
    labels = (rng.random(4000) > (probs[:, 0] - 0.2)).astype(int)  # right in confidence - 0.2 of the cases
    assert evaluation.fit_confidence_threshold(probs, labels) == pytest.approx(0.7, abs=0.05)
    assert evaluation.fit_confidence_threshold(probs, np.ones(4000, int)) == 1.0
    assert evaluation.fit_confidence_threshold(probs, np.zeros(4000, int)) == 0.0
