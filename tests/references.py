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


def gru_layer(sequence, mask, kernel, recurrent_kernel, bias):
    """`keras.layers.GRU` over the real positions of each row: outputs `[B, S, H]`, last state."""
    units = recurrent_kernel.shape[0]
    hidden = np.zeros((len(sequence), units))
    outputs = np.zeros((*sequence.shape[:2], units))
    for time in range(sequence.shape[1]):
        inputs = sequence[:, time] @ kernel + bias[0]
        inputs[:, : 2 * units] += bias[1, : 2 * units]
        new = gru_step(inputs, hidden, recurrent_kernel, bias[1, 2 * units :])
        hidden = np.where(mask[:, time, None], new, hidden)
        outputs[:, time] = np.where(mask[:, time, None], hidden, 0.0)
    return outputs, [hidden]


def lstm_layer(sequence, mask, kernel, recurrent_kernel, bias):
    """`keras.layers.LSTM`, likewise."""
    units = recurrent_kernel.shape[0]
    state = [np.zeros((len(sequence), units))] * 2
    outputs = np.zeros((*sequence.shape[:2], units))
    for time in range(sequence.shape[1]):
        inputs = sequence[:, time] @ kernel + bias
        new = lstm_step(inputs, *state, recurrent_kernel, 0.0)
        state = [np.where(mask[:, time, None], *pair) for pair in zip(new, state)]
        outputs[:, time] = np.where(mask[:, time, None], state[0], 0.0)
    return outputs, state


def seq2seq(cell, layers, weights, source_ids, target_ids):
    """The whole encoder-decoder of Bahdanau et al. 2015 with teacher forcing.

    Args:
        cell: `"gru"` or `"lstm"`.
        layers: Number of encoder layers.
        weights: Mapping from the path of a weight, without its model, to its array.
        source_ids: `[B, S]`, 0 on padding.
        target_ids: `[B, T]`.

    Returns:
        Logits `[B, T, V]` and attention weights `[B, T, S]`.
    """
    run_layer = {"gru": gru_layer, "lstm": lstm_layer}[cell]
    mask = source_ids != 0
    memory = weights["source_embedding/embeddings"][source_ids]
    for number in range(1, layers + 1):
        sides = []
        for direction, order in (("forward", 1), ("backward", -1)):
            name = f"encoder_layer_{number}/{direction}"
            parts = [weights[f"{name}/{part}"] for part in ("kernel", "recurrent_kernel", "bias")]
            outputs, state = run_layer(memory[:, ::order], mask[:, ::order], *parts)
            sides.append((outputs[:, ::order], state))
        memory = np.concatenate([sides[0][0], sides[1][0]], axis=-1)
        last = [np.concatenate(pair, axis=-1) for pair in zip(sides[0][1], sides[1][1])]
    keys = memory @ weights["attention_keys/kernel"]
    state = [
        np.tanh(part @ weights[f"bridge_{number}/kernel"] + weights[f"bridge_{number}/bias"])
        for number, part in enumerate(last, start=1)
    ]
    logits, attention = [], []
    for time in range(target_ids.shape[1]):
        embedded = weights["target_embedding/embeddings"][target_ids[:, time]]
        context, weight = bahdanau_attention(
            state[0],
            keys,
            memory,
            mask,
            weights["attention_decoder/attention/query/kernel"],
            weights["attention_decoder/attention/energy"][:, 0],
        )
        inputs = embedded @ weights["attention_decoder/embedding/kernel"]
        inputs = inputs + weights["attention_decoder/embedding/bias"]
        inputs = inputs + context @ weights["attention_decoder/context/kernel"]
        recurrent_kernel = weights["attention_decoder/cell/recurrent_kernel"]
        if cell == "gru":
            bias = weights["attention_decoder/cell/recurrent_bias"]
            state = [gru_step(inputs, state[0], recurrent_kernel, bias)]
        else:
            bias = weights["attention_decoder/cell/forget_bias"]
            state = list(lstm_step(inputs, *state, recurrent_kernel, bias))
        readout = np.concatenate([state[0], context, embedded], axis=-1)
        readout = np.tanh(readout @ weights["readout/kernel"] + weights["readout/bias"])
        logits.append(readout @ weights["logits/kernel"] + weights["logits/bias"])
        attention.append(weight)
    return np.stack(logits, axis=1), np.stack(attention, axis=1)


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


def beam_search(log_probabilities, allowed, end, beam_size, maximum_length, penalty):
    """Beam search with lists: a finished hypothesis keeps its place, the others go on.

    Arguments and result are those of `exhaustive_search`, but for `beam_size` results at most.
    """
    finished, growing = [], [(0.0, ())]
    while growing:
        candidates = [
            (total + log_probabilities(ids)[token], (*ids, token))
            for total, ids in growing
            for token in allowed
        ]
        candidates.sort(key=lambda candidate: -candidate[0])
        growing = []
        for total, ids in candidates[: beam_size - len(finished)]:
            done = ids[-1] == end or len(ids) == maximum_length
            (finished if done else growing).append((total, ids))
    scored = [(total / penalty(len(ids)), total, ids) for total, ids in finished]
    return sorted(scored, reverse=True)
