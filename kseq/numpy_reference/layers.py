"""Layers without recurrence: embeddings, products, a softmax, additive attention.

Derivatives follow from three rules. Of `y = x W`, the gradient of x is that of y times `Wᵀ`, and
the gradient of W is `xᵀ` times that of y, added up over all rows. Of `y = tanh(x)`, the gradient of
x is that of y times `1 - y²`. What is used twice gets the sum of both gradients.
"""

import numpy as np


def embed(weights, name, ids):
    """Looks up the row of each id in a matrix of embeddings.

    Args:
        weights: Weights by name.
        name: Name of the layer, whose embeddings are `[V, E]`.
        ids: `[B]` or `[B, S]`.

    Returns:
        Embeddings `[B, E]` or `[B, S, E]`, and the backward pass.
    """

    def backward(gradient, gradients):
        # Not `+=`, which would count an id that occurs twice only once.
        np.add.at(gradients[f"{name}/embeddings"], ids, gradient)

    return weights[f"{name}/embeddings"][ids], backward


def multiply(weights, name, inputs):
    """Multiplies by a matrix.

    Args:
        weights: Weights by name.
        name: Name of the matrix W, `[I, O]`.
        inputs: `[..., I]`.

    Returns:
        Outputs `[..., O]`, and the backward pass.
    """
    matrix = weights[name]

    def backward(gradient, gradients):
        rows = inputs.reshape(-1, len(matrix))
        gradients[name] += rows.T @ gradient.reshape(len(rows), -1)
        return gradient @ matrix.T

    return inputs @ matrix, backward


def dense(weights, name, inputs):
    """A linear layer, `x W + b`; without b if the layer has no bias.

    Args:
        weights: Weights by name.
        name: Name of the layer, whose kernel W is `[I, O]` and whose bias b is `[O]`.
        inputs: `[..., I]`.

    Returns:
        Outputs `[..., O]`, and the backward pass.
    """
    products, product_backward = multiply(weights, f"{name}/kernel", inputs)
    bias = f"{name}/bias"

    def backward(gradient, gradients):
        if bias in weights:
            gradients[bias] += sum_of_rows(gradient)
        return product_backward(gradient, gradients)

    return products + weights.get(bias, 0.0), backward


def tanh_layer(weights, name, inputs):
    """A layer `tanh(x W + b)`; arguments and results as in `dense`."""
    sums, dense_backward = dense(weights, name, inputs)
    outputs = np.tanh(sums)

    def backward(gradient, gradients):
        return dense_backward(gradient * (1.0 - outputs**2), gradients)

    return outputs, backward


def softmax(energies, mask=True):
    """The softmax over the last axis, `exp(e_j) / Σ exp(e_k)`, exactly 0 where the mask is False.

    Args:
        energies: `[..., S]`.
        mask: Whether a position is real, boolean `[..., S]`.

    Returns:
        Weights `[..., S]`; each row sums to 1.
    """
    # Subtracting the maximum changes nothing but keeps `exp` from overflowing.
    highest = np.max(energies, axis=-1, keepdims=True, where=mask, initial=-np.inf)
    exponentials = np.exp(np.where(mask, energies - highest, -np.inf))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def additive_attention(weights, name, query, keys, memory, mask):
    """Additive attention: `e_j = v · tanh(W s + U h_j)`, `a = softmax(e)`, `c = Σ a_j h_j`.

    Bahdanau et al. 2015 (arXiv 1409.0473), equations 5 and 6 and appendix A.1.2. The keys `U h_j`
    do not depend on the query; the encoder computes them once.

    Args:
        weights: Weights by name.
        name: Name of the layer, whose W is `[H, A]` and whose v is `[A, 1]`.
        query: The decoder state s, `[B, H]`.
        keys: `U h_j`, `[B, S, A]`.
        memory: Encoder outputs `h_j`, `[B, S, D]`.
        mask: Whether a source position is real, boolean `[B, S]`.

    Returns:
        Contexts `[B, D]`, attention weights `[B, S]`, and the backward pass: from the gradient of
        the contexts to those of query, keys and memory.
    """
    projected, query_backward = dense(weights, f"{name}/query", query)
    hidden = np.tanh(projected[:, None] + keys)
    energies, energy_backward = multiply(weights, f"{name}/energy", hidden)
    attention = softmax(energies[..., 0], mask)
    context = np.einsum("bs,bsd->bd", attention, memory)

    def backward(gradient, gradients):
        memory_gradient = attention[..., None] * gradient[:, None]
        attention_gradient = np.einsum("bd,bsd->bs", gradient, memory)
        # Raising one energy lowers all other weights.
        mean = np.sum(attention * attention_gradient, axis=-1, keepdims=True)
        energy_gradient = attention * (attention_gradient - mean)
        hidden_gradient = energy_backward(energy_gradient[..., None], gradients)
        keys_gradient = hidden_gradient * (1.0 - hidden**2)
        query_gradient = query_backward(keys_gradient.sum(axis=1), gradients)
        return query_gradient, keys_gradient, memory_gradient

    return context, attention, backward


def sum_of_rows(values):
    """The sum over all axes but the last, `[O]` for `[..., O]`."""
    return values.reshape(-1, values.shape[-1]).sum(axis=0)
