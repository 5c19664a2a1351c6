"""What is dropped, what becomes of the rest, and of its gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq.kernels.dropout import Dropout

INPUTS = np.random.default_rng(0).uniform(1.0, 2.0, (300, 7, 101)).astype("float32")


@pytest.mark.parametrize("rate", [1e-3, 0.2, 0.5, 0.95])
def test_a_share_is_dropped_and_the_rest_scaled(rate):
    """Expectations stay: within five standard deviations, for 212,100 values."""
    keras.utils.set_random_seed(1)
    dropped = Dropout(rate)(INPUTS, training=True).numpy()
    is_kept = dropped != 0.0
    assert abs(is_kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / INPUTS.size)
    scale = dropped[is_kept] / INPUTS[is_kept]
    np.testing.assert_allclose(scale, 1 / (1 - rate), rtol=1e-3)
    # Two values come from one random number: they must not be dropped together.
    pairs = is_kept.reshape(-1, 2)
    both, expected = pairs.all(axis=1).mean(), (1 - rate) ** 2
    assert abs(both - expected) < 5 * np.sqrt(expected * (1 - expected) / len(pairs))


def test_other_values_are_dropped_in_every_step_and_the_same_from_the_same_seed():
    found = []
    for _ in range(2):
        keras.utils.set_random_seed(2)
        layer = Dropout(0.5)
        step = tf.function(lambda inputs: layer(inputs, training=True), autograph=False)  # noqa: B023
        found.append([step(INPUTS).numpy() for _ in range(2)])
    np.testing.assert_array_equal(*found)
    assert 0.4 < (found[0][0] != found[0][1]).mean() < 0.6


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "float64"])
def test_gradients_pass_where_values_do(dtype):
    layer = Dropout(0.3, dtype=dtype)
    inputs = tf.cast(INPUTS[:, :, :3], layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
    gradient = tape.gradient(outputs, inputs)
    assert outputs.dtype == gradient.dtype == inputs.dtype
    is_kept = outputs.numpy() != 0.0
    assert 0.5 < is_kept.mean() < 0.9
    kept = np.where(is_kept, gradient.numpy()[is_kept][0], 0.0)
    np.testing.assert_array_equal(gradient.numpy(), kept)


def test_nothing_is_dropped_but_while_training():
    np.testing.assert_array_equal(Dropout(0.5)(INPUTS), INPUTS)
    np.testing.assert_array_equal(Dropout(0.0)(INPUTS, training=True), INPUTS)


def test_a_batch_without_rows_is_none():
    assert Dropout(0.5)(INPUTS[:0], training=True).shape == (0, 7, 101)
