"""The factory functions: inputs and outputs, errors, names, serialisation."""

import inspect
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import references
import tensorflow as tf
from combinations import SIZE, as_tensors, batch, build, run

from kseq import ModelConfig, build_decoder, build_encoder, build_seq2seq, split_for_inference
from kseq.kernels.dropout import Dropout
from kseq.models import (
    attention,
    cells,
    coverage_loss,
    decoders,
    encoders,
    factory,
    recurrent,
    recurrent_layers,
    transformer,
)
from kseq.models import inputs as model_inputs
from kseq.models.factory import use_dtype_policy
from kseq.training import teacher

SMALL = {"units": 8, "embedding_dim": 6}
TRANSFORMER = {**SMALL, "architecture": "transformer", "heads": 2}
ALL_KINDS = pytest.mark.parametrize(
    "settings",
    [
        {"attention": "none"},
        {},
        {"cell": "lstm", "attention": "coverage"},
        {"attention": "luong_dot", "input_feeding": False},
        TRANSFORMER,
    ],
    ids=["none", "bahdanau", "coverage", "luong", "transformer"],
)


def plain_model(**settings):
    keras.utils.set_random_seed(1)
    return build_seq2seq(ModelConfig(**{**SMALL, **settings}), SIZE, SIZE)


def inputs_of(model):
    return as_tensors(batch(ModelConfig(**model.get_config()["config"])))


@ALL_KINDS
def test_a_model_has_the_inputs_and_outputs_of_its_contract(settings):
    model = plain_model(**settings)
    logits = model(inputs_of(model))
    assert logits.shape == (3, 4, SIZE) and logits.dtype == tf.float32
    assert sorted(model.input) == ["source_ids", "target_ids"]


def test_a_model_of_real_values_has_the_inputs_and_outputs_of_its_contract():
    config = ModelConfig(**SMALL, source_features=4, target_features=3)
    model = build_seq2seq(config)
    shapes = {name: tensor.shape for name, tensor in model.input.items()}
    assert shapes == {
        "source": (None, None, 4),
        "source_mask": (None, None),
        "target": (None, None, 3),
    }
    encoder, step = split_for_inference(model)
    assert sorted(encoder.input) == ["source", "source_mask"]
    assert step.input["value"].shape == (None, 3)
    assert step.output["values"].shape == (None, 3)


def test_factories_build_the_parts_of_the_model():
    config = ModelConfig(**SMALL)
    inputs = as_tensors(batch(config))
    encoded = build_encoder(config, source_vocabulary_size=SIZE)(
        {"source_ids": inputs["source_ids"]}
    )
    assert encoded["memory"].shape == encoded["keys"].shape == (3, 7, 8)
    assert encoded["mask"].numpy().sum(axis=1).tolist() == [7, 3, 1]
    assert [tensor.shape for (tensor,) in encoded["state"].cells] == [(3, 8)]
    decoder = build_decoder(config, target_vocabulary_size=9)
    decoded = decoder({"target_ids": inputs["target_ids"] % 9, **encoded})
    assert decoded["logits"].shape == (3, 4, 9) and decoded["attention"].shape == (3, 4, 7)


@ALL_KINDS
def test_the_parts_share_the_weights_of_the_model(settings):
    model = plain_model(**settings)
    encoder, step = split_for_inference(model)
    ids = {id(weight) for weight in model.weights}
    assert {id(weight) for weight in (*encoder.weights, *step.weights)} == ids


@pytest.mark.parametrize("tied", [False, True])
def test_shared_embeddings_are_one_weight(tied):
    model = plain_model(share_embeddings=True, tie_output=tied)
    paths = [weight.path for weight in model.weights if "embedding" in weight.path]
    assert paths == ["shared_embedding/embeddings"]


DROPOUTS = [
    (
        {"encoder_layers": 3},
        ["source_dropout", "encoder_dropout_2", "encoder_dropout_3", "memory_dropout"],
        ["target_dropout", "readout_dropout"],
    ),
    (
        {"decoder_layers": 3},
        ["source_dropout", "memory_dropout"],
        ["target_dropout", "decoder_dropout_2", "decoder_dropout_3", "readout_dropout"],
    ),
    (
        {"attention": "luong_dot", "input_feeding": False, "decoder_layers": 2},
        ["source_dropout", "memory_dropout"],
        ["target_dropout", "decoder_dropout_2", "readout_dropout"],
    ),
    (
        {"attention": "none", "decoder_layers": 2},
        ["source_dropout"],
        ["target_dropout", "decoder_dropout_2", "readout_dropout"],
    ),
    (
        {"source_features": 4, "target_features": 3},
        ["memory_dropout"],
        ["readout_dropout"],
    ),
    (
        TRANSFORMER,
        ["source_dropout", "self_attention_1_dropout", "feed_forward_1_dropout"],
        [
            *("target_dropout", "self_attention_1_dropout", "cross_attention_1_dropout"),
            "feed_forward_1_dropout",
        ],
    ),
]


