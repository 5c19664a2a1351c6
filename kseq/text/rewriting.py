"""The rules of `kseq.text.rules` inside TensorFlow graphs."""

import tensorflow as tf


def rewrite(texts, rules):
    """Applies rules, one after the other, to strings of any shape."""
    for pattern, replacement in rules:
        texts = tf.strings.regex_replace(texts, pattern, replacement)
    return texts
