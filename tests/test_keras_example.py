"""The models that articles write with plain Keras layers, compared with kseq's.

The outputs are equal to 1e-6. The models are small, as float32 rounds sums over many units more
coarsely than that.
"""

import keras
import numpy as np
import pytest
from combinations import plain_name
from keras import layers, ops

from kseq import ModelConfig, build_seq2seq

# What the encoder hands over is all that the decoder knows of the source.
LSTM = {
    "cell": "lstm",
    "bidirectional": False,
    "attention": "none",
    "bridge": "none",
    "readout": "none",
}
SUM = {
    "cell": "gru",
    "bidirectional": False,
    "context": "sum",
    "attention": "location",
    "positions": 5,  # the length of the sources below
    "input_feeding": False,
}
RNN = {"cell": "rnn", "bidirectional": False, "bridge": "none", "input_feeding": False}
VALUES = {**LSTM, "source_features": 2, "target_features": 1, "target_activation": "sigmoid"}


def text_inputs(vocabulary, width):
    """Inputs of ids, their embeddings, and which source positions are real."""
    source, target = (keras.Input((None,), dtype="int32") for _ in range(2))
    embedded = (
        layers.Embedding(vocabulary, width, name=f"{name}_embedding")(ids)
        for name, ids in (("source", source), ("target", target))
    )
    return [source, target], embedded, ops.not_equal(source, 0)


def read(energies, mask, memory, states):
    """The attentional state of Luong et al., from energies `[B, T, S]` and a memory."""
    weights = layers.Softmax()(ops.where(mask[:, None], energies, -1e9))
    context = ops.matmul(weights, memory)
    readout = layers.Dense(states.shape[-1], "tanh", use_bias=False, name="attentional_state")
    return readout(layers.Concatenate()([context, states]))


def lstm_example(vocabulary, width, units):
    """Two LSTMs of which the second starts from the states of the first, and logits."""
    inputs, (source, target), mask = text_inputs(vocabulary, width)
    _, *states = layers.LSTM(units, return_state=True, name="encoder_layer_1")(source, mask=mask)
    decoder = layers.LSTM(units, return_sequences=True, name="decoder_layer_1")
    hidden = decoder(target, initial_state=states)
    return keras.Model(inputs, layers.Dense(vocabulary, name="logits")(hidden))


def sum_example(vocabulary, width, units):
    """A decoder that starts from the sum of the encoder's states, and attends to positions."""
    inputs, (source, target), mask = text_inputs(vocabulary, width)
    memory = layers.GRU(units, return_sequences=True, name="encoder_layer_1")(source, mask=mask)
    total = ops.sum(memory * ops.cast(mask, "float32")[:, :, None], axis=1)
    first = layers.Dense(units, "tanh", name="bridge_1_1")(total)
    decoder = layers.GRU(units, return_sequences=True, name="decoder_layer_1")
    states = decoder(target, initial_state=first)
    positions = layers.Dense(SUM["positions"], use_bias=False, name="attention_positions")
    readout = read(positions(states), mask, memory, states)
    return keras.Model(inputs, layers.Dense(vocabulary, name="logits")(readout))


def rnn_example(vocabulary, width, units, has_query):
    """Two simple RNNs, with the dot product of states, or of the memory and a trained query."""
    inputs, (source, target), mask = text_inputs(vocabulary, width)
    encoder = layers.SimpleRNN(
        units, return_sequences=True, return_state=True, name="encoder_layer_1"
    )
    memory, last = encoder(source, mask=mask)
    decoder = layers.SimpleRNN(units, return_sequences=True, name="decoder_layer_1")
    states = decoder(target, initial_state=last)
    energies = ops.matmul(states, ops.transpose(memory, (0, 2, 1)))
    if has_query:
        query = layers.Dense(1, use_bias=False, name="attention_query")(memory)
        energies = ops.transpose(query, (0, 2, 1)) + ops.zeros_like(energies)
    readout = read(energies, mask, memory, states)
    return keras.Model(inputs, layers.Dense(vocabulary, name="logits")(readout))


def values_example(units):
    """Two LSTMs that read real values, and a sigmoid."""
    source, target = keras.Input((None, 2)), keras.Input((None, 1))
    mask = keras.Input((None,), dtype="bool")
    _, *states = layers.LSTM(units, return_state=True, name="encoder_layer_1")(source, mask=mask)
    decoder = layers.LSTM(units, return_sequences=True, name="decoder_layer_1")
    hidden = decoder(target, initial_state=states)
    return keras.Model([source, mask, target], layers.Dense(1, "sigmoid", name="values")(hidden))


def copy_weights(example, model):
    """Gives random weights to the Keras model, and the same ones to kseq's."""
    weights = {plain_name(weight.path).replace("/", "_"): weight for weight in model.weights}
    generator = np.random.default_rng(0)
    for weight in example.weights:
        values = generator.normal(size=weight.shape, scale=0.5)
        weight.assign(values)
        name = plain_name(weight.path).replace("/", "_")
        if name == "attention_query_kernel":  # kseq's is a row
            name, values = "attention_query", values.T
        weights.pop(name).assign(values)
    assert not weights


SOURCE = np.array([[4, 5, 6, 7, 8], [9, 10, 0, 0, 0], [11, 0, 0, 0, 0]], "int32")
TARGET = np.array([[2, 4, 5], [2, 6, 7], [2, 8, 9]], "int32")


@pytest.mark.parametrize(
    ("settings", "make_example"),
    [
        (LSTM, lstm_example),
        (SUM, sum_example),
        (RNN | {"attention": "luong_dot"}, lambda *sizes: rnn_example(*sizes, False)),
        (RNN | {"attention": "trained_query"}, lambda *sizes: rnn_example(*sizes, True)),
    ],
    ids=["lstm", "sum and location", "dot", "trained query"],
)
def test_a_model_gives_the_outputs_of_the_keras_example(settings, make_example):
    """The same weights, and sources of different lengths with padding on the right."""
    model = build_seq2seq(ModelConfig(**settings, units=8, embedding_dim=6), 15, 15)
    example = make_example(15, 6, 8)
    copy_weights(example, model)
    expected = example([SOURCE, TARGET])
    assert np.ptp(expected, axis=(1, 2)).min() > 1.0
    logits = model({"source_ids": SOURCE, "target_ids": TARGET})
    np.testing.assert_allclose(logits, expected, atol=1e-6)


def test_a_model_of_real_values_gives_the_outputs_of_the_keras_example():
    model = build_seq2seq(ModelConfig(**VALUES, units=8))
    example = values_example(8)
    copy_weights(example, model)
    generator = np.random.default_rng(1)
    source, target = generator.normal(size=(3, 5, 2)), generator.normal(size=(3, 4, 1))
    mask = np.arange(5) < np.array([[5], [2], [1]])
    expected = example([source, mask, target])
    assert np.ptp(expected) > 0.05
    outputs = model({"source": source, "source_mask": mask, "target": target})
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_a_model_has_the_13_399_824_parameters_of_the_keras_example():
    """Two embeddings, two LSTMs with one bias each, and the output layer."""
    model = build_seq2seq(ModelConfig(**LSTM, units=512, embedding_dim=256), 10_000, 10_000)
    lstm = 4 * (256 * 512 + 512 * 512 + 512)
    expected = 2 * 10_000 * 256 + 2 * lstm + 512 * 10_000 + 10_000
    assert model.count_params() == expected == 13_399_824