@pytest.mark.parametrize("settings, in_encoder, in_decoder", DROPOUTS)
def test_dropout_layers_are_where_they_should_be(settings, in_encoder, in_decoder):
    model = build(ModelConfig(**{**SMALL, **settings}, dropout=0.3))
    for part, names in (("encoder", in_encoder), ("decoder", in_decoder)):
        layers = model.get_layer(part).layers
        dropouts = [layer for layer in layers if isinstance(layer, Dropout)]
        assert [layer.name for layer in dropouts] == names
        assert {layer.rate for layer in dropouts} == {0.3}


def test_dropout_is_inside_the_loop_between_its_layers():
    model = plain_model(decoder_layers=3, attention_layer="top", dropout=0.3)
    dropouts = model.get_layer("decoder").get_layer("attention_decoder").dropouts
    assert [dropout.rate for dropout in dropouts] == [0.3, 0.3]


@ALL_KINDS
def test_dropout_acts_in_training_only(settings):
    model = plain_model(**settings)
    inputs = inputs_of(model)
    without_dropout = model(inputs)
    np.testing.assert_array_equal(without_dropout, model(inputs, training=False))
    assert np.abs(model(inputs, training=True) - without_dropout).max() > 1e-4


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_an_untrained_model_guesses_uniformly(cell):
    """The loss before training is the loss of a uniform guess, log V."""
    model = plain_model(cell=cell)
    probabilities = tf.nn.softmax(model(inputs_of(model)))
    np.testing.assert_allclose(-np.log(probabilities).mean(), np.log(SIZE), atol=0.1)


@ALL_KINDS
def test_the_seed_determines_the_initial_weights(settings):
    first, second = (plain_model(**settings) for _ in range(2))
    assert [weight.path for weight in first.weights] == [weight.path for weight in second.weights]
    for arrays in zip(first.get_weights(), second.get_weights()):
        np.testing.assert_array_equal(*arrays)


def test_coverage_loss_is_added_in_training_only():
    config = ModelConfig(**SMALL, attention="coverage", coverage_loss=0.7, dropout=0.0)
    model, inputs = build(config), batch(config)
    assert np.any(inputs["target_ids"] == 0)
    _, decoded = run(model, inputs)
    assert model.losses == []
    model(as_tensors(inputs), training=True)
    (loss,) = model.losses
    expected = references.coverage_loss(decoded["attention"], inputs["target_ids"] != 0)
    np.testing.assert_allclose(loss, 0.7 * expected, rtol=1e-5)
    model(as_tensors(inputs))
    assert model.losses == []


@pytest.mark.slow  # test_teacher compares a step with coverage loss with autodiff
def test_coverage_loss_is_part_of_the_training_loss():
    """It is the only difference between two trainings of one step."""
    values = []
    for weight in (0.0, 2.0):
        config = ModelConfig(**SMALL, attention="coverage", coverage_loss=weight, dropout=0.0)
        model, inputs = build(config), batch(config)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        labels = np.ones_like(inputs["target_ids"])
        values.append(model.train_on_batch(inputs, labels))
        _, decoded = run(build(config), inputs)
    expected = references.coverage_loss(decoded["attention"], inputs["target_ids"] != 0)
    np.testing.assert_allclose(values[1] - values[0], 2.0 * expected, rtol=1e-4)


def test_coverage_loss_agrees_with_a_computation_by_hand():
    """The second step attends to 0.25 where the first did; padding costs nothing."""
    layer = coverage_loss.CoverageLoss(2.0)
    attention = tf.constant([[[0.75, 0.25, 0.0], [0.0, 0.25, 0.75], [1.0, 0.0, 0.0]]])
    result = layer(attention, np.array([[2, 5, 0]]), training=True)
    np.testing.assert_array_equal(result, attention)
    assert [float(loss) for loss in layer.losses] == [2.0 * 0.25 / 2]


