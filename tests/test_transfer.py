"""Transfer learning: preprocessing is Keras's own, weights are never random, features are whole or not there."""

import json
import re
import sys

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from fernb import config
from fernb.app.cli import main
from fernb.data import synthetic
from fernb.data.faceset import FaceSet, make_splits
from fernb.data.loading import save_cache
from fernb.errors import ModelError
from fernb.evaluation import evaluate
from fernb.labels import EMOTIONS
from fernb.networks import architectures, backbones, storage
from fernb.transfer import bottleneck, comparison, finetuning

RNG = np.random.default_rng(4)
FACES = RNG.integers(0, 256, (6, 48, 48), dtype=np.uint8)


def face_set(n: int) -> FaceSet:
    return FaceSet(RNG.integers(0, 256, (n, 48, 48), dtype=np.uint8), np.arange(n) % 7)


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No weights in any folder, and no network."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("FERNB_MODELS", str(tmp_path / "models"))

    def no_network(*_):
        raise Exception("URL fetch failure on https://example.org: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(backbones, "_download", no_network)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weight file of a small MobileNet trunk, and the network whose weights it holds."""
    keras.utils.set_random_seed(5)
    whole = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3))
    trunk = keras.Model(whole.input, whole.get_layer("conv_pw_6_relu").output)
    for layer in trunk.layers:  # an untrained normalisation would hide a frozen one
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([RNG.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    path = tmp_path_factory.mktemp("weights") / "mobilenet_trunk.weights.h5"
    trunk.save_weights(path)
    return path, trunk


@pytest.fixture
def mobilenet(weights):
    return backbones.pretrained("MobileNet", "conv_pw_6_relu", side=32, weights=weights[0])


def tiny_own(path):
    """A network as ``fernb train`` makes them, a very small one."""
    keras.utils.set_random_seed(2)
    return storage.save_model(architectures.build_vgg(widths=(4, 8), dense=8), path, sidecar={"labels": list(EMOTIONS)})


# --- preprocessing -----------------------------------------------------------------------------------

NAMES = ("MobileNet", "VGG16", "ResNet50", "ResNet50V2", "DenseNet121", "EfficientNetB0", "InceptionV3")


@pytest.mark.parametrize("name", NAMES)
def test_preprocessing_equals_keras(name):
    own = sys.modules[getattr(keras.applications, name).__module__].preprocess_input
    rgb = np.repeat(FACES[..., None].astype(np.float32), 3, -1)
    before = FACES.copy()
    scale, offset = backbones.preprocessing(name)
    np.testing.assert_allclose(rgb * np.float32(scale) + np.float32(offset), own(rgb.copy()), atol=1e-4)
    assert np.array_equal(FACES, before)


@pytest.mark.parametrize(
    ("name", "layer"), [("VGG16", "block2_pool"), ("ResNet50", "conv2_block1_out"), ("MobileNet", "conv_pw_3_relu")]
)
def test_a_backbone_is_the_network_of_keras(name, layer, tmp_path):
    keras.utils.set_random_seed(1)
    application = getattr(keras.applications, name)
    whole = application(include_top=False, weights=None, input_shape=(64, 64, 3))
    trunk = keras.Model(whole.input, whole.get_layer(layer).output)
    trunk.save_weights(tmp_path / "part.weights.h5")
    backbone = backbones.pretrained(name, layer, side=64, weights=tmp_path / "part.weights.h5")
    pictures = keras.ops.image.resize(FACES[..., None].astype(np.float32), (64, 64))
    rgb = np.repeat(keras.ops.convert_to_numpy(pictures), 3, -1)
    expected = trunk(sys.modules[application.__module__].preprocess_input(rgb), training=False)
    faces = FACES[..., None]
    np.testing.assert_allclose(backbone.model(faces, training=False), expected, rtol=1e-4, atol=1e-4)
    assert backbone.weights == "ImageNet, part.weights.h5"
    assert np.array_equal(faces[..., 0], FACES)


def test_a_file_of_the_whole_network_does(tmp_path):
    whole = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3))
    for name in ("whole.weights.h5", "legacy.h5"):
        whole.save_weights(tmp_path / name) if "weights" in name else whole.save(tmp_path / name)
        backbone = backbones.pretrained("MobileNet", "conv_pw_2_relu", side=32, weights=tmp_path / name)
        ours, theirs = backbone.model.get_layer("conv_pw_2"), whole.get_layer("conv_pw_2")
        assert np.array_equal(ours.get_weights()[0], theirs.get_weights()[0])


