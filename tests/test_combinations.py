"""Properties of every architecture, checked on `combinations.COMBINATIONS`."""

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
    graph_traits_of,
    name_of,
    outputs_of,
    parameters_of,
    run,
    source_of,
    target_of,
    weights_of,
)

from kseq import ModelConfig, split_for_inference
from kseq.models.size import least_parameters
from kseq.runs.weights import count_parameters


class Case:
    """A model, a batch, and the outputs of the model for it."""

    def __init__(self, config):
        self.config = config
        self.model = build(config)
        self.inputs = batch(config)
        self.encoded, self.decoded = run(self.model, self.inputs)
        self.outputs = outputs_of(self.decoded)
        self.encoder, self.step = split_for_inference(self.model)

    @functools.cached_property
    def second_model(self):
        """A model of the same settings, with its own weights."""
        return type(self.model).from_config(self.model.get_config())


@pytest.fixture(scope="module", params=parameters_of(COMBINATIONS), ids=name_of)
def case(request):
    """One of the combinations that cover every setting; in `make test-all`, any combination."""
    return Case(request.param)


# The contents of a file and the types in a graph depend on the parts of a model only.
WITH_ALL_PARTS = pytest.mark.parametrize(
    "case",
    parameters_of(COMBINATIONS, graph_traits_of),
    ids=name_of,
    indirect=True,
    scope="module",
)


def values_of_fields():
    for field in dataclasses.fields(ModelConfig):
        if field.name in ("features", "feature_attention"):
            continue  # These models have another input: see test_features.py.
        kind = typing.get_type_hints(ModelConfig)[field.name]
        values = typing.get_args(kind) or ((True, False) if kind is bool else (None,))
        for value in values:
            yield pytest.param(field, value, id=f"{field.name}={value}")


@pytest.mark.parametrize("field, value", list(values_of_fields()))
def test_every_setting_is_among_the_combinations(field, value):
    """For a number, a value other than the default."""
    values = {getattr(config, field.name) for config in COMBINATIONS}
    assert value in values if value is not None else values - {field.default}


def test_every_combination_has_a_unique_name():
    assert len({name_of(config) for config in COMBINATIONS}) == len(COMBINATIONS)


@pytest.mark.parametrize(
    "case", parameters_of(COMBINATIONS), ids=name_of, indirect=True, scope="module"
)
def test_a_model_agrees_with_the_papers(case):
    """Compared with plain NumPy in float64, one sentence at a time and without padding."""
    weights = weights_of(case.model)
    for part, arrays in weights.items():
        assert len(arrays) == len(case.model.get_layer(part).weights)
    outputs, attention, heads = references.seq2seq(case.config, weights, case.inputs)
    assert np.abs(outputs).max() > 0.3, "outputs near 0 would agree with anything near 0"
    np.testing.assert_allclose(case.outputs, outputs, atol=1e-5)
    whole = case.model(as_tensors(case.inputs))
    np.testing.assert_allclose(whole, case.decoded[case.model.target_side.output_name], atol=1e-5)
    for name, expected in (("attention", attention), ("attention_heads", heads)):
        assert (name in case.decoded) == (expected is not None)
        if expected is not None:
            np.testing.assert_allclose(case.decoded[name], expected, atol=1e-5)


def require_specs(symbolic, arrays):
    """Checks the shapes and types of a nest of arrays against symbolic tensors."""
    keras.tree.assert_same_structure(symbolic, arrays)
    tensors, arrays = keras.tree.flatten(symbolic), keras.tree.flatten(arrays)
    for tensor, array in zip(tensors, arrays, strict=True):
        assert keras.backend.standardize_dtype(array.dtype) == tensor.dtype, tensor
        assert array.ndim == len(tensor.shape), tensor
        for size, expected in zip(array.shape, tensor.shape):
            assert expected in (None, size), tensor


def test_outputs_have_their_symbolic_shapes_and_types(case):
    require_specs(case.encoder.output, case.encoded)
    require_specs(case.model.get_layer("decoder").output, case.decoded)


def check_attention(config, encoded, decoded):
    """Checks that weights sum to 1 and are exactly 0 on padding and outside the window."""
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
        if config.attention == "location":
            length = min(length, config.positions)
        assert np.all(weights[row, :, length:] == 0.0)
        for step, row_weights in enumerate(weights[row]):
            positions = np.flatnonzero(row_weights)
            expected = range(length)
            if config.attention == "local_m":
                center = min(step, length - 1)
                expected = range(
                    max(center - config.window, 0), min(center + config.window + 1, length)
                )
            elif config.alignment_order:
                farthest = (step + 1) * config.window
                expected = range(min(farthest + 1, length))
            elif config.attention == "local_p":
                assert len(positions) <= 2 * config.window + 1
                expected = range(positions[0], positions[-1] + 1)
            assert positions.tolist() == list(expected)
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


