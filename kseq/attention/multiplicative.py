"""Multiplicative attention: dot products of keys and a query, of the decoder or a trained one."""

import keras
from keras import ops

from kseq.attention.contract import Attention


@keras.saving.register_keras_serializable("kseq")
class MultiplicativeAttention(Attention):
    """Dot products of query and keys, `e_j = s · k_j`.

    Luong et al. 2015 (arXiv 1508.04025), section 3.1: the score "dot" with the memory as keys, and
    "general", `s · W h_j`, with the projected memory. If scaled, energies are divided by `√H`
    (Vaswani et al. 2017, arXiv 1706.03762, section 3.2.1).

    Args:
        scaled: Whether energies are divided by the square root of the query's width.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, scaled=False, **kwargs):
        super().__init__(**kwargs)
        self.scaled = scaled

    def energies(self, parameters, queries, keys, state):
        """See `Attention.energies`."""
        if self.scaled:
            queries = queries * queries.shape[-1] ** -0.5
        return parameters.multiply_rows(queries, keys, transpose=True)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "scaled": self.scaled}


@keras.saving.register_keras_serializable("kseq")
class TrainedQueryAttention(Attention):
    """Dot products of keys and a trained vector, `e_j = e · h_j`, the same at every step.

    The weights depend on the source alone, so every step reads the same context: a weighted mean
    of the memory instead of its last state. Felbo et al. 2017 (arXiv 1708.00524), section
    "Model"; Yang et al. 2016 (NAACL), equations 5 to 7, also put a tanh layer between `h_j` and e.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def build(self, query_shape):
        """Creates e for queries `[N, T, H]` and keys of the same width."""
        self.trained_query = self.add_weight(name="query", shape=(1, query_shape[-1]))
        self.built = True

    def energies(self, parameters, queries, keys, state):
        """See `Attention.energies`."""
        query = ops.cast(parameters.value(self.trained_query), keys.dtype)
        query = ops.broadcast_to(query, (ops.shape(keys)[0], 1, query.shape[-1]))
        energies = parameters.multiply_rows(query, keys, transpose=True)
        shape = ops.shape(keys)[0], ops.shape(queries)[1], ops.shape(keys)[1]
        return ops.broadcast_to(energies, shape)
