"""From normalised strings to words or characters, and back without loss."""

import tensorflow as tf

from kseq.text.letter_case import mark_case, restore_case

# Normalised text never contains these characters: NFKC replaces them by others. They preserve
# where the text has spaces, which would otherwise be lost.
JOINER = "￭"  # there is no space on this side of the token
SPACE = "＿"  # a space next to a script that is written without spaces

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


class WordTokenizer:
    """Splits text into words, numbers and punctuation marks, and unspaced scripts into characters.

    `￭` on a punctuation mark means that there is no space on that side, so that the tokens can be
    joined to the normalised text again: `Où est-il ?` is `Où est ￭-￭ il ?`.

    Args:
        marks_case: Whether capitals become lower-case letters, with a token before the word that
            marks them.
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
    """Splits text into Unicode characters, including spaces.

    Args:
        marks_case: Whether capitals become lower-case letters, with a character before them that
            marks them.
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
