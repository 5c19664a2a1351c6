"""One search for every strategy, over any step function, as one graph for a whole batch.

An inner loop extends hypotheses, an outer one leaves sources behind whose search has ended.
How beam search and sampling choose what follows is in `choices`; greedy search is a beam of 1.
Real values are not searched for: `free_run` feeds each prediction to the next step.
"""

import collections

import tensorflow as tf

from kseq.search.choices import choice_of, flat, is_real
from kseq.search.continuations import Continuations, consider
from kseq.search.rules import (
    apply_rules,
    needs_written,
    next_of_prefix,
    requirements_of,
)
from kseq.special_tokens import END, PAD, START

SearchResult = collections.namedtuple(
    "SearchResult",
    ["ids", "lengths", "log_probabilities", "scores", "token_log_probabilities", "attention"],
)
SearchResult.__doc__ = """What a search found: best hypothesis first, or samples as drawn.

Fields:
    ids: int32 `[B, N, T]`, END included, PAD behind it.
    lengths: Number of ids of a hypothesis, END included, int32 `[B, N]`.
    log_probabilities: Sum over the hypothesis as the model has it, float32 `[B, N]`.
    scores: What hypotheses are ranked by, float32 `[B, N]`; -inf where there are fewer than N.
    token_log_probabilities: Of each id as the model has it, float32 `[B, N, T]`, 0 behind END.
    attention: What every step attended to, such as float32 `[B, N, T, S]`, 0 behind the end; a
        nest like that of the step.
"""

_Hypotheses = collections.namedtuple(
    "_Hypotheses", ["ids", "lengths", "finished", "sums", "log_probabilities"]
)
_Sources = collections.namedtuple("_Sources", ["rows", "requirements", "fixed", "drawn"])
_Ended = collections.namedtuple("_Ended", ["lengths", "log_probabilities", "scores"])
_ENDED_SHARE = 8  # Sources are left behind as soon as one in so many has ended.


def search(step, state, fixed, attention_spec, strategy, requirements, head=tf.identity):
    """Looks for outputs of each source.

    Every finished hypothesis keeps its place among the K and its score; the others go on until
    nothing that they could still become would be returned. Ties go to the better hypothesis
    so far, then to the smaller id. PAD and START are never produced.

    Args:
        step: Function of the last ids `[N]`, a state and what is fixed to what logits are made
            of, `[N, ...]`, the new state and the attention, with N = B·K, row `b·K + k` being
            hypothesis k of source b; but N = B at the first step, where all K are still one. B
            falls as sources are left behind: what belongs to one must come as an argument.
            A state is any nest of tensors `[N, ...]`, which may grow but for their first
            dimension; so is the attention, whose shape stays.
        state: The initial state, a nest of tensors `[B, ...]`.
        fixed: What every step of all hypotheses of a source is given, such as its memory, a
            nest of tensors `[B, ...]`.
        attention_spec: `tf.TensorSpec` of each tensor of the attention, without the first
            dimension, such as `tf.TensorSpec([None])`. With a coverage penalty it is a dict
            whose `attention` is to be covered.
        strategy: `BeamSearch` or `Sampling`.
        requirements: `Requirements`.
        head: Function of what a step gives for some rows to their logits `[N', V]`.

    Returns:
        A `SearchResult` of N = `strategy.returned` outputs.
    """
    choice = choice_of(strategy, requirements)
    width, batch = strategy.width, tf.size(requirements.maximum_lengths)
    limit = tf.reduce_max(requirements.maximum_lengths)
    sources = _Sources(tf.range(batch), requirements, fixed, choice.drawn(requirements))
    first = _first(choice.first_sums(batch), requirements.maximum_lengths[:, None])
    memory = {
        "state": state,
        **_looked_back_at(strategy, requirements, first),
    }
    whole, real = tf.TensorSpec([], tf.int32), tf.TensorSpec([])
    specs = [whole, real, *tf.nest.flatten(attention_spec)]
    if choice.compares:
        specs.append(whole)  # the parents
    history = _arrays(specs, [None, width])

    def any_is_open(time, sources, *_):
        # At least one step is taken, even if it only pads: nothing cannot be stacked.
        return (time == 0) | ((time < limit) & (tf.size(sources.rows) > 0))

    def extend_and_leave_behind(time, sources, hypotheses, memory, ended, history):
        """Goes on until a part of the sources has ended, and leaves those behind."""
        time, hypotheses, memory, history = _extended(
            step, head, choice, sources, limit, (time, hypotheses, memory, history), batch
        )
        scores = choice.scores(hypotheses, memory, sources.requirements)
        found = hypotheses.lengths, hypotheses.log_probabilities, scores
        ended = _Ended(
            *(
                tf.tensor_scatter_nd_update(of_all, sources.rows[:, None], of_some)
                for of_all, of_some in zip(ended, found)
            )
        )
        is_open = choice.is_open(hypotheses, memory, sources.requirements)
        return time, *_of_open(is_open, sources, hypotheses, memory), ended, history

    ended = _Ended(first.lengths, first.log_probabilities, first.log_probabilities)
    time, *_, ended, history = tf.while_loop(
        any_is_open,
        extend_and_leave_behind,
        (tf.constant(0), sources, first, memory, ended, history),
        shape_invariants=(
            tf.TensorShape([]),
            _fewer(sources),
            _fewer(first),
            _growing(memory),
            _fewer(ended),
            [tf.TensorShape([])] * len(history),
        ),
    )
    places = choice.ranked(ended.scores)
    return _result(places, time, ended, history, choice.compares, attention_spec)


