"""The weights of a model, copied to one with larger vocabularies.

A new token gets the mean of the old tokens' vectors, and a little noise. As an input it thus means
nothing in particular. As an output it is harmless: with the mean as its kernel and its bias, the
logit of a new token is the mean of the old logits, and because `exp` is convex, n new tokens beside
V old ones get at most `n / (V + n)` of the probability (Hewitt 2021, "Initializing New Word
Embeddings for Pretrained Language Models"). The bias here is lower still, that of the least
probable token. With tied embeddings there is no bias, and noise as large as the spread of the old
vectors would make some new tokens more probable than all old ones.
"""

import numpy as np

from kseq.special_tokens import SPECIAL_TOKENS

_NOISE = 0.1  # standard deviation, as a share of that of the old tokens' vectors


def copy_weights(old, new, seed):
    """Copies the weights of a model to another that differs only in the size of its vocabularies.

    Args:
        old: Model of `build_seq2seq`.
        new: Likewise; its vocabularies begin with those of `old`.
        seed: Seed of the noise in the vectors of new tokens.
    """
    random = np.random.default_rng(seed)
    for old_weight, new_weight in zip(old.weights, new.weights, strict=True):
        values, shape = old_weight.numpy(), tuple(new_weight.shape)
        for axis, size in enumerate(shape):
            if size != values.shape[axis]:
                rows = np.moveaxis(values, axis, 0)
                added = _new_rows(rows[len(SPECIAL_TOKENS) :], size - len(rows), random)
                values = np.moveaxis(np.concatenate([rows, added]), 0, axis)
        new_weight.assign(values)


def _new_rows(tokens, count, random):
    """Vectors `[count, E]` or biases `[count]`, like those of the old tokens, `[V, E]` or `[V]`."""
    if tokens.ndim == 1:
        return np.full([count], tokens.min(), tokens.dtype)
    noise = _NOISE * tokens.std(axis=0)
    added = random.normal(tokens.mean(axis=0), noise, [count, tokens.shape[1]])
    return added.astype(tokens.dtype)
