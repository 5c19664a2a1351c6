"""The factory functions: inputs and outputs, errors, names, serialisation."""

import functools
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
from kseq.attention import additive, contract, hard, history, local, location, multiplicative
from kseq.kernels.dropout import Dropout
from kseq.models import (
    cells,
    copying,
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
from kseq.special_tokens import END, PAD
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


KERAS_DEVIATION = 0.05 / 3**0.5  # uniform within ±0.05


@pytest.mark.parametrize(
    "settings, sizes, deviations",
    [
        ({}, (500, 500), (0.03, 0.2)),
        ({}, (257, 256), (0.03, 0.5)),
        ({}, (256, 257), (0.5, 0.2)),
        ({"source_deviation": 0.4, "target_deviation": 0.6}, (500, 200), (0.4, 0.6)),
        ({"tie_output": True}, (500, 200), (0.03, KERAS_DEVIATION)),
        ({"share_embeddings": True}, (200, 200), (0.5, 0.5)),
        ({"share_embeddings": True, "source_deviation": 0.4}, (500, 500), (0.4, 0.4)),
        ({"share_embeddings": True, "tie_output": True}, (200, 200), (KERAS_DEVIATION,) * 2),
        (TRANSFORMER, (200, 200), (KERAS_DEVIATION,) * 2),
        ({**TRANSFORMER, "decoder_architecture": "recurrent"}, (200, 500), (KERAS_DEVIATION, 0.2)),
    ],
    ids=str,
)
def test_initial_embeddings_have_their_deviation(settings, sizes, deviations):
    config = ModelConfig(**{**SMALL, **settings, "embedding_dim": 64})
    model = build_seq2seq(config, *sizes)
    found = [
        float(np.std(weight.numpy()))
        for part in ("encoder", "decoder")
        for weight in model.get_layer(part).weights
        if weight.path.endswith("embedding/embeddings")
    ]
    assert found == pytest.approx(deviations, rel=0.05)


DROPOUTS = [
    (
        {"encoder_layers": 3},
        ["source_dropout", "encoder_dropout_2", "encoder_dropout_3"],
        ["target_dropout", "readout_dropout"],
    ),
    (
        {"decoder_layers": 3},
        ["source_dropout"],
        ["target_dropout", "decoder_dropout_2", "decoder_dropout_3", "readout_dropout"],
    ),
    (
        {"attention": "luong_dot", "input_feeding": False, "decoder_layers": 2},
        ["source_dropout"],
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
    inputs["target_ids"][1, 2:] = [END, PAD]
    _, decoded = run(model, inputs)
    assert model.losses == []
    model(as_tensors(inputs), training=True)
    (loss,) = model.losses
    is_step = ~np.isin(inputs["target_ids"], [END, PAD])
    expected = references.coverage_loss(decoded["attention"], is_step)
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
@pytest.mark.parametrize(
    "row",
    [
        pytest.param([0, 4, 5, 3], marks=pytest.mark.slow),
        [4, 0, 5, 3],
        pytest.param([0, 0, 0, 3], marks=pytest.mark.slow),
    ],
    ids=str,
)
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


@pytest.mark.slow  # a process of its own
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
    with pytest.raises(ValueError, match="from build_seq2seq, .* encoder .* received Sequential"):
        split_for_inference(model)


def probabilities_model(**settings):
    keras.utils.set_random_seed(1)
    return build_seq2seq(ModelConfig(**{**SMALL, **settings}), SIZE, SIZE, output="probabilities")


@pytest.mark.parametrize(
    "settings",
    [{"attention": "luong_dot", "input_feeding": False}, TRANSFORMER],
    ids=["luong", "transformer"],
)
def test_probabilities_are_the_softmax_of_the_logits(settings, tmp_path):
    model, expected = probabilities_model(**settings), plain_model(**settings)
    logits = expected(inputs_of(model))
    probabilities = model(inputs_of(model))
    assert probabilities.dtype == tf.float32
    np.testing.assert_allclose(probabilities, tf.nn.softmax(logits), atol=1e-6)
    _, step = split_for_inference(model)
    assert "logits" in step.output and "probabilities" not in step.output
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(inputs_of(model)), probabilities, atol=1e-6)


def test_probabilities_are_float32_in_a_model_of_low_precision():
    with use_dtype_policy("mixed_bfloat16"):
        model = probabilities_model()
    probabilities = model(inputs_of(model))
    assert probabilities.dtype == tf.float32
    np.testing.assert_allclose(tf.reduce_sum(probabilities, axis=-1), 1.0, atol=1e-6)


LOGITS_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def test_the_line_of_the_tutorials_trains_like_the_loss_of_the_logits(eager_mode):
    """`loss="categorical_crossentropy"` on probabilities and one-hot labels."""
    models = plain_model(dropout=0.0), probabilities_model(dropout=0.0)
    inputs = inputs_of(models[0])
    labels = np.roll(inputs["target_ids"], -1, axis=1)
    models[0].compile(optimizer="rmsprop", loss=LOGITS_LOSS)
    models[1].compile(optimizer="rmsprop", loss="categorical_crossentropy")
    losses = [
        models[0].train_on_batch(inputs, labels),
        models[1].train_on_batch(inputs, keras.utils.to_categorical(labels, SIZE)),
    ]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for weights in zip(*(model.get_weights() for model in models)):
        np.testing.assert_allclose(*weights, atol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"loss": "categorical_crossentropy"},
        {"loss": "sparse_categorical_crossentropy"},
        {"loss": "crossentropy"},
        {"loss": keras.losses.categorical_crossentropy},
        {"loss": keras.losses.CategoricalCrossentropy()},
        {"loss": [keras.losses.SparseCategoricalCrossentropy()]},
        {"loss": LOGITS_LOSS, "metrics": [keras.metrics.SparseCategoricalCrossentropy()]},
        {"loss": LOGITS_LOSS, "weighted_metrics": ["accuracy", "ce"]},
    ],
)
def test_a_loss_of_probabilities_on_logits_is_an_error(arguments):
    with pytest.raises(
        ValueError,
        match=r"expects probabilities, but the model returns logits. For ids as labels use "
        r"loss=keras.losses.SparseCategoricalCrossentropy\(from_logits=True\), for one-hot labels "
        r'loss=keras.*; or build the model with output="probabilities"',
    ):
        plain_model().compile("rmsprop", **arguments)


