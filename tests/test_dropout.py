"""Dropout: which values it drops, how it scales the others, and their gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq.kernels.dropout import Dropout
from kseq.kernels.row_random import DividedBatch, random_bits

INPUTS = np.random.default_rng(0).uniform(1.0, 2.0, (300, 7, 101)).astype("float32")


@pytest.mark.parametrize("rate", [1e-3, 0.2, 0.5, 0.95])
def test_a_share_is_dropped_and_the_rest_scaled(rate):
    """Within five standard deviations, for 212,100 values."""
    keras.utils.set_random_seed(1)
    dropped = Dropout(rate)(INPUTS, training=True).numpy()
    is_kept = dropped != 0.0
    assert abs(is_kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / INPUTS.size)
    scale = dropped[is_kept] / INPUTS[is_kept]
    np.testing.assert_allclose(scale, 1 / (1 - rate), rtol=1e-3)
    # Two values share a random number, but must be dropped independently.
    pairs = is_kept.reshape(-1, 2)
    share, expected = pairs.all(axis=1).mean(), (1 - rate) ** 2
    assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / len(pairs))


def test_each_step_drops_different_values_and_the_seed_repeats_them():
    draws = []
    for _ in range(2):
        keras.utils.set_random_seed(2)
        layer = Dropout(0.5)
        step = tf.function(lambda inputs: layer(inputs, training=True), autograph=False)  # noqa: B023
        draws.append([step(INPUTS).numpy() for _ in range(2)])
    np.testing.assert_array_equal(*draws)
    assert 0.4 < (draws[0][0] != draws[0][1]).mean() < 0.6


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "float64"])
def test_gradients_pass_where_values_pass(dtype):
    layer = Dropout(0.3, dtype=dtype)
    inputs = tf.cast(INPUTS[:, :, :3], layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
    gradient = tape.gradient(outputs, inputs)
    assert outputs.dtype == gradient.dtype == inputs.dtype
    is_kept = outputs.numpy() != 0.0
    assert 0.5 < is_kept.mean() < 0.9
    expected = np.where(is_kept, gradient.numpy()[is_kept][0], 0.0)
    np.testing.assert_array_equal(gradient.numpy(), expected)


def test_values_are_dropped_only_while_training():
    np.testing.assert_array_equal(Dropout(0.5)(INPUTS), INPUTS)
    np.testing.assert_array_equal(Dropout(0.0)(INPUTS, training=True), INPUTS)


def test_an_empty_batch_stays_empty():
    assert Dropout(0.5)(INPUTS[:0], training=True).shape == (0, 7, 101)


@pytest.mark.parametrize("shape", [(13, 7, 5), (6, 3, 8), (4, 1, 1)], ids=str)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_rows_drop_the_same_values_however_their_batch_is_divided(shape, size, eager_mode):
    """Blocks of random numbers begin within rows and between them; some parts have no rows."""
    inputs = INPUTS.reshape(-1)[: np.prod(shape)].reshape(shape)
    layers = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        layers.append(Dropout(0.5))
    whole = [layers[0](inputs, training=True).numpy() for _ in range(2)]
    for expected in whole:
        batch, parts = DividedBatch(), []
        for start in (0, *range(0, len(inputs), size)):
            with batch.rows_from(start):
                rows = inputs[start : start + size] if parts else inputs[:0]
                parts.append(layers[1](rows, training=True).numpy())
        np.testing.assert_array_equal(np.concatenate(parts), expected)
    assert (whole[0] != whole[1]).any()


def test_a_layer_that_is_called_twice_draws_twice_in_every_part(eager_mode):
    generator = keras.random.SeedGenerator(4)
    batch, draws = DividedBatch(), []
    for _ in range(2):
        with batch.rows_from(0):
            draws.append([random_bits(generator, tf.constant([50])).numpy() for _ in range(2)])
    np.testing.assert_array_equal(*draws)
    assert (draws[0][0] != draws[0][1]).any()
