"""Attention mechanisms: a query and a memory in, a context and the weights out."""

import keras
from keras import ops


def masked_softmax(energies, mask):
    """Softmax over the last axis, in float32, with exactly 0 where there is padding.

    Args:
        energies: `[..., S]`.
        mask: Whether a position is real, boolean, broadcast against `energies`.

    Returns:
        Weights `[..., S]` that sum to 1; a row without a real position is all 0.
    """
    energies = ops.where(mask, ops.cast(energies, "float32"), -1e9)
    return ops.softmax(energies, axis=-1) * ops.cast(mask, "float32")


@keras.saving.register_keras_serializable("kseq")
class BahdanauAttention(keras.layers.Layer):
    """Additive attention, `e_j = v · tanh(W s + U h_j)`, `a = softmax(e)`, `c = Σ a_j h_j`.

    Bahdanau et al. 2015 (arXiv 1409.0473), equations 5 and 6 and appendix A.1.2. The keys
    `U h_j` do not hang on the query, so they are made once per sentence, outside the layer.

    The queries of several hypotheses may share a memory: with B memories and B·K queries,
    query `b·K + k` reads memory `b`.

    Masking: the mask is an argument; padding gets a weight of exactly 0.

    Args:
        units: Width A of keys and projected queries.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.query_projection = keras.layers.Dense(units, use_bias=False, name="query")

    def build(self, query_shape):
        self.query_projection.build(query_shape)
        self.energy_vector = self.add_weight(name="energy", shape=(self.units, 1))
        self.built = True

    def call(self, query, keys, memory, mask):
        """Reads the memory.

        Args:
            query: Decoder states `[B·K, H]`.
            keys: Projected memory `[B, S, A]`.
            memory: Encoder outputs `[B, S, D]`.
            mask: Whether a source position is real, boolean `[B, S]`.

        Returns:
            The context `[B·K, D]` and the weights, float32 `[B·K, S]`.
        """
        batch, length = ops.shape(keys)[0], ops.shape(keys)[1]
        query = ops.reshape(self.query_projection(query), (batch, -1, 1, self.units))
        hidden = ops.tanh(query + ops.expand_dims(keys, 1))
        energies = ops.squeeze(ops.matmul(hidden, self.energy_vector), -1)
        weights = masked_softmax(energies, ops.expand_dims(mask, 1))
        context = ops.matmul(ops.cast(weights, memory.dtype), memory)
        return (
            ops.reshape(context, (-1, memory.shape[-1])),
            ops.reshape(weights, (-1, length)),
        )

    def get_config(self):
        return {**super().get_config(), "units": self.units}
