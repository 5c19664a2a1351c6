"""Characters that tokenizers use as marks, and their stand-ins where a text contains them.

The stand-ins are noncharacters (The Unicode Standard, section 23.7), which are never part of a
text: `kseq.text.codec.normalize` removes them.
"""

import tensorflow as tf

# The marks of tokenizers (￭ ＿), of their rules (￮ ＇ ＂), of capitals (￪ ＾ ￬), of subwords (▁).
RESERVED = "￭＿￮＇＂￪＾￬▁"
NONCHARACTERS = r"\x{FDD0}-\x{FDEF}"

_STAND_INS = {mark: chr(0xFDD0 + number) for number, mark in enumerate(RESERVED)}
_ORIGINALS = {stand_in: mark for mark, stand_in in _STAND_INS.items()}


def escape(texts):
    """Replaces reserved characters by their stand-ins, in strings of any shape."""
    return _replace(texts, _STAND_INS)


def unescape(texts):
    """Undoes `escape`, in strings of any shape."""
    return _replace(texts, _ORIGINALS)


def unescape_str(text):
    """Undoes `escape` in a str."""
    return text.translate({ord(stand_in): mark for stand_in, mark in _ORIGINALS.items()})


def _replace(texts, replacements):
    """Replaces characters; texts without any of them, which is nearly all, are only read once."""
    holds_any = tf.strings.regex_full_match(texts, f"(?s).*[{''.join(replacements)}].*")

    def replace_all():
        replaced = texts
        for character, replacement in replacements.items():
            replaced = tf.strings.regex_replace(replaced, character, replacement)
        return replaced

    return tf.cond(tf.reduce_any(holds_any), replace_all, lambda: tf.identity(texts))
