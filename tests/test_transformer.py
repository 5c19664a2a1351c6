"""The layers of the Transformer compared with the equations, and with the layers of Keras."""

import keras
import numpy as np
import pytest
import references

from kseq.models.transformer import (
    CachedSelfAttention,
    CrossAttention,
    LastPosition,
    PositionalEncoding,
)

rng = np.random.default_rng(0)
HEADS, SIZE = 2, 3
UNITS = HEADS * SIZE


def normal(*shape):
    return rng.normal(size=shape).astype("float32")


@pytest.mark.parametrize("width", [6, 7])
def test_positions_agree_with_the_paper(width):
    embedded = normal(2, 30, width)
    expected = embedded * np.sqrt(width) + references.positions(30, width)
    np.testing.assert_allclose(PositionalEncoding()(embedded), expected, atol=1e-5)


def test_positions_continue_after_a_cache():
    expected = PositionalEncoding()(np.zeros((2, 30, 6), "float32"))
    rest = PositionalEncoding()(np.zeros((2, 5, 6), "float32"), np.zeros((2, 25, 2, 3), "float32"))
    np.testing.assert_allclose(rest, expected[:, 25:], atol=1e-5)


def test_positions_are_exact_in_low_precision():
    """bfloat16 cannot tell position 257 from 256, so angles must not be computed in it."""
    encoding = PositionalEncoding(dtype="mixed_bfloat16")(np.zeros((1, 400, 6), "float32"))
    expected = references.positions(400, 6)[None]
    np.testing.assert_allclose(np.asarray(encoding, "float32"), expected, atol=4e-3)


def test_the_last_position_is_the_last_real_one():
    sequence, mask = normal(3, 4, 2), np.arange(4) < np.array([[4], [2], [0]])
    selected = LastPosition()(sequence, mask)
    np.testing.assert_array_equal(selected, [sequence[0, 3], sequence[1, 1], sequence[2, 0]])


def self_attention():
    layer = CachedSelfAttention(HEADS, SIZE, use_bias=False)
    layer(normal(2, 4, UNITS), empty_cache())
    layer.set_weights([normal(*weight.shape) * 0.5 for weight in layer.get_weights()])
    return layer


def empty_cache():
    return [np.zeros((2, 0, HEADS, SIZE), "float32")] * 2


def test_self_attention_agrees_with_keras():
    layer, sequence = self_attention(), normal(2, 4, UNITS)
    reference = keras.layers.MultiHeadAttention(HEADS, SIZE, use_bias=False)
    reference.build(sequence.shape, sequence.shape)
    reference.set_weights(layer.get_weights())
    expected = reference(sequence, sequence, use_causal_mask=True)
    np.testing.assert_allclose(layer(sequence, empty_cache())[0], expected, atol=1e-5)


def test_a_sequence_in_parts_gives_the_same_as_the_whole_sequence():
    layer, sequence = self_attention(), normal(2, 5, UNITS)
    expected, expected_cache = layer(sequence, empty_cache())
    parts, cache = [], empty_cache()
    for part in (sequence[:, :1], sequence[:, 1:4], sequence[:, 4:]):
        outputs, cache = layer(part, cache)
        parts.append(outputs)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, atol=1e-5)
    for tensors in zip(cache, expected_cache):
        np.testing.assert_allclose(*tensors, atol=1e-6)


def test_cross_attention_agrees_with_the_paper_and_ignores_padding():
    layer = CrossAttention(HEADS, UNITS)
    layer.build((None, None, UNITS), (None, None, HEADS, SIZE), (None, None, HEADS, SIZE))
    layer.set_weights([normal(*weight.shape) for weight in layer.get_weights()])
    sequence, keys, values = normal(6, 3, UNITS), *normal(2, 2, 5, HEADS, SIZE)
    lengths = [5, 2]
    mask = np.arange(5) < np.array(lengths)[:, None]
    keys[1, 2:], values[1, 2:] = 1e6, -1e6
    outputs, weights = layer(sequence, keys, values, mask)
    for row in range(6):
        source = row // 3
        length = lengths[source]
        expected, expected_weights = references.multi_head(
            *layer.get_weights(), sequence[row], keys[source, :length], values[source, :length]
        )
        np.testing.assert_allclose(outputs[row], expected, atol=1e-5)
        np.testing.assert_allclose(weights[row, ..., :length], expected_weights, atol=1e-6)
        assert np.all(weights[row, ..., length:].numpy() == 0.0)
