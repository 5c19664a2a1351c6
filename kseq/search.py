"""Beam search over any step function, as one graph for a whole batch; greedy is a beam of 1."""

import collections

import tensorflow as tf

from kseq.special_tokens import END, PAD, START

SearchResult = collections.namedtuple(
    "SearchResult", ["ids", "lengths", "log_probabilities", "scores", "attention"]
)
SearchResult.__doc__ = """What a search found, best hypothesis first.

Fields:
    ids: int32 `[B, K, T]`, END included where it was reached, PAD behind it.
    lengths: Number of ids of a hypothesis, END included, int32 `[B, K]`.
    log_probabilities: Sum over the hypothesis, float32 `[B, K]`; -inf where there are fewer
        than K hypotheses.
    scores: What hypotheses are ranked by: the sum divided by the length penalty, `[B, K]`.
    attention: Weights of every step, float32 `[B, K, T, S]`, 0 behind the end.
"""


def length_penalty(lengths, alpha):
    """`((5 + |Y|) / 6)^α`, by which a log-probability is divided.

    Wu et al. 2016 (arXiv 1609.08144), equation 14; |Y| counts END.

    Args:
        lengths: Lengths of hypotheses, any shape.
        alpha: 0 for no normalisation; the longer the hypotheses wanted, the larger.

    Returns:
        Penalties, float32, of the shape of `lengths`.
    """
    return tf.pow((5.0 + tf.cast(lengths, tf.float32)) / 6.0, alpha)


def beam_search(step, state, memory_length, maximum_lengths, beam_size=1, alpha=1.0):
    """Looks for the most probable sequences.

    Every finished hypothesis keeps its place among the K and its score; the others go on until
    all K are finished or as long as allowed. Ties go to the better hypothesis so far, then to
    the smaller id. PAD and START are never produced.

    Args:
        step: Function of the last ids `[N]` and a state to logits `[N, V]`, the new state and
            attention weights `[N, S]`, with N = B·K, row `b·K + k` being hypothesis k of
            source b. A state is any nest of tensors `[N, ...]`.
        state: The initial state, a nest of tensors `[B, ...]`.
        memory_length: S, the width of the attention weights.
        maximum_lengths: Most ids of a hypothesis, END included, by source, int32 `[B]`.
        beam_size: K; 1 is greedy search.
        alpha: Exponent of the length penalty that finished hypotheses are ranked with.

    Returns:
        A `SearchResult`.
    """
    batch_size = tf.shape(maximum_lengths)[0]
    state = tf.nest.map_structure(lambda tensor: tf.repeat(tensor, beam_size, axis=0), state)
    unfilled = tf.zeros([batch_size, beam_size], tf.int32)
    # All hypotheses start alike: only the first may be continued at the first step.
    log_probabilities = tf.where(tf.range(beam_size) + unfilled == 0, 0.0, float("-inf"))
    limit = tf.reduce_max(maximum_lengths)

    def is_open(time, finished, log_probabilities, *_):
        # At least one step is taken, even if it only pads: nothing cannot be stacked.
        is_unfinished = tf.reduce_any(_is_real(log_probabilities) & ~finished)
        return (time == 0) | ((time < limit) & is_unfinished)

    def extend(time, finished, log_probabilities, ids, lengths, state, history):
        logits, state, attention = step(tf.reshape(ids, [-1]), state)
        continuations = _continuations(logits, finished)
        log_probabilities, parents, ids = _best(continuations, log_probabilities, finished)
        finished, lengths = (
            tf.gather(tensor, parents, batch_dims=1) for tensor in (finished, lengths)
        )
        # What follows a finished hypothesis, beside itself, is no hypothesis.
        finished &= _is_real(log_probabilities)
        lengths += tf.cast(~finished, tf.int32)
        rows = tf.reshape(parents + tf.range(batch_size)[:, None] * beam_size, [-1])
        state = tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), state)
        attention = tf.reshape(attention, [batch_size, beam_size, memory_length])
        entries = ids, parents, attention
        history = [array.write(time, entry) for array, entry in zip(history, entries)]
        ends = (ids == END) | (lengths >= maximum_lengths[:, None])
        finished |= ends & _is_real(log_probabilities)
        return time + 1, finished, log_probabilities, ids, lengths, state, history

    history = [
        tf.TensorArray(dtype, 0, dynamic_size=True, element_shape=[None, beam_size, *shape])
        for dtype, shape in ((tf.int32, ()), (tf.int32, ()), (tf.float32, (None,)))
    ]
    time, _, log_probabilities, _, lengths, _, history = tf.while_loop(
        is_open,
        extend,
        (
            tf.constant(0),
            unfilled >= maximum_lengths[:, None],
            log_probabilities,
            unfilled + START,
            unfilled,
            state,
            history,
        ),
    )
    scores = log_probabilities / length_penalty(lengths, alpha)
    ids, attention = _backtrack(time, lengths, *history)
    order = tf.argsort(scores, axis=1, direction="DESCENDING", stable=True)
    return SearchResult(
        *(
            tf.gather(tensor, order, batch_dims=1)
            for tensor in (ids, lengths, log_probabilities, scores, attention)
        )
    )


