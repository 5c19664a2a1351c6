"""The products of a step in a loop: listed before it, recorded forward, replayed backward."""

import typing

import tensorflow as tf

from kseq.kernels.parameters import Parameters, matrix_product, precise


class Operands(typing.NamedTuple):
    """Everything that a loop or a step reads, or the gradients of it: five lists of tensors.

    Fields:
        inputs: `[T, N, ...]` of a loop, `[N, ...]` of a step.
        state: The flat state, `[N, ...]`.
        constants: Tensors that every step reads, such as the memory.
        kernels: Matrices that inputs are multiplied by, `[I, O]`; in the backward pass `[O, I]`.
        vectors: All other variables that a step reads.
    """

    inputs: list
    state: list
    constants: list
    kernels: list
    vectors: list


class Product(typing.NamedTuple):
    """One product of a step.

    Fields:
        is_kernel: Whether its matrix is a kernel rather than one of the constants.
        index: Index of the matrix among the kernels or the constants.
        transpose: Whether the matrix is transposed.
    """

    is_kernel: bool
    index: int
    transpose: bool = False


class Listing(Parameters):
    """Lists the products of a step in their order, and the variables that the step reads.

    Every variable is replaced by zeros. A product with a tensor that is not among the constants is
    not listed: it belongs to the rest of the step.

    Args:
        constants: Tensors that every step reads.
    """

    def __init__(self, constants):
        self._constants = constants
        self.products, self.kernels, self.vectors = [], [], []

    def value(self, variable):
        """Lists the variable and returns zeros of its shape and type."""
        if _index_of(variable, self.vectors) is None:
            self.vectors.append(variable)
        return _zeros_of(variable)

    def multiply(self, inputs, kernel):
        """Lists the product and returns zeros `[..., O]` that depend on the inputs `[..., I]`."""
        if _index_of(kernel, self.kernels) is None:
            self.kernels.append(kernel)
        self.products.append(Product(True, _index_of(kernel, self.kernels)))
        return precise(matrix_product(inputs, tf.cast(_zeros_of(kernel), inputs.dtype)))

    def multiply_rows(self, inputs, matrices, transpose=False):
        """Lists the product if the matrices `[B, I, O]` are a constant; returns `[B, Q, O]`."""
        index = _index_of(matrices, self._constants)
        if index is not None:
            self.products.append(Product(False, index, transpose))
            # The constant then has a gradient in the step only if something else reads it.
            matrices = tf.stop_gradient(matrices)
        return super().multiply_rows(inputs, matrices, transpose)


class Recording(Parameters):
    """Multiplies in a step of the forward pass, and records each product's inputs and outputs.

    Args:
        listing: The `Listing` of the step.
        operands: `Operands` of this step.
    """

    def __init__(self, listing, operands):
        self._listing, self._operands = listing, operands
        self.inputs, self.outputs = [], []

    def value(self, variable):
        """Returns the tensor that the loop read before its first step."""
        return self._operands.vectors[_index_of(variable, self._listing.vectors)]

    def multiply(self, inputs, kernel):
        """Multiplies `[..., I]` by a kernel `[I, O]`: see `Parameters`."""
        index = _index_of(kernel, self._listing.kernels)
        matrix = self._operands.kernels[index]
        return precise(self._multiply(inputs, matrix, Product(True, index)))

    def multiply_rows(self, inputs, matrices, transpose=False):
        """Multiplies `[B, Q, I]` by `[B, I, O]`: see `Parameters`."""
        index = _index_of(matrices, self._operands.constants)
        if index is None:
            return super().multiply_rows(inputs, matrices, transpose)
        return self._multiply(inputs, matrices, Product(False, index, transpose))

    def _multiply(self, inputs, matrix, product):
        """Multiplies inputs by the matrix of a product, and records inputs and output."""
        inputs = tf.cast(inputs, matrix.dtype)
        self._next_number(product)
        self.inputs.append(inputs)
        self.outputs.append(matrix_product(inputs, matrix, product.transpose))
        return self.outputs[-1]

    def _next_number(self, product):
        """The index of the next product, which must be the one that was listed."""
        number = len(self.inputs)
        if self._listing.products[number : number + 1] != [product]:
            raise ValueError(
                "expected a step that multiplies in the same order whenever it is called; "
                f"received {product} as number {number} of {self._listing.products}"
            )
        return number


class Replay(Recording):
    """Returns the products of the forward pass again, and records their gradients.

    Args:
        listing: The `Listing` of the step.
        operands: `Operands` of this step, kernels transposed.
        outputs: Outputs of the products in the forward pass.
    """

    def __init__(self, listing, operands, outputs):
        super().__init__(listing, operands)
        self.outputs = outputs
        self._upstream = [None] * len(outputs)

    @property
    def upstream(self):
        """The gradient of the output of each product; zeros where nothing depends on it."""
        return [
            tf.zeros_like(output) if gradient is None else gradient
            for output, gradient in zip(self.outputs, self._upstream)
        ]

    def _multiply(self, inputs, matrix, product):
        """Returns the output of the forward pass, with the gradient of the inputs."""
        inputs = tf.cast(inputs, matrix.dtype)
        number = self._next_number(product)
        self.inputs.append(inputs)

        @tf.custom_gradient
        def replay(inputs):
            def gradient(upstream):
                self._upstream[number] = upstream
                is_transposed = product.transpose or product.is_kernel
                return matrix_product(upstream, matrix, not is_transposed)

            return tf.identity(self.outputs[number]), gradient

        return replay(inputs)


def _index_of(item, items):
    """The index of an item in a list, compared by identity, or None."""
    return next((index for index, listed in enumerate(items) if listed is item), None)


def _zeros_of(variable):
    return tf.zeros(variable.shape, variable.dtype)
