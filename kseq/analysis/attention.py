"""The attention weights of a result: of all heads or one, between all tokens or words only."""

import operator
import reprlib

import numpy as np

from kseq.translation.results import Translation


def attention_of(result, head=None):
    """Returns the attention of a result: of one head, or averaged over all heads.

    Args:
        result: A `Translation` or a `Prediction`.
        head: Layer and head of a Transformer, both from 1; the mean over all by default.

    Returns:
        Weights `[T, S]`.

    Raises:
        ValueError: The model has no attention, or no such head.
    """
    if result.attention is None:
        raise ValueError("expected a result with attention; the model has none (attention=none)")
    if head is None:
        return np.asarray(result.attention)
    if result.attention_heads is None:
        raise ValueError(f"only a single Transformer has heads; received head={reprlib.repr(head)}")
    heads = np.asarray(result.attention_heads)
    return heads[head_index(head, *heads.shape[:2])]


def word_attention(result, head=None):
    """Returns the attention between words, without END on either side.

    Args:
        result: A `Translation`, whose attention is `[T, S]`.
        head: Layer and head of a Transformer, both from 1; the mean over all by default.

    Returns:
        Weights `[T - 1, S - 1]`; `[T, S - 1]` if the output was cut off before its END.

    Raises:
        TypeError: `result` is not a `Translation`.
        ValueError: The model has no attention, or no such head.
    """
    if not isinstance(result, Translation):
        raise TypeError(f"expected a Translation; received {reprlib.repr(result)}")
    target_words = len(result.tokens) - (result.tokens[-1:] == ["<end>"])
    attention = attention_of(result, head)
    return attention[:target_words, : attention.shape[1] - 1]


def head_index(head, layers, heads):
    """Checks a head of a Transformer and returns its index.

    Args:
        head: Layer and head, both from 1.
        layers: Number of layers.
        heads: Number of heads per layer.

    Returns:
        Layer and head, both from 0.

    Raises:
        ValueError: There is no such head.
    """
    try:
        layer, number = map(operator.index, head)
        exists = 1 <= layer <= layers and 1 <= number <= heads
    except (TypeError, ValueError):
        exists = False
    if not exists:
        raise ValueError(
            f"head must be a layer from 1 to {layers} and a head from 1 to {heads}; received "
            f"{reprlib.repr(head)}"
        )
    return layer - 1, number - 1


def check_word_attention(translator, head=None):
    """Checks that a model has attention between words, and the head that is asked for.

    Args:
        translator: A `Translator`.
        head: Layer and head of a Transformer, both from 1, or None.

    Raises:
        TypeError: `translator` is not a `Translator`.
        ValueError: The model has no attention or no such head, or a side is real-valued.
    """
    if not hasattr(translator, "codecs"):  # `Translator` itself is made of this module
        raise TypeError(f"expected a Translator; received {reprlib.repr(translator)}")
    if not all(codec.is_text for codec in translator.codecs.sides):
        raise ValueError("expected attention between words; the run reads or writes real values")
    if not translator.has_attention:
        raise ValueError("expected a run with attention; the model has none (attention=none)")
    if head is not None:
        if not translator.has_heads:
            raise ValueError(
                f"only a single Transformer has heads; received head={reprlib.repr(head)}"
            )
        model = translator.config.model
        head_index(head, model.decoder_layers, model.heads)
