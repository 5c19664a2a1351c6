"""How the attention over a sentence behaves, in numbers."""

import dataclasses

import numpy as np

from kseq.analysis.alignment import attention_of, word_weights

NEVER = 0.2  # a source word whose weights sum to less was never attended
TWICE = 1.8  # one whose weights sum to more was attended twice


@dataclasses.dataclass(frozen=True, eq=False)
class Behaviour:
    """What the attention did while one target was read, teacher forced.

    The row of END is left out: it is the end of the output, no word.

    Args:
        entropies: Bits of every output word, `[T - 1]`: see `entropies`.
        coverage: What every source word received, `[S - 1]`: see `coverage`.
        strongest: Position of the source word that every output word attended to most,
            `[T - 1]`; the first of equals.
        loss: Cross-entropy of the target in nats, END included.
        tokens: Target tokens T, END included.
    """

    entropies: np.ndarray
    coverage: np.ndarray
    strongest: np.ndarray
    loss: float
    tokens: int

    @classmethod
    def of(cls, result, head=None):
        """Measures a `Translation` of `Translator.score`, or one head of it."""
        words = word_weights(result, head)
        return cls(
            entropies=entropies(attention_of(result, head)[: len(words)]),
            coverage=coverage(words),
            strongest=words.argmax(axis=1) if words.size else np.zeros(0, int),
            loss=-result.log_probability,
            tokens=len(result.tokens),
        )

    @property
    def jumps(self):
        """Steps in the source from each output word's strongest word to the next one's."""
        return np.diff(self.strongest)

    @property
    def never(self):
        """Whether each source word was never attended: `coverage` below `NEVER`."""
        return self.coverage < NEVER

    @property
    def twice(self):
        """Whether each source word was attended twice: `coverage` above `TWICE`."""
        return self.coverage > TWICE


def entropies(attention):
    """Shannon entropy of every row: how many words the attention was spread over.

    `H = -Σ p log2 p`. At 0 bits it looked at one word, at b bits as evenly as at 2^b words.
    Weights that do not sum to 1, as those of `local_p`, are made to.

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
    """Coverage of the source, the sum of what every output word gave (Tu et al. 2016).

    Args:
        attention: Weights `[T, S]`.

    Returns:
        Sums `[S]`, float64.
    """
    return np.asarray(attention, np.float64).sum(axis=0)


def monotonicity(jumps):
    """Share of steps from an output word to the next in which the attention does not go back.

    It compares the source positions that successive output words attended to most, as the
    jumps of the alignment model of Vogel et al. 1996 do; 1 is a translation word by word.

    Args:
        jumps: `Behaviour.jumps`, of one sentence or of many.

    Returns:
        The share, or None where there is no step.
    """
    jumps = np.asarray(jumps)
    return float((jumps >= 0).mean()) if jumps.size else None


def suspicion(behaviours):
    """How suspicious every sentence is beside the others, from 0 to 1.

    The mean of three ranks, each from 0 (no sentence is better) to 1 (none is worse), equals
    sharing the mean of theirs: the cross-entropy per token, the share of source words that were
    never attended, and the mean entropy of the output words. Ranks are added up because the
    three have no common unit (Borda 1781; Dwork et al. 2001).

    Args:
        behaviours: `Behaviour` of every sentence, N of them.

    Returns:
        Scores `[N]` and the three ranks `[N, 3]`.
    """
    quantities = [
        [one.loss / one.tokens, one.never.mean(), one.entropies.mean()] for one in behaviours
    ]
    ranks = np.stack([_ranks(column) for column in np.array(quantities).T], axis=1)
    return ranks.mean(axis=1), ranks


def _ranks(values):
    ordered = np.sort(values)
    below, upto = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return (below + upto - 1) / 2 / max(len(values) - 1, 1)


def entropy_by_position(behaviours):
    """Mean entropy of the output words by their position, from 1: `Bin`s, counting words."""
    positions = [np.arange(1, len(one.entropies) + 1) for one in behaviours]
    values = np.concatenate([one.entropies for one in behaviours])
    return binned(np.concatenate(positions), values, np.ones(len(values), int))


def loss_by_length(behaviours):
    """Cross-entropy per target token by the length of the source: `Bin`s, counting tokens.

    Every token weighs the same; the length is that of the source in tokens, END left out.
    """
    return binned(
        np.array([len(one.coverage) for one in behaviours]),
        np.array([one.loss for one in behaviours]),
        np.array([one.tokens for one in behaviours]),
    )


@dataclasses.dataclass(frozen=True)
class Bin:
    """Those whose key is from `first` to `last`, both included: their mean, and how many."""

    first: int
    last: int
    mean: float
    count: int


def binned(keys, sums, counts, most=20):
    """Means over bins of equal width, as narrow as `most` bins allow.

    Args:
        keys: Whole numbers `[N]` to sort by.
        sums: What is to be averaged, `[N]`, each the sum of `counts` things.
        counts: Whole numbers `[N]`.
        most: Largest number of bins.

    Returns:
        A list of `Bin`, in the order of the keys, without empty ones.
    """
    first = int(keys.min())
    width = -(-(int(keys.max()) - first + 1) // most)
    bins = []
    for start in range(first, int(keys.max()) + 1, width):
        inside = (keys >= start) & (keys < start + width)
        count = int(counts[inside].sum())
        if count:
            mean = float(sums[inside].sum() / count)
            bins.append(Bin(start, min(start + width - 1, int(keys.max())), mean, count))
    return bins


def jump_counts(jumps, farthest=5):
    """How often the attention jumped how far.

    Args:
        jumps: `Behaviour.jumps` of all sentences.
        farthest: Jumps from this far on, to either side, are counted as one.

    Returns:
        A list of (jump, count), from `-farthest` to `farthest`.
    """
    clipped = np.clip(jumps, -farthest, farthest)
    return [(jump, int((clipped == jump).sum())) for jump in range(-farthest, farthest + 1)]