def test_a_loss_of_logits_on_probabilities_is_an_error():
    with pytest.raises(
        ValueError,
        match="SparseCategoricalCrossentropy expects logits, but the model returns probabilities"
        '. For ids as labels use loss="sparse_categorical_crossentropy", for one-hot labels '
        'loss="categorical_crossentropy"; or build the model with output="logits"',
    ):
        probabilities_model().compile("rmsprop", LOGITS_LOSS)


def test_other_losses_and_metrics_are_left_to_keras():
    def own_loss(labels, outputs, from_logits=None):
        return keras.ops.mean(outputs, axis=-1)

    model = plain_model()
    model.compile("sgd", own_loss, metrics=["accuracy", keras.metrics.Mean()])
    model.compile("sgd", functools.partial(keras.losses.binary_crossentropy, from_logits=True))
    model.compile("sgd", "nonsense")  # an error of `fit`
    model.compile("sgd")
    values = build_seq2seq(ModelConfig(**SMALL, target_features=2), SIZE)
    values.compile("sgd", "binary_crossentropy")


@pytest.mark.parametrize(
    "output, loss, one_hot, message",
    [
        (
            *("probabilities", "categorical_crossentropy", False),
            r"categorical_crossentropy expects one-hot labels \[B, T, V\]; received ids of shape "
            r'.*\b4\). For these labels .* loss="sparse_categorical_crossentropy"',
        ),
        (
            *("probabilities", "sparse_categorical_crossentropy", True),
            r"expects ids \[B, T\] as labels; received one-hot labels of shape .*"
            'with loss="categorical_crossentropy"',
        ),
        (
            *("logits", keras.losses.CategoricalCrossentropy(from_logits=True), False),
            r"one-hot .*loss=keras.losses.SparseCategoricalCrossentropy\(from_logits=True\)",
        ),
        (
            *("logits", LOGITS_LOSS, True),
            r"ids .*with loss=keras.losses.CategoricalCrossentropy\(from_logits=True\)",
        ),
    ],
)
def test_labels_that_do_not_fit_the_loss_are_an_error(output, loss, one_hot, message):
    model = build_seq2seq(ModelConfig(**SMALL), SIZE, SIZE, output)
    model.compile("rmsprop", loss)
    labels = np.array(inputs_of(model)["target_ids"])
    with pytest.raises(ValueError, match=message):
        model.fit(inputs_of(model), keras.utils.to_categorical(labels, SIZE) if one_hot else labels)


def test_a_compiled_model_is_read_with_its_loss_and_optimizer(tmp_path, eager_mode):
    model = plain_model()
    model.compile("adam", LOGITS_LOSS, metrics=["accuracy"])
    inputs = inputs_of(model)
    model.train_on_batch(inputs, inputs["target_ids"])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.loss.from_logits and loaded.optimizer.iterations == 1
    losses = [other.evaluate(inputs, inputs["target_ids"], verbose=0) for other in (model, loaded)]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5"])
def test_a_format_that_cannot_be_read_again_is_not_written(tmp_path, name):
    model = plain_model()
    for path in (tmp_path / name, str(tmp_path / name)):
        with pytest.raises(ValueError, match=f"ends in .keras; received .*{name}"):
            model.save(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "output, settings, message",
    [
        ("softmax", {}, "output must be 'logits' or 'probabilities'; received 'softmax'"),
        ("probabilities", {"target_features": 2}, "output='probabilities' is for text"),
    ],
)
def test_an_unsuitable_output_is_an_error(output, settings, message):
    with pytest.raises(ValueError, match=message):
        build_seq2seq(ModelConfig(**SMALL, **settings), SIZE, None if settings else SIZE, output)