# --- weights that are not there ----------------------------------------------------------------------


def test_without_weights_there_is_a_sentence_and_no_network(nowhere):
    with pytest.raises(ModelError, match=r"no ImageNet weights of VGG16 here.*could be downloaded.*own CNN"):
        backbones.pretrained("VGG16", "block1_pool", side=32)
    with pytest.raises(ModelError, match="no ImageNet weights of MobileNet here, and none may be downloaded"):
        backbones.pretrained("MobileNet", download=False)


def test_the_folder_of_weights_is_looked_into(nowhere, weights):
    folder = config.models_folder()
    folder.mkdir()
    (folder / "mobilenet_v2_other.h5").write_bytes(b"of a relative")
    (folder / "mobilenet_trunk.weights.h5").write_bytes(weights[0].read_bytes())
    assert "trunk" in backbones.pretrained("MobileNet", "conv_pw_6_relu", side=32).weights


@pytest.mark.parametrize(
    ("content", "name", "layer", "reason"),
    [
        (b"no weights at all", "MobileNet", "conv_pw_3_relu", "it is no HDF5 file"),
        (b"", "MobileNet", "conv_pw_3_relu", "it is no HDF5 file"),
        (None, "VGG16", "block1_pool", "layers are missing, or have other shapes"),
        (None, "MobileNet", "conv_pw_9_relu", "layers are missing, or have other shapes"),  # it ends at block 6
    ],
)
def test_a_wrong_weight_file_is_refused(content, name, layer, reason, weights, tmp_path):
    path = tmp_path / "wrong.weights.h5"
    path.write_bytes(weights[0].read_bytes() if content is None else content)
    start = f"wrong.weights.h5 does not hold weights of {name} up to the layer {layer} ({reason}); "
    with pytest.raises(ModelError, match=re.escape(start)):
        backbones.pretrained(name, layer, side=32, weights=path)


def test_weights_of_another_width_are_refused(tmp_path):
    path = tmp_path / "quarter.weights.h5"
    keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25).save_weights(path)
    with pytest.raises(ModelError, match="does not hold weights of MobileNet"):
        backbones.pretrained("MobileNet", "conv_pw_1_relu", side=32, weights=path)


def test_other_mistakes_are_sentences(tmp_path, weights):
    for message, arguments in {
        "no weight file at": {"weights": tmp_path / "gone.h5"},
        "no backbone 'MobilNet'": {"name": "MobilNet"},
        "no backbone 'mobilenet'": {"name": "mobilenet"},  # a module of keras.applications
        "no layer 'block4_pool'; .*conv_pw_13_relu": {"feature_layer": "block4_pool"},
        "Xception cannot see images of 40": {"name": "Xception", "side": 40},
        "there is no model at": {"name": "own", "weights": tmp_path / "gone.keras"},
    }.items():
        with pytest.raises(ModelError, match=message):
            backbones.pretrained(**arguments)


def test_the_own_network_is_a_backbone_too(tmp_path):
    path = tiny_own(tmp_path / "mine.keras")
    backbone = backbones.pretrained("own", weights=path)
    assert backbone.model.output.shape == (None, 12, 12, 8) and backbone.weights == "FER2013, mine.keras"
    whole = storage.load_model(path)
    trunk = keras.Model(whole.input, whole.get_layer(backbone.feature_layer).output)
    np.testing.assert_array_equal(backbone.model(FACES[..., None]), trunk(FACES[..., None]))


# --- features ----------------------------------------------------------------------------------------


