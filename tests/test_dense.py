"""Dense layers over sequences against Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq.models.dense import Dense

INPUTS = np.random.default_rng(0).normal(size=(3, 4, 2, 5))


@pytest.mark.parametrize("rank", [2, 3, 4])
@pytest.mark.parametrize("use_bias", [True, False])
def test_outputs_and_gradients_are_those_of_keras(rank, use_bias):
    inputs = tf.constant(INPUTS[(0,) * (4 - rank)])
    found = []
    for kind in (Dense, keras.layers.Dense):
        layer = kind(6, activation="tanh", use_bias=use_bias, dtype="float64")
        layer.build(inputs.shape)
        random = np.random.default_rng(1)
        layer.set_weights([random.normal(size=weight.shape) for weight in layer.weights])
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs)
            loss = tf.reduce_sum(tf.square(outputs))
        variables = [weight.value for weight in layer.weights]
        found.append([outputs, *tape.gradient(loss, [inputs, *variables])])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)


def test_nothing_stands_between_product_bias_and_activation():
    """TensorFlow then makes one operation of them."""
    layer = Dense(6, activation="tanh")
    layer.build((None, None, 5))
    spec = tf.TensorSpec([None, None, 5])
    graph = tf.function(layer, autograph=False).get_concrete_function(spec).graph
    (activation,) = (operation for operation in graph.get_operations() if operation.type == "Tanh")
    (added,) = (tensor.op for tensor in activation.inputs)
    assert added.type == "BiasAdd"
    assert added.inputs[0].op.type == "MatMul"
