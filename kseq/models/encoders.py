"""The recurrent encoder: a stack of layers over the source, and its fixed-length summary."""

import keras
import tensorflow as tf
from keras import ops

from kseq.kernels.dropout import Dropout
from kseq.models.recurrent_layers import make_recurrent_layer


def recurrent_encoder(config, sequence, mask):
    """Runs the encoder stack.

    Args:
        config: `ModelConfig`.
        sequence: Embeddings or frames `[B, S, E]`, a symbolic tensor.
        mask: Whether a position is real, boolean `[B, S]`.

    Returns:
        The memory `[B, S, D]`, 0 on padding, its mask `[B, S]` (with a pyramid S is smaller),
        and the summary that a recurrent decoder starts from, as from `summarize`.
    """
    if config.reverse_source:
        sequence = Reverse(name="reversed_source")(sequence, mask)
    # All layers are made first: when Keras reads a file, it mistakes a layer for a deleted one that
    # had the same address.
    layers = [_make_layer(config, number) for number in range(1, config.encoder_layers + 1)]
    states = []
    for number, layer in enumerate(layers, start=1):
        below = sequence
        if number > 1:
            if config.pyramid:
                below, mask = Halve(name=f"halve_{number}")(below, mask)
            name = f"encoder_dropout_{number}"
            below = Dropout(config.dropout, name=name)(below)
        sequence, last_states = _run_layer(config, number, layer, below, mask)
        states.append(last_states)
        # An explicit product, so that padding is 0 and Keras passes no implicit mask on.
        sequence = sequence * ops.expand_dims(ops.cast(mask, sequence.dtype), -1)
        if config.residual and number > 1:
            sequence = sequence + below
    if config.reverse_source:
        sequence = Reverse(name="memory")(sequence, mask)
    return sequence, mask, summarize(config, sequence, mask, states)


def _make_layer(config, number):
    """A layer in one direction; with half the units if both directions are concatenated."""
    halves = config.bidirectional and config.merge == "concat"
    name = f"encoder_layer_{number}"
    if config.bidirectional:
        name = config.cell if isinstance(config.cell, str) else "own"
    return make_recurrent_layer(config.cell, config.units // (2 if halves else 1), name)


def _run_layer(config, number, layer, sequence, mask):
    """Runs a layer in one direction or both.

    Args:
        config: `ModelConfig`.
        number: Number of the layer, from 1.
        layer: Layer from `_make_layer`.
        sequence: `[B, S, E]`.
        mask: Whether a position is real, boolean `[B, S]`.

    Returns:
        Outputs `[B, S, D]` and last states, a list of `[B, D]`.
    """
    if not config.bidirectional:
        sequence, *states = layer(sequence, mask=mask)
        return sequence, states
    layer = keras.layers.Bidirectional(
        layer, merge_mode=config.merge, name=f"encoder_layer_{number}"
    )
    sequence, *states = layer(sequence, mask=mask)
    half = len(states) // 2
    if config.context == "backward":
        return sequence, states[half:]
    pairs = zip(states[:half], states[half:])
    if config.merge == "concat":
        return sequence, [ops.concatenate(pair, axis=-1) for pair in pairs]
    return sequence, [forward + backward for forward, backward in pairs]


def summarize(config, memory, mask, states):
    """Makes the fixed-length summary of a source, from which a recurrent decoder starts.

    Args:
        config: `ModelConfig`.
        memory: Encoder outputs `[B, S, D]`, 0 on padding.
        mask: Whether a position of the memory is real, boolean `[B, S]`.
        states: The last states of each layer of the encoder, a list of lists of `[B, D]`, the
            hidden state first; an LSTM has a cell state too. With `context="backward"`, those of
            the backward direction.

    Returns:
        For each layer of the decoder a list of vectors, `[B, D]`: with `bridge="none"`, the last
        states of the same layer of the encoder; otherwise, for all of them, the last states of
        its top layer, or the sum or the mean of the memory.
    """
    if config.bridge == "none":
        return states
    return [_fixed_context(config, memory, mask, states[-1])] * config.decoder_layers


def _fixed_context(config, memory, mask, states):
    """Last states, or the sum or the mean of the memory: a list of `[B, D]`."""
    if config.context in ("last", "backward"):
        return states
    total = ops.sum(memory, axis=1)
    if config.context == "sum":
        return [total]
    count = ops.sum(ops.cast(mask, total.dtype), axis=1, keepdims=True)
    return [total / ops.maximum(count, 1.0)]  # the mean of no outputs is 0


@keras.saving.register_keras_serializable("kseq")
class Reverse(keras.layers.Layer):
    """Reverses the real positions of every row; padding stays in place."""

    def call(self, sequence, mask):
        """Returns `[B, S, D]` for a sequence `[B, S, D]` and its boolean mask `[B, S]`."""
        positions = ops.arange(ops.shape(mask)[1])
        lengths = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
        sources = ops.where(mask, lengths - 1 - positions, positions)
        return ops.take_along_axis(sequence, ops.expand_dims(sources, -1), axis=1)


@keras.saving.register_keras_serializable("kseq")
class Halve(keras.layers.Layer):
    """Concatenates neighbouring positions, which halves the length.

    Chan et al. 2016 (arXiv 1508.01211), equation 5. A pair is real if its first position is;
    an odd last position is paired with zeros.
    """

    def call(self, sequence, mask):
        """Returns `[B, ⌈S/2⌉, 2D]` and its mask, for a sequence `[B, S, D]` and its mask."""
        sequence = tf.pad(sequence, [[0, 0], [0, tf.shape(sequence)[1] % 2], [0, 0]])
        batch, length = ops.shape(sequence)[0], ops.shape(sequence)[1] // 2
        pairs = ops.reshape(sequence, (batch, length, 2 * sequence.shape[-1]))
        return pairs, mask[:, ::2]
