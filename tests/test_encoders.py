"""The settings of the recurrent encoder, checked on small numbers."""

import keras
import numpy as np
import pytest
from combinations import SIZE, build, run

from kseq import ModelConfig, build_encoder
from kseq.models.encoders import Halve, Reverse, recurrent_encoder

MASK = np.array([[True, True, True, True, True], [True, True, False, False, False]])
LENGTHS = np.array([[6], [3]])
NUMBERS = np.arange(10, dtype="float32").reshape(2, 5, 1)


def test_reverse_reverses_the_real_positions_only():
    reversed_rows = Reverse()(NUMBERS, MASK)[..., 0].numpy().tolist()
    assert reversed_rows == [[4, 3, 2, 1, 0], [6, 5, 7, 8, 9]]


def test_halve_concatenates_neighbours():
    pairs, mask = Halve()(NUMBERS, MASK)
    assert pairs.numpy().tolist() == [[[0, 1], [2, 3], [4, 0]], [[5, 6], [7, 8], [9, 0]]]
    assert mask.numpy().tolist() == [[True, True, True], [True, False, False]]


def test_halve_keeps_a_pair_whose_first_position_is_real():
    _, mask = Halve()(NUMBERS, np.arange(5) < np.array([[3], [4]]))
    assert mask.numpy().tolist() == [[True, True, False], [True, True, False]]


def encode(**settings):
    """Memory, its mask and what the last decoder layer starts from, of lengths 6 and 3."""
    keras.utils.set_random_seed(1)
    sequence, mask = keras.Input((None, 5)), keras.Input((None,), dtype="bool")
    outputs = recurrent_encoder(ModelConfig(units=8, **settings), sequence, mask)
    values = np.random.default_rng(0).normal(size=(2, 6, 5)).astype("float32")
    memory, mask, summary = keras.Model([sequence, mask], outputs)([values, range(6) < LENGTHS])
    return memory.numpy(), mask.numpy(), [tensor.numpy() for tensor in summary[-1]]


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_last_state_comes_from_the_last_real_positions(cell, layers):
    """The last position in the forward direction, the first one in the backward direction."""
    memory, _, (hidden, *cell_states) = encode(cell=cell, encoder_layers=layers)
    assert len(cell_states) == (cell == "lstm")
    for row, length in enumerate(LENGTHS[:, 0]):
        np.testing.assert_array_equal(hidden[row, :4], memory[row, length - 1, :4])
        np.testing.assert_array_equal(hidden[row, 4:], memory[row, 0, 4:])


def test_the_backward_state_is_at_the_first_position():
    """Bahdanau et al. 2015, appendix A.2.2."""
    memory, _, (hidden,) = encode(context="backward")
    np.testing.assert_array_equal(hidden, memory[:, 0, 4:])


def test_a_reversed_encoder_ends_at_the_first_position():
    memory, _, (hidden,) = encode(bidirectional=False, reverse_source=True)
    np.testing.assert_array_equal(hidden, memory[:, 0])


def test_two_directions_are_concatenated_or_summed():
    """Concatenated, each has half of the units; summed, each has all of them."""
    for merge, units in (("concat", 4), ("sum", 8)):
        config = ModelConfig(units=8, embedding_dim=6, merge=merge)
        layer = build_encoder(config, SIZE).get_layer("encoder_layer_1")
        assert layer.forward_layer.units == layer.backward_layer.units == units
        assert encode(merge=merge)[0].shape == (2, 6, 8)


def test_a_summary_is_over_the_real_positions():
    memory, _, _ = encode()
    for context, total in (("sum", memory.sum(axis=1)), ("mean", memory.sum(axis=1) / LENGTHS)):
        (summary,) = encode(context=context)[2]
        np.testing.assert_allclose(summary, total, atol=1e-6)


@pytest.mark.parametrize("residual", [False, True])
def test_memory_is_zero_on_padding(residual):
    memory, mask, _ = encode(encoder_layers=3, residual=residual)
    assert mask.sum(axis=1).tolist() == [6, 3]
    assert np.all(memory[~mask] == 0.0) and np.all(memory[mask] != 0.0)


def test_a_pyramid_halves_the_length_in_every_layer_but_the_first():
    memory, mask, _ = encode(encoder_layers=3, pyramid=True, source_features=5)
    assert memory.shape == (2, 2, 8)
    assert mask.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize("kind", ["bahdanau", "luong_general", "coverage"])
def test_a_reversed_source_is_attended_in_its_own_order(kind):
    """The result is the same as reversing the sentence, and then the attention matrix."""
    settings = {"units": 8, "embedding_dim": 6, "bidirectional": False, "attention": kind}
    plain = build(ModelConfig(**settings))
    reversing = build(ModelConfig(**settings, reverse_source=True))
    reversing.set_weights(plain.get_weights())
    ids = np.array([[4, 5, 6, 7, 8, 3], [9, 8, 3, 0, 0, 0]], "int32")
    targets = np.array([[2, 5, 6], [2, 8, 9]], "int32")
    backwards = np.stack([ids[0, ::-1], np.concatenate([ids[1, 2::-1], ids[1, 3:]])])
    _, decoded = run(reversing, {"source_ids": ids, "target_ids": targets})
    _, expected = run(plain, {"source_ids": backwards, "target_ids": targets})
    np.testing.assert_allclose(decoded["logits"], expected["logits"], atol=1e-5)
    for row, length in enumerate(LENGTHS[:, 0]):
        weights, mirrored = (
            outputs["attention"][row, :, :length] for outputs in (decoded, expected)
        )
        np.testing.assert_allclose(weights, mirrored[:, ::-1], atol=1e-6)
        assert np.abs(weights - mirrored).max() > 1e-3
