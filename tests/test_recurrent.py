"""Cells, encoder and decoder loop against the equations."""

import keras
import numpy as np
import pytest
import references
import tensorflow as tf

from kseq.recurrent import AttentionDecoder, GRUCell, LSTMCell, recurrent_encoder

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.normal(size=shape).astype("float32")


def randomised(layer):
    """Every weight away from its initial zeros and ones, so that none can be missing."""
    layer.set_weights([normal(*weight.shape) for weight in layer.get_weights()])
    return layer


def test_gru_step_agrees_with_the_equations():
    cell = GRUCell(4)
    cell.build()
    randomised(cell)
    inputs, hidden = normal(3, 12), normal(3, 4)
    expected = references.gru_step(inputs, hidden, *cell.get_weights())
    np.testing.assert_allclose(cell(inputs, [hidden])[0], expected, atol=1e-5)


def test_gru_step_agrees_with_keras():
    """Two implementations, the same weights."""
    theirs = keras.layers.GRUCell(4)
    theirs.build((None, 5))
    randomised(theirs)
    kernel, recurrent_kernel, bias = theirs.get_weights()
    bias[1, :8] = 0.0  # the recurrent bias of the gates only adds to their input bias
    theirs.set_weights([kernel, recurrent_kernel, bias])
    ours = GRUCell(4)
    ours.build()
    ours.set_weights([recurrent_kernel, bias[1, 8:]])
    inputs, hidden = normal(3, 5), normal(3, 4)
    np.testing.assert_allclose(
        ours(inputs @ kernel + bias[0], [hidden])[0], theirs(inputs, [hidden])[0], atol=1e-5
    )


def test_lstm_step_agrees_with_the_equations():
    cell = LSTMCell(4)
    cell.build()
    randomised(cell)
    inputs, hidden, memory = normal(3, 16), normal(3, 4), normal(3, 4)
    expected = references.lstm_step(inputs, hidden, memory, *cell.get_weights())
    for tensor, reference in zip(cell(inputs, [hidden, memory]), expected):
        np.testing.assert_allclose(tensor, reference, atol=1e-5)


def test_an_lstm_begins_by_remembering():
    """Gers et al. 2000; Jozefowicz et al. 2015: a forget bias of 1."""
    cell = LSTMCell(4)
    cell.build()
    assert np.all(cell.forget_bias.numpy() == 1.0)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
def test_encoder_is_zero_on_padding_and_its_states_are_the_last_real_ones(cell, layers):
    sequence = keras.Input((None, 5))
    mask = keras.Input((None,), dtype="bool")
    memory, states = recurrent_encoder(cell, 6, layers, 0.0)(sequence, mask)
    encoder = keras.Model([sequence, mask], [memory, *states])
    values, lengths = normal(2, 4, 5), np.array([[4], [2]])
    memory, hidden, *_ = encoder([values, np.arange(4) < lengths])
    assert len(states) == {"gru": 1, "lstm": 2}[cell]
    assert np.all(memory.numpy()[1, 2:] == 0.0)
    for row, length in enumerate(lengths[:, 0]):
        np.testing.assert_allclose(hidden[row, :3], memory[row, length - 1, :3], atol=1e-6)
        np.testing.assert_allclose(hidden[row, 3:], memory[row, 0, 3:], atol=1e-6)
    values[1, 2:] = 1e3
    again, *_ = encoder([values, np.arange(4) < lengths])
    np.testing.assert_array_equal(again, memory)
    alone, *_ = encoder([values[1:, :2], np.ones((1, 2), bool)])
    np.testing.assert_allclose(alone[0], memory[1, :2], atol=1e-6)


def decoder_inputs(cell, length=3):
    states = {"gru": 1, "lstm": 2}[cell]
    mask = np.arange(5) < np.array([[5], [2]])
    state = [normal(2, 4) for _ in range(states)]
    return normal(2, length, 7), state, normal(2, 5, 6), normal(2, 5, 4), mask


@pytest.fixture(params=["gru", "lstm"])
def decoder(request):
    layer = AttentionDecoder(request.param, 4)
    layer(*decoder_inputs(request.param))
    return randomised(layer)


def test_loop_agrees_with_the_references(decoder):
    embedded, state, memory, keys, mask = decoder_inputs(decoder.cell_name)
    hidden, contexts, weights, last = decoder(embedded, state, memory, keys, mask)
    inputs = embedded @ decoder.embedding_projection.kernel + decoder.embedding_projection.bias
    step = {"gru": references.gru_step, "lstm": references.lstm_step}[decoder.cell_name]
    for time in range(embedded.shape[1]):
        context, weight = references.bahdanau_attention(
            state[0],
            keys,
            memory,
            mask,
            decoder.attention.query_projection.kernel.numpy(),
            decoder.attention.energy_vector.numpy()[:, 0],
        )
        projected = inputs[:, time] + context @ decoder.context_projection.kernel.numpy()
        state = step(projected, *state, *decoder.cell.get_weights())
        state = list(state) if decoder.cell_name == "lstm" else [state]
        np.testing.assert_allclose(hidden[:, time], state[0], atol=1e-5)
        np.testing.assert_allclose(contexts[:, time], context, atol=1e-5)
        np.testing.assert_allclose(weights[:, time], weight, atol=1e-5)
    for tensor, reference in zip(last, state):
        np.testing.assert_allclose(tensor, reference, atol=1e-5)


def test_gradients_reach_every_weight_and_input(decoder):
    embedded, state, memory, keys, mask = decoder_inputs(decoder.cell_name)
    sources = [tf.constant(array) for array in (embedded, *state, memory, keys)]
    embedded, *state, memory, keys = sources
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs = decoder(embedded, state, memory, keys, mask)
        loss = sum(tf.reduce_sum(tensor**2) for tensor in outputs[:2])
    weights = [weight.value for weight in decoder.trainable_weights]
    for gradient in tape.gradient(loss, [*weights, *sources]):
        assert np.abs(gradient).max() > 1e-6


def test_config_round_trip(decoder):
    again = AttentionDecoder.from_config(decoder.get_config())
    assert again.get_config() == decoder.get_config()
