"""Capital letters as marks of their own, so that `The` and `the` are one word of a vocabulary."""

import tensorflow as tf

# Characters that NFKC turns into others, so that no normalised text can hold them.
CAPITAL = "￪"  # the next letter is a capital
CAPITALS = "＾"  # so are all letters up to the end of the word, or to
LOWER = "￬"

_UPPER = r"[^\P{Lu}İẞ]"  # these two would not come back when they are lowered and raised again
_MARKING = (
    (rf"({_UPPER}+)", rf"{CAPITALS}\1{LOWER}"),
    (rf"{CAPITALS}({_UPPER}){LOWER}", rf"{CAPITAL}\1"),
    (rf"{LOWER}([^\p{{L}}\p{{M}}]|$)", r"\1"),
)
_BEFORE_WORD = rf"(^|[^\p{{L}}\p{{M}}\p{{N}}])([{CAPITAL}{CAPITALS}])"


def mark_case(texts):
    """Lowers capitals and leaves marks where they were; before a word a mark stands alone.

    `The NATO` is `￪ the ＾ nato`, and `McDonald` is `￪ mc￪donald`.

    Args:
        texts: Normalised strings `[N]`.

    Returns:
        Strings `[N]`.
    """
    for pattern, rewrite in _MARKING:
        texts = tf.strings.regex_replace(texts, pattern, rewrite)
    texts = _change_marked(texts, tf.strings.lower)
    return tf.strings.regex_replace(texts, _BEFORE_WORD, r"\1\2 ")


def restore_case(texts):
    """Returns the strings `[N]` of which `mark_case` made `texts`."""
    texts = tf.strings.regex_replace(texts, f"([{CAPITAL}{CAPITALS}]) ", r"\1")
    texts = _change_marked(texts, tf.strings.upper)
    return tf.strings.regex_replace(texts, f"[{CAPITAL}{CAPITALS}{LOWER}]", "")


def _change_marked(texts, change):
    """Raises or lowers the letters behind marks."""
    characters = tf.strings.unicode_split(texts, "UTF-8")
    flat, starts = characters.flat_values, characters.row_starts()
    begins_row = tf.scatter_nd(starts[:, None], tf.ones_like(starts), [tf.size(flat) + 1])[:-1] > 0
    # A run of letters begins with the mark, or whatever else, that stands before it.
    begins_run = begins_row | tf.strings.regex_full_match(flat, r"[^\p{L}\p{M}]")
    first = tf.gather(flat, tf.where(begins_run)[:, 0])
    run = tf.cumsum(tf.cast(begins_run, tf.int32)) - 1
    follows = ~begins_row & tf.concat([[False], flat == CAPITAL], axis=0)[:-1]
    changes = follows | (tf.gather(first, run) == CAPITALS)
    changed = tf.where(changes, change(flat, encoding="utf-8"), flat)
    return tf.strings.reduce_join(characters.with_flat_values(changed), axis=-1)
