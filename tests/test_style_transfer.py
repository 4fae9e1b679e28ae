"""Neural style: the mathematics by hand and by finite differences, the settings, and what users do wrong."""

import importlib.util
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from fernb import config
from fernb.app import cli
from fernb.errors import FernbError, ImageError, ModelError
from fernb.networks.architectures import build_resnet, build_vgg, to_standard_layers
from fernb.style import features as style_features
from fernb.style import pictures as styles
from fernb.style import survival
from fernb.style import transfer as style_transfer
from fernb.style.features import load_features
from fernb.style.transfer import transfer_style
from fernb.vision.images import read_image, write_image


def drawn(name, size):
    """The style ``name`` at ``size`` pixels a side."""
    return style_transfer.resize_to_fit(styles.style_image(name), size)


@pytest.fixture(scope="module")
def untrained():
    return load_features("untrained")


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (40, 48, 3), np.uint8), drawn("woodcut", 64)


# --- the mathematics ---------------------------------------------------------------------------------


def test_gram_matrix_by_hand():
    maps = np.array([[[[1, 2], [3, 0]], [[0, 1], [2, 1]]]], np.float64)  # four places, two filters
    assert np.allclose(style_transfer.gram_matrix(maps), [[[14 / 4, 4 / 4], [4 / 4, 6 / 4]]])
    mean = maps.mean((0, 1, 2))
    assert np.allclose(style_transfer.gram_matrix(maps, mean)[0], np.cov(maps.reshape(4, 2).T, bias=True))


def test_gram_matrix_forgets_places(pictures):
    maps = np.random.default_rng(2).normal(size=(1, 6, 5, 3))
    shuffled = np.random.default_rng(3).permutation(maps.reshape(30, 3)).reshape(1, 5, 6, 3)
    assert np.allclose(style_transfer.gram_matrix(maps), style_transfer.gram_matrix(shuffled))


