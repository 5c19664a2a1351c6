"""Attention mechanisms: queries and a memory in, contexts and the weights out."""

import keras
import tensorflow as tf
from keras import ops

from kseq.kernels.recurrence import batch_product, dense, precise


def masked_softmax(energies, mask):
    """Softmax over the last axis, in float32, with exactly 0 where there is padding.

    Args:
        energies: `[..., S]`.
        mask: Whether a position is real, boolean, broadcast against `energies`.

    Returns:
        Weights `[..., S]` that sum to 1; a row without a real position is all 0.
    """
    energies = ops.where(mask, ops.cast(energies, "float32"), -1e9)
    return tf.nn.softmax(energies) * ops.cast(mask, "float32")


class Attention(keras.layers.Layer):
    """What all mechanisms share: energies, weights, and the weighted sum of the memory.

    The queries of several hypotheses may share a memory: with B memories and N = B·K rows of
    queries, row `b·K + k` reads memory `b`.

    A mechanism may remember something from step to step, its progress: a list of tensors
    `[N, ...]`, empty for most.

    Masking: the mask is an argument; padding gets a weight of exactly 0.
    """

    multiplies_keys = True

    def __init__(self, **kwargs):
        # Keras would cast the progress, which is float32, too.
        super().__init__(autocast=False, **kwargs)

    def call(self, query, keys, memory, mask, progress=()):
        """Reads the memory.

        Args:
            query: Decoder states `[N, T, H]`.
            keys: What energies are made of, `[B, S, A]`: the memory, projected or as it is.
            memory: Encoder outputs `[B, S, D]`.
            mask: Whether a source position is real, boolean `[B, S]`.
            progress: What the mechanism remembers of the steps before.

        Returns:
            Contexts `[N, T, D]`, weights, float32 `[N, T, S]`, and the new progress.
        """
        memory, keys = ops.cast(memory, self.compute_dtype), self.cast_keys(keys)
        batch = ops.shape(memory)[0]
        rows, length = ops.shape(query)[0], ops.shape(query)[1]
        # All queries of a source side by side, whatever hypothesis and step they belong to.
        shared = rows // ops.maximum(batch, 1) * length
        queries = ops.reshape(query, (batch, shared, query.shape[-1]))
        aligned = self.align_progress(progress, (batch, shared), length)
        weights = self.weigh(queries, keys, ops.expand_dims(mask, 1), *aligned)
        context = batch_product(ops.cast(weights, memory.dtype), memory, "memory")
        context = ops.reshape(context, (-1, length, memory.shape[-1]))
        weights = ops.reshape(weights, (rows, length, ops.shape(memory)[1]))
        return context, weights, self.advance(progress, weights)

    def cast_keys(self, keys):
        """Keys of the type that energies are made of."""
        return ops.cast(keys, self.compute_dtype)

    def weigh(self, queries, keys, mask, *progress):
        """Weights `[B, Q, S]` of queries `[B, Q, H]`; the mask is `[B, 1, S]`."""
        return masked_softmax(self.energies(queries, keys, *progress), mask)

    def align_progress(self, progress, shape, length):
        """The progress of each query: tensors `[B, Q, ...]` for `shape`, which is B and Q."""
        return ()

    def advance(self, progress, weights):
        """The progress after steps with these weights."""
        return list(progress)

    def kernels(self):
        """Variables that queries are multiplied with."""
        return []


@keras.saving.register_keras_serializable("kseq")
class AdditiveAttention(Attention):
    """Additive attention, `e_j = v · tanh(W s + U h_j)`, `a = softmax(e)`, `c = Σ a_j h_j`.

    Bahdanau et al. 2015 (arXiv 1409.0473), equations 5 and 6 and appendix A.1.2. It is the
    score "concat" of Luong et al. 2015 (arXiv 1508.04025), equation 8, too, whose matrix is W
    and U side by side. The keys `U h_j` do not hang on the query, so they are made once per
    sentence, outside the layer.

    Args:
        units: Width A of keys and projected queries.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    query_bias = False
    multiplies_keys = False

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.query_projection = keras.layers.Dense(units, use_bias=self.query_bias, name="query")

    def build(self, query_shape):
        self.query_projection.build(query_shape)
        self.energy_vector = self.add_weight(name="energy", shape=(self.units, 1))
        self.built = True

    def cast_keys(self, keys):
        # Sums and tanh are no faster in half precision, on a CPU slower.
        return precise(keys)

    def energies(self, queries, keys, *progress):
        queries = dense(self.query_projection, queries)
        hidden = ops.expand_dims(queries, 2) + ops.expand_dims(keys, 1)
        hidden = ops.tanh(self.add_progress(hidden, *progress))
        rows = ops.reshape(hidden, (-1, self.units))
        energies = ops.matmul(rows, ops.cast(self.energy_vector, hidden.dtype))
        return tf.reshape(energies, tf.shape(hidden)[:-1])

    def kernels(self):
        return [self.query_projection.kernel]

    def add_progress(self, hidden):
        """`[B, Q, S, A]`, before the tanh, with what the progress adds to it."""
        return hidden

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("kseq")
class CoverageAttention(AdditiveAttention):
    """Additive attention that sees what was attended to before.

    See et al. 2017 (arXiv 1704.04368), equations 10 and 11: `e_j = v · tanh(U h_j + W s +
    w cov_j + b)`, where the coverage `cov` is the sum of the weights of all steps before. It is
    the progress, one float32 tensor `[N, S]`, and needs steps one by one: T must be 1.

    Args:
        units: Width A of keys and projected queries.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    query_bias = True

    def build(self, query_shape):
        super().build(query_shape)
        self.coverage_vector = self.add_weight(name="coverage", shape=(1, self.units))

    def align_progress(self, progress, shape, length):
        (coverage,) = progress
        return [ops.reshape(coverage, (*shape, ops.shape(coverage)[-1]))]

    def add_progress(self, hidden, coverage):
        coverage = ops.expand_dims(ops.cast(coverage, hidden.dtype), -1)
        return hidden + coverage * ops.cast(self.coverage_vector, hidden.dtype)

    def advance(self, progress, weights):
        return [progress[0] + ops.squeeze(weights, 1)]


