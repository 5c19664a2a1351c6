"""A loop over steps with its own backward pass.

Automatic differentiation of a loop saves every tensor of every step, adds up the gradient of every
kernel step by step, and casts all kernels in every step. Here a step saves only its state, and the
inputs and outputs of its large products; the backward pass recomputes everything else. The gradient
of each kernel is one product after the loop.
"""

import typing

import keras
import tensorflow as tf

from kseq.kernels.lists import choose, make_arrays, split, spread, write
from kseq.kernels.parameters import ReadingThrough, precise
from kseq.kernels.recording import Listing, Operands, Recording, Replay


def recur(step, inputs, state, constants, *, dtypes, training):
    """Runs a step over all inputs.

    The loop has first derivatives; a derivative of its gradient would be wrong.

    Args:
        step: A function of `Parameters`, inputs (a list of `[N, ...]`), a state and the constants,
            which returns outputs (a tuple of tensors `[N, ...]`) and the new state. It multiplies
            in the same order in every call. A Keras variable that it reads directly, not through
            the parameters, gets the sum of its gradients in all steps, which is slower.
        inputs: A list of tensors `[T, N, ...]`; each step reads one slice.
        state: The state before the first step, a nest of tensors `[N, ...]`.
        constants: Tensors that every step reads, such as the memory. Their gradients from products
            in `Parameters.multiply_rows` are computed after the loop.
        dtypes: Types of the outputs.
        training: Whether to save what the backward pass needs.

    Returns:
        The outputs of all steps, a list of `[T, N, ...]`, and the last state.

    Raises:
        ValueError: While training, the step reads a variable of TensorFlow, or a floating-point
            tensor that is not an argument; it would get no gradient. Or it changes a variable.
    """
    loop = _Loop(step, inputs, state, constants, dtypes)
    if training:
        outputs, last = loop.run_with_gradient()
    else:
        outputs, last, _ = loop.forward(loop.operands, saves=False)
    return outputs, keras.tree.pack_sequence_as(state, last)


class _Saved(typing.NamedTuple):
    """Records of the steps of a forward pass: three lists of `tf.TensorArray`."""

    states: list
    product_inputs: list
    product_outputs: list


