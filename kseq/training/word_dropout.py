"""Word dropout: some of the words that a model reads while it is trained become UNK."""

import tensorflow as tf

from kseq.special_tokens import END, UNK


def drop_words(ids, random_numbers, rate):
    """Replaces words by UNK.

    Bowman et al. 2016 (arXiv 1511.06349), section 3.1, replace words that a decoder reads; Sennrich
    et al. 2016 (arXiv 1606.02891), section 2.3, drop words on both sides.

    Args:
        ids: `[B, T]`; START, END and PAD stay as they are.
        random_numbers: Numbers from 0 to 1, float32 `[B, T]`.
        rate: Probability that a word is replaced.

    Returns:
        Ids `[B, T]`.
    """
    return tf.where((ids > END) & (random_numbers < rate), UNK, ids)
