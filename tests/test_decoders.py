"""Properties of the recurrent decoders that the reference implementation does not cover."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from combinations import as_tensors, batch, build, outputs_of, run

from kseq import ModelConfig
from kseq.attention.mechanisms import mechanism_of
from kseq.kernels.dropout import Dropout
from kseq.models.decoders import BahdanauDecoder, InputFeedingDecoder
from kseq.models.state import DecoderState

rng = np.random.default_rng(0)
UNITS = 4
LUONG = ["luong_dot", "luong_scaled_dot", "luong_general", "luong_concat", "local_m", "local_p"]


def normal(*shape):
    return rng.normal(size=shape).astype("float32")


def make(kind=BahdanauDecoder, cell="gru", **settings):
    """A decoder with random weights, and its inputs: two targets of three positions."""
    attention = "luong_dot" if kind is InputFeedingDecoder else "bahdanau"
    mechanism = mechanism_of(ModelConfig(attention=attention, units=UNITS))
    layer = kind(cell, UNITS, mechanism, **settings)
    states = 2 if cell == "lstm" else 1
    layers = settings.get("layers", 1)
    state = DecoderState(
        cells=[[normal(2, UNITS) for _ in range(states)] for _ in range(layers)],
        fed=normal(2, UNITS) if kind is InputFeedingDecoder else (),
    )
    memory, keys = normal(2, 5, UNITS), normal(2, 5, UNITS)
    arguments = normal(2, 3, 7), state, memory, keys, np.arange(5) < np.array([[5], [2]])
    layer(*arguments)
    layer.set_weights([normal(*weight.shape) for weight in layer.get_weights()])
    return layer, arguments


KINDS = pytest.mark.parametrize("kind", [BahdanauDecoder, InputFeedingDecoder])
# The kind of decoder does not depend on the cell: `make test` combines each with some.
KINDS_AND_CELLS = pytest.mark.parametrize(
    "kind, cell",
    [
        (BahdanauDecoder, "gru"),
        (BahdanauDecoder, "rnn"),
        (InputFeedingDecoder, "lstm"),
        pytest.param(BahdanauDecoder, "lstm", marks=pytest.mark.slow),
        pytest.param(InputFeedingDecoder, "gru", marks=pytest.mark.slow),
        pytest.param(InputFeedingDecoder, "rnn", marks=pytest.mark.slow),
    ],
)


@KINDS_AND_CELLS
def test_gradients_reach_all_inputs_of_a_decoder_in_a_graph(kind, cell):
    layer, (embedded, state, memory, keys, mask) = make(kind, cell, layers=2)
    sources = as_tensors((embedded, state, memory, keys))

    @tf.function
    def gradients(sources):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            output, context, _, _ = layer(*sources, mask)
            loss = tf.reduce_sum(output**2) + tf.reduce_sum(context**2)
        return tape.gradient(loss, [*tf.nest.flatten(sources), *layer.trainable_weights])

    for gradient in gradients(sources):
        assert np.abs(gradient).max() > 1e-4


@KINDS
def test_a_target_in_parts_gives_the_same_as_the_whole_target(kind):
    """The state is complete: one position runs without the loop, then two run in it."""
    layer, (embedded, state, *source) = make(kind, "lstm", layers=2, residual=True)
    *expected, expected_state = layer(embedded, state, *source)
    *first, state = layer(embedded[:, :1], state, *source)
    *second, state = layer(embedded[:, 1:], state, *source)
    for tensor, *parts in zip(expected, first, second):
        np.testing.assert_allclose(tensor, np.concatenate(parts, axis=1), atol=1e-6)
    keras.tree.map_structure(
        lambda *states: np.testing.assert_allclose(*states, atol=1e-6), expected_state, state
    )


@KINDS
def test_dropout_acts_between_the_layers_of_the_loop(kind, monkeypatch):
    """If it drops everything, the second layer reads nothing but its bias."""
    layer, arguments = make(kind, layers=2, dropout=0.5)
    assert [dropout.rate for dropout in layer.dropouts] == [0.5]
    *without_dropout, _ = layer(*arguments)
    *dropped, _ = layer(*arguments, training=True)
    assert np.abs(without_dropout[0] - dropped[0]).max() > 1e-3
    monkeypatch.setattr(Dropout, "call", lambda self, inputs, training: inputs * 0.0)
    *all_dropped, _ = layer(*arguments, training=True)
    kernel = layer.projections[1].kernel
    kernel.assign(kernel * 0.0)
    *expected, _ = layer(*arguments)
    for tensor, reference in zip(all_dropped, expected):
        np.testing.assert_allclose(tensor, reference, atol=1e-6)


def test_dropout_between_layers_is_drawn_for_each_step(monkeypatch):
    layer, arguments = make(layers=3, dropout=0.5)
    shapes = []

    def call(self, inputs, training):
        shapes.append(inputs.shape)
        return inputs

    monkeypatch.setattr(Dropout, "call", call)
    layer(*arguments, training=True)
    assert shapes == [(2, 3, UNITS)] * 2


def settings_of(kind, **settings):
    return {"units": 8, "embedding_dim": 6, "attention": kind, **settings}


def rename_weights(model, cell, layers):
    """The weights of a model with input feeding, under the paths of a model without it."""
    weights = {weight.path: weight.numpy() for weight in model.weights}
    for number in range(1, layers + 1):
        inside, outside = f"attention_decoder/cell_{number}", f"decoder_layer_{number}"
        if f"{inside}/recurrent_kernel" not in weights:
            continue
        bias = weights[f"attention_decoder/inputs_{number}/bias"].copy()
        if cell == "gru":
            candidate = weights[f"{inside}/recurrent_bias"]
            zeros = np.zeros(2 * len(candidate))
            bias = np.stack([bias, np.concatenate([zeros, candidate])])
        elif cell == "lstm":
            forget = weights[f"{inside}/forget_bias"]
            bias[len(forget) : 2 * len(forget)] += forget
        inside_kernel = weights[f"attention_decoder/inputs_{number}/kernel"]
        outside = f"{outside}/{'simple_rnn' if cell == 'rnn' else cell}_cell"
        weights[f"{outside}/kernel"] = inside_kernel
        weights[f"{outside}/recurrent_kernel"] = weights[f"{inside}/recurrent_kernel"]
        weights[f"{outside}/bias"] = bias
    for path in list(weights):
        weights[path.replace("attention_decoder/attention", "attention")] = weights[path]
    return weights


@pytest.mark.parametrize(
    "kind, cell, place",
    [
        # How attention is computed does not depend on where it reads.
        pytest.param(
            *case, place, marks=[pytest.mark.slow] * ((number + 3 * (place == "top")) % 4 != 0)
        )
        for number, case in enumerate(zip(LUONG, ["gru", "lstm", "rnn"] * 2))
        for place in ("bottom", "top")
    ],
)
def test_input_feeding_with_a_kernel_of_zeros_equals_no_input_feeding(kind, cell, place):
    """The decoders with and without a loop agree where they must."""
    settings = settings_of(kind, cell=cell, decoder_layers=2, attention_layer=place, residual=True)
    if kind.startswith("local"):
        settings["window"] = 1
    feeding = build(ModelConfig(**settings))
    (fed,) = (weight for weight in feeding.weights if weight.path == "attention_decoder/fed/kernel")
    inputs = batch(ModelConfig(**settings))
    _, fed_decoded = run(feeding, inputs)
    fed.assign(np.zeros(fed.shape))
    plain = build(ModelConfig(**settings, input_feeding=False))
    weights = rename_weights(feeding, cell, layers=2)
    for weight in plain.weights:
        weight.assign(weights[weight.path])
    (_, in_loop), (_, without_loop) = run(feeding, inputs), run(plain, inputs)
    for name in ("logits", "attention"):
        np.testing.assert_allclose(in_loop[name], without_loop[name], atol=1e-5)
    difference = np.abs(outputs_of(in_loop) - outputs_of(fed_decoded)).max()
    assert difference > 1e-3, "feeding has no effect"


@pytest.mark.parametrize("place", ["bottom", "top"])
@pytest.mark.parametrize(
    "kind, feeds",
    [
        pytest.param("bahdanau", True, marks=pytest.mark.slow),
        pytest.param("coverage", True, marks=pytest.mark.slow),
        *(("luong_general", feeds) for feeds in (True, False)),
        *(
            pytest.param(kind, feeds, marks=pytest.mark.slow)
            for kind in ("luong_concat", "local_p")
            for feeds in (True, False)
        ),
    ],
)
def test_attention_reads_the_state_of_its_layer(kind, feeds, place):
    """Changed weights of the upper layer change the attention only if it reads that layer."""
    config = ModelConfig(
        **settings_of(kind, decoder_layers=2, attention_layer=place, input_feeding=feeds)
    )
    model, inputs = build(config), batch(config)
    _, before = run(model, inputs)
    upper = [
        weight
        for weight in model.weights
        if weight.path.startswith(("bridge_2", "decoder_layer_2", "attention_decoder/cell_2"))
    ]
    assert len(upper) >= 4
    for weight in upper:
        weight.assign(-weight)
    _, after = run(model, inputs)
    assert np.abs(outputs_of(after) - outputs_of(before)).max() > 1e-2
    change = np.abs(after["attention"] - before["attention"]).max()
    assert change > 1e-3 if place == "top" else change == 0.0


def change_of_attention_with_the_second_word(**settings):
    """How much the attention of each step depends on the second target word."""
    config = ModelConfig(**settings_of(**settings))
    model, inputs = build(config), batch(config)
    _, before = run(model, inputs)
    inputs["target_ids"][:, 1] = inputs["target_ids"][:, 1] % 12 + 3
    _, after = run(model, inputs)
    return np.abs(after["attention"] - before["attention"]).max(axis=(0, 2))


@pytest.mark.parametrize("kind", ["bahdanau", "coverage"])
def test_bahdanau_attention_reads_the_state_before_the_step(kind):
    change = change_of_attention_with_the_second_word(kind=kind)
    assert np.all(change[:2] == 0.0) and np.all(change[2:] > 1e-4)


@pytest.mark.parametrize("feeds", [True, False])
def test_luong_attention_reads_the_state_after_the_step(feeds):
    change = change_of_attention_with_the_second_word(kind="luong_general", input_feeding=feeds)
    assert change[0] == 0.0 and np.all(change[1:] > 1e-4)
