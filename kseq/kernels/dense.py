"""A dense layer that takes few operations in a single step."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kseq")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense`, for one step of a sequence `[N, 1, I]` as a product of rows.

    The product of tensors in general takes a dozen operations on shapes, which for one sentence
    cost as much time as the product.
    """

    def call(self, inputs, training=None):
        rows, *others = inputs.shape[:-1]
        if not others or None in others:
            return super().call(inputs, training=training)
        outputs = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), self.kernel)
        outputs = ops.reshape(outputs, (-1, *others, self.units))
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)
        return self.activation(outputs)
