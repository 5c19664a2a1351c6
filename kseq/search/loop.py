"""The search loop: one for every strategy, over any step function, as one graph for a batch.

An inner loop extends hypotheses; an outer loop drops the sources whose search has ended.
"""

import tensorflow as tf

from kseq.search.choices import make_choice, merge_continuations
from kseq.search.continuations import Continuations, find_candidates
from kseq.search.history import (
    History,
    Totals,
    array_shapes,
    read_result,
    record_step,
    start_history,
)
from kseq.search.hypotheses import (
    Extension,
    Sources,
    extend_hypotheses,
    gather_parents,
    gather_rows,
    is_possible,
    loop_shapes,
    select_sources,
    split_by_source,
    start_hypotheses,
    varying_batch,
)
from kseq.search.rules import apply_rules, next_of_prefix, select_requirements
from kseq.special_tokens import PAD

_DROPPED_SHARE = 8  # Sources are dropped as soon as one in 8 has ended.


def search(
    step,
    state,
    constants,
    attention_spec,
    strategy,
    requirements,
    *,
    head=tf.identity,
    numbers=None,
):
    """Searches for outputs of each source.

    A finished hypothesis keeps its place among the K and its score; the others are extended until
    none of them can enter the N that are returned. Ties go to the better hypothesis so far, then
    to the smaller id. PAD and START are never written.

    Args:
        step: Function of the last ids `[N]`, a state and the constants that returns the input of
            the head `[N, ...]`, the new state and the attention. N is B·K, and row `b·K + k` is
            hypothesis k of source b; at the first step, when the K hypotheses of a source are
            still the same, N is B. B falls as sources are dropped, so every tensor of a source
            must be among the constants. A state is a nest of tensors `[N, ...]`, which may grow
            in all dimensions except the first; the attention is a nest of tensors of constant
            shape.
        state: Initial state, a nest of tensors `[B, ...]`.
        constants: Tensors that every step reads for a source, such as its memory, a nest of
            tensors `[B, ...]`.
        attention_spec: `tf.TensorSpec` of each tensor of the attention, without the first
            dimension, such as `tf.TensorSpec([None])`. With a coverage penalty it is a dict
            whose `attention` is to cover the source.
        strategy: `BeamSearch` or `Sampling`.
        requirements: `Requirements`.
        head: Function from the input of the head, for some rows, to their logits `[N', V]`.
        numbers: What to use in place of `strategy.numbers`, scalar tensors by name, so that one
            graph is enough for all of them; None to use its own.

    Returns:
        A `SearchResult` of N = `strategy.returned` outputs.
    """
    batch = tf.size(requirements.maximum_lengths)
    choice = make_choice(strategy, requirements, numbers)
    random_numbers = choice.random_numbers(requirements)
    sources = Sources(tf.range(batch), requirements, constants, random_numbers)
    hypotheses = start_hypotheses(choice.first_sums(batch), state, strategy, requirements)
    history = start_history(attention_spec, strategy.width, has_parents=choice.compares)
    loop = _Loop(step, head, choice, requirements)
    time, totals, history = loop.run(sources, hypotheses, history)
    places = choice.rank(totals.scores)
    return read_result(history, time, totals, places, requirements.maximum_lengths)


