"""Teacher forcing: training steps and metrics."""

import warnings

import keras
import numpy as np
import pytest
import references
import tensorflow as tf

from kseq import ModelConfig, build_seq2seq
from kseq.models.factory import use_dtype_policy
from kseq.training.teacher import TextTeacher, ValueTeacher

SMALL = {"units": 8, "embedding_dim": 6, "dropout": 0.0}
KINDS = [
    {},
    {"tie_output": True},
    {"tie_output": True, "share_embeddings": True, "embedding_dim": 8},
    {"attention": "none"},
    {"architecture": "transformer", "embedding_dim": 8, "heads": 2},
    {"copy": True},
    {"attention": "hard", "monotonic": True},
    {"attention": "coverage", "coverage_loss": 0.5},
]
ATTENTIONS = [
    *("none", "bahdanau", "coverage", "location_aware", "local_m", "local_p"),
    *("location", "trained_query"),
    *("luong_dot", "luong_scaled_dot", "luong_general", "luong_concat"),
]
SIZE = 11
# Of 3 rows, 1 part has 3; 2 parts have 1 and 2; 4 parts have 0, 1, 1 and 1.
PARTS = [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)]
LABELS = np.array([[4, 5, 3, 0], [6, 3, 0, 0], [7, 8, 9, 3]], "int32")
WEIGHTS = (LABELS != 0).astype("float32")
VALUES = np.random.default_rng(0).uniform(0.1, 0.9, (2, 3, 4, 2)).astype("float32")
INPUTS = {
    "source_ids": np.array([[4, 5, 6], [7, 3, 0], [8, 3, 0]], "int32"),
    "target_ids": np.array([[2, 4, 5, 0], [2, 6, 0, 0], [2, 7, 8, 9]], "int32"),
}


def batch(rows=slice(None), length=None):
    index = (rows, slice(None, length))
    inputs = {"source_ids": INPUTS["source_ids"][rows], "target_ids": INPUTS["target_ids"][index]}
    return inputs, LABELS[index], WEIGHTS[index]


def make_teacher(settings, smoothing=0.0, parts=1, optimizer="sgd"):
    keras.utils.set_random_seed(1)
    model = build_seq2seq(ModelConfig(**{**SMALL, **settings}), SIZE, SIZE)
    teacher = TextTeacher(model, smoothing, parts)
    teacher.compile(optimizer, jit_compile=False)
    return teacher


def make_value_teacher(activation, parts):
    keras.utils.set_random_seed(1)
    settings = {**SMALL, "target_features": 2, "target_activation": activation}
    teacher = ValueTeacher(build_seq2seq(ModelConfig(**settings), SIZE), parts)
    teacher.compile("sgd", jit_compile=False)
    return teacher


def value_errors(activation, labels, outputs):
    if activation == "linear":
        return tf.reduce_mean(tf.square(labels - outputs), axis=-1)
    log = tf.math.log
    return -tf.reduce_mean(labels * log(outputs) + (1 - labels) * log(1 - outputs), axis=-1)


def check_step(teacher, loss_of, data):
    """Checks a step against autodiff of `loss_of`: same loss, same new weights."""
    weights = teacher.model.trainable_weights
    before = [weight.numpy() for weight in weights]
    with tf.GradientTape() as tape:
        loss = loss_of()
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    result = teacher.train_on_batch(*data, return_dict=True)
    np.testing.assert_allclose(result["loss"], loss, rtol=1e-5)
    for weight, old, gradient in zip(weights, before, gradients, strict=True):
        expected = old - 0.01 * tf.convert_to_tensor(gradient).numpy()
        np.testing.assert_allclose(weight, expected, atol=1e-6, err_msg=weight.path)


