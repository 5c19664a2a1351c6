"""The models against their NumPy version, and the contracts of docs/architecture.md."""

import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import references
import tensorflow as tf

from kseq import ModelConfig, build_decoder, build_encoder, build_seq2seq, split_for_inference

rng = np.random.default_rng(0)
CONFIGS = [
    ModelConfig(cell=cell, units=8, embedding_dim=6, encoder_layers=layers)
    for cell in ("gru", "lstm")
    for layers in (1, 2)
]


@pytest.fixture(params=CONFIGS, ids=lambda config: f"{config.cell}-{config.encoder_layers}")
def model(request):
    keras.utils.set_random_seed(1)
    return build_seq2seq(request.param, 20, 15)


def batch():
    source_ids = np.array([[4, 5, 6, 7, 3], [8, 9, 3, 0, 0]], "int32")
    target_ids = np.array([[2, 5, 6, 7], [2, 8, 0, 0]], "int32")
    return {"source_ids": tf.constant(source_ids), "target_ids": tf.constant(target_ids)}


def test_contract(model):
    logits = model(batch())
    assert logits.shape == (2, 4, 15) and logits.dtype == tf.float32
    assert sorted(model.input) == ["source_ids", "target_ids"]


def plain_name(weight, config):
    """The path of a weight without its model, and without `_gru_3` and the like."""
    path = re.sub(r"^(encoder|decoder)/", "", weight.path)
    return re.sub(rf"(forward|backward)_{config.cell}(_\d+)?/{config.cell}_cell/", r"\1/", path)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.cell}-{c.encoder_layers}")
def test_the_whole_model_agrees_with_its_numpy_version(config):
    model = build_seq2seq(config, 20, 15)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape) * 0.7)
    weights = {plain_name(weight, config): weight.numpy() for weight in model.trainable_weights}
    assert len(weights) == len(model.trainable_weights)
    inputs = batch()
    logits, attention = references.seq2seq(
        config.cell,
        config.encoder_layers,
        weights,
        inputs["source_ids"].numpy(),
        inputs["target_ids"].numpy(),
    )
    np.testing.assert_allclose(model(inputs), logits, atol=1e-4)
    encoded = model.get_layer("encoder")({"source_ids": inputs["source_ids"]})
    decoded = model.get_layer("decoder")({"target_ids": inputs["target_ids"], **encoded})
    np.testing.assert_allclose(decoded["attention"], attention, atol=1e-4)


def test_dropout_stands_where_it_should():
    model = build_seq2seq(ModelConfig(units=8, embedding_dim=6, encoder_layers=3), 20, 15)
    for part, names in (
        ("encoder", ["source_dropout", "between_1_and_2", "between_2_and_3", "memory_dropout"]),
        ("decoder", ["target_dropout", "readout_dropout"]),
    ):
        layers = model.get_layer(part).layers
        dropouts = [layer for layer in layers if isinstance(layer, keras.layers.Dropout)]
        assert [layer.name for layer in dropouts] == names
        assert {layer.rate for layer in dropouts} == {0.2}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.cell}-{c.encoder_layers}")
def test_low_precision_keeps_softmax_and_logits_exact(config):
    exact = build_seq2seq(config, 20, 15)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_seq2seq(config, 20, 15)
    finally:
        keras.config.set_dtype_policy("float32")
    model.set_weights(exact.get_weights())
    inputs = batch()
    logits = model(inputs)
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits, exact(inputs), atol=0.05)
    encoder, step = split_for_inference(model)
    outputs = step(
        {"ids": inputs["target_ids"][:, 0], **encoder({"source_ids": inputs["source_ids"]})}
    )
    assert outputs["attention"].dtype == outputs["logits"].dtype == tf.float32
    np.testing.assert_allclose(tf.reduce_sum(outputs["attention"], axis=-1), 1.0, atol=1e-6)
    assert np.all(outputs["attention"].numpy()[1, 3:] == 0.0)


