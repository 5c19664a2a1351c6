"""The encoder-decoder with attention of Bahdanau et al. 2015 (arXiv 1409.0473), and greedy search.

The cells are whatever the widths of the kernels say: simple recurrent cells, GRUs or LSTMs.
"""

from typing import NamedTuple

import numpy as np

from kseq.numpy_reference.cells import cell_step, recurrent_layer
from kseq.numpy_reference.layers import additive_attention, dense, embed, tanh_layer
from kseq.special_tokens import END, PAD, START


class Source(NamedTuple):
    """What the decoder reads of a source.

    Fields:
        memory: Encoder outputs h, `[B, S, D]`, 0 on padding.
        keys: Their projection `U h`, which the attention compares queries with, `[B, S, A]`.
        mask: Whether a position is real, boolean `[B, S]`.
    """

    memory: np.ndarray
    keys: np.ndarray
    mask: np.ndarray


def encode(weights, source_ids):
    """The bidirectional encoder, and the state that the decoder starts from.

    Section 3.2 and appendix A.2.1: one layer reads the source from its beginning, another from its
    end (Schuster and Paliwal 1997), and `h_j` is the concatenation of their states at position j.
    The decoder starts from `tanh(W h + b)`, as in appendix A.2.2, where h is the last state of both
    directions (of an LSTM, the cell state has a W of its own); in the paper, only of the second.

    Args:
        weights: Weights by name.
        source_ids: Ids `[B, S]`, padded with PAD on the right.

    Returns:
        The `Source`; the state of the decoder, a list of `[B, H]`; and the backward pass: from the
        gradients of memory, keys and state. It has no result, because ids have no gradient.
    """
    mask = source_ids != PAD
    embedded, embedding_backward = embed(weights, "source_embedding", source_ids)
    directions = [
        recurrent_layer(
            weights, f"encoder_layer_1/{name}", embedded, mask, reverse=name == "backward"
        )
        for name in ("forward", "backward")
    ]
    memory = np.concatenate([outputs for outputs, _, _ in directions], axis=-1)
    keys, keys_backward = dense(weights, "attention_keys", memory)
    last_states = zip(*(state for _, state, _ in directions))
    last = [np.concatenate(pair, axis=-1) for pair in last_states]
    # The cell state of an LSTM is made from that of the encoder; if it has none, from the hidden.
    origins = [0, len(last) - 1] if "bridge_1_2/kernel" in weights else [0]
    bridges = [
        tanh_layer(weights, f"bridge_1_{part}", last[origin])
        for part, origin in enumerate(origins, start=1)
    ]

    def backward(memory_gradient, keys_gradient, state_gradient, gradients):
        # What the encoder returns is made from the memory and from the last states.
        memory_gradient = memory_gradient + keys_backward(keys_gradient, gradients)
        last_gradient = [np.zeros_like(vector) for vector in last]
        for origin, gradient, (_, bridge_backward) in zip(origins, state_gradient, bridges):
            last_gradient[origin] += bridge_backward(gradient, gradients)
        memory_halves = np.split(memory_gradient, 2, axis=-1)
        state_halves = zip(*(np.split(gradient, 2, axis=-1) for gradient in last_gradient))
        embedded_gradient = 0.0
        for (_, _, layer_backward), *halves in zip(directions, memory_halves, state_halves):
            embedded_gradient += layer_backward(*halves, gradients)
        embedding_backward(embedded_gradient, gradients)

    return Source(memory, keys, mask), [state for state, _ in bridges], backward


