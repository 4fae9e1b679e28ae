"""Profiles, paths, names of emotions, and the baseline that everything must beat."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fernb
from fernb import config, labels, runtime
from fernb.errors import DataError, FernbError
from fernb.networks import baseline


def test_profiles_come_from_the_environment(monkeypatch):
    assert config.profile().name == "lesson"
    monkeypatch.setenv("FERNB_PROFILE", "smoke")
    assert config.profile().source == "synthetic"
    monkeypatch.setenv("FERNB_PROFILE", "fast")
    with pytest.raises(FernbError, match="smoke, lesson, full"):
        config.profile()


def test_setup_seeds_and_says_what_runs(monkeypatch, capsys):
    monkeypatch.setenv("FERNB_PROFILE", "smoke")
    drawn = [(runtime.setup(tf=tf).name, np.random.random()) for tf in (False, True)]
    assert drawn[0] == drawn[1]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all("profile smoke" in line and "seed 2013" in line for line in lines)


def test_paths_come_from_the_environment(monkeypatch, tmp_path):
    assert config.data_source() is None and config.models_folder() == config.WORKSPACE / "models"
    monkeypatch.setenv("FERNB_DATA", str(tmp_path))
    monkeypatch.setenv("FERNB_MODELS", str(tmp_path))
    assert config.data_source() == config.models_folder() == tmp_path


def test_unknown_names_of_the_package_are_errors():
    assert "load_faces" in dir(fernb) and set(fernb.__all__) <= set(dir(fernb))
    with pytest.raises(AttributeError, match="smile"):
        _ = fernb.smile


@pytest.mark.parametrize("order", [labels.FER2013_ORDER, labels.FERPLUS_COLUMNS, labels.EMOTIONS_8])
def test_orders_are_remapped_by_name(order):
    numbers = labels.remap(order, labels.VOTE_COLUMNS)
    assert [labels.VOTE_COLUMNS[i] for i in numbers] == [labels.emotion_name(word) for word in order]


@given(st.text(max_size=12))
def test_an_emotion_is_known_or_one_sentence(word):
    try:
        assert labels.emotion_name(word) in labels.VOTE_COLUMNS
    except DataError as error:
        assert "known are angry" in str(error)


def test_every_emotion_has_a_colour():
    assert set(labels.EMOTIONS_8) < set(labels.COLOURS) and len(set(labels.COLOURS.values())) == len(labels.COLOURS)


def test_the_baseline_beats_chance_on_drawn_faces():
    splits = fernb.load_faces("synthetic-easy")
    model = baseline.logistic_regression(1e-3, 100)
    model.fit(baseline.flatten(splits.train.images[:500]), splits.train.labels[:500])
    rows = baseline.flatten(splits.test.images)
    assert rows.dtype == np.float32 and rows.min() >= 0 and rows.max() <= 1
    assert model.score(rows, splits.test.labels) > 0.35
    assert baseline.weight_images(model, 48).shape == (7, 48, 48)
