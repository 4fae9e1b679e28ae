"""Networks: the fused layer equals Keras's, files come back the same, broken ones are refused."""

import io
import json
import subprocess
import zipfile

import h5py
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fernb
from fernb import config
from fernb.errors import ModelError
from fernb.labels import EMOTIONS, EMOTIONS_8
from fernb.networks import architectures, runners, saliency, sidecar, storage

FACES = np.random.default_rng(3).integers(0, 256, (9, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(1)
    return architectures.build_vgg(widths=(4, 8), dense=16, normalise=architectures.FusedBatchNormalization)


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    return storage.save_model(
        network, tmp_path_factory.mktemp("model") / "tiny.keras", sidecar={"labels": list(EMOTIONS)}
    )


def test_probabilities_of_an_8_bit_network_sum_to_1():
    """They were multiples of 1/256 whose sum missed 1 by up to 0.02, so that shares of people did not add up."""
    quick = config.DEFAULT_MODEL.with_name(f"{config.DEFAULT_MODEL.stem}_int8.tflite")
    np.testing.assert_allclose(fernb.Recogniser(quick).predict(FACES).sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 5, 5, 3), (6, 3)])
def test_fused_normalisation_equals_keras(shape):
    rng = np.random.default_rng(0)
    fused, standard = architectures.FusedBatchNormalization(), keras.layers.BatchNormalization()
    for layer in (fused, standard):
        layer.build(shape)
        layer.set_weights([np.linspace(0.5, 2, 3), np.linspace(-1, 1, 3), np.zeros(3), np.ones(3)])
    for _ in range(3):
        x = rng.normal(2, 3, shape).astype(np.float32)
        np.testing.assert_allclose(fused(x, training=True), standard(x, training=True), atol=2e-5)
    for ours, theirs in zip(fused.get_weights(), standard.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fused(x, training=False), standard(x, training=False), atol=1e-6)


def test_scaling_and_softmax_are_inside(network):
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds[1] == "Rescaling" and network.input_shape == (None, 48, 48, 1)
    probs = network.predict(FACES[..., None], verbose=0)
    assert probs.shape == (9, 7) and np.allclose(probs.sum(1), 1, atol=1e-5)


def test_portable_has_standard_layers_and_the_same_answers(network):
    copy = architectures.to_standard_layers(network)
    assert not any(isinstance(layer, architectures.FusedBatchNormalization) for layer in copy.layers)
    x = FACES[..., None].astype(np.float32)
    np.testing.assert_allclose(copy(x, training=False), network(x, training=False), atol=1e-6)


def test_keras_and_litert_agree(saved):
    keras_answers = fernb.Recogniser(saved).predict(FACES)
    litert = fernb.Recogniser(saved.with_suffix(".tflite"))
    assert keras_answers.shape == (9, 7) and keras_answers.dtype == np.float32
    assert litert.labels == EMOTIONS and litert.predict(FACES).dtype == np.float32
    np.testing.assert_allclose(litert.predict(FACES), keras_answers, atol=1e-3)
    for n in (0, 1, 3):  # the batch may change from call to call
        np.testing.assert_allclose(litert.predict(FACES[:n]), keras_answers[:n], atol=1e-3)
    np.testing.assert_allclose(litert.predict(np.tile(FACES, (60, 1, 1)))[-9:], keras_answers, atol=1e-3)


def test_weights_are_stored_as_float16_where_they_fit_and_loaded_as_float32(tmp_path):
    model = architectures.build_resnet(7, widths=(4, 8))
    large = model.get_layer(architectures.HEAD)
    large.set_weights([w + 1e5 for w in large.get_weights()])  # beyond float16
    path = storage.save_model(model, tmp_path / "net.keras", sidecar={"labels": list(EMOTIONS)})
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
        stored: list[np.dtype] = []
        weights.visititems(lambda _, item: stored.append(item.dtype) if isinstance(item, h5py.Dataset) else None)
    assert stored.count(np.dtype("float32")) == 2 and set(stored) == {np.dtype("float16"), np.dtype("float32")}
    loaded = keras.models.load_model(path, compile=False)
    assert {w.dtype for w in loaded.weights} == {"float32"}
    for old, new in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-3, atol=1e-6)


