"""Attention mechanisms: from queries and a memory to contexts and attention weights."""

import keras
import tensorflow as tf
from keras import ops

from kseq.kernels.dense import Dense
from kseq.kernels.masked_softmax import masked_softmax
from kseq.kernels.parameters import PLAIN, precise


class Attention(keras.layers.Layer):
    """Base class of all mechanisms: energies, weights, and the weighted sum of the memory.

    The queries of several hypotheses may share a memory: with B memories and N = B·K rows of
    queries, row `b·K + k` reads memory `b`, and Q = K·T queries read one memory.

    A mechanism may carry an attention state from step to step: a list of tensors `[N, ...]`; most
    have none, `()`.

    Masking: the mask is an argument; padding gets a weight of exactly 0.
    """

    def __init__(self, **kwargs):
        # Keras would also cast the attention state, which stays float32.
        super().__init__(autocast=False, **kwargs)

    def call(self, query, keys, memory, mask, state=(), parameters=PLAIN):
        """Reads the memory.

        Args:
            query: Decoder states `[N, T, H]`.
            keys: What queries are compared with, `[B, S, A]`: the memory or its projection.
            memory: Encoder outputs `[B, S, D]`.
            mask: Whether a source position is real, boolean `[B, S]`.
            state: The attention state before the first of the T steps.
            parameters: `Parameters` of the step, inside a loop.

        Returns:
            Contexts `[N, T, D]`, weights, float32 `[N, T, S]`, and the new attention state.
        """
        memory, keys = ops.cast(memory, self.compute_dtype), self.cast_keys(keys)
        batch = ops.shape(memory)[0]
        rows, length = ops.shape(query)[0], ops.shape(query)[1]
        # All queries of a source side by side, from every hypothesis and step.
        count = rows // ops.maximum(batch, 1) * length
        queries = ops.reshape(query, (batch, count, query.shape[-1]))
        query_state = self.align_state(state, (batch, count), length)
        weights = self.weigh(parameters, queries, keys, ops.expand_dims(mask, 1), query_state)
        context = parameters.multiply_rows(weights, memory)
        context = ops.reshape(context, (-1, length, memory.shape[-1]))
        weights = ops.reshape(weights, (rows, length, ops.shape(memory)[1]))
        return context, weights, self.advance(state, weights)

    def cast_keys(self, keys):
        """Casts keys `[B, S, A]` to the type that energies are computed in."""
        return ops.cast(keys, self.compute_dtype)

    def weigh(self, parameters, queries, keys, mask, state):
        """Computes attention weights.

        Args:
            parameters: `Parameters`.
            queries: `[B, Q, H]`.
            keys: `[B, S, A]`.
            mask: `[B, 1, S]`.
            state: The attention state of each query, as from `align_state`.

        Returns:
            Weights, float32 `[B, Q, S]`.
        """
        return masked_softmax(self.energies(parameters, queries, keys, state), mask)

    def energies(self, parameters, queries, keys, state):
        """Computes energies `[B, Q, S]`, the arguments of the softmax; arguments as in `weigh`."""
        raise NotImplementedError

    def align_state(self, state, shape, length):
        """Gives each query its attention state.

        Args:
            state: The attention state before the first step, tensors `[N, ...]`.
            shape: B and Q.
            length: Number of steps T.

        Returns:
            A list of tensors `[B, Q, ...]`.
        """
        return ()

    def advance(self, state, weights):
        """Returns the attention state after steps with these weights `[N, T, S]`."""
        return state


@keras.saving.register_keras_serializable("kseq")
class AdditiveAttention(Attention):
    """Additive attention, `e_j = v · tanh(W s + U h_j)`, `a = softmax(e)`, `c = Σ a_j h_j`.

    Bahdanau et al. 2015 (arXiv 1409.0473), equations 5 and 6 and appendix A.1.2. It is also the
    score "concat" of Luong et al. 2015 (arXiv 1508.04025), equation 8, whose matrix concatenates W
    and U. The keys `U h_j` do not depend on the query, so they are computed once for each sentence,
    outside the layer.

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
        return tf.reshape(ops.matmul(rows, vector), tf.shape(hidden)[:-1])

    def add_state(self, parameters, hidden, state):
        """Adds the terms of the attention state to the argument `[B, Q, S, A]` of the tanh."""
        return hidden

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("kseq")
class CoverageAttention(AdditiveAttention):
    """Additive attention that sees what earlier steps attended to.

    See et al. 2017 (arXiv 1704.04368), equations 10 and 11: `e_j = v · tanh(U h_j + W s +
    w cov_j + b)`, where the coverage `cov` is the sum of the attention weights of all earlier
    steps. The coverage is the attention state, one float32 tensor `[N, S]`. T must be 1, because
    each step needs the weights of the step before.

    Args:
        units: Width A of keys and projected queries.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    query_bias = True

    def build(self, query_shape):
        """Creates W, v, b and w for queries `[N, T, H]`."""
        super().build(query_shape)
        self.coverage_vector = self.add_weight(name="coverage", shape=(1, self.units))

    def align_state(self, state, shape, length):
        """Returns the coverage `[B, Q, S]`: see `Attention.align_state`."""
        (coverage,) = state
        return [ops.reshape(coverage, (*shape, ops.shape(coverage)[-1]))]

    def add_state(self, parameters, hidden, state):
        """Adds `w cov_j` to `[B, Q, S, A]`."""
        coverage = ops.expand_dims(ops.cast(state[0], hidden.dtype), -1)
        return hidden + coverage * ops.cast(parameters.value(self.coverage_vector), hidden.dtype)

    def advance(self, state, weights):
        """Adds the weights `[N, 1, S]` to the coverage."""
        return [state[0] + ops.squeeze(weights, 1)]


