"""The hypotheses of a search, and the sources that they belong to."""

import collections

import tensorflow as tf

from kseq.search.rules import needs_written_ids, select_requirements
from kseq.special_tokens import END, START

Hypotheses = collections.namedtuple(
    "Hypotheses",
    [
        "last_ids",
        "lengths",
        "is_finished",
        "sums",
        "log_probabilities",
        "written",
        "coverage",
        "state",
    ],
)
Hypotheses.__doc__ = """The K hypotheses of each of B sources after some steps.

A hypothesis whose sum is -inf is an empty place: at first, a beam has more places than hypotheses,
and rules may leave fewer than K hypotheses.

Fields:
    last_ids: The id that was written last, START before the first step, int32 `[B, K]`.
    lengths: Number of ids so far, END included, int32 `[B, K]`.
    is_finished: Whether the hypothesis has ended, boolean `[B, K]`.
    sums: Sum of the log-probabilities as the rules adjust them, float32 `[B, K]`.
    log_probabilities: Sum of the log-probabilities under the model, float32 `[B, K]`.
    written: All ids so far, int32 `[B, K, T]`; `()` unless a rule reads them.
    coverage: Attention summed over the steps so far, float32 `[B, K, S]`; `()` without a coverage
        penalty.
    state: State of the step function, a nest of tensors `[B·K, ...]`, in which row `b·K + k`
        belongs to hypothesis k of source b; `[B, ...]` before the first step.
"""

Sources = collections.namedtuple("Sources", ["rows", "requirements", "constants", "random_numbers"])
Sources.__doc__ = """The sources that are still being searched.

Fields:
    rows: Their rows in the batch of all sources, int32 `[B]`.
    requirements: Their `Requirements`.
    constants: Tensors that the step function reads at every step, a nest of tensors `[B, ...]`.
    random_numbers: Numbers from 0 to 1 for sampling, `[B, T, K]`; `()` in beam search.
"""

Extension = collections.namedtuple("Extension", ["parents", "ids", "sums", "log_probabilities"])
Extension.__doc__ = """The result of one step, for each of the K places.

Fields:
    parents: Place of the hypothesis that is extended, int32 `[B, K]`; None if every hypothesis
        stays in its place.
    ids: The id that is written, int32 `[B, K]`; PAD after the end.
    sums: Sums of the extended hypotheses, float32 `[B, K]`.
    log_probabilities: Log-probability of each id, float32 `[B, K]`; 0 after the end.
"""


def start_hypotheses(sums, state, strategy, requirements):
    """Returns the `Hypotheses` before the first step.

    They hold only START; those whose output must be empty are already finished.

    Args:
        sums: 0 for each hypothesis to extend, -inf for an empty place, float32 `[B, K]`.
        state: Initial state of the step function, a nest of tensors `[B, ...]`.
        strategy: `BeamSearch` or `Sampling`.
        requirements: `Requirements` of the sources.
    """
    zeros = tf.zeros_like(sums, tf.int32)
    last_ids = zeros + START
    written = coverage = ()
    if needs_written_ids(strategy):
        written = last_ids[:, :, None][:, :, :0]
    if getattr(strategy, "beta", 0.0):
        coverage = tf.zeros_like(requirements.mask, tf.float32)
        coverage = tf.repeat(coverage[:, None], strategy.width, axis=1)
    return Hypotheses(
        last_ids=last_ids,
        lengths=zeros,
        is_finished=(zeros >= requirements.maximum_lengths[:, None]) & is_possible(sums),
        sums=sums,
        log_probabilities=sums,
        written=written,
        coverage=coverage,
        state=state,
    )


