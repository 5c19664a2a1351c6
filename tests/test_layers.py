"""Recurrent layers run by our scan, compared with NumPy, with Keras and with autodiff."""

import keras
import numpy as np
import pytest
import references
import tensorflow as tf

from kseq.kernels import scan
from kseq.models.factory import use_dtype_policy
from kseq.models.recurrent_layers import LAYERS

KERAS = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
KINDS = pytest.mark.parametrize("kind", list(LAYERS))
UNITS, FEATURES = 4, 6
LENGTHS = np.array([7, 3, 1, 5, 7])
MASK = np.arange(7) < LENGTHS[:, None]
rng = np.random.default_rng(0)
SEQUENCES = rng.normal(size=(5, 7, FEATURES))


def make(kind, dtype="float64", layers=LAYERS, **options):
    """A layer with random weights, including biases."""
    with use_dtype_policy(dtype):
        layer = layers[kind](UNITS, return_sequences=True, return_state=True, **options)
    layer.zero_output_for_mask = True
    layer.build((None, None, FEATURES))
    random = np.random.default_rng(1)
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.weights])
    return layer


def numpy_cell(kind, layer):
    weights = {weight.path.split("/")[-1]: weight.numpy() for weight in layer.weights}
    return references.Cell(kind, weights["kernel"], weights["recurrent_kernel"], weights["bias"])


@KINDS
@pytest.mark.parametrize("backwards", [False, True])
def test_outputs_agree_with_numpy(kind, backwards):
    layer = make(kind, go_backwards=backwards)
    outputs, *states = layer(SEQUENCES, mask=MASK)
    cell = numpy_cell(kind, layer)
    for row, length in enumerate(LENGTHS):
        sequence = SEQUENCES[row, :length]
        expected, last = cell.run(sequence[::-1] if backwards else sequence)
        real_steps = slice(7 - length, 7) if backwards else slice(length)
        np.testing.assert_allclose(outputs[row, real_steps], expected, atol=1e-12)
        assert np.count_nonzero(np.delete(outputs[row], np.r_[real_steps], axis=0)) == 0
        for state, last_state in zip(states, last):
            np.testing.assert_allclose(state[row], last_state, atol=1e-12)


@KINDS
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("has_mask", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_gradients_agree_with_autodiff(kind, backwards, has_mask, training):
    """Gradients of inputs, initial state and weights, in float64; in training, they are ours."""
    sequences = tf.constant(SEQUENCES)
    count = 2 if kind == "lstm" else 1
    first = [tf.constant(rng.normal(size=(5, UNITS))) for _ in range(count)]
    upstream = [rng.normal(size=(5, 7, UNITS)), *rng.normal(size=(count, 5, UNITS))]
    gradients = []
    for layers in (LAYERS, KERAS):
        layer = make(kind, layers=layers, go_backwards=backwards)
        variables = [weight.value for weight in layer.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch([sequences, first])
            mask = MASK if has_mask else None
            outputs = layer(sequences, initial_state=first, mask=mask, training=training)
            loss = tf.add_n(
                [tf.reduce_sum(output * factor) for output, factor in zip(outputs, upstream)]
            )
        gradients.append(tape.gradient(loss, [sequences, *first, *variables]))
    for gradient, autodiff in zip(*gradients):
        np.testing.assert_allclose(gradient, autodiff, atol=1e-12)


@KINDS
def test_in_half_precision_states_accumulate_in_float32(kind):
    """Only products lose precision, not the states from step to step."""
    precise, half = (
        make(kind, dtype)(SEQUENCES.astype("float32"))[0] for dtype in ("float32", "mixed_bfloat16")
    )
    assert half.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(half, tf.float32), precise, atol=0.05)


@KINDS
@pytest.mark.parametrize("training", [False, True])
def test_both_directions_have_their_own_backward_pass_only_while_training(
    kind, training, monkeypatch
):
    """In Keras' `Bidirectional`; otherwise, no activations are saved."""
    calls, backward = [], scan._backward
    monkeypatch.setattr(scan, "_backward", lambda *parts: calls.append(1) or backward(*parts))
    layer = keras.layers.Bidirectional(LAYERS[kind](UNITS, return_sequences=True))
    inputs = tf.constant(SEQUENCES, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, mask=tf.constant(MASK), training=training)
    assert tape.gradient(outputs, inputs) is not None
    assert len(calls) == 2 * training