def _extended(step, head, choice, sources, limit, variables, batch):
    """Extends hypotheses as long as most of their sources are open.

    Args:
        step, head: As in `search`.
        choice: What `choice_of` returned.
        sources: `_Sources`.
        limit: Most steps.
        variables: Number of steps so far, `_Hypotheses`, memory and history.
        batch: Number of all sources B, those included that were left behind.

    Returns:
        The variables.
    """
    width, places = choice.strategy.width, sources.rows[:, None]

    def most_are_open(time, hypotheses, memory, _):
        is_open = choice.is_open(hypotheses, memory, sources.requirements)
        ended = tf.size(is_open) - tf.math.count_nonzero(is_open, dtype=tf.int32)
        return (time == 0) | ((time < limit) & (ended * _ENDED_SHARE < tf.size(is_open)))

    def extend(time, before, memory, history):
        hidden, state, attention = _stepped(step, time, before.ids, memory["state"], sources.fixed)
        continuations = _continuations(head, choice, time, hidden, before, memory, sources)
        parents, chosen, sums = choice.choose(continuations.wanted, before)
        ids, gained = _chosen(continuations, parents, chosen, before.finished)
        hypotheses = _continued(before, parents, ids, sums, gained)
        attention = tf.nest.map_structure(lambda tensor: _by_source(tensor, width), attention)
        memory = _remembered({**memory, "state": state}, before, attention, parents, ids)
        entries = [ids, gained, *tf.nest.flatten(attention)]
        if parents is not None:
            entries.append(parents - tf.range(width))
        # Of sources that were left behind there are zeros: padding, and parents in the same place.
        history = [
            array.write(time, _scattered(entry, places, batch))
            for array, entry in zip(history, entries)
        ]
        return time + 1, hypotheses, memory, history

    _, hypotheses, memory, history = variables
    return tf.while_loop(
        most_are_open,
        extend,
        variables,
        shape_invariants=(
            tf.TensorShape([]),
            _fewer(hypotheses),
            _growing(memory),
            [tf.TensorShape([])] * len(history),
        ),
    )


def _stepped(step, time, ids, state, fixed):
    """What a step gives for all hypotheses, `[B·K, ...]`.

    Until there are ids, those of a source are one.
    """
    width = ids.shape[1]
    if width == 1:
        return step(tf.reshape(ids, [-1]), state, fixed)
    ids = ids[:, : tf.where(time == 0, 1, width)]
    outputs = step(tf.reshape(ids, [-1]), state, fixed)
    return tf.cond(
        time == 0,
        lambda: tf.nest.map_structure(lambda tensor: tf.repeat(tensor, width, axis=0), outputs),
        lambda: tf.nest.map_structure(tf.identity, outputs),
    )