def test_factories_give_the_parts():
    config = CONFIGS[0]
    encoded = build_encoder(config, source_vocabulary_size=20)(
        {"source_ids": batch()["source_ids"]}
    )
    assert encoded["memory"].shape == (2, 5, 8) and encoded["keys"].shape == (2, 5, 8)
    assert encoded["mask"].numpy().tolist() == [[True] * 5, [True] * 3 + [False] * 2]
    assert [tensor.shape for tensor in encoded["state"]] == [(2, 8)]
    decoder = build_decoder(config, target_vocabulary_size=15)
    decoded = decoder({"target_ids": batch()["target_ids"], **encoded})
    assert decoded["logits"].shape == (2, 4, 15) and decoded["attention"].shape == (2, 4, 5)


def test_teacher_forcing_equals_step_by_step(model):
    inputs = batch()
    logits = model(inputs)
    encoder, step = split_for_inference(model)
    encoded = encoder({"source_ids": inputs["source_ids"]})
    attention = model.get_layer("decoder")({"target_ids": inputs["target_ids"], **encoded})[
        "attention"
    ]
    for time in range(4):
        outputs = step({"ids": inputs["target_ids"][:, time], **encoded})
        np.testing.assert_allclose(outputs["logits"], logits[:, time], atol=1e-5)
        np.testing.assert_allclose(outputs["attention"], attention[:, time], atol=1e-6)
        encoded = {**encoded, "state": outputs["state"]}


def test_parts_share_the_weights(model):
    encoder, step = split_for_inference(model)
    ids = {id(weight) for weight in model.weights}
    assert {id(weight) for weight in (*encoder.weights, *step.weights)} == ids


def test_attention_sums_to_one_over_real_positions(model):
    encoder, step = split_for_inference(model)
    outputs = step({"ids": tf.constant([2, 2]), **encoder({"source_ids": batch()["source_ids"]})})
    np.testing.assert_allclose(tf.reduce_sum(outputs["attention"], axis=-1), 1.0, atol=1e-6)
    assert np.all(outputs["attention"].numpy()[1, 3:] == 0.0)


def test_a_longer_sentence_beside_it_changes_no_row(model):
    inputs = batch()
    together = model(inputs)
    alone = model(
        {"source_ids": inputs["source_ids"][1:, :3], "target_ids": inputs["target_ids"][1:]}
    )
    np.testing.assert_allclose(alone[0], together[1], atol=1e-5)


def test_gradients_reach_every_weight(model):
    inputs = batch()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs) ** 2)
    for weight, gradient in zip(
        model.trainable_weights, tape.gradient(loss, model.trainable_weights)
    ):
        assert gradient is not None, weight.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0.0, weight.path


def test_dropout_acts_in_training_only(model):
    np.testing.assert_array_equal(model(batch()), model(batch(), training=False))
    assert np.abs(model(batch(), training=True) - model(batch(), training=False)).max() > 1e-4


def test_untrained_model_spreads_its_bets(model):
    """The loss before training is that of a uniform guess, log V."""
    probabilities = tf.nn.softmax(model(batch()))
    np.testing.assert_allclose(-tf.reduce_mean(tf.math.log(probabilities)), np.log(15), atol=0.05)


def test_weights_repeat_with_the_seed():
    keras.utils.set_random_seed(5)
    one = build_seq2seq(CONFIGS[0], 20, 15).get_weights()
    keras.utils.set_random_seed(5)
    other = build_seq2seq(CONFIGS[0], 20, 15).get_weights()
    for left, right in zip(one, other):
        np.testing.assert_array_equal(left, right)


def test_keras_file_in_a_fresh_process(model, tmp_path):
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "logits.npy", model(batch()))
    program = """
import sys, keras, numpy as np
import kseq.models
sys.path.insert(0, sys.argv[2])
from test_models import batch
model = keras.models.load_model(sys.argv[1] + "/model.keras")
np.testing.assert_allclose(model(batch()), np.load(sys.argv[1] + "/logits.npy"), atol=1e-6)
kseq.models.split_for_inference(model)
"""
    folder = pathlib.Path(__file__).parent
    subprocess.run([sys.executable, "-c", program, tmp_path, folder], check=True)


def test_memory_holds_zeros_on_padding_whatever_stands_there(model):
    encoder, _ = split_for_inference(model)
    assert np.all(encoder({"source_ids": batch()["source_ids"]})["memory"].numpy()[1, 3:] == 0.0)


def test_split_of_another_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="encoder"):
        split_for_inference(model)
