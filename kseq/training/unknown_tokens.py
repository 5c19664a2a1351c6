"""A warning before training: many tokens of the validation pairs are not in the vocabulary."""

import itertools

import numpy as np
import tensorflow as tf

from kseq.corpora.featured import columns_of_all
from kseq.sides.text_side import as_bytes
from kseq.special_tokens import SPECIAL_TOKENS, UNK

_READ = 100  # pairs
_MANY = 0.2  # share of the tokens of a side


def describe_unknown(codecs, pairs):
    """Describes the sides that have many unknown tokens, unless the model copies them.

    Args:
        codecs: `CodecPair`, whose vocabularies were made from the training pairs.
        pairs: Validation pairs, of which the first ones are read.

    Returns:
        A sentence; None if neither side has many.
    """
    columns = columns_of_all(list(itertools.islice(pairs, _READ)))
    shares = {
        side: _share_of_unknown(codec, texts)
        for side, codec, texts in zip(("source", "target"), codecs.sides, columns)
        if codec.is_text and not codec.side.copies
    }
    many = [f"{share:.0%} of the {side} tokens" for side, share in shares.items() if share >= _MANY]
    if not many:
        return None
    return (
        f"{' and '.join(many)} of the validation pairs are not in the vocabulary: to the model "
        f"they are {SPECIAL_TOKENS[UNK]}; kseq inspect FILE --suggest proposes tokens that fit, "
        "such as characters or subwords"
    )


def _share_of_unknown(codec, texts):
    tokens = codec.tokenize(tf.constant(as_bytes(texts), tf.string)).flat_values
    return np.mean(codec.ids(tokens).numpy() == UNK) if len(tokens) else 0.0
