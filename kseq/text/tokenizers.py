"""From normalised strings to words, characters or given tokens, and back without loss."""

import tensorflow as tf

from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text.letter_case import displayed_case_marks, mark_case, restore_case
from kseq.text.reserved import escape, unescape

# These characters preserve where the text has spaces, which would otherwise be lost.
# `kseq.text.reserved` replaces them where a text contains them.
JOINER = "￭"  # there is no space on this side of the token
SPACE = "＿"  # a space next to a script that is written without spaces
TEXT = "\ufdef"  # after a token of text that is spelt like a special token

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\x{30FC}]\p{M}*"
_WORD = r"[\p{L}\p{M}\p{N}\x{200C}\x{200D}]"
_NON_WORD = r"[^\p{L}\p{M}\p{N}\x{200C}\x{200D}]"

# Each rule is applied to the result of the rule before. In between, ￮ encloses characters of
# unspaced scripts, and ＇ and ＂ are apostrophes that belong to a word.
_SPLITTING = (
    (f"({_UNSPACED})", r" ￮\1￮ "),
    # John's, don't: the clitic is split off. l'homme, O'Brien: the part before is split off.
    (rf"({_WORD})'((?i:s|t|re|ve|ll|m|d))({_NON_WORD})", r"\1 ￭＇\2\3"),
    (rf"({_WORD})’((?i:s|t|re|ve|ll|m|d))({_NON_WORD})", r"\1 ￭＂\2\3"),
    (rf"({_WORD})'({_WORD})", r"\1＇￭ \2"),
    (rf"({_WORD})’({_WORD})", r"\1＂￭ \2"),
    (r"(\.{2,}|[^\p{L}\p{M}\p{N}\x{200C}\x{200D}\s￭￮＿＇＂]\p{M}*)", r" ￭\1￭ "),
    ("＇", "'"),
    ("＂", "’"),
    # A joiner next to a space, the end of the text or an unspaced character has no meaning.
    (r"＿\s*￭", "＿ "),
    (r"￭\s*＿", " ＿"),
    (r"￮\s*￭", "￮ "),
    (r"￭\s*￮", " ￮"),
    (r"￭\s+￭", " ￭"),
    # A space is a token only next to an unspaced character, where no space is expected.
    (r"^＿|＿$", ""),
    (r"￮\s*＿", "￮ ￮＿￮ "),
    (r"([^￮])＿\s*￮", r"\1 ￮＿￮ ￮"),
    (r"([^￮])＿", r"\1 "),
    ("￮", ""),
)
_JOINING = (
    (f" ?({_UNSPACED}) ?", r"\1"),
    (f" ?{JOINER} ?", ""),
    (f" ?{SPACE} ?", " "),
    (r"^\s+|\s+$", ""),
)
_SPECIAL = f"^({'|'.join(SPECIAL_TOKENS)})$"


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
        self.marks = {JOINER: "", SPACE: " ", **displayed_case_marks(marks_case)}

    def tokenize(self, texts):
        """Splits normalised strings `[N]`; returns tokens, ragged `[N, (T)]`."""
        texts = tf.strings.regex_replace(tf.strings.join(["＿", escape(texts), "＿"]), " ", "＿")
        for pattern, rewrite in _SPLITTING:
            texts = tf.strings.regex_replace(texts, pattern, rewrite)
        return tf.strings.split(mark_case(texts) if self._marks_case else texts)

    def detokenize(self, tokens):
        """Joins tokens, ragged `[N, (T)]`; returns strings `[N]`."""
        texts = tf.strings.reduce_join(tokens, axis=-1, separator=" ")
        texts = restore_case(texts) if self._marks_case else texts
        for pattern, rewrite in _JOINING:
            texts = tf.strings.regex_replace(texts, pattern, rewrite)
        return unescape(texts)


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
        self.marks = displayed_case_marks(marks_case)

    def tokenize(self, texts):
        """Splits normalised strings `[N]`; returns tokens, ragged `[N, (T)]`."""
        texts = mark_case(escape(texts)) if self._marks_case else texts
        return tf.strings.unicode_split(texts, "UTF-8")

    def detokenize(self, tokens):
        """Joins tokens, ragged `[N, (T)]`; returns strings `[N]`."""
        texts = tf.strings.reduce_join(tokens, axis=-1)
        return unescape(restore_case(texts) if self._marks_case else texts)


class FeatureTokenizer:
    """Splits features, such as `V;PST;3;SG`; spaces around them are left out.

    Args:
        separator: What stands between two features.

    Attributes:
        marks: As in `WordTokenizer`.
    """

    def __init__(self, separator=";"):
        self._separator = separator
        self.marks = {TEXT: ""}

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
        self.marks = {TEXT: "", **displayed_case_marks(marks_case)}

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
    return tokens.with_flat_values(
        tf.strings.regex_replace(tokens.flat_values, _SPECIAL, rf"\0{TEXT}")
    )