@pytest.mark.parametrize("parts", PARTS, ids="{} parts".format)
@pytest.mark.parametrize(
    "settings",
    # A matrix that is shared and tied, a Transformer and an added loss include the other kinds.
    [
        pytest.param(kind, marks=[pytest.mark.slow] * (n in (0, 1, 3)))
        for n, kind in enumerate(KINDS)
    ],
    ids=str,
)
def test_a_step_follows_the_gradient_of_the_logits(settings, parts, mode):
    teacher = make_teacher(settings, smoothing=0.1, parts=parts)
    model = teacher.model
    inputs, labels, weights = batch()
    distribution = 0.9 * tf.one_hot(labels, SIZE) + 0.1 / SIZE

    def loss():
        logits = model({name: tf.constant(array) for name, array in inputs.items()}, training=True)
        # A model that copies may also give probability to words that its sources add.
        log_probabilities = tf.nn.log_softmax(logits)[..., :SIZE]
        rows = -tf.reduce_sum(distribution * log_probabilities, axis=-1)
        return tf.reduce_sum(rows * weights) / weights.sum() + sum(model.losses)

    check_step(teacher, loss, (inputs, labels, weights))


@pytest.mark.parametrize("mode", ["graph"], indirect=True)
def test_a_step_in_a_graph_follows_the_gradient_of_the_logits(mode):
    """With coverage, whose loss is added, and two parts."""
    test_a_step_follows_the_gradient_of_the_logits(KINDS[-1], 2, mode)


def test_a_precision_set_by_the_user_does_not_change_a_step(eager_mode):
    model = build_seq2seq(ModelConfig(**SMALL), SIZE, SIZE)
    with use_dtype_policy("mixed_float16"):
        teacher = TextTeacher(model)
        teacher.compile("sgd")
    inputs, labels, weights = batch()

    def loss():
        rows = model.target_side.losses(labels, model(inputs, training=True))
        return tf.reduce_sum(rows * weights) / weights.sum()

    check_step(teacher, loss, (inputs, labels, weights))


@pytest.mark.parametrize("parts", PARTS, ids="{} parts".format)
@pytest.mark.parametrize("activation", ["linear", "sigmoid"])
def test_a_step_follows_the_gradient_of_the_value_errors(activation, parts, mode):
    teacher = make_value_teacher(activation, parts)
    inputs = {"source_ids": INPUTS["source_ids"], "target": VALUES[0]}

    def loss():
        errors = value_errors(activation, VALUES[1], teacher.model(inputs, training=True))
        return tf.reduce_sum(errors * WEIGHTS) / WEIGHTS.sum()

    check_step(teacher, loss, (inputs, VALUES[1], WEIGHTS))


def make_dataset(batches):
    """A dataset of batches, whose numbers of rows and target positions may differ."""
    signature = tf.nest.map_structure(
        lambda array: tf.TensorSpec([None, None, *array.shape[2:]], array.dtype), batches[0]
    )
    stream = tf.data.Dataset.from_generator(lambda: batches, output_signature=signature)
    return stream.apply(tf.data.experimental.assert_cardinality(len(batches)))


def batches_of_shapes(*shapes):
    """A dataset of batches with these numbers of rows and target positions."""
    return make_dataset([batch(slice(rows), length) for rows, length in shapes])


@pytest.mark.parametrize("parts", [1, 2], ids="{} parts".format)
def test_metrics_are_means_over_tokens_not_over_batches(parts, mode):
    """Batches of different lengths and padding count as if all tokens were in one batch."""
    teacher = make_teacher({}, smoothing=0.1, parts=parts)
    shapes = (1, 3), (3, 4)
    metrics = teacher.evaluate(batches_of_shapes(*shapes), return_dict=True, verbose=0)
    expected = {name: [] for name in metrics}
    for rows, length in shapes:
        inputs, labels, weights = batch(slice(rows), length)
        logits, real = teacher.model(inputs).numpy(), weights > 0
        entropies = references.cross_entropy(labels, logits)[real]
        expected["loss"] += [*references.cross_entropy(labels, logits, 0.1)[real]]
        expected["cross_entropy"] += [*entropies]
        expected["accuracy"] += [*(logits.argmax(-1) == labels)[real]]
    expected = {name: np.mean(values) for name, values in expected.items() if values}
    expected["perplexity"] = np.exp(expected["cross_entropy"])
    assert metrics == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("parts", PARTS, ids="{} parts".format)
