"""The attention mechanisms against the papers' equations."""

import numpy as np
import pytest
import references
import tensorflow as tf

from kseq.attention import BahdanauAttention, masked_softmax

rng = np.random.default_rng(0)


def inputs(queries_per_memory=1, batch=2, length=5, width=6, units=4, hidden=3):
    query = rng.normal(size=(batch * queries_per_memory, hidden)).astype("float32")
    keys = rng.normal(size=(batch, length, units)).astype("float32")
    memory = rng.normal(size=(batch, length, width)).astype("float32")
    mask = np.arange(length) < np.array([[length], [2]])
    return query, keys, memory, mask


@pytest.fixture
def layer():
    layer = BahdanauAttention(4)
    layer.build((None, 3))
    return layer


def test_agrees_with_the_paper(layer):
    query, keys, memory, mask = inputs()
    expected = references.bahdanau_attention(
        query,
        keys,
        memory,
        mask,
        layer.query_projection.kernel.numpy(),
        layer.energy_vector.numpy()[:, 0],
    )
    for tensor, reference in zip(layer(query, keys, memory, mask), expected):
        np.testing.assert_allclose(tensor, reference, atol=1e-5)


def test_weights_sum_to_one_and_are_exactly_zero_on_padding(layer):
    _, weights = layer(*inputs())
    np.testing.assert_allclose(tf.reduce_sum(weights, axis=-1), 1.0, atol=1e-6)
    assert np.all(weights.numpy()[1, 2:] == 0.0)
    assert np.all(weights.numpy()[1, :2] > 0.0)


def test_values_in_padding_move_nothing(layer):
    query, keys, memory, mask = inputs()
    before = layer(query, keys, memory, mask)
    keys[1, 2:], memory[1, 2:] = 1e3, -1e3
    for one, other in zip(before, layer(query, keys, memory, mask)):
        np.testing.assert_array_equal(one, other)


def test_hypotheses_share_a_memory(layer):
    query, keys, memory, mask = inputs(queries_per_memory=3)
    shared = layer(query, keys, memory, mask)
    repeated = layer(query, *(np.repeat(array, 3, axis=0) for array in (keys, memory, mask)))
    for one, other in zip(shared, repeated):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_row_without_a_real_position_reads_nothing():
    weights = masked_softmax(tf.constant([[1.0, 2.0]]), tf.constant([[False, False]]))
    assert weights.numpy().tolist() == [[0.0, 0.0]]


def test_large_energies_do_not_overflow():
    weights = masked_softmax(tf.constant([[3e4, -3e4, 0.0]]), tf.constant([[True, True, False]]))
    assert weights.numpy().tolist() == [[1.0, 0.0, 0.0]]


def test_config_round_trip(layer):
    assert BahdanauAttention.from_config(layer.get_config()).get_config() == layer.get_config()
