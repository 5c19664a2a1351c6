"""Beam search over any step function, as one graph for a whole batch; greedy is a beam of 1.

Real values are not searched for: `free_run` feeds each prediction to the next step.
"""

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
    attention: What every step attended to, such as float32 `[B, K, T, S]`, 0 behind the end; a
        nest like that of the step.
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


def beam_search(step, state, attention_spec, maximum_lengths, beam_size=1, alpha=1.0):
    """Looks for the most probable sequences.

    Every finished hypothesis keeps its place among the K and its score; the others go on until
    all K are finished or as long as allowed. Ties go to the better hypothesis so far, then to
    the smaller id. PAD and START are never produced.

    Args:
        step: Function of the last ids `[N]` and a state to logits `[N, V]`, the new state and
            the attention, with N = B·K, row `b·K + k` being hypothesis k of source b. A state
            is any nest of tensors `[N, ...]`, which may grow but for their first dimension;
            so is the attention, whose shape stays.
        state: The initial state, a nest of tensors `[B, ...]`.
        attention_spec: `tf.TensorSpec` of each tensor of the attention, without the first
            dimension, such as `tf.TensorSpec([None])`.
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
        attention = (_by_source(tensor, beam_size) for tensor in tf.nest.flatten(attention))
        entries = ids, parents, *attention
        history = [array.write(time, entry) for array, entry in zip(history, entries)]
        ends = (ids == END) | (lengths >= maximum_lengths[:, None])
        finished |= ends & _is_real(log_probabilities)
        return time + 1, finished, log_probabilities, ids, lengths, state, history

    one = tf.TensorSpec([], tf.int32)
    history = _arrays((one, one, *tf.nest.flatten(attention_spec)), [None, beam_size])
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
        shape_invariants=(
            tf.TensorShape([]),
            *[tf.TensorShape([None, beam_size])] * 4,
            _growing(state),
            [tf.TensorShape([])] * len(history),
        ),
    )
    scores = log_probabilities / length_penalty(lengths, alpha)
    ids, attention = _backtrack(time, lengths, *history)
    attention = tf.nest.pack_sequence_as(attention_spec, attention)
    return _ranked(SearchResult(ids, lengths, log_probabilities, scores, attention))


def _ranked(result):
    """The same hypotheses, best first; of equal ones the earlier."""
    order = tf.argsort(result.scores, axis=1, direction="DESCENDING", stable=True)
    return tf.nest.map_structure(lambda tensor: tf.gather(tensor, order, batch_dims=1), result)


def _arrays(specs, rows):
    """Where a loop writes what it makes: for each spec an array of tensors `[*rows, ...]`."""
    return [
        tf.TensorArray(spec.dtype, 0, dynamic_size=True, element_shape=[*rows, *spec.shape])
        for spec in specs
    ]


def _by_source(tensor, beam_size):
    """`[B·K, ...]` as `[B, K, ...]`."""
    return tf.reshape(
        tensor, tf.concat([[tf.shape(tensor)[0] // beam_size, beam_size], tf.shape(tensor)[1:]], 0)
    )


def _growing(state):
    """Shape invariants of a state: nothing but the rank stays as it is."""
    return tf.nest.map_structure(lambda tensor: tf.TensorShape([None] * tensor.shape.rank), state)


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


def _backtrack(length, lengths, ids, parents, *attention):
    """Follows the parents from the end: ids `[B, K, T]` and attention `[[B, K, T, ...], ...]`."""

    def follow(time, hypotheses, outputs):
        before = tf.gather(parents.read(time), hypotheses, batch_dims=1)
        # Attention was made by the parent, before the hypotheses were chosen.
        places = hypotheses, *[before] * len(attention)
        read = [
            tf.gather(array.read(time), place, batch_dims=1)
            for array, place in zip((ids, *attention), places)
        ]
        outputs = [array.write(time, entry) for array, entry in zip(outputs, read)]
        return time - 1, before, outputs

    hypotheses = tf.zeros_like(lengths) + tf.range(lengths.shape[1])
    outputs = [tf.TensorArray(array.dtype, length) for array in (ids, *attention)]
    _, _, outputs = tf.while_loop(
        lambda time, *_: time >= 0, follow, (length - 1, hypotheses, outputs)
    )
    real = tf.sequence_mask(lengths, length)
    stacked = (_batch_first(array.stack(), 2) for array in outputs)
    ids, *attention = (
        tf.where(_expanded(real, tensor.shape.rank), tensor, tf.zeros([], tensor.dtype))
        for tensor in stacked
    )
    return ids, attention


def free_run(step, state, first, steps, attention_spec):
    """Predicts real values, each from the ones before.

    Args:
        step: Function of the last values `[N, F]` and a state to the next values `[N, F]`, the
            new state and the attention, as in `beam_search`.
        state: The initial state, a nest of tensors `[N, ...]`.
        first: What the first step reads, `[N, F]`.
        steps: Number of steps T, int32.
        attention_spec: As in `beam_search`.

    Returns:
        Values `[N, T, F]` and the attention, a nest of `[N, T, ...]`.
    """

    def extend(time, values, state, history):
        values, state, attention = step(values, state)
        entries = values, *tf.nest.flatten(attention)
        history = [array.write(time, entry) for array, entry in zip(history, entries)]
        return time + 1, values, state, history

    values_spec = tf.TensorSpec([first.shape[-1]], first.dtype)
    history = _arrays((values_spec, *tf.nest.flatten(attention_spec)), [None])
    *_, history = tf.while_loop(
        lambda time, *_: time < steps,
        extend,
        (tf.constant(0), first, state, history),
        shape_invariants=(
            tf.TensorShape([]),
            first.shape,
            _growing(state),
            [tf.TensorShape([])] * len(history),
        ),
    )
    values, *attention = (_batch_first(array.stack(), 1) for array in history)
    return values, tf.nest.pack_sequence_as(attention_spec, attention)


def _batch_first(tensor, axis):
    """Moves the time from the front to an axis further back."""
    rank = tensor.shape.rank
    return tf.transpose(tensor, [*range(1, axis + 1), 0, *range(axis + 1, rank)])


def _expanded(real, rank):
    """`[B, K, T]` as a tensor of this rank, to be broadcast."""
    return tf.reshape(real, tf.concat([tf.shape(real), [1] * (rank - 3)], 0))