@keras.saving.register_keras_serializable("kseq")
class MultiplicativeAttention(Attention):
    """Dot products of query and keys, `e_j = s · k_j`.

    Luong et al. 2015 (arXiv 1508.04025), equation 8: the score "dot" with the memory as keys,
    "general", `s · W h_j`, with the projected memory. Scaled, the energies are divided by
    `√H` (Vaswani et al. 2017, arXiv 1706.03762, section 3.2.1).

    Args:
        scaled: Whether energies are divided by the root of the query's width.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, scaled=False, **kwargs):
        super().__init__(**kwargs)
        self.scaled = scaled

    def energies(self, queries, keys):
        if self.scaled:
            queries = queries * queries.shape[-1] ** -0.5
        return batch_product(ops.cast(queries, keys.dtype), keys, "keys", transpose=True)

    def get_config(self):
        return {**super().get_config(), "scaled": self.scaled}


@keras.saving.register_keras_serializable("kseq")
class LocalAttention(MultiplicativeAttention):
    """Attention within a window of the source, `[p - D, p + D]`; outside weights are exactly 0.

    Luong et al. 2015 (arXiv 1508.04025), section 3.2, with the score "general". Monotonic
    (local-m), `p` is the number of the step, from 0; it stays at the last real position once
    it is there. The progress is that number, one int32 tensor `[N]`.

    Args:
        window: The half width D.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, window, **kwargs):
        super().__init__(**kwargs)
        self.window = window

    def weigh(self, queries, keys, mask, *progress):
        center = self.center(queries, _lengths(mask), *progress)
        distance = ops.abs(_positions(mask) - center)
        mask = ops.logical_and(mask, distance <= self.window)
        weights = masked_softmax(self.energies(queries, keys), mask)
        return self.shape_window(weights, distance)

    def align_progress(self, progress, shape, length):
        steps = ops.expand_dims(progress[0], 1) + ops.arange(length)
        return [ops.cast(ops.reshape(steps, (*shape, 1)), "float32")]

    def center(self, queries, lengths, step):
        """The position `p` of each query, float32 `[B, Q, 1]`."""
        return ops.minimum(step, lengths - 1.0)

    def shape_window(self, weights, distance):
        """The weights, as they fall off with the distance from the window's centre."""
        return weights

    def advance(self, progress, weights):
        return [progress[0] + ops.shape(weights)[1]]

    def get_config(self):
        return {**super().get_config(), "window": self.window}


@keras.saving.register_keras_serializable("kseq")
class PredictiveLocalAttention(LocalAttention):
    """Local attention around a predicted position (local-p).

    Luong et al. 2015 (arXiv 1508.04025), equations 9 and 10: `p = S sigmoid(v · tanh(W s))`,
    and every weight is multiplied by `exp(-(j - p)² / (2σ²))`, `σ = D/2`. As in the paper the
    products are not normalised again, so weights sum to 1 at most.

    Args:
        units: Width of the layer that predicts the position.
        **kwargs: Arguments of `LocalAttention`.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.position_projection = keras.layers.Dense(
            units, use_bias=False, activation="tanh", name="position"
        )

    def build(self, query_shape):
        self.position_projection.build(query_shape)
        self.position_vector = self.add_weight(name="position_energy", shape=(self.units, 1))
        self.built = True

    def center(self, queries, lengths):
        hidden = dense(self.position_projection, queries)
        energies = ops.matmul(hidden, ops.cast(self.position_vector, hidden.dtype))
        return lengths * ops.sigmoid(ops.cast(energies, "float32"))

    def kernels(self):
        return [self.position_projection.kernel]

    def shape_window(self, weights, distance):
        deviation = self.window / 2
        return weights * ops.exp(-ops.square(distance) / (2 * deviation**2))

    def align_progress(self, progress, shape, length):
        return ()

    def advance(self, progress, weights):
        return []

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def _positions(mask):
    """Positions of the source, float32 `[1, 1, S]`."""
    return ops.reshape(ops.arange(ops.shape(mask)[-1], dtype="float32"), (1, 1, -1))


def _lengths(mask):
    """Numbers of real positions, float32 `[B, 1, 1]`."""
    return ops.sum(ops.cast(mask, "float32"), axis=-1, keepdims=True)


def make_attention(kind, units, window, name="attention"):
    """Makes the layer of one of the kinds of `ModelConfig.attention`.

    Args:
        kind: Such as `"bahdanau"`.
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
    """Whether energies are made of the projected memory; otherwise of the memory itself."""
    return kind not in ("luong_dot", "luong_scaled_dot")
