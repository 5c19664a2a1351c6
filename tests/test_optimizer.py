"""The optimizer compared with plain NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq.kernels.adam import Adam

RATES = [0.1, 0.05, 0.02, 0.01]


def reference(value, gradients, rates, clip, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1, for one vector.

    As in Keras and at the end of section 2 of the paper, ε is added to √v, not to √v̂.
    """
    first = second = np.zeros_like(value)
    for step, (gradient, rate) in enumerate(zip(gradients, rates), start=1):
        gradient = gradient * min(1.0, clip / np.linalg.norm(gradient))
        first = beta_1 * first + (1 - beta_1) * gradient
        second = beta_2 * second + (1 - beta_2) * gradient**2
        corrected = first / (1 - beta_1**step), np.sqrt(second / (1 - beta_2**step))
        value = value - rate * corrected[0] / (corrected[1] + epsilon / np.sqrt(1 - beta_2**step))
    return value


@pytest.mark.parametrize("clip", [1.0, 1e6])
def test_an_update_agrees_with_the_paper(clip):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=12), rng.normal(size=(4, 12)) * [[1.0], [1e-4], [3.0], [0.1]]
    table, vector = (keras.Variable(part, dtype="float64") for part in np.split(start, [8]))
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0, 1, 2], RATES)
    optimizer = Adam(schedule, global_clipnorm=clip)

    @tf.function
    def apply(gradient):
        optimizer.apply_gradients([(gradient[:8], table), (gradient[8:], vector)])

    for gradient in gradients:
        apply(tf.constant(gradient))
    values = np.concatenate([table.numpy(), vector.numpy()])
    np.testing.assert_allclose(values, reference(start, gradients, RATES, clip), rtol=1e-6)


@pytest.mark.parametrize("clip", [1.0, 1e6])
def test_gradients_of_the_same_row_are_added_up(clip):
    """The gradients of an embedding are rows, some twice in a step, some absent in a step."""
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 4, (4, 3))
    upstream = rng.normal(size=(4, 3, 2)) * np.reshape([1.0, 9.0, 0.1, 2.0], (4, 1, 1))
    dense = np.zeros((4, 4, 2))
    for step in range(4):
        np.add.at(dense[step], ids[step], upstream[step])
    assert any(len(set(row)) < 3 for row in ids)
    table = keras.Variable(np.ones((4, 2)), dtype="float64")
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0, 1, 2], RATES)
    optimizer = Adam(schedule, global_clipnorm=clip)
    for rows, values in zip(ids, upstream):
        rows = tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([4, 2]))
        optimizer.apply_gradients([(rows, table)])
    expected = reference(np.ones(8), dense.reshape(4, -1), RATES, clip)
    np.testing.assert_allclose(table.numpy().reshape(-1), expected, rtol=1e-6)


def test_amsgrad_is_left_to_keras():
    values = []
    for kind in (Adam, keras.optimizers.Adam):
        variable, optimizer = keras.Variable([1.0, 2.0]), kind(0.1, amsgrad=True)
        for gradient in ([3.0, -1.0], [0.1, 0.2], [0.0, -4.0]):
            optimizer.apply_gradients([(tf.constant(gradient), variable)])
        values.append(variable.numpy())
    np.testing.assert_array_equal(*values)
