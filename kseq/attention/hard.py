"""Hard attention: each target token is written from one source position, summed over exactly.

A soft attention averages the memory and writes from the average. A hard one writes from a single
position, which is not observed: the probability of a token is the sum over all positions.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from kseq.kernels.dense import Dense
from kseq.kernels.masked_softmax import masked_softmax
from kseq.kernels.parameters import precise
from kseq.kernels.recurrence import recur

_SMALLEST = np.finfo("float32").tiny  # of the probabilities that have a logarithm


@keras.saving.register_keras_serializable("kseq")
class PositionReadout(keras.layers.Layer):
    """The readout `tanh(W s_t + U h_j)` of every step and source position.

    Wu et al. 2018 (arXiv 1808.10024). The keys `U h_j` are computed once for each
    sentence, outside the layer.

    Args:
        units: Width H of the readout.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.query_projection = Dense(units, name="query")

    def build(self, query_shape):
        """Creates W and a bias."""
        self.query_projection.build(query_shape)
        self.built = True

    def call(self, query, keys):
        """Returns `[N, T, S, H]` for decoder states `[N, T, H]` and keys `[B, S, H]`."""
        sums = _pair(precise(self.query_projection(query)), precise(keys))
        return tf.cast(tf.tanh(sums), self.compute_dtype)

    def compute_output_spec(self, query, keys):
        """Returns the shape and type of the result of `call`."""
        shape = (*query.shape[:2], keys.shape[1], self.units)
        return keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("kseq")
class HardAttention(keras.layers.Layer):
    """Hard attention of zeroth order: the positions of two steps are independent of each other.

    Wu et al. 2018 (arXiv 1808.10024): step t writes from position `a_t` with
    the probability `p(a_t = j) = softmax_j(s_t · T h_j)`, and a token has the probability
    `p(y_t) = Σ_j p(a_t = j) p(y_t | a_t = j)`. The keys are `T h_j`.

    There is no attention state, `()`.
    """

    def __init__(self, **kwargs):
        # Keras would also cast the attention state, which stays float32.
        super().__init__(autocast=False, **kwargs)

    @classmethod
    def initial_state(cls, memory, mask):
        """Returns the attention state before the first step, as `Attention.initial_state` does."""
        return ()

    @classmethod
    def state_inputs(cls):
        """Returns a `keras.Input` for each tensor of `initial_state`."""
        return ()

    def call(self, query, keys, logits, ids, mask, state=(), *, training=False):
        """Sums over the source positions.

        Args:
            query: Decoder states `[N, T, H]`; N is B, or B·K if K hypotheses share a source.
            keys: What queries are compared with, `[B, S, A]`.
            logits: Logits of the tokens of each step at each position, float32 `[N, T, S, V]`.
            ids: The token that each step reads, which the step before has written, `[N, T]`.
            mask: Whether a source position is real, boolean `[B, S]`.
            state: The attention state before the first step.
            training: Whether gradients are needed.

        Returns:
            Log-probabilities of the tokens, float32 `[N, T, V]`; the probability of each source
            position before its token is known, float32 `[N, T, S]`, exactly 0 on padding; and
            the attention state after the last step.
        """
        mask = tf.repeat(mask, _hypotheses(query, mask), axis=0)
        scores = precise(self.scores(query, keys))
        probabilities = tf.nn.softmax(logits)
        weights, state = self.align(scores, (logits, probabilities), ids, mask, state, training)
        mixture = tf.matmul(weights[:, :, None], probabilities)[:, :, 0]
        return tf.math.log(tf.maximum(mixture, _SMALLEST)), weights, state

    def scores(self, query, keys):
        """Scores alignments: `[N, T, S]` for decoder states `[N, T, H]` and keys `[B, S, H]`."""
        queries = _split_hypotheses(query, keys)
        scores = tf.matmul(queries, tf.cast(keys, queries.dtype), transpose_b=True)
        return _join_hypotheses(scores, query)

    def align(self, scores, emissions, ids, mask, state, training):
        """Computes the probability of each source position at each step.

        Args:
            scores: From `scores`, at least float32.
            emissions: Logits and probabilities of the tokens, two tensors `[N, T, S, V]`.
            ids: The token that each step reads, `[N, T]`.
            mask: Whether a source position is real, boolean `[N, S]`.
            state: The attention state before the first step.
            training: Whether gradients are needed.

        Returns:
            Probabilities, float32 `[N, T, S]`, and the attention state after the last step.
        """
        return masked_softmax(scores, mask[:, None]), ()

    def compute_output_spec(self, query, keys, logits, ids, mask, state=(), *, training=False):
        """Returns shapes and types of the results of `call`."""
        rows, length, positions, tokens = logits.shape
        return (
            keras.KerasTensor((rows, length, tokens), "float32"),
            keras.KerasTensor((rows, length, positions), "float32"),
            self.state_spec(rows, positions, tokens),
        )

    def state_spec(self, rows, positions, tokens):
        """Returns the shape and type of the attention state, for N, S and V."""
        return ()


