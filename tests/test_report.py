"""The report on a folder of networks: its figures are those of the files, and nothing is missing."""

import json
import shutil

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import fernb
from fernb.app import report
from fernb.app.cli import main
from fernb.app.report import figures, texts
from fernb.app.report.ablation import ablation_interval
from fernb.app.report.metrics import mcnemar
from fernb.data import synthetic
from fernb.data.faceset import FaceSet, make_splits
from fernb.data.ferplus import ferplus_splits
from fernb.data.loading import save_cache
from fernb.errors import DataError
from fernb.labels import EMOTIONS, EMOTIONS_8
from fernb.networks.architectures import build_vgg
from fernb.networks.sidecar import named_in_command, read_sidecar, write_sidecar
from fernb.networks.storage import save_model

HISTORY = {"loss": [2, 1.0], "val_loss": [2, 1.5], "accuracy": [0.2, 0.5], "val_accuracy": [0.2, 0.4]}


@pytest.fixture(scope="module")
def splits():
    rng = np.random.default_rng(3)
    parts = [synthetic.draw_faces(n, seed) for n, seed in ((70, 1), (35, 2), (35, 3))]
    votes = [rng.multinomial(10, [0.1] * 10, len(part)).astype(np.uint8) for part in parts]
    return make_splits(*(FaceSet(p.images, p.labels, v) for p, v in zip(parts, votes, strict=True)), source="drawn")


@pytest.fixture(scope="module")
def folder(splits, tmp_path_factory):
    """Untrained networks, two of seven emotions and one of eight, as ``fernb train`` saves them."""
    folder = tmp_path_factory.mktemp("networks")
    for name, labels in ((report.MAIN, EMOTIONS), ("ferplus", EMOTIONS_8), ("student", EMOTIONS)):
        keras.utils.set_random_seed(len(name))
        recipe = {"about": "A tiny one.", "ferplus": None}  # as of a second head
        made = {"command": "fernb train", "seed": 7, "epochs_run": 2, "hardware": "a test"}
        sidecar = {"labels": labels, "recipe": recipe, "made": made, "protocol": "none", "history": HISTORY}
        sidecar["temperature"] = 0.5
        examples = splits.train.images if name == report.MAIN else None  # the 8-bit copy takes longest
        save_model(build_vgg(len(labels), (8, 8)), folder / f"{name}.keras", sidecar=sidecar, examples=examples)
    made |= {"backbone": "MobileNet"}
    report_of_one = {"n": 9, "accuracy": 0.123, "per_class": dict.fromkeys(EMOTIONS)}
    sidecar |= {"labels": EMOTIONS, "metrics": dict.fromkeys(("val", "test", "test_flip"), report_of_one)}
    save_model(build_vgg(7, (8, 8)), folder / "transferred.keras", sidecar=sidecar | {"made": made})
    (folder / report.TEACHERS).mkdir()
    (folder / report.TEACHERS / "large.json").write_text(json.dumps(sidecar | {"parameters": 5_000_000}))
    report_of_one |= {"per_class": dict.fromkeys(EMOTIONS_8)}
    twin = {
        "labels": EMOTIONS_8,
        "parameters": 1,
        "metrics": dict.fromkeys(("val", "test", "test_flip"), report_of_one),
    }
    shutil.copy(folder / "ferplus.tflite", folder / report.TEACHERS / "twin_int8.tflite")
    write_sidecar(folder / report.TEACHERS / "twin.keras", sidecar | twin)
    (folder / f"{report.MAIN}_decisions.txt").write_text("We tried a smaller one: {student[parameters]}.\n")
    (folder / "ablation.csv").write_text("change,seed,val_accuracy\nstart,1,0.6\nstart,2,0.62\nmore,1,0.63\n")
    return folder


@pytest.fixture(scope="module")
def written(folder, splits, tmp_path_factory):
    cache = tmp_path_factory.mktemp("data") / "faces.npz"
    save_cache(splits, cache)
    return CliRunner().invoke(main, ["predict", "--data", str(cache), "--report", str(folder)])


