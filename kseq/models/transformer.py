"""The Transformer of Vaswani et al. 2017 (arXiv 1706.03762), with cached keys and values.

Layer normalisation comes after each residual connection, as in the paper; the inner layer of the
feed-forward network is four times as wide as the model. The decoder's state is the cache: a list
with the keys and values `[N, t, heads, D / heads]` of each layer for the t earlier positions.
"""

import keras
import numpy as np
from keras import ops

from kseq.kernels.dense import Dense
from kseq.kernels.dropout import Dropout
from kseq.kernels.masked_softmax import masked_softmax
from kseq.models.copying import generation_switch
from kseq.models.encoders import summarize
from kseq.models.inputs import float_input

_EXPANSION = 4  # ratio of the inner width to the outer one, section 3.3


def encode(config, sequence, mask):
    """Encodes a source.

    Args:
        config: `ModelConfig`.
        sequence: Embeddings or values `[B, S, E]`, a symbolic tensor.
        mask: Whether a position is real, boolean `[B, S]`.

    Returns:
        The memory `[B, S, D]`, 0 on padding; its mask `[B, S]`; and for a recurrent decoder the
        summary that it starts from, as from `summarize`, else None. The last state is the output
        at the last real position, which has read all others.
    """
    memory = _encoder_stack(config, sequence, mask)
    if not config.has_recurrent_decoder:
        return memory, mask, None
    last = LastPosition(name="last_position")(memory, mask)
    return memory, mask, summarize(config, memory, mask, [[last]])


def connect(config, memory, mask, summary):
    """Makes what the decoder reads from what the encoder returned.

    Args:
        config: `ModelConfig`.
        memory: Encoder outputs `[B, S, D]`, a symbolic tensor.
        mask: Whether a position of the memory is real, boolean `[B, S]`.
        summary: Not used: there is no initial state to make.

    Returns:
        The outputs of the encoder model, a dict, as `build_encoder` describes them.
    """
    keys = _memory_keys(config, memory)
    # Before the first step the cache is empty: no positions.
    cache = [[part[:, :0] for part in layer] for layer in keys]
    return {"keys": keys, "mask": mask, "state": cache}