@keras.saving.register_keras_serializable("kseq")
class MonotonicHardAttention(HardAttention):
    """Hard attention that never moves back to an earlier source position.

    Wu and Cotterell 2019 (arXiv 1905.06319), order 0: `p(a_t = j | a_{t-1} = i)` is the softmax
    of `s_t · T h_j` over the positions `j ≥ i`. The probability of a token, given the tokens before
    it, is summed over all alignments by the forward algorithm: the position of a step has a
    *prior*, `p(a_t | y_<t) = Σ_i p(a_{t-1} = i | y_<t) p(a_t | a_{t-1} = i)`, and, once its token
    is known, a *posterior*, `p(a_t = j | y_≤t) ∝ p(a_t = j | y_<t) p(y_t | a_t = j)`.

    The attention state is the posterior for each token that may have been written, one float32
    tensor `[N, V, S]`. Before the first step it is `[N, 1, S]`: the position is the first.
    """

    @classmethod
    def initial_state(cls, memory, mask):
        """See `HardAttention.initial_state`."""
        places = ops.cumsum(ops.ones_like(mask, dtype="int32"), axis=1)
        return [ops.cast(ops.expand_dims(ops.equal(places, 1), 1), "float32")]

    @classmethod
    def state_inputs(cls):
        """See `HardAttention.state_inputs`."""
        return [keras.Input((None, None), dtype="float32", name="positions")]

    def align(self, scores, emissions, ids, mask, state, training):
        """See `HardAttention.align`."""
        (posteriors,) = state
        known = tf.minimum(ids[:, 0], tf.shape(posteriors)[1] - 1)
        posterior = tf.gather(posteriors, known, batch_dims=1)
        allowed = self.allowed(mask)
        logits, probabilities = emissions
        # The largest probability is at least 1/V, so its logarithm is safe; others may underflow.
        normalizers = tf.reduce_max(logits, axis=-1) - tf.math.log(
            tf.reduce_max(probabilities, axis=-1)
        )
        if ids.shape[1] == 1:
            weights = self.move(posterior, scores[:, 0], allowed)[:, None]
        else:
            written = tf.one_hot(tf.pad(ids[:, 1:], [[0, 0], [0, 1]]), tf.shape(logits)[-1])
            read = tf.matmul(logits, written[..., None])[..., 0] - normalizers
            (weights,), _ = recur(
                self._step,
                [_time_first(scores), _time_first(read)],
                posterior,
                [allowed],
                dtypes=[tf.float32],
                training=training,
            )
            weights = _time_first(weights)
            weights.set_shape(logits.shape[:3])
        last = tf.transpose(logits[:, -1] - normalizers[:, -1, :, None], [0, 2, 1])
        return weights, [_condition(weights[:, -1:], last)]

    def _step(self, parameters, inputs, posterior, allowed):
        """One step of the forward algorithm.

        Args:
            parameters: `Parameters`; the step has none.
            inputs: Scores of the step, and the log-probability of its token at each position
                `[N, S]`.
            posterior: The position of the step before, float32 `[N, S]`.
            allowed: From `allowed`.

        Returns:
            The prior of the position in a tuple, and its posterior.
        """
        scores, read = inputs
        prior = self.move(posterior, scores, allowed)
        return (prior,), _condition(prior, read)

    def allowed(self, mask):
        """Returns whether a move from i to j is possible, `[N, S, S]`, for a mask `[N, S]`."""
        positions = tf.range(tf.shape(mask)[1])
        return mask[:, None] & (positions >= positions[:, None])

    def move(self, posterior, scores, allowed):
        """Moves from the position of the step before to the next one.

        Args:
            posterior: Probabilities of the position of the step before, float32 `[N, S]`.
            scores: Scores of the step, `[N, S]`.
            allowed: From `allowed`.

        Returns:
            The prior of the position, float32 `[N, S]`.
        """
        moves = masked_softmax(scores[:, None], allowed)
        return tf.matmul(posterior[:, None], moves)[:, 0]

    def state_spec(self, rows, positions, tokens):
        """See `HardAttention.state_spec`."""
        return [keras.KerasTensor((rows, tokens, positions), "float32")]