@pytest.mark.parametrize("activation", ["linear", pytest.param("sigmoid", marks=pytest.mark.slow)])
def test_value_metrics_are_means_over_steps_not_over_batches(activation, parts, mode):
    teacher = make_value_teacher(activation, parts)
    batches, expected = [], []
    for rows, length in [(1, 3), (3, 4)]:
        target, labels = VALUES[:, :rows, :length]
        weights = WEIGHTS[:rows, :length]
        inputs = {"source_ids": INPUTS["source_ids"][:rows], "target": target}
        batches.append((inputs, labels, weights))
        expected += [*value_errors(activation, labels, teacher.model(inputs)).numpy()[weights > 0]]
    metrics = teacher.evaluate(make_dataset(batches), return_dict=True, verbose=0)
    name = "mean_squared_error" if activation == "linear" else "binary_cross_entropy"
    assert metrics == pytest.approx(dict.fromkeys(("loss", name), np.mean(expected)), rel=1e-5)


@pytest.mark.parametrize(
    "attention, cell",
    [
        # Cells and attention do not depend on each other: `make test` tries two pairs.
        pytest.param(attention, cell, marks=[pytest.mark.slow] * (row != 4 * column or row == 4))
        for row, attention in enumerate(ATTENTIONS)
        for column, cell in enumerate(("rnn", "gru", "lstm"))
    ],
)
def test_a_batch_of_one_sentence_can_be_split(attention, cell, mode):
    """Its first part has no rows, which every model must accept."""
    settings = {"attention": attention, "cell": cell, "encoder_layers": 2}
    whole_batch, split_batch = (make_teacher(settings, parts=parts) for parts in (1, 2))
    for teacher in (whole_batch, split_batch):
        teacher.train_on_batch(*batch(slice(1)))
    for expected, weight in zip(whole_batch.model.weights, split_batch.model.weights, strict=True):
        assert np.isfinite(weight.numpy()).all()
        np.testing.assert_allclose(expected, weight, atol=1e-6, err_msg=expected.path)


def test_a_batch_of_padding_changes_no_weights(mode):
    inputs, labels, weights = batch()
    teacher = make_teacher({})
    before = teacher.model.get_weights()
    teacher.train_on_batch(inputs, labels, 0 * weights)
    for old, new in zip(before, teacher.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_validation_changes_no_weights(mode):
    teacher = make_teacher({})
    before = teacher.model.get_weights()
    teacher.evaluate(batches_of_shapes((3, 4)), verbose=0)
    for old, new in zip(before, teacher.model.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_no_graph_is_traced_again_after_the_first_epoch():
    teacher = make_teacher({})
    batch_loss, traces, traces_before_epoch = teacher._batch_loss, [], []
    teacher._batch_loss = lambda *data, **options: traces.append(1) or batch_loss(*data, **options)
    teacher.fit(
        batches_of_shapes((3, 4), (3, 3), (2, 4), (1, 2)),
        validation_data=batches_of_shapes((2, 3), (1, 4)),
        epochs=3,
        callbacks=[
            keras.callbacks.LambdaCallback(lambda *_: traces_before_epoch.append(len(traces)))
        ],
        shuffle=False,
        verbose=0,
    )
    assert traces_before_epoch[1:] == [2, 2] and len(traces) == 2


def test_the_step_that_finds_no_data_changes_nothing():
    """With it, Keras finds the end of an epoch whose number of batches it does not know."""
    teacher = make_teacher({"dropout": 0.5})
    seeds = [weight for weight in teacher.model.variables if "seed" in weight.path]
    before = [np.array(weight) for weight in seeds]
    batches = batches_of_shapes((3, 4), (3, 3)).filter(lambda *_: True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras, about the end
        teacher.fit(batches, epochs=2, shuffle=False, verbose=0)
    assert int(teacher.optimizer.iterations) == 4
    steps = {int((np.array(seed) - old).max()) for seed, old in zip(seeds, before)}
    assert len(seeds) > 1 and max(steps) == 4