def test_losses_by_hand():
    maps, wanted = np.full((1, 2, 2, 1), 3.0), np.full((1, 2, 2, 1), 2.0)
    assert np.allclose(style_transfer.content_loss(maps, wanted), 1 / 4)
    assert np.allclose(style_transfer.content_loss(wanted, wanted), 0)
    assert np.allclose(style_transfer.content_loss(0 * maps, wanted), 1)  # maps of nothing but zeros
    assert np.allclose(style_transfer.style_loss(np.full((1, 1, 1), 6.0), np.full((1, 1, 1), 4.0)), 1 / 4)
    step = np.zeros((1, 3, 3, 1))
    step[:, :, 2] = 255  # of the four places that have both neighbours, two see a step of full height
    assert np.allclose(style_transfer.total_variation(step), 0.5, atol=0.01)
    assert np.allclose(style_transfer.total_variation(0 * step + 7), 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_against_finite_differences(channels):
    import tensorflow as tf

    rng = np.random.default_rng(4)
    x, wanted = rng.uniform(0, 255, (2, 1, 7, 6, channels))
    gram = style_transfer.gram_matrix(wanted)
    for loss in (
        lambda maps: style_transfer.content_loss(maps, wanted),
        lambda maps: style_transfer.style_loss(style_transfer.gram_matrix(maps, 3.0), gram),
        style_transfer.total_variation,
    ):
        variable, direction = tf.constant(x), rng.normal(size=x.shape)
        with tf.GradientTape() as tape:
            tape.watch(variable)
            value = loss(variable)
        slope = float(np.sum(tape.gradient(value, variable).numpy() * direction))
        numeric = float((loss(tf.constant(x + 1e-4 * direction)) - loss(tf.constant(x - 1e-4 * direction)))[0]) / 2e-4
        assert slope == pytest.approx(numeric, rel=1e-4, abs=1e-10)


def test_gradient_of_the_whole_objective(untrained, pictures):
    import tensorflow as tf

    content, style = (picture.astype(np.float32)[None] for picture in pictures)
    wanted = style_transfer.references(untrained, content, style=style)
    weights, rng = tf.constant([1.0, 5.0, 0.1]), np.random.default_rng(5)
    evaluate = style_transfer.evaluator(untrained)
    direction = rng.normal(0, 1, content.shape).astype(np.float32)
    start = content + 10
    slope = float(np.sum(evaluate(tf.constant(start), wanted, weights)[1].numpy() * direction))
    up, down = (float(evaluate(tf.constant(start + s * direction), wanted, weights)[0][0]) for s in (0.5, -0.5))
    assert slope == pytest.approx(up - down, rel=0.05)


def test_pictures_of_a_batch_do_not_mix(untrained, pictures):
    import tensorflow as tf

    style = pictures[1].astype(np.float32)[None, ..., :1]
    faces = np.random.default_rng(6).uniform(0, 255, (2, 48, 48, 1)).astype(np.float32)
    weights, evaluate = tf.constant([1.0, 5.0, 0.1]), style_transfer.evaluator(untrained)

    def slope(some):
        return evaluate(tf.constant(some + 5), style_transfer.references(untrained, some, style=style), weights)[
            1
        ].numpy()

    assert np.allclose(slope(faces)[1], slope(faces[1:])[0], rtol=1e-3, atol=1e-7)


def test_match_colours_takes_mean_and_covariance():
    rng = np.random.default_rng(7)
    picture = rng.normal((90, 120, 150), (10, 20, 15), (60, 60, 3)).clip(0, 255).astype(np.uint8)
    style = (rng.normal(0, 12, (50, 70, 3)) @ [[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]] + 110).clip(0, 255).astype(np.uint8)
    matched = style_transfer.match_colours(picture, style).reshape(-1, 3)
    assert np.allclose(matched.mean(0), style.reshape(-1, 3).mean(0), atol=0.6)
    assert np.allclose(np.cov(matched.T), np.cov(style.reshape(-1, 3).T), atol=6)


# --- a transfer --------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_transfer_lowers_the_loss(untrained, pictures, optimiser):
    result = transfer_style(*pictures, features=untrained, size=48, steps=12, optimiser=optimiser)
    assert result.image.shape == (40, 48, 3) and result.image.dtype == np.uint8
    assert result.history[-1]["style"] < 0.7 * result.history[0]["style"]
    assert 1 <= len(result.history) <= 12 and not result.stopped
    evaluations = [step["evaluations"] for step in result.history]
    assert evaluations == sorted(evaluations) and evaluations[-1] >= len(evaluations)
    assert (evaluations == list(range(1, len(evaluations) + 1))) or optimiser == "lbfgs"


def test_same_call_same_picture(untrained, pictures):
    once, again = (transfer_style(*pictures, features=untrained, size=32, steps=3).image for _ in range(2))
    assert np.array_equal(once, again)


def test_strength_zero_leaves_the_content(untrained, pictures):
    result = transfer_style(*pictures, features=untrained, size=48, steps=4, strength=0, smooth=0, keep_colour=True)
    assert np.abs(result.image.astype(int) - style_transfer.resize_to_fit(pictures[0], 48)).max() <= 2


def test_keep_colour_changes_luminance_only(untrained):
    import cv2

    content = np.full((40, 40, 3), (150, 90, 70), np.uint8)
    content[10:30, 10:30] = (90, 130, 80)
    result = transfer_style(content, drawn("glass", 64), features=untrained, size=40, steps=8, keep_colour=True)
    before, after = (cv2.cvtColor(p, cv2.COLOR_RGB2YCrCb).astype(int) for p in (content, result.image))
    inside = (result.image > 4).all(-1) & (result.image < 251).all(-1)  # clipping there bends the colour
    assert np.abs(before - after)[inside][:, 1:].max() <= 2
    assert np.abs(before - after)[..., 0].max() > 5


def test_coarse_then_fine(untrained):
    sizes = []
    content, style = drawn("dots", 65), drawn("mosaic", 100)
    result = transfer_style(
        content[:, :53],
        style,
        features=untrained,
        size=81,
        steps=6,
        progress=lambda step: sizes.append(step.image.shape),
    )
    assert sizes[0] == (40, 33, 3) and sizes[-1] == result.image.shape == (81, 66, 3)


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, StopIteration])
def test_stopping_keeps_the_picture(untrained, pictures, optimiser, error):
    seen = []

    def progress(step):
        seen.append(step)
        if step.number == 2:
            raise error

    result = transfer_style(*pictures, features=untrained, size=80, steps=9, optimiser=optimiser, progress=progress)
    assert result.stopped and len(seen) == 2 and (seen[0].number, seen[0].steps) == (1, 9)
    assert result.image.shape == (67, 80, 3) and result.image.std() > 1
    assert set(seen[1].losses) == {"total", "content", "style", "smooth"}


