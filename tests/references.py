"""Plain NumPy implementations of the papers' equations, as references for the tests."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from kseq.numpy_reference.cells import cell_step, sigmoid
from kseq.numpy_reference.layers import softmax


def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


class Cell:
    """A recurrent cell with its weights.

    Args:
        kind: `"rnn"`, `"gru"` or `"lstm"`.
        kernel: Kernel of the concatenated inputs.
        recurrent_kernel: Kernel of the hidden state.
        bias: Bias of the inputs; for Keras' GRU two rows, for the inputs and the hidden state.
        extra_bias: Bias of the GRU's candidate, inside the reset gate, or of the LSTM's forget
            gate.
    """

    def __init__(self, kind, kernel, recurrent_kernel, bias, extra_bias=None):
        self.kernel, self.input_bias = kernel, np.atleast_2d(bias)[0]
        self.weights = {"cell/recurrent_kernel": recurrent_kernel, "cell/bias": bias}
        if extra_bias is not None:
            name = {"gru": "recurrent_bias", "lstm": "forget_bias"}[kind]
            self.weights[f"cell/{name}"] = extra_bias
        self.first_state = [np.zeros(len(recurrent_kernel))] * (2 if kind == "lstm" else 1)

    def step(self, inputs, state):
        inputs = inputs @ self.kernel + self.input_bias
        return cell_step(self.weights, "cell", inputs, state)[0]

    def run(self, sequence):
        """All hidden states `[S, H]`, starting from a state of zeros, and the last state."""
        state, outputs = self.first_state, []
        for inputs in sequence:
            state = self.step(inputs, state)
            outputs.append(state[0])
        return np.array(outputs), state


def keras_cell(kind, weights, name):
    """The cell of a Keras layer."""
    parts = (weights[f"{name}/{part}"] for part in ("kernel", "recurrent_kernel", "bias"))
    return Cell(kind, *parts)


def dense(weights, name, inputs):
    return inputs @ weights[f"{name}/kernel"] + weights.get(f"{name}/bias", 0.0)


def part_of(weights, name):
    """The weights whose paths start with a name, by the rest of their paths."""
    return {
        path.removeprefix(f"{name}/"): array
        for path, array in weights.items()
        if path.startswith(f"{name}/")
    }


# Attention: one query, one sentence without padding


def attention_weights(config, weights, query, keys, step=0, history=None):
    """Attention weights of one query, computed one source position at a time.

    Args:
        config: The settings of a recurrent model.
        weights: Weights of the mechanism by name.
        query: The decoder state `[H]`.
        keys: `U h_j` for every source position, or `h_j` itself for the dot products.
        step: Number of the target position, from 0.
        history: Weights of all earlier steps, a list of `[S]`.

    Returns:
        Weights `[S]`.
    """
    kind, window, length = config.attention, config.window, len(keys)
    zeros = np.zeros(length)
    score = kind
    if kind.startswith("local_"):
        score = f"luong_{config.local_score}"
        weights = {**weights, **part_of(weights, "score")}
    if score in ("bahdanau", "luong_concat"):
        # Bahdanau et al. 2015, appendix A.1.2; Luong et al. 2015, section 3.1, concat.
        projected = query @ weights["query/kernel"]
        energies = [np.tanh(projected + key) @ weights["energy"][:, 0] for key in keys]
    elif kind == "coverage":
        # See et al. 2017, equations 10 and 11.
        coverage = sum(history, zeros)
        projected = query @ weights["query/kernel"] + weights["query/bias"]
        energies = [
            np.tanh(key + covered * weights["coverage"][0] + projected) @ weights["energy"][:, 0]
            for key, covered in zip(keys, coverage)
        ]
    elif kind == "location_aware":
        # Chorowski et al. 2015, equations 8 and 9.
        projected = query @ weights["query/kernel"] + weights["query/bias"]
        features = convolve(history[-1] if history else zeros, weights["filters"][:, 0])
        energies = [
            np.tanh(projected + key + feature @ weights["features"]) @ weights["energy"][:, 0]
            for key, feature in zip(keys, features)
        ]
    elif kind == "location":
        # Luong et al. 2015, equation 8.
        energies = [query @ column for column in weights["positions/kernel"].T[:length]]
        energies += [-np.inf] * (length - len(energies))
    elif kind == "trained_query":
        energies = [weights["query"][0] @ key for key in keys]
    else:
        # Luong et al. 2015, section 3.1, dot and general.
        energies = [query @ key for key in keys]
    if score == "luong_scaled_dot":
        energies = [energy / np.sqrt(len(query)) for energy in energies]
    if kind == "local_m":
        center = min(step, length - 1)
    elif kind == "local_p":
        # Luong et al. 2015, equation 9.
        hidden = np.tanh(query @ weights["position/kernel"])
        center = length * sigmoid(hidden @ weights["position_energy"][:, 0])
    in_window = [
        not kind.startswith("local_") or center - window <= position <= center + window
        for position in range(length)
    ]
    highest = max(energy for energy, is_inside in zip(energies, in_window) if is_inside)
    exponentials = [
        np.exp(energy - highest) if is_inside else 0.0
        for energy, is_inside in zip(energies, in_window)
    ]
    result = np.array(exponentials) / sum(exponentials)
    if kind == "local_p":
        # Equation 10; the standard deviation is D / 2.
        distances = np.arange(length) - center
        result = result * np.exp(-(distances**2) / (2 * (window / 2) ** 2))
    return result


def convolve(vector, filters):
    """The products of filters `[r, k]` with the `r` values around each of S positions, `[S, k]`."""
    reach = len(filters) // 2
    padded = np.concatenate([np.zeros(reach), vector, np.zeros(reach)])
    return [padded[place : place + len(filters)] @ filters for place in range(len(vector))]


# The recurrent model: one sentence without padding


def recurrent_encoder(config, weights, sequence):
    """The memory `[S, D]`, in the order of the source, and what each decoder layer starts from.

    `sequence` holds the embeddings `[S, E]`.
    """
    if config.reverse_source:
        sequence = sequence[::-1]
    states = []
    for number in range(1, config.encoder_layers + 1):
        inputs = sequence
        if config.pyramid and number > 1:
            inputs = join_pairs(sequence)
        name = f"encoder_layer_{number}"
        if config.bidirectional:
            forward, forward_last = keras_cell(config.cell, weights, f"{name}/forward").run(inputs)
            backward, backward_last = keras_cell(config.cell, weights, f"{name}/backward").run(
                inputs[::-1]
            )
            merge = np.add if config.merge == "sum" else concatenate
            sequence = merge(forward, backward[::-1])
            last = [merge(*pair) for pair in zip(forward_last, backward_last)]
            if config.context == "backward":
                # Bahdanau et al. 2015, appendix A.2.2: the backward direction ends at word 1.
                last = backward_last
        else:
            sequence, last = keras_cell(config.cell, weights, name).run(inputs)
        if config.residual and number > 1:
            # Wu et al. 2016, equation 6.
            sequence = sequence + inputs
        states.append(last)
    if config.reverse_source:
        sequence = sequence[::-1]
    return sequence, summarize(config, sequence, states)


def summarize(config, memory, states):
    """What each decoder layer starts from: last states, or a summary of the memory `[S, D]`."""
    if config.bridge == "none":
        return states
    sums = {"sum": [memory.sum(axis=0)], "mean": [memory.mean(axis=0)]}
    return [sums.get(config.context, states[-1])] * config.decoder_layers


def concatenate(*vectors):
    return np.concatenate(vectors, axis=-1)


def join_pairs(sequence):
    """Chan et al. 2016, equation 5: `[h_2i; h_2i+1]`, with zeros after an odd last vector."""
    zeros = np.zeros_like(sequence[0])
    return np.array(
        [
            np.concatenate(
                [sequence[first], sequence[first + 1] if first + 1 < len(sequence) else zeros]
            )
            for first in range(0, len(sequence), 2)
        ]
    )


class RecurrentDecoder:
    """The decoder stack, step by step over one target.

    Args:
        config: The settings.
        encoder: Weights of the encoder.
        decoder: Weights of the decoder.
        memory: `[S, D]`.
        summary: What the states of each layer are made from.
    """

    def __init__(self, config, encoder, decoder, memory, summary):
        self.config, self.weights, self.memory = config, decoder, memory
        self.cell = config.cell if config.decoder_cell == "same" else config.decoder_cell
        self.kind = config.attention
        # Luong et al. 2015, section 3: attention comes after the cell, not before it.
        self.attends_after = self.kind.startswith(("luong", "local_")) or self.kind in (
            *("location", "trained_query"),
        )
        self.feeds = self.attends_after and config.input_feeding
        self.loops = self.feeds or self.kind in ("bahdanau", "coverage", "location_aware")
        # See et al. 2017, section 2.1: so it does if it copies, and the cell reads its context.
        self.feeds_context = config.copy and not self.attends_after
        self.read_layer = 1 if config.attention_layer == "bottom" else config.decoder_layers
        self.cells = [self.make_cell(number) for number in self.layer_numbers()]
        self.states = [
            [
                self.bridge(encoder, f"{number}_{part + 1}", vectors[part % len(vectors)])
                for part in range(2 if self.cell == "lstm" else 1)
            ]
            for number, vectors in zip(self.layer_numbers(), summary)
        ]
        self.fixed_context = summary[-1][0] if config.context_every_step else np.zeros(0)
        self.fed = np.zeros(config.units)
        self.keys = memory
        if self.kind == "hard":
            self.readout_keys = memory @ encoder["readout_keys/kernel"]
        is_raw = self.kind in ("none", "luong_dot", "luong_scaled_dot", "location", "trained_query")
        is_raw = is_raw or (self.kind.startswith("local_") and config.local_score.endswith("dot"))
        if not is_raw:
            self.keys = memory @ encoder["attention_keys/kernel"]
        self.history = []
        self.generation = []  # p_gen of each step, of a model that copies
        self.attention_part = part_of(
            decoder, "attention_decoder/attention" if self.loops else "attention"
        )

    def layer_numbers(self):
        return range(1, self.config.decoder_layers + 1)

    def bridge(self, encoder, name, vector):
        """Bahdanau et al. 2015, appendix A.2.2, or without tanh, or the vector itself."""
        if self.config.bridge == "none":
            return vector
        state = dense(encoder, f"bridge_{name}", vector)
        return np.tanh(state) if self.config.bridge == "tanh" else state

    def make_cell(self, number):
        """A cell of the loop has a kernel for each of its inputs."""
        if not self.loops or number > self.read_layer:
            return keras_cell(self.cell, self.weights, f"decoder_layer_{number}")
        weights = part_of(self.weights, "attention_decoder")
        kernel = weights[f"inputs_{number}/kernel"]
        if number == 1:
            kernel = np.concatenate(
                [kernel, weights["fed/kernel" if self.feeds else "context/kernel"]]
            )
        parts = part_of(weights, f"cell_{number}")
        bias = weights[f"inputs_{number}/bias"]
        extra = {"rnn": None, "gru": parts.get("recurrent_bias"), "lstm": parts.get("forget_bias")}
        return Cell(self.cell, kernel, parts["recurrent_kernel"], bias, extra[self.cell])

    def attend(self, query, step):
        attention = attention_weights(
            self.config, self.attention_part, query, self.keys, step, self.history
        )
        self.history.append(attention)
        context = sum(weight * vector for weight, vector in zip(attention, self.memory))
        return context, attention

    def step(self, number, embedded):
        """Readout and attention weights of target position `number`, counted from 0."""
        context, attention = self.fixed_context, None
        if self.loops and not self.feeds and not self.feeds_context:
            # Bahdanau et al. 2015, equation 6: the query is the state before this step.
            context, attention = self.attend(self.states[self.read_layer - 1][0], number)
        hidden = embedded
        for layer in self.layer_numbers():
            below, second_input = hidden, np.zeros(0)
            if self.feeds_context and layer == 1:
                second_input = self.fed
            elif self.attends_after:
                # Section 3.3: the bottom layer also reads the previous attentional state.
                second_input = self.fed if self.feeds and layer == 1 else second_input
            elif layer == 1 or layer > self.read_layer or self.kind == "none":
                second_input = context
            state = self.cells[layer - 1].step(
                np.concatenate([below, second_input]), self.states[layer - 1]
            )
            self.states[layer - 1] = state
            hidden = state[0] + below if self.config.residual and layer > 1 else state[0]
            if self.attends_after and layer == self.read_layer:
                context, attention = self.attend(hidden, number)
                hidden = self.attentional_state(context, hidden)
            if self.feeds_context and layer == self.read_layer:
                context, attention = self.attend(hidden, number)
                self.fed = context
        if self.config.copy:
            parts = np.concatenate([context, hidden, embedded])
            self.generation.append(generation_probability(self.weights, parts))
        if self.kind == "hard":
            return hidden, attention
        if self.attends_after and self.read_layer == self.config.decoder_layers:
            return hidden, attention
        if self.config.readout == "none":
            return hidden, attention
        parts = [hidden, context] if self.attends_after else [hidden, context, embedded]
        readout = dense(self.weights, "readout", np.concatenate(parts))
        if self.config.readout == "maxout":
            # Bahdanau et al. 2015, appendix A.2.2.
            return np.array([max(pair) for pair in zip(readout[::2], readout[1::2])]), attention
        return np.tanh(readout), attention

    def attentional_state(self, context, hidden):
        """Luong et al. 2015, equation 5."""
        name = "attention_decoder/attentional_state" if self.loops else "attentional_state"
        self.fed = np.tanh(dense(self.weights, name, np.concatenate([context, hidden])))
        return self.fed


# Copying: one step


def generation_probability(weights, parts):
    """See et al. 2017, equation 8, for the concatenated context, state and embedding."""
    return sigmoid(dense(weights, "generation_switch", parts)[0])


def pointer_generator(logits, generation, attention, source_ids, extra):
    """See et al. 2017, equation 9, one word at a time.

    Args:
        logits: Logits over the vocabulary, `[V]`.
        generation: The probability p_gen.
        attention: Attention weights `[S]`.
        source_ids: Ids of the source words, `[S]`; those from V on are not in the vocabulary.
        extra: Number of ids after the vocabulary.

    Returns:
        The probabilities `[V + extra]`.
    """
    vocabulary = [generation * probability for probability in softmax(logits)]
    probabilities = np.array([*vocabulary, *[0.0] * extra])
    for weight, word in zip(attention, source_ids):
        probabilities[word] += (1 - generation) * weight
    return probabilities


# Hard attention: one sentence without padding


def hard_transitions(config, weights, keys, states):
    """The probability of every move at every step, `[T, S, S]`, from row i to column j.

    Args:
        config: The settings.
        weights: Weights of the mechanism by name.
        keys: The projected memory, `[S, A]`.
        states: Decoder states `[T, H]`.
    """
    steps, length = range(len(states)), range(len(keys))
    moves = np.zeros((len(states), len(keys), len(keys)))
    for step, i in itertools.product(steps, length):
        exponentials = {}
        for j in length:
            if config.monotonic and j < i:
                continue
            if not config.alignment_order:
                # Wu et al. 2018, over the positions from i on if it is monotonic.
                exponentials[j] = np.exp(states[step] @ keys[j])
            elif abs(j - i) <= config.window:
                # Wu and Cotterell 2019: a score for each distance.
                scores = dense(weights, "query", states[step]) + keys[i]
                farthest_left = 0 if config.monotonic else config.window
                exponentials[j] = np.exp(scores[j - i + farthest_left])
        for j, exponential in exponentials.items():
            moves[step, i, j] = exponential / sum(exponentials.values())
    return moves


def sum_over_alignments(transitions, emissions, written):
    """Hard attention by its definition: the sum over all alignments, one by one.

    Args:
        transitions: The probability of every move `[T, S, S]`; alignments start at position 0.
        emissions: The probability of every token at every position, `[T, S, V]`.
        written: Ids of the tokens that the first T - 1 steps have written.

    Returns:
        The probability of every token given the tokens before it, `[T, V]`, and that of every
        position given the same, `[T, S]`.
    """
    tokens, positions = [], []
    for step, emission in enumerate(emissions):
        totals = np.zeros(emissions.shape[1])
        for alignment in itertools.product(range(len(totals)), repeat=step + 1):
            probability, previous = 1.0, 0
            for time, position in enumerate(alignment):
                probability *= transitions[time, previous, position]
                if time < step:
                    probability *= emissions[time, position, written[time]]
                previous = position
            totals[alignment[-1]] += probability
        positions.append(totals / totals.sum())
        tokens.append(positions[-1] @ emission)
    return np.array(tokens), np.array(positions)


def hard_attention(config, stack, states, embedding, target_ids):
    """Log-probabilities `[T, V]` and weights `[T, S]`, for the states `[T, H]` of a decoder."""
    transitions = hard_transitions(config, stack.attention_part, stack.keys, states)
    # Wu et al. 2018: a readout for each source position.
    projected = dense(stack.weights, "readout/query", states)
    readouts = np.tanh(projected[:, None] + stack.readout_keys)
    emissions = np.exp(log_softmax(head(config, stack.weights, readouts, embedding)))
    tokens, weights = sum_over_alignments(transitions, emissions, target_ids[1:])
    return np.log(tokens), weights


# The Transformer: one sentence without padding


def positions(length, width):
    """Vaswani et al. 2017, section 3.5."""
    encoding = np.zeros((length, width))
    for position in range(length):
        for pair in range((width + 1) // 2):
            angle = position / 10_000 ** (2 * pair / width)
            encoding[position, 2 * pair] = np.sin(angle)
            if 2 * pair + 1 < width:
                encoding[position, 2 * pair + 1] = np.cos(angle)
    return encoding


def layer_norm(weights, name, inputs):
    """Ba et al. 2016 over the features of a position, with the ε of Keras."""
    mean, variance = inputs.mean(-1, keepdims=True), inputs.var(-1, keepdims=True)
    normal = (inputs - mean) / np.sqrt(variance + 1e-3)
    return normal * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def head_attention(query, keys, values):
    """Equation 1 for one position and one head: `softmax(q Kᵀ / √d) V`, and the weights."""
    weights = softmax(np.array([query @ key for key in keys]) / np.sqrt(len(query)))
    return sum(weight * value for weight, value in zip(weights, values)), weights


def multi_head(query_kernel, output_kernel, sequence, keys, values, causal=False):
    """Section 3.2.2: outputs `[T, D]`, weights `[T, heads, S]`; keys and values `[S, heads, d]`."""
    outputs, all_weights = [], []
    for time, vector in enumerate(sequence):
        last = time + 1 if causal else len(keys)
        output, weights = 0.0, []
        for head in range(query_kernel.shape[1]):
            context, head_weights = head_attention(
                vector @ query_kernel[:, head], keys[:last, head], values[:last, head]
            )
            output = output + context @ output_kernel[head]
            weights.append(head_weights)
        outputs.append(output)
        all_weights.append(weights)
    return np.array(outputs), all_weights


def self_attention(weights, name, sequence, causal=False):
    query, key, value, output = (
        weights[f"{name}/{part}/kernel"] for part in ("query", "key", "value", "attention_output")
    )
    keys, values = (np.einsum("sd,dhk->shk", sequence, kernel) for kernel in (key, value))
    return multi_head(query, output, sequence, keys, values, causal)[0]


def feed_forward(weights, number, sequence):
    """Equation 2."""
    name = f"feed_forward_{number}"
    return dense(weights, name, np.maximum(0.0, dense(weights, f"{name}_inner", sequence)))


def transformer_inputs(config, weights, side, embedded):
    if embedded.shape[-1] != config.units:
        embedded = dense(weights, f"{side}_projection", embedded)
    return embedded * np.sqrt(config.units) + positions(*embedded.shape)


def transformer_encoder(config, weights, embedded):
    """Section 3.1: `LayerNorm(x + Sublayer(x))` twice in every layer."""
    sequence = transformer_inputs(config, weights, "source", embedded)
    for number in range(1, config.encoder_layers + 1):
        name = f"self_attention_{number}"
        change = self_attention(weights, name, sequence)
        sequence = layer_norm(weights, f"{name}_norm", sequence + change)
        change = feed_forward(weights, number, sequence)
        sequence = layer_norm(weights, f"feed_forward_{number}_norm", sequence + change)
    return sequence


def transformer_decoder(config, encoder, weights, memory, embedded):
    """Outputs `[T, D]`, weights of the cross-attention `[T, layers, heads, S]`, contexts `[T, D]`.

    The contexts are those of the last layer.
    """
    sequence = transformer_inputs(config, weights, "target", embedded)
    all_weights = []
    for number in range(1, config.decoder_layers + 1):
        name = f"self_attention_{number}"
        change = self_attention(weights, name, sequence, causal=True)
        sequence = layer_norm(weights, f"{name}_norm", sequence + change)
        name = f"cross_attention_{number}"
        keys, values = (
            np.einsum("sd,dhk->shk", memory, encoder[f"{name}_{part}/kernel"])
            for part in ("keys", "values")
        )
        query, output = (weights[f"{name}/{part}/kernel"] for part in ("query", "output"))
        contexts, layer_weights = multi_head(query, output, sequence, keys, values)
        all_weights.append(layer_weights)
        sequence = layer_norm(weights, f"{name}_norm", sequence + contexts)
        change = feed_forward(weights, number, sequence)
        sequence = layer_norm(weights, f"feed_forward_{number}_norm", sequence + change)
    return sequence, np.array(all_weights).transpose(1, 0, 2, 3), contexts


# Whole models


def seq2seq(config, weights, inputs):
    """A whole model with teacher forcing, one sentence at a time and without padding.

    Args:
        config: Any `ModelConfig`.
        weights: `{"encoder": ..., "decoder": ...}`, each a mapping from the path of a weight,
            without the automatic names of Keras, to its array.
        inputs: The arrays that the model takes.

    Returns:
        Logits or values `[B, T, V]` (for a model that copies, probabilities), attention `[B, T, S]`
        (None without attention), and for a Transformer the attention of every layer and head,
        `[B, T, layers, heads, S]`.
    """
    encoder, decoder = (
        {name: np.asarray(array, np.float64) for name, array in weights[part].items()}
        for part in ("encoder", "decoder")
    )
    shared = "shared_embedding/embeddings"
    source_embedding = encoder.get("source_embedding/embeddings", encoder.get(shared))
    target_embedding = decoder.get("target_embedding/embeddings", decoder.get(shared))
    mask = inputs["source_mask"] if config.source_features else inputs["source_ids"] != 0
    longest = mask.shape[1]
    if config.pyramid:
        for _ in range(1, config.encoder_layers):
            longest = -(-longest // 2)
    outputs, attention, heads = [], [], []
    for row, length in enumerate(mask.sum(axis=1)):
        if config.source_features:
            source = np.asarray(inputs["source"][row, :length], np.float64)
        else:
            source = source_embedding[known(inputs["source_ids"][row, :length], source_embedding)]
        if config.target_features:
            target = np.asarray(inputs["target"][row], np.float64)
        else:
            target = target_embedding[known(inputs["target_ids"][row], target_embedding)]
        if config.has_recurrent_encoder:
            memory, summary = recurrent_encoder(config, encoder, source)
        else:
            memory = transformer_encoder(config, encoder, source)
            summary = summarize(config, memory, [[memory[-1]]])
        if not config.has_recurrent_decoder:
            readouts, head_weights, contexts = transformer_decoder(
                config, encoder, decoder, memory, target
            )
            heads.append(pad_weights(head_weights, longest))
            attention.append(head_weights.mean(axis=(1, 2)))
            copied = head_weights[:, -1].mean(axis=1)
            parts = np.concatenate([contexts, readouts, target], axis=-1)
            if config.copy:
                generation = [generation_probability(decoder, part) for part in parts]
        else:
            stack = RecurrentDecoder(config, encoder, decoder, memory, summary)
            steps = [stack.step(number, embedded) for number, embedded in enumerate(target)]
            readouts = np.array([readout for readout, _ in steps])
            attention.append([weights for _, weights in steps])
            copied, generation = attention[-1], stack.generation
        if config.attention == "hard":
            log_probabilities, attention[-1] = hard_attention(
                config, stack, readouts, target_embedding, inputs["target_ids"][row]
            )
            outputs.append(log_probabilities)
            continue
        outputs.append(head(config, decoder, readouts, target_embedding))
        if config.copy:
            source_ids = inputs["source_ids"][row, :length]
            outputs[-1] = [
                pointer_generator(*step, source_ids, longest)
                for step in zip(outputs[-1], generation, copied)
            ]
    if config.attention == "none":
        return np.array(outputs), None, None
    attention = np.array([pad_weights(np.array(weights), longest) for weights in attention])
    return np.array(outputs), attention, np.array(heads) if heads else None


def known(ids, embedding):
    """Ids as an embedding reads them: those after the vocabulary are UNK, 1."""
    return np.where(ids < len(embedding), ids, 1)


def pad_weights(weights, length):
    """Weights over the positions of a sentence, followed by zeros for its padding."""
    padding = np.zeros((*weights.shape[:-1], length - weights.shape[-1]))
    return np.concatenate([weights, padding], axis=-1)


def head(config, weights, readouts, embedding):
    """Logits `[T, V]`, or real values `[T, F]`."""
    if config.target_features:
        values = dense(weights, "values", readouts)
        return sigmoid(values) if config.target_activation == "sigmoid" else values
    if not config.tie_output:
        return dense(weights, "logits", readouts)
    # Press and Wolf 2017.
    if config.units != config.embedding_dim:
        readouts = dense(weights, "output_projection", readouts)
    return readouts @ embedding.T


def coverage_loss(attention, mask):
    """See et al. 2017, equation 12, averaged over the real target positions.

    Args:
        attention: `[B, T, S]`.
        mask: Whether a target position is real, `[B, T]`.

    Returns:
        The loss in float64.
    """
    losses = []
    for row, row_mask in zip(np.asarray(attention, np.float64), mask):
        for time in range(len(row)):
            coverage = row[:time].sum(axis=0)
            if row_mask[time]:
                losses.append(
                    sum(min(weight, covered) for weight, covered in zip(row[time], coverage))
                )
    return np.mean(losses)


# Training


def decayed_probability(kind, step, steps):
    """Bengio et al. 2015, section 2.4: the ε of a training step, from 1 down to 0.01 or 0.

    The k of the inverse sigmoid is the one of many values that comes closest to 0.01.
    """
    if kind == "constant":
        return 0.0
    if kind == "linear":
        k, c = 1.0, 1.0 / steps
        return max(0.0, k - c * step)
    if kind == "exponential":
        return (0.01 ** (1.0 / steps)) ** step
    values = np.linspace(steps / 40, steps, 200_001)
    k = values[np.argmin(np.abs(values / (values + np.exp(steps / values)) - 0.01))]
    return k / (k + np.exp(step / k))


def mixed_targets(config, weights, inputs, reads_own, random_numbers):
    """Scheduled sampling, one position at a time, each with a new pass over the whole target.

    Args:
        config: Any `ModelConfig`.
        weights: As in `seq2seq`.
        inputs: The arrays that the model takes.
        reads_own: Which positions are replaced by the model's own output, `[B, T]`.
        random_numbers: Numbers from 0 to 1 that words are drawn with, `[B, T]`.

    Returns:
        The target that the decoder reads, `[B, T]` or `[B, T, F + C]`.
    """
    name = "target" if config.target_features else "target_ids"
    mixed = np.array(inputs[name])
    for time in range(1, mixed.shape[1]):
        outputs, *_ = seq2seq(config, weights, {**inputs, name: mixed})
        for row in np.flatnonzero(reads_own[:, time]):
            output = outputs[row, time - 1]
            if not config.target_features:
                probabilities = np.exp(log_softmax(output))
                probabilities[[0, 2, 3]] = 0.0  # PAD, START, END
                sums = np.cumsum(probabilities / probabilities.sum())
                output = np.argmax(sums > random_numbers[row, time])
                mixed[row, time] = output
            else:
                mixed[row, time, : len(output)] = output  # Covariates stay.
    return mixed


def guided_alignment_loss(attention, links, mask):
    """Chen et al. 2016: the cross-entropy of attention and alignment, word by word.

    Args:
        attention: `[B, T, S]`.
        links: A set of (source, target) positions for each row.
        mask: Whether a target position is real, `[B, T]`.

    Returns:
        The sum over the linked target words, divided by the number of real positions.
    """
    total = 0.0
    for row, row_links in enumerate(links):
        for target in {target for _, target in row_links}:
            sources = [source for source, linked in row_links if linked == target]
            total -= np.mean([np.log(attention[row, target, source]) for source in sources])
    return total / np.sum(mask)


# Loss and search


def cross_entropy(labels, logits, label_smoothing=0.0):
    """Cross-entropy against the smoothed label distribution, summed id by id."""
    size = logits.shape[-1]
    distribution = np.eye(size)[labels] * (1.0 - label_smoothing) + label_smoothing / size
    return -(distribution * log_softmax(logits.astype(np.float64))).sum(axis=-1)


def wu_penalty(alpha):
    """The length penalty of Wu et al. 2016, as a function of a length."""
    return lambda length: ((5 + length) / 6) ** alpha


@dataclasses.dataclass
class SearchProblem:
    """A language model and the rules for its outputs, searched with plain lists and sums.

    Args:
        log_probabilities: Function from a tuple of ids to the log-probabilities of the next id.
        allowed: Ids that may be produced, including `end`.
        end: Id that ends a sequence.
        longest: Maximum number of ids, `end` included; the last of them can only be `end`.
        penalty: Function from a length to the divisor of the log-probability.
        coverage: Function from ids to the penalty that is added to their score.
        shortest: Minimum number of ids, `end` included.
        prefix: Ids that every sequence starts with.
        ngram: n such that no n-gram occurs twice, except for `end` and in the prefix; 0 for none.
        repetition: Factor of the log-probability of an id that was written before.
    """

    log_probabilities: Callable
    allowed: list
    end: int
    longest: int
    penalty: Callable = wu_penalty(1.0)
    coverage: Callable = lambda ids: 0.0
    shortest: int = 0
    prefix: Sequence = ()
    ngram: int = 0
    repetition: float = 1.0

    def may_follow(self, ids, token):
        """Whether a token may be written after `ids`."""
        if len(ids) < len(self.prefix):
            return token == self.prefix[len(ids)]
        if token == self.end:
            return len(ids) + 1 >= self.shortest
        if token not in self.allowed or len(ids) + 1 >= self.longest:
            return False
        ids = (*ids, token)
        ngrams = [ids[start : start + self.ngram] for start in range(len(ids))]
        return not self.ngram or len(ids) < self.ngram or ngrams.count(ids[-self.ngram :]) == 1

    def gain(self, ids, token):
        """The contribution of a token to the sum that hypotheses are ranked by."""
        return self.log_probabilities(ids)[token] * (self.repetition if token in ids else 1.0)

    def score(self, ids):
        """Score, log-probability and ids of a sequence that has ended."""
        total = sum(self.gain(ids[:length], token) for length, token in enumerate(ids))
        log_probability = sum(
            self.log_probabilities(ids[:length])[token] for length, token in enumerate(ids)
        )
        return total / self.penalty(len(ids)) + self.coverage(ids), log_probability, ids

    def exhaustive(self):
        """All possible sequences, best first, as `score` returns them."""
        sequences = [
            (*inner, self.end)
            for length in range(self.longest)
            for inner in itertools.product(
                {*self.allowed, *self.prefix} - {self.end}, repeat=length
            )
        ]
        return sorted(
            (
                self.score(ids)
                for ids in sequences
                if all(self.may_follow(ids[:length], token) for length, token in enumerate(ids))
            ),
            reverse=True,
        )

    def beam(self, beam_size):
        """Beam search: a finished hypothesis keeps its place, the others continue to their end."""
        finished, growing = [], [(0.0, ())]
        while growing:
            candidates = [
                (total + self.gain(ids, token), (*ids, token))
                for total, ids in growing
                for token in range(len(self.log_probabilities(ids)))
                if self.may_follow(ids, token)
            ]
            candidates.sort(key=lambda candidate: -candidate[0])
            best = candidates[: beam_size - len(finished)]
            finished += [ids for _, ids in best if ids[-1] == self.end]
            growing = [(total, ids) for total, ids in best if ids[-1] != self.end]
        return sorted(map(self.score, finished), reverse=True)


def grow_diag_final_and(forward, backward, target_length, source_length):
    """The pseudo-code of Koehn et al. 2005 line by line, over matrices of points (e, f).

    Args:
        forward: Links (source, target).
        backward: Likewise.
        target_length: Words e of the target.
        source_length: Words f of the source.
    """
    e2f, f2e = (
        [[(f, e) in links for f in range(source_length)] for e in range(target_length)]
        for links in (forward, backward)
    )
    points = [(e, f) for e in range(target_length) for f in range(source_length)]
    neighboring = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
    alignment = [(e, f) for e, f in points if e2f[e][f] and f2e[e][f]]

    def e_aligned(e):
        return any(point[0] == e for point in alignment)

    def f_aligned(f):
        return any(point[1] == f for point in alignment)

    added = True
    while added:
        added = False
        for e, f in points:
            if (e, f) not in alignment:
                continue
            for step_e, step_f in neighboring:
                new = e_new, f_new = e + step_e, f + step_f
                if new not in points or new in alignment:
                    continue
                in_union = e2f[e_new][f_new] or f2e[e_new][f_new]
                if (not e_aligned(e_new) or not f_aligned(f_new)) and in_union:
                    alignment.append(new)
                    added = True
    for direction in (e2f, f2e):
        for e_new, f_new in points:
            free = not e_aligned(e_new) and not f_aligned(f_new)
            if free and direction[e_new][f_new]:
                alignment.append((e_new, f_new))
    return {(f, e) for e, f in alignment}


def entropy_in_bits(weights):
    """Entropy (Shannon 1948) of one row of weights, which need not sum to 1."""
    total = sum(float(weight) for weight in weights)
    shares = [float(weight) / total for weight in weights if weight > 0.0]
    return -sum(share * np.log(share) / np.log(2.0) for share in shares)


def attention_behaviour(attention):
    """Behaviour of the attention over one sentence; its last row and last column are END.

    Returns:
        The entropy of every output word, the weight that every source word received, and whether
        each output word's strongest source word is not before the previous output word's.
    """
    words = [[float(weight) for weight in row[:-1]] for row in attention[:-1]]
    received = [sum(column) for column in zip(*words)]
    strongest = [row.index(max(row)) for row in words]
    advances = [after >= before for before, after in zip(strongest, strongest[1:])]
    return [entropy_in_bits(row) for row in attention[:-1]], received, advances


def suspicion(sentences):
    """The share of other sentences that are better, averaged over the columns; ties count half.

    Args:
        sentences: Three numbers for each sentence; larger is worse.
    """
    scores = []
    for index, sentence in enumerate(sentences):
        others = sentences[:index] + sentences[index + 1 :]
        shares = [
            sum(1.0 if other[i] < value else 0.5 if other[i] == value else 0.0 for other in others)
            / len(others)
            for i, value in enumerate(sentence)
        ]
        scores.append(sum(shares) / len(shares))
    return scores
