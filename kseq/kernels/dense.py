"""A dense layer: of whole sequences, of single steps, and inside a loop."""

import keras
import tensorflow as tf
from keras import ops

from kseq.kernels.parameters import PLAIN


@keras.saving.register_keras_serializable("kseq")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense` that is fast on a single step, and can be a part of a step of a loop.

    A general product of tensors takes a dozen operations on shapes. For one sentence these cost as
    much time as the product itself, so one step of a sequence `[N, 1, I]` is multiplied as rows.
    """

    def call(self, inputs, training=None):
        """Computes the layer's output, `[N, ..., O]` for inputs `[N, ..., I]`."""
        rows, *others = inputs.shape[:-1]
        if not others or None in others:
            return super().call(inputs, training=training)
        outputs = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), self.kernel)
        outputs = ops.reshape(outputs, (-1, *others, self.units))
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)
        return self.activation(outputs)

    def step(self, inputs, parameters=PLAIN):
        """Computes the same as part of a step, with bias and activation in at least float32.

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