class _Loop:
    """A step and everything that it reads; arguments as in `recur`."""

    def __init__(self, step, inputs, state, constants, dtypes):
        self._step, self._state, self._dtypes = step, state, dtypes
        self._list_products(inputs, constants)
        self.operands = Operands(
            inputs=list(inputs),
            state=keras.tree.flatten(state),
            # Copies, so that one tensor passed twice is two constants, as it is for the listing.
            constants=[tf.identity(tensor) for tensor in constants],
            kernels=[kernel.value for kernel in self._listing.kernels],
            vectors=[variable.value for variable in self._listing.vectors],
        )

    def run_with_gradient(self):
        """Returns outputs and the last state, flat, with the loop's own gradient."""
        _reject_captures(self._captures)

        @tf.custom_gradient
        def run(*tensors):
            operands = tf.nest.pack_sequence_as(self.operands, tensors)
            outputs, last, saved = self.forward(operands, saves=True)

            def gradient(*upstream):
                parts = split(upstream, len(outputs), len(last))
                return tf.nest.flatten(self.backward(operands, saved, *parts))

            return [*outputs, *last], gradient

        results = run(*tf.nest.flatten(self.operands))
        return split(results, len(self._dtypes), len(self.operands.state))

    def forward(self, operands, saves):
        """Runs all steps.

        Args:
            operands: `Operands` of the loop.
            saves: Whether to save what `backward` needs.

        Returns:
            Outputs `[T, N, ...]`, the last state, flat, and `_Saved`, empty unless `saves`.
        """
        kernels = _cast(operands.kernels, operands.inputs[0].dtype)

        def body(time, state, arrays):
            inputs = [tensor[time] for tensor in operands.inputs]
            step = operands._replace(inputs=inputs, state=state, kernels=kernels)
            recording = Recording(self._listing, step)
            outputs, new_state = self._run_step(recording, step)
            saved = [*state, *recording.inputs, *recording.outputs] if saves else []
            return time + 1, new_state, write(arrays, time, [*outputs, *saved])

        dtypes, counts = list(self._dtypes), [0, 0, 0]
        if saves:
            counts = [len(operands.state), *2 * [len(self._listing.products)]]
            dtypes += [tensor.dtype for tensor in operands.state]
            dtypes += 2 * self._product_dtypes(operands)
        length = tf.shape(operands.inputs[0])[0]
        _, last, arrays = tf.while_loop(
            lambda time, *_: time < length,
            body,
            (tf.constant(0), operands.state, make_arrays(dtypes, length)),
        )
        outputs, *saved = split(arrays, len(self._dtypes), *counts)
        return [array.stack() for array in outputs], last, _Saved(*saved)

    def backward(self, operands, saved, upstream, last):
        """Computes the gradient of everything that `forward` reads.

        Args:
            operands: `Operands` of the forward pass.
            saved: `_Saved` of the forward pass.
            upstream: Gradients of the outputs, `[T, N, ...]`.
            last: Gradients of the last state, flat.

        Returns:
            `Operands` of gradients; None for tensors that are not floating-point.
        """
        is_real = [tensor.dtype.is_floating for tensor in operands.state]
        kernels = [
            tf.transpose(kernel) for kernel in _cast(operands.kernels, operands.inputs[0].dtype)
        ]
        summed = self._select_summed(operands)

        def body(time, upstream_state, totals, arrays):
            # Copies: the tape would confuse the constants of this step with those of the loop.
            step = Operands(
                [tensor[time] for tensor in operands.inputs],
                [array.read(time) for array in saved.states],
                [tf.identity(tensor) for tensor in operands.constants],
                kernels,
                [tf.identity(tensor) for tensor in operands.vectors],
            )
            outputs = [array.read(time) for array in saved.product_outputs]
            replay = Replay(self._listing, step, outputs)
            input_gradients, state_gradients, summed_gradients = self._differentiate(
                replay, step, [tensor[time] for tensor in upstream], upstream_state
            )
            totals = [
                total + tf.cast(gradient, total.dtype)
                for total, gradient in zip(totals, summed_gradients)
            ]
            arrays = write(arrays, time, [*input_gradients, *replay.upstream])
            return time - 1, state_gradients, totals, arrays

        length = tf.shape(operands.inputs[0])[0]
        dtypes = [tensor.dtype for tensor in operands.inputs] + self._product_dtypes(operands)
        _, first, totals, arrays = tf.while_loop(
            lambda time, *_: time >= 0,
            body,
            (
                length - 1,
                choose(is_real, last),
                [precise(tf.zeros_like(tensor)) for tensor in summed],
                make_arrays(dtypes, length),
            ),
        )
        totals = [tf.cast(total, tensor.dtype) for total, tensor in zip(totals, summed)]
        inputs, product_upstream = split(
            [array.stack() for array in arrays], len(operands.inputs), len(self._listing.products)
        )
        product_inputs = [array.stack() for array in saved.product_inputs]
        constants, kernels, vectors = self._add_up(
            operands, totals, zip(product_inputs, product_upstream)
        )
        return Operands(inputs, spread(is_real, first), constants, kernels, vectors)

    def _list_products(self, inputs, constants):
        """Lists everything that the step reads, by tracing it once on tensors without values."""

        def trace(inputs, state, constants):
            self._listing = Listing(constants)
            step = Operands(inputs, keras.tree.flatten(state), constants, [], [])
            floating = [tensor for tensor in constants if tensor.dtype.is_floating]
            with tf.GradientTape() as tape:
                tape.watch(floating)
                outputs, new_state = self._run_step(self._listing, step)
            results = [tensor for tensor in (*outputs, *new_state) if tensor.dtype.is_floating]
            gradients = iter(tape.gradient(results, floating))
            self._is_summed = [
                tensor.dtype.is_floating and next(gradients) is not None for tensor in constants
            ]

        specs = [tf.TensorSpec(tensor.shape[1:], tensor.dtype) for tensor in inputs]
        full_specs = keras.tree.map_structure(
            lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), (self._state, constants)
        )
        graph = tf.function(trace, autograph=False).get_concrete_function(specs, *full_specs).graph
        self._captures = [
            "a variable" if tensor.dtype == tf.resource else f"{tensor.dtype.name}{tensor.shape}"
            for tensor, _ in graph.captures
            if tensor.dtype.is_floating or tensor.dtype == tf.resource
        ]

    def _run_step(self, parameters, step):
        """Runs one step; returns lists of its outputs and of the new state, flat."""
        state = keras.tree.pack_sequence_as(self._state, step.state)
        with ReadingThrough(parameters):
            outputs, state = self._step(parameters, step.inputs, state, *step.constants)
        return list(outputs), keras.tree.flatten(state)

    def _differentiate(self, replay, step, upstream, upstream_state):
        """Computes the gradients of one step.

        Args:
            replay: `Replay`.
            step: `Operands` of the step.
            upstream: Gradients of the outputs of the step.
            upstream_state: Gradients of the floating-point tensors of the new state.

        Returns:
            Three lists: gradients of the inputs, of the floating-point tensors of the state, and
            of the tensors that all steps share and read outside a product.
        """
        is_real = [tensor.dtype.is_floating for tensor in step.state]
        sources = [step.inputs, choose(is_real, step.state), self._select_summed(step)]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            outputs, new_state = self._run_step(replay, step)
        gradients = tape.gradient(
            [*outputs, *choose(is_real, new_state)],
            sources,
            [*upstream, *upstream_state],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        for gradient, tensor in zip(gradients[1], upstream_state):
            gradient.set_shape(tensor.shape)
        return gradients

    def _select_summed(self, operands):
        """Returns the tensors whose gradient is a sum over the steps: constants, then vectors."""
        return [*choose(self._is_summed, operands.constants), *operands.vectors]

    def _add_up(self, operands, totals, factors):
        """Returns the gradients of constants, kernels and vectors, three lists.

        Args:
            operands: `Operands` of the loop.
            totals: Sums over the steps, in the order of `_select_summed`.
            factors: Inputs and upstream gradients of each product, pairs of `[T, N, ...]`.
        """
        summed_constants, vectors = split(totals, sum(self._is_summed), len(operands.vectors))
        constants = spread(self._is_summed, summed_constants)
        kernels = [None] * len(operands.kernels)
        for product, (inputs, upstream) in zip(self._listing.products, factors):
            if product.is_kernel:
                matrices, gradients = operands.kernels, kernels
                gradient = _kernel_gradient(inputs, upstream)
            else:
                matrices, gradients = operands.constants, constants
                gradient = _rows_gradient(inputs, upstream, product.transpose)
            gradient = tf.cast(gradient, matrices[product.index].dtype)
            total = gradients[product.index]
            gradients[product.index] = gradient if total is None else total + gradient
        return constants, kernels, vectors

    def _product_dtypes(self, operands):
        """The type of the inputs and the output of each product."""
        return [
            operands.inputs[0].dtype
            if product.is_kernel
            else operands.constants[product.index].dtype
            for product in self._listing.products
        ]


def _reject_captures(captures):
    """Raises an error for tensors that a step reads although they are not its arguments."""
    if captures:
        raise ValueError(
            "expected a step that reads tensors from its constants, and variables of Keras; "
            "received one that reads these, which would get no gradient: "
            f"{', '.join(captures)}"
        )


def _kernel_gradient(inputs, upstream):
    """`Σ xᵀ y` over all steps and rows, `[I, O]`, for `[T, N, ..., I]` and `[T, N, ..., O]`."""
    rows, columns = (tf.reshape(tensor, [-1, tensor.shape[-1]]) for tensor in (inputs, upstream))
    return tf.matmul(rows, columns, transpose_a=True)


def _rows_gradient(inputs, upstream, transposed):
    """`Σ xᵀ y` over all steps, for every row, `[B, I, O]`; transposed, `Σ yᵀ x`.

    Args:
        inputs: `[T, B, Q, I]`.
        upstream: `[T, B, Q, O]`.
        transposed: Whether the matrix is transposed.
    """
    rows, columns = (
        tf.reshape(
            tf.transpose(tensor, [1, 0, 2, 3]), [tf.shape(tensor)[1], -1, tf.shape(tensor)[-1]]
        )
        for tensor in (inputs, upstream)
    )
    return tf.matmul(*((columns, rows) if transposed else (rows, columns)), transpose_a=True)


def _cast(tensors, dtype):
    return [tf.cast(tensor, dtype) for tensor in tensors]
