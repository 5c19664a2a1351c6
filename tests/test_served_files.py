"""The files beside the graph of a SavedModel, and its folders of versions."""

import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from untrained import untrained_reader, untrained_translator

from kseq.pipeline.value_codec import ValueCodec
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.translation.export import SAVED_MODEL
from kseq.translation.prediction_log import write_requests

OPTIONS = {"beam_size": 2, "maximum_length": 4}


@pytest.fixture(scope="module")
def translator():
    return untrained_translator([], ["a", "b", "c"], ["x", "y", "z"])


@pytest.fixture(scope="module")
def exported(translator, tmp_path_factory):
    return translator.export(
        tmp_path_factory.mktemp("models") / "new" / "letters", version=3, **OPTIONS
    )


@pytest.fixture(scope="module")
def model(exported):
    return tf.saved_model.load(exported)


def served(model, request):
    """What TensorFlow Serving does with a request: a signature, and inputs in columns."""
    serve = model.signatures[request["signature_name"]]
    specs = serve.structured_input_signature[1]
    return serve(
        **{name: tf.constant(value, specs[name].dtype) for name, value in request["inputs"].items()}
    )


def test_a_version_is_a_folder_of_its_number(exported, translator):
    assert exported.name == "3" and exported.parent.name == "letters"
    assert [path.name for path in exported.parent.iterdir()] == ["3"]
    written = [path.relative_to(exported) for path in exported.rglob("*")]
    assert all(SAVED_MODEL.owns(path) for path in written), written
    with pytest.raises(ValueError, match="version must be a whole number, at least 1; received 0"):
        translator.export(exported.parent, version=0)
    with pytest.raises(FileExistsError, match="3 is a SavedModel, not a folder of versions"):
        translator.export(exported, version=1)
    with pytest.raises(FileExistsError, match="letters exists and is not a SavedModel of kseq"):
        translator.export(exported.parent)


def test_the_example_request_is_answered(exported, model):
    request = json.loads((exported / "assets.extra" / "example_request.json").read_text())
    outputs = served(model, request)
    assert outputs["translation"].shape == (1,)
    assert request["inputs"]["text"] == ["a b c"]  # words that the model knows


def test_attention_is_sent_by_one_signature_only(model):
    """The REST interface of TensorFlow Serving sends all outputs of a signature."""
    outputs = {name: set(each.structured_outputs) for name, each in model.signatures.items()}
    assert set(outputs) == {"serving_default", "nbest", "details", "score", "encode"}
    short = {"translation", "score", "is_cut", "hypothesis_count"}
    assert outputs["serving_default"] == outputs["nbest"] == short
    assert outputs["details"] == short | {"source_tokens", "output_tokens", "attention"}


def test_nbest_has_the_translations_of_the_beam(model, translator):
    outputs = model.signatures["nbest"](text=tf.constant(["a b", "c"]))
    results = translator.translate(["a b", "c"], n_best=2, **OPTIONS)
    assert outputs["translation"].numpy().tolist() == [
        [result.text.encode() for result in row] for row in results
    ]
    best = model.signatures["serving_default"](text=tf.constant(["a b", "c"]))
    np.testing.assert_array_equal(best["translation"], outputs["translation"][:, 0])


def test_a_target_belongs_to_each_source(model):
    with pytest.raises(tf.errors.InvalidArgumentError, match="target must hold a string for each"):
        model.signatures["score"](text=tf.constant(["a", "b"]), target=tf.constant(["x"]))


def test_the_readme_lists_all_signatures_and_its_program_runs(exported, model):
    text = (exported / "README.md").read_text()
    for name, function in model.signatures.items():
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        for tensor in (*function.structured_input_signature[1], *function.structured_outputs):
            assert f"`{tensor}`" in row
    (program,) = re.findall("```python\n(.*?)```", text, re.DOTALL)
    exec(program.replace("FOLDER", str(exported)), {})


def test_vocabularies_are_assets(exported, translator):
    lines = (exported / "assets" / "source_vocabulary.txt").read_text().splitlines()
    assert lines == [*SPECIAL_TOKENS, "a", "b", "c"]


def test_files_of_the_user_are_not_replaced(exported, translator, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(exported, folder)
    (folder / "README.md").write_text("my notes")
    with pytest.raises(FileExistsError, match="README.md was not written by kseq export"):
        translator.export(folder, **OPTIONS)
    (folder / "README.md").unlink()
    with pytest.raises(FileExistsError, match="example_request.json was not written by kseq"):
        translator.export(folder, **OPTIONS)
    assert (folder / "assets.extra" / "tf_serving_warmup_requests").exists()


# === Warm-up requests ===


@pytest.fixture(scope="module")
def prediction_log():
    name = "tensorflow_serving.apis.prediction_log_pb2"
    return pytest.importorskip(name, reason="needs tensorflow-serving-api").PredictionLog


def read_log(path, prediction_log):
    return [prediction_log.FromString(data.numpy()) for data in tf.data.TFRecordDataset(str(path))]


def test_requests_are_those_of_tensorflow_serving(prediction_log, tmp_path):
    """Long enough for lengths of several bytes."""
    arrays = {"text": np.array([b"a" * 300, b"b"], object), "steps": np.array(200, "int32")}
    write_requests(tmp_path / "log", [("nbest", arrays), ("score", {})], "m" * 200)
    first, second = read_log(tmp_path / "log", prediction_log)
    request = first.predict_log.request
    assert (request.model_spec.name, request.model_spec.signature_name) == ("m" * 200, "nbest")
    assert set(request.inputs) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(tf.make_ndarray(request.inputs[name]), array)
    assert second.predict_log.request.model_spec.signature_name == "score"


def test_warm_up_requests_call_every_signature(exported, model, prediction_log):
    path = exported / "assets.extra" / "tf_serving_warmup_requests"
    requests = [log.predict_log.request for log in read_log(path, prediction_log)]
    assert {each.model_spec.name for each in requests} == {"letters"}
    assert {each.model_spec.signature_name for each in requests} == set(model.signatures)
    assert all(answer(model, request) for request in requests)


def answer(model, request):
    serve = model.signatures[request.model_spec.signature_name]
    inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
    return serve(**{name: tf.constant(array) for name, array in inputs.items()})


@pytest.mark.slow
def test_models_of_values_have_requests_too(prediction_log, tmp_path):
    settings = ["source_features=2", "target_features=1"]
    translator = untrained_reader(settings, ValueCodec.plain(2), ValueCodec.plain(1))
    folder = translator.export(tmp_path / "model")
    model = tf.saved_model.load(folder)
    assert set(model.signatures) == {"serving_default", "details", "score", "encode"}
    assert set(model.signatures["serving_default"].structured_outputs) == {"values"}
    request = json.loads((folder / "assets.extra" / "example_request.json").read_text())
    assert served(model, request)["values"].shape == (1, 4, 1)
    logs = read_log(folder / "assets.extra" / "tf_serving_warmup_requests", prediction_log)
    assert len(logs) == 4 and all(answer(model, log.predict_log.request) for log in logs)
