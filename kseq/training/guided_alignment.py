"""Guided alignment: a loss that draws the attention towards given word alignments."""

import tensorflow as tf

ENOUGH = 0.5  # A word with more than half of the weight has the greatest weight.
_SMALLEST = 1e-20  # so that a weight of 0, outside the window of local attention, has a logarithm


def guided_alignment_losses(attention, alignment):
    """Returns the loss of attention that misses the linked words, `-log min(1, Σ_s A_ts α_ts / ½)`.

    It follows Chen et al. 2016 (arXiv 1607.01628), who add the cross-entropy of alignment and
    attention to the loss with a weight. Here half of the attention on the linked words is enough,
    and the rest is free to collect context: with the cross-entropy, which asks for all of it, BLEU
    is lower at the same alignment error rate. For a Transformer, the attention is the mean over
    layers and heads, from which word alignments are read too.

    Args:
        attention: Attention weights α, float32 `[B, T, S]`.
        alignment: Alignment A, float32 `[B, T, S]`: 1 for words that are linked, 0 for others.

    Returns:
        float32 `[B, T]`; 0 where there is no link.
    """
    found = tf.reduce_sum(alignment * attention, axis=-1)
    has_link = tf.reduce_any(alignment > 0, axis=-1)
    losses = -tf.math.log(tf.minimum(found / ENOUGH + _SMALLEST, 1.0))
    return tf.where(has_link, losses, tf.zeros_like(losses))