@keras.saving.register_keras_serializable("kseq")
class FirstOrderHardAttention(MonotonicHardAttention):
    """Hard attention of first order: the position depends on the one of the step before.

    Wu and Cotterell 2019 (arXiv 1905.06319), order 1: the distance of a move has the probability
    `p(a_t - a_{t-1} = d | a_{t-1} = i) = softmax_d(U [s_t; T h_i])`, where d is at most `window`
    positions to either side, or to the right only. The keys are `U_h T h_i`; a move
    outside the source is impossible. The attention state is that of `MonotonicHardAttention`.

    Args:
        window: The farthest move, in source positions, which the paper calls w.
        monotonic: Whether the position never moves back.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, window, monotonic=False, **kwargs):
        super().__init__(**kwargs)
        self.window = window
        self.monotonic = monotonic
        self.query_projection = Dense(move_count(window, monotonic), name="query")

    def build(self, query_shape):
        """Creates the part of U that reads the state, and a bias."""
        self.query_projection.build(query_shape)
        self.built = True

    def scores(self, query, keys):
        """Scores moves: `[N, T, S, M]` for decoder states `[N, T, H]` and keys `[B, S, M]`."""
        return _pair(precise(self.query_projection(query)), precise(keys))

    def allowed(self, mask):
        """Returns whether each move from i is possible, `[N, S, M]`, for a mask `[N, S]`."""
        left = self._farthest_left()
        places = tf.range(tf.shape(mask)[1])[:, None] + tf.range(left + self.window + 1)
        return tf.gather(tf.pad(mask, [[0, 0], [left, self.window]]), places, axis=1)

    def move(self, posterior, scores, allowed):
        """See `MonotonicHardAttention.move`."""
        moves = posterior[:, :, None] * masked_softmax(scores, allowed)
        # Row i is shifted to the right by i places, so that a column is a position to move to.
        length = tf.shape(moves)[1]
        width = length + moves.shape[2]
        padded = tf.pad(moves, [[0, 0], [0, 0], [0, length]])
        rows = tf.reshape(padded, [-1, length * width])[:, :-length]
        shifted = tf.reshape(rows, [-1, length, width - 1])
        left = self._farthest_left()
        return tf.reduce_sum(shifted, axis=1)[:, left : left + length]

    def _farthest_left(self):
        return 0 if self.monotonic else self.window

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "window": self.window, "monotonic": self.monotonic}


def move_count(window, monotonic):
    """Returns the number M of different moves of `FirstOrderHardAttention`."""
    return window + 1 if monotonic else 2 * window + 1


def _condition(prior, read):
    """The posterior, float32 `[..., S]`, of a prior and log-probabilities of what was written."""
    logarithms = tf.math.log(tf.maximum(prior, _SMALLEST))
    return masked_softmax(logarithms + read, prior > 0.0)


def _hypotheses(query, source):
    """The number of hypotheses K of each source, for N queries and B sources."""
    return tf.shape(query)[0] // tf.maximum(tf.shape(source)[0], 1)


def _split_hypotheses(query, keys):
    """Puts all queries of a source side by side: `[N, T, H]` to `[B, K·T, H]`."""
    count = _hypotheses(query, keys) * tf.shape(query)[1]
    return tf.reshape(query, [tf.shape(keys)[0], count, query.shape[-1]])


def _join_hypotheses(paired, query):
    """The opposite of `_split_hypotheses`: `[B, K·T, S, ...]` to `[N, T, S, ...]`."""
    joined = tf.reshape(paired, tf.concat([tf.shape(query)[:2], tf.shape(paired)[2:]], axis=0))
    joined.set_shape([*query.shape[:2], *paired.shape[2:]])
    return joined


def _pair(query, keys):
    """Adds each of the keys `[B, S, A]` to each query `[N, T, A]`: `[N, T, S, A]`."""
    queries = _split_hypotheses(query, keys)
    return _join_hypotheses(queries[:, :, None] + keys[:, None], query)


def _time_first(tensor):
    """Exchanges the first two axes of a tensor `[N, T, ...]`."""
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
