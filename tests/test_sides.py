"""The sides of a model: text and real values."""

import numpy as np
import pytest
import references
import tensorflow as tf

from kseq import ModelConfig
from kseq.sides.make_side import make_source_side, make_target_side
from kseq.sides.text_side import TextSide
from kseq.sides.value_side import ValueSide
from kseq.special_tokens import PAD, START

TEXT, VALUES = TextSide(9), ValueSide(2)
NUMBERS = {
    TEXT: tf.ragged.constant([[4, 3], [5, 6, 3]], tf.int32),
    VALUES: tf.ragged.constant([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], ragged_rank=1),
}
BOTH = pytest.mark.parametrize("side", [TEXT, VALUES], ids=["text", "values"])


def require_specs(specs, tensors):
    """Checks that tensors match their specifications, and that there are no others."""
    assert specs.keys() == tensors.keys()
    for name, spec in specs.items():
        assert spec.is_compatible_with(tensors[name]), name


@BOTH
def test_inputs_match_their_specifications(side):
    numbers = NUMBERS[side]
    inputs = side.source_inputs(numbers)
    require_specs(side.source_specs, inputs)
    target, labels = side.shift(side.pad_targets(side.with_first_step(numbers), numbers))
    require_specs(side.target_specs, target)
    assert side.target_spec.is_compatible_with(labels)
    require_specs(side.step_specs, {side.step_name: side.first_step(3)})


@BOTH
def test_the_mask_and_the_lengths_match_the_sequences(side):
    numbers = NUMBERS[side]
    inputs = side.source_inputs(numbers)
    lengths = numbers.row_lengths()
    expected = tf.sequence_mask(lengths)
    np.testing.assert_array_equal(side.source_mask(inputs), expected)
    np.testing.assert_array_equal(side.source_lengths(inputs), lengths)


@BOTH
def test_the_decoder_reads_the_first_step_and_then_the_labels(side):
    targets = NUMBERS[side]
    target, labels = side.shift(side.pad_targets(side.with_first_step(targets), targets))
    inputs = target[side.target_name]
    np.testing.assert_array_equal(labels, targets.to_tensor(0))
    np.testing.assert_array_equal(inputs[:, 1:], labels[:, :-1])
    np.testing.assert_array_equal(inputs[:, 0], side.first_step(2))
    assert np.all(inputs[:, 0] == (START if side.is_text else 0.0))


@pytest.mark.parametrize(
    "side, sequences",
    [(TEXT, ["a b", "é"]), (VALUES, [np.ones((1, 2), "f"), np.zeros((3, 2), "f")])],
    ids=["text", "values"],
)
def test_packed_sequences_are_unpacked_unchanged(side, sequences):
    packed = side.pack(sequences)
    for spec, array in zip(side.packed_specs, packed, strict=True):
        assert spec.is_compatible_with(tf.constant(array))
    unpacked = side.unpack(*map(tf.constant, packed))
    assert unpacked.shape[0] == len(sequences)
    for row, sequence in zip(unpacked, sequences):
        expected = sequence.encode() if side.is_text else sequence
        np.testing.assert_array_equal(row.numpy(), expected)


def test_end_does_not_count_as_content():
    lengths = tf.constant([1.0, 4.0])
    assert TEXT.content_lengths(lengths).numpy().tolist() == [0.0, 3.0]
    assert TEXT.is_empty(lengths).numpy().tolist() == [True, False]
    assert VALUES.content_lengths(lengths).numpy().tolist() == [1.0, 4.0]
    assert VALUES.is_empty(lengths).numpy().tolist() == [False, False]


def test_a_model_config_and_a_vocabulary_size_describe_a_side():
    assert make_source_side(ModelConfig(), 9) == make_target_side(ModelConfig(), 9) == TEXT
    config = ModelConfig(source_features=2, target_features=3, target_activation="sigmoid")
    assert make_source_side(config) == VALUES
    assert make_target_side(config) == ValueSide(3, "sigmoid")
    assert (str(TextSide(1234)), str(VALUES)) == ("1,234 different tokens", "2 values per step")


# === Losses ===

rng = np.random.default_rng(0)
LABELS = np.array([[1, 4, PAD], [2, PAD, PAD]], "int32")
LOGITS = rng.normal(size=(2, 3, 5)).astype("float32") * 3


def test_the_loss_of_text_is_cross_entropy():
    expected = references.cross_entropy(LABELS, LOGITS)
    np.testing.assert_allclose(TEXT.losses(LABELS, LOGITS), expected, rtol=1e-5)


def test_extreme_logits_have_a_finite_loss():
    logits = np.array([[[500.0, 0.0, -500.0]]], "float32")
    np.testing.assert_allclose(TEXT.losses([[2]], logits), [[1000.0]], rtol=1e-6)
    np.testing.assert_allclose(TEXT.losses([[0]], logits), [[0.0]], atol=1e-6)


def test_the_loss_of_values_is_an_error_averaged_over_features():
    labels, outputs = rng.uniform(0.1, 0.9, size=(2, 4, 3, 2)).astype("float32")
    squares = np.square(labels - outputs).mean(axis=-1)
    np.testing.assert_allclose(VALUES.losses(labels, outputs), squares, rtol=1e-5)
    sigmoid = ValueSide(2, "sigmoid")
    entropies = -labels * np.log(outputs) - (1 - labels) * np.log(1 - outputs)
    np.testing.assert_allclose(sigmoid.losses(labels, outputs), entropies.mean(axis=-1), rtol=1e-5)
    assert (VALUES.measure, sigmoid.measure) == ("mean_squared_error", "binary_cross_entropy")
