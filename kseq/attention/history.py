"""Additive attention that sees earlier attention weights: their sum, or the last ones."""

import keras
import tensorflow as tf
from keras import ops

from kseq.attention.additive import AdditiveAttention


class HistoryAttention(AdditiveAttention):
    """Base class of additive attention with a term that depends on earlier attention weights.

    The attention state is one tensor made of these weights, float32 `[N, S]`, 0 before the first
    step. T must be 1, because each step needs the weights of the step before.

    Attributes:
        state_name: Name of the attention state.
    """

    query_bias = True

    @classmethod
    def initial_state(cls, memory, mask):
        """Returns zeros `[B, S]`: see `Attention.initial_state`."""
        return [ops.zeros_like(memory[:, :, 0], dtype="float32")]

    @classmethod
    def state_inputs(cls):
        """Returns an input for the attention state: see `Attention.state_inputs`."""
        return [keras.Input((None,), dtype="float32", name=cls.state_name)]

    def align_state(self, state, shape, length):
        """Returns the attention state `[B, Q, S]`: see `Attention.align_state`."""
        (history,) = state
        return [ops.reshape(history, (*shape, ops.shape(history)[-1]))]


@keras.saving.register_keras_serializable("kseq")
class CoverageAttention(HistoryAttention):
    """Additive attention that sees what earlier steps attended to.

    See et al. 2017 (arXiv 1704.04368), equations 10 and 11: `e_j = v · tanh(U h_j + W s +
    w cov_j + b)`, where the coverage `cov` is the sum of the attention weights of all earlier
    steps.

    Args:
        units: Width A of keys and projected queries.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    state_name = "coverage"

    def build(self, query_shape):
        """Creates W, v, b and w for queries `[N, T, H]`."""
        super().build(query_shape)
        self.coverage_vector = self.add_weight(name="coverage", shape=(1, self.units))

    def add_state(self, parameters, hidden, state):
        """Adds `w cov_j` to `[B, Q, S, A]`."""
        coverage = ops.expand_dims(ops.cast(state[0], hidden.dtype), -1)
        return hidden + coverage * ops.cast(parameters.value(self.coverage_vector), hidden.dtype)

    def advance(self, state, weights):
        """Adds the weights `[N, 1, S]` to the coverage."""
        return [state[0] + ops.squeeze(weights, 1)]


@keras.saving.register_keras_serializable("kseq")
class LocationAwareAttention(HistoryAttention):
    """Additive attention that sees where the last step attended to, for speech.

    Chorowski et al. 2015 (arXiv 1506.07503), equations 8 and 9: `f = F * α`, a convolution of the
    weights α of the last step with k filters of width r, and `e_j = w · tanh(W s + V h_j + U f_j +
    b)`. The paper does not say what α is before the first step; here it is 0. Filters are centred
    on a position, and positions outside the source count as 0, as padding does.

    Args:
        units: Width A of keys and projected queries.
        filters: Number k of filters.
        filter_width: Width r of the filters, in source positions; odd.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    state_name = "last_weights"

    def __init__(self, units, filters, filter_width, **kwargs):
        super().__init__(units, **kwargs)
        self.filters, self.filter_width = filters, filter_width

    def build(self, query_shape):
        """Creates W, w, b, F and U for queries `[N, T, H]`."""
        super().build(query_shape)
        shape = self.filter_width, 1, self.filters
        self.filter_kernel = self.add_weight(name="filters", shape=shape)
        self.feature_kernel = self.add_weight(name="features", shape=(self.filters, self.units))

    def add_state(self, parameters, hidden, state):
        """Adds `U f_j` to `[B, Q, S, A]`."""
        filters, kernel = (
            ops.cast(parameters.value(weight), hidden.dtype)
            for weight in (self.filter_kernel, self.feature_kernel)
        )
        shape = tf.shape(hidden)
        last_weights = ops.reshape(ops.cast(state[0], hidden.dtype), (-1, shape[2], 1))
        features = tf.nn.conv1d(last_weights, filters, stride=1, padding="SAME")
        terms = ops.matmul(ops.reshape(features, (-1, self.filters)), kernel)
        return hidden + ops.reshape(terms, shape)

    def advance(self, state, weights):
        """Returns the weights `[N, 1, S]` for the next step."""
        return [ops.squeeze(weights, 1)]

    def get_config(self):
        """Returns the constructor's arguments."""
        own = {"filters": self.filters, "filter_width": self.filter_width}
        return {**super().get_config(), **own}
