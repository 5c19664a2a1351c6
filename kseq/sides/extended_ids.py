"""Ids of tokens outside the vocabulary, for models that copy tokens of the source.

A codec gives each unknown token an *open id*: V or more, made from a hash of the token. Both sides
have one vocabulary, so a token has the same open id on both. In a batch, the open ids of a source
and its target become *extended ids*: an unknown token that first occurs at position j of the source
is `V + j`, See et al. 2017 (arXiv 1704.04368), section 2.2. What the source does not have is UNK.
"""

import tensorflow as tf

from kseq.special_tokens import PAD, UNK


def open_ids(tokens, ids, size):
    """Returns ids with open ids instead of UNK, int32.

    Args:
        tokens: The tokens, strings of any shape.
        ids: Their ids in the vocabulary, int32.
        size: Size of the vocabulary V.
    """
    hashes = tf.strings.to_hash_bucket_fast(tokens, tf.int32.max - size)
    return tf.where(ids == UNK, size + tf.cast(hashes, tf.int32), ids)


def extended_ids(ids, source_ids, size):
    """Returns open ids as extended ids, int32 `[B, T]`.

    Args:
        ids: Ids of the source or of the target, int32 `[B, T]`; some may be open.
        source_ids: Ids of the source, int32 `[B, S]`; some may be open.
        size: Size of the vocabulary V.
    """
    # The search for a maximum needs a column.
    source_ids = tf.pad(source_ids, [[0, 0], [0, 1]], constant_values=PAD)
    is_same = ids[:, :, None] == source_ids[:, None]
    first = tf.argmax(is_same, axis=2, output_type=tf.int32)
    copied = tf.where(tf.reduce_any(is_same, axis=2), size + first, UNK)
    return tf.where(ids < size, ids, copied)


def extended_tokens(ids, tokens, source_tokens, size):
    """Returns the tokens of extended ids, strings `[B, ...]`.

    Args:
        ids: Extended ids, int32 `[B, ...]`.
        tokens: All tokens of the vocabulary, strings `[V]`.
        source_tokens: Tokens of the sources, strings `[B, S]`.
        size: Size of the vocabulary V.
    """
    is_known = ids < size
    # The gather needs a column, even if there are no tokens.
    columns = tf.pad(source_tokens, [[0, 0], [0, 1]])
    copied = tf.gather(columns, tf.where(is_known, 0, ids - size), batch_dims=1)
    return tf.where(is_known, tf.gather(tokens, tf.where(is_known, ids, UNK)), copied)
