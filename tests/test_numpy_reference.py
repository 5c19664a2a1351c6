"""The model in plain NumPy, compared with Keras' model, with TensorFlow's tape and with itself."""

import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT

from kseq import BeamSearch, MaskedCrossEntropy, ModelConfig, TextConfig, build_seq2seq
from kseq import numpy_reference as reference
from kseq.attention import contract
from kseq.kernels.adam import Adam
from kseq.models.dtype_policy import use_dtype_policy
from kseq.pipeline.codecs import CodecPair
from kseq.special_tokens import END, PAD, SPECIAL_TOKENS, START
from kseq.translation.graphs import Inference

SOURCE_SIZE, TARGET_SIZE = 11, 13
SIZES = {"units": 8, "embedding_dim": 6}
# Of several lengths on both sides, so that there is padding; one id occurs twice in a sentence.
PAIRS = [([4, 5, 6, 5], [7, 8, 7]), ([5], [6, 7, 9, 4, 12]), ([6, 7, 8, 9, 10, 4], [4])]
SOURCE_IDS, TARGET_IDS, LABELS = BATCH = reference.make_batch(PAIRS)
CELLS = pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
PAIRS_OF_CELLS = pytest.mark.parametrize(
    "cell, decoder_cell",
    [("rnn", "rnn"), ("gru", "gru"), ("lstm", "lstm"), ("lstm", "gru"), ("rnn", "lstm")],
)


def random_weights(shapes, seed=0):
    """Weights so far from 0, biases included, that none of them can be left out unnoticed."""
    random = np.random.default_rng(seed)
    return [random.normal(scale=0.5, size=shape) for shape in shapes]


def make_model(cell="gru", decoder_cell="same", policy="float32", **settings):
    """A Keras model with random weights, and the same weights in NumPy."""
    settings = {"dropout": 0.0, **SIZES, **settings}
    with use_dtype_policy(policy):
        config = ModelConfig(cell=cell, decoder_cell=decoder_cell, **settings)
        model = build_seq2seq(config, SOURCE_SIZE, TARGET_SIZE)
    model.set_weights(random_weights([weight.shape for weight in model.weights]))
    return model, reference.from_keras(model)


def make_weights(cell):
    """Random weights without Keras."""
    weights = reference.initial_weights(SOURCE_SIZE, TARGET_SIZE, cell=cell, **SIZES)
    return dict(zip(weights, random_weights([array.shape for array in weights.values()])))


def forward(weights, source_ids=SOURCE_IDS, target_ids=TARGET_IDS):
    """Logits and attention weights."""
    source, state, _ = reference.encode(weights, source_ids)
    logits, attention, _ = reference.decode(weights, target_ids, state, source)
    return logits, attention


def keras_outputs(model, training=False):
    """Logits in the type of the model, which it returns as float32, and attention weights."""
    decoder, head = model.get_layer("decoder"), model.get_layer("decoder").get_layer("logits")
    encoded = model.get_layer("encoder")({"source_ids": tf.constant(SOURCE_IDS)})
    part = keras.Model(decoder.input, model.target_side.step_outputs(decoder))
    outputs = part({"target_ids": tf.constant(TARGET_IDS), **encoded}, training=training)
    return outputs["hidden"] @ head.kernel + head.bias, outputs["attention"]


@pytest.fixture
def float64_attention(monkeypatch):
    """A softmax of attention without the rounding to float32, to compare all other digits."""

    def softmax(energies, mask):
        weights = tf.nn.softmax(tf.where(mask, energies, tf.constant(-1e9, energies.dtype)))
        return weights * tf.cast(mask, weights.dtype)

    monkeypatch.setattr(contract, "masked_softmax", softmax)


# === Agreement with Keras ===


@PAIRS_OF_CELLS
def test_outputs_agree_with_the_keras_model(cell, decoder_cell):
    model, weights = make_model(cell, decoder_cell)
    logits, attention = forward(weights)
    expected = model({"source_ids": tf.constant(SOURCE_IDS), "target_ids": tf.constant(TARGET_IDS)})
    np.testing.assert_allclose(logits, expected, atol=3e-6)
    np.testing.assert_allclose(attention, keras_outputs(model)[1], atol=1e-6)
    source, state, _ = reference.encode(weights, SOURCE_IDS)
    encoded = model.get_layer("encoder")({"source_ids": tf.constant(SOURCE_IDS)})
    for name, array in {**source._asdict(), "state": state}.items():
        expected = encoded[name].cells[0] if name == "state" else encoded[name]
        np.testing.assert_allclose(array, expected, atol=1e-6, err_msg=name)