def test_features_are_cached(mobilenet, tmp_path, monkeypatch):
    faces, seen = face_set(5), []
    first = bottleneck.bottleneck_features(
        mobilenet, faces, cache=tmp_path, progress=lambda *a: seen.append(a), batch_size=2
    )
    assert first.values.shape == (5, 2048) and first.values.dtype == np.float16  # 2 × 2 places
    assert seen == [(2, 5), (4, 5), (5, 5)]
    monkeypatch.setattr(bottleneck, "answers", None)  # not asked again
    again = bottleneck.bottleneck_features(mobilenet, faces, cache=tmp_path)
    assert np.array_equal(again.values, first.values) and again.seconds == first.seconds
    assert np.array_equal(again.labels, faces.labels)


def test_the_cache_is_whole_or_not_there(mobilenet, tmp_path):
    faces = face_set(4)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bottleneck.bottleneck_features(mobilenet, faces, cache=tmp_path, progress=stop)
    assert list(tmp_path.iterdir()) == []
    first = bottleneck.bottleneck_features(mobilenet, faces, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:200])
    again = bottleneck.bottleneck_features(mobilenet, faces, cache=tmp_path)
    assert np.array_equal(again.values, first.values)
    assert len(np.load(path)["values"]) == 4


def test_other_faces_grids_and_weights_have_other_files(mobilenet, tmp_path):
    faces = face_set(2)
    bottleneck.bottleneck_features(mobilenet, faces, cache=tmp_path)
    bottleneck.bottleneck_features(mobilenet, face_set(2), cache=tmp_path)
    bottleneck.bottleneck_features(mobilenet, faces, grid=1, cache=tmp_path)
    layer = mobilenet.model.get_layer("conv_pw_6")
    layer.set_weights([w + 0.01 for w in layer.get_weights()])
    bottleneck.bottleneck_features(mobilenet, faces, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_large_features_stay_finite():
    assert np.isfinite(bottleneck._float16(np.array([1e9, -1e9, 3.0]))).all()


def test_no_faces_have_no_features(mobilenet):
    assert bottleneck.bottleneck_features(mobilenet, face_set(0)).values.shape == (0, 2048)


def test_augmented_faces_keep_the_first_and_the_labels():
    faces = face_set(3)
    more = bottleneck.augmented(faces, copies=3, seed=1)
    assert len(more) == 9 and np.array_equal(more.images[:3], faces.images)
    assert np.array_equal(more.labels, np.tile(faces.labels, 3))
    assert np.array_equal(more.images, bottleneck.augmented(faces, copies=3, seed=1).images)


def test_activation_sparsity_counts_zeros_and_dead_filters():
    maps = np.ones((2, 2, 2, 4), np.float32)
    maps[..., 0] = 0
    maps[0, ..., 1] = 0
    assert bottleneck.activation_sparsity(maps) == {"zero": 0.375, "dead": 0.25}


# --- heads and fine-tuning ---------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [0, 8])
def test_an_attached_head_answers_as_on_features(mobilenet, hidden):
    faces = face_set(20)
    features = bottleneck.bottleneck_features(mobilenet, faces)
    head = bottleneck.build_head(features.values.shape[1], 7, hidden=hidden)
    history = bottleneck.fit_head(head, features, val=features, epochs=2)
    assert len(history["val_accuracy"]) == 2
    network = bottleneck.attach(mobilenet, head)
    assert network.input_shape == (None, 48, 48, 1)
    probs = bottleneck.answers(network, faces.images)
    np.testing.assert_allclose(probs, bottleneck.answers(head, features.values), atol=0.02)  # float16 between them
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)