def test_flipping_averages_a_face_and_its_mirror(saved):
    recogniser = fernb.Recogniser(saved.with_suffix(".tflite"))
    both = (recogniser.predict(FACES) + recogniser.predict(FACES[:, :, ::-1])) / 2
    np.testing.assert_allclose(recogniser.predict(FACES, flip=True), both, atol=1e-6)
    np.testing.assert_allclose(recogniser.predict(FACES[:, :, ::-1], flip=True), both, atol=1e-6)


def test_eight_emotions_can_be_seen_as_seven(tmp_path):
    model = architectures.build_resnet(8, widths=(4, 8))
    path = storage.save_model(model, tmp_path / "eight.keras", sidecar={"labels": list(EMOTIONS_8)}).with_suffix(
        ".tflite"
    )
    eight, seven = fernb.Recogniser(path), fernb.Recogniser(path, seven=True)
    assert eight.labels == EMOTIONS_8 and seven.labels == EMOTIONS
    expected = eight.predict(FACES)[:, :7]
    np.testing.assert_allclose(seven.predict(FACES), expected / expected.sum(1, keepdims=True), rtol=1e-5)
    path.with_suffix(".json").write_text(json.dumps({"labels": list("abcdefgh")}))
    with pytest.raises(ModelError, match="does not know all"):
        fernb.Recogniser(path, seven=True)


def test_whole_numbers_of_eight_bits_answer_nearly_the_same(network, tmp_path):
    path = tmp_path / "int8.tflite"
    storage.export_litert(architectures.to_standard_layers(network), path, examples=np.concatenate([FACES] * 10))
    path.with_suffix(".json").write_text(json.dumps({"labels": list(EMOTIONS)}))
    answers = fernb.Recogniser(path).predict(FACES)
    np.testing.assert_allclose(answers, network.predict(FACES[..., None], verbose=0), atol=0.05)
    storage.export_litert(architectures.to_standard_layers(network), tmp_path / "half.tflite")
    assert path.stat().st_size < (tmp_path / "half.tflite").stat().st_size * 1.5  # tiny nets are mostly header


def test_the_sidecar_explains_the_model(saved):
    told = json.loads(saved.with_suffix(".json").read_text())
    assert told["labels"] == list(EMOTIONS) and told["parameters"] > 0 and "keras" in told["versions"]


@pytest.mark.parametrize("faces", [FACES.astype(np.float32), FACES[0], FACES[:, :40], FACES[..., None]])
def test_faces_of_another_kind_are_refused(saved, faces):
    with pytest.raises(ValueError, match="uint8"):
        fernb.Recogniser(saved.with_suffix(".tflite")).predict(faces)


def test_broken_files_are_one_sentence(saved, tmp_path):
    whole = saved.read_bytes()
    cases = {"absent.tflite": None, "cut.keras": whole[:999], "cut.tflite": b"TFL3", "old.h5": whole, "odd.onnx": whole}
    for name, content in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
            path.with_suffix(".json").write_text('{"labels": ["happy", "sad"]}')
        with pytest.raises(ModelError) as caught:
            fernb.Recogniser(path)
        assert "\n" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("text", [None, "no json", "[]", "{}", '{"labels": 7}', '{"labels": [1]}'])
def test_a_model_without_labels_is_refused(saved, tmp_path, text):
    path = tmp_path / "tiny.tflite"
    path.write_bytes(saved.with_suffix(".tflite").read_bytes())
    if text is not None:
        path.with_suffix(".json").write_text(text)
    with pytest.raises(ModelError, match="tiny"):
        fernb.Recogniser(path)


def test_code_in_a_model_file_is_not_run(tmp_path):
    trap = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Lambda(lambda x: x), keras.layers.Flatten()])
    trap.save(tmp_path / "trap.keras")
    with pytest.raises(ModelError, match="cannot be loaded"):
        storage.load_model(tmp_path / "trap.keras")


def test_the_committed_network():
    recogniser = fernb.Recogniser()
    assert recogniser.labels == fernb.EMOTIONS and "7 emotions" in repr(recogniser)
    twin = fernb.Recogniser(recogniser.path.with_suffix(".keras"))
    np.testing.assert_allclose(recogniser.predict(FACES), twin.predict(FACES), atol=1e-3)


# --- where a network looks ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["my_own_model", "pre_trained_model"])
def test_saliency_of_every_committed_kind(name):
    """The transfer network has ReLU layers where others have activations."""
    heat = saliency.grad_cam(storage.load_model(config.MODEL / f"{name}.keras"), FACES[:2])
    assert heat.shape == (2, 48, 48) and heat.dtype == np.float32
    assert heat.min() >= 0 and heat.max() == pytest.approx(1, abs=0.05)


