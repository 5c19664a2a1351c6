"""How one step of a loop reads its parameters: kernels, biases, and matrices such as the memory.

A step receives an object that multiplies and reads for it. Outside a loop this is `PLAIN`; a loop
passes objects that list, record or replay the products. Layers that know nothing of this, such as
Keras' own, read their variables inside `ReadingThrough`.
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


class UnchangedVariables(keras.StatelessScope):
    """A scope in which Keras variables cannot be changed, and losses cannot be added.

    A step of a loop runs more than once, so a change would be lost, or happen too often.
    """

    def __init__(self):
        super().__init__(collect_losses=True, initialize_variables=False)

    def add_update(self, update):
        """Refuses the new value of a variable."""
        raise ValueError(
            "expected layers that change no variable when they are called; received one that "
            f"changes {update[0].path}: leave out Dropout (the setting dropout does it), "
            "BatchNormalization and the like"
        )

    def add_loss(self, loss):
        """Refuses a loss."""
        raise ValueError(
            "expected layers that add no loss when they are called; received one that calls "
            "add_loss (an activity regularizer does): regularize weights instead"
        )


class ReadingThrough(UnchangedVariables):
    """A scope in which a floating-point Keras variable is read through `Parameters`.

    So a variable that a layer of Keras multiplies by itself gets its gradient, too.

    Args:
        parameters: `Parameters` of the step.
    """

    def __init__(self, parameters):
        super().__init__()
        self._parameters = parameters

    def get_current_value(self, variable):
        """Returns the tensor of a variable; None for integers, which Keras reads itself."""
        is_real = keras.backend.is_float_dtype(variable.dtype)
        return self._parameters.value(variable) if is_real else None


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
    sizes = inputs.shape[:-1].as_list()
    if sizes.count(None) == 1 and 0 not in sizes:
        # A runtime that plans its memory before it runs then knows the shape.
        return tf.reshape(rows, [*(-1 if size is None else size for size in sizes), rows.shape[1]])
    return tf.reshape(rows, tf.concat([tf.shape(inputs)[:-1], rows.shape[1:]], axis=0))
