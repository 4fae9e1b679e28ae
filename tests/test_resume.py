"""A run that is killed, wherever, and goes on equals the unbroken one to the last digit."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fernb import training
from fernb.data.faceset import FaceSet, make_splits
from fernb.errors import FernbError
from fernb.networks.architectures import NetworkConfig
from fernb.training import checkpoint, loop

RECIPE = training.Recipe(
    "small, with everything that must come back",
    network=NetworkConfig("early_pooling", (4, 8), dropout=0.3),
    votes_head=0.5,
    alternate_flips=True,
    late_bad_camera=0.5,
    mixup=0.2,
    ema=0.9,
    epochs=4,
    batch_size=16,
    schedule="trapezoid",
    warmup=1,
    sides=((0, 24), (1, 32)),
)
PLATEAU = replace(RECIPE, sides=(), ema=0, schedule="plateau", learning_rate=0.5)


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def splits():
    rng = np.random.default_rng(5)
    labels, images = np.arange(100) % 3, rng.integers(0, 256, (100, 48, 48), dtype=np.uint8)
    faces = FaceSet(images, labels, rng.integers(0, 3, (100, 10)).astype(np.uint8))
    return make_splits(*(faces.take(np.arange(*ends)) for ends in ((0, 60), (60, 80), (80, 100))), "noise")


@pytest.fixture(scope="module", params=[RECIPE, PLATEAU], ids=["trapezoid", "plateau"])
def unbroken(request, splits, tmp_path_factory):
    run = tmp_path_factory.mktemp("unbroken")
    return request.param, run, *training.train(splits, request.param, run=run, progress=lambda line: None)


def the_same(splits, run, unbroken) -> None:
    recipe, whole, model, history = unbroken
    again, resumed = training.train(splits, recipe, run=run, resume=True, progress=lambda line: None)
    assert resumed == history
    assert (run / "history.csv").read_text() == (whole / "history.csv").read_text()
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_killed_after_an_epoch(splits, tmp_path, unbroken, epochs):
    def die(line: str) -> None:
        if line.startswith(f"epoch {epochs:3d}"):
            raise Killed

    with pytest.raises(Killed):
        training.train(splits, unbroken[0], run=tmp_path, progress=die)
    assert checkpoint.load_state(tmp_path / "state.npz").epoch == epochs
    the_same(splits, tmp_path, unbroken)


@pytest.mark.parametrize("moment", ["writing", "copying", "renaming"])
def test_killed_while_the_state_is_saved(splits, tmp_path, unbroken, moment, monkeypatch):
    def die(*_args, **_kwargs):
        raise Killed

    def start_to_die(line: str) -> None:
        if line.startswith("epoch   2"):
            where = {
                "writing": (checkpoint.np, "savez"),
                "copying": (checkpoint.shutil, "copyfile"),
                "renaming": (checkpoint.files.os, "replace"),
            }
            monkeypatch.setattr(*where[moment], die)

    with pytest.raises(Killed):
        training.train(splits, unbroken[0], run=tmp_path, progress=start_to_die)
    monkeypatch.undo()
    assert checkpoint.load_state(tmp_path / "state.npz").epoch == 2
    the_same(splits, tmp_path, unbroken)


def test_a_broken_state_costs_one_epoch(splits, tmp_path, unbroken):
    with pytest.raises(Killed):
        training.train(splits, unbroken[0], run=tmp_path, progress=raise_at("epoch   3"))
    state = tmp_path / "state.npz"
    state.write_bytes(state.read_bytes()[:5000])  # as a full disk or a lost power line leaves it
    assert checkpoint.load_state(state).epoch == 2
    the_same(splits, tmp_path, unbroken)
    for path in (state, checkpoint.previous(state)):
        path.write_bytes(b"nothing")
    with pytest.raises(FernbError, match="train anew"):
        checkpoint.load_state(state)


def raise_at(beginning: str):
    def die(line: str) -> None:
        if line.startswith(beginning):
            raise Killed

    return die


def test_the_stable_phase_goes_on_for_longer(splits, tmp_path):
    """A network decayed early must cost a longer run nothing."""
    short, long = replace(RECIPE, epochs=4), replace(RECIPE, epochs=8)
    training.train(splits, short, run=tmp_path / "short", progress=lambda line: None)
    _, history = training.train(splits, long, run=tmp_path / "long", progress=lambda line: None)
    (tmp_path / "longer").mkdir()
    (tmp_path / "short" / "stable.npz").rename(tmp_path / "longer" / "state.npz")
    _, resumed = training.train(splits, long, run=tmp_path / "longer", resume=True, progress=lambda line: None)
    assert resumed == history


def test_another_recipe_cannot_go_on(splits, tmp_path):
    training.train(splits, replace(PLATEAU, epochs=1), run=tmp_path, progress=lambda line: None)
    with pytest.raises(FernbError, match="batch_size"):
        training.train(splits, replace(PLATEAU, epochs=2, batch_size=8), run=tmp_path, resume=True)
    with pytest.raises(FernbError, match="seed"):
        training.train(splits, replace(PLATEAU, epochs=2), run=tmp_path, seed=1, resume=True)


def test_a_state_is_never_unpickled(tmp_path):
    path = tmp_path / "state.npz"
    np.savez(path, facts=np.array(json.dumps({"history": {}, "run": {}})), **{"variables/0": np.array([{}])})
    with pytest.raises(FernbError, match="cannot be read"):
        checkpoint.load_state(path)


def test_patience_and_plateaus_follow_from_the_history():
    accuracy = {"val_accuracy": [0.1, 0.5, 0.4, 0.4]}
    assert loop.out_of_patience(accuracy, 2) and not loop.out_of_patience(accuracy, 3)
    assert not loop.out_of_patience({}, 1)
    assert loop.plateau_factor({"val_loss": [1.0, 0.9, 0.9, 0.9]}) == 1
    assert loop.plateau_factor({"val_loss": [1.0, 0.9, 0.9, 0.9, 0.9]}) == pytest.approx(1 / 3)
    assert loop.plateau_factor({"val_loss": [1.0] * 7}) == pytest.approx(1 / 9)