@keras.saving.register_keras_serializable("kseq")
class MultiplicativeAttention(Attention):
    """Dot products of query and keys, `e_j = s · k_j`.

    Luong et al. 2015 (arXiv 1508.04025), equation 8: the score "dot" with the memory as keys, and
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
class LocalAttention(MultiplicativeAttention):
    """Attention within `window` positions of a centre `p`; weights farther away are exactly 0.

    Luong et al. 2015 (arXiv 1508.04025), section 3.2, with the score "general". In monotonic
    attention (local-m) the centre `p` is the number of the step, from 0, and stays at the last
    real position once it gets there. The attention state is that number, one int32 tensor `[N]`.

    Args:
        window: Half width of the window, which the paper calls D.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, window, **kwargs):
        super().__init__(**kwargs)
        self.window = window

    def weigh(self, parameters, queries, keys, mask, state):
        """See `Attention.weigh`."""
        center = self.center(parameters, queries, _lengths(mask), state)
        distance = ops.abs(_positions(mask) - center)
        mask = ops.logical_and(mask, distance <= self.window)
        weights = masked_softmax(self.energies(parameters, queries, keys, state), mask)
        return self.shape_window(weights, distance)

    def align_state(self, state, shape, length):
        """Returns the number of the step, float32 `[B, Q, 1]`: see `Attention.align_state`."""
        steps = ops.expand_dims(state[0], 1) + ops.arange(length)
        return [ops.cast(ops.reshape(steps, (*shape, 1)), "float32")]

    def center(self, parameters, queries, lengths, state):
        """Computes the centre `p` of the window of each query.

        Args:
            parameters: `Parameters`.
            queries: `[B, Q, H]`.
            lengths: Number of real source positions, float32 `[B, 1, 1]`.
            state: The attention state of each query.

        Returns:
            float32 `[B, Q, 1]`.
        """
        return ops.minimum(state[0], lengths - 1.0)

    def shape_window(self, weights, distance):
        """Returns weights `[B, Q, S]`, reduced by their distance `[B, Q, S]` from the centre."""
        return weights

    def advance(self, state, weights):
        """Adds the number of steps T of the weights `[N, T, S]`."""
        return [state[0] + ops.shape(weights)[1]]

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "window": self.window}


@keras.saving.register_keras_serializable("kseq")
class PredictiveLocalAttention(LocalAttention):
    """Local attention around a predicted position (local-p).

    Luong et al. 2015 (arXiv 1508.04025), equations 9 and 10: `p = S sigmoid(v · tanh(W s))`,
    and every weight is multiplied by `exp(-(j - p)² / (2σ²))`, `σ = window / 2`. As in the paper,
    the products are not normalised again, so weights sum to at most 1. There is no attention
    state.

    Args:
        units: Width of the layer that predicts the position.
        **kwargs: Arguments of `LocalAttention`.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.position_projection = Dense(units, use_bias=False, activation="tanh", name="position")

    def build(self, query_shape):
        """Creates W and v for queries `[N, T, H]`."""
        self.position_projection.build(query_shape)
        self.position_vector = self.add_weight(name="position_energy", shape=(self.units, 1))
        self.built = True

    def center(self, parameters, queries, lengths, state):
        """See `LocalAttention.center`; equation 9."""
        hidden = self.position_projection.step(queries, parameters)
        vector = ops.cast(parameters.value(self.position_vector), hidden.dtype)
        return lengths * ops.sigmoid(ops.cast(ops.matmul(hidden, vector), "float32"))

    def shape_window(self, weights, distance):
        """Multiplies weights `[B, Q, S]` by the Gaussian of equation 10."""
        deviation = self.window / 2
        return weights * ops.exp(-ops.square(distance) / (2 * deviation**2))

    def align_state(self, state, shape, length):
        """Returns `()`: there is no attention state."""
        return ()

    def advance(self, state, weights):
        """Returns `()`: there is no attention state."""
        return ()

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "units": self.units}


def _positions(mask):
    """Source positions, float32 `[1, 1, S]`."""
    return ops.reshape(ops.arange(ops.shape(mask)[-1], dtype="float32"), (1, 1, -1))


def _lengths(mask):
    """Numbers of real positions, float32 `[B, 1, 1]`."""
    return ops.sum(ops.cast(mask, "float32"), axis=-1, keepdims=True)


def make_attention(kind, units, window, name="attention"):
    """Makes the layer for a kind of attention.

    Args:
        kind: One of `ModelConfig.attention`, such as `"bahdanau"`.
        units: Width A.
        window: Half width of the window of local attention.
        name: Name of the layer.

    Returns:
        An `Attention`.
    """
    if kind in ("bahdanau", "luong_concat"):
        return AdditiveAttention(units, name=name)
    if kind == "coverage":
        return CoverageAttention(units, name=name)
    if kind == "local_m":
        return LocalAttention(window, name=name)
    if kind == "local_p":
        return PredictiveLocalAttention(units, window=window, name=name)
    return MultiplicativeAttention(scaled=kind == "luong_scaled_dot", name=name)


def projects_keys(kind):
    """Returns whether the keys are a projection of the memory rather than the memory itself."""
    return kind not in ("luong_dot", "luong_scaled_dot")