def test_odd_pictures(untrained, pictures):
    content, _ = pictures
    grey = content[..., 0]
    rgba = np.dstack([content, np.full(grey.shape, 128, np.uint8)])
    huge = np.kron(grey, np.ones((150, 167), np.uint8))  # 8016x6000
    for style in (grey, rgba, huge):
        assert transfer_style(content, style, features=untrained, size=32, steps=1).image.shape == (27, 32, 3)
    plain = np.full((30, 30), 77, np.uint8)
    assert np.isfinite(transfer_style(plain, content, features=untrained, size=32, steps=2).history[-1]["total"])
    for bad in (content[:1, :1], content[:2], content[:0]):
        with pytest.raises(ImageError):
            transfer_style(content, bad, features=untrained, size=32, steps=1)
        with pytest.raises(ImageError):
            transfer_style(bad, content, features=untrained, size=32, steps=1)
    with pytest.raises(ImageError, match="plain colour"):
        transfer_style(content, plain, features=untrained, size=32, steps=1)


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0},
        {"size": 3},
        {"strength": -1},
        {"smooth": -1},
        {"optimiser": "sgd"},
        {"strength": float("nan")},
        {"smooth": float("inf")},
        {"size": 10**6},
        {"steps": 1.5},
    ],
)
def test_bad_settings(untrained, pictures, bad):
    with pytest.raises(FernbError):
        transfer_style(*pictures, features=untrained, **bad)


# --- features ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [build_vgg, build_resnet])
def test_fer_features_are_those_of_the_network(tmp_path, build):
    network = build(widths=(4, 6, 8))
    to_standard_layers(network).save(tmp_path / "small.keras")
    features = load_features("fer", tmp_path / "small.keras")
    faces = np.random.default_rng(8).integers(0, 256, (2, 48, 48, 1)).astype(np.float32)
    maps = features.model(np.repeat(faces, 3, -1))
    wanted = keras.Model(network.input, network.get_layer(features.content).output)(faces)
    assert features.content in features.style and not features.colour
    assert np.allclose(maps[features.content], wanted, atol=1e-3)
    assert maps[features.content].shape[1] == 24
    assert features.model(np.zeros((1, 60, 72, 3)))[features.content].shape[1:3] == (30, 36)


def test_fer_features_need_a_network(tmp_path):
    with pytest.raises(ModelError, match="there is no model"):
        load_features("fer", tmp_path / "none.keras")
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "other.keras")
    with pytest.raises(ModelError, match="not an emotion network"):
        load_features("fer", tmp_path / "other.keras")


@pytest.fixture(scope="module")
def vgg16_file(tmp_path_factory):
    """A weight file of VGG16's shape; the numbers are random, the names and places are Keras's."""
    keras.utils.set_random_seed(9)
    path = tmp_path_factory.mktemp("weights") / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.weights.h5"
    keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3)).save_weights(path)
    return path


def test_vgg_from_a_file(vgg16_file):
    features = load_features("vgg16", vgg16_file)
    assert features.colour and "VGG16" in features.about and len(features.style) == 5
    picture = np.random.default_rng(10).integers(0, 256, (1, 32, 32, 3)).astype(np.float32)
    network = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    network.load_weights(vgg16_file)
    prepared = keras.applications.vgg16.preprocess_input(picture.copy())
    first = keras.Model(network.input, network.get_layer("block1_conv1").output)(prepared)
    maps = features.model(picture)
    assert np.allclose(maps["block1_conv1"], first, atol=1e-3)
    assert maps["block4_conv2"].shape[1:3] == (4, 4)
    kinds = {type(layer) for layer in features.model._flatten_layers(include_self=False)}
    assert keras.layers.AveragePooling2D in kinds and keras.layers.MaxPooling2D not in kinds


def test_vgg_paints_in_colour(vgg16_file, pictures):
    result = transfer_style(*pictures, features=load_features("vgg16", vgg16_file), size=32, steps=2)
    assert result.image.shape == (27, 32, 3) and result.settings["features"] == "vgg16"


def test_no_weights_no_features(vgg16_file, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ModelError, match="no weight file"):
        load_features("vgg19", tmp_path / "none.h5")
    with pytest.raises(ModelError, match="VGG19"):
        load_features("vgg19", vgg16_file)  # another network's file
    with pytest.raises(ModelError, match="no features 'inception'"):
        load_features("inception")


def test_auto_never_downloads_and_never_guesses(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.applications, "VGG19", _offline(keras.applications.VGG19))
    assert load_features("auto").name == "fer"
    monkeypatch.setattr(style_features, "OWN_NETWORK", tmp_path / "none.keras")
    assert load_features("auto").name == "untrained"


def _offline(build):
    def guarded(**settings):
        assert settings["weights"] is None, "a download was tried"
        return build(**settings)

    return guarded


