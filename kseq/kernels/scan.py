"""A recurrent cell over whole sequences, with a backward pass of its own.

Autodiff of a loop saves every tensor of every step, and adds up the gradient of the recurrent
kernel from small products. Here a step saves only its states and gates, and that gradient is one
large product after the loop. Each gate has products and tensors of its own: to split and to
concatenate them in every step takes longer than the products.
"""

import typing

import tensorflow as tf

from kseq.kernels.lists import make_arrays, split, write
from kseq.kernels.parameters import precise


class Scanned(typing.NamedTuple):
    """What a scan reads: four lists of tensors, or their gradients.

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
        operands: `Scanned`.
        is_real: Whether a step is real, boolean `[S, N, 1]`, or None if all are. Steps that are
            padding keep the state as it is.
        training: Whether to save what the backward pass needs.

    Returns:
        Hidden states `[S, N, H]`, then the tensors of the last state, `[N, H]`.
    """
    if not training:
        outputs, last, _ = _forward(cell, operands, is_real, saves=False)
        return outputs, *last

    @tf.custom_gradient
    def run(*tensors):
        operands_here = tf.nest.pack_sequence_as(operands, tensors)
        outputs, last, saved = _forward(cell, operands_here, is_real, saves=True)

        def gradient(of_outputs, *of_last):
            gradients = _gradients(cell, operands_here, is_real, saved, (of_outputs, of_last))
            return tf.nest.flatten(gradients)

        return (outputs, *last), gradient

    return run(*tf.nest.flatten(operands))


class _Saved(typing.NamedTuple):
    """What the steps save, lists of arrays: the state after, the state before, and gates."""

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
        sums = _add_up(cell, [gate[time] for gate in inputs], products)
        new, gates = cell.equations(sums, states)
        if is_real is not None:
            new = [tf.where(is_real[time], after, before) for after, before in zip(new, states)]
        written = [*new, *states, *gates] if saves else new[:1]
        return time + 1, new, write(arrays, time, written)

    length, count = tf.shape(inputs[0])[0], len(states)
    written_count = 2 * count + cell.saved_count if saves else 1
    arrays = make_arrays(written_count * [states[0].dtype], length)
    _, last, arrays = tf.while_loop(
        lambda time, *_: time < length, body, (tf.constant(0), list(states), arrays)
    )
    saved = _Saved(*split(arrays, count, count, cell.saved_count)) if saves else None
    return arrays[0].stack(), last, saved


def _gradients(cell, operands, is_real, saved, upstream):
    """Gradients of the operands, as `Scanned`; upstream are those of outputs and last state."""
    of_sums, of_states = _backward(cell, operands.kernels, is_real, saved, upstream)
    of_products = [of_sums[place] for place in cell.sums_of_products]
    hidden = _rows(saved.before[0].stack(), operands.kernels[0].dtype)
    return Scanned(
        inputs=[of_sums[place] for place in cell.sums_of_inputs],
        kernels=[
            tf.matmul(hidden, _rows(gradient, hidden.dtype), transpose_a=True)
            for gradient in of_products
        ],
        biases=[tf.reduce_sum(of_products[-1], axis=[0, 1]) for _ in operands.biases],
        states=of_states,
    )


def _backward(cell, kernels, is_real, saved, upstream):
    """Gradients of all sums of the cell, `[S, N, H]` each, and of the first state."""
    of_outputs, of_last = upstream
    transposed = [tf.transpose(kernel) for kernel in kernels]  # once, not in every product

    def body(time, gradients, arrays):
        gradients = [gradients[0] + of_outputs[time], *gradients[1:]]
        of_new = gradients
        if is_real is not None:
            of_new = [
                tf.where(is_real[time], gradient, tf.zeros_like(gradient)) for gradient in gradients
            ]
        after, before, gates = ([array.read(time) for array in arrays] for arrays in saved)
        of_sums, of_before = cell.derivatives(gates, before, after, of_new)
        of_before[0] += tf.add_n(
            [
                precise(tf.matmul(tf.cast(of_sums[place], kernel.dtype), kernel))
                for place, kernel in zip(cell.sums_of_products, transposed)
            ]
        )
        if is_real is not None:
            of_before = [
                tf.where(is_real[time], gradient, passed)
                for gradient, passed in zip(of_before, gradients)
            ]
        return time - 1, of_before, write(arrays, time, of_sums)

    length = tf.shape(of_outputs)[0]
    arrays = make_arrays((1 + max(cell.sums_of_products)) * [of_outputs.dtype], length)
    _, gradients, arrays = tf.while_loop(
        lambda time, *_: time >= 0, body, (length - 1, list(of_last), arrays)
    )
    return [array.stack() for array in arrays], gradients


def _add_up(cell, inputs, products):
    """The sums of a cell, from inputs and recurrent products of each gate `[N, H]`."""
    sums = dict(zip(cell.sums_of_inputs, inputs))
    for place, product in zip(cell.sums_of_products, products):
        sums[place] = sums[place] + product if place in sums else product
    return [sums[place] for place in sorted(sums)]


def _rows(tensor, dtype):
    """`[S, N, H]` as `[S·N, H]` in another type."""
    return tf.reshape(tf.cast(tensor, dtype), [-1, tensor.shape[-1]])
