"""Plain NumPy versions, written from the papers' equations, that the tests compare against."""

import itertools

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def bahdanau_attention(query, keys, memory, mask, query_kernel, energy_vector):
    """Bahdanau et al. 2015, equations 5 and 6, one sentence and one source position at a time."""
    contexts, all_weights = [], []
    for state, row_keys, row_memory, row_mask in zip(query, keys, memory, mask):
        energies = [np.tanh(state @ query_kernel + key) @ energy_vector for key in row_keys]
        exponentials = [np.exp(e) if real else 0.0 for e, real in zip(energies, row_mask)]
        weights = np.array(exponentials) / sum(exponentials)
        contexts.append(sum(weight * vector for weight, vector in zip(weights, row_memory)))
        all_weights.append(weights)
    return np.array(contexts), np.array(all_weights)


def gru_step(inputs, hidden, recurrent_kernel, recurrent_bias):
    """Cho et al. 2014, equations 5 to 8, the reset gate after the recurrent product.

    `inputs` are already projected; gates stand in the order update, reset, candidate.
    """
    units = hidden.shape[-1]
    z_in, r_in, h_in = (inputs[:, i * units : (i + 1) * units] for i in range(3))
    z_kernel, r_kernel, h_kernel = (
        recurrent_kernel[:, i * units : (i + 1) * units] for i in range(3)
    )
    z = sigmoid(z_in + hidden @ z_kernel)
    r = sigmoid(r_in + hidden @ r_kernel)
    candidate = np.tanh(h_in + r * (hidden @ h_kernel + recurrent_bias))
    return z * hidden + (1.0 - z) * candidate


def lstm_step(inputs, hidden, memory, recurrent_kernel, forget_bias):
    """Hochreiter and Schmidhuber 1997 with forget gate; order input, forget, candidate, output."""
    units = hidden.shape[-1]
    gates = inputs + hidden @ recurrent_kernel
    i, f, g, o = (gates[:, n * units : (n + 1) * units] for n in range(4))
    memory = sigmoid(f + forget_bias) * memory + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(memory), memory


def cross_entropy(labels, logits, label_smoothing=0.0):
    """Cross-entropy against the smoothed label distribution, summed id by id."""
    size = logits.shape[-1]
    distribution = np.eye(size)[labels] * (1.0 - label_smoothing) + label_smoothing / size
    return -(distribution * log_softmax(logits.astype(np.float64))).sum(axis=-1)


def exhaustive_search(log_probabilities, allowed, end, maximum_length, penalty):
    """Scores every sequence there is: those that reach `end`, and those cut at the longest.

    Args:
        log_probabilities: Function of a tuple of ids to the log-probabilities of the next id.
        allowed: Ids that may be produced, `end` among them.
        end: Id that ends a sequence.
        maximum_length: Most ids, `end` included.
        penalty: Function of a length that the log-probability is divided by.

    Returns:
        `(score, log_probability, ids)` of every sequence, best first.
    """
    others = [token for token in allowed if token != end]
    sequences = [
        (*prefix, end)
        for length in range(maximum_length)
        for prefix in itertools.product(others, repeat=length)
    ]
    sequences += itertools.product(others, repeat=maximum_length)
    scored = []
    for ids in sequences:
        total = sum(log_probabilities(ids[:place])[token] for place, token in enumerate(ids))
        scored.append((total / penalty(len(ids)), total, ids))
    return sorted(scored, reverse=True)
