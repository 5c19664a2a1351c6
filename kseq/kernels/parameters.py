"""How one step of a loop reads its parameters: kernels, biases, and matrices such as the memory.

A step never reads a variable directly: it receives an object that multiplies and reads for it.
Outside a loop this is `PLAIN`; a loop passes objects that list, record or replay the products.
"""

import keras
import tensorflow as tf


class Parameters:
    """Reads parameters directly, and leaves their gradients to TensorFlow."""

    def value(self, variable):
        """Reads a variable that nothing is multiplied by, such as a bias.

        Args:
            variable: A Keras variable.

        Returns:
            Its tensor.
        """
        return variable.value

    def multiply(self, inputs, kernel):
        """Multiplies inputs by a kernel.

        Args:
            inputs: `[..., I]`.
            kernel: A Keras variable `[I, O]`.

        Returns:
            `[..., O]`, at least float32. The product is computed in the type of the inputs or of
            the kernel, whichever is smaller; in a loop, in the type of the loop's inputs.
        """
        factors = inputs, self.value(kernel)
        smaller = min((factor.dtype for factor in factors), key=lambda dtype: dtype.size)
        return precise(matrix_product(*(tf.cast(factor, smaller) for factor in factors)))

    def multiply_rows(self, inputs, matrices, transpose=False):
        """Multiplies every row of a batch by its own matrix.

        Args:
            inputs: `[B, Q, I]`.
            matrices: A tensor `[B, I, O]`; transposed `[B, O, I]`.
            transpose: Whether the matrices are transposed.

        Returns:
            `[B, Q, O]`, in the type of the matrices.
        """
        return matrix_product(tf.cast(inputs, matrices.dtype), matrices, transpose)


PLAIN = Parameters()


def precise(tensor):
    """Casts a tensor to at least float32, for values that every step accumulates or squashes."""
    return tf.cast(tensor, keras.backend.result_type(tensor.dtype, "float32"))


def matrix_product(inputs, matrix, transpose=False):
    """Multiplies `[..., I]` by `[I, O]`, or `[B, Q, I]` by `[B, I, O]`.

    Args:
        inputs: The first factor.
        matrix: The second factor, transposed `[O, I]` or `[B, O, I]`.
        transpose: Whether the second factor is transposed.

    Returns:
        `[..., O]`.
    """
    if inputs.shape.rank == matrix.shape.rank:
        return tf.matmul(inputs, matrix, transpose_b=transpose)
    rows = tf.matmul(tf.reshape(inputs, [-1, inputs.shape[-1]]), matrix, transpose_b=transpose)
    return tf.reshape(rows, tf.concat([tf.shape(inputs)[:-1], rows.shape[1:]], axis=0))
