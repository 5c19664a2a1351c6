"""Baselines for language models: how probable texts are by the counts of their tokens alone."""

import numpy as np


def perplexities(train, test):
    """Returns the perplexity per token, END included, of a unigram and of a bigram model.

    The unigram model has `p(y) = (n(y) + 1) / (n + V)`, with a place among the V tokens for one
    that was never seen. The bigram model mixes its own counts with the unigrams,
    `p(y | x) = (n(x, y) + m p(y)) / (n(x) + m)`, as if each token x had been seen m times more; of
    a few numbers m, it has the best one for the test texts, which is a little in its favour.

    Args:
        train: Texts, lists of tokens.
        test: More texts.
    """
    tokens = {
        token: number for number, token in enumerate({token for text in train for token in text})
    }
    end = len(tokens)  # also the token before the first one
    unknown = end + 1
    counts = np.zeros((unknown + 1, unknown + 1))
    for before, after in _neighbours(train, tokens, end, unknown):
        counts[before, after] += 1
    unigrams = (counts.sum(axis=0) + 1) / (counts.sum() + len(counts))
    places = np.array(list(_neighbours(test, tokens, end, unknown)))
    before, after = places.T
    bigrams = [
        (counts[before, after] + weight * unigrams[after]) / (counts[before].sum(axis=1) + weight)
        for weight in (1, 3, 10, 30, 100)
    ]
    return _perplexity(unigrams[after]), min(map(_perplexity, bigrams))


def _neighbours(texts, tokens, end, unknown):
    """Yields the numbers of each token and of the one after it."""
    for text in texts:
        numbers = [end, *(tokens.get(token, unknown) for token in text), end]
        yield from zip(numbers, numbers[1:])


def _perplexity(probabilities):
    return float(np.exp(-np.mean(np.log(probabilities))))