@ALL_KINDS
@pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match")
def test_a_clone_by_keras_computes_the_same_and_cannot_be_split(settings):
    model = plain_model(**settings)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_allclose(clone(inputs_of(model)), model(inputs_of(model)), atol=1e-6)
    with pytest.raises(ValueError, match="received Functional 'seq2seq' .copy .* copy.deepcopy"):
        split_for_inference(clone)


@pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match")
def test_a_decoder_is_read_from_its_own_file(tmp_path):
    inputs = as_tensors(batch(ModelConfig(**SMALL)))
    encoded = build_encoder(ModelConfig(**SMALL), SIZE)({"source_ids": inputs["source_ids"]})
    decoder = build_decoder(ModelConfig(**SMALL), SIZE)
    decoder.save(tmp_path / "decoder.keras")
    loaded = keras.models.load_model(tmp_path / "decoder.keras")
    logits = [
        part({"target_ids": inputs["target_ids"], **encoded})["logits"]
        for part in (decoder, loaded)
    ]
    np.testing.assert_allclose(*logits, atol=1e-6)


@pytest.mark.parametrize(
    "settings, sizes, message",
    [
        ({}, (None, 9), "expected source_vocabulary_size; .* set source_features"),
        ({}, (9, None), "expected target_vocabulary_size"),
        ({"source_features": 3}, (9, 9), "real-valued source .* received source_vocabulary_size=9"),
        ({"target_features": 3}, (9, 9), "real-valued target .* received target_vocabulary_size=9"),
        ({"share_embeddings": True}, (9, 8), "one vocabulary .* 9 source and 8 target ids"),
        ({"copy": True}, (9, 8), "copy needs one vocabulary .* 9 source and 8 target ids"),
    ],
)
def test_unsuitable_vocabulary_sizes_are_errors(settings, sizes, message):
    with pytest.raises(ValueError, match=message):
        build_seq2seq(ModelConfig(**SMALL, **settings), *sizes)


SCORE = contract.Mechanism(multiplicative.MultiplicativeAttention, {"scaled": True})
LAYERS = [
    (additive.AdditiveAttention, {"units": 5}),
    (history.CoverageAttention, {"units": 5}),
    (history.LocationAwareAttention, {"units": 5, "filters": 2, "filter_width": 3}),
    (location.LocationAttention, {"positions": 7}),
    (multiplicative.MultiplicativeAttention, {"scaled": True}),
    (multiplicative.TrainedQueryAttention, {}),
    (local.LocalAttention, {"window": 3, "score": SCORE}),
    (local.PredictiveLocalAttention, {"units": 5, "window": 3, "score": SCORE}),
    *((kind, {}) for kind in (hard.HardAttention, hard.MonotonicHardAttention)),
    (hard.FirstOrderHardAttention, {"window": 3, "monotonic": True}),
    (hard.PositionReadout, {"units": 5}),
    *((cell, {"units": 5}) for cell in cells.CELLS.values()),
    *(
        (
            decoder,
            {
                "cell": "lstm",
                "units": 5,
                "attention": contract.Mechanism(
                    local.PredictiveLocalAttention,
                    {"units": 5, "window": 3, "score": SCORE},
                    follows_cell=True,
                ),
                "layers": 2,
                "residual": True,
                "dropout": 0.3,
            },
        )
        for decoder in (
            decoders.BahdanauDecoder,
            decoders.ContextFeedingDecoder,
            decoders.InputFeedingDecoder,
        )
    ),
    *((layer, {"units": 5}) for layer in recurrent_layers.LAYERS.values()),
    (encoders.Halve, {}),
    (encoders.Reverse, {}),
    (model_inputs.RightPadding, {}),
    (copying.PointerGenerator, {}),
    (coverage_loss.CoverageLoss, {"weight": 0.5}),
    (recurrent.RepeatContext, {}),
    (recurrent.Maxout, {}),
    (
        transformer.CachedSelfAttention,
        {"num_heads": 2, "key_dim": 3, "use_bias": False},
    ),
    (transformer.CrossAttention, {"heads": 2, "units": 6}),
    (transformer.LastPosition, {}),
    (transformer.PositionalEncoding, {}),
]


@pytest.mark.parametrize("kind, settings", LAYERS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_layer_is_rebuilt_from_its_config(kind, settings):
    settings = {**settings, "name": "something", "trainable": False}
    config = kind(**settings).get_config()
    expected = keras.saving.serialize_keras_object(settings)
    assert {name: config[name] for name in settings} == expected
    rebuilt = kind.from_config(config)
    assert rebuilt.get_config() == config


def test_the_config_of_every_layer_is_tested():
    modules = [additive, contract, hard, history, local, location, multiplicative]
    modules += [cells, copying, coverage_loss, decoders, encoders, factory, model_inputs]
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
        contract.Attention,
        history.HistoryAttention,
        cells.Cell,
        decoders.LoopDecoder,
    }
    never_saved = {recurrent_layers._Float32}
    with_a_cell = {recurrent_layers.CellRNN}  # tests/test_own_parts.py
    whole_models = {factory.Seq2Seq, teacher.Teacher, teacher.TextTeacher, teacher.ValueTeacher}
    untested = bases | never_saved | with_a_cell | whole_models
    assert defined - untested == {kind for kind, _ in LAYERS}
