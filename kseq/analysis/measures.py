"""Measures of the attention over a sentence."""

import dataclasses

import numpy as np

from kseq.analysis.attention import attention_of, word_attention

NEVER_ATTENDED = 0.2  # a source word with less coverage counts as never attended to
ATTENDED_TWICE = 1.8  # a source word with more coverage counts as attended to twice


@dataclasses.dataclass(frozen=True, eq=False)
class Behaviour:
    """The attention of a model while it read one target under teacher forcing.

    The attention of END, which is not a word, is left out.

    Args:
        entropies: Entropy of each output word in bits, `[T - 1]`: see `entropies`.
        coverage: Attention that each source word received, `[S - 1]`: see `coverage`.
        strongest: Position of the source word that each output word attended to most, `[T - 1]`;
            of equal weights, the first is used.
        loss: Cross-entropy of the target in nats, END included.
        tokens: Number of target tokens T, END included.
    """

    entropies: np.ndarray
    coverage: np.ndarray
    strongest: np.ndarray
    loss: float
    tokens: int

    @classmethod
    def of(cls, result, head=None):
        """Measures the attention `[T, S]` of a result of `Translator.score`.

        Args:
            result: A `Translation`.
            head: Layer and head of a Transformer, both from 1; the mean over all by default.
        """
        words = word_attention(result, head)
        return cls(
            entropies=entropies(attention_of(result, head)[: len(words)]),
            coverage=coverage(words),
            strongest=words.argmax(axis=1) if words.size else np.zeros(0, int),
            loss=-result.log_probability,
            tokens=len(result.tokens),
        )

    @property
    def jumps(self):
        """Differences between the strongest positions of successive output words, `[T - 2]`."""
        return np.diff(self.strongest)

    @property
    def never_attended(self):
        """Which source words were never attended to, bool `[S - 1]`."""
        return self.coverage < NEVER_ATTENDED

    @property
    def attended_twice(self):
        """Which source words were attended to twice, bool `[S - 1]`."""
        return self.coverage > ATTENDED_TWICE


def entropies(attention):
    """Computes the Shannon entropy of every row: how widely the attention is spread.

    `H = -Σ p log2 p`. With 0 bits, the attention is on one word; b bits correspond to an even
    spread over 2^b words. Weights that do not sum to 1, as with `local_p`, are normalised.

    Args:
        attention: Weights `[T, S]`.

    Returns:
        Bits `[T]`, float64; 0 for a row without weight.
    """
    weights = np.asarray(attention, np.float64)
    totals = weights.sum(axis=1, keepdims=True)
    shares = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
    logarithms = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.abs(-(shares * logarithms).sum(axis=1))


def coverage(attention):
    """Computes the coverage of the source: weights summed over output words (Tu et al. 2016).

    Args:
        attention: Weights `[T, S]`.

    Returns:
        Sums `[S]`, float64.
    """
    return np.asarray(attention, np.float64).sum(axis=0)


def monotonicity(jumps):
    """Computes the share of steps between output words in which the attention does not go back.

    It compares the source positions that successive output words attended to most (the jumps of
    the alignment model of Vogel et al. 1996). A word-by-word translation has 1.

    Args:
        jumps: `Behaviour.jumps` of one sentence, or of several, concatenated.

    Returns:
        The share, or None if there are no jumps.
    """
    jumps = np.asarray(jumps)
    return float((jumps >= 0).mean()) if jumps.size else None


def suspicion(behaviours):
    """Computes how suspicious every sentence is compared with the others, from 0 to 1.

    The score is the mean of three ranks: of the cross-entropy per token, of the share of source
    words that were never attended to, and of the mean entropy of the output words. A rank is 0 if
    no sentence is better and 1 if no sentence is worse; ties share the mean of their ranks. Ranks
    are averaged because the three measures have no common unit (Borda 1781; Dwork et al. 2001).

    Args:
        behaviours: `Behaviour` of each of N sentences.

    Returns:
        Scores `[N]` and the three ranks `[N, 3]`.
    """
    values = [
        [
            behaviour.loss / behaviour.tokens,
            behaviour.never_attended.mean(),
            behaviour.entropies.mean(),
        ]
        for behaviour in behaviours
    ]
    ranks = np.stack([_rank(column) for column in np.array(values).T], axis=1)
    return ranks.mean(axis=1), ranks


def _rank(values):
    """Ranks of values `[N]`, from 0 for the smallest to 1 for the largest."""
    ordered = np.sort(values)
    below, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return (below + up_to - 1) / 2 / max(len(values) - 1, 1)


def entropy_by_position(behaviours):
    """Averages the entropy of output words by their position, from 1.

    Args:
        behaviours: `Behaviour` of every sentence.

    Returns:
        A list of `Bin`; `count` is the number of words.
    """
    positions = [np.arange(1, len(behaviour.entropies) + 1) for behaviour in behaviours]
    values = np.concatenate([behaviour.entropies for behaviour in behaviours])
    return average_in_bins(np.concatenate(positions), values, np.ones(len(values), int))


def loss_by_length(behaviours):
    """Averages the cross-entropy per target token by the length of the source.

    Every token has the same weight. The length is the number of source tokens without END.

    Args:
        behaviours: `Behaviour` of every sentence.

    Returns:
        A list of `Bin`; `count` is the number of target tokens.
    """
    return average_in_bins(
        np.array([len(behaviour.coverage) for behaviour in behaviours]),
        np.array([behaviour.loss for behaviour in behaviours]),
        np.array([behaviour.tokens for behaviour in behaviours]),
    )


@dataclasses.dataclass(frozen=True)
class Bin:
    """Mean of the items whose key is in a range.

    Args:
        first: Smallest key.
        last: Largest key.
        mean: Mean of the items.
        count: Number of items.
    """

    first: int
    last: int
    mean: float
    count: int


def average_in_bins(keys, sums, counts, maximum_bins=20):
    """Averages items in bins of equal width, as narrow as `maximum_bins` allows.

    Args:
        keys: Integers `[N]`, which determine the bin.
        sums: Sums `[N]` of the items to average.
        counts: Numbers of items `[N]` in each sum.
        maximum_bins: Maximum number of bins.

    Returns:
        A list of `Bin` in the order of the keys, without empty bins.
    """
    first = int(keys.min())
    width = -(-(int(keys.max()) - first + 1) // maximum_bins)
    bins = []
    for start in range(first, int(keys.max()) + 1, width):
        inside = (keys >= start) & (keys < start + width)
        count = int(counts[inside].sum())
        if count:
            mean = float(sums[inside].sum() / count)
            bins.append(Bin(start, min(start + width - 1, int(keys.max())), mean, count))
    return bins


def count_jumps(jumps, farthest=5):
    """Counts the jumps of the attention by their distance.

    Args:
        jumps: `Behaviour.jumps` of all sentences, concatenated.
        farthest: Jumps of this distance or more, in either direction, are counted together.

    Returns:
        A list of (jump, count), from `-farthest` to `farthest`.
    """
    clipped = np.clip(jumps, -farthest, farthest)
    return [(jump, int((clipped == jump).sum())) for jump in range(-farthest, farthest + 1)]
