"""A recurrent cell over whole sequences, with its own backward pass.

Automatic differentiation of a loop saves every tensor of every step, and adds up the gradient of
the recurrent kernel from small products. Here a step saves only its states and gates, and that
gradient is one large product after the loop. Each gate has its own products and tensors: splitting
and concatenating them in every step would take longer than the products.
"""

import typing

import tensorflow as tf

from kseq.kernels.lists import entry, make_arrays, split, write
from kseq.kernels.parameters import precise


class ScanOperands(typing.NamedTuple):
    """Operands of a scan, or their gradients: four lists of tensors.

    Fields:
        inputs: Projected inputs of each gate, `[S, N, H]`, at least float32.
        kernels: Recurrent kernel of each gate, `[H, H]`, in the type that products are computed in.
        biases: The bias `[H]` of the last gate's recurrent product, if it has one.
        states: The state before the first step, `[N, H]` each.
    """

    inputs: list
    kernels: list
    biases: list
    states: list


def scan(cell, operands, is_real, training):
    """Runs a cell over sequences.

    Args:
        cell: A class with the equations of a cell and their derivatives, such as
            `kseq.models.cells.GRUCell`.
        operands: `ScanOperands`.
        is_real: Whether a step is real, boolean `[S, N, 1]`, or None if all are. Padding steps
            leave the state unchanged.
        training: Whether to save what the backward pass needs.

    Returns:
        Hidden states `[S, N, H]`, then the tensors of the last state, `[N, H]`.
    """
    if not training:
        outputs, last, _ = _forward(cell, operands, is_real, saves=False)
        return outputs, *last

    @tf.custom_gradient
    def run(*tensors):
        run_operands = tf.nest.pack_sequence_as(operands, tensors)
        outputs, last, saved = _forward(cell, run_operands, is_real, saves=True)

        def gradient(*upstream):
            return tf.nest.flatten(_gradients(cell, run_operands, is_real, saved, upstream))

        return (outputs, *last), gradient

    return run(*tf.nest.flatten(operands))


def run_step(cell, inputs, products, biases, states):
    """Runs one step of a cell outside a loop.

    Args:
        cell: As in `scan`.
        inputs: Projected inputs of each gate, `[N, H]`, at least float32.
        products: Recurrent product of each gate, likewise.
        biases: As in `ScanOperands`.
        states: The state before the step, `[N, H]` each.

    Returns:
        The new state, a list of `[N, H]`.
    """
    *products, last = products
    new_states, _ = cell.equations(add_up(cell, inputs, [*products, sum(biases, last)]), states)
    return new_states


class _Saved(typing.NamedTuple):
    """Arrays that the steps save: of the state after a step, the state before it, and gates."""

    after: list
    before: list
    gates: list


def _forward(cell, operands, is_real, saves):
    """Runs all steps; returns hidden states `[S, N, H]`, the last state, and `_Saved` or None."""
    inputs, kernels, biases, states = operands

    def body(time, states, arrays):
        hidden = tf.cast(states[0], kernels[0].dtype)
        products = [precise(tf.matmul(hidden, kernel)) for kernel in kernels]
        for bias in biases:
            products[-1] += bias
        sums = add_up(cell, [entry(gate, time) for gate in inputs], products)
        new_states, gates = cell.equations(sums, states)
        if is_real is not None:
            is_now_real = entry(is_real, time)
            new_states = [
                tf.where(is_now_real, after, before) for after, before in zip(new_states, states)
            ]
        records = [*new_states, *states, *gates] if saves else new_states[:1]
        return time + 1, new_states, write(arrays, time, records)

    length, count = tf.shape(inputs[0])[0], len(states)
    record_count = 2 * count + cell.saved_count if saves else 1
    arrays = make_arrays(record_count * [states[0].dtype], length, like=inputs[0])
    _, last, arrays = tf.while_loop(
        lambda time, *_: time < length, body, (tf.constant(0), list(states), arrays)
    )
    saved = _Saved(*split(arrays, count, count, cell.saved_count)) if saves else None
    return arrays[0].stack(), last, saved


def _gradients(cell, operands, is_real, saved, upstream):
    """Gradients of the operands, `ScanOperands`, given those of the outputs and the last state."""
    sum_gradients, state_gradients = _backward(cell, operands.kernels, is_real, saved, upstream)
    product_gradients = [sum_gradients[index] for index in cell.sums_of_products]
    hidden = _flatten_rows(saved.before[0].stack(), operands.kernels[0].dtype)
    return ScanOperands(
        inputs=[sum_gradients[index] for index in cell.sums_of_inputs],
        kernels=[
            tf.matmul(hidden, _flatten_rows(gradient, hidden.dtype), transpose_a=True)
            for gradient in product_gradients
        ],
        biases=[tf.reduce_sum(product_gradients[-1], axis=[0, 1]) for _ in operands.biases],
        states=state_gradients,
    )


def _backward(cell, kernels, is_real, saved, upstream):
    """Gradients of all sums of the cell, `[S, N, H]` each, and of the first state."""
    output_gradients, *last_gradients = upstream
    transposed = [tf.transpose(kernel) for kernel in kernels]  # once, not in every product

    def body(time, gradients, arrays):
        after_gradients = [gradients[0] + output_gradients[time], *gradients[1:]]
        real_gradients = after_gradients
        if is_real is not None:
            real_gradients = [
                tf.where(is_real[time], gradient, tf.zeros_like(gradient))
                for gradient in after_gradients
            ]
        after, before, gates = ([array.read(time) for array in arrays] for arrays in saved)
        sum_gradients, before_gradients = cell.derivatives(gates, before, after, real_gradients)
        before_gradients[0] += tf.add_n(
            [
                precise(tf.matmul(tf.cast(sum_gradients[index], kernel.dtype), kernel))
                for index, kernel in zip(cell.sums_of_products, transposed)
            ]
        )
        if is_real is not None:
            before_gradients = [
                tf.where(is_real[time], gradient, padding_gradient)
                for gradient, padding_gradient in zip(before_gradients, after_gradients)
            ]
        return time - 1, before_gradients, write(arrays, time, sum_gradients)

    length = tf.shape(output_gradients)[0]
    sum_count = 1 + max(*cell.sums_of_inputs, *cell.sums_of_products)
    arrays = make_arrays(sum_count * [output_gradients.dtype], length)
    _, gradients, arrays = tf.while_loop(
        lambda time, *_: time >= 0, body, (length - 1, last_gradients, arrays)
    )
    return [array.stack() for array in arrays], gradients


def add_up(cell, inputs, products):
    """Adds up the sums of a cell, from inputs and recurrent products of each gate `[N, H]`."""
    sums = {}
    indices = *cell.sums_of_inputs, *cell.sums_of_products
    for index, term in zip(indices, (*inputs, *products)):
        sums[index] = sums[index] + term if index in sums else term
    return [sums[index] for index in sorted(sums)]


def _flatten_rows(tensor, dtype):
    """Casts `[S, N, H]` and reshapes it to `[S·N, H]`."""
    return tf.reshape(tf.cast(tensor, dtype), [-1, tensor.shape[-1]])
