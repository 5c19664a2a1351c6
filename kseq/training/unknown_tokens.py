"""A warning before training: many tokens of the validation pairs are not in the vocabulary."""

import itertools

import numpy as np
import tensorflow as tf

from kseq.corpora.featured import columns_of_all
from kseq.sides.text_side import as_bytes
from kseq.special_tokens import SPECIAL_TOKENS, UNK

_SIDES = ("source", "target")
_READ = 100  # pairs, about
_MANY = 0.2  # share of the tokens of a side


def describe_unknown(codecs, text, pairs, count):
    """Describes the sides in words, or other given tokens, of which many are unknown.

    A model that copies is left out: what it can write depends on each source.

    Args:
        codecs: `CodecPair` of text, whose vocabularies were made from the training pairs.
        text: `TextConfig`.
        pairs: Validation pairs, of which some are read, evenly spread.
        count: Number of the pairs.

    Returns:
        A sentence; None if neither side has many.
    """
    read = itertools.islice(pairs, 0, None, max(1, count // _READ))
    columns = columns_of_all(list(read))
    shares = {
        side: _share_of_unknown(codec, texts)
        for side, codec, tokenizer, texts in zip(_SIDES, codecs.sides, text.tokenizers, columns)
        if not codec.side.copies and tokenizer in ("word", "space")
    }
    many = {side: share for side, share in shares.items() if share >= _MANY}
    if not many:
        return None
    found = " and ".join(f"{share:.0%} of the {side} tokens" for side, share in many.items())
    characters = " ".join(f"{side}_tokenizer=character" for side in many)
    return (
        f"{found} of the validation pairs are not in the vocabulary: to the model they are "
        f"{SPECIAL_TOKENS[UNK]}; take smaller tokens: {characters}, or subword"
    )


def _share_of_unknown(codec, texts):
    tokens = codec.tokenize(tf.constant(as_bytes(texts), tf.string)).flat_values
    return np.mean(codec.ids(tokens).numpy() == UNK) if len(tokens) else 0.0
