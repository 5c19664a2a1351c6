"""The recurrent cells against the equations, and against those of Keras."""

import keras
import numpy as np
import pytest
import references

from kseq.models.cells import CELLS, LSTMCell

rng = np.random.default_rng(0)
UNITS = 4


def normal(*shape):
    return rng.normal(size=shape).astype("float32")


def make(kind):
    """A cell, every weight away from its initial zeros and ones, so that none can be missing."""
    cell = CELLS[kind](UNITS)
    cell.build()
    cell.set_weights([normal(*weight.shape) for weight in cell.get_weights()])
    state = [normal(3, UNITS) for _ in range(cell.state_count)]
    return cell, normal(3, cell.gates * UNITS), state


@pytest.mark.parametrize("kind", CELLS)
def test_agrees_with_the_equations(kind):
    cell, inputs, state = make(kind)
    step = getattr(references, f"{kind}_step")
    expected = step(inputs, *state, *cell.get_weights())
    expected = expected if kind == "lstm" else [expected]
    for tensor, reference in zip(cell(inputs, state), expected, strict=True):
        np.testing.assert_allclose(tensor, reference, atol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_agrees_with_keras(kind):
    """Two implementations, the same weights."""
    cell, _, state = make(kind)
    theirs = {
        "rnn": keras.layers.SimpleRNNCell,
        "gru": keras.layers.GRUCell,
        "lstm": keras.layers.LSTMCell,
    }[kind](UNITS)
    theirs.build((None, 5))
    kernel, bias = normal(5, cell.gates * UNITS), normal(cell.gates * UNITS)
    recurrent_kernel, *ours = cell.get_weights()
    their_bias = bias.copy()
    if kind == "gru":
        their_bias = np.stack([bias, np.concatenate([np.zeros(2 * UNITS), ours[0]])])
    if kind == "lstm":
        their_bias[UNITS : 2 * UNITS] += ours[0]
    theirs.set_weights([kernel, recurrent_kernel, their_bias])
    inputs = normal(3, 5)
    _, expected = theirs(inputs, state)
    for tensor, reference in zip(cell(inputs @ kernel + bias, state), expected, strict=True):
        np.testing.assert_allclose(tensor, reference, atol=1e-6)


def test_an_lstm_begins_by_remembering():
    """Gers et al. 2000; Jozefowicz et al. 2015: a forget bias of 1."""
    cell = LSTMCell(UNITS)
    cell.build()
    assert np.all(cell.forget_bias.numpy() == 1.0)
