"""Results made without a model: translations and predictions with given attention weights."""

import numpy as np

from kseq import Prediction, Translation


def make_translation(attention, tokens, source_tokens, **fields):
    """A `Translation` with given tokens (END included) and attention weights `[T, S]` or None."""
    text, source = (
        " ".join(token for token in side or [] if token != "<end>")
        for side in (tokens, source_tokens)
    )
    defaults = {"source": source, "text": text, "score": -0.5, "log_probability": -1.0}
    return Translation(
        attention=None if attention is None else np.asarray(attention),
        tokens=tokens,
        source_tokens=source_tokens,
        **{**defaults, **fields},
    )


def make_prediction(attention, values, source_tokens=None, **fields):
    """A `Prediction` with given values `[T, F]` and attention weights `[T, S]` or None."""
    source = "" if source_tokens is None else " ".join(source_tokens)
    return Prediction(
        attention=None if attention is None else np.asarray(attention),
        values=values,
        source_tokens=source_tokens,
        **{"source": source, **fields},
    )


def random_attention(rows, columns, seed=0, sharpness=0.2):
    """Attention weights `[rows, columns]`, float32; each row sums to 1."""
    random = np.random.default_rng(seed)
    return random.dirichlet(np.full(columns, sharpness), size=rows).astype("float32")
