"""Capital letters as separate marks, so that `The` and `the` are the same word."""

import tensorflow as tf

# `kseq.text.reserved` replaces these characters where a text contains them.
CAPITAL = "￪"  # the next letter is a capital
CAPITALS = "＾"  # all letters up to the end of the word, or up to LOWER, are capitals
LOWER = "￬"

# Not İ, ẞ and four symbols (theta, ohm, kelvin, ångström): their lower-case letters have other
# capitals.
_UPPER = r"[^\P{Lu}İẞ\x{03F4}\x{2126}\x{212A}\x{212B}]"
_MARKING = (
    (rf"({_UPPER}+)", rf"{CAPITALS}\1{LOWER}"),
    (rf"{CAPITALS}({_UPPER}){LOWER}", rf"{CAPITAL}\1"),
    (rf"{LOWER}([^\p{{L}}\p{{M}}]|$)", r"\1"),
)
_BEFORE_WORD = rf"(^|[^\p{{L}}\p{{M}}\p{{N}}])([{CAPITAL}{CAPITALS}])"


def displayed_case_marks(marks_case=True):
    """Returns the displayed form of each mark, a dict; it is empty if case is not marked."""
    return {CAPITAL: "↑", CAPITALS: "⇑", LOWER: "↓"} if marks_case else {}


def mark_case(texts):
    """Replaces capitals by marks and lower-case letters; a mark before a word is a separate word.

    `The NATO` is `￪ the ＾ nato`, and `McDonald` is `￪ mc￪donald`.

    Args:
        texts: Normalised strings `[N]` without reserved characters.

    Returns:
        Strings `[N]`.
    """
    for pattern, rewrite in _MARKING:
        texts = tf.strings.regex_replace(texts, pattern, rewrite)
    texts = _change_marked(texts, tf.strings.lower)
    return tf.strings.regex_replace(texts, _BEFORE_WORD, r"\1\2 ")


def restore_case(texts):
    """Undoes `mark_case`: returns strings `[N]` with capitals in place of marks.

    A model can write marks anywhere; those that no letter follows are removed.
    """
    texts = tf.strings.regex_replace(texts, f"([{CAPITAL}{CAPITALS}]) ", r"\1")
    texts = _change_marked(texts, tf.strings.upper)
    return tf.strings.regex_replace(texts, f"[{CAPITAL}{CAPITALS}{LOWER}]", "")


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
