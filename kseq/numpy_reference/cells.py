"""The recurrent cells, one step of each, and a layer that reads a sequence with them.

A step computes with all gates of a cell side by side, `[B, G·H]`: the inputs `x W + b` and the
recurrent products `h U + c`, whose bias c most cells lack. G is the number of gates.
"""

import numpy as np

from kseq.numpy_reference.layers import multiply, sum_of_rows


def sigmoid(sums):
    """`1 / (1 + exp(-x))`, in a form that cannot overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * sums)


def rnn_step(inputs, products, state):
    """One step of the simple recurrent cell of Elman 1990, `h' = tanh(x W + b + h U)`.

    Args:
        inputs: `[B, H]`.
        products: `[B, H]`.
        state: `[hidden]`, a list of `[B, H]`.

    Returns:
        The new state, and the backward pass: from its gradient, a list of `[B, H]`, to the
        gradients of inputs, products, and of the state where it enters the equations directly.
    """
    hidden = np.tanh(inputs + products)

    def backward(gradient):
        sum_gradient = gradient[0] * (1.0 - hidden**2)
        return sum_gradient, sum_gradient, [np.zeros_like(hidden)]

    return [hidden], backward


def gru_step(inputs, products, state):
    """One step of the gated recurrent unit of Cho et al. 2014 (arXiv 1406.1078).

    Equations 5 to 8: `r = σ(x_r + p_r)`, `z = σ(x_z + p_z)`, `h̃ = tanh(x_h + r p_h)` and
    `h' = z h + (1 - z) h̃`. In the paper `p_h` is `(r h) U`; here, as in Keras, r multiplies the
    product. The order of the gates is update z, reset r, candidate h̃.

    Args:
        inputs: `[B, 3H]`.
        products: `[B, 3H]`.
        state: `[hidden]`, a list of `[B, H]`.

    Returns:
        As `rnn_step`.
    """
    (hidden,) = state
    update_input, reset_input, candidate_input = np.split(inputs, 3, axis=-1)
    update_product, reset_product, candidate_product = np.split(products, 3, axis=-1)
    update = sigmoid(update_input + update_product)
    reset = sigmoid(reset_input + reset_product)
    candidate = np.tanh(candidate_input + reset * candidate_product)
    new_hidden = update * hidden + (1.0 - update) * candidate

    def backward(gradient):
        update_gradient = gradient[0] * (hidden - candidate) * update * (1.0 - update)
        candidate_gradient = gradient[0] * (1.0 - update) * (1.0 - candidate**2)
        reset_gradient = candidate_gradient * candidate_product * reset * (1.0 - reset)
        gates = [update_gradient, reset_gradient]
        return (
            np.concatenate([*gates, candidate_gradient], axis=-1),
            np.concatenate([*gates, candidate_gradient * reset], axis=-1),
            [gradient[0] * update],
        )

    return [new_hidden], backward


def lstm_step(inputs, products, state):
    """One step of long short-term memory (Hochreiter and Schmidhuber 1997).

    With the forget gate of Gers et al. 2000: `i, f, o = σ(x + p)`, `g = tanh(x_g + p_g)`,
    `c' = f c + i g` and `h' = o tanh(c')`. The order of the gates is i, f, g, o.

    Args:
        inputs: `[B, 4H]`.
        products: `[B, 4H]`.
        state: `[hidden, cell state]`, a list of `[B, H]`.

    Returns:
        As `rnn_step`.
    """
    sums = np.split(inputs + products, 4, axis=-1)
    write, forget, output = (sigmoid(sums[gate]) for gate in (0, 1, 3))
    candidate = np.tanh(sums[2])
    cell_state = forget * state[1] + write * candidate
    squashed = np.tanh(cell_state)

    def backward(gradient):
        cell_gradient = gradient[1] + gradient[0] * output * (1.0 - squashed**2)
        sum_gradients = [
            cell_gradient * candidate * write * (1.0 - write),
            cell_gradient * state[1] * forget * (1.0 - forget),
            cell_gradient * write * (1.0 - candidate**2),
            gradient[0] * squashed * output * (1.0 - output),
        ]
        sum_gradient = np.concatenate(sum_gradients, axis=-1)
        return sum_gradient, sum_gradient, [np.zeros_like(squashed), cell_gradient * forget]

    return [output * squashed, cell_state], backward


GATES = {"rnn": 1, "gru": 3, "lstm": 4}
STEPS = {1: rnn_step, 3: gru_step, 4: lstm_step}  # by the number of gates, which the kernels show


def cell_step(weights, name, inputs, state):
    """One step of any cell, with its recurrent product.

    Args:
        weights: Weights by name.
        name: Name of the cell, whose recurrent kernel is `[H, G·H]`.
        inputs: `x W + b`, `[B, G·H]`.
        state: The state before the step, a list of `[B, H]`, the hidden state first.

    Returns:
        The new state, and the backward pass: from its gradient to the gradients of the inputs and
        of the state before.
    """
    units = state[0].shape[-1]
    products, product_backward = multiply(weights, f"{name}/recurrent_kernel", state[0])
    for bias, columns in _product_biases(weights, name, units):
        products[..., columns] += bias
    new_state, step_backward = STEPS[products.shape[-1] // units](inputs, products, state)

    def backward(gradient, gradients):
        inputs_gradient, products_gradient, before = step_backward(gradient)
        for bias_gradient, columns in _product_biases(gradients, name, units):
            bias_gradient += sum_of_rows(products_gradient[..., columns])
        before[0] = before[0] + product_backward(products_gradient, gradients)
        return inputs_gradient, before

    return new_state, backward


def _product_biases(arrays, name, units):
    """The biases in the recurrent product of a cell, each with the columns it belongs to.

    Most would be superfluous, as the inputs have a bias for the same sum; but a model of Keras has
    them. These are the arrays themselves, so that gradients can be added to them.
    """
    if arrays.get(f"{name}/bias", np.zeros(0)).ndim == 2:  # Keras' GRU: one row for the inputs
        yield arrays[f"{name}/bias"][1], slice(None)
    if f"{name}/recurrent_bias" in arrays:  # the candidate of a GRU
        yield arrays[f"{name}/recurrent_bias"], slice(2 * units, None)
    if f"{name}/forget_bias" in arrays:  # the forget gate of an LSTM
        yield arrays[f"{name}/forget_bias"], slice(units, 2 * units)


def recurrent_layer(weights, name, sequence, mask, reverse=False):
    """Reads a sequence, from a state of zeros; padding leaves the state unchanged.

    Args:
        weights: Weights by name.
        name: Name of the layer, whose kernel is `[E, G·H]`.
        sequence: `[B, S, E]`.
        mask: Whether a position is real, boolean `[B, S]`.
        reverse: Whether the sequence is read from its end.

    Returns:
        The hidden state at each position, `[B, S, H]`, 0 on padding; the last state, a list of
        `[B, H]`; and the backward pass: from the gradients of both to that of the sequence.
    """
    inputs, input_backward = multiply(weights, f"{name}/kernel", sequence)
    inputs = inputs + np.atleast_2d(weights[f"{name}/bias"])[0]
    units, width = weights[f"{name}/recurrent_kernel"].shape
    state = [np.zeros((len(sequence), units)) for _ in range(2 if width == 4 * units else 1)]
    outputs, steps = np.zeros((*mask.shape, units)), []
    positions = list(range(mask.shape[1]))
    for position in reversed(positions) if reverse else positions:
        is_real = mask[:, position, None]
        new_state, step_backward = cell_step(weights, name, inputs[:, position], state)
        state = [np.where(is_real, *pair) for pair in zip(new_state, state)]
        outputs[:, position] = np.where(is_real, state[0], 0.0)
        steps.append((position, is_real, step_backward))

    def backward(outputs_gradient, state_gradient, gradients):
        """Back-propagation through time (Werbos 1990): the last step comes first."""
        inputs_gradient = np.zeros_like(inputs)
        for position, is_real, step_backward in reversed(steps):
            kept = [np.where(is_real, 0.0, gradient) for gradient in state_gradient]
            new = [np.where(is_real, gradient, 0.0) for gradient in state_gradient]
            new[0] = new[0] + np.where(is_real, outputs_gradient[:, position], 0.0)
            inputs_gradient[:, position], before = step_backward(new, gradients)
            state_gradient = [sum(pair) for pair in zip(kept, before)]
        np.atleast_2d(gradients[f"{name}/bias"])[0] += sum_of_rows(inputs_gradient)
        return input_backward(inputs_gradient, gradients)

    return outputs, state, backward
