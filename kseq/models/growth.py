"""The weights of a model, copied to one with larger vocabularies.

The vector of a new token is the mean of the old tokens' vectors with a little noise. As an output,
that is harmless: its logit is about the mean of the old logits, and because `exp` is convex, n new
tokens beside V old ones together get at most about `n / (V + n)` of the probability, mostly far
less (Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models"). A bias is
lower still: that of the least probable token. As an input, the mean stands for no word in
particular, so the model first learns from the rest of the sentence.
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
        values = old_weight.numpy()
        for axis, size in enumerate(new_weight.shape):
            if size != values.shape[axis]:
                rows = np.moveaxis(values, axis, 0)
                added = _new_rows(rows[len(SPECIAL_TOKENS) :], size - len(rows), random)
                values = np.moveaxis(np.concatenate([rows, added]), 0, axis)
        new_weight.assign(values)


def _new_rows(tokens, count, random):
    """Returns rows for new tokens, `[count, E]` or `[count]`, like those of old ones, `[V, E]`."""
    if tokens.ndim == 1:
        return np.full([count], tokens.min(), tokens.dtype)
    noise = _NOISE * tokens.std(axis=0)
    added = random.normal(tokens.mean(axis=0), noise, [count, tokens.shape[1]])
    return added.astype(tokens.dtype)
