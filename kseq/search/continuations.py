"""Candidates for the next id: the groups of the vocabulary with the largest logits."""

import collections

import tensorflow as tf

Continuations = collections.namedtuple("Continuations", ["ids", "adjusted", "log_probabilities"])
Continuations.__doc__ = """Ids that may follow each hypothesis, best first.

Fields:
    ids: int32 `[B, K, C]`.
    adjusted: Log-probabilities as the rules adjust them, float32 `[B, K, C]`; -inf for ids that are
        not allowed, and for all ids after a finished hypothesis.
    log_probabilities: Log-probabilities under the model, float32 `[B, K, C]`.
"""

# Sizes of the groups. A size must divide V: vocabularies are padded to the next multiple of one.
_GROUP_SIZES = range(16, 65)


def padding_of(size):
    """Returns the smallest number of ids to add to a vocabulary so that it divides into groups.

    Args:
        size: Size of the vocabulary V.
    """
    return min(-size % group for group in _GROUP_SIZES)


def find_candidates(logits, count, required):
    """Finds the ids that are worth ranking, and their log-probabilities.

    Only the softmax and the maximum of each group read all V logits. The best `count` ids are
    always found: each is in a group whose maximum is at least as large as its own logit.

    Args:
        logits: float32 `[N, V]`; -inf for ids that only pad the vocabulary. Groups are used if
            `padding_of(V)` is 0 and V is large enough to gain from them.
        count: Number of groups to take, those with the largest maxima; None for all ids.
        required: For each row, an id whose group is taken too, int32 `[N]`.

    Returns:
        Ids in ascending order, int32 `[N, C]`, and their log-probabilities, float32 `[N, C]`.
    """
    size = logits.shape[-1]
    candidates = logits
    ids = tf.zeros_like(logits, tf.int32) + tf.range(tf.shape(logits)[1])
    is_large = count is not None and size is not None and size >= 4 * (count + 1) * _GROUP_SIZES[-1]
    if is_large and not padding_of(size):
        ids, candidates = _best_groups(logits, count, required)
    # The largest probability is at least 1/V, so its logarithm is safe; others may underflow.
    best = tf.argmax(candidates, axis=1, output_type=tf.int32)[:, None]
    largest, best_ids = (tf.gather(tensor, best, batch_dims=1) for tensor in (candidates, ids))
    # On a CPU this takes less than half the time of tf.nn.log_softmax.
    probabilities = tf.gather(tf.nn.softmax(logits), best_ids, batch_dims=1)
    return ids, candidates - largest + tf.math.log(probabilities)


def _best_groups(logits, count, required):
    """Returns ids and logits `[N, C]` of the best groups, and of the groups of required ids."""
    size = logits.shape[-1]
    group_size = next(group for group in _GROUP_SIZES if size % group == 0)
    groups = tf.reshape(logits, [-1, size // group_size, group_size])
    indices = tf.stack([tf.range(tf.shape(groups)[0]), required // group_size], axis=1)
    infinite = tf.fill(tf.shape(required), float("inf"))
    maxima = tf.tensor_scatter_nd_update(tf.reduce_max(groups, axis=2), indices, infinite)
    best = tf.sort(tf.math.top_k(maxima, count + 1)[1], axis=1)
    ids = best[:, :, None] * group_size + tf.range(group_size)
    shape = [-1, (count + 1) * group_size]
    return tf.reshape(ids, shape), tf.reshape(tf.gather(groups, best, batch_dims=1), shape)
