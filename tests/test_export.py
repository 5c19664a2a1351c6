"""The SavedModel, in processes that do not import kseq."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from untrained import untrained_reader, untrained_translator

from kseq.pipeline.value_codec import ValueCodec

SENTENCES = ["The cat is small.", "", "Where is he?", "xyzzy 👍 !"]

# Loads and runs a model without importing kseq, with two batch sizes.
PROGRAM = """
import json, sys
import tensorflow as tf, tensorflow_text
model = tf.saved_model.load(sys.argv[1])
serve = model.signatures["details"]
outputs = serve(text=tf.constant(json.loads(sys.argv[2])))
serve(text=tf.constant(["One sentence alone."]))
assert not [name for name in sys.modules if name.partition(".")[0] in ("kseq", "keras_hub")]
print(json.dumps({name: tensor.numpy().tolist() for name, tensor in outputs.items()},
                 default=lambda value: value.decode()))
"""

ALPHA = 0.4


@pytest.fixture(
    scope="module",
    params=[pytest.param(1, id="greedy", marks=pytest.mark.slow), pytest.param(4, id="beam")],
)
def exported(request, translator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "model"
    assert translator.export(folder, beam_size=request.param, alpha=ALPHA) == folder
    return folder, request.param


@pytest.mark.slow  # tests/test_export_combinations.py has a new process, too
def test_a_new_process_gives_the_same_translations(exported, translator):
    folder, beam_size = exported
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, json.dumps(SENTENCES)],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    outputs = json.loads(process.stdout)
    assert outputs["hypothesis_count"] == [1] * len(SENTENCES)
    for row, result in enumerate(translator.translate(SENTENCES, beam_size, alpha=ALPHA)):
        assert outputs["translation"][row] == result.text
        np.testing.assert_allclose(outputs["score"][row], result.score, atol=1e-5)
        for name, tokens in (("source", result.source_tokens), ("output", result.tokens)):
            padded = outputs[f"{name}_tokens"][row]
            assert padded[: len(tokens)] == tokens and not any(padded[len(tokens) :])
        length, width = result.attention.shape
        attention = np.array(outputs["attention"][row])
        np.testing.assert_allclose(attention[:length, :width], result.attention, atol=1e-5)
        assert not attention[length:].any() and not attention[:, width:].any()


@pytest.mark.slow
def test_saved_model_cli_shows_the_signature(exported):
    folder, _ = exported
    program = "from tensorflow.python.tools.saved_model_cli import main; main()"
    output = subprocess.run(
        [sys.executable, "-c", program, "show", "--dir", folder, "--tag_set", "serve"]
        + ["--signature_def", "details"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "inputs['text'] tensor_info:\n      dtype: DT_STRING\n      shape: (-1)" in output
    for name in ("translation", "score", "source_tokens", "output_tokens", "attention"):
        assert f"outputs['{name}']" in output
    assert "outputs['hypothesis_count'] tensor_info:\n      dtype: DT_INT32" in output
    assert "unknown_rank" not in output


def test_a_codec_is_saved_without_its_compiled_functions(exported):
    saved = tf.saved_model.load(exported[0])
    assert len(saved._tables) == 2
    assert not any(hasattr(codec, "_tokenize_compiled") for codec in saved._tables)


def test_an_empty_batch_has_an_empty_result(exported):
    serve = tf.saved_model.load(exported[0]).signatures["serving_default"]
    assert serve(text=tf.constant([], tf.string))["translation"].shape == (0,)


def test_only_a_saved_model_of_kseq_is_replaced_and_other_files_are_kept(
    translator, exported, tmp_path
):
    folder, beam_size = exported
    for path in (folder / "notes.txt", folder / "assets" / "words.txt"):
        path.write_text("mine")
    translator.export(folder, beam_size=beam_size)
    assert (folder / "notes.txt").read_text() == (folder / "assets/words.txt").read_text() == "mine"
    assert os.listdir(folder.parent) == ["model"]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("years of work")
    tf.saved_model.save(tf.Module(), tmp_path / "model")
    for name in ("folder", "model"):
        with pytest.raises(FileExistsError, match=f"{name} exists and is not a SavedModel of ks"):
            translator.export(tmp_path / name)


def test_an_invalid_beam_size_is_an_error(translator, tmp_path):
    with pytest.raises(
        ValueError, match="beam_size must be at least 1 and at most 1,000; received 0"
    ):
        translator.export(tmp_path / "model", beam_size=0)
    assert not list(tmp_path.iterdir())


def test_outputs_are_json_and_count_the_translations(tmp_path):
    """With at most one word, and no `<unk>`, there are three outputs; an empty source has one."""
    translator = untrained_translator(["attention=none"], ["a"], ["x", "y"])
    options = {"beam_size": 5, "n_best": 5, "maximum_length": 1, "forbid": ["<unk>"]}
    folder = translator.export(tmp_path / "model", **options)
    outputs = tf.saved_model.load(folder).signatures["details"](text=tf.constant(["a", ""]))
    lists = {name: tensor.numpy().tolist() for name, tensor in outputs.items()}
    outputs = json.loads(json.dumps(lists, default=bytes.decode, allow_nan=False))
    assert outputs["hypothesis_count"] == [3, 1]
    texts, scores = outputs["translation"], outputs["score"]
    assert sorted(texts[0][:3]) == ["", "x", "y"] and texts[0][3:] == ["", ""]
    assert all(score < 0.0 for score in scores[0][:3]) and scores[0][3:] == [0.0, 0.0]
    assert texts[1] == 5 * [""] and scores[1] == 5 * [0.0]


@pytest.fixture(scope="module")
def serve_values(tmp_path_factory):
    """The signature of a model from sequences of two values to sequences of one."""
    settings = ["source_features=2", "target_features=1"]
    translator = untrained_reader(settings, ValueCodec.plain(2), ValueCodec.plain(1))
    folder = translator.export(tmp_path_factory.mktemp("values") / "model")
    return tf.saved_model.load(folder).signatures["serving_default"]


def call(serve, lengths, steps=2, place=None, value=np.nan):
    """Calls the signature with two sources of three steps, one value of which may be replaced."""
    source = np.ones([2, 3, 2], "float32")
    if place is not None:
        source[place] = value
    return serve(
        source=tf.constant(source), lengths=tf.constant(lengths, tf.int32), steps=tf.constant(steps)
    )


@pytest.mark.parametrize(
    "options, message",
    [
        ({"lengths": [3, 4]}, "lengths must be at most the number of steps of the source"),
        ({"lengths": [3, 0]}, "lengths must be at least 1"),
        ({"lengths": [-1, 3]}, "lengths must be at least 1"),
        ({"lengths": [3, 3, 3]}, "lengths must hold one length for each source"),
        ({"lengths": [3]}, "lengths must hold one length for each source"),
        ({"lengths": [3, 3], "steps": 0}, "steps must be at least 1"),
        ({"lengths": [3, 3], "steps": 100_001}, "steps must be at most 100,000"),
        (
            {"lengths": [3, 3], "place": (1, 2, 0)},
            r"finite numbers; others are at .row, step, feature., counted from 0:\] \[\[1 2 0\]\]",
        ),
        ({"lengths": [3, 3], "place": (1, 2, 0), "value": -np.inf}, "finite numbers"),
    ],
    ids=str,
)
def test_unsuitable_values_are_errors_of_the_signature(serve_values, options, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        call(serve_values, **options)


def test_values_beyond_a_length_may_be_anything(serve_values):
    expected = call(serve_values, [3, 2])["values"]
    np.testing.assert_array_equal(call(serve_values, [3, 2], place=(1, 2))["values"], expected)
    empty = serve_values(
        source=tf.zeros([0, 0, 2]), lengths=tf.zeros([0], tf.int32), steps=tf.constant(1)
    )
    assert empty["values"].shape == (0, 1, 1)