def test_saliency_takes_the_last_rectified_maps_or_any_maps():
    inputs = keras.Input((48, 48, 1))
    maps = keras.layers.Conv2D(3, 3, activation="tanh", name="maps")(inputs)
    rectified = keras.layers.Conv2D(3, 3, activation="relu", name="rectified")(maps)
    outputs = keras.layers.Dense(2, activation="softmax")
    pool = keras.layers.AveragePooling2D(4, name="pool")
    assert saliency.map_layer(keras.Model(inputs, outputs(keras.layers.Flatten()(pool(rectified))))).name == "rectified"
    tanh_only = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(maps))
    assert saliency.map_layer(tanh_only).name == "maps"
    flat = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
    with pytest.raises(ModelError, match="no layer of maps"):
        saliency.map_layer(flat)


# --- files that are damaged, foreign or wild ---------------------------------------------------------


def copy_of(saved, folder, **changes):
    """Copy the LiteRT file with its side-car, ``changes`` made to the latter; ``sha256=None`` takes the hashes away."""
    path = folder / "copy.tflite"
    path.write_bytes(saved.with_suffix(".tflite").read_bytes())
    told = json.loads(saved.with_suffix(".json").read_text()) | changes
    path.with_suffix(".json").write_text(json.dumps({key: value for key, value in told.items() if value is not None}))
    return path


def flipped(data: bytes, seed: int, flips: int = 40) -> bytes:
    rng, damaged = np.random.default_rng(seed), bytearray(data)
    for place in rng.integers(0, len(data), flips):
        damaged[place] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def test_a_saved_network_vouches_for_its_files(saved, tmp_path, monkeypatch):
    told = json.loads(saved.with_suffix(".json").read_text())
    assert set(told["sha256"]) == {".keras", ".tflite"}
    monkeypatch.setattr(runners, "_try_in_child", lambda path: pytest.fail("a known file was tried"))
    assert fernb.Recogniser(copy_of(saved, tmp_path)).labels == EMOTIONS  # under another name too


@pytest.mark.parametrize("path", sorted(config.MODEL.glob("*.keras")), ids=lambda path: path.stem)
def test_committed_networks_are_those_that_their_sidecars_describe(path):
    """Where this fails after a network was replaced: python tools/hash_networks.py."""
    files = [path, path.with_suffix(".tflite"), path.with_name(f"{path.stem}_int8.tflite")]
    here = [file for file in files if file.is_file()]
    assert all(sidecar.is_verified(file, sidecar.read_sidecar(file)) for file in here)


@pytest.mark.parametrize("seed", range(3))
def test_a_changed_file_is_refused_before_it_is_loaded(saved, tmp_path, seed):
    path = copy_of(saved, tmp_path)
    path.write_bytes(flipped(path.read_bytes(), seed, flips=1))
    with pytest.raises(ModelError, match=r"copy\.tflite is not the file that copy\.json describes"):
        fernb.Recogniser(path)
    keras_file = tmp_path / "copy.keras"
    keras_file.write_bytes(flipped(saved.read_bytes(), seed, flips=1))
    with pytest.raises(ModelError, match=r"copy\.keras is not the file"):
        storage.load_model(keras_file)


@pytest.mark.parametrize("seed", range(6))
def test_flipped_bits_never_end_the_process(saved, tmp_path, seed):
    """Without hashes: whatever happens inside LiteRT happens in a child first."""
    path = copy_of(saved, tmp_path, sha256=None)
    path.write_bytes(flipped(path.read_bytes(), seed))
    try:
        probs = fernb.Recogniser(path).predict(FACES)
    except ModelError as error:
        assert "\n" not in str(error) and "copy" in str(error)
    else:
        assert np.allclose(probs.sum(1), 1, atol=0.05)


