"""The encoder-decoder that tutorials write with plain Keras layers, compared with kseq's."""

import keras
import numpy as np
from combinations import plain_name

from kseq import ModelConfig, build_seq2seq

# What the encoder hands over is all that the decoder knows of the source.
SETTINGS = {
    "cell": "lstm",
    "bidirectional": False,
    "attention": "none",
    "bridge": "none",
    "readout": "none",
}


def keras_example(vocabulary, width, units):
    """Two embeddings, two LSTMs of which the second starts from the states of the first, logits."""
    source = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(vocabulary, width, mask_zero=True, name="source")(source)
    _, *states = keras.layers.LSTM(units, return_state=True, name="encoder")(embedded)
    target = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(vocabulary, width, name="target")(target)
    hidden = keras.layers.LSTM(units, return_sequences=True, name="decoder")(
        embedded, initial_state=states
    )
    logits = keras.layers.Dense(vocabulary, name="logits")(hidden)
    return keras.Model([source, target], logits)


def test_a_model_gives_the_outputs_of_the_keras_example():
    """The same weights, and sources of different lengths with padding on the right."""
    config = ModelConfig(**SETTINGS, units=8, embedding_dim=6)
    model, example = build_seq2seq(config, 15, 15), keras_example(15, 6, 8)
    names = {
        "source": "source_embedding",
        "encoder": "encoder_layer_1",
        "target": "target_embedding",
        "decoder": "decoder_layer_1",
        "logits": "logits",
    }
    weights = {plain_name(weight.path): weight for weight in model.weights}
    generator = np.random.default_rng(0)
    for weight in example.weights:
        values = generator.normal(size=weight.shape)
        weight.assign(values)
        layer, _, variable = plain_name(weight.path).partition("/")
        weights.pop(f"{names[layer]}/{variable}").assign(values)
    assert not weights
    source = np.array([[4, 5, 6, 7, 8], [9, 10, 0, 0, 0], [11, 0, 0, 0, 0]], "int32")
    target = np.array([[2, 4, 5], [2, 6, 7], [2, 8, 9]], "int32")
    expected = example([source, target])
    assert np.abs(expected).max() > 1.0
    logits = model({"source_ids": source, "target_ids": target})
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_a_model_has_the_13_399_824_parameters_of_the_keras_example():
    """Two embeddings, two LSTMs with one bias each, and the output layer."""
    model = build_seq2seq(ModelConfig(**SETTINGS, units=512, embedding_dim=256), 10_000, 10_000)
    lstm = 4 * (256 * 512 + 512 * 512 + 512)
    expected = 2 * 10_000 * 256 + 2 * lstm + 512 * 10_000 + 10_000
    assert model.count_params() == expected == 13_399_824
