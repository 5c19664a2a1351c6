"""The recurrent cells compared with the equations, with Keras, and with autodiff."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq.models.cells import CELLS, LSTMCell
from kseq.numpy_reference.cells import cell_step

rng = np.random.default_rng(0)
UNITS = 4


def normal(*shape):
    return rng.normal(size=shape).astype("float32")


def make(kind):
    """A cell with random weights, so that a missing one is noticed, its inputs and a state."""
    cell = CELLS[kind](UNITS)
    cell.build()
    cell.set_weights([normal(*weight.shape) for weight in cell.get_weights()])
    state = [normal(3, UNITS) for _ in range(cell.state_count)]
    return cell, normal(3, cell.gates * UNITS), state


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_agrees_with_its_equations(kind):
    cell, inputs, state = make(kind)
    weights = {f"cell/{weight.name}": weight.numpy() for weight in cell.weights}
    expected, _ = cell_step(weights, "cell", inputs, state)
    for tensor, reference in zip(cell(inputs, state), expected, strict=True):
        np.testing.assert_allclose(tensor, reference, atol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_agrees_with_the_cell_of_keras(kind):
    """Two implementations, the same weights."""
    cell, _, state = make(kind)
    keras_cell = {
        "rnn": keras.layers.SimpleRNNCell,
        "gru": keras.layers.GRUCell,
        "lstm": keras.layers.LSTMCell,
    }[kind](UNITS)
    keras_cell.build((None, 5))
    kernel, bias = normal(5, cell.gates * UNITS), normal(cell.gates * UNITS)
    recurrent_kernel, *extra_bias = cell.get_weights()
    keras_bias = bias.copy()
    if kind == "gru":
        keras_bias = np.stack([bias, np.concatenate([np.zeros(2 * UNITS), extra_bias[0]])])
    if kind == "lstm":
        keras_bias[UNITS : 2 * UNITS] += extra_bias[0]
    keras_cell.set_weights([kernel, recurrent_kernel, keras_bias])
    inputs = normal(3, 5)
    _, expected = keras_cell(inputs, state)
    for tensor, reference in zip(cell(inputs @ kernel + bias, state), expected, strict=True):
        np.testing.assert_allclose(tensor, reference, atol=1e-6)


def test_the_forget_gate_of_an_lstm_starts_open():
    """Gers et al. 2000; Jozefowicz et al. 2015: a forget bias of 1."""
    cell = LSTMCell(UNITS)
    cell.build()
    assert np.all(cell.forget_bias.numpy() == 1.0)


@pytest.mark.parametrize("kind", CELLS)
def test_the_derivatives_agree_with_autodiff(kind):
    cell = CELLS[kind]
    count = 1 + max(cell.sums_of_products)
    sums, state = (
        [tf.constant(rng.normal(size=(3, UNITS))) for _ in range(size)]
        for size in (count, cell.state_count)
    )
    upstream = [tf.constant(rng.normal(size=(3, UNITS))) for _ in state]
    with tf.GradientTape() as tape:
        tape.watch([sums, state])
        new_state, saved = cell.equations(sums, state)
    expected = tape.gradient(new_state, [sums, state], upstream, unconnected_gradients="zero")
    assert len(saved) == cell.saved_count
    for gradients, autodiff in zip(cell.derivatives(saved, state, new_state, upstream), expected):
        for gradient, reference in zip(gradients, autodiff, strict=True):
            np.testing.assert_allclose(gradient, reference, atol=1e-12)
