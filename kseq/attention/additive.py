"""Additive attention: one tanh layer on query and key."""

import keras
from keras import ops

from kseq.attention.contract import Attention, with_last_axis
from kseq.kernels.dense import Dense
from kseq.kernels.parameters import precise


@keras.saving.register_keras_serializable("kseq")
class AdditiveAttention(Attention):
    """Additive attention, `e_j = v · tanh(W s + U h_j)`, `a = softmax(e)`, `c = Σ a_j h_j`.

    Bahdanau et al. 2015 (arXiv 1409.0473), equations 5 and 6 and appendix A.1.2. It is also the
    score "concat" of Luong et al. 2015 (arXiv 1508.04025), section 3.1, whose matrix concatenates
    W and U. The keys `U h_j` do not depend on the query, so they are computed once for each
    sentence, outside the layer.

    Args:
        units: Width A of keys and projected queries.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    query_bias = False

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.query_projection = Dense(units, use_bias=self.query_bias, name="query")

    def build(self, query_shape):
        """Creates W and v for queries `[N, T, H]`."""
        self.query_projection.build(query_shape)
        self.energy_vector = self.add_weight(name="energy", shape=(self.units, 1))
        self.built = True

    def cast_keys(self, keys):
        """Casts keys `[B, S, A]` to float32: sums and tanh are no faster in half precision."""
        return precise(keys)

    def energies(self, parameters, queries, keys, state):
        """See `Attention.energies`."""
        queries = self.query_projection.step(queries, parameters)
        hidden = ops.expand_dims(queries, 2) + ops.expand_dims(keys, 1)
        hidden = ops.tanh(self.add_state(parameters, hidden, state))
        rows = ops.reshape(hidden, (-1, self.units))
        vector = ops.cast(parameters.value(self.energy_vector), hidden.dtype)
        batch, count, length, _ = ops.shape(hidden)
        return ops.reshape(ops.matmul(rows, vector), with_last_axis((batch, count), length))

    def add_state(self, parameters, hidden, state):
        """Adds the terms of the attention state to the argument `[B, Q, S, A]` of the tanh."""
        return hidden

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "units": self.units}
