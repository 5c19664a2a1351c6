"""Tokens in their displayed form: without joiners, a space as a space."""

import tensorflow as tf

from kseq.text.reserved import unescape, unescape_str


def replace_marks(tokens, marks):
    """Returns tokens, a string tensor of any shape, in their displayed form.

    Args:
        tokens: The tokens.
        marks: The displayed form of each mark, a dict.
    """
    for mark, replacement in marks.items():
        tokens = tf.strings.regex_replace(tokens, mark, replacement)
    return unescape(tokens)


def as_typed(token, marks):
    """Returns a token, a str, in the form in which a person would type it.

    Args:
        token: The token.
        marks: The displayed form of each mark, a dict.
    """
    for mark, replacement in marks.items():
        token = token.replace(mark, replacement)
    return unescape_str(token)


def to_str(strings):
    """Returns nested lists of bytes, or a tensor of them, as nested lists of str."""
    if isinstance(strings, bytes):
        return strings.decode("utf-8")
    if isinstance(strings, tf.Tensor):
        return to_str(strings.numpy().tolist())
    if isinstance(strings, tf.RaggedTensor):
        return to_str(strings.to_list())
    return [to_str(string) for string in strings]
