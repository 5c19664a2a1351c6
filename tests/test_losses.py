"""What is measured, against plain NumPy."""

import numpy as np
import references

from kseq.training.losses import token_cross_entropy

rng = np.random.default_rng(0)
LABELS = np.array([[1, 4, 0], [2, 0, 0]], "int32")
LOGITS = rng.normal(size=(2, 3, 5)).astype("float32") * 3


def test_token_cross_entropy():
    expected = references.cross_entropy(LABELS, LOGITS)
    np.testing.assert_allclose(token_cross_entropy(LABELS, LOGITS), expected, rtol=1e-5)


def test_extreme_logits_stay_finite():
    logits = np.array([[[500.0, 0.0, -500.0]]], "float32")
    np.testing.assert_allclose(token_cross_entropy([[2]], logits), [[1000.0]], rtol=1e-6)
    np.testing.assert_allclose(token_cross_entropy([[0]], logits), [[0.0]], atol=1e-6)
