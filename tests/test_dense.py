"""The dense layer of a step against that of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq.kernels.dense import Dense


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 1, 3), (5, 4, 3), (5, 3)], ids=str)
def test_it_gives_what_the_layer_of_keras_gives(shape, use_bias):
    values = np.random.default_rng(0).normal(size=shape).astype("float32")
    own, plain = (
        kind(7, activation="tanh", use_bias=use_bias) for kind in (Dense, keras.layers.Dense)
    )
    inputs = keras.Input(shape[1:])
    model = keras.Model(inputs, own(inputs))
    plain.build(shape)
    plain.set_weights([weight + 0.1 for weight in own.get_weights()])
    own.set_weights(plain.get_weights())
    np.testing.assert_allclose(model(values), plain(values), rtol=1e-6, atol=1e-6)
    assert model.output_shape == (None, *shape[1:-1], 7)


def test_a_step_takes_fewer_operations_than_a_sequence():
    layer = Dense(7)
    layer.build((None, None, 3))

    def count(*shape):
        graph = tf.function(layer).get_concrete_function(tf.TensorSpec(shape)).graph
        return len(graph.get_operations())

    assert count(None, 1, 3) < count(None, None, 3) - 10


def test_it_is_built_anew_from_its_settings():
    layer = Dense(7, activation="tanh", name="readout")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is Dense and again.get_config() == layer.get_config()
