"""Combinations as SavedModels, used by one process that does not import kseq.

`make test` exports a few combinations, `make test-all` exports all.
"""

import pathlib
import subprocess
import sys

import combinations
import numpy as np
import pytest

from kseq import Config, Translator
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.value_codec import ValueCodec
from kseq.runs.record import RunRecord
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text.codec import TextCodec

LETTERS = "abcdefghijk"
SENTENCES = ["a b c d e f", "k", "x b"]
STEPS = 3
# Together with the model of tests/test_export.py, they have both kinds of inputs and of outputs,
# both architectures, and attention or none.
FAST = {
    "gru-none",
    "transformer-2heads-decoder_layers=2-source_features=4-target_features=3",
}
EXPORTED = [
    pytest.param(config, marks=[pytest.mark.slow] * (combinations.name_of(config) not in FAST))
    for config in combinations.COMBINATIONS
]
assert set(map(combinations.name_of, combinations.COMBINATIONS)) >= FAST

# Loads and runs every model, with two batch sizes, and saves the results.
PROGRAM = """
import pathlib, sys
import numpy as np
import tensorflow as tf, tensorflow_text
folder = pathlib.Path(sys.argv[1])
for path in sorted(folder.glob("*/inputs.npz")):
    serve = tf.saved_model.load(str(path.parent / "model")).signatures["serving_default"]
    inputs = {name: array.astype(object) if array.dtype.kind == "S" else array
              for name, array in np.load(path).items()}
    outputs = serve(**{name: tf.constant(array) for name, array in inputs.items()})
    serve(**{name: tf.constant(array[:1] if array.ndim else array)
             for name, array in inputs.items()})
    np.savez(path.parent / "outputs.npz", **{
        name: tensor.numpy().astype("S") if tensor.dtype == tf.string else tensor.numpy()
        for name, tensor in outputs.items()})
assert not [name for name in sys.modules if name.partition(".")[0] == "kseq"]
"""


def translator_of(config):
    """An untrained translator for a combination."""
    model = combinations.build(config)
    sides = []
    for features, scale in ((config.source_features, 0.5), (config.target_features, 2.0)):
        if features:
            sides.append(ValueCodec(np.arange(features) * 0.1, np.full(features, scale)))
        else:
            sides.append(TextCodec([*SPECIAL_TOKENS, *LETTERS], copies=config.copy))
    record = RunRecord(length_ratio=0.1, parameters=model.count_params())
    return Translator.of_run(model, CodecPair(*sides), Config(model=config), record)


def sources_of(translator):
    if translator.codecs.source.is_text:
        return SENTENCES
    rng = np.random.default_rng(4)
    features = translator.codecs.source.features
    return [rng.normal(size=(length, features)).astype("float32") for length in (7, 1, 4)]


def inputs_of(translator, sources):
    if translator.codecs.source.is_text:
        inputs = {"text": np.array([source.encode() for source in sources])}
    else:
        lengths = np.array([len(source) for source in sources], "int32")
        # Padding may hold anything, even what is no number.
        padded = np.full((len(sources), lengths.max(), sources[0].shape[1]), np.nan, "float32")
        for row, source in zip(padded, sources):
            row[: len(source)] = source
        inputs = {"source": padded, "lengths": lengths}
    if translator.predicts_values:
        inputs["steps"] = np.array(STEPS, "int32")
    return inputs


@pytest.fixture(scope="module")
def exported(request, tmp_path_factory):
    """The results of kseq and of the SavedModels for a few sources, by name of combination."""
    folder = tmp_path_factory.mktemp("exported")
    expected = {}
    tests = [item for item in request.session.items if item.path == request.path]
    for config in [item.callspec.params["config"] for item in tests]:
        name = combinations.name_of(config)
        translator = translator_of(config)
        sources = sources_of(translator)
        (folder / name).mkdir()
        np.savez(folder / name / "inputs.npz", **inputs_of(translator, sources))
        translator.export(folder / name / "model")
        if translator.predicts_values:
            expected[name] = translator.predict(sources, STEPS)
        else:
            expected[name] = translator.translate(sources)
    subprocess.run([sys.executable, "-c", PROGRAM, folder], check=True, capture_output=True)
    return {
        name: (results, dict(np.load(pathlib.Path(folder, name, "outputs.npz"))))
        for name, results in expected.items()
    }


@pytest.mark.parametrize("config", EXPORTED, ids=combinations.name_of)
def test_a_loaded_export_gives_the_same_results(exported, config):
    results, outputs = exported[combinations.name_of(config)]
    for row, result in enumerate(results):
        if config.target_features:
            np.testing.assert_allclose(outputs["values"][row], result.values, atol=1e-4)
            length = STEPS
        else:
            assert outputs["translation"][row].decode() == result.text
            np.testing.assert_allclose(outputs["score"][row], result.score, atol=1e-4)
            length = len(result.tokens)
        assert ("attention" in outputs) == (config.attention != "none")
        if result.attention is not None:
            width = result.attention.shape[1]
            attention = outputs["attention"][row]
            np.testing.assert_allclose(attention[:length, :width], result.attention, atol=1e-4)
            assert not attention[length:].any() and not attention[:, width:].any()
        if config.copy:
            np.testing.assert_allclose(
                outputs["generation_probability"][row, :length],
                result.generation_probability,
                atol=1e-5,
            )
        if result.attention_heads is not None:
            heads = np.moveaxis(outputs["attention_heads"][row], 0, 2)
            np.testing.assert_allclose(
                heads[:, :, :length, :width], result.attention_heads, atol=1e-4
            )
