"""The decoder's loop: its own backward pass against autodiff, in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq.kernels import recurrence
from kseq.models.decoders import BahdanauDecoder, InputFeedingDecoder
from kseq.models.factory import computing_in

UNITS, EMBEDDING, WIDTH = 3, 4, 5
rng = np.random.default_rng(0)
KINDS = [
    ("gru", "bahdanau", 1),
    ("lstm", "bahdanau", 2),
    ("rnn", "coverage", 1),
    ("gru", "luong_general", 2),
    ("lstm", "luong_dot", 1),
    ("rnn", "luong_concat", 1),
    ("gru", "local_m", 1),
    ("gru", "local_p", 1),
]


def decoder(cell, attention, layers):
    feeds = attention.startswith(("luong", "local"))
    kind = InputFeedingDecoder if feeds else BahdanauDecoder
    with computing_in("float64"):
        made = kind(cell, UNITS, attention, layers, residual=True, window=1)
    width = UNITS if feeds else WIDTH
    made.build((None, None, EMBEDDING), {}, (None, None, width), (None, None, UNITS))
    for weight in made.weights:
        weight.assign(rng.normal(size=weight.shape))
    return made, width


def tensors(cell, attention, layers, width):
    """Embeddings, state, memory, keys: of a batch of 2, with 4 steps over 5 source positions."""
    parts = 2 if cell == "lstm" else 1
    draw = lambda *shape: tf.constant(rng.normal(size=shape))  # noqa: E731
    state = {"cells": [[draw(2, UNITS) for _ in range(parts)] for _ in range(layers)]}
    if width == UNITS:
        state["fed"] = draw(2, UNITS)
    progress = {"coverage": [tf.zeros([2, 5])], "local_m": [tf.zeros([2], tf.int32)]}
    state["progress"] = progress.get(attention, [])
    return draw(2, 4, EMBEDDING), state, draw(2, 5, width), draw(2, 5, UNITS)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("cell, attention, layers", KINDS)
def test_gradients_equal_those_of_autodiff(cell, attention, layers, compiled):
    made, width = decoder(cell, attention, layers)
    given = tensors(cell, attention, layers, width)
    mask = tf.constant([[True] * 5, [True] * 3 + [False] * 2])
    sources = [each for each in keras.tree.flatten(given) if each.dtype == tf.float64]
    sources += [weight.value for weight in made.weights]

    def gradients(training):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            *outputs, state = made(*given, mask, training=training)
            found = [*outputs, *keras.tree.flatten(state)]
            loss = tf.add_n(
                [
                    tf.reduce_sum(tf.square(tf.cast(each, tf.float64)) + tf.cast(each, tf.float64))
                    for each in found
                    if each.dtype.is_floating
                ]
            )
        return tape.gradient(loss, sources, unconnected_gradients="zero"), loss

    run = tf.function(gradients) if compiled else gradients
    (ours, loss), (plain, same_loss) = run(True), run(False)
    np.testing.assert_allclose(loss, same_loss, rtol=1e-12)
    for mine, theirs in zip(ours, plain):
        mine, theirs = tf.convert_to_tensor(mine), tf.convert_to_tensor(theirs)
        # Attention weights are float32, whatever the layers compute in.
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def test_going_back_needs_what_was_kept(monkeypatch):
    """The way back is our own, not autodiff's: one product for each, none of them twice."""
    made, width = decoder("gru", "bahdanau", 1)
    given = tensors("gru", "bahdanau", 1, width)
    mask = tf.ones([2, 5], tf.bool)
    multiplied = []
    multiply = recurrence._multiply
    monkeypatch.setattr(
        recurrence,
        "_multiply",
        lambda *factors: multiplied.append(factors) or multiply(*factors),
    )
    with tf.GradientTape() as tape:
        outputs, *_ = made(*given, mask, training=True)
        loss = tf.reduce_sum(outputs)
    forth = len(multiplied)
    tape.gradient(loss, [weight.value for weight in made.weights])
    assert forth > 0 and len(multiplied) == 2 * forth


def test_what_is_kept_grows_with_the_length_alone(monkeypatch):
    """Nothing as wide as the attention is kept for every pair of target and source positions."""
    made, width = decoder("gru", "bahdanau", 1)
    given = tensors("gru", "bahdanau", 1, width)
    kept, forward = [], recurrence._Loop.forward

    def watched(self, *parts, **options):
        found = forward(self, *parts, **options)
        kept.extend(array.stack() for array in found[2])
        return found

    monkeypatch.setattr(recurrence._Loop, "forward", watched)
    made(*given, tf.ones([2, 5], tf.bool), training=True)
    assert len(kept) > 3 and all(each.shape[0] == 4 for each in kept)
    assert max(tf.size(each) for each in kept) < 4 * 2 * 5 * UNITS
