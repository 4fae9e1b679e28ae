"""Attacks, the hack of a photograph, defences, and the widget."""

import json
import shutil
import tracemalloc
from dataclasses import replace

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from PIL import Image

from fernb import EMOTIONS, config
from fernb.app.cli import main
from fernb.attacks import adversarial, defences
from fernb.attacks import photograph as hack
from fernb.attacks.adversarial import TargetModel, ddn, fgsm, logit_margin, measures, pgd, ssim, without_softmax
from fernb.data.synthetic import draw_faces
from fernb.errors import FernbError, ModelError
from fernb.recognition import recognise_faces
from fernb.vision.crop import crop_face, crop_matrices
from fernb.vision.detection import Detection, find_faces
from fernb.vision.images import read_image, write_image

SAD, HAPPY = EMOTIONS.index("sad"), EMOTIONS.index("happy")
EILEEN = config.SAMPLES / "eileen_collins.jpg"


def small_network(last: str = "dense") -> keras.Model:
    """A smooth little network, so that finite differences mean something."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((48, 48, 1))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(6, 5, 4, activation="tanh")(x)
    x = layers.Flatten()(x)
    if last == "dense":
        return keras.Model(inputs, layers.Dense(7, activation="softmax")(x))
    x = layers.Dense(7)(x)
    return keras.Model(inputs, layers.Softmax()(x) if last == "layer" else layers.Activation("softmax")(x))


@pytest.fixture(scope="module")
def model():
    return small_network()


@pytest.fixture(scope="module")
def target_model(model):
    return TargetModel(model)


@pytest.fixture(scope="module")
def faces():
    return draw_faces(8, seed=5).images


@pytest.fixture(scope="module")
def photograph():
    return read_image(EILEEN)


@pytest.fixture(scope="module")
def hacker():
    """The committed network; no test depends on its numbers."""
    return hack.Hacker()


# --- gradients ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["dense", "layer", "activation"])
def test_the_logits_are_those_of_the_softmax(last, faces):
    model = small_network(last)
    logits = TargetModel(model).logits(faces)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(probs, model.predict(faces[..., None].astype(np.float32), verbose=0), atol=1e-5)


def test_a_model_without_a_softmax_is_refused():
    inputs = keras.Input((48, 48, 1))
    with pytest.raises(ModelError, match="softmax"):
        without_softmax(keras.Model(inputs, layers.Dense(7)(layers.Flatten()(inputs))))


def test_gradients_are_the_finite_differences(target_model, faces):
    start, targets, rng = faces[:3].astype(np.float32), np.array([0, SAD, 6]), np.random.default_rng(1)
    _, _, gradient = target_model.loss_gradient(start, targets)
    for _ in range(5):
        way = rng.normal(size=start.shape).astype(np.float32)
        ahead, behind = (target_model.loss_gradient(start + step * way, targets)[1] for step in (0.5, -0.5))
        np.testing.assert_allclose((gradient * way).sum((1, 2)), ahead - behind, rtol=0.02, atol=2e-3)


def test_margin_and_odds_say_what_they_promise(target_model, faces):
    targets = np.arange(len(faces)) % 7
    margin, odds, _ = target_model.loss_gradient(faces, targets)
    logits = target_model.logits(faces)
    np.testing.assert_allclose(margin, logit_margin(logits, targets), atol=1e-4)
    p = np.exp(logits)[np.arange(len(faces)), targets] / np.exp(logits).sum(1)
    np.testing.assert_allclose(odds, np.log(p / (1 - p)), atol=1e-3)
    assert ((margin > 0) == (logits.argmax(1) == targets)).all()


@pytest.mark.parametrize(
    "box", [(60, 40, 95, 95), (60, 40, 96, 120), (-20, -10, 70, 70), (10, 10, 48, 48), (5, 5, 31, 31)]
)
def test_the_way_back_through_crop_and_shrink_is_its_adjoint(box):
    """Also where the box leaves the image, is not square, or is smaller than 48 pixels."""
    rng = np.random.default_rng(4)
    rgb = rng.integers(40, 200, (200, 220, 3), dtype=np.uint8)
    grey, detection = rgb[..., 1], Detection(*box, 1.0)
    rows, columns = crop_matrices(detection, rgb.shape)
    face = crop_face(grey, detection)
    np.testing.assert_allclose(rows @ grey @ columns.T, face, atol=1.01)  # crop_face rounds, resizing twice at most
    gradient, change = rng.normal(size=(48, 48)), rng.normal(size=grey.shape)
    there, back = rows @ change @ columns.T, rows.T @ gradient @ columns
    assert (gradient * there).sum() == pytest.approx((back * change).sum(), rel=1e-4)


def test_the_region_gives_the_same_face_as_the_picture(target_model, photograph):
    for box in ((177, 66, 95, 95), (0, 0, 60, 80), (470, 460, 90, 90), (-30, 100, 80, 80)):
        detection = Detection(*box, 1.0)
        photo = hack.Photograph(target_model, photograph, boxes=[detection], target=SAD)
        part = photo._plus(np.zeros(photo.low[0].shape))
        np.testing.assert_array_equal(crop_face(part, photo.boxes[0]), crop_face(photograph, detection))


# --- attacks -----------------------------------------------------------------------------------------


@given(st.integers(0, 2**31), st.integers(0, 20), st.sampled_from([fgsm, pgd]))
@settings(max_examples=12)
def test_attacks_stay_in_their_ball_and_on_the_grid(target_model, seed, eps, attack):
    rng = np.random.default_rng(seed)
    faces = rng.choice([0, 1, 128, 254, 255], (3, 48, 48)).astype(np.uint8)
    targets = rng.integers(0, 7, 3)
    hacked = attack(target_model, faces, targets=targets, eps=eps)
    assert hacked.dtype == np.uint8 and hacked.shape == faces.shape
    assert np.abs(hacked.astype(int) - faces).max() <= eps
    before, after = (target_model.loss_gradient(pictures, targets)[1] for pictures in (faces, hacked))
    assert (after >= before - 1e-3).all()


@given(st.integers(0, 2**31))
@settings(max_examples=5)
def test_the_least_change_reaches_its_target_or_is_none(target_model, seed):
    rng = np.random.default_rng(seed)
    faces, targets = rng.integers(0, 256, (3, 48, 48)).astype(np.uint8), rng.integers(0, 7, 3)
    hacked = ddn(target_model, faces, targets=targets, steps=20)
    assert hacked.dtype == np.uint8
    there = logit_margin(target_model.logits(hacked), targets) > 0
    assert all(there[i] or (hacked[i] == faces[i]).all() for i in range(3))


def test_the_least_change_is_smaller_than_the_signs(target_model, faces):
    logits = target_model.logits(faces)
    targets = logits.argsort(1)[:, -2]
    least = ddn(target_model, faces, targets=targets)
    assert (logit_margin(target_model.logits(least), targets) > 0).all()
    for eps in range(1, 40):
        signed = pgd(target_model, faces, targets=targets, eps=eps, until=0.02)
        reached = logit_margin(target_model.logits(signed), targets) > 0
        for i in np.flatnonzero(reached):
            assert measures(faces[i], least[i])["l2"] <= measures(faces[i], signed[i])["l2"] + 1e-9
        if reached.all():
            break


def test_more_room_and_more_steps_are_no_worse(target_model, faces):
    odds = [
        target_model.loss_gradient(pgd(target_model, faces, targets=SAD, eps=eps), np.full(len(faces), SAD))[1]
        for eps in (1, 2, 4)
    ]
    once = target_model.loss_gradient(fgsm(target_model, faces, targets=SAD, eps=4), np.full(len(faces), SAD))[1]
    assert (odds[0] <= odds[1] + 1e-3).all() and (odds[1] <= odds[2] + 1e-3).all()
    assert odds[2].mean() >= once.mean()


def test_no_faces_are_no_trouble(target_model):
    none = np.empty((0, 48, 48), np.uint8)
    assert pgd(target_model, none, targets=SAD, eps=4).shape == ddn(target_model, none, targets=SAD).shape == none.shape


@pytest.mark.parametrize("eps", [-1, 256, 1.5])
def test_a_bound_must_be_whole_levels(target_model, faces, eps):
    with pytest.raises(FernbError, match="whole number of grey levels"):
        pgd(target_model, faces, targets=SAD, eps=eps)


def test_floats_are_refused_for_their_scale_would_be_a_guess(target_model, faces):
    with pytest.raises(ValueError, match="uint8"):
        pgd(target_model, faces / 255, targets=SAD, eps=4)


def test_one_change_for_all_faces_stays_in_its_ball(target_model, faces):
    change = adversarial.universal(target_model, faces, target=SAD, eps=6, steps=10)
    assert change.dtype == np.int16 and np.abs(change).max() <= 6
    hacked = adversarial.add(faces, change)
    before, after = (target_model.loss_gradient(f, np.full(len(faces), SAD))[1].mean() for f in (faces, hacked))
    assert hacked.dtype == np.uint8 and after > before


def test_a_patch_covers_its_place_only(target_model, faces):
    patch = adversarial.adversarial_patch(target_model, faces, target=SAD, side=10, steps=10)
    assert patch.shape == (10, 10) and patch.dtype == np.uint8
    patched = adversarial.apply_patch(faces, patch, places=np.tile([38, 3], (len(faces), 1)))
    assert (patched[:, 3:13, 38:] == patch).all()
    patched[:, 3:13, 38:] = faces[:, 3:13, 38:]
    np.testing.assert_array_equal(patched, faces)
    places = adversarial.random_places(500, 10, rng=np.random.default_rng(0))
    assert places.min() == 0 and places.max() == 38


# --- measures ----------------------------------------------------------------------------------------


def test_measures_of_a_case_worked_by_hand():
    before = np.full((20, 30), 100, np.uint8)
    after = before.copy()
    after[0, 0], after[5, 5] = 103, 96
    far = measures(before, after)
    assert (far["linf"], far["pixels_changed"]) == (4, 2)
    assert far["l2"] == pytest.approx(5 / 255)
    assert far["share_changed"] == pytest.approx(2 / 600)
    assert far["psnr"] == pytest.approx(10 * np.log10(255**2 / (25 / 600)))
    assert measures(before, before)["psnr"] == np.inf
    colour = np.stack([before] * 3, -1)
    other = colour.copy()
    other[3, 4] += np.array([1, 2, 0], np.uint8)
    assert measures(colour, other)["pixels_changed"] == 1


def test_ssim_is_one_for_equal_and_known_for_flat_pictures(faces):
    assert ssim(faces[0], faces[0]) == pytest.approx(1)
    a, b, c1 = 100, 150, (0.01 * 255) ** 2
    flat = [np.full((20, 20), value, np.uint8) for value in (a, b)]
    assert ssim(*flat) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-4)
    assert ssim(faces[0], faces[1]) < ssim(faces[0], adversarial.add(faces[0], np.ones((48, 48)))) < 1


def test_ssim_agrees_with_scikit_image(faces):
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    theirs = metrics.structural_similarity(
        faces[0], faces[1], gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(faces[0], faces[1]) == pytest.approx(theirs, abs=1e-4)


def test_a_tall_image_is_measured_in_strips_and_little_memory(faces):
    import tensorflow as tf

    rng = np.random.default_rng(7)
    before = rng.integers(0, 256, (1000, 800, 3), np.uint8)
    after = before.copy()
    after[500:560, 100:180] = rng.integers(0, 256, (60, 80, 3), np.uint8)
    ssim(before[:20], after[:20])  # TensorFlow's own start-up is not what is measured
    tracemalloc.start()
    far = measures(before, after)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * before.nbytes  # 160 times with float64 copies of the whole: 13.5 GB for 48 megapixels
    assert far["ssim"] == pytest.approx(float(tf.image.ssim(before, after, max_val=255)), abs=1e-4)
    assert far["l2"] == pytest.approx(np.linalg.norm((after - before.astype(float)).ravel() / 255))


# --- photographs -------------------------------------------------------------------------------------


def run(*words):
    return CliRunner().invoke(main, ["hack", *map(str, words)])


def test_the_command_makes_the_files_and_their_numbers_hold(tmp_path, photograph):
    done = run(EILEEN, "--to", "sad", "--eps", 8, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hack.json", "hacked_image.png", "input_image.png"]
    before, after = (read_image(tmp_path / name) for name in ("input_image.png", "hacked_image.png"))
    np.testing.assert_array_equal(before, photograph)
    report = json.loads((tmp_path / "hack.json").read_text())
    assert report["before"]["emotion"] != "sad" and report["after"]["emotion"] == "sad"
    assert 1 <= report["photograph"]["linf"] <= 8
    assert report["photograph"] == measures(before, after)
    assert report["detectors"]["haar"] == {"before": report["before"], "after": report["after"]}
    change = after.astype(int) - before
    assert (change == change[..., :1]).all()  # the three channels alike
    answer = CliRunner().invoke(main, ["predict", str(tmp_path / "hacked_image.png"), "--json"])
    again = json.loads(answer.stdout)[0]
    assert again["emotion"] == "sad"
    assert again["probabilities"]["sad"] == pytest.approx(report["after"]["probabilities"]["sad"], abs=1e-3)


def test_without_a_bound_the_smallest_is_taken(hacker, photograph):
    hacked, before, after = hacker.hack(photograph, "neutral", steps=8)
    eps = measures(photograph, hacked)["linf"]
    assert after.emotion == "neutral" != before.emotion
    assert after.probabilities[EMOTIONS.index("neutral")] >= hack.SURE
    if eps > 1:
        smaller = hacker._within(photograph, {"haar": before}, target=EMOTIONS.index("neutral"), eps=eps - 1, steps=8)
        assert smaller is None or smaller[2] < hack.SURE


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((config.SAMPLES / "flower.jpg", "--to", "sad"), "there is no face in the image"),
        ((EILEEN, "--to", "happiness"), "the network already calls this face happy"),
        ((EILEEN, "--to", "sad", "--eps", 0), "eps is 0"),
        ((EILEEN, "--to", "sad", "--eps", 300), "eps is 300"),
        ((EILEEN, "--to", "joyful"), "unknown emotion 'joyful'"),
        ((EILEEN, "--to", "contempt"), "does not know contempt"),
        (("nowhere.jpg", "--to", "sad"), "nowhere.jpg"),
        ((config.SAMPLES / "emotions.csv", "--to", "sad"), "emotions.csv"),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_no_files(words, sentence, tmp_path):
    done = run(*words, "--out", tmp_path / "out")
    assert done.exit_code == 1 and sentence in done.output and "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_a_bound_that_is_too_narrow_is_said(hacker, photograph, monkeypatch):
    monkeypatch.setattr(hack, "projected_gradient_ascent", lambda loss_gradient, low, **_: np.zeros_like(low))
    with pytest.raises(FernbError, match=r"2/255 is not enough \(sad is at \d+%\)"):
        hacker.hack(photograph, "sad", eps=2)


def test_a_hack_holds_through_every_detector(photograph, monkeypatch):
    """Where a second detector crops the same face more tightly, and sees somebody else in the corner too."""
    (face,) = find_faces(photograph, "haar")
    tight = replace(face, x=face.x + 9, y=face.y + 5, w=face.w - 16, h=face.h - 16)
    corner = Detection(0, 0, 150, 150, 1.0)
    monkeypatch.setattr(hack, "find_faces", lambda rgb, name: [face] if name == "haar" else [corner, tight])
    both = hack.Hacker(detectors=("haar", "yunet"))
    hacked, before, after = both.hack(photograph, "sad", eps=6, steps=12)
    seen = both.look(hacked, face)
    assert before.detection is after.detection is face and seen["yunet"].detection is tight
    assert [one.emotion for one in seen.values()] == ["sad", "sad"]


def test_the_committed_hack_holds_through_both_detectors(hacker):
    """Where this fails after the network was replaced: FERNB_MODELS=FOLDER python benchmarks/hack_picture.py."""
    folder = config.RESULTS / "hack_cnn"
    told = json.loads((folder / "hack.json").read_text())
    assert set(told["detectors"]) == {"haar", "yunet"}
    for when, name, emotion in (("before", "input", "happy"), ("after", "hacked", "sad")):
        rgb = read_image(folder / f"{name}_image.png")
        boxes = [Detection(*answers[when]["box"], 1.0) for answers in told["detectors"].values()]
        boxes += [hacker.look(rgb)["haar"].detection]  # found here and now; YuNet's file may not be here
        assert [face.emotion for face in recognise_faces(rgb, boxes, hacker.recogniser)] == [emotion] * 3


def test_the_command_hacks_another_network(tmp_path):
    done = run(EILEEN, "--to", "sad", "--eps", 12, "--model", config.MODEL / "student.keras", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "hack.json").read_text())["network"] == "student.tflite"


def test_a_network_without_its_keras_file_has_no_gradients(tmp_path, photograph):
    for name in ("student.tflite", "student.json"):
        shutil.copy(config.MODEL / name, tmp_path)
    with pytest.raises(ModelError, match=r"put student\.keras beside student\.tflite"):
        hack.Hacker(tmp_path / "student.tflite").hack(photograph, "sad")


def test_a_face_that_the_finder_loses_is_no_success(hacker, photograph, monkeypatch):
    def find(rgb, detector):
        return find_faces(rgb, detector) if (rgb == photograph).all() else []

    monkeypatch.setattr(hack, "find_faces", find)
    with pytest.raises(FernbError, match="no longer found"):
        hacker.hack(photograph, "sad", eps=4, steps=2)


def test_where_the_box_moves_the_attack_minds_both(target_model, photograph):
    boxes = [Detection(177, 66, 95, 95, 1.0), Detection(175, 64, 98, 98, 1.0)]
    photo = hack.Photograph(target_model, photograph, boxes=boxes, target=SAD)
    zero = np.zeros(photo.low.shape, np.float32)
    _, before, gradient = photo.loss_gradient(zero, np.array([0]))
    change = adversarial.projected_gradient_ascent(photo.loss_gradient, low=photo.low, high=photo.high, eps=3, steps=5)
    assert gradient.shape == photo.low.shape and np.abs(change).max() <= 3
    assert photo.loss_gradient(change, np.array([0]))[1] > before
    outside = photo.changed(change).astype(int) - photograph
    outside[photo.region] = 0
    assert not outside.any()


# --- the other side ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda f: defences.jpeg(f, 75),
        lambda f: defences.resized(f, 0.5),
        lambda f: defences.resized(f, 2),
        defences.photographed,
        defences.feature_squeezing,
    ],
)
def test_what_happens_to_pictures_keeps_them_pictures(change, faces):
    after = change(faces)
    assert after.shape == faces.shape and after.dtype == np.uint8
    assert 0 < np.abs(after.astype(int) - faces).mean() < 25


def test_smoothing_gives_probabilities_and_the_squeezing_score_is_zero_for_flat_faces(model, faces):
    def predict(pictures):
        return model.predict(pictures[..., None].astype(np.float32), verbose=0)

    np.testing.assert_allclose(defences.randomised_smoothing(predict, faces, samples=3).sum(1), 1, atol=1e-5)
    assert defences.squeezing_score(predict, np.full((2, 48, 48), 90, np.uint8)).max() == 0
    assert (defences.squeezing_score(predict, faces) > 0).all()


def test_adversarial_training_lowers_the_loss_under_attack():
    data, lines = draw_faces(96, seed=8), []
    defences.adversarial_training(
        small_network(), data.images, labels=data.labels, eps=2, epochs=3, learning_rate=0.02, log=lines.append
    )
    losses = [float(line.split()[-1]) for line in lines]
    assert len(losses) == 3 and losses[-1] < losses[0]


def test_the_explorer_shows_what_it_computes(faces):
    pytest.importorskip("ipywidgets")
    from fernb.widgets.attack import HackExplorer, bars

    hacker = hack.Hacker()
    explorer = HackExplorer(faces, hacker)
    explorer.eps.value = 0
    np.testing.assert_array_equal(explorer.hacked, faces[0])
    explorer.eps.value, explorer.target.value, explorer.face.value = 8, "fear", 2
    assert 0 < np.abs(explorer.hacked.astype(int) - faces[2]).max() <= 8
    np.testing.assert_allclose(explorer.probs, hacker.recogniser.predict(explorer.hacked[None])[0], atol=1e-4)
    assert "8/255" in explorer.summary.value
    assert all(bytes(image.value).startswith(b"\x89PNG") for image in explorer.images)
    assert "font-weight:bold" in bars(explorer.probs, hacker.recogniser.labels)


def test_a_grey_picture_can_be_hacked_too(tmp_path, photograph, hacker):
    grey = photograph[..., 1]
    write_image(tmp_path / "grey.png", grey)
    rgb = read_image(tmp_path / "grey.png")
    before = hacker.look(rgb)["haar"]
    target = "sad" if before.emotion != "sad" else "happy"
    hacked, _, after = hacker.hack(rgb, target, eps=12, steps=10)
    assert after.emotion == target
    assert (hacked == hacked[..., :1]).all()


def test_a_picture_with_transparency_can_be_hacked_and_comes_back_opaque(tmp_path, photograph, monkeypatch):
    monkeypatch.setattr(
        hack, "projected_gradient_ascent", lambda *a, **k: adversarial.projected_gradient_ascent(*a, **k | {"steps": 8})
    )
    opaque = np.full((*photograph.shape[:2], 1), 255, np.uint8)
    Image.fromarray(np.concatenate([photograph, opaque], 2)).save(tmp_path / "rgba.png")
    done = run(tmp_path / "rgba.png", "--to", "surprise", "--eps", 12, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "input_image.png"), photograph)


def test_a_stop_half_way_leaves_what_was_there(tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    (tmp_path / "hack.json").write_text("{}")
    monkeypatch.setattr(hack, "projected_gradient_ascent", stopped)
    done = run(EILEEN, "--to", "sad", "--out", tmp_path)
    assert done.exit_code != 0 and "Traceback" not in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["hack.json"]
    assert (tmp_path / "hack.json").read_text() == "{}"
