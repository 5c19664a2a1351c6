"""From normalised strings to words, characters or given tokens, and back without loss."""

import tensorflow as tf

from kseq.text.letter_case import mark_case, restore_case
from kseq.text.reserved import escape, unescape
from kseq.text.rewriting import rewrite
from kseq.text.rules import (
    JOINING,
    MARKING_SPECIAL,
    SPACE,
    SPLITTING,
    TEXT,
    displayed_marks,
)


class WordTokenizer:
    """Splits text into words, numbers and punctuation marks, and unspaced scripts into characters.

    `￭` on a punctuation mark means that there is no space on that side, so that the tokens can be
    joined to the normalised text again: `Où est-il ?` is `Où est ￭-￭ il ?`.

    Args:
        marks_case: Whether capitals become lower-case letters, with a token before the word that
            marks them.

    Attributes:
        marks: The displayed form of each mark in a token.
    """

    def __init__(self, marks_case=False):
        self._marks_case = marks_case
        self.marks = displayed_marks("word", marks_case)

    def tokenize(self, texts):
        """Splits normalised strings `[N]`; returns tokens, ragged `[N, (T)]`."""
        texts = tf.strings.join([SPACE, escape(texts), SPACE])
        texts = rewrite(tf.strings.regex_replace(texts, " ", SPACE), SPLITTING)
        return tf.strings.split(mark_case(texts) if self._marks_case else texts)

    def detokenize(self, tokens):
        """Joins tokens, ragged `[N, (T)]`; returns strings `[N]`."""
        texts = tf.strings.reduce_join(tokens, axis=-1, separator=" ")
        texts = restore_case(texts) if self._marks_case else texts
        return unescape(rewrite(texts, JOINING))


class CharacterTokenizer:
    """Splits text into Unicode characters, including spaces.

    Args:
        marks_case: Whether capitals become lower-case letters, with a character before them that
            marks them.

    Attributes:
        marks: As in `WordTokenizer`.
    """

    def __init__(self, marks_case=False):
        self._marks_case = marks_case
        self.marks = displayed_marks("character", marks_case)

    def tokenize(self, texts):
        """Splits normalised strings `[N]`; returns tokens, ragged `[N, (T)]`."""
        texts = mark_case(escape(texts)) if self._marks_case else texts
        return tf.strings.unicode_split(texts, "UTF-8")

    def detokenize(self, tokens):
        """Joins tokens, ragged `[N, (T)]`; returns strings `[N]`."""
        texts = tf.strings.reduce_join(tokens, axis=-1)
        return unescape(restore_case(texts) if self._marks_case else texts)


class NoTokenizer:
    """Reads nothing: for the source of a language model, which is empty whatever it is given.

    Args:
        marks_case: Has no effect.

    Attributes:
        marks: None, in an empty dict.
    """

    def __init__(self, marks_case=False):
        self.marks = {}

    def tokenize(self, texts):
        """Returns no tokens for strings `[N]`: ragged `[N, (0)]`."""
        counts = tf.zeros([tf.size(texts)], tf.int64)
        return tf.RaggedTensor.from_row_lengths(tf.zeros([0], tf.string), counts)

    def detokenize(self, tokens):
        """Returns empty strings `[N]` for tokens, ragged `[N, (T)]`."""
        return tf.fill([tokens.nrows()], "")


class FeatureTokenizer:
    """Splits features, such as `V;PST;3;SG`; spaces around them are left out.

    Args:
        separator: What stands between two features.

    Attributes:
        marks: As in `WordTokenizer`.
    """

    def __init__(self, separator=";"):
        self._separator = separator
        self.marks = displayed_marks("space")

    def tokenize(self, texts):
        """Splits normalised strings `[N]`; returns tokens, ragged `[N, (T)]`."""
        tokens = tf.strings.split(texts, self._separator)
        tokens = tokens.with_flat_values(tf.strings.strip(tokens.flat_values))
        return _mark_special(tf.ragged.boolean_mask(tokens, tf.not_equal(tokens, "")))


class SpaceTokenizer:
    """Splits text that is already tokenised: a token is whatever is between two spaces.

    A token that is spelt like a special token, such as `<unk>`, is text; it is marked so that it
    does not get the id of the special token.

    Args:
        marks_case: Whether capitals become lower-case letters, with a token before the word that
            marks them.

    Attributes:
        marks: As in `WordTokenizer`.
    """

    def __init__(self, marks_case=False):
        self._marks_case = marks_case
        self.marks = displayed_marks("space", marks_case)

    def tokenize(self, texts):
        """Splits normalised strings `[N]`; returns tokens, ragged `[N, (T)]`."""
        texts = mark_case(escape(texts)) if self._marks_case else texts
        return _mark_special(tf.strings.split(texts))

    def detokenize(self, tokens):
        """Joins tokens, ragged `[N, (T)]`; returns strings `[N]`."""
        texts = tf.strings.reduce_join(tokens, axis=-1, separator=" ")
        texts = tf.strings.regex_replace(texts, TEXT, "")
        return unescape(restore_case(texts) if self._marks_case else texts)


def _mark_special(tokens):
    """Returns ragged tokens, with a mark on those of text that are spelt like special tokens."""
    return tokens.with_flat_values(rewrite(tokens.flat_values, MARKING_SPECIAL))


TOKENIZERS = {
    "word": WordTokenizer,
    "character": CharacterTokenizer,
    "space": SpaceTokenizer,
    "none": NoTokenizer,
}