def decode_step(weights, ids, state, source):
    """One step of the decoder: from the word before to the logits of the next one.

    Section 3.1: `c_i = attention(s_{i-1})`, `s_i = cell(s_{i-1}, [y_{i-1}; c_i])`. The readout
    `tanh(W [s_i; c_i; y_{i-1}] + b)` is the function g of equation 4, which the paper leaves open.

    Args:
        weights: Weights by name.
        ids: Ids of the words before `y_{i-1}`, `[B]`.
        state: The state before the step, a list of `[B, H]`, the hidden state s first.
        source: `Source`.

    Returns:
        Logits `[B, V]`; attention weights `[B, S]`; the new state; and the backward pass: from the
        gradients of logits and new state to those of the state before, keys and memory.
    """
    name = "attention_decoder"
    embedded, embedding_backward = embed(weights, "target_embedding", ids)
    context, attention, attention_backward = additive_attention(
        weights, f"{name}/attention", state[0], source.keys, source.memory, source.mask
    )
    word_inputs, word_backward = dense(weights, f"{name}/inputs_1", embedded)
    context_inputs, context_backward = dense(weights, f"{name}/context", context)
    new_state, cell_backward = cell_step(
        weights, f"{name}/cell_1", word_inputs + context_inputs, state
    )
    parts = [new_state[0], context, embedded]
    readout, readout_backward = tanh_layer(weights, "readout", np.concatenate(parts, axis=-1))
    logits, logits_backward = dense(weights, "logits", readout)

    def backward(logits_gradient, state_gradient, gradients):
        readout_gradient = readout_backward(logits_backward(logits_gradient, gradients), gradients)
        ends = np.cumsum([part.shape[-1] for part in parts[:-1]])
        hidden_gradient, context_gradient, embedded_gradient = np.split(
            readout_gradient, ends, axis=-1
        )
        # The new state goes to the readout, and to the next step.
        state_gradient = [state_gradient[0] + hidden_gradient, *state_gradient[1:]]
        inputs_gradient, before = cell_backward(state_gradient, gradients)
        embedded_gradient = embedded_gradient + word_backward(inputs_gradient, gradients)
        context_gradient = context_gradient + context_backward(inputs_gradient, gradients)
        query_gradient, keys_gradient, memory_gradient = attention_backward(
            context_gradient, gradients
        )
        embedding_backward(embedded_gradient, gradients)
        return [before[0] + query_gradient, *before[1:]], keys_gradient, memory_gradient

    return logits, attention, new_state, backward


def decode(weights, target_ids, state, source):
    """Teacher forcing (Williams and Zipser 1989): each step reads the correct word before.

    Args:
        weights: Weights by name.
        target_ids: Ids `[B, T]`; the first of each row is START.
        state: The state before the first step, a list of `[B, H]`.
        source: `Source`.

    Returns:
        Logits `[B, T, V]`; attention weights `[B, T, S]`; and the backward pass: from the gradient
        of the logits to those of memory, keys and the state before the first step.
    """
    logits, attention, steps = [], [], []
    for ids in target_ids.T:
        step_logits, step_attention, state, step_backward = decode_step(weights, ids, state, source)
        logits.append(step_logits)
        attention.append(step_attention)
        steps.append(step_backward)

    def backward(logits_gradient, gradients):
        """Back-propagation through time, as in `recurrent_layer`."""
        state_gradient = [np.zeros_like(part) for part in state]
        keys_gradient = np.zeros_like(source.keys)
        memory_gradient = np.zeros_like(source.memory)
        for position in reversed(range(len(steps))):
            state_gradient, step_keys, step_memory = steps[position](
                logits_gradient[:, position], state_gradient, gradients
            )
            # Every step has read all of them.
            keys_gradient += step_keys
            memory_gradient += step_memory
        return memory_gradient, keys_gradient, state_gradient

    return np.stack(logits, axis=1), np.stack(attention, axis=1), backward


def greedy_search(weights, source_ids, longest=100):
    """Translates by choosing the word with the highest logit at every step.

    Args:
        weights: Weights by name.
        source_ids: Ids `[B, S]`, padded with PAD on the right.
        longest: Number of steps after which a translation without END is cut.

    Returns:
        Ids `[B, T]`, END included, then PAD; and attention weights `[B, T, S]`.
    """
    source, state, _ = encode(weights, source_ids)
    ids = np.full(len(source_ids), START)
    has_ended = np.zeros(len(source_ids), bool)
    written, all_attention = [], []
    while len(written) < longest and not has_ended.all():
        logits, attention, state, _ = decode_step(weights, ids, state, source)
        logits[:, [PAD, START]] = -np.inf  # are never written
        ids = np.where(has_ended, PAD, logits.argmax(axis=-1))
        has_ended |= ids == END
        written.append(ids)
        all_attention.append(attention)
    return np.stack(written, axis=1), np.stack(all_attention, axis=1)