def with_probabilities(nest):
    """Encoded and decoded, the latter with probabilities, which may be 0, for logarithms."""
    encoded, decoded = nest
    if "generation_probability" in decoded:
        decoded = {**decoded, "logits": outputs_of(decoded)}
    return encoded, decoded


def assert_same_except_for_padding(first, second):
    """Checks that nests agree; the rest of a longer array must be 0 (or False)."""
    keras.tree.assert_same_structure(first, second)
    first, second = map(with_probabilities, (first, second))
    for left, right in zip(keras.tree.flatten(first), keras.tree.flatten(second)):
        common = tuple(slice(min(sizes)) for sizes in zip(left.shape, right.shape))
        np.testing.assert_allclose(left[common], right[common], atol=1e-5)
        for array in (left, right):
            rest = array.copy()
            rest[common] = 0
            assert not rest.any()


def test_padding_does_not_change_the_result(case):
    """Three more columns of padding; for real values, all padding holds large numbers."""
    inputs = dict(case.inputs)
    for name in source_of(inputs):
        array = inputs[name]
        inputs[name] = np.pad(array, [(0, 0), (0, 3), *[(0, 0)] * (array.ndim - 2)])
    if "source" in inputs:
        noise = np.random.default_rng(5).normal(size=inputs["source"].shape) * 1e9
        noise = noise.astype("float32")
        inputs["source"] = np.where(inputs["source_mask"][..., None], inputs["source"], noise)
    assert_same_except_for_padding(run(case.model, inputs), (case.encoded, case.decoded))


def test_a_longer_sentence_in_the_batch_changes_no_other_row(case):
    length = max(SOURCE_LENGTHS[1:])
    inputs = {name: array[1:, :length] for name, array in source_of(case.inputs).items()}
    inputs.update({name: array[1:] for name, array in target_of(case.inputs).items()})
    together = keras.tree.map_structure(lambda array: array[1:], (case.encoded, case.decoded))
    assert_same_except_for_padding(run(case.model, inputs), together)


def test_a_row_of_padding_alone_has_finite_outputs_and_changes_no_other_row(case):
    inputs = {name: array.copy() for name, array in case.inputs.items()}
    for name in source_of(inputs):
        inputs[name][-1] = 0
    encoded, decoded = run(case.model, inputs)
    for array in keras.tree.flatten(with_probabilities((encoded, decoded))):
        assert np.isfinite(array).all()
    np.testing.assert_allclose(outputs_of(decoded)[:-1], case.outputs[:-1], atol=1e-5)


def step_input(targets, time):
    """The input of the decoder step at a position of the targets."""
    (array,) = targets.values()
    return {"ids" if "target_ids" in targets else "value": array[:, time]}


def test_teacher_forcing_equals_single_steps(case):
    inputs = case.encoded
    for time in range(case.outputs.shape[1]):
        inputs = {**inputs, **step_input(target_of(case.inputs), time)}
        outputs = keras.tree.map_structure(np.asarray, case.step(as_tensors(inputs)))
        np.testing.assert_allclose(outputs_of(outputs), case.outputs[:, time], atol=1e-5)
        for name in ("attention", "attention_heads"):
            assert (name in outputs) == (name in case.decoded)
            if name in outputs:
                np.testing.assert_allclose(outputs[name], case.decoded[name][:, time], atol=1e-6)
        inputs = {**inputs, "state": outputs["state"]}
    require_specs(case.step.output, outputs)
    keras.tree.map_structure(
        lambda state, expected: np.testing.assert_allclose(state, expected, atol=1e-5),
        outputs["state"],
        case.decoded["state"],
    )


def test_hypotheses_may_share_a_source(case):
    """Two rows for each source, over a whole target and at the step after it."""

    def repeat_rows(nest):
        return keras.tree.map_structure(lambda array: np.repeat(array, 2, axis=0), nest)

    targets = [target_of(batch(case.config, seed)) for seed in (1, 2)]
    (name,) = targets[0]
    target = np.stack([arrays[name] for arrays in targets], axis=1)
    target = {name: target.reshape(-1, *target.shape[2:])}
    shared = {**case.encoded, "state": repeat_rows(case.encoded["state"])}
    separate = repeat_rows(case.encoded)
    decoder = case.model.get_layer("decoder")
    for model, target_input in ((decoder, target), (case.step, step_input(target, 1))):
        outputs, expected = (
            keras.tree.map_structure(np.asarray, model(as_tensors({**target_input, **encoded})))
            for encoded in (shared, separate)
        )
        keras.tree.map_structure(
            lambda *arrays: np.testing.assert_allclose(*arrays, atol=1e-5), outputs, expected
        )
        assert np.abs(outputs_of(outputs)[::2] - outputs_of(outputs)[1::2]).max() > 1e-3
        shared, separate = (
            {**encoded, "state": outputs["state"]} for encoded in (shared, separate)
        )


