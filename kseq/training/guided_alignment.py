"""Guided alignment: a loss that draws the attention towards given word alignments."""

import tensorflow as tf

_SMALLEST = 1e-20  # so that a weight of 0, outside the window of local attention, has a logarithm


def guided_alignment_losses(attention, alignment):
    """Returns the cross-entropy of the attention with an alignment, `-Σ_s A_ts log α_ts`.

    Chen et al. 2016 (arXiv 1607.01628), the cross-entropy version of their alignment cost, which
    is added to the loss with a weight. For a Transformer, the attention is the mean over layers
    and heads, from which word alignments are read too.

    Args:
        attention: Attention weights α, float32 `[B, T, S]`.
        alignment: Alignment A, float32 `[B, T, S]`. For each target word, the source words that it
            is linked to have equal shares of 1; words without a link, END and padding have zeros.

    Returns:
        float32 `[B, T]`; 0 where there is no link.
    """
    return -tf.reduce_sum(alignment * tf.math.log(attention + _SMALLEST), axis=-1)
