"""Networks: the fused layer equals Keras's, files come back the same, broken ones are refused."""

import json

import keras
import numpy as np
import pytest

import fernb
from fernb.errors import ModelError
from fernb.labels import EMOTIONS, EMOTIONS_8
from fernb.networks import architectures, storage

FACES = np.random.default_rng(3).integers(0, 256, (9, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(1)
    return architectures.build_vgg(widths=(4, 8), dense=16, normalise=architectures.FusedBatchNormalization)


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    return storage.save_model(network, tmp_path_factory.mktemp("model") / "tiny.keras", {"labels": list(EMOTIONS)})


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


def test_flipping_averages_a_face_and_its_mirror(saved):
    recogniser = fernb.Recogniser(saved.with_suffix(".tflite"))
    both = (recogniser.predict(FACES) + recogniser.predict(FACES[:, :, ::-1])) / 2
    np.testing.assert_allclose(recogniser.predict(FACES, flip=True), both, atol=1e-6)
    np.testing.assert_allclose(recogniser.predict(FACES[:, :, ::-1], flip=True), both, atol=1e-6)


def test_eight_emotions_can_be_seen_as_seven(tmp_path):
    model = architectures.build_resnet(8, widths=(4, 8))
    path = storage.save_model(model, tmp_path / "eight.keras", {"labels": list(EMOTIONS_8)}).with_suffix(".tflite")
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
    sidecar = json.loads(saved.with_suffix(".json").read_text())
    assert sidecar["labels"] == list(EMOTIONS) and sidecar["parameters"] > 0 and "keras" in sidecar["versions"]


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
            path.with_suffix(".json").write_text('{"labels": ["happy"]}')
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
