"""The softmax of attention over source positions: float32, and exactly 0 on padding."""

import tensorflow as tf
from keras import ops


def masked_softmax(energies, mask):
    """Softmax over the last axis, in float32, and exactly 0 on padding.

    Args:
        energies: `[..., S]`.
        mask: Whether a position is real, boolean, broadcast against `energies`.

    Returns:
        Weights `[..., S]` that sum to 1; a row without a real position is all 0.
    """
    energies = ops.where(mask, ops.cast(energies, "float32"), -1e9)
    return tf.nn.softmax(energies) * ops.cast(mask, "float32")