def _continuations(head, choice, time, hidden, hypotheses, memory, sources):
    """What may follow each hypothesis, as `Continuations`; logits are made of no ended ones."""
    batch, width = tf.shape(hypotheses.ids)[0], hypotheses.ids.shape[1]
    # Where no rule reads what was written, the last ids stand for it.
    written = memory.get("written", hypotheses.ids[:, :, None])
    written = tf.reshape(written, [batch * width, tf.shape(written)[2]])
    drawn = tf.nest.map_structure(lambda each: tf.reshape(each[:, time], [-1]), sources.drawn)
    if width == 1:  # With what has ended a source is left behind.
        best = _best(head, choice, time, hidden, written, drawn, sources.requirements)
        return Continuations(*(_by_source(tensor, width) for tensor in best))
    goes_on = is_real(hypotheses.sums) & ~hypotheses.finished
    rows = tf.cast(tf.where(tf.reshape(goes_on, [-1]))[:, 0], tf.int32)
    requirements = requirements_of(rows // width, sources.requirements)
    best = _best(head, choice, time, *_taken((hidden, written, drawn), rows), requirements)
    shape = tf.stack([batch * width, tf.shape(best.ids)[1]])
    return Continuations(
        *(
            _by_source(
                tf.tensor_scatter_nd_update(tf.fill(shape, other), rows[:, None], tensor), width
            )
            for tensor, other in zip(best, (PAD, float("-inf"), 0.0))
        )
    )


def _best(head, choice, time, hidden, written, drawn, requirements):
    """The best that may follow some hypotheses, `Continuations` of `[N, C]`."""
    required = next_of_prefix(time, requirements)
    logits = tf.cast(head(hidden), tf.float32)
    ids, log_probabilities = consider(logits, choice.groups, required)
    wanted = apply_rules(
        log_probabilities, ids, time, written, choice.strategy, requirements, choice.never
    )
    best, places = choice.best(wanted, drawn)
    ids, log_probabilities = (
        tf.gather(tensor, places, batch_dims=1) for tensor in (ids, log_probabilities)
    )
    return Continuations(ids, best, log_probabilities)


def _of_open(is_open, sources, hypotheses, memory):
    """What belongs to the sources of which the search goes on."""
    places = tf.cast(tf.where(is_open)[:, 0], tf.int32)
    width = hypotheses.ids.shape[1]
    rows = tf.reshape(places[:, None] * width + tf.range(width), [-1])
    sources = _Sources(
        _taken(sources.rows, places),
        requirements_of(places, sources.requirements),
        _taken(sources.fixed, places),
        _taken(sources.drawn, places),
    )
    memory = {name: _taken(memory[name], rows if name == "state" else places) for name in memory}
    return sources, _taken(hypotheses, places), memory


def _taken(nest, rows):
    """These rows of all tensors."""
    return tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), nest)


def _scattered(tensor, places, batch):
    """A tensor of some of the sources, `places`, as one of all, with zeros for the others."""
    if tensor.shape[1:].is_fully_defined():
        return tf.scatter_nd(places, tensor, tf.stack([batch, *tensor.shape[1:]]))
    return tf.scatter_nd(places, tensor, tf.concat([[batch], tf.shape(tensor)[1:]], axis=0))


def _first(sums, maximum_lengths):
    """Nothing but START, and nothing else to come where an output must be empty."""
    zeros = tf.zeros_like(sums, tf.int32)
    is_empty = (zeros >= maximum_lengths) & is_real(sums)
    return _Hypotheses(zeros + START, zeros, is_empty, sums, sums)


def _looked_back_at(strategy, requirements, first):
    """What the rules and the coverage penalty need to know of each hypothesis so far."""
    looked_back_at = {}
    if needs_written(strategy):
        looked_back_at["written"] = first.ids[:, :, None][:, :, :0]
    if getattr(strategy, "beta", 0.0):
        covered = tf.zeros_like(requirements.mask, tf.float32)
        looked_back_at["covered"] = tf.repeat(covered[:, None], strategy.width, axis=1)
    return looked_back_at


def _of_parents(nest, parents):
    """Tensors `[B, K, ...]` of the hypotheses before for those that have become of them."""
    if parents is None:
        return nest
    return tf.nest.map_structure(lambda tensor: tf.gather(tensor, parents, batch_dims=1), nest)


def _chosen(continuations, parents, places, finished):
    """Ids and log-probabilities `[B, K]` of what was chosen; padding adds nothing."""
    if parents is None:
        ids, _, gained = (tensor[:, :, 0] for tensor in continuations)
    else:
        size = tf.shape(continuations.ids)[2]
        ids, _, gained = (
            tf.gather(flat(tensor), parents * size + places, batch_dims=1)
            for tensor in continuations
        )
    is_padding = _of_parents(finished, parents)
    return tf.where(is_padding, PAD, ids), tf.where(is_padding, 0.0, gained)


