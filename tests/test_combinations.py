"""What holds for every architecture, checked on each of `combinations.COMBINATIONS`."""

import dataclasses
import functools
import typing

import keras
import numpy as np
import pytest
import references
import tensorflow as tf
from combinations import (
    COMBINATIONS,
    SOURCE_LENGTHS,
    as_tensors,
    batch,
    build,
    name_of,
    outputs_of,
    run,
    source_of,
    target_of,
    weights_of,
    with_slow_ones,
)

from kseq import ModelConfig, split_for_inference


class Case:
    """A model with a batch, and all that it returns for it."""

    def __init__(self, config):
        self.config = config
        self.model = build(config)
        self.inputs = batch(config)
        self.encoded, self.decoded = run(self.model, self.inputs)
        self.outputs = outputs_of(self.decoded)
        self.encoder, self.step = split_for_inference(self.model)

    @functools.cached_property
    def another(self):
        """A second model of the same settings, with weights of its own."""
        return type(self.model).from_config(self.model.get_config())


@pytest.fixture(scope="module", params=with_slow_ones(COMBINATIONS), ids=name_of)
def case(request):
    """One of the combinations that have every setting between them; all in `make test-all`."""
    return Case(request.param)


def values_of_fields():
    for field in dataclasses.fields(ModelConfig):
        kind = typing.get_type_hints(ModelConfig)[field.name]
        values = typing.get_args(kind) or ((True, False) if kind is bool else (None,))
        for value in values:
            yield pytest.param(field, value, id=f"{field.name}={value}")


@pytest.mark.parametrize("field, value", list(values_of_fields()))
def test_every_setting_is_among_the_combinations(field, value):
    """For a number, a value other than the default."""
    listed = {getattr(config, field.name) for config in COMBINATIONS}
    assert value in listed if value is not None else listed - {field.default}


def test_combinations_have_names_of_their_own():
    assert len({name_of(config) for config in COMBINATIONS}) == len(COMBINATIONS)


@pytest.mark.parametrize("case", COMBINATIONS, ids=name_of, indirect=True, scope="module")
def test_agrees_with_the_papers(case):
    """Against plain NumPy in double precision, one sentence at a time and without padding."""
    weights = weights_of(case.model)
    for part, arrays in weights.items():
        assert len(arrays) == len(case.model.get_layer(part).weights)
    outputs, attention, heads = references.seq2seq(case.config, weights, case.inputs)
    assert np.abs(outputs).max() > 0.3, "outputs near 0 would agree with anything near 0"
    np.testing.assert_allclose(case.model(as_tensors(case.inputs)), outputs, atol=1e-5)
    np.testing.assert_allclose(case.outputs, outputs, atol=1e-5)
    for name, expected in (("attention", attention), ("attention_heads", heads)):
        assert (name in case.decoded) == (expected is not None)
        if expected is not None:
            np.testing.assert_allclose(case.decoded[name], expected, atol=1e-5)


def check_promises(promised, arrays):
    """The symbolic shapes and types of a nest of outputs."""
    keras.tree.assert_same_structure(promised, arrays)
    tensors, arrays = keras.tree.flatten(promised), keras.tree.flatten(arrays)
    for tensor, array in zip(tensors, arrays, strict=True):
        assert keras.backend.standardize_dtype(array.dtype) == tensor.dtype, tensor
        assert array.ndim == len(tensor.shape), tensor
        for size, expected in zip(array.shape, tensor.shape):
            assert expected in (None, size), tensor


def test_what_is_promised_is_what_comes(case):
    check_promises(case.encoder.output, case.encoded)
    check_promises(case.model.get_layer("decoder").output, case.decoded)


