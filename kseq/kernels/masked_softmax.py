"""The softmax of attention over source positions: float32, and exactly 0 on padding."""

import keras
import tensorflow as tf
from keras import ops


def masked_softmax(energies, mask):
    """Softmax over the last axis, in float32, and exactly 0 on padding.

    Args:
        energies: `[..., S]`.
        mask: Whether a position is real, boolean, broadcast against `energies`. Or whole numbers:
            0 on padding, 1 or 2 for positions of two groups, each of which has its own softmax.

    Returns:
        Weights `[..., S]` that sum to 1, for two groups each; a row without a real position is all
        0.
    """
    if keras.backend.standardize_dtype(mask.dtype) != "bool":
        groups = (ops.equal(mask, group) for group in (1, 2))
        return ops.add(*(masked_softmax(energies, group) for group in groups))
    energies = ops.where(mask, ops.cast(energies, "float32"), -1e9)
    return tf.nn.softmax(energies) * ops.cast(mask, "float32")