def test_fine_tuning_spares_normalisation_and_the_lower_layers(mobilenet, tmp_path):
    splits = make_splits(face_set(16), face_set(8), face_set(8), "noise")
    head = bottleneck.build_head(2048, 7, hidden=8)
    before = {layer.name: layer.get_weights() for layer in bottleneck.attach(mobilenet, head).layers}
    recipe = finetuning.FineTuning(
        network=finetuning.PretrainedNetwork(first="conv_dw_5"), epochs=1, batch_size=8, learning_rate=0.01
    )
    lines = []
    model, history, _ = finetuning.fine_tune(
        mobilenet, head, splits=splits, run=tmp_path, recipe=recipe, log=lines.append
    )
    assert len(history["loss"]) == len(lines) == 1
    upper = False
    for layer in model.layers:
        upper = upper or layer.name == "conv_dw_5"
        same = all(map(np.array_equal, before[layer.name], layer.get_weights()))
        learns = upper and layer.weights and not isinstance(layer, keras.layers.BatchNormalization)
        assert same != bool(learns), layer.name


def test_each_backbone_has_its_way_of_tuning(mobilenet):
    assert finetuning.tuning(mobilenet).network.norm and finetuning.tuning(mobilenet).network.first == "conv_dw_3"
    own = finetuning.tuning(backbones.Backbone("own", mobilenet.model, "cut", "FER2013"), epochs=2)
    assert not own.network.norm and own.network.first is None and own.epochs == 2
    inputs = keras.Input((48, 48, 1))
    bare = keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs))
    without = finetuning.tuning(backbones.Backbone("VGG16", bare, "cut", "ImageNet"))
    assert not without.network.norm
    assert own.learning_rate < without.learning_rate < finetuning.tuning(mobilenet).learning_rate


def test_the_committed_network_keeps_what_it_knows(tmp_path):
    """Weight decay has left it small weights: at ten times the rate its accuracy fell to half."""
    splits = synthetic.drawn_splits(n_train=140, n_val=70, n_test=7)
    own = backbones.pretrained("own")
    train, val = (bottleneck.bottleneck_features(own, part) for part in (splits.train, splits.val))
    head = bottleneck.build_head(train.values.shape[1], 7)
    known = max(bottleneck.fit_head(head, train, val=val)["val_accuracy"])
    recipe = finetuning.tuning(own, epochs=1)
    _, history, _ = finetuning.fine_tune(own, head, splits=splits, run=tmp_path, recipe=recipe, log=lambda line: None)
    assert known > 0.9 and min(history["val_accuracy"]) > known - 0.1


def test_frozen_normalisation_ignores_the_batch(mobilenet):
    finetuning.unfreeze(mobilenet.model, None)
    faces = FACES[..., None].astype(np.float32)
    np.testing.assert_array_equal(mobilenet.model(faces, training=True), mobilenet.model(faces, training=False))


def test_normalisation_may_learn_too(mobilenet, tmp_path):
    splits = make_splits(face_set(16), face_set(8), face_set(8), "noise")
    head = bottleneck.build_head(2048, 7, hidden=8)
    attached = bottleneck.attach(mobilenet, head)
    before = {layer.name: layer.get_weights() for layer in attached.layers}
    frozen = bottleneck.answers(attached, FACES)
    recipe = finetuning.FineTuning(
        network=finetuning.PretrainedNetwork(first="conv_dw_5", norm=True), epochs=1, batch_size=8, learning_rate=0.01
    )
    model, _, _ = finetuning.fine_tune(
        mobilenet, head, splits=splits, run=tmp_path, recipe=recipe, log=lambda line: None
    )
    changed = [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        and not all(map(np.array_equal, before[layer.name], layer.get_weights()))
    ]
    assert changed == ["conv_dw_5_bn", "conv_pw_5_bn", "conv_dw_6_bn", "conv_pw_6_bn", "head_norm"]
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable]
    assert {layer.momentum for layer in norms} == {finetuning.MOMENTUM} and finetuning.MOMENTUM**30 < 0.05
    assert not np.allclose(bottleneck.answers(model, FACES), frozen)
    portable = architectures.to_standard_layers(model)  # no layer of fernb's own is left in the file
    assert {type(layer).__module__.split(".")[0] for layer in portable.layers} == {"keras"}
    np.testing.assert_allclose(bottleneck.answers(portable, FACES), bottleneck.answers(model, FACES), atol=1e-5)