def test_gradients_reach_every_weight(case):
    """The smallest of these gradients are near 1e-3; one that cancels out is near 1e-9."""
    scales = np.random.default_rng(3).normal(size=case.outputs.shape)
    with tf.GradientTape() as tape:
        outputs = case.model(as_tensors(case.inputs))
        # A word that cannot be copied has no logarithm.
        outputs = tf.where(tf.math.is_finite(outputs), outputs, 0.0)
        loss = tf.reduce_sum(outputs * scales)
    weights = case.model.trainable_weights
    assert len(weights) == len(case.model.weights)
    for weight, gradient in zip(weights, tape.gradient(loss, weights)):
        assert gradient is not None, weight.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 1e-5, weight.path


@WITH_ALL_PARTS
def test_a_saved_model_gives_the_same_outputs(case, tmp_path):
    case.model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = case.decoded[case.model.target_side.output_name]
    np.testing.assert_allclose(loaded(as_tensors(case.inputs)), expected, atol=1e-6)
    assert len(loaded.weights) == len(case.model.weights)
    encoder, step = split_for_inference(loaded)
    assert (encoder.name, step.name) == ("encoder", "step")


@WITH_ALL_PARTS
def test_saved_weights_can_be_loaded_into_a_second_model(case, tmp_path):
    case.model.save_weights(tmp_path / "model.weights.h5")
    case.second_model.load_weights(tmp_path / "model.weights.h5")
    for weights in zip(case.second_model.weights, case.model.weights, strict=True):
        np.testing.assert_array_equal(*weights)
    assert count_parameters(tmp_path / "model.weights.h5") == case.model.count_params()


def test_the_number_of_parameters_is_bounded_without_building_a_model(case):
    sides = case.model.source_side, case.model.target_side
    least = least_parameters(case.config, *(side.vocabulary_size for side in sides))
    assert least <= case.model.count_params() < 30 * least


def test_names_do_not_depend_on_models_built_earlier(case):
    """Every layer is named explicitly: names made by Keras contain a running number."""
    for part in ("encoder", "decoder"):
        first, second = (model.get_layer(part) for model in (case.model, case.second_model))
        names = [layer.name for layer in first.layers]
        assert len(set(names)) == len(names)
        assert names == [layer.name for layer in second.layers]
        paths = [[weight.path for weight in model.weights] for model in (first, second)]
        assert paths[0] == paths[1]


@WITH_ALL_PARTS
@pytest.mark.parametrize(
    "policy, weight_dtype",
    [
        ("mixed_bfloat16", "float32"),
        pytest.param("bfloat16", "bfloat16", marks=pytest.mark.slow),
    ],
)
def test_low_precision_keeps_softmax_and_outputs_in_float32(case, policy, weight_dtype):
    """Runs in a graph, where loops are stricter about types."""
    model = type(case.model).from_config({**case.model.get_config(), "dtype_policy": policy})
    model.set_weights(case.model.get_weights())
    assert {weight.dtype for weight in model.weights if "/values/" not in f"/{weight.path}"} == {
        weight_dtype
    }
    encoded, decoded = run(model, case.inputs, wrapper=tf.function)
    outputs = outputs_of(decoded)
    assert outputs.dtype == np.float32
    is_comparable = np.ones(outputs.shape[:2], bool)
    if case.config.attention == "local_p":
        # Rounding decides whether a position at the edge of a window is inside it.
        differs = (decoded["attention"] > 0) != (case.decoded["attention"] > 0)
        is_comparable = ~np.logical_or.accumulate(differs.any(axis=-1), axis=1)
        assert is_comparable.mean() > 0.5
    # Processors round differently, so the tolerance is a twentieth of the largest output.
    tolerance = 0.05 * max(np.abs(case.outputs).max(), 2.0)
    assert 0.0 < np.abs(outputs - case.outputs)[is_comparable].max() < tolerance
    if "attention" in decoded:
        check_attention(case.config, encoded, decoded)
    encoder, step = split_for_inference(model)
    step_outputs = step(as_tensors({**encoded, **step_input(target_of(case.inputs), 0)}))
    np.testing.assert_allclose(outputs_of(step_outputs), case.outputs[:, 0], atol=tolerance)
    require_specs(encoder.output, encoded)
    require_specs(model.get_layer("decoder").output, decoded)
    require_specs(step.output, step_outputs)
    # A search can carry the state through a loop.
    require_specs(step.input["state"], encoded["state"])
    require_specs(step.input["state"], step_outputs["state"])
