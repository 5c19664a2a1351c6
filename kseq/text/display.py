"""Tokens in their displayed form: without joiners, a space as a space."""

import tensorflow as tf

from kseq.text.letter_case import CAPITAL, CAPITALS, LOWER
from kseq.text.tokenizers import JOINER, SPACE

_DISPLAYED_MARKS = {JOINER: "", SPACE: " ", CAPITAL: "↑", CAPITALS: "⇑", LOWER: "↓"}


def strip_marks(tokens):
    """Returns tokens, a string tensor of any shape, in their displayed form."""
    for mark, replacement in _DISPLAYED_MARKS.items():
        tokens = tf.strings.regex_replace(tokens, mark, replacement)
    return tokens


def as_typed(token):
    """Returns a token, a str, as a person would type it: without the space before a subword."""
    for mark, replacement in _DISPLAYED_MARKS.items():
        token = token.replace(mark, replacement)
    return token.removeprefix("▁")


def to_str(strings):
    """Returns nested lists of bytes, or a tensor of them, as nested lists of str."""
    if isinstance(strings, bytes):
        return strings.decode("utf-8")
    if isinstance(strings, tf.Tensor):
        return to_str(strings.numpy().tolist())
    if isinstance(strings, tf.RaggedTensor):
        return to_str(strings.to_list())
    return [to_str(string) for string in strings]