def decoder_inputs(config):
    """Makes the decoder's inputs for the encoder's outputs, a dict with the same keys."""
    shape = (None, config.heads, config.units // config.heads)
    nests = {
        name: [
            [float_input(shape, f"{name}_{layer}_{part}") for part in ("keys", "values")]
            for layer in range(1, config.decoder_layers + 1)
        ]
        for name in ("memory", "cache")
    }
    return {
        "keys": nests["memory"],
        "mask": keras.Input((None,), dtype="bool", name="mask"),
        "state": nests["cache"],
    }


def decode(config, embedded, inputs):
    """Decodes a target.

    Args:
        config: `ModelConfig`.
        embedded: Embeddings or values `[N, T, E]`, a symbolic tensor.
        inputs: Inputs of the decoder, a dict, as from `decoder_inputs`.

    Returns:
        The input of the head, `[N, T, H]`, and the other outputs of the decoder, a dict.
    """
    readout, context, weights, cache = _decoder_stack(config, embedded, inputs)
    outputs = {
        "attention": ops.mean(weights, axis=(2, 3)),
        "attention_heads": weights,
        "state": cache,
    }
    return readout, {**outputs, **generation_switch(config, context, readout, embedded)}


def _encoder_stack(config, embedded, mask):
    """The memory `[B, S, D]`, 0 on padding."""
    sequence = _with_positions(config, embedded, "source")
    for number in range(1, config.encoder_layers + 1):
        attended = keras.layers.MultiHeadAttention(
            config.heads,
            config.units // config.heads,
            use_bias=False,
            name=f"self_attention_{number}",
        )(sequence, sequence, attention_mask=ops.expand_dims(mask, 1))
        sequence = _add_and_normalize(config, sequence, attended, f"self_attention_{number}")
        sequence = _feed_forward(config, sequence, number)
    return sequence * ops.expand_dims(ops.cast(mask, sequence.dtype), -1)


def _memory_keys(config, memory):
    """Keys and values of the cross-attention of each layer, `[B, S, heads, D / heads]`."""
    shape = (None, config.heads, config.units // config.heads)
    return [
        [
            keras.layers.EinsumDense(
                "bsd,dhk->bshk", shape, name=f"cross_attention_{number}_{part}"
            )(memory)
            for part in ("keys", "values")
        ]
        for number in range(1, config.decoder_layers + 1)
    ]


def _decoder_stack(config, embedded, inputs):
    """Runs all layers.

    Returns:
        Outputs `[N, T, D]`; contexts of the last layer `[N, T, D]`; cross-attention `[N, T, layers,
        heads, S]`; and the extended cache.
    """
    cache, keys, mask = inputs["state"], inputs["keys"], inputs["mask"]
    sequence = _with_positions(config, embedded, "target", cached=cache[0][0])
    new_cache, weights = [], []
    for number in range(1, config.decoder_layers + 1):
        name = f"self_attention_{number}"
        attended, layer_cache = CachedSelfAttention(
            config.heads, config.units // config.heads, use_bias=False, name=name
        )(sequence, cache[number - 1])
        new_cache.append(layer_cache)
        sequence = _add_and_normalize(config, sequence, attended, name)
        name = f"cross_attention_{number}"
        attended, layer_weights = CrossAttention(config.heads, config.units, name=name)(
            sequence, *keys[number - 1], mask
        )
        weights.append(layer_weights)
        sequence = _add_and_normalize(config, sequence, attended, name)
        sequence = _feed_forward(config, sequence, number)
    return sequence, attended, ops.stack(weights, axis=2), new_cache


def _with_positions(config, embedded, side, cached=None):
    """Embeddings `[N, T, E]`, projected to the width D if necessary, with positions."""
    if embedded.shape[-1] != config.units:
        embedded = Dense(config.units, name=f"{side}_projection")(embedded)
    embedded = PositionalEncoding(name=f"{side}_positions")(embedded, cached)
    return Dropout(config.dropout, name=f"{side}_dropout")(embedded)


def _add_and_normalize(config, sequence, change, name):
    """`LayerNorm(x + Sublayer(x))`, section 3.1."""
    change = Dropout(config.dropout, name=f"{name}_dropout")(change)
    return keras.layers.LayerNormalization(name=f"{name}_norm")(sequence + change)


def _feed_forward(config, sequence, number):
    """`max(0, x W_1 + b_1) W_2 + b_2`, equation 2."""
    name = f"feed_forward_{number}"
    inner = Dense(_EXPANSION * config.units, activation="relu", name=f"{name}_inner")(sequence)
    change = Dense(config.units, name=name)(inner)
    return _add_and_normalize(config, sequence, change, name)


@keras.saving.register_keras_serializable("kseq")
class LastPosition(keras.layers.Layer):
    """Selects the last real position of every row, or the first position if none is real."""

    def call(self, sequence, mask):
        """Returns `[B, D]` for a sequence `[B, S, D]` and its boolean mask `[B, S]`."""
        lengths = ops.sum(ops.cast(mask, "int32"), axis=1)
        last = ops.reshape(ops.maximum(lengths - 1, 0), (-1, 1, 1))
        return ops.squeeze(ops.take_along_axis(sequence, last, axis=1), 1)


@keras.saving.register_keras_serializable("kseq")
class PositionalEncoding(keras.layers.Layer):
    """Adds sines and cosines of the position to the embeddings, which are multiplied by `√D`.

    Vaswani et al. 2017, sections 3.4 and 3.5: feature 2i is `sin(p / 10000^(2i/D))`, feature
    2i + 1 the cosine of the same angle.
    """

    def call(self, embedded, cached=None):
        """Adds positions that start at 0, or at t after a cache of t positions.

        Args:
            embedded: `[N, T, D]`.
            cached: Keys or values of the cache, `[N, t, ...]`, or None.

        Returns:
            `[N, T, D]`.
        """
        width = embedded.shape[-1]
        first = 0 if cached is None else ops.shape(cached)[1]
        positions = first + ops.arange(ops.shape(embedded)[1], dtype="int32")
        features = np.arange(width)
        rates = 10_000.0 ** (-(features // 2 * 2) / width)
        positions = ops.cast(ops.expand_dims(positions, 1), "float32")
        angles = positions * rates.astype("float32")
        encoding = ops.where(features % 2 == 0, ops.sin(angles), ops.cos(angles))
        return embedded * width**0.5 + ops.cast(encoding, embedded.dtype)


@keras.saving.register_keras_serializable("kseq")
class CachedSelfAttention(keras.layers.MultiHeadAttention):
    """Self-attention of a decoder: each position reads itself and all earlier ones.

    Equation 1 and section 3.2.3. Keys and values of earlier positions come from the cache, so
    a step projects one position only.
    """

    def build(self, sequence_shape, cache_shape=None):
        """Creates the projections for sequences `[N, T, D]`."""
        super().build(sequence_shape, sequence_shape)
        self.built = True

    def call(self, sequence, cache):
        """Reads the sequence and the cache.

        Args:
            sequence: `[N, T, D]`.
            cache: Keys and values of earlier positions, `[N, t, heads, D / heads]` each.

        Returns:
            Outputs `[N, T, D]` and the cache of t + T positions.
        """
        keys, values = (
            ops.concatenate([ops.cast(before, sequence.dtype), project(sequence)], axis=1)
            for before, project in zip(cache, (self.key_dense, self.value_dense))
        )
        length, total = ops.shape(sequence)[1], ops.shape(keys)[1]
        last = ops.expand_dims(total - length + ops.arange(length), 1)
        attended, _ = attend_by_heads(
            self.query_dense(sequence), keys, values, ops.arange(total) <= last
        )
        return self.output_dense(attended), [keys, values]

    def compute_output_spec(self, sequence, cache):
        """Returns shapes and types of the results of `call`."""
        specs = [
            keras.KerasTensor((tensor.shape[0], None, *tensor.shape[2:]), self.compute_dtype)
            for tensor in cache
        ]
        return keras.KerasTensor(sequence.shape, self.compute_dtype), specs


@keras.saving.register_keras_serializable("kseq")
class CrossAttention(keras.layers.Layer):
    """Attention of a decoder to keys and values that were projected from the memory once.

    Args:
        heads: Number of heads.
        units: Width D of the model.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, heads, units, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads
        self.units = units
        self.query_dense = keras.layers.EinsumDense(
            "btd,dhk->bthk", (None, heads, units // heads), name="query"
        )
        self.output_dense = keras.layers.EinsumDense("bthk,hkd->btd", (None, units), name="output")

    def build(self, sequence_shape, keys_shape, values_shape):
        """Creates the projections for the shapes of the arguments of `call`."""
        self.query_dense.build(sequence_shape)
        self.output_dense.build((None, None, *keys_shape[2:]))
        self.built = True

    def call(self, sequence, keys, values, mask):
        """Reads the memory.

        Args:
            sequence: `[N, T, D]`.
            keys: `[B, S, heads, D / heads]`; row `b·K + k` of the sequence reads row b.
            values: Like the keys.
            mask: Whether a source position is real, boolean `[B, S]`.

        Returns:
            Outputs `[N, T, D]` and weights by head, float32 `[N, T, heads, S]`.
        """
        batch, length = ops.shape(keys)[0], ops.shape(sequence)[1]
        rows = ops.shape(sequence)[0]
        query = self.query_dense(sequence)
        shape = self.heads, self.units // self.heads
        query = ops.reshape(query, (batch, rows // ops.maximum(batch, 1) * length, *shape))
        attended, weights = attend_by_heads(
            query, keys, values, ops.expand_dims(ops.expand_dims(mask, 1), 1)
        )
        attended = ops.reshape(attended, (rows, length, *shape))
        weights = ops.transpose(weights, (0, 2, 1, 3))
        weights = ops.reshape(weights, (rows, length, self.heads, ops.shape(keys)[1]))
        return self.output_dense(attended), weights

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "heads": self.heads, "units": self.units}


def attend_by_heads(query, keys, values, mask):
    """Scaled dot-product attention, `softmax(Q Kᵀ / √d) V`, equation 1, for every head.

    Args:
        query: `[B, Q, heads, d]`.
        keys: `[B, S, heads, d]`.
        values: `[B, S, heads, d]`.
        mask: Which positions may be read, boolean, broadcast against `[B, heads, Q, S]`.

    Returns:
        `[B, Q, heads, d]` and the weights, float32 `[B, heads, Q, S]`.
    """
    energies = ops.einsum("bqhd,bshd->bhqs", query * query.shape[-1] ** -0.5, keys)
    weights = masked_softmax(energies, mask)
    return ops.einsum("bhqs,bshd->bqhd", ops.cast(weights, values.dtype), values), weights
