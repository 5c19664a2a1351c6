"""A dense layer for whole sequences, for single steps, and for the inside of a loop."""

import keras
import tensorflow as tf
from keras import ops

from kseq.kernels.parameters import PLAIN, matrix_product


@keras.saving.register_keras_serializable("kseq")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense` that is fast on a single step, and can run inside a loop.

    The general product of tensors that Keras uses takes a dozen operations on shapes. For one
    sentence these cost as much time as the product itself, and a GPU waits for some of them. So
    sequences are multiplied as rows; the fewest operations are needed if their length is known,
    as it is for one step, `[N, 1, I]`.
    """

    def call(self, inputs, training=None):
        """Computes the layer's output, `[N, ..., O]` for inputs `[N, ..., I]`."""
        _, *lengths = inputs.shape[:-1]
        if not lengths:
            return super().call(inputs, training=training)
        if None in lengths:
            outputs = matrix_product(inputs, tf.convert_to_tensor(self.kernel))
        else:
            outputs = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), self.kernel)
            outputs = ops.reshape(outputs, (-1, *lengths, self.units))
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)
        return self.activation(outputs)

    def step(self, inputs, parameters=PLAIN):
        """Computes the same output inside a loop, bias and activation in at least float32.

        Args:
            inputs: `[N, ..., I]`.
            parameters: `Parameters` of the step.

        Returns:
            `[N, ..., O]`.
        """
        outputs = parameters.multiply(inputs, self.kernel)
        if self.use_bias:
            outputs += tf.cast(parameters.value(self.bias), outputs.dtype)
        return self.activation(outputs)
