"""The dense layer compared with the one of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq.kernels.dense import Dense


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 1, 3), (5, 4, 3), (5, 3)], ids=str)
def test_a_dense_layer_agrees_with_keras(shape, use_bias):
    values = np.random.default_rng(0).normal(size=shape).astype("float32")
    own, reference = (
        kind(7, activation="tanh", use_bias=use_bias) for kind in (Dense, keras.layers.Dense)
    )
    inputs = keras.Input(shape[1:])
    model = keras.Model(inputs, own(inputs))
    reference.build(shape)
    reference.set_weights([weight + 0.1 for weight in own.get_weights()])
    own.set_weights(reference.get_weights())
    expected = reference(values)
    np.testing.assert_allclose(model(values), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(own.step(tf.constant(values)), expected, rtol=1e-6, atol=1e-6)
    assert model.output_shape == (None, *shape[1:-1], 7)


def test_a_step_takes_fewer_operations_than_a_sequence_and_both_fewer_than_in_keras():
    def count(kind, *shape):
        layer = kind(7)
        layer.build((None, None, 3))
        graph = tf.function(layer).get_concrete_function(tf.TensorSpec(shape)).graph
        return len(graph.get_operations())

    step, sequence = count(Dense, None, 1, 3), count(Dense, None, None, 3)
    assert step < sequence < count(keras.layers.Dense, None, None, 3)


def test_a_dense_layer_survives_a_round_trip_through_its_config():
    layer = Dense(7, activation="tanh", name="readout")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is Dense and copy.get_config() == layer.get_config()


def test_inside_a_loop_bias_and_activation_are_float32():
    """Only the product is in half precision."""
    layer = Dense(7, activation="tanh", dtype="mixed_bfloat16")
    layer.build((None, 3))
    layer.bias.assign(np.linspace(0.0, 1.0, 7))
    assert layer(np.ones((2, 3))).dtype == tf.bfloat16
    outputs = layer.step(tf.zeros([2, 3], tf.bfloat16))
    np.testing.assert_allclose(outputs, np.tanh([np.linspace(0.0, 1.0, 7)] * 2), rtol=1e-6)