def test_metrics_are_those_of_the_committed_files(written, folder, splits):
    assert written.exit_code == 0, written.output
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics["networks"]) == {report.MAIN, "ferplus", "student"}
    network = metrics["networks"][report.MAIN]
    right = fernb.Recogniser(folder / f"{report.MAIN}.tflite").predict(splits.test.images).argmax(1)
    assert network["test"]["accuracy"] == (right == splits.test.labels).mean()
    small = fernb.Recogniser(folder / f"{report.MAIN}_int8.tflite").predict(splits.test.images).argmax(1)
    assert network["int8"]["accuracy"] == (small == splits.test.labels).mean()
    assert set(metrics["networks"]["ferplus"]["test"]["per_class"]) == set(EMOTIONS_8)
    assert network["test"]["ece_before"] != network["test"]["ece"]
    clear = ferplus_splits(splits, "majority").test
    chosen = fernb.Recogniser(folder / "ferplus.tflite").predict(clear.images, flip=True).argmax(1)
    assert metrics["networks"]["ferplus"]["majority_flip"]["accuracy"] == (chosen == clear.labels).mean()
    assert metrics["ensemble_votes"]["members"] == ["ferplus", "twin_int8"]
    assert metrics["ensemble_votes"]["majority_flip"]["accuracy"] == (chosen == clear.labels).mean()  # of two alike
    assert metrics["teachers"]["twin_int8"]["majority_flip"] == metrics["networks"]["ferplus"]["majority_flip"]
    assert metrics["paired_votes"]["default"] == "ferplus"
    assert metrics["paired_votes"]["networks"]["twin_int8"] == {"only_this": 0, "only_default": 0, "p": 1}
    assert metrics["teachers"]["twin_int8"]["val"] == metrics["networks"]["ferplus"]["val"]
    assert set(metrics["networks"]["ferplus"]["seven"]["per_class"]) == set(EMOTIONS)
    sure = network["test"]["unsure"], network["test"]["accuracy_sure"]
    assert (sure == (1, 0)) == (network["unsure_below"] == 1) and 0 <= min(sure) <= max(sure) <= 1
    both = [
        fernb.Recogniser(folder / f"{n}.tflite").predict(splits.test.images, True) for n in (report.MAIN, "student")
    ]
    assert metrics["ensemble"]["members"] == [report.MAIN, "student"]
    paired = metrics["paired"]["networks"]["student"]
    student = fernb.Recogniser(folder / "student.tflite").predict(splits.test.images).argmax(1) == splits.test.labels
    default = right == splits.test.labels
    assert (paired["only_this"], paired["only_default"]) == ((student & ~default).sum(), (default & ~student).sum())
    assert 0 < paired["p"] <= 1
    assert metrics["ensemble"]["test_flip"]["accuracy"] == (sum(both).argmax(1) == splits.test.labels).mean()
    assert metrics["ensemble"]["paired"]["best_alone"] in (report.MAIN, "student")
    assert metrics["ensemble_votes"]["paired"] == {"best_alone": "ferplus", "only_ensemble": 0, "only_alone": 0, "p": 1}
    assert all(len(values) == 3 for values in network["robustness"].values())
    assert metrics["ladder"]["chance"] == pytest.approx(1 / 7) and metrics["ladder"]["taggers"]["n"] == 35


def test_every_file_is_there_and_told(written, folder):
    pictures = {"learning_curves_all.png", "reliability.png", "robustness.png", "ablation.png"}
    pictures |= {"learning_curves.png", "confusion_matrix.png", "architecture.png"}
    written_texts = {"metrics.json", "model_card.md", "ferplus_architecture.txt", f"{report.MAIN}_architecture.txt"}
    written_texts.add("transferred_architecture.txt")  # judged by `fernb transfer`, described here
    for name in pictures | written_texts:
        assert (folder / name).stat().st_size > 500 and name in written.stdout
    card = (folder / "model_card.md").read_text()
    accuracy = json.loads((folder / "metrics.json").read_text())["networks"][report.MAIN]["test"]["accuracy"]
    assert f"{accuracy:.2%}" in card and "{" not in card and "AI Act" in card
    architecture = (folder / f"{report.MAIN}_architecture.txt").read_text()
    size = json.loads((folder / "metrics.json").read_text())["networks"]["student"]["parameters"]
    assert architecture.startswith("A tiny one.") and f"We tried a smaller one: {size}." in architecture
    assert "Conv2D" in architecture and "multiply-adds" in architecture and "more  " in architecture
    seven, eight = architecture.split("FER2013's seven emotions")[1].split("FER+'s eight emotions")
    assert "5,000,000 parameters  val 12.30%" in seven and "transferred" in seven and "student" in seven
    assert "ferplus" in eight and "ferplus" not in seven


