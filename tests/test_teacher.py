"""Teacher forcing: what is trained, and what is shown of it."""

import keras
import numpy as np
import pytest
import references
import tensorflow as tf

from kseq import ModelConfig, build_seq2seq
from kseq.models.teacher import Teacher

SMALL = {"units": 8, "embedding_dim": 6, "dropout": 0.0}
KINDS = [
    {},
    {"tie_output": True},
    {"tie_output": True, "share_embeddings": True, "embedding_dim": 8},
    {"attention": "none"},
    {"architecture": "transformer", "embedding_dim": 8, "heads": 2},
    {"attention": "coverage", "coverage_loss": 0.5},
]
ATTENTIONS = [
    *("none", "bahdanau", "coverage", "local_m", "local_p"),
    *("luong_dot", "luong_scaled_dot", "luong_general", "luong_concat"),
]
SIZE = 11
LABELS = np.array([[4, 5, 3, 0], [6, 3, 0, 0], [7, 8, 9, 3]], "int32")
WEIGHTS = (LABELS != 0).astype("float32")
INPUTS = {
    "source_ids": np.array([[4, 5, 6], [7, 3, 0], [8, 3, 0]], "int32"),
    "target_ids": np.array([[2, 4, 5, 0], [2, 6, 0, 0], [2, 7, 8, 9]], "int32"),
}


def batch(rows=slice(None), length=None):
    cut = (rows, slice(None, length))
    inputs = {"source_ids": INPUTS["source_ids"][rows], "target_ids": INPUTS["target_ids"][cut]}
    return inputs, LABELS[cut], WEIGHTS[cut]


def teaching(settings, smoothing=0.0, parts=1, optimizer="sgd"):
    keras.utils.set_random_seed(1)
    model = build_seq2seq(ModelConfig(**{**SMALL, **settings}), SIZE, SIZE)
    teacher = Teacher(model, smoothing, parts)
    teacher.compile(optimizer, jit_compile=False)
    return teacher


@pytest.mark.parametrize("parts", [1, 2, 4], ids="{} parts".format)
@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_a_step_follows_the_gradient_of_the_logits(settings, parts):
    """Against autodiff through the model's logits: the same loss, the same new weights.

    In two parts of 1 and 2 rows, or in four, of which one has none.
    """
    teacher = teaching(settings, smoothing=0.1, parts=parts)
    model = teacher.model
    inputs, labels, weights = batch()
    wanted = 0.9 * tf.one_hot(labels, SIZE) + 0.1 / SIZE
    before = [weight.numpy() for weight in model.trainable_weights]
    with tf.GradientTape() as tape:
        logits = model({name: tf.constant(each) for name, each in inputs.items()}, training=True)
        rows = -tf.reduce_sum(wanted * tf.nn.log_softmax(logits), axis=-1)
        loss = tf.reduce_sum(rows * weights) / weights.sum() + sum(model.losses)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    result = teacher.train_on_batch(inputs, labels, weights, return_dict=True)
    np.testing.assert_allclose(result["loss"], loss, rtol=1e-5)
    for weight, old, gradient in zip(model.trainable_weights, before, gradients):
        expected = old - 0.01 * tf.convert_to_tensor(gradient).numpy()
        np.testing.assert_allclose(weight, expected, atol=1e-6, err_msg=weight.path)


def dataset(*shapes):
    """Batches with so many rows and target positions."""
    batches = [batch(slice(rows), length) for rows, length in shapes]
    signature = (
        {name: tf.TensorSpec([None, None], tf.int32) for name in INPUTS},
        tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([None, None]),
    )
    stream = tf.data.Dataset.from_generator(lambda: batches, output_signature=signature)
    return stream.apply(tf.data.experimental.assert_cardinality(len(batches)))


@pytest.mark.parametrize("parts", [1, 2], ids="{} parts".format)
def test_figures_weigh_tokens_not_batches(parts):
    """Batches of another length and padding count as if all their tokens were in one."""
    teacher = teaching({}, smoothing=0.1, parts=parts)
    shapes = (1, 3), (3, 4)
    found = teacher.evaluate(dataset(*shapes), return_dict=True, verbose=0)
    expected = {name: [] for name in found}
    for rows, length in shapes:
        inputs, labels, weights = batch(slice(rows), length)
        logits, real = teacher.model(inputs).numpy(), weights > 0
        entropies = references.cross_entropy(labels, logits)[real]
        expected["loss"] += [*references.cross_entropy(labels, logits, 0.1)[real]]
        expected["cross_entropy"] += [*entropies]
        expected["accuracy"] += [*(logits.argmax(-1) == labels)[real]]
    expected = {name: np.mean(values) for name, values in expected.items() if values}
    expected["perplexity"] = np.exp(expected["cross_entropy"])
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_batch_of_one_sentence_can_be_cut(attention, cell):
    """Whatever the model is: the first of its two parts has no rows."""
    settings = {"attention": attention, "cell": cell, "encoder_layers": 2}
    whole, cut = (teaching(settings, parts=parts) for parts in (1, 2))
    for teacher in (whole, cut):
        teacher.train_on_batch(*batch(slice(1)))
    for one, other in zip(whole.model.weights, cut.model.weights, strict=True):
        assert np.isfinite(other.numpy()).all()
        np.testing.assert_allclose(one, other, atol=1e-6, err_msg=one.path)


def test_a_batch_of_padding_alone_teaches_nothing():
    inputs, labels, weights = batch()
    teacher = teaching({})
    before = teacher.model.get_weights()
    teacher.train_on_batch(inputs, labels, 0 * weights)
    for old, new in zip(before, teacher.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_validation_changes_nothing():
    teacher = teaching({})
    before = teacher.model.get_weights()
    teacher.evaluate(dataset((3, 4)), verbose=0)
    for old, new in zip(before, teacher.model.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_nothing_is_traced_anew_after_the_first_epoch():
    teacher = teaching({})
    loss_of, traces, epochs = teacher._loss_of, [], []
    teacher._loss_of = lambda *given, **options: traces.append(1) or loss_of(*given, **options)
    teacher.fit(
        dataset((3, 4), (3, 3), (2, 4), (1, 2)),
        validation_data=dataset((2, 3), (1, 4)),
        epochs=3,
        callbacks=[keras.callbacks.LambdaCallback(lambda *_: epochs.append(len(traces)))],
        shuffle=False,
        verbose=0,
    )
    traced_before_epoch = epochs
    assert traced_before_epoch[1:] == [2, 2] and len(traces) == 2
