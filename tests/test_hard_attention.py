"""Hard attention compared with the sum over all alignments."""

import types

import keras
import numpy as np
import pytest
import references
import tensorflow as tf

from kseq.attention.hard import (
    FirstOrderHardAttention,
    HardAttention,
    MonotonicHardAttention,
    PositionReadout,
    move_count,
)

WINDOW, UNITS, TOKENS = 2, 3, 5
LENGTHS = (4, 1, 3)
IDS = np.array([[2, 4, 4, 1], [2, 1, 3, 0], [2, 3, 1, 4]], "int32")
KINDS = [(order, monotonic) for order in (0, 1) for monotonic in (False, True)]

each_kind = pytest.mark.parametrize("order, monotonic", KINDS)


class Example:
    """A layer with random weights, its inputs, and what the definition makes of them."""

    def __init__(self, order, monotonic, scale=1.0):
        rng = np.random.default_rng(7)

        def normal(*shape):
            return (scale * rng.normal(size=shape)).astype("float32")

        steps, length = IDS.shape[1], max(LENGTHS)
        self.layer = (MonotonicHardAttention if monotonic else HardAttention)()
        width = UNITS
        if order:
            self.layer = FirstOrderHardAttention(WINDOW, monotonic)
            width = move_count(WINDOW, monotonic)
        self.mask = np.arange(length) < np.array(LENGTHS)[:, None]
        self.query, self.keys = normal(3, steps, UNITS), normal(3, length, width)
        self.logits = normal(3, steps, length, TOKENS)
        self.state = ()
        if order or monotonic:
            self.state = [np.eye(1, length, dtype="float32")[None].repeat(3, axis=0)]
        self.layer.build(self.query.shape)
        self.layer.set_weights([normal(*weight.shape) for weight in self.layer.get_weights()])
        self.config = types.SimpleNamespace(
            alignment_order=order, monotonic=monotonic, window=WINDOW
        )

    def call(self, training=False, **changes):
        fields = ["query", "keys", "logits", "ids", "mask", "state"]
        arguments = {"ids": IDS, **vars(self), **changes}
        return self.layer(*(arguments[name] for name in fields), training=training)

    def expected(self):
        """Tokens and positions, and for each row their `[T, V]` and `[T, S]`."""
        weights = {
            weight.path.partition("/")[2]: weight.numpy().astype("float64")
            for weight in self.layer.weights
        }
        for row, length in enumerate(LENGTHS):
            keys, states = self.keys[row, :length], self.query[row]
            arrays = (array.astype("float64") for array in (keys, states))
            transitions = references.hard_transitions(self.config, weights, *arrays)
            logits = self.logits[row, :, :length].astype("float64")
            emissions = np.exp(references.log_softmax(logits))
            yield references.sum_over_alignments(transitions, emissions, IDS[row, 1:])


@each_kind
def test_it_agrees_with_the_sum_over_all_alignments(order, monotonic):
    example = Example(order, monotonic)
    log_probabilities, weights, _ = example.call()
    for row, (tokens, positions) in enumerate(example.expected()):
        np.testing.assert_allclose(np.exp(log_probabilities[row]), tokens, atol=1e-6)
        np.testing.assert_allclose(weights[row, :, : LENGTHS[row]], positions, atol=1e-6)
        assert not np.any(weights[row, :, LENGTHS[row] :])


@pytest.mark.parametrize("order, monotonic", KINDS[1:])
def test_the_gradient_of_the_loop_equals_that_of_automatic_differentiation(order, monotonic):
    """The loop has a backward pass of its own while it is trained."""
    example = Example(order, monotonic)
    arguments = {name: tf.constant(getattr(example, name)) for name in ("query", "keys", "logits")}
    scales = np.random.default_rng(8).normal(size=(*IDS.shape, TOKENS))
    gradients = []
    for training in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            log_probabilities, weights, _ = example.call(training=training, **arguments)
            loss = tf.reduce_sum(log_probabilities * scales) + tf.reduce_sum(weights**2)
        sources = [arguments, example.layer.trainable_weights]
        gradients.append(tape.gradient(loss, sources))
    for gradient, expected in zip(*map(keras.tree.flatten, gradients), strict=True):
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(gradient, expected, atol=1e-5)


@each_kind
def test_sharp_distributions_give_finite_numbers_and_gradients(order, monotonic):
    """Probabilities of most positions and tokens underflow."""
    example = Example(order, monotonic, scale=100.0)
    query = tf.constant(example.query)
    with tf.GradientTape() as tape:
        tape.watch(query)
        log_probabilities, weights, state = example.call(training=True, query=query)
    gradient = tape.gradient(log_probabilities, query)
    for tensor in (log_probabilities, weights, gradient, *state):
        assert np.isfinite(tensor).all()
    assert np.min(log_probabilities) < -80.0
    np.testing.assert_allclose(np.sum(weights, axis=-1), 1.0, atol=1e-5)


@each_kind
def test_only_a_monotonic_position_never_moves_back(order, monotonic):
    if not (order or monotonic):
        return  # no position is remembered
    example = Example(order, monotonic)
    at_third = np.eye(1, 4, 2, dtype="float32")[None].repeat(3, axis=0)
    _, weights, (posteriors,) = example.call(state=[at_third])
    before = np.concatenate([weights[0, :, :2], posteriors[0, :, :2]])
    assert np.all(before == 0.0) if monotonic else np.all(before > 0.0)


@pytest.mark.parametrize("order", [0, 1])
def test_a_monotonic_position_at_the_end_of_the_source_stays_there(order):
    example = Example(order, monotonic=True)
    at_end = np.eye(4, dtype="float32")[np.array(LENGTHS) - 1][:, None]
    log_probabilities, weights, _ = example.call(state=[at_end])
    np.testing.assert_allclose(weights, np.broadcast_to(at_end, weights.shape), atol=1e-6)
    for row, length in enumerate(LENGTHS):
        expected = references.log_softmax(example.logits[row, :, length - 1])
        np.testing.assert_allclose(log_probabilities[row], expected, atol=1e-5)


@each_kind
def test_a_target_in_parts_gives_the_same_as_the_whole_target(order, monotonic):
    example = Example(order, monotonic)
    *expected, last = example.call()
    parts, state = [], example.state
    for part in (slice(0, 1), slice(1, 4)):
        names = ("query", "logits")
        arrays = {name: getattr(example, name)[:, part] for name in names}
        *outputs, state = example.call(**arrays, ids=IDS[:, part], state=state)
        parts.append(outputs)
    for outputs, whole in zip(zip(*parts), expected, strict=True):
        np.testing.assert_allclose(np.concatenate(outputs, axis=1), whole, atol=1e-5)
    keras.tree.map_structure(
        lambda tensor, whole: np.testing.assert_allclose(tensor, whole, atol=1e-5), state, last
    )


def test_a_readout_reads_the_state_and_one_position():
    rng = np.random.default_rng(3)
    query, keys = rng.normal(size=(4, 2, 3)), rng.normal(size=(2, 5, 6))
    layer = PositionReadout(6)
    readouts = layer(query.astype("float32"), keys.astype("float32"))
    kernel, bias = (weight.numpy().astype("float64") for weight in layer.weights)
    for row, step, position in np.ndindex(4, 2, 5):
        expected = np.tanh(query[row, step] @ kernel + bias + keys[row // 2, position])
        np.testing.assert_allclose(readouts[row, step, position], expected, atol=1e-6)