def check_attention(config, encoded, decoded):
    """Weights sum to 1 and are exactly 0 on padding and outside the window."""
    weights = decoded["attention"]
    assert weights.dtype == np.float32
    mask = encoded["mask"]
    lengths = mask.sum(axis=-1)
    assert np.all(weights >= 0.0)
    totals = weights.sum(axis=-1)
    if config.attention == "local_p":
        assert np.all(totals > 0.0) and np.all(totals <= 1.0 + 1e-6)
    else:
        np.testing.assert_allclose(totals, 1.0, atol=1e-6)
    for row, length in enumerate(lengths):
        assert np.all(weights[row, :, length:] == 0.0)
        for step, row_weights in enumerate(weights[row]):
            places = np.flatnonzero(row_weights)
            expected = range(length)
            if config.attention == "local_m":
                center = min(step, length - 1)
                expected = range(
                    max(center - config.window, 0), min(center + config.window + 1, length)
                )
            elif config.attention == "local_p":
                assert len(places) <= 2 * config.window + 1
                expected = range(places[0], places[-1] + 1)
            assert places.tolist() == list(expected)
    if "attention_heads" in decoded:
        heads = decoded["attention_heads"]
        np.testing.assert_allclose(heads.sum(axis=-1), 1.0, atol=1e-6)
        assert np.all(heads[~np.broadcast_to(mask[:, None, None, None], heads.shape)] == 0.0)
        np.testing.assert_allclose(heads.mean(axis=(2, 3)), weights, atol=1e-6)


def test_attention_sums_to_one_over_real_positions(case):
    if case.config.attention == "none":
        assert case.encoded.keys() == {"state"}
        assert case.decoded.keys() == {"state", *case.decoded.keys() & {"logits", "values"}}
    else:
        check_attention(case.config, case.encoded, case.decoded)


def assert_same_but_for_padding(one, other):
    """Nests agree; where an array is longer than the other, it holds 0 (or False) there."""
    keras.tree.assert_same_structure(one, other)
    for left, right in zip(keras.tree.flatten(one), keras.tree.flatten(other)):
        common = tuple(slice(min(sizes)) for sizes in zip(left.shape, right.shape))
        np.testing.assert_allclose(left[common], right[common], atol=1e-5)
        for array in (left, right):
            rest = array.copy()
            rest[common] = 0
            assert not rest.any()


def test_what_stands_in_padding_changes_nothing(case):
    """Three more columns of padding; among real-valued frames large numbers, too."""
    inputs = dict(case.inputs)
    for name in source_of(inputs):
        array = inputs[name]
        inputs[name] = np.pad(array, [(0, 0), (0, 3), *[(0, 0)] * (array.ndim - 2)])
    if "source" in inputs:
        noise = np.random.default_rng(5).normal(size=inputs["source"].shape) * 1e9
        noise = noise.astype("float32")
        inputs["source"] = np.where(inputs["source_mask"][..., None], inputs["source"], noise)
    assert_same_but_for_padding(run(case.model, inputs), (case.encoded, case.decoded))


def test_a_longer_sentence_beside_it_changes_no_row(case):
    length = max(SOURCE_LENGTHS[1:])
    inputs = {name: array[1:, :length] for name, array in source_of(case.inputs).items()}
    inputs.update({name: array[1:] for name, array in target_of(case.inputs).items()})
    together = keras.tree.map_structure(lambda array: array[1:], (case.encoded, case.decoded))
    assert_same_but_for_padding(run(case.model, inputs), together)


def last_of(targets, time):
    """What the decoder step reads of a target."""
    (array,) = targets.values()
    return {"ids" if "target_ids" in targets else "value": array[:, time]}


def test_teacher_forcing_equals_step_by_step(case):
    given = case.encoded
    for time in range(case.outputs.shape[1]):
        given = {**given, **last_of(target_of(case.inputs), time)}
        stepped = keras.tree.map_structure(np.asarray, case.step(as_tensors(given)))
        np.testing.assert_allclose(outputs_of(stepped), case.outputs[:, time], atol=1e-5)
        for name in ("attention", "attention_heads"):
            assert (name in stepped) == (name in case.decoded)
            if name in stepped:
                np.testing.assert_allclose(stepped[name], case.decoded[name][:, time], atol=1e-6)
        given = {**given, "state": stepped["state"]}
    check_promises(case.step.output, stepped)
    keras.tree.map_structure(
        lambda one, other: np.testing.assert_allclose(one, other, atol=1e-5),
        stepped["state"],
        case.decoded["state"],
    )


