"""How many pairs are collected, sorted together, and in a batch."""

import numpy as np

_GROUPS = 16  # of pairs sorted together, in an epoch
_BATCHES_PER_GROUP = 4  # at least


def pairs_per_pool(codecs, training):
    """Returns the number of pairs in a pool: a multiple of the batch size.

    Args:
        codecs: `CodecPair`.
        training: `TrainingConfig`.
    """
    return max(1, codecs.pairs_per_pool // training.batch_size) * training.batch_size


def pairs_per_group(survey, training):
    """Returns the number of pairs that are sorted by length together, for about 16 groups an epoch.

    If all pairs were, each batch of a small corpus would hold pairs of a single length, and each
    step would teach the model what is true of this length only. On 3,600 words, that halves the
    progress of the first epochs. A group has at least 4 batches, because smaller ones are not
    better, but have more padding.

    Args:
        survey: `Survey` of the pairs.
        training: `TrainingConfig`.
    """
    batches = batch_count(survey, training)
    together = max(_BATCHES_PER_GROUP, batches // _GROUPS)
    if not training.batch_tokens:
        return together * training.batch_size
    return max(1, together * survey.kept // max(1, batches))


def batch_starts(lengths, training):
    """Cuts sorted pairs into batches.

    Args:
        lengths: Length of the longer side of every pair, END included, `[N]`.
        training: `TrainingConfig`.

    Returns:
        The index of the first pair of every batch, and N at the end, int64 `[batches + 1]`.
    """
    count = len(lengths)
    if not training.batch_tokens:
        return np.append(np.arange(0, count, training.batch_size), count)
    starts, longest = [0], 0
    for number, length in enumerate(lengths.tolist()):
        longest = max(longest, length)
        if (number + 1 - starts[-1]) * longest > training.batch_tokens and number > starts[-1]:
            starts.append(number)
            longest = length
    return np.array([*starts, count])


def batch_count(survey, training):
    """Returns the number of batches of an epoch; an estimate if they are measured in tokens."""
    if training.batch_tokens:
        return -(-survey.tokens // training.batch_tokens)
    return -(-survey.kept // training.batch_size)