class _Loop:
    """The loop of one search.

    Args:
        step, head: As in `search`.
        choice: A choice from `make_choice`.
        requirements: `Requirements` of all sources.
    """

    def __init__(self, step, head, choice, requirements):
        self._step, self._head, self._choice = step, head, choice
        self._width = choice.strategy.width
        self._batch = tf.size(requirements.maximum_lengths)
        self._limit = tf.reduce_max(requirements.maximum_lengths)

    def run(self, sources, hypotheses, history):
        """Extends hypotheses until the search of every source has ended.

        Returns:
            The number of steps, int32; `Totals` of all sources; and the `History`.
        """

        def has_sources(time, sources, *_):
            # At least one step runs, even if it only pads: an empty history cannot be stacked.
            return (time == 0) | ((time < self._limit) & (tf.size(sources.rows) > 0))

        def extend_and_drop(time, sources, hypotheses, totals, history):
            time, hypotheses, history = self._extend_most(time, sources, hypotheses, history)
            totals = self._update_totals(totals, sources, hypotheses)
            is_open = self._choice.is_open(hypotheses, sources.requirements)
            places = tf.cast(tf.where(is_open)[:, 0], tf.int32)
            return time, *select_sources(places, sources, hypotheses), totals, history

        totals = Totals(
            hypotheses.lengths, hypotheses.log_probabilities, hypotheses.log_probabilities
        )
        time, *_, totals, history = tf.while_loop(
            has_sources,
            extend_and_drop,
            (tf.constant(0), sources, hypotheses, totals, history),
            shape_invariants=(
                tf.TensorShape([]),
                varying_batch(sources),
                loop_shapes(hypotheses),
                varying_batch(totals),
                array_shapes(history),
            ),
        )
        return time, totals, history

    def _extend_most(self, time, sources, hypotheses, history):
        """Extends hypotheses while most of the sources are open.

        Returns:
            The number of steps, `Hypotheses` and `History`.
        """

        def most_are_open(time, hypotheses, _):
            is_open = self._choice.is_open(hypotheses, sources.requirements)
            ended = tf.size(is_open) - tf.math.count_nonzero(is_open, dtype=tf.int32)
            return (time == 0) | (
                (time < self._limit) & (ended * _DROPPED_SHARE < tf.size(is_open))
            )

        def extend(time, hypotheses, history):
            hypotheses, records = self._extend(time, sources, hypotheses)
            return time + 1, hypotheses, record_step(history, time, records, sources, self._batch)

        return tf.while_loop(
            most_are_open,
            extend,
            (time, hypotheses, history),
            shape_invariants=(
                tf.TensorShape([]),
                loop_shapes(hypotheses),
                array_shapes(history),
            ),
        )

    def _extend(self, time, sources, hypotheses):
        """Runs one step; returns the extended `Hypotheses` and the records, a `History`."""
        hidden, state, attention = self._run_step(time, sources, hypotheses)
        continuations = self._rank_continuations(time, sources, hypotheses, hidden)
        extension = self._choose(continuations, hypotheses)
        attention = tf.nest.map_structure(
            lambda tensor: split_by_source(tensor, self._width), attention
        )
        extended = extend_hypotheses(hypotheses, extension, state, attention)
        shifts = ()
        if extension.parents is not None:
            shifts = extension.parents - tf.range(self._width)
        return extended, History(extension.ids, extension.log_probabilities, attention, shifts)

    def _run_step(self, time, sources, hypotheses):
        """Runs the step function; returns its outputs for all hypotheses, `[B·K, ...]`.

        At the first step the hypotheses of a source are the same, so it runs once for each source.
        """
        ids, width = hypotheses.last_ids, self._width
        if width > 1:
            ids = ids[:, : tf.where(time == 0, 1, width)]
        outputs = self._step(tf.reshape(ids, [-1]), hypotheses.state, sources.constants)
        if width == 1:
            return outputs
        return tf.cond(
            time == 0,
            lambda: tf.nest.map_structure(lambda tensor: tf.repeat(tensor, width, axis=0), outputs),
            lambda: tf.nest.map_structure(tf.identity, outputs),
        )

    def _rank_continuations(self, time, sources, hypotheses, hidden):
        """Returns the best `Continuations` of each hypothesis.

        Logits are made for unfinished hypotheses only.

        Args:
            time: Number of steps before this one, int32.
            sources: `Sources`.
            hypotheses: `Hypotheses`.
            hidden: Input of the head, `[B·K, ...]`.
        """
        batch, width = tf.shape(hypotheses.last_ids)[0], self._width
        written = hypotheses.written
        if not tf.is_tensor(written):  # No rule reads it: the last ids take its place.
            written = hypotheses.last_ids[:, :, None]
        written = tf.reshape(written, [batch * width, tf.shape(written)[2]])
        random_numbers = tf.nest.map_structure(
            lambda tensor: tf.reshape(tensor[:, time], [-1]), sources.random_numbers
        )
        inputs = hidden, written, random_numbers
        if width == 1:  # A source is dropped as soon as its only hypothesis is finished.
            best = self._rank_rows(time, *inputs, sources.requirements)
            return Continuations(*(split_by_source(tensor, width) for tensor in best))
        is_unfinished = is_possible(hypotheses.sums) & ~hypotheses.is_finished
        rows = tf.cast(tf.where(tf.reshape(is_unfinished, [-1]))[:, 0], tf.int32)
        requirements = select_requirements(sources.requirements, rows // width)
        best = self._rank_rows(time, *gather_rows(inputs, rows), requirements)
        shape = tf.stack([batch * width, tf.shape(best.ids)[1]])
        return Continuations(
            *(
                split_by_source(
                    tf.tensor_scatter_nd_update(tf.fill(shape, default), rows[:, None], tensor),
                    width,
                )
                for tensor, default in zip(best, (PAD, float("-inf"), 0.0))
            )
        )

    def _rank_rows(self, time, hidden, written, random_numbers, requirements):
        """Returns the best `Continuations` of some hypotheses, with fields `[N, C]`.

        Args:
            time: Number of steps before this one, int32.
            hidden: Input of the head, `[N, ...]`.
            written: Ids so far, int32 `[N, T]`.
            random_numbers: float32 `[N]`, or `()`.
            requirements: `Requirements` of the source of each row.
        """
        choice = self._choice
        logits = tf.cast(self._head(hidden), tf.float32)
        required = next_of_prefix(time, requirements)
        ids, log_probabilities = find_candidates(logits, choice.groups, required)
        adjusted = apply_rules(
            log_probabilities,
            ids,
            choice.strategy,
            requirements,
            time=time,
            written=written,
            banned=choice.banned,
        )
        best, indices = choice.best(adjusted, random_numbers)
        ids, log_probabilities = (
            tf.gather(tensor, indices, batch_dims=1) for tensor in (ids, log_probabilities)
        )
        return Continuations(ids, best, log_probabilities)

    def _choose(self, continuations, hypotheses):
        """Returns the `Extension` that the choice makes of `Continuations`."""
        parents, chosen, sums = self._choice.choose(continuations.adjusted, hypotheses)
        tensors = continuations.ids, continuations.log_probabilities
        if parents is None:
            ids, log_probabilities = (tensor[:, :, 0] for tensor in tensors)
        else:
            count = tf.shape(continuations.ids)[2]
            ids, log_probabilities = (
                tf.gather(merge_continuations(tensor), parents * count + chosen, batch_dims=1)
                for tensor in tensors
            )
        is_padding = gather_parents(hypotheses.is_finished, parents)
        ids = tf.where(is_padding, PAD, ids)
        return Extension(parents, ids, sums, tf.where(is_padding, 0.0, log_probabilities))

    def _update_totals(self, totals, sources, hypotheses):
        """Returns `Totals` with the current hypotheses written to the rows of their sources."""
        scores = self._choice.scores(hypotheses, sources.requirements)
        current = Totals(hypotheses.lengths, hypotheses.log_probabilities, scores)
        rows = sources.rows[:, None]
        return tf.nest.map_structure(
            lambda total, update: tf.tensor_scatter_nd_update(total, rows, update),
            totals,
            current,
        )
