"""What may follow a hypothesis: of V ids those that are worth a look, and their probabilities."""

import collections

import tensorflow as tf

Continuations = collections.namedtuple("Continuations", ["ids", "wanted", "log_probabilities"])
Continuations.__doc__ = """What may follow hypotheses, the best first; none follows a finished one.

Fields:
    ids: int32 `[B, K, C]`.
    wanted: Log-probabilities as the rules make them, float32 `[B, K, C]`.
    log_probabilities: As the model has them, float32 `[B, K, C]`.
"""

_GROUPS = range(16, 65)  # sizes of groups of which the largest value is looked for first


def padding_of(size):
    """How many ids are to be added to V for groups of one size, as few as can be."""
    return min(-size % group for group in _GROUPS)


def consider(logits, count, required):
    """Of many ids chooses groups that hold the best ones.

    No pass over all V is made but for the softmax and the largest value of every group.

    Args:
        logits: float32 `[N, V]`; -inf for ids that there are not. Groups need a `padding_of` 0.
        count: So many groups are to be taken, those with the largest values; None for all ids.
        required: An id of each row whose group is to be taken too, int32 `[N]`.

    Returns:
        Ids, int32 `[N, C]`, in order, and their log-probabilities.
    """
    size = logits.shape[-1]
    values = logits
    ids = tf.zeros_like(logits, tf.int32) + tf.range(tf.shape(logits)[1])
    is_large = count is not None and size is not None and size >= 4 * (count + 1) * _GROUPS[-1]
    if is_large and not padding_of(size):
        ids, values = _best_groups(logits, count, required)
    # The largest probability is at least 1/V: its logarithm is safe where others underflow.
    best = tf.argmax(values, axis=1, output_type=tf.int32)[:, None]
    largest, best_ids = (tf.gather(tensor, best, batch_dims=1) for tensor in (values, ids))
    # On a CPU more than twice as fast as a softmax that takes the logarithm of all.
    probabilities = tf.gather(tf.nn.softmax(logits), best_ids, batch_dims=1)
    return ids, values - largest + tf.math.log(probabilities)


def _best_groups(values, count, required):
    """Ids and values `[N, C]` of so many groups, and of that of an id."""
    size = values.shape[-1]
    group = next(group for group in _GROUPS if size % group == 0)
    number = size // group
    values = tf.reshape(values, [-1, number, group])
    places = tf.stack([tf.range(tf.shape(values)[0]), required // group], axis=1)
    infinite = tf.fill(tf.shape(required), float("inf"))
    largest = tf.tensor_scatter_nd_update(tf.reduce_max(values, axis=2), places, infinite)
    groups = tf.sort(tf.math.top_k(largest, count + 1)[1], axis=1)
    ids = groups[:, :, None] * group + tf.range(group)
    shape = [-1, (count + 1) * group]
    return tf.reshape(ids, shape), tf.reshape(tf.gather(values, groups, batch_dims=1), shape)