def extend_hypotheses(hypotheses, extension, state, attention):
    """Returns the `Hypotheses` after one more step.

    Args:
        hypotheses: `Hypotheses` before the step.
        extension: `Extension`.
        state: State after the step, a nest of tensors `[B·K, ...]`, in the order of `hypotheses`.
        attention: The attention of the step, a nest of tensors `[B, K, ...]` in the same order.
            With a coverage penalty it is a dict with the key `attention`.
    """
    parents, ids, sums, log_probabilities = extension
    lengths, is_finished, previous = gather_parents(
        (hypotheses.lengths, hypotheses.is_finished, hypotheses.log_probabilities), parents
    )
    # A finished hypothesis leaves empty places when it is extended by anything but padding.
    is_finished &= is_possible(sums)
    lengths += tf.cast(~is_finished, tf.int32)
    is_finished |= (ids == END) & is_possible(sums)
    written, coverage = hypotheses.written, hypotheses.coverage
    if parents is not None:
        batch, width = tf.shape(ids)[0], ids.shape[1]
        rows = tf.reshape(parents + tf.range(batch)[:, None] * width, [-1])
        state = gather_rows(state, rows)
    if tf.is_tensor(written):
        written = tf.concat([gather_parents(written, parents), ids[:, :, None]], axis=2)
    if tf.is_tensor(coverage):
        has_ended = hypotheses.is_finished[:, :, None]
        coverage += tf.where(has_ended, 0.0, attention["attention"])
        coverage = gather_parents(coverage, parents)
    return Hypotheses(
        last_ids=ids,
        lengths=lengths,
        is_finished=is_finished,
        sums=sums,
        log_probabilities=previous + log_probabilities,
        written=written,
        coverage=coverage,
        state=state,
    )


def select_sources(places, sources, hypotheses):
    """Returns the `Sources` at some places, int32 `[B']`, and their `Hypotheses`."""
    width = hypotheses.last_ids.shape[1]
    rows = tf.reshape(places[:, None] * width + tf.range(width), [-1])
    selected_sources = Sources(
        gather_rows(sources.rows, places),
        select_requirements(sources.requirements, places),
        gather_rows(sources.constants, places),
        gather_rows(sources.random_numbers, places),
    )
    by_source = gather_rows(hypotheses._replace(state=()), places)
    return selected_sources, by_source._replace(state=gather_rows(hypotheses.state, rows))


def gather_rows(nest, rows):
    """Gathers rows of nested tensors: `[N, ...]` and `[N']` to `[N', ...]`."""
    return tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), nest)


def gather_parents(nest, parents):
    """Gathers the entries of the parents from nested tensors `[B, K, ...]`.

    Args:
        nest: Tensors `[B, K, ...]`.
        parents: Places, int32 `[B, K]`; None if every hypothesis is its own parent.
    """
    if parents is None:
        return nest
    return tf.nest.map_structure(lambda tensor: tf.gather(tensor, parents, batch_dims=1), nest)


def split_by_source(tensor, width):
    """Reshapes `[B·K, ...]` to `[B, K, ...]`, K being the `width`."""
    if width == 1:
        return tensor[:, None]
    return tf.reshape(
        tensor, tf.concat([[tf.shape(tensor)[0] // width, width], tf.shape(tensor)[1:]], 0)
    )


def is_possible(sums):
    """Whether a sum of log-probabilities belongs to a hypothesis, not to an empty place."""
    return sums > float("-inf")


def loop_shapes(hypotheses):
    """Returns the shape invariants of `Hypotheses` in a loop that drops sources."""
    by_source = varying_batch(hypotheses._replace(written=(), coverage=(), state=()))
    growing = varying_shape((hypotheses.written, hypotheses.coverage, hypotheses.state))
    return by_source._replace(written=growing[0], coverage=growing[1], state=growing[2])


def varying_batch(nest):
    """Returns the shape invariants of nested tensors whose first dimension changes in a loop."""
    return tf.nest.map_structure(lambda tensor: tf.TensorShape([None, *tensor.shape[1:]]), nest)


def varying_shape(nest):
    """Returns the shape invariants of nested tensors whose rank alone is constant."""
    return tf.nest.map_structure(lambda tensor: tf.TensorShape([None] * tensor.shape.rank), nest)
