"""Characters that tokenizers use as marks, and their stand-ins where a text contains them.

The stand-ins are noncharacters, which `kseq.text.codec.normalize` has removed from the text.
"""

import tensorflow as tf

from kseq.text.rules import ORIGINALS, STAND_INS


def escape(texts):
    """Replaces reserved characters by their stand-ins, in strings of any shape."""
    return _replace(texts, STAND_INS)


def unescape(texts):
    """Undoes `escape`, in strings of any shape."""
    return _replace(texts, ORIGINALS)


def unescape_str(text):
    """Undoes `escape` in a str."""
    return text.translate({ord(stand_in): mark for stand_in, mark in ORIGINALS.items()})


def _replace(texts, replacements):
    """Replaces characters; texts without any of them, which is nearly all, are only read once."""
    holds_any = tf.strings.regex_full_match(texts, f"(?s).*[{''.join(replacements)}].*")

    def replace_all():
        replaced = texts
        for character, replacement in replacements.items():
            replaced = tf.strings.regex_replace(replaced, character, replacement)
        return replaced

    return tf.cond(tf.reduce_any(holds_any), replace_all, lambda: tf.identity(texts))
