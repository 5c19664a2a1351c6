"""Which ids may be written next: bounds on the length, prefixes, forbidden ids, no repetitions.

Rules never increase a log-probability, so a search may stop early.
"""

import collections

import tensorflow as tf

from kseq.special_tokens import END, PAD, START

Requirements = collections.namedtuple(
    "Requirements", ["maximum_lengths", "minimum_lengths", "prefix", "forbidden", "seeds", "mask"]
)
Requirements.__doc__ = """Requirements for the outputs of each source.

Fields:
    maximum_lengths: Maximum number of ids of an output, END included, int32 `[B]`; 0 for an empty
        output without END. At the maximum nothing but END is allowed.
    minimum_lengths: Minimum number of ids of an output, END included, int32 `[B]`.
    prefix: Ids that every output starts with, int32 `[B, P]`, then PAD; P may be 0.
    forbidden: Ids that are never written, int32 `[F]`.
    seeds: A number for each source that its random numbers depend on, int32 `[B]`.
    mask: Source positions that the attention is to cover, boolean `[B, S]`.
"""


def make_requirements(maximum_lengths, **fields):
    """Makes `Requirements`; every field except the maximum lengths has a default.

    Args:
        maximum_lengths: int32 `[B]`.
        **fields: Other fields of `Requirements`; by default they require nothing.
    """
    maximum_lengths = tf.convert_to_tensor(maximum_lengths, tf.int32)
    zeros = tf.zeros_like(maximum_lengths)
    defaults = {
        "minimum_lengths": zeros,
        "prefix": zeros[:, None][:, :0],
        "forbidden": tf.zeros([0], tf.int32),
        "seeds": zeros,
        "mask": tf.zeros([tf.size(zeros), 0], tf.bool),
    }
    return Requirements(maximum_lengths, **{**defaults, **fields})


def select_requirements(requirements, rows):
    """Returns the `Requirements` of some of the sources.

    Args:
        requirements: `Requirements` of all sources.
        rows: Rows of the sources to select, int32 `[B']`.
    """
    selected = {
        name: tf.gather(tensor, rows)
        for name, tensor in requirements._asdict().items()
        if name != "forbidden"
    }
    return requirements._replace(**selected)


def needs_written_ids(rules):
    """Returns whether `apply_rules` reads the ids that were written before."""
    return rules.no_repeat_ngram > 0 or rules.repetition_penalty != 1.0


def next_of_prefix(time, requirements):
    """Returns the id that the prefix requires next, int32 `[B]`; PAD after the prefix.

    Args:
        time: Number of ids written so far, int32.
        requirements: `Requirements`.
    """
    prefix = requirements.prefix
    return tf.gather(
        tf.pad(prefix, [[0, 0], [0, 1]]), tf.minimum(time, tf.shape(prefix)[1]), axis=1
    )


def make_ban_table(requirements):
    """Makes a table that is true for ids that are never written, boolean `[M]`.

    Its last entry applies to all ids from M - 1 upwards.
    """
    ids = tf.concat([[PAD, START], requirements.forbidden], axis=0)
    size = tf.reduce_max(ids) + 2
    return tf.scatter_nd(ids[:, None], tf.ones_like(ids), size[None]) > 0


def apply_rules(log_probabilities, ids, rules, requirements, *, time, written, banned):
    """Lowers the log-probabilities of repetitions, and sets those that are not allowed to -inf.

    Args:
        log_probabilities: Log-probabilities of the candidates, float32 `[N, C]`.
        ids: Ids of the candidates, int32 `[N, C]`; all V in order if `needs_written_ids`.
        rules: `Rules`.
        requirements: `Requirements` of the source of each row.
        time: Number of ids written so far, the same for all rows, int32.
        written: These ids, int32 `[N, time]`, if `needs_written_ids`.
        banned: The table of `make_ban_table`.

    Returns:
        The adjusted log-probabilities, float32 `[N, C]`.
    """
    is_banned = tf.gather(banned, tf.minimum(ids, tf.size(banned) - 1))
    if rules.repetition_penalty != 1.0:
        repeats = _is_in_rows(written, tf.shape(ids)[1])
        log_probabilities *= tf.where(repeats, rules.repetition_penalty, 1.0)
    if rules.no_repeat_ngram:
        is_banned |= _would_repeat(written, tf.shape(ids)[1], rules.no_repeat_ngram)
    is_end = ids == END
    is_too_early = (time + 1 < requirements.minimum_lengths)[:, None]
    is_last = (time + 1 >= requirements.maximum_lengths)[:, None]
    is_banned = (is_banned & ~(is_last & is_end)) | (is_too_early & is_end) | (is_last & ~is_end)
    # Within the prefix only its next id is allowed, whatever else is banned.
    next_ids = next_of_prefix(time, requirements)[:, None]
    is_banned = tf.where(next_ids == PAD, is_banned, ids != next_ids)
    return tf.where(is_banned, float("-inf"), log_probabilities)


def _is_in_rows(written, size):
    """Returns whether each of V ids is in a row: int32 `[N, T]` to boolean `[N, V]`."""
    rows = tf.zeros_like(written) + tf.range(tf.shape(written)[0])[:, None]
    indices = tf.reshape(tf.stack([rows, written], axis=2), [-1, 2])
    ones = tf.ones([tf.size(written)], tf.int32)
    return tf.scatter_nd(indices, ones, tf.stack([tf.shape(written)[0], size])) > 0


def _would_repeat(written, size, n):
    """Returns whether an id would repeat an n-gram: int32 `[N, T]` to boolean `[N, V]`."""
    time = tf.shape(written)[1]
    starts = tf.maximum(time - n + 1, 0)  # number of n-grams so far
    last = written[:, starts:]  # n - 1 ids, or fewer while nothing can repeat
    is_same = tf.ones([tf.shape(written)[0], starts], tf.bool)
    for offset in range(n - 1):
        is_same &= written[:, offset : offset + starts] == last[:, offset : offset + 1]
    followers = tf.where(is_same, written[:, n - 1 : n - 1 + starts], PAD)
    return _is_in_rows(followers, size)
