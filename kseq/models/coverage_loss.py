"""The coverage loss, a layer that adds to the training loss."""

import keras
import tensorflow as tf

from kseq.special_tokens import END, PAD


@keras.saving.register_keras_serializable("kseq")
class CoverageLoss(keras.layers.Layer):
    """Adds `λ Σ_j min(a_j, cov_j)`, averaged over target positions, to the training loss.

    See et al. 2017 (arXiv 1704.04368), equations 12 and 13: a step is penalised for attending to a
    position that earlier steps attended to.

    Args:
        weight: The λ.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, weight, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, attention, target_ids, training=False):
        """Returns the attention `[B, T, S]` unchanged; no step after the last one has a loss.

        In a shorter row of a batch, the ids `[B, T]` that the decoder reads end with END and PAD.
        """
        if training:
            coverage = tf.cumsum(attention, axis=1, exclusive=True)
            losses = tf.reduce_sum(tf.minimum(attention, coverage), axis=-1)
            real = tf.cast((target_ids != PAD) & (target_ids != END), losses.dtype)
            mean = tf.math.divide_no_nan(tf.reduce_sum(losses * real), tf.reduce_sum(real))
            self.add_loss(self.weight * mean)
        return attention

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "weight": self.weight}