@pytest.mark.parametrize(
    "settings",
    [
        {"context": "mean"},
        {"attention": "none", "context": "mean", "context_every_step": True},
        {"attention": "coverage", "coverage_loss": 1.0},
        {"attention": "luong_general", "input_feeding": False},
        {"attention": "local_m"},
        TRANSFORMER,
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_a_source_of_padding_alone_keeps_the_weights_finite(settings, eager_mode):
    model = plain_model(**settings)
    inputs = {name: np.array(tensor) for name, tensor in inputs_of(model).items()}
    inputs["source_ids"][1] = 0
    labels = inputs["target_ids"]
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert np.isfinite(model.train_on_batch(inputs, labels, sample_weight=labels != 0))
    for weight in model.weights:
        assert np.isfinite(weight.numpy()).all(), weight.path


@ALL_KINDS
@pytest.mark.parametrize("row", [[0, 4, 5, 3], [4, 0, 5, 3], [0, 0, 0, 3]], ids=str)
def test_padding_before_a_token_is_an_error(settings, row):
    model = plain_model(**settings)
    ids = {"source_ids": np.array([[4, 5, 3, 0], row]), "target_ids": np.array([[2, 5], [2, 6]])}
    message = r"padding on the right only; .*row 1, counted from 0.*pad_sequences\(.*\"post\"\)"
    with pytest.raises(ValueError, match=message):
        model(ids)
    with pytest.raises(ValueError, match=message):
        split_for_inference(model)[0]({"source_ids": ids["source_ids"]})


def test_a_mask_with_padding_before_a_step_is_an_error():
    model = build_seq2seq(ModelConfig(**SMALL, source_features=2), None, SIZE)
    inputs = {"source": np.zeros([1, 3, 2]), "source_mask": np.array([[False, True, True]])}
    with pytest.raises(ValueError, match="padding before a token or step .row 0"):
        model(as_tensors({**inputs, "target_ids": np.array([[2, 5]])}))


def test_a_saved_model_keeps_its_precision(tmp_path):
    with use_dtype_policy("mixed_bfloat16"):
        model = plain_model()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert keras.config.dtype_policy().name == "float32"
    layer = loaded.get_layer("decoder").get_layer("attention_decoder")
    assert layer.compute_dtype == layer.attention.query_projection.compute_dtype == "bfloat16"
    np.testing.assert_allclose(loaded(inputs_of(model)), model(inputs_of(model)), atol=1e-6)


def test_a_fresh_process_reads_a_keras_file(tmp_path):
    """It only has to import kseq.models.factory."""
    model = plain_model(share_embeddings=True)
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "arrays.npz", logits=model(inputs_of(model)), **inputs_of(model))
    program = """
import sys, keras, numpy as np
import kseq.models.factory
model = keras.models.load_model(sys.argv[1] + "/model.keras")
arrays = dict(np.load(sys.argv[1] + "/arrays.npz"))
np.testing.assert_allclose(arrays.pop("logits"), model(arrays), atol=1e-6)
kseq.models.factory.split_for_inference(model)
"""
    subprocess.run(
        [sys.executable, "-c", program, tmp_path], check=True, cwd=pathlib.Path(__file__).parents[1]
    )


def test_a_model_of_another_kind_cannot_be_split():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="encoder"):
        split_for_inference(model)


@pytest.mark.parametrize(
    "settings, sizes, message",
    [
        ({}, (None, 9), "expected source_vocabulary_size; .* set source_features"),
        ({}, (9, None), "expected target_vocabulary_size"),
        ({"source_features": 3}, (9, 9), "real-valued source .* received source_vocabulary_size=9"),
        ({"target_features": 3}, (9, 9), "real-valued target .* received target_vocabulary_size=9"),
        ({"share_embeddings": True}, (9, 8), "one vocabulary .* 9 source and 8 target ids"),
    ],
)
def test_unsuitable_vocabulary_sizes_are_errors(settings, sizes, message):
    with pytest.raises(ValueError, match=message):
        build_seq2seq(ModelConfig(**SMALL, **settings), *sizes)


LAYERS = [
    (attention.AdditiveAttention, {"units": 5}),
    (attention.CoverageAttention, {"units": 5}),
    (attention.MultiplicativeAttention, {"scaled": True}),
    (attention.LocalAttention, {"window": 3}),
    (attention.PredictiveLocalAttention, {"units": 5, "window": 3}),
    *((cell, {"units": 5}) for cell in cells.CELLS.values()),
    *(
        (
            decoder,
            {
                "cell": "lstm",
                "units": 5,
                "attention": "local_p",
                "layers": 2,
                "residual": True,
                "window": 3,
                "dropout": 0.3,
            },
        )
        for decoder in (
            decoders.BahdanauDecoder,
            decoders.InputFeedingDecoder,
        )
    ),
    *((layer, {"units": 5}) for layer in recurrent_layers.LAYERS.values()),
    (encoders.Halve, {}),
    (encoders.Reverse, {}),
    (model_inputs.RightPadding, {}),
    (coverage_loss.CoverageLoss, {"weight": 0.5}),
    (recurrent.RepeatContext, {}),
    (
        transformer.CachedSelfAttention,
        {"num_heads": 2, "key_dim": 3, "use_bias": False},
    ),
    (transformer.CrossAttention, {"heads": 2, "units": 6}),
    (transformer.PositionalEncoding, {}),
]


@pytest.mark.parametrize("kind, settings", LAYERS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_layer_is_rebuilt_from_its_config(kind, settings):
    settings = {**settings, "name": "something", "trainable": False}
    config = kind(**settings).get_config()
    assert {name: config[name] for name in settings} == settings
    rebuilt = kind.from_config(config)
    assert rebuilt.get_config() == config


def test_the_config_of_every_layer_is_tested():
    modules = [attention, cells, coverage_loss, decoders, encoders, factory, model_inputs]
    modules += [recurrent, recurrent_layers, teacher, transformer]
    defined = {
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, keras.layers.Layer)
        and value.__module__ == module.__name__
    }
    bases = {
        attention.Attention,
        cells.Cell,
        decoders.LoopDecoder,
    }
    whole_models = {factory.Seq2Seq, teacher.Teacher, teacher.TextTeacher, teacher.ValueTeacher}
    assert defined - bases - whole_models == {kind for kind, _ in LAYERS}
