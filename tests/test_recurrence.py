"""The loop over a step: its own backward pass compared with autodiff, in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq import ModelConfig
from kseq.attention.mechanisms import mechanism_of
from kseq.kernels import recording, recurrence
from kseq.kernels.recurrence import recur
from kseq.models.decoders import BahdanauDecoder, InputFeedingDecoder
from kseq.models.factory import use_dtype_policy
from kseq.models.state import DecoderState

UNITS, EMBEDDING, WIDTH = 3, 4, 5
STEPS, ROWS, LENGTH = 4, 2, 5
rng = np.random.default_rng(0)
COMPILED = pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
KINDS = [
    ("gru", "bahdanau", 1),
    ("lstm", "bahdanau", 2),
    ("rnn", "coverage", 1),
    ("gru", "luong_general", 2),
    ("lstm", "luong_dot", 1),
    ("rnn", "luong_concat", 1),
    ("gru", "local_m", 1),
    ("gru", "local_p", 1),
    ("gru", "location", 1),
    ("rnn", "trained_query", 1),
    ("gru", "location_aware", 1),
]
SIMPLE = ("location", "trained_query")  # no more than a part of other kinds


def draw(*shape):
    return tf.constant(rng.normal(size=shape))


def variable(*shape):
    return keras.Variable(rng.normal(size=shape), dtype="float64")


def loss_of(tensors):
    """A sum whose gradient differs from one element to the next."""
    floats = [tensor for tensor in keras.tree.flatten(tensors) if tensor.dtype.is_floating]
    doubles = [tf.cast(tensor, tf.float64) for tensor in floats]
    return tf.add_n([tf.reduce_sum(tensor**2 + tensor) for tensor in doubles])


def gradients_of(function, sources, compiled=False):
    """Loss and gradients of the outputs of a function: first in training, then otherwise."""

    def gradients(training):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            loss = loss_of(function(training))
        return loss, tape.gradient(loss, sources, unconnected_gradients="zero")

    run = tf.function(gradients, autograph=False) if compiled else gradients
    return run(True), run(False)


def require_gradients_of_autodiff(function, sources, compiled=False, **tolerance):
    (loss, own), (same_loss, autodiff) = gradients_of(function, sources, compiled)
    np.testing.assert_allclose(loss, same_loss, rtol=1e-12)
    for gradient, expected in zip(own, autodiff, strict=True):
        gradient, expected = tf.convert_to_tensor(gradient), tf.convert_to_tensor(expected)
        np.testing.assert_allclose(gradient, expected, **tolerance)


def mechanism(attention):
    settings = {"location": {"positions": 4}, "location_aware": {"filters": 2, "filter_width": 3}}
    if attention.startswith("local_"):
        settings[attention] = {"window": 1}
    return mechanism_of(
        ModelConfig(
            attention=attention, units=UNITS, bidirectional=False, **settings.get(attention, {})
        )
    )


def decoder(cell, attention, layers):
    feeds = mechanism(attention).follows_cell
    kind = InputFeedingDecoder if feeds else BahdanauDecoder
    with use_dtype_policy("float64"):
        layer = kind(cell, UNITS, mechanism(attention), layers=layers, residual=True)
    width = UNITS if feeds else WIDTH
    layer.build((None, None, EMBEDDING), {}, (None, None, width), (None, None, UNITS))
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer, width


def tensors(cell, attention, layers, width):
    """Embeddings, state, memory and keys."""
    parts = 2 if cell == "lstm" else 1
    zeros = [tf.zeros([ROWS, LENGTH])]
    states = {
        "coverage": zeros,
        "location_aware": zeros,
        "local_m": [tf.zeros([ROWS], tf.int32)],
    }
    state = DecoderState(
        cells=[[draw(ROWS, UNITS) for _ in range(parts)] for _ in range(layers)],
        fed=draw(ROWS, UNITS) if width == UNITS else (),
        attention=states.get(attention, ()),
    )
    return (
        draw(ROWS, STEPS, EMBEDDING),
        state,
        draw(ROWS, LENGTH, width),
        draw(ROWS, LENGTH, UNITS),
    )


@pytest.mark.parametrize(
    "cell, attention, layers, compiled",
    [
        # `make test` runs every kind in one way: eagerly or as a graph.
        pytest.param(
            *(*kind, mode == "graph"),
            marks=[pytest.mark.slow] * ((number + (mode == "graph")) % 2 or kind[1] in SIMPLE),
            id="-".join(map(str, (*kind, mode))),
        )
        for number, kind in enumerate(KINDS)
        for mode in ("eager", "graph")
    ],
)
def test_gradients_of_a_decoder_agree_with_autodiff(cell, attention, layers, compiled):
    layer, width = decoder(cell, attention, layers)
    arguments = tensors(cell, attention, layers, width)
    mask = tf.constant([[True] * 5, [True] * 3 + [False] * 2])
    sources = [tensor for tensor in keras.tree.flatten(arguments) if tensor.dtype == tf.float64]
    sources += [weight.value for weight in layer.weights]
    # Attention weights are float32, whatever type the layers compute in.
    require_gradients_of_autodiff(
        lambda training: layer(*arguments, mask, training=training),
        sources,
        compiled,
        rtol=1e-5,
        atol=1e-6,
    )


def test_in_mixed_precision_the_backward_pass_reads_the_variables_of_the_forward_pass():
    """In float32, although Keras would read them in half precision outside of a layer."""
    with use_dtype_policy("mixed_bfloat16"):
        layer = BahdanauDecoder("gru", UNITS, mechanism("bahdanau"))
    layer.build((None, None, EMBEDDING), {}, (None, None, WIDTH), (None, None, UNITS))
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    arguments = keras.tree.map_structure(
        lambda tensor: tf.cast(tensor, "bfloat16"), tensors("gru", "bahdanau", 1, WIDTH)
    )
    vectors = [layer.cells[0].recurrent_bias.value, layer.attention.energy_vector.value]

    class Model(keras.layers.Layer):
        """Contains the decoder, as a model does: called alone, a layer has other types."""

        def call(self, arguments, training):
            return layer(*arguments, tf.ones([ROWS, LENGTH], tf.bool), training=training)

    model = Model(dtype="mixed_bfloat16")

    def run(training):
        return model(arguments, training=training)

    require_gradients_of_autodiff(run, vectors, rtol=1e-5, atol=1e-6)


def run_toy(step, sources, training, constants=()):
    """A loop over a step of one input, with one tensor in its state."""
    inputs, state = sources
    return recur(step, [inputs], [state], constants, dtypes=[tf.float64], training=training)


@COMPILED
def test_a_kernel_used_twice_in_a_step_gets_the_sum_of_both_gradients(compiled):
    kernel, sources = variable(UNITS, UNITS), [draw(STEPS, ROWS, UNITS), draw(ROWS, UNITS)]

    def step(parameters, inputs, state):
        hidden = tf.tanh(inputs[0] + parameters.multiply(state[0], kernel))
        return (parameters.multiply(hidden, kernel),), [hidden]

    require_gradients_of_autodiff(
        lambda training: run_toy(step, sources, training),
        [*sources, kernel.value],
        compiled,
        rtol=1e-12,
    )


@COMPILED
def test_a_constant_used_in_products_and_elsewhere_gets_the_sum_of_all_gradients(compiled):
    matrices, vector = draw(ROWS, UNITS, UNITS), variable(UNITS)
    sources = [draw(STEPS, ROWS, UNITS), draw(ROWS, UNITS)]

    def step(parameters, inputs, state, matrices):
        bias = parameters.value(vector) * parameters.value(vector)
        rows = (state[0] + bias)[:, None]
        rows = parameters.multiply_rows(tf.tanh(rows), matrices)
        rows = parameters.multiply_rows(tf.tanh(rows), matrices, transpose=True)
        hidden = tf.tanh(inputs[0] + rows[:, 0]) * tf.reduce_sum(matrices, axis=1)
        return (hidden,), [hidden]

    require_gradients_of_autodiff(
        lambda training: run_toy(step, sources, training, [matrices]),
        [*sources, matrices, vector.value],
        compiled,
        rtol=1e-12,
    )


@COMPILED
def test_a_tensor_given_as_two_constants_gets_the_sum_of_both_gradients(compiled):
    """This happens to the memory if queries are compared with the memory itself."""
    matrices, sources = draw(ROWS, UNITS, UNITS), [draw(STEPS, ROWS, UNITS), draw(ROWS, UNITS)]

    def step(parameters, inputs, state, keys, memory):
        rows = parameters.multiply_rows(state[0][:, None], keys, transpose=True)
        hidden = tf.tanh(inputs[0] + parameters.multiply_rows(rows, memory)[:, 0])
        return (hidden,), [hidden]

    require_gradients_of_autodiff(
        lambda training: run_toy(step, sources, training, [matrices, matrices]),
        [*sources, matrices],
        compiled,
        rtol=1e-12,
    )


def test_a_kernel_that_is_also_read_as_a_vector_gets_the_sum_of_both_gradients():
    kernel, sources = variable(UNITS, UNITS), [draw(STEPS, ROWS, UNITS), draw(ROWS, UNITS)]

    def step(parameters, inputs, state):
        hidden = tf.tanh(inputs[0] + parameters.multiply(state[0], kernel))
        return (hidden * tf.reduce_sum(parameters.value(kernel), axis=0),), [hidden]

    require_gradients_of_autodiff(
        lambda training: run_toy(step, sources, training), [*sources, kernel.value], rtol=1e-12
    )


def test_a_product_that_nothing_depends_on_has_a_gradient_of_zero():
    kernel, sources = variable(UNITS, UNITS), [draw(STEPS, ROWS, UNITS), draw(ROWS, UNITS)]

    def step(parameters, inputs, state):
        parameters.multiply(state[0], kernel)
        return (tf.tanh(inputs[0]),), [state[0]]

    (_, gradients), _ = gradients_of(
        lambda training: run_toy(step, sources, training), [*sources, kernel.value]
    )
    np.testing.assert_array_equal(gradients[2], np.zeros((UNITS, UNITS)))


@COMPILED
def test_a_variable_read_directly_gets_its_gradient_too(compiled):
    """As layers of Keras read theirs, here next to a product that the loop records."""
    kernel, sources = variable(UNITS, UNITS), [draw(STEPS, ROWS, UNITS), draw(ROWS, UNITS)]
    with use_dtype_policy("float64"):
        dense = keras.layers.Dense(UNITS, activation="tanh")
    dense.build((ROWS, UNITS))

    def step(parameters, inputs, state):
        hidden = dense(inputs[0] + parameters.multiply(state[0], kernel))
        return (dense(hidden) @ kernel.value,), [hidden]

    weights = [kernel.value, *(weight.value for weight in dense.weights)]
    require_gradients_of_autodiff(
        lambda training: run_toy(step, sources, training),
        [*sources, *weights],
        compiled,
        rtol=1e-12,
    )


@pytest.mark.parametrize(
    "layer, message",
    [
        (keras.layers.Dropout(0.5), "received one that changes .*seed_generator_state: leave out"),
        (keras.layers.BatchNormalization(), "received one that changes .*moving_mean: leave out"),
        (keras.layers.ActivityRegularization(0.5), "received one that calls add_loss"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_step_that_changes_a_variable_or_adds_a_loss_is_refused(layer, message):
    """Forward and backward pass would differ, or the change would be lost."""
    layer.build((ROWS, UNITS))
    sources = [draw(STEPS, ROWS, UNITS), draw(ROWS, UNITS)]

    def step(parameters, inputs, state):
        return (tf.cast(layer(inputs[0], training=True), "float64"),), state

    with pytest.raises(ValueError, match=message):
        run_toy(step, sources, training=True)


@COMPILED
@pytest.mark.parametrize("operand", ["a variable", "float64"])
def test_a_step_that_reads_anything_but_its_arguments_is_refused_while_training(operand, compiled):
    """The operand would get no gradient."""
    raw, large = tf.Variable(draw(UNITS, UNITS)), draw(UNITS, UNITS)
    sources = [draw(STEPS, ROWS, UNITS), draw(ROWS, UNITS)]

    def step(parameters, inputs, state):
        return (inputs[0] @ (raw.read_value() if operand == "a variable" else large),), state

    def run(training):
        function = tf.function(run_toy, autograph=False) if compiled else run_toy
        return function(step, sources, training)

    run(False)
    with pytest.raises(ValueError, match=f"variables of Keras.*no gradient: {operand}"):
        run(True)


def test_a_step_that_multiplies_in_another_order_is_refused():
    """Only their order distinguishes the products."""
    kernels = [variable(UNITS, UNITS), variable(UNITS, UNITS)]
    sources = [draw(STEPS, ROWS, UNITS), draw(ROWS, UNITS)]

    def step(parameters, inputs, state):
        kernels.reverse()
        for kernel in kernels:
            parameters.multiply(state[0], kernel)
        return (inputs[0],), state

    with pytest.raises(ValueError, match="the same order"):
        run_toy(step, sources, training=True)


def test_the_backward_pass_computes_no_product_of_the_forward_pass_again(monkeypatch):
    """Each product has one product for the gradient of its inputs, and one after the loop."""
    layer, width = decoder("gru", "bahdanau", 1)
    arguments = tensors("gru", "bahdanau", 1, width)
    products = []
    matrix_product = recording.matrix_product
    monkeypatch.setattr(
        recording,
        "matrix_product",
        lambda *factors: products.append(factors) or matrix_product(*factors),
    )
    with tf.GradientTape() as tape:
        outputs, *_ = layer(*arguments, tf.ones([ROWS, LENGTH], tf.bool), training=True)
        loss = tf.reduce_sum(outputs)
    listed = 3  # products with kernels; those with the memory take another function
    forward = len(products) - listed
    tape.gradient(loss, [weight.value for weight in layer.weights])
    assert forward == STEPS * 4 and len(products) == listed + 2 * forward


def test_saved_activations_grow_with_the_length_alone(monkeypatch):
    """Nothing as wide as the attention is saved for every pair of target and source positions."""
    layer, width = decoder("gru", "bahdanau", 1)
    arguments = tensors("gru", "bahdanau", 1, width)
    saved, forward = [], recurrence._Loop.forward

    def record_saved(self, operands, saves):
        results = forward(self, operands, saves)
        saved.extend(array.stack() for arrays in results[2] for array in arrays)
        return results

    monkeypatch.setattr(recurrence._Loop, "forward", record_saved)
    layer(*arguments, tf.ones([ROWS, LENGTH], tf.bool), training=True)
    assert len(saved) == 1 + 2 * 4 and all(tensor.shape[0] == STEPS for tensor in saved)
    assert max(tf.size(tensor) for tensor in saved) < STEPS * ROWS * LENGTH * UNITS
