"""Capital letters as separate marks, so that `The` and `the` are the same word."""

import tensorflow as tf

from kseq.text.rewriting import rewrite
from kseq.text.rules import (
    ATTACHING_CASE,
    CAPITAL,
    CAPITALS,
    MARKING_CASE,
    REMOVING_CASE,
    SEPARATING_CASE,
)


def mark_case(texts):
    """Replaces capitals by marks and lower-case letters; a mark before a word is a separate word.

    `The NATO` is `￪ the ＾ nato`, and `McDonald` is `￪ mc￪donald`.

    Args:
        texts: Normalised strings `[N]` without reserved characters.

    Returns:
        Strings `[N]`.
    """
    texts = _change_marked(rewrite(texts, MARKING_CASE), tf.strings.lower)
    return rewrite(texts, SEPARATING_CASE)


def restore_case(texts):
    """Undoes `mark_case`: returns strings `[N]` with capitals in place of marks.

    A model can write marks anywhere; those that no letter follows are removed.
    """
    texts = _change_marked(rewrite(texts, ATTACHING_CASE), tf.strings.upper)
    return rewrite(texts, REMOVING_CASE)


def _change_marked(texts, change):
    """Applies `change`, `tf.strings.lower` or `upper`, to the letters after marks."""
    characters = tf.strings.unicode_split(texts, "UTF-8")
    flat, starts = characters.flat_values, characters.row_starts()
    begins_row = tf.scatter_nd(starts[:, None], tf.ones_like(starts), [tf.size(flat) + 1])[:-1] > 0
    # A run is a character that is not a letter, such as a mark, and the letters after it.
    begins_run = begins_row | tf.strings.regex_full_match(flat, r"[^\p{L}\p{M}]")
    first = tf.gather(flat, tf.where(begins_run)[:, 0])
    run = tf.cumsum(tf.cast(begins_run, tf.int32)) - 1
    follows = ~begins_row & tf.concat([[False], flat == CAPITAL], axis=0)[:-1]
    changes = follows | (tf.gather(first, run) == CAPITALS)
    changed = tf.where(changes, change(flat, encoding="utf-8"), flat)
    return tf.strings.reduce_join(characters.with_flat_values(changed), axis=-1)