@PAIRS_OF_CELLS
def test_gradients_of_all_weights_agree_with_tensorflows_tape(
    cell, decoder_cell, float64_attention
):
    """In float64, with the loss of TensorFlow."""
    model, weights = make_model(cell, decoder_cell, policy="float64")
    with tf.GradientTape() as tape:
        logits, _ = keras_outputs(model, training=True)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, logits)
        mask = tf.cast(LABELS != PAD, losses.dtype)
        expected_loss = tf.reduce_sum(losses * mask) / tf.reduce_sum(mask)
    expected = tape.gradient(expected_loss, [weight.value for weight in model.weights])
    loss, gradients = reference.loss_and_gradients(weights, *BATCH)
    np.testing.assert_allclose(forward(weights)[0], logits, atol=1e-13)
    assert loss == pytest.approx(float(expected_loss), abs=1e-13)
    assert len(gradients) == len(expected)
    for (name, gradient), keras_gradient in zip(gradients.items(), expected):
        assert np.abs(gradient).max() > 1e-4, name
        np.testing.assert_allclose(
            gradient, tf.convert_to_tensor(keras_gradient), atol=1e-13, err_msg=name
        )


@CELLS
@pytest.mark.parametrize("limit", [0.1, 1e6])
def test_training_ends_with_the_weights_of_keras(cell, limit, eager_mode):
    """Five steps of Adam; the first limit shortens each gradient, the second one none.

    Keras' own Adam would take another norm of embeddings that occur twice.
    """
    model, weights = make_model(cell)
    before = {name: weight.copy() for name, weight in weights.items()}
    model.compile(Adam(0.01, global_clipnorm=limit), MaskedCrossEntropy())
    adam = reference.Adam(0.01)
    for _ in range(5):
        inputs = {"source_ids": SOURCE_IDS, "target_ids": TARGET_IDS}
        expected_loss = model.train_on_batch(inputs, LABELS)
        loss, gradients = reference.loss_and_gradients(weights, *BATCH)
        adam.update(weights, reference.clip_by_global_norm(gradients, limit))
        assert loss == pytest.approx(float(expected_loss), rel=1e-5)
    for name, weight in reference.from_keras(model).items():
        assert np.abs(weight - before[name]).max() > 0.01, name
        np.testing.assert_allclose(weights[name], weight, atol=2e-5, err_msg=name)


@CELLS
def test_greedy_search_writes_what_the_search_of_kseq_writes(cell, eager_mode):
    words = [f"word{number}" for number in range(TARGET_SIZE - len(SPECIAL_TOKENS))]
    vocabularies = [[*SPECIAL_TOKENS, *words][:size] for size in (SOURCE_SIZE, TARGET_SIZE)]
    codecs = CodecPair.of(*vocabularies, TextConfig())
    model, weights = make_model(cell)
    weights = {name: 2.0 * weight for name, weight in weights.items()}
    weights["logits/bias"][END] += 2.0  # so that some outputs end early
    reference.to_keras(weights, model)
    random = np.random.default_rng(3)
    pairs = [(random.integers(4, SOURCE_SIZE, length).tolist(), []) for length in range(1, 13)]
    source_ids, _, _ = reference.make_batch(pairs)
    ids, attention = reference.greedy_search(weights, source_ids, longest=20)
    inference = Inference([model], [codecs], length_ratio=1.0)
    strategy = BeamSearch(beam_size=1, maximum_length=19)
    result = inference.search([{"source_ids": tf.constant(source_ids)}], strategy)
    lengths = result.lengths.numpy()[:, 0]
    assert len(set(lengths)) > 2
    for row, length in enumerate(lengths):
        is_cut = ids[row, length - 1] != END  # where kseq writes END instead
        end = length - 1 if is_cut else length
        np.testing.assert_array_equal(ids[row, :end], result.ids[row, 0, :end])
        assert length == 20 if is_cut else np.all(ids[row, end:] == PAD)
        np.testing.assert_allclose(
            attention[row, :end], result.attention["attention"][row, 0, :end], atol=1e-5
        )


@CELLS
def test_initial_weights_have_the_names_shapes_and_deviations_of_keras(cell):
    keras.utils.set_random_seed(0)
    config = ModelConfig(cell=cell, units=64, embedding_dim=48)
    expected = reference.from_keras(build_seq2seq(config, 200, 300))
    weights = reference.initial_weights(200, 300, units=64, embedding_dim=48, cell=cell)
    assert {name: weight.shape for name, weight in weights.items()} == {
        name: weight.shape for name, weight in expected.items()
    }
    for name, weight in weights.items():
        assert weight.mean() == pytest.approx(expected[name].mean(), abs=0.05), name
        assert weight.std() == pytest.approx(expected[name].std(), rel=0.25), name