def test_a_crash_in_the_child_is_a_sentence(tmp_path, monkeypatch):
    died = subprocess.CompletedProcess([], -11)
    monkeypatch.setattr(runners.subprocess, "run", lambda *_, **__: died)
    with pytest.raises(ModelError, match=r"x\.tflite crashes LiteRT"):
        runners.litert(tmp_path / "x.tflite")


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (list(EMOTIONS[:6]), "copy.tflite has 7 outputs, but its side-car names 6 emotions"),
        (list(EMOTIONS_8), "has 7 outputs, but its side-car names 8"),
        ([*EMOTIONS[:6], "sad"], "has the label 'sad' twice"),
        ([*EMOTIONS[:6], ""], "not a list of names"),
        ([*EMOTIONS[:6], None], "not a list of names"),
        (["happy"], "names 1 emotions"),
    ],
)
def test_labels_must_fit_the_network(saved, tmp_path, labels, sentence):
    """Six labels for seven outputs shifted a table's columns and invented person 39."""
    with pytest.raises(ModelError, match=sentence):
        fernb.Recogniser(copy_of(saved, tmp_path, labels=labels))


@pytest.mark.parametrize("threshold", [float("nan"), -0.1, 7, "half", True, [0.5]])
def test_a_threshold_must_be_a_probability(saved, tmp_path, threshold):
    with pytest.raises(ModelError, match="number from 0 to 1"):
        fernb.Recogniser(copy_of(saved, tmp_path, metrics={"unsure_below": threshold}))
    assert fernb.Recogniser(copy_of(saved, tmp_path, metrics={"unsure_below": 0.4})).confidence_threshold == 0.4
    assert fernb.Recogniser(copy_of(saved, tmp_path, metrics={"confidence_threshold": 1})).confidence_threshold == 1


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        (lambda x: keras.layers.Dense(7, activation="softmax")(x) * np.float32("nan"), "no probabilities"),
        (lambda x: keras.layers.Dense(7)(x), "no probabilities"),
        (lambda x: keras.layers.Dense(7, activation="sigmoid")(x), "no probabilities"),
        (lambda x: keras.layers.Reshape((7, 1))(keras.layers.Dense(7)(x)), "answers in the shape"),
        (lambda x: [keras.layers.Dense(7)(x), keras.layers.Dense(7)(x)], "1 inputs and 2 outputs"),
    ],
)
def test_answers_must_be_probabilities(tmp_path, outputs, sentence):
    inputs = keras.Input((48, 48, 1))
    keras.Model(inputs, outputs(keras.layers.Flatten()(inputs))).save(tmp_path / "odd.keras")
    (tmp_path / "odd.json").write_text(json.dumps({"labels": list(EMOTIONS)}))
    with pytest.raises(ModelError, match=sentence):
        fernb.Recogniser(tmp_path / "odd.keras")


def test_a_network_for_other_images_is_refused(tmp_path):
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, keras.layers.Dense(7, activation="softmax")(keras.layers.Flatten()(inputs)))
    path = storage.save_model(model, tmp_path / "colour.keras", sidecar={"labels": list(EMOTIONS)})
    for file in (path, path.with_suffix(".tflite")):
        with pytest.raises(ModelError, match="must take grey faces"):
            fernb.Recogniser(file)


def test_no_probabilities_later_on_are_refused_too(saved):
    recogniser = fernb.Recogniser(saved.with_suffix(".tflite"))
    recogniser._run = lambda faces: np.full((len(faces), 7), np.nan, np.float32)
    with pytest.raises(ModelError, match="no probabilities"):
        recogniser.predict(FACES)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SIDECARS = st.fixed_dictionaries(
    {}, optional={"labels": JSON | st.lists(st.sampled_from(EMOTIONS_8), max_size=8), "metrics": JSON, "sha256": JSON}
)


@given(content=st.binary(max_size=60) | (JSON | SIDECARS).map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wild_sidecars_are_one_sentence_or_right(saved_alone, content):
    saved_alone.with_suffix(".json").write_bytes(content)
    try:
        recogniser = fernb.Recogniser(saved_alone)
    except ModelError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
    else:
        assert len(set(recogniser.labels)) == 7 and 0 <= recogniser.confidence_threshold <= 1


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"labels":' * 50_000, b"\xff\xfe", b""])
def test_sidecars_that_exhaust_a_parser_are_refused(saved_alone, content):
    saved_alone.with_suffix(".json").write_bytes(content)
    with pytest.raises(ModelError, match="it is no JSON"):
        fernb.Recogniser(saved_alone)


@pytest.fixture
def saved_alone(saved, tmp_path, monkeypatch):
    """The LiteRT file without a side-car; it is sound, so no child needs to try it each time."""
    monkeypatch.setattr(runners, "_try_in_child", lambda path: None)
    path = tmp_path / "alone.tflite"
    path.write_bytes(saved.with_suffix(".tflite").read_bytes())
    return path
