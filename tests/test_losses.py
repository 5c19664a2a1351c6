"""Cross-entropy and metrics against plain NumPy."""

import keras
import numpy as np
import pytest
import references
import tensorflow as tf

from kseq import ModelConfig
from kseq.models.losses import CrossEntropy, objective, token_accuracy, token_cross_entropy

rng = np.random.default_rng(0)
LABELS = np.array([[1, 4, 0], [2, 0, 0]], "int32")
LOGITS = rng.normal(size=(2, 3, 5)).astype("float32") * 3
WEIGHTS = np.array([[1, 1, 1], [1, 0, 0]], "float32")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_value(smoothing):
    expected = references.cross_entropy(LABELS, LOGITS, smoothing)
    np.testing.assert_allclose(token_cross_entropy(LABELS, LOGITS, smoothing), expected, rtol=1e-5)


def test_accuracy():
    np.testing.assert_array_equal(
        token_accuracy(LABELS, LOGITS), np.argmax(LOGITS, axis=-1) == LABELS
    )
    right = np.eye(5, dtype="float32")[LABELS]
    assert token_accuracy(LABELS, right).numpy().all()
    # Logits of half precision are often equal: one of them is the answer, not all.
    assert sum(token_accuracy([[label]], np.zeros((1, 1, 5))).numpy() for label in range(5)) == 1


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradient_agrees_with_autodiff(smoothing):
    logits = tf.constant(LOGITS)
    target = (1 - smoothing) * tf.one_hot(LABELS, 5) + smoothing / 5
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        ours = tf.reduce_sum(token_cross_entropy(LABELS, logits, smoothing) * WEIGHTS)
        plain = -tf.reduce_sum(target * tf.nn.log_softmax(logits) * WEIGHTS[..., None])
    np.testing.assert_allclose(tape.gradient(ours, logits), tape.gradient(plain, logits), atol=1e-6)


def test_extreme_logits_stay_finite():
    logits = np.array([[[500.0, 0.0, -500.0]]], "float32")
    np.testing.assert_allclose(token_cross_entropy([[2]], logits), [[1000.0]], rtol=1e-6)
    np.testing.assert_allclose(token_cross_entropy([[0]], logits), [[0.0]], atol=1e-6)


def test_loss_is_the_mean_over_real_tokens():
    expected = references.cross_entropy(LABELS, LOGITS)
    expected = (expected * WEIGHTS).sum() / WEIGHTS.sum()
    loss = CrossEntropy()(LABELS, LOGITS, sample_weight=WEIGHTS)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_what_stands_in_padding_moves_nothing():
    moved = np.where(WEIGHTS[..., None] > 0, LOGITS, LOGITS + rng.normal(size=LOGITS.shape) * 10)
    for function in (CrossEntropy(0.1), *objective(ModelConfig())[1]):
        results = []
        for logits in (LOGITS, moved.astype("float32")):
            if isinstance(function, keras.losses.Loss):
                results.append(float(function(LABELS, logits, sample_weight=WEIGHTS)))
            else:
                function.reset_state()
                function.update_state(LABELS, logits, sample_weight=WEIGHTS)
                results.append(float(function.result()))
        assert results[0] == results[1]


def test_metrics_weigh_tokens_not_batches():
    """Two batches, of another length and padding: as if their four real tokens were in one."""
    entropies = references.cross_entropy(LABELS, LOGITS)
    correct = LOGITS.argmax(-1) == LABELS
    expected = [(values * WEIGHTS).sum() / 4 for values in (entropies, correct)]
    expected.append(np.exp(expected[0]))
    for metric, value in zip(objective(ModelConfig())[1], expected):
        metric.update_state(LABELS[:1], LOGITS[:1], WEIGHTS[:1])
        metric.update_state(LABELS[1:, :2], LOGITS[1:, :2], WEIGHTS[1:, :2])
        np.testing.assert_allclose(metric.result(), value, rtol=1e-5)


def test_round_trip_of_the_loss():
    loss = CrossEntropy(0.2)
    assert CrossEntropy.from_config(loss.get_config()).label_smoothing == 0.2
