"""What may be written next: bounds on the length, a prefix, n-grams and tokens that must not be.

Rules make log-probabilities smaller and never larger, which is why a search may stop early.
"""

import collections

import tensorflow as tf

from kseq.special_tokens import END, PAD, START

Requirements = collections.namedtuple(
    "Requirements", ["maximum_lengths", "minimum_lengths", "prefix", "forbidden", "seeds", "mask"]
)
Requirements.__doc__ = """What is asked of the outputs of each source.

Fields:
    maximum_lengths: Most ids of an output, END included, int32 `[B]`; 0 for an empty output
        without END. At the longest nothing but END is allowed.
    minimum_lengths: Least ids of an output, END included, int32 `[B]`.
    prefix: Ids that every output starts with, int32 `[B, P]`, PAD behind; P may be 0.
    forbidden: Ids that are never written, int32 `[F]`.
    seeds: A number for each source that what is drawn for it hangs on, int32 `[B]`.
    mask: Source positions that must be covered, boolean `[B, S]`.
"""


def require(maximum_lengths, **others):
    """Returns `Requirements` that ask for nothing but what is given."""
    maximum_lengths = tf.convert_to_tensor(maximum_lengths, tf.int32)
    nothing = tf.zeros_like(maximum_lengths)
    defaults = {
        "minimum_lengths": nothing,
        "prefix": nothing[:, None][:, :0],
        "forbidden": tf.zeros([0], tf.int32),
        "seeds": nothing,
        "mask": tf.zeros([tf.size(nothing), 0], tf.bool),
    }
    return Requirements(maximum_lengths, **{**defaults, **others})


def requirements_of(rows, requirements):
    """Returns the `Requirements` of some of the sources.

    Args:
        rows: Their numbers, int32 `[B']`.
        requirements: `Requirements` of all.
    """
    chosen = {
        name: tf.gather(tensor, rows)
        for name, tensor in requirements._asdict().items()
        if name != "forbidden"
    }
    return requirements._replace(**chosen)


def needs_written(rules):
    """Whether `apply_rules` looks at what was written before."""
    return rules.no_repeat_ngram > 0 or rules.repetition_penalty != 1.0


def next_of_prefix(time, requirements):
    """The id that the prefix asks for next, int32 `[B]`; PAD behind it."""
    prefix = requirements.prefix
    return tf.gather(
        tf.pad(prefix, [[0, 0], [0, 1]]), tf.minimum(time, tf.shape(prefix)[1]), axis=1
    )


def never_written(requirements):
    """Whether an id is never written, boolean `[M]`; the last stands for all ids behind it."""
    ids = tf.concat([[PAD, START], requirements.forbidden], axis=0)
    size = tf.reduce_max(ids) + 2
    return tf.scatter_nd(ids[:, None], tf.ones_like(ids), size[None]) > 0


def apply_rules(log_probabilities, ids, time, written, rules, requirements, never):
    """Makes the log-probabilities of what is not wanted smaller, or -inf.

    Args:
        log_probabilities: Of some ids that may come next, `[N, C]`.
        ids: Which these are, int32 `[N, C]`; all V in order where `needs_written`.
        time: Number of ids written so far, the same for all, int32.
        written: Those ids, `[N, time]`, where `needs_written`.
        rules: `Rules`.
        requirements: `Requirements` of the source of each row.
        never: What `never_written` returned.

    Returns:
        A tensor like `log_probabilities`.
    """
    banned = tf.gather(never, tf.minimum(ids, tf.size(never) - 1))
    if rules.repetition_penalty != 1.0:
        repeats = _is_in_rows(written, tf.shape(ids)[1])
        log_probabilities *= tf.where(repeats, rules.repetition_penalty, 1.0)
    if rules.no_repeat_ngram:
        banned |= _would_repeat(written, tf.shape(ids)[1], rules.no_repeat_ngram)
    is_end = ids == END
    too_early = (time + 1 < requirements.minimum_lengths)[:, None]
    is_last = (time + 1 >= requirements.maximum_lengths)[:, None]
    banned = (banned & ~(is_last & is_end)) | (too_early & is_end) | (is_last & ~is_end)
    # Within the prefix nothing but its next id is allowed, whatever else is banned.
    next_ids = next_of_prefix(time, requirements)[:, None]
    banned = tf.where(next_ids == PAD, banned, ids != next_ids)
    return tf.where(banned, float("-inf"), log_probabilities)


def _is_in_rows(written, size):
    """Whether each of the V ids stands in a row: `[N, t]` to `[N, V]`."""
    rows = tf.zeros_like(written) + tf.range(tf.shape(written)[0])[:, None]
    places = tf.reshape(tf.stack([rows, written], axis=2), [-1, 2])
    ones = tf.ones([tf.size(written)], tf.int32)
    return tf.scatter_nd(places, ones, tf.stack([tf.shape(written)[0], size])) > 0


def _would_repeat(written, size, n):
    """Whether an id would make an n-gram that was written before, `[N, V]`."""
    time = tf.shape(written)[1]
    starts = tf.maximum(time - n + 1, 0)  # of the n-grams so far
    last = written[:, starts:]  # n - 1 ids, unless nothing can repeat yet
    same = tf.ones([tf.shape(written)[0], starts], tf.bool)
    for place in range(n - 1):
        same &= written[:, place : place + starts] == last[:, place : place + 1]
    followers = tf.where(same, written[:, n - 1 : n - 1 + starts], PAD)
    return _is_in_rows(followers, size)