def test_untrained_is_seeded_and_alive():
    picture = drawn("strokes", 64).astype(np.float32)[None]
    one, same, other = (load_features("untrained", seed=seed).model(picture)["block3_conv2"] for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert 0.05 < np.mean(np.asarray(one) > 0) < 0.95 and 0.05 < np.std(one) < 20  # neither dead nor blown up
    assert "untrained" in load_features("untrained").about


# --- style images ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", styles.STYLES)
def test_every_style_comes_with_the_project(name):
    image = styles.style_image(name)
    assert image.shape == (256, 256, 3) and image.dtype == np.uint8 and image.std() > 20


def test_the_committed_styles_are_those_that_the_tool_draws(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("make_styles", config.ROOT / "tools" / "make_styles.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tuple(tool.STYLES) == styles.STYLES
    off = tool.draw_style("woodcut").astype(int) - styles.style_image("woodcut")
    assert np.abs(off).mean() < 8  # what JPEG takes away


def test_style_image_by_name_or_file(tmp_path):
    write_image(tmp_path / "own.png", drawn("dots", 32))
    assert np.array_equal(styles.style_image(tmp_path / "own.png"), drawn("dots", 32))
    with pytest.raises(ImageError, match="strokes, mosaic"):
        styles.style_image("cubism")


# --- command line ------------------------------------------------------------------------------------


def style(*words):
    return CliRunner().invoke(cli.main, ["style", *map(str, words)])


def test_command(tmp_path):
    out = tmp_path / "painted.jpg"
    done = style(config.SAMPLES / "flower.jpg", "mosaic", "--out", out, "--size", 32, "--steps", 2)
    assert done.exit_code == 0, done.output
    assert read_image(out).shape[1] == 32
    told = json.loads(out.with_suffix(".json").read_text())
    assert told["content"] == "flower.jpg" and told["style"] == "mosaic" and told["steps_done"] == 2
    assert told["gradient_evaluations"] >= 2 and "evaluations" not in told["losses"]
    assert "features: " in done.output and "emotion network" in done.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.jpg", "mosaic"], "none.jpg"),
        ([config.SAMPLES / "flower.jpg", "none.jpg"], "none.jpg"),
        ([config.SAMPLES / "flower.jpg", "mosaic", "--out", "x.txt"], ".png or .jpg"),
        ([config.SAMPLES / "flower.jpg", "mosaic", "--weights", "none.h5"], "none.h5"),
        ([config.SAMPLES / "flower.jpg", "mosaic", "--features", "vgg19", "--weights", "none.h5"], "none.h5"),
    ],
)
def test_command_answers_in_a_sentence(tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    done = style(*words)
    assert done.exit_code == 1 and sentence in done.output and "Traceback" not in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("side", [1, 15])
def test_command_with_a_tiny_style(tmp_path, side):
    write_image(tmp_path / "tiny.png", np.full((side, side, 3), 90, np.uint8))
    done = style(config.SAMPLES / "flower.jpg", tmp_path / "tiny.png", "--out", tmp_path / "a.png")
    assert done.exit_code == 1 and f"{side}x{side} pixels is too small" in done.output
    assert not (tmp_path / "a.png").exists()


def test_command_never_writes_over_its_own_input(tmp_path):
    own = tmp_path / "own.jpg"
    write_image(own, drawn("glass", 64))
    kept = own.read_bytes()
    (tmp_path / "link.jpg").symlink_to(own)
    own.with_suffix(".json").write_text("{}")  # a note of mine
    for words in (
        (own, "dots", "--out", own),
        (config.SAMPLES / "flower.jpg", own, "--out", own),
        (own, "dots", "--out", tmp_path / "link.jpg"),
        (own, "dots", "--out", tmp_path / "sub" / ".." / "own.jpg"),
    ):
        done = style(*words, "--size", 32, "--steps", 1)
        assert done.exit_code == 1 and "would be overwritten" in done.output, words
    assert own.read_bytes() == kept and own.with_suffix(".json").read_text() == "{}"


@pytest.mark.parametrize("words", [("--strength", "nan"), ("--smooth", "inf"), ("--size", "3"), ("--steps", "0")])
def test_settings_that_are_no_amounts_are_told_before_the_work(words, tmp_path, monkeypatch):
    monkeypatch.setattr(style_features, "load_features", lambda *_: pytest.fail("the network was loaded"))
    done = style(config.SAMPLES / "flower.jpg", "dots", "--out", tmp_path / "a.png", *words)
    assert done.exit_code != 0 and words[0].lstrip("-") in done.output and "Traceback" not in done.output
    assert not list(tmp_path.iterdir())


def test_ctrl_c_keeps_the_picture(tmp_path, monkeypatch):
    def interrupted(*pictures, progress, **settings):
        def and_stop(step):
            progress(step)
            if step.number == 2:
                raise KeyboardInterrupt

        return transfer_style(*pictures, progress=and_stop, **settings)

    monkeypatch.setattr(style_transfer, "transfer_style", interrupted)
    done = style(config.SAMPLES / "flower.jpg", "dots", "--out", tmp_path / "a.png", "--size", 32, "--steps", 50)
    assert done.exit_code == 0 and "stopped after 2 of 50 steps" in done.output
    assert json.loads((tmp_path / "a.json").read_text())["stopped"] and read_image(tmp_path / "a.png").std() > 1


def test_help_needs_no_tensorflow():
    code = "import sys; from fernb.app.cli import main\ntry: main(['style', '--help'])\nexcept SystemExit: pass\n"
    code += "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


# --- explorer and experiment -------------------------------------------------------------------------


def test_explorer_paints_and_stops(untrained, pictures):
    pytest.importorskip("ipywidgets")
    from fernb.widgets.style import StyleExplorer

    explorer = StyleExplorer(
        {"noise": pictures[0]}, {"woodcut": pictures[1], "tiny": pictures[1][:3]}, features=untrained, size=40
    )
    explorer.steps.value = 10
    explorer.paint.click()
    result = explorer.wait(120)
    assert len(result.history) <= 10 and "done after" in explorer.words.value and explorer.images["result"].value
    assert not explorer.paint.disabled and explorer.stop.disabled
    explorer.steps.value = 200
    explorer.paint.click()
    explorer.stop.click()
    assert explorer.wait(120).stopped and "stopped after" in explorer.words.value


def test_explorer_says_what_is_wrong(untrained, pictures):
    pytest.importorskip("ipywidgets")
    from fernb.widgets.style import StyleExplorer

    explorer = StyleExplorer(
        {"noise": pictures[0]}, {"plain": np.full((40, 40, 3), 9, np.uint8)}, features=untrained, size=40
    )
    explorer.paint.click()
    assert explorer.wait(120) is None and "plain colour" in explorer.words.value and not explorer.paint.disabled


def test_painted_faces_and_what_survives(untrained):
    from fernb.data.synthetic import draw_faces
    from fernb.style import survival

    faces, style = draw_faces(3, 1), drawn("woodcut", 64)
    assert np.array_equal(survival.paint_faces(faces.images, style, features=untrained, strength=0), faces.images)
    painted = survival.paint_faces(faces.images, style, features=untrained, steps=8)
    assert painted.shape == (3, 48, 48) and painted.dtype == np.uint8
    noisy = survival.noisy(faces.images, painted).astype(float)
    off = [np.sqrt(np.square(other - faces.images).mean()) for other in (painted.astype(float), noisy)]
    assert off[0] > 5 and off[1] == pytest.approx(off[0], rel=0.3)


def test_noise_is_the_control(untrained):

    from fernb.data.synthetic import draw_faces

    faces = draw_faces(6, 2)
    told = survival.survival_against_noise(faces.images, faces.images, recogniser=_Brightness(), labels=faces.labels)
    assert (told["same"], told["noise"], told["off"]) == (1, 1, 0) and told["noise_accuracy"] == told["accuracy"]
    told = survival.survival_against_noise(faces.images, 255 - faces.images, recogniser=_Brightness())
    assert told["off"] > 20 and "accuracy" not in told and "noise_accuracy" not in told


class _Brightness:
    """A network of two emotions: dark and bright."""

    def predict(self, faces):
        bright = faces.mean((1, 2)) / 255
        return np.stack([1 - bright, bright], 1)


def test_figures():
    from fernb import plots

    step = {"total": 2.0, "content": 0.5, "style": 0.3, "smooth": 0.1}
    assert len(plots.style_losses({"one": [step, step], "two": [step]}).axes) == 3
    row = {"style": "dots", "strength": 1.0, "same": 0.5, "interval": (0.3, 0.7), "noise": 0.6}
    (left, right) = plots.survival({"drawn": [row, row | {"strength": 3.0}], "real": [row]}).axes
    assert left.get_title() == "drawn" and len(right.lines) >= 2


def test_survival_by_hand():
    from fernb.style.survival import survival

    before = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    after = np.array([[0.6, 0.4], [0.9, 0.1], [0.3, 0.7], [0.8, 0.2]])
    told = survival(before, after, labels=np.array([0, 0, 1, 1]))
    assert (told["n"], told["same"], told["accuracy"]) == (4, 0.5, 0.75)
    assert told["confidence"] == pytest.approx((0.6 + 0.1 + 0.3 + 0.8) / 4)
    assert told["interval"][0] < 0.5 < told["interval"][1]