def test_hypotheses_may_share_a_source(case):
    """Two rows for each source, over a whole target and at the step after it."""

    def repeated(nest):
        return keras.tree.map_structure(lambda array: np.repeat(array, 2, axis=0), nest)

    targets = [target_of(batch(case.config, seed)) for seed in (1, 2)]
    (name,) = targets[0]
    target = np.stack([arrays[name] for arrays in targets], axis=1)
    target = {name: target.reshape(-1, *target.shape[2:])}
    shared = {**case.encoded, "state": repeated(case.encoded["state"])}
    apart = repeated(case.encoded)
    decoder = case.model.get_layer("decoder")
    for model, given in ((decoder, target), (case.step, last_of(target, 1))):
        one, other = (
            keras.tree.map_structure(np.asarray, model(as_tensors({**given, **encoded})))
            for encoded in (shared, apart)
        )
        keras.tree.map_structure(
            lambda left, right: np.testing.assert_allclose(left, right, atol=1e-5), one, other
        )
        assert np.abs(outputs_of(one)[::2] - outputs_of(one)[1::2]).max() > 1e-3
        shared, apart = ({**encoded, "state": one["state"]} for encoded in (shared, apart))


def test_gradients_reach_every_weight(case):
    """The smallest of these gradients are near 1e-3; one that cancels out is near 1e-9."""
    scales = np.random.default_rng(3).normal(size=case.outputs.shape)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(case.model(as_tensors(case.inputs)) * scales)
    weights = case.model.trainable_weights
    assert len(weights) == len(case.model.weights)
    for weight, gradient in zip(weights, tape.gradient(loss, weights)):
        assert gradient is not None, weight.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 1e-5, weight.path


def test_file_of_the_model(case, tmp_path):
    case.model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(as_tensors(case.inputs)), case.outputs, atol=1e-6)
    assert len(loaded.weights) == len(case.model.weights)
    encoder, step = split_for_inference(loaded)
    assert (encoder.name, step.name) == ("encoder", "step")


def test_file_of_the_weights(case, tmp_path):
    case.model.save_weights(tmp_path / "model.weights.h5")
    case.another.load_weights(tmp_path / "model.weights.h5")
    for one, other in zip(case.another.weights, case.model.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_names_do_not_hang_on_what_was_built_before(case):
    """Every layer has a name of its own: Keras counts those that it has to name itself."""
    for part in ("encoder", "decoder"):
        one, other = (model.get_layer(part) for model in (case.model, case.another))
        names = [layer.name for layer in one.layers]
        assert len(set(names)) == len(names)
        assert names == [layer.name for layer in other.layers]
        assert [weight.path for weight in one.weights] == [weight.path for weight in other.weights]


@pytest.mark.parametrize(
    "policy, kept",
    [
        ("mixed_bfloat16", "float32"),
        pytest.param("bfloat16", "bfloat16", marks=pytest.mark.slow),
    ],
)
def test_low_precision_keeps_softmax_and_outputs_exact(case, policy, kept):
    """In a graph, where a loop is stricter about types than outside."""
    model = type(case.model).from_config({**case.model.get_config(), "dtype_policy": policy})
    model.set_weights(case.model.get_weights())
    assert {weight.dtype for weight in model.weights if "values" not in weight.path} == {kept}
    encoded, decoded = run(model, case.inputs, wrapper=tf.function)
    outputs = outputs_of(decoded)
    assert outputs.dtype == np.float32
    same = np.ones(outputs.shape[:2], bool)
    if case.config.attention == "local_p":
        # A position at the edge of a window is in or out of it by the last digit.
        other = (decoded["attention"] > 0) != (case.decoded["attention"] > 0)
        same = ~np.logical_or.accumulate(other.any(axis=-1), axis=1)
        assert same.mean() > 0.5
    # Processors round differently: what is large may be off by a twentieth.
    tolerance = 0.05 * max(np.abs(case.outputs).max(), 2.0)
    assert 0.0 < np.abs(outputs - case.outputs)[same].max() < tolerance
    if "attention" in decoded:
        check_attention(case.config, encoded, decoded)
    encoder, step = split_for_inference(model)
    stepped = step(as_tensors({**encoded, **last_of(target_of(case.inputs), 0)}))
    np.testing.assert_allclose(outputs_of(stepped), case.outputs[:, 0], atol=tolerance)
    check_promises(encoder.output, encoded)
    check_promises(model.get_layer("decoder").output, decoded)
    check_promises(step.output, stepped)
    # A search can carry the state through a loop.
    check_promises(step.input["state"], encoded["state"])
    check_promises(step.input["state"], stepped["state"])
