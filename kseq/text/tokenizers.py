"""Normalised strings to tokens and back, without loss: words and characters."""

import tensorflow as tf

from kseq.text.letter_case import mark_case, restore_case

# Characters that NFKC turns into others, so that no normalised text can hold them:
# they are free to mark what the spaces between tokens would otherwise lose.
JOINER = "￭"  # no space between this token and the next one on that side
SPACE = "＿"  # a space beside a script that is written without spaces

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\x{30FC}]\p{M}*"
_WORD = r"[\p{L}\p{M}\p{N}\x{200C}\x{200D}]"
_NO_WORD = r"[^\p{L}\p{M}\p{N}\x{200C}\x{200D}]"

# Each rewrite sees the text that the one before it left. While they run, ￮ stands around
# characters of unspaced scripts, ＇ and ＂ for the apostrophes that belong to a word.
_SPLITTING = (
    (f"({_UNSPACED})", r" ￮\1￮ "),
    # John's, don't: the clitic is split off; l'homme, O'Brien: what stands before the apostrophe.
    (rf"({_WORD})'((?i:s|t|re|ve|ll|m|d))({_NO_WORD})", r"\1 ￭＇\2\3"),
    (rf"({_WORD})’((?i:s|t|re|ve|ll|m|d))({_NO_WORD})", r"\1 ￭＂\2\3"),
    (rf"({_WORD})'({_WORD})", r"\1＇￭ \2"),
    (rf"({_WORD})’({_WORD})", r"\1＂￭ \2"),
    (r"(\.{2,}|[^\p{L}\p{M}\p{N}\x{200C}\x{200D}\s￭￮＿＇＂]\p{M}*)", r" ￭\1￭ "),
    ("＇", "'"),
    ("＂", "’"),
    # A joiner next to a space, to the end of the text or to an unspaced character says nothing.
    (r"＿\s*￭", "＿ "),
    (r"￭\s*＿", " ＿"),
    (r"￮\s*￭", "￮ "),
    (r"￭\s*￮", " ￮"),
    (r"￭\s+￭", " ￭"),
    # A space is worth a token only beside an unspaced character, where none is expected.
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


class WordTokenizer:
    """Words, numbers and single punctuation marks; in unspaced scripts, characters.

    `￭` on a punctuation mark says that there is no space on that side, so joining the tokens
    gives the normalised text back: `Où est-il ?` is `Où est ￭-￭ il ?`.

    Args:
        marks_case: Whether capitals are lowered, with a token before a word that says so.
    """

    def __init__(self, marks_case=False):
        self._marks_case = marks_case

    def tokenize(self, texts):
        """Splits normalised strings `[N]`; returns tokens, ragged `[N, (T)]`."""
        texts = tf.strings.regex_replace(tf.strings.join(["＿", texts, "＿"]), " ", "＿")
        for pattern, rewrite in _SPLITTING:
            texts = tf.strings.regex_replace(texts, pattern, rewrite)
        return tf.strings.split(mark_case(texts) if self._marks_case else texts)

    def detokenize(self, tokens):
        """Joins tokens, ragged `[N, (T)]`; returns strings `[N]`."""
        texts = tf.strings.reduce_join(tokens, axis=-1, separator=" ")
        texts = restore_case(texts) if self._marks_case else texts
        for pattern, rewrite in _JOINING:
            texts = tf.strings.regex_replace(texts, pattern, rewrite)
        return texts


class CharacterTokenizer:
    """Unicode characters, spaces among them.

    Args:
        marks_case: Whether capitals are lowered, with a character before them that says so.
    """

    def __init__(self, marks_case=False):
        self._marks_case = marks_case

    def tokenize(self, texts):
        """Splits normalised strings `[N]`; returns tokens, ragged `[N, (T)]`."""
        texts = mark_case(texts) if self._marks_case else texts
        return tf.strings.unicode_split(texts, "UTF-8")

    def detokenize(self, tokens):
        """Joins tokens, ragged `[N, (T)]`; returns strings `[N]`."""
        texts = tf.strings.reduce_join(tokens, axis=-1)
        return restore_case(texts) if self._marks_case else texts