# --- the command -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "noise.npz"
    save_cache(make_splits(face_set(28), face_set(14), face_set(14), "noise"), path)
    return path


def test_the_command_measures_publishes_and_resumes(data, tmp_path, monkeypatch):
    monkeypatch.setattr(config, "RUNS", tmp_path / "runs")
    mine = tiny_own(tmp_path / "mine.keras")
    command = ["transfer", "--backbone", "own", "--weights", str(mine), "--data", str(data), "--out"]
    outcome = CliRunner().invoke(main, [*command, str(tmp_path / "out"), "--epochs", "1"], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    result = json.loads((tmp_path / "out" / "transfer.json").read_text())
    assert [(row["way"], row["augmentation"]) for row in result["ways"]] == [
        ("logistic regression on features", False),
        ("MLP on features", False),
        ("fine-tuned", True),
        ("fine-tuned", False),
        ("logistic regression on features", True),
        ("MLP on features", True),
    ]
    network = storage.load_model(tmp_path / "out" / "pre_trained_model.keras")
    probs = bottleneck.answers(network, FACES)
    assert probs.shape == (6, 7) and evaluate(probs, np.arange(6))["n"] == 6
    sidecar = json.loads((tmp_path / "out" / "pre_trained_model.json").read_text())
    assert sidecar["made"]["grid"] == result["grid"] == network.get_layer("grid").output.shape[1]
    assert (
        sidecar["labels"] == list(EMOTIONS)
        and sidecar["made"]["licence"]
        and sidecar["recipe"]["network"]["start"] is None
    )
    assert str(tmp_path) not in json.dumps(result["ways"]) + json.dumps(sidecar["recipe"])
    lines = (tmp_path / "out" / "pre_trained_model_architecture.txt").read_text().splitlines()
    assert len(lines) == 3 + len(network.layers) and "block1_conv1" in "".join(lines)

    monkeypatch.setattr(comparison._Bench, "head", None)  # nothing is measured twice
    again = CliRunner().invoke(main, [*command, str(tmp_path / "out"), "--resume"], catch_exceptions=False)
    assert again.exit_code == 0 and json.loads((tmp_path / "out" / "transfer.json").read_text())["ways"]


def test_the_command_says_what_is_missing(nowhere, data):
    outcome = CliRunner().invoke(main, ["transfer", "--backbone", "ResNet50", "--data", str(data)])
    assert outcome.exit_code == 1 and outcome.output.startswith("fernb: there are no ImageNet weights of ResNet50")


def test_in_fit_only_a_frozen_normalisation_keeps_its_running_mean():
    """What lesson 4 teaches, against Keras's guide: a newer Keras may change it, and then the lesson must follow."""
    bright = np.full((8, 1), 5, np.float32)
    kept = {}
    for trainable in (True, False):
        inputs = keras.Input((1,))
        norm = keras.layers.BatchNormalization()
        model = keras.Model(inputs, norm(inputs, training=False))
        norm.trainable = trainable
        model.compile("sgd", "mse")
        model.fit(bright, bright, verbose=0)
        kept[trainable] = float(keras.ops.convert_to_numpy(norm.moving_mean)[0])
    assert kept[True] > 0 and kept[False] == 0


def test_after_a_resizing_layer_a_plain_call_normalises_by_the_batch():
    """Lesson 04 warns of it; when Keras mends it, its sentence and the ``training=False`` there can go."""
    face = keras.Input((4, 4, 1))
    ready = keras.layers.Resizing(4, 4)(face)
    net = keras.Model(face, keras.layers.BatchNormalization()(keras.layers.Flatten()(ready)))
    bright = np.full((8, 4, 4, 1), 5, np.float32)
    np.testing.assert_allclose(net(bright, training=False), 5, rtol=1e-2)  # the running mean is 0, the variance 1
    np.testing.assert_allclose(net.predict(bright, verbose=0), net(bright, training=False))
    np.testing.assert_allclose(net(bright), 0, atol=1e-3)