def _is_real(log_probabilities):
    """Whether a place among the K is taken: at first there are fewer hypotheses than places."""
    return log_probabilities > float("-inf")


def _continuations(logits, finished):
    """Log-probabilities of every next id, `[B, K, V]`; a finished hypothesis can only pad."""
    log_probabilities = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    size = tf.shape(logits)[-1]
    ids = tf.range(size)
    log_probabilities = tf.where((ids == PAD) | (ids == START), float("-inf"), log_probabilities)
    log_probabilities = tf.reshape(log_probabilities, tf.concat([tf.shape(finished), [size]], 0))
    padding = tf.where(ids == PAD, 0.0, float("-inf"))
    return tf.where(finished[:, :, None], padding, log_probabilities)


def _best(continuations, log_probabilities, finished):
    """Chooses K continuations of each source: new sums, parents and ids, each `[B, K]`.

    The best K of every hypothesis first, then the best K of those, which is the same as the
    best K of all and much cheaper. Finished hypotheses come before all others.
    """
    beam_size = finished.shape[1]
    width = tf.minimum(beam_size, tf.shape(continuations)[-1])
    best, ids = tf.math.top_k(continuations, width)
    sums = tf.reshape(log_probabilities[:, :, None] + best, [-1, beam_size * width])
    keeps = tf.reshape(finished[:, :, None] & (tf.range(width) == 0), [-1, beam_size * width])
    _, chosen = tf.math.top_k(tf.where(keeps, float("inf"), sums), beam_size)
    ids = tf.gather(tf.reshape(ids, [-1, beam_size * width]), chosen, batch_dims=1)
    return tf.gather(sums, chosen, batch_dims=1), chosen // width, ids


def _backtrack(length, lengths, ids, parents, attention):
    """Follows the parents from the end: ids `[B, K, T]` and attention `[B, K, T, S]`."""

    def follow(time, hypotheses, outputs):
        before = tf.gather(parents.read(time), hypotheses, batch_dims=1)
        read = (
            tf.gather(ids.read(time), hypotheses, batch_dims=1),
            # Attention was made by the parent, before the hypotheses were chosen.
            tf.gather(attention.read(time), before, batch_dims=1),
        )
        outputs = [array.write(time, entry) for array, entry in zip(outputs, read)]
        return time - 1, before, outputs

    hypotheses = tf.zeros_like(lengths) + tf.range(lengths.shape[1])
    outputs = [tf.TensorArray(dtype, length) for dtype in (tf.int32, tf.float32)]
    _, _, (ids, attention) = tf.while_loop(
        lambda time, *_: time >= 0, follow, (length - 1, hypotheses, outputs)
    )
    ids = tf.transpose(ids.stack(), [1, 2, 0])
    attention = tf.transpose(attention.stack(), [1, 2, 0, 3])
    real = tf.sequence_mask(lengths, length)
    return tf.where(real, ids, PAD), tf.where(real[..., None], attention, 0.0)