# === Keras' weights ===


def test_weights_that_are_written_back_give_a_model_the_same_outputs():
    first, weights = make_model("lstm")
    second = build_seq2seq(first.config, SOURCE_SIZE, TARGET_SIZE)
    reference.to_keras(weights, second)
    for received, expected in zip(second.get_weights(), first.get_weights()):
        np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"attention": "luong_dot"}, "attention='luong_dot'"),
        ({"bridge": "linear", "readout": "maxout"}, "bridge='linear', readout='maxout'"),
        ({"architecture": "transformer"}, "architecture='transformer'"),
    ],
)
def test_weights_of_other_models_are_refused(settings, message):
    model = build_seq2seq(ModelConfig(**SIZES, **settings), SOURCE_SIZE, TARGET_SIZE)
    with pytest.raises(ValueError, match=re.escape(message)):
        reference.from_keras(model)
    with pytest.raises(ValueError, match=re.escape(message)):
        reference.to_keras({}, model)


def test_weights_are_written_only_to_a_model_that_has_all_of_them():
    model, _ = make_model("gru")
    with pytest.raises(ValueError, match="only one of both has attention_decoder/cell_1/forget_b"):
        reference.to_keras(make_weights("lstm"), model)


# === NumPy alone ===


@CELLS
def test_gradients_agree_with_finite_differences(cell):
    """Of each weight, along a random direction."""
    weights, random = make_weights(cell), np.random.default_rng(1)
    _, gradients = reference.loss_and_gradients(weights, *BATCH)
    for name, weight in weights.items():
        direction, losses = random.normal(size=weight.shape), []
        for step in (1e-5, -1e-5):
            changed = {**weights, name: weight + step * direction}
            losses.append(reference.cross_entropy(forward(changed)[0], LABELS)[0])
        expected = (losses[0] - losses[1]) / 2e-5
        assert np.sum(gradients[name] * direction) == pytest.approx(expected, rel=1e-6), name


@CELLS
def test_a_batch_gives_the_mean_of_its_sentences(cell):
    """So neither the padding of a row nor the other rows matter."""
    weights = make_weights(cell)
    words = [len(target) + 1 for _, target in PAIRS]
    singles = [
        reference.loss_and_gradients(weights, *reference.make_batch([pair])) for pair in PAIRS
    ]
    loss, gradients = reference.loss_and_gradients(weights, *BATCH)
    assert loss == pytest.approx(np.average([single for single, _ in singles], weights=words))
    for name, gradient in gradients.items():
        expected = np.average([single[name] for _, single in singles], axis=0, weights=words)
        np.testing.assert_allclose(gradient, expected, atol=1e-13, err_msg=name)


def test_attention_weights_sum_to_1_over_real_positions_even_if_energies_are_large():
    weights = make_weights("gru")
    weights["attention_decoder/attention/energy"] *= 1e4
    _, attention = forward(weights)
    np.testing.assert_allclose(attention.sum(axis=-1), 1.0)
    is_padding = np.broadcast_to(SOURCE_IDS[:, None] == PAD, attention.shape)
    assert is_padding.any() and np.all(attention[is_padding] == 0.0)


def test_a_batch_has_special_tokens_and_padding():
    source_ids, target_ids, labels = reference.make_batch([([4, 5], [6]), ([], [7, 8])])
    assert source_ids.tolist() == [[4, 5, END], [END, PAD, PAD]]
    assert target_ids.tolist() == [[START, 6, PAD], [START, 7, 8]]
    assert labels.tolist() == [[6, END, PAD], [7, 8, END]]


def test_the_lines_of_the_documentation_learn_to_reverse():
    """Even words that training has not seen, and the attention shows how."""
    text = (ROOT / "docs" / "numpy.md").read_text(encoding="utf-8")
    training, loading = re.findall("```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(training, names)
    known = names["words"][: names["count"]]
    new = [word for word in names["words"][names["count"] :] if word not in known]
    source_ids, _, labels = reference.make_batch([(word, word[::-1]) for word in new])
    ids, attention = reference.greedy_search(names["weights"], source_ids)
    is_right = [row[: len(word) + 1].tolist() == [*word[::-1], END] for row, word in zip(ids, new)]
    assert np.mean(is_right) > 0.9
    exec(loading, names)
    np.testing.assert_allclose(names["logits"], names["expected"], atol=1e-4)


def test_an_import_needs_neither_keras_nor_tensorflow():
    program = """
import sys
import kseq.numpy_reference
assert "numpy" in sys.modules
assert not {"tensorflow", "keras"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