def _continued(before, parents, ids, sums, gained):
    """The hypotheses that have become of those before."""
    lengths, finished, log_probabilities = _of_parents(
        (before.lengths, before.finished, before.log_probabilities), parents
    )
    # What follows a finished hypothesis, beside itself, is no hypothesis.
    finished &= is_real(sums)
    lengths += tf.cast(~finished, tf.int32)
    finished |= (ids == END) & is_real(sums)
    return _Hypotheses(ids, lengths, finished, sums, log_probabilities + gained)


def _remembered(memory, before, attention, parents, ids):
    """The memory of what the hypotheses have become."""
    memory = dict(memory)
    if parents is not None:
        batch, width = tf.shape(ids)[0], before.ids.shape[1]
        rows = tf.reshape(parents + tf.range(batch)[:, None] * width, [-1])
        memory["state"] = _taken(memory["state"], rows)
    if "written" in memory:
        written = _of_parents(memory["written"], parents)
        memory["written"] = tf.concat([written, ids[:, :, None]], axis=2)
    if "covered" in memory:
        attended = tf.where(before.finished[:, :, None], 0.0, attention["attention"])
        memory["covered"] = _of_parents(memory["covered"] + attended, parents)
    return memory


def _result(places, time, ended, history, has_parents, attention_spec):
    """Reads from the history what stands in these places, `[B, N]`, at the end."""
    lengths, log_probabilities, scores = (
        tf.gather(tensor, places, batch_dims=1) for tensor in ended
    )
    # What never came to an end is no hypothesis.
    lengths = tf.where(is_real(scores), lengths, 0)
    if has_parents:
        *history, parents = history
        history = _backtracked(time, places, parents, history)
    real = tf.sequence_mask(lengths, time)
    stacked = (_batch_first(array.stack(), 2) for array in history)
    ids, gained, *attention = (
        tf.where(_expanded(real, tensor.shape.rank), tensor, tf.zeros([], tensor.dtype))
        for tensor in stacked
    )
    attention = tf.nest.pack_sequence_as(attention_spec, attention)
    return SearchResult(ids, lengths, log_probabilities, scores, gained, attention)


def _arrays(specs, rows):
    """Where a loop writes what it makes: for each spec an array of tensors `[*rows, ...]`."""
    return [
        tf.TensorArray(spec.dtype, 0, dynamic_size=True, element_shape=[*rows, *spec.shape])
        for spec in specs
    ]


def _by_source(tensor, width):
    """`[B·K, ...]` as `[B, K, ...]`."""
    if width == 1:
        return tensor[:, None]
    return tf.reshape(
        tensor, tf.concat([[tf.shape(tensor)[0] // width, width], tf.shape(tensor)[1:]], 0)
    )


def _fewer(nest):
    """Shape invariants of tensors `[B, ...]` when sources are left behind."""
    return tf.nest.map_structure(lambda tensor: tf.TensorShape([None, *tensor.shape[1:]]), nest)


def _growing(state):
    """Shape invariants of a state: nothing but the rank stays as it is."""
    return tf.nest.map_structure(lambda tensor: tf.TensorShape([None] * tensor.shape.rank), state)


def _backtracked(length, places, parents, history):
    """Follows the parents, so many places further on, from the end of each place `[B, N]`.

    Returns arrays of what the history has of the hypotheses there, `[B, N, ...]` for each step.
    """

    def follow(time, hypotheses, outputs):
        before = hypotheses + tf.gather(parents.read(time), hypotheses, batch_dims=1)
        # Attention was made by the parent, before the hypotheses were chosen.
        rows = hypotheses, hypotheses, *[before] * (len(history) - 2)
        read = [tf.gather(array.read(time), row, batch_dims=1) for array, row in zip(history, rows)]
        outputs = [array.write(time, entry) for array, entry in zip(outputs, read)]
        return time - 1, before, outputs

    outputs = [tf.TensorArray(array.dtype, length) for array in history]
    return tf.while_loop(lambda time, *_: time >= 0, follow, (length - 1, places, outputs))[2]


def free_run(step, state, fixed, first, steps, attention_spec):
    """Predicts real values, each from the ones before.

    Args:
        step: Function of the last values `[N, F]`, a state and what is fixed to the next values
            `[N, F]`, the new state and the attention, as in `search`.
        state: The initial state, a nest of tensors `[N, ...]`.
        fixed: As in `search`.
        first: What the first step reads, `[N, F]`.
        steps: Number of steps T, int32.
        attention_spec: As in `search`.

    Returns:
        Values `[N, T, F]` and the attention, a nest of `[N, T, ...]`.
    """

    def extend(time, values, state, history):
        values, state, attention = step(values, state, fixed)
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
