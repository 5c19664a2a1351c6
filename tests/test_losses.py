"""What is measured, against plain NumPy."""

import numpy as np
import pytest
import references

from kseq import ModelConfig
from kseq.models.losses import token_cross_entropy, value_objective

rng = np.random.default_rng(0)
LABELS = np.array([[1, 4, 0], [2, 0, 0]], "int32")
LOGITS = rng.normal(size=(2, 3, 5)).astype("float32") * 3
WEIGHTS = np.array([[1, 1, 1], [1, 0, 0]], "float32")


def test_token_cross_entropy():
    expected = references.cross_entropy(LABELS, LOGITS)
    np.testing.assert_allclose(token_cross_entropy(LABELS, LOGITS), expected, rtol=1e-5)


def test_extreme_logits_stay_finite():
    logits = np.array([[[500.0, 0.0, -500.0]]], "float32")
    np.testing.assert_allclose(token_cross_entropy([[2]], logits), [[1000.0]], rtol=1e-6)
    np.testing.assert_allclose(token_cross_entropy([[0]], logits), [[0.0]], atol=1e-6)


@pytest.mark.parametrize("activation", ["linear", "sigmoid"])
def test_values_weigh_steps_not_batches(activation):
    """Two batches, of another length and padding: as if their four real steps were in one."""
    values = rng.uniform(0.1, 0.9, (2, 2, 3, 4)).astype("float32")
    labels, outputs = values
    errors = np.square(labels - outputs)
    if activation == "sigmoid":
        errors = -labels * np.log(outputs) - (1 - labels) * np.log(1 - outputs)
    errors = errors.mean(axis=-1) * WEIGHTS
    config = ModelConfig(target_features=4, target_activation=activation)
    loss, metric = value_objective(config)
    np.testing.assert_allclose(loss(labels, outputs, WEIGHTS), errors.sum() / 4, rtol=1e-5)
    metric.update_state(labels[:1], outputs[:1], WEIGHTS[:1])
    metric.update_state(labels[1:, :2], outputs[1:, :2], WEIGHTS[1:, :2])
    np.testing.assert_allclose(metric.result(), errors.sum() / 4, rtol=1e-5)
