"""Local attention: within a window around a position that moves or is predicted."""

import keras
from keras import ops

from kseq.attention.contract import Attention
from kseq.kernels.dense import Dense
from kseq.kernels.masked_softmax import masked_softmax

# Of a weight inside the window: only weights outside are exactly 0, so that results show where the
# window is. The Gaussian of `PredictiveLocalAttention` does not make it a denormal number.
_SMALLEST = 1e-37


@keras.saving.register_keras_serializable("kseq")
class LocalAttention(Attention):
    """Attention within `window` positions of a centre `p`; weights farther away are exactly 0.

    Luong et al. 2015 (arXiv 1508.04025), section 3.2, with any score of section 3.1. In monotonic
    attention (local-m) the centre `p` is the number of the step, from 0, and stays at the last
    real position once it gets there. The attention state is that number, one int32 tensor `[N]`.

    Args:
        window: Half width of the window, which the paper calls D.
        score: `Mechanism` without an attention state, whose energies are used.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, window, score, **kwargs):
        super().__init__(**kwargs)
        self.window = window
        self.settings = {"window": window, "score": score}
        self.score = score.make("score")

    def build(self, query_shape):
        """Creates the weights of the score for queries `[N, T, H]`."""
        self.score.build(query_shape)
        self.built = True

    def cast_keys(self, keys):
        """Casts keys `[B, S, A]` as the score does."""
        return self.score.cast_keys(keys)

    def energies(self, parameters, queries, keys, state):
        """See `Attention.energies`."""
        return self.score.energies(parameters, queries, keys, ())

    @classmethod
    def initial_state(cls, memory, mask):
        """Returns the number of the first step, 0: see `Attention.initial_state`."""
        return [ops.zeros_like(memory[:, 0, 0], dtype="int32")]

    @classmethod
    def state_inputs(cls):
        """Returns an input for the number of the step: see `Attention.state_inputs`."""
        return [keras.Input((), dtype="int32", name="steps")]

    def weigh(self, parameters, queries, keys, mask, state):
        """See `Attention.weigh`."""
        center = self.center(parameters, queries, _lengths(mask), state)
        distance = ops.abs(_positions(mask) - center)
        mask = ops.logical_and(mask, distance <= self.window)
        weights = masked_softmax(self.energies(parameters, queries, keys, state), mask)
        weights = ops.maximum(weights, _SMALLEST * ops.cast(mask, "float32"))
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
        return {**super().get_config(), **keras.saving.serialize_keras_object(self.settings)}

    @classmethod
    def from_config(cls, config):
        """Makes a layer with the arguments of `get_config`."""
        score = keras.saving.deserialize_keras_object(config["score"])
        return super().from_config({**config, "score": score})


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

    @classmethod
    def initial_state(cls, memory, mask):
        """Returns `()`: there is no attention state."""
        return ()

    @classmethod
    def state_inputs(cls):
        """Returns `()`: there is no attention state."""
        return ()

    def build(self, query_shape):
        """Creates W, v and the weights of the score for queries `[N, T, H]`."""
        super().build(query_shape)
        self.position_projection.build(query_shape)
        self.position_vector = self.add_weight(name="position_energy", shape=(self.units, 1))

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
