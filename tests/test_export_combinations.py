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
    inputs = {name: array.astype(object) if array.dtype.kind == "S" else array
              for name, array in np.load(path).items()}
    signatures = tf.saved_model.load(str(path.parent / "model")).signatures
    outputs = {}
    for signature in ("details", "score", "encode"):
        serve = signatures[signature]
        taken = {name: inputs[name] for name in serve.structured_input_signature[1]}
        returned = serve(**{name: tf.constant(array) for name, array in taken.items()})
        serve(**{name: tf.constant(array[:1] if array.ndim else array)
                 for name, array in taken.items()})
        outputs |= {signature + "." + name: tensor for name, tensor in returned.items()}
    np.savez(path.parent / "outputs.npz", **{
        name: tensor.numpy().astype("S") if tensor.dtype == tf.string else tensor.numpy()
        for name, tensor in outputs.items()})
assert not [name for name in sys.modules if name.partition(".")[0] == "kseq"]
"""


def translator_of(config):
    """An untrained translator for a combination."""
    model = combinations.build(config)
    sides = []
    for features, known, scale in (
        (config.source_features, 0, 0.5),
        (config.target_features, config.target_covariates, 2.0),
    ):
        if features:
            width = features + known
            sides.append(ValueCodec(np.arange(width) * 0.1, np.full(width, scale), known))
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


def targets_of(translator):
    if translator.codecs.target.is_text:
        return ["b a", "", "a x b c"][: len(sources_of(translator))]
    rng = np.random.default_rng(5)
    width = translator.codecs.target.side.width
    return [rng.normal(size=(2 + n, width)) for n in range(len(sources_of(translator)))]


def known_of(translator):
    """What is known about the steps to predict, `[N, T, C]`; None without covariates."""
    target = translator.codecs.target
    if target.is_text or not target.covariates:
        return None
    shape = len(sources_of(translator)), 4, target.covariates
    return np.random.default_rng(6).normal(size=shape).astype("float32")


def inputs_of(translator):
    """Inputs of all signatures, by name."""
    inputs = {"steps": np.array(STEPS, "int32")}
    sides = zip(
        translator.codecs.sides,
        (sources_of(translator), targets_of(translator)),
        (("text", "source", "lengths"), ("target", "target", "target_lengths")),
    )
    for codec, sequences, (text, values, lengths) in sides:
        if codec.is_text:
            inputs[text] = np.array([sequence.encode() for sequence in sequences])
        else:
            inputs[values], inputs[lengths] = padded(sequences)
    known = known_of(translator)
    if known is not None:
        inputs["target"] = inputs["target"][..., : translator.codecs.target.features]
        inputs["covariates"] = known
    return inputs


def padded(sequences):
    lengths = np.array([len(sequence) for sequence in sequences], "int32")
    # Padding may hold anything, even what is no number.
    array = np.full((len(sequences), lengths.max(), sequences[0].shape[1]), np.nan, "float32")
    for row, sequence in zip(array, sequences):
        row[: len(sequence)] = sequence
    return array, lengths


@pytest.fixture(scope="module")
def exported(request, tmp_path_factory):
    """The results of kseq and of the SavedModels for a few sources, by name of combination."""
    folder = tmp_path_factory.mktemp("exported")
    expected = {}
    tests = [item for item in request.session.items if item.path == request.path]
    configs = {combinations.name_of(item.callspec.params["config"]): item for item in tests}
    for name, item in configs.items():
        config = item.callspec.params["config"]
        translator = translator_of(config)
        sources = sources_of(translator)
        (folder / name).mkdir()
        np.savez(folder / name / "inputs.npz", **inputs_of(translator))
        translator.export(folder / name / "model")
        known, targets = known_of(translator), targets_of(translator)
        if known is not None:
            width = translator.codecs.target.features
            targets = [np.hstack([y[:, :width], c[: len(y)]]) for y, c in zip(targets, known)]
        forced = translator.score(list(zip(sources, targets)))
        if translator.predicts_values:
            steps = STEPS if known is None else None
            expected[name] = translator.predict(sources, steps, known), forced
        else:
            expected[name] = translator.translate(sources), forced
    subprocess.run([sys.executable, "-c", PROGRAM, folder], check=True, capture_output=True)
    return {
        name: (results, dict(np.load(pathlib.Path(folder, name, "outputs.npz"))))
        for name, results in expected.items()
    }


@pytest.mark.parametrize("config", EXPORTED, ids=combinations.name_of)
def test_a_loaded_export_gives_the_same_results(exported, config):
    (results, _), outputs = exported[combinations.name_of(config)]
    outputs = outputs_of(outputs, "details")
    for row, result in enumerate(results):
        if config.target_features:
            np.testing.assert_allclose(outputs["values"][row], result.values, atol=1e-4)
            length = len(result.values)
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


def outputs_of(outputs, signature):
    return {
        name.removeprefix(f"{signature}."): array
        for name, array in outputs.items()
        if name.startswith(f"{signature}.")
    }


@pytest.mark.parametrize("config", EXPORTED, ids=combinations.name_of)
def test_a_loaded_export_scores_targets_as_kseq_does(exported, config):
    (_, forced), outputs = exported[combinations.name_of(config)]
    outputs = outputs_of(outputs, "score")
    for row, result in enumerate(forced):
        if config.target_features:
            np.testing.assert_allclose(outputs["error"][row], result.error, rtol=1e-4)
            continue
        length = len(result.tokens)
        tokens = outputs["target_tokens"][row]
        assert [token.decode() for token in tokens[:length]] == result.tokens
        assert not any(tokens[length:])
        log_probabilities = outputs["token_log_probabilities"][row]
        np.testing.assert_allclose(
            log_probabilities[:length], result.token_log_probabilities, atol=1e-4
        )
        assert not log_probabilities[length:].any()
        for name in ("log_probability", "score"):
            np.testing.assert_allclose(outputs[name][row], getattr(result, name), atol=1e-4)


@pytest.mark.parametrize("config", EXPORTED, ids=combinations.name_of)
def test_a_loaded_export_encodes_each_source_on_its_own(exported, config):
    """The vector is the mean of the memory, which is 0 on padding."""
    _, outputs = exported[combinations.name_of(config)]
    outputs = outputs_of(outputs, "encode")
    assert np.isfinite(outputs["vector"]).all()
    assert len(np.unique(outputs["vector"], axis=0)) == len(outputs["vector"])
    assert ("memory" in outputs) == (config.attention != "none")
    if "memory" in outputs:
        assert not outputs["memory"][~outputs["mask"]].any()
        for memory, mask, vector in zip(outputs["memory"], outputs["mask"], outputs["vector"]):
            np.testing.assert_allclose(vector, memory[mask].mean(axis=0), atol=1e-5)