def test_the_learning_curves_tell_what_train_is_measured_against(written, folder):
    network = json.loads((folder / "metrics.json").read_text())["networks"][report.MAIN]
    sidecar = read_sidecar(folder / f"{report.MAIN}.keras")
    alone = figures._figures_of_one(folder, sidecar, network, "drawn")["learning_curves"].get_supxlabel()
    sidecar["made"]["command"] = "fernb train --teacher wide.keras"
    sidecar["recipe"]["teaching"] = 0.8
    drawn = figures._figures_of_one(folder, sidecar, network, "drawn")
    taught = drawn["learning_curves"].get_supxlabel().replace("\n", " ")
    assert "teachers" not in alone and "targets are 80% the teachers' softened answers" in taught
    assert drawn["confusion_matrix"].axes[0].get_title().startswith(f"{report.MAIN} on the test set of drawn\n")


def test_the_card_names_votes_teachers_and_the_corruptions_of_training():
    sidecar = {"made": {"command": "fernb train --teacher a/wide.keras --teacher a/wide_votes.keras"}}
    assert texts._learnt_from(sidecar) == {"taught": " It was distilled from others: wide.", "votes": ""}
    copies = {"made": {"command": "fernb train --teacher 'a b/wide_int8.tflite' --teacher faces_votes_int8.tflite"}}
    assert named_in_command(copies, "teacher") == ["wide", "faces_votes"] and not named_in_command(copies, "start")
    sidecar["data"] = {"votes": "FER+'s ten votes"}
    assert "this network and those that taught it learnt from FER+'s ten votes" in texts._learnt_from(sidecar)["votes"]
    camera, plain = ({"recipe": {"augmentation": {"bad_camera": share}}} for share in (0.1, 0))
    assert figures.trained_under({"net": plain, "old": {"recipe": {}}}) == ""
    assert figures.trained_under({"net": camera}).endswith("less light.")
    assert figures.trained_under({"net": camera, "old": plain}).endswith("the others did not.")


def test_two_networks_are_compared_by_the_faces_on_which_they_differ():
    this, other = np.ones(20, bool), np.ones(20, bool)
    this[:2], other[2:10] = False, False
    assert mcnemar(this, other) == (8, 2, pytest.approx(2 * (1 + 10 + 45) / 2**10))  # two tails of ten coins
    assert mcnemar(this, this) == (0, 0, 1)


def test_how_far_luck_moves_a_row_of_an_ablation():
    rng, seeds, rows = np.random.default_rng(5), 3, 400
    scores = (
        0.5 + 0.1 * rng.normal(size=(rows, 1)) + 0.1 * rng.normal(size=seeds) + 0.01 * rng.normal(size=(rows, seeds))
    )
    table = {str(i): row.tolist() for i, row in enumerate(scores)}
    assert ablation_interval(table) == pytest.approx(
        1.96 * 0.01 * np.sqrt(2 / seeds), rel=0.05
    )  # rows and seeds are no luck
    assert ablation_interval({"start": [0.5, 0.6], "more": [0.6]}) is None
    assert ablation_interval({"start": [0.5], "more": [0.6]}) is None


def test_a_second_head_owns_to_the_history_of_the_first():
    second = {"labels": [*EMOTIONS_8], "recipe": {"votes_head": 1, "ferplus": None}}
    assert figures._run("net", second) == "net: history of its 7-emotion head"
    for labels, recipe in ((EMOTIONS, second["recipe"]), (EMOTIONS_8, {"votes_head": 1, "ferplus": "plurality"})):
        assert figures._run("net", {"labels": [*labels], "recipe": recipe}) == "net"


def test_a_folder_without_networks_is_one_sentence(tmp_path, splits):
    with pytest.raises(DataError, match="no network"):
        report.write_report(tmp_path, splits, "test")
