"""The loss and the metrics for Keras' own `fit`, compared with plain NumPy."""

import keras
import numpy as np
import pytest

from kseq import MaskedAccuracy, MaskedCrossEntropy, ModelConfig, Perplexity, build_seq2seq
from kseq.special_tokens import PAD

LABELS = np.array([[2, 1, 3, PAD], [4, PAD, PAD, PAD]])
SENTENCES = np.array([0.5, 2.0])  # weights


def make_logits(seed=1):
    return np.random.default_rng(seed).normal(size=(2, 4, 5)).astype("float32")


def losses_of(logits, smoothing=0.0):
    """The cross-entropy of each label with its smoothed distribution, by definition."""
    exponentials = np.exp(logits.astype("float64"))
    probabilities = exponentials / exponentials.sum(axis=-1, keepdims=True)
    expected = (1 - smoothing) * np.eye(5)[LABELS] + smoothing / 5
    return -(expected * np.log(probabilities)).sum(axis=-1)


def mean(values, weights=None):
    is_real = (LABELS != PAD) * (1.0 if weights is None else weights)
    return (values * is_real).sum() / is_real.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, SENTENCES], ids=["none", "sentences"])
def test_the_loss_is_the_mean_over_real_labels(smoothing, weights):
    logits = make_logits()
    loss = MaskedCrossEntropy(smoothing)(LABELS, logits, weights)
    expected = mean(losses_of(logits, smoothing), None if weights is None else weights[:, None])
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    logits[LABELS == PAD] = 50 * make_logits(2)[LABELS == PAD]
    assert float(MaskedCrossEntropy(smoothing)(LABELS, logits, weights)) == float(loss)


def test_metrics_are_means_over_the_tokens_of_all_batches():
    batches = [(LABELS, make_logits(seed)) for seed in (1, 2)]
    weights = np.array([[1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    accuracy, perplexity = MaskedAccuracy(), Perplexity()
    for labels, logits in batches:
        accuracy.update_state(labels, logits, weights)
        perplexity.update_state(labels, logits)
    correct = np.mean([mean(logits.argmax(-1) == LABELS, weights) for _, logits in batches])
    assert float(accuracy.result()) == pytest.approx(correct)
    entropy = np.mean([mean(losses_of(logits)) for _, logits in batches])
    assert float(perplexity.result()) == pytest.approx(np.exp(entropy), rel=1e-6)


def test_a_compiled_model_is_saved_with_them(tmp_path):
    model = build_seq2seq(ModelConfig(units=4, embedding_dim=2), 5, 5)
    model.compile("adam", MaskedCrossEntropy(0.1), weighted_metrics=[MaskedAccuracy()])
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.loss, MaskedCrossEntropy) and loaded.loss.label_smoothing == 0.1


def test_a_model_of_probabilities_refuses_them():
    model = build_seq2seq(ModelConfig(units=4, embedding_dim=2), 5, 5, output="probabilities")
    with pytest.raises(ValueError, match="masked_cross_entropy|MaskedCrossEntropy expects logits"):
        model.compile("adam", MaskedCrossEntropy())
