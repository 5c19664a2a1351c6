"""The search for one source in arrays of constant size, for runtimes with few operations.

`kseq.search.loop` is for batches: it drops sources, and its records grow with every step. The
builtin operations of LiteRT have no such arrays, and one sentence does not need them. Hypotheses
are ranked and stop in the same way.
"""

import collections

import numpy as np
import tensorflow as tf

from kseq.search.choices import coverage_penalty, length_penalty
from kseq.search.hypotheses import is_possible
from kseq.special_tokens import END, PAD, START

_ROUNDING = 1e-5  # relative to a score, as in `kseq.search.choices`

_Beam = collections.namedtuple(
    "_Beam", ["last_ids", "lengths", "is_finished", "sums", "coverage", "state", "records"]
)
_Beam.__doc__ = """The K hypotheses of the source after some steps.

Fields:
    last_ids: The id that was written last, START before the first step, int32 `[K]`.
    lengths: Number of ids so far, END included, int32 `[K]`.
    is_finished: Whether the hypothesis has ended, boolean `[K]`.
    sums: Sum of its log-probabilities, float32 `[K]`; -inf for an empty place.
    coverage: Attention summed over the steps, float32 `[K, S]`; `()` without a coverage penalty.
    state: State of the step function, a nest of tensors `[K, ...]`.
    records: A dict of `ids`, int32 `[K, T]`, `token_log_probabilities`, float32 `[K, T]`, and the
        attention by name, `[K, T, ...]`.
"""


class OneSourceSearch:
    """Beam search for one source; a beam of 1 is greedy search.

    Args:
        step: Function of the last ids `[K]`, a state and the constants, as in
            `kseq.search.loop.search`.
        head: Function from the first result of the step to logits, float32 `[K, V']`.
        strategy: `BeamSearch` without rules about what was written before.
        forbidden: Ids that are never written.
        size: Number of ids V of the vocabulary; a model that copies, or a padded head, has
            logits for further ids.
    """

    def __init__(self, step, head, strategy, forbidden, size):
        self._step, self._head, self._strategy = step, head, strategy
        self._width = strategy.width
        # Which ids must not be written: in general, while END is too early, and at last. Booleans,
        # because a quantisation of weights would include a large table of numbers.
        self._bans = np.zeros([3, size], bool)
        self._bans[:2, [PAD, START, *forbidden]] = True
        self._bans[1, END] = True
        self._bans[2] = np.arange(size) != END

    def run(self, state, state_specs, constants, first_attention, *, positions, minimum):
        """Searches for the best N outputs.

        Args:
            state: Initial state, a nest of tensors `[1, ...]`.
            state_specs: What every step reads as its state, a nest of specs `[None, ...]`; other
                dimensions that are None may grow.
            constants: Tensors that every step reads, a nest of tensors `[1, ...]`.
            first_attention: Zeros in the shape of the attention of one step, a dict of `[1, ...]`.
            positions: The numbers from 0 to T - 1, int32 `[T]`; T is the maximum number of ids of
                an output, END included.
            minimum: Minimum number of ids of an output, END included, int32.

        Returns:
            A dict of `ids`, int32 `[N, T]`, `token_log_probabilities`, float32 `[N, T]`, `lengths`,
            int32 `[N]`, `log_probabilities` and `scores`, float32 `[N]`, best first; and of the
            attention by name, `[N, T, ...]`. What follows END has no meaning. An output with a
            score of -inf does not exist.
        """
        maximum = tf.size(positions)
        beam = self._start(state, first_attention, positions)

        def continues(time, beam):
            return (time < maximum) & self._is_open(beam, maximum)

        def extend(time, beam):
            case = tf.where(time + 1 >= maximum, 2, tf.cast(time + 1 < minimum, tf.int32))
            extended = self._extend(time, beam, constants, case, positions)
            return time + 1, _with_shapes(extended, shapes)

        shapes = _shapes_in_loop(beam)._replace(state=_state_shapes(state_specs, self._width))
        _, beam = tf.while_loop(
            continues,
            extend,
            (tf.constant(0), beam),
            shape_invariants=(tf.TensorShape([]), shapes),
        )
        return self._best(beam)

    def _start(self, state, first_attention, positions):
        """Returns the `_Beam` before the first step; only its first hypothesis may be extended."""
        zeros = np.zeros([self._width], np.int32)
        sums = np.where(np.arange(self._width), -np.inf, 0.0).astype(np.float32)
        steps = tf.zeros_like(positions)[None]
        records = {
            "ids": zeros[:, None] + steps,
            "token_log_probabilities": tf.cast(zeros[:, None] + steps, tf.float32),
        }
        for name, tensor in first_attention.items():
            records[name] = self._repeat(_empty_record(tensor, positions))
        coverage = ()
        if self._strategy.beta:
            coverage = self._repeat(tf.zeros_like(first_attention["attention"]))
        return _Beam(
            last_ids=tf.constant(zeros + START),
            lengths=tf.constant(zeros),
            is_finished=tf.constant(zeros > 0),
            sums=tf.constant(sums),
            coverage=coverage,
            state=tf.nest.map_structure(self._repeat, state),
            records=records,
        )

    def _repeat(self, tensor):
        """Repeats a tensor `[1, ...]` for each hypothesis: `[K, ...]`."""
        if self._width == 1:
            return tensor
        return tf.tile(tensor, [self._width, *[1] * (tensor.shape.rank - 1)])

    def _extend(self, time, beam, constants, case, positions):
        """Runs one step; returns the extended `_Beam`.

        Args:
            time: Number of steps before this one, int32.
            beam: `_Beam`.
            constants: As in `run`.
            case: Which ids are forbidden, a row of `_bans`, int32.
            positions: As in `run`.
        """
        hidden, state, attention = self._step(beam.last_ids, beam.state, constants)
        ids, gains = self._continuations(self._head(hidden), case)
        if self._width == 1:
            parents, ids, gains = None, ids[:, 0], gains[:, 0]
            sums, is_finished = beam.sums + gains, beam.is_finished
        else:
            parents, ids, gains, sums = self._choose(beam, ids, gains)
            is_finished = tf.gather(beam.is_finished, parents) & is_possible(sums)
        lengths = _gather(beam.lengths, parents) + tf.cast(~is_finished, tf.int32)
        coverage = beam.coverage
        if tf.is_tensor(coverage):
            coverage += tf.where(beam.is_finished[:, None], 0.0, attention["attention"])
            coverage = _gather(coverage, parents)
        written = {"ids": ids, "token_log_probabilities": gains}
        # The attention is that of the parent: it was extended afterwards.
        written |= {name: _gather(tensor, parents) for name, tensor in attention.items()}
        is_now = positions == time
        records = {
            name: _write(_gather(beam.records[name], parents), tensor, is_now)
            for name, tensor in written.items()
        }
        return _Beam(
            last_ids=ids,
            lengths=lengths,
            is_finished=is_finished | ((ids == END) & is_possible(sums)),
            sums=sums,
            coverage=coverage,
            state=tf.nest.map_structure(lambda tensor: _gather(tensor, parents), state),
            records=records,
        )

    def _continuations(self, logits, case):
        """Returns the best K ids of each hypothesis and their log-probabilities, `[K, K]`.

        Args:
            logits: float32 `[K, V']`.
            case: As in `_extend`.
        """
        is_banned, size = tf.gather(self._bans, case), self._bans.shape[1]
        if logits.shape[1] != size:
            # Ids beyond the vocabulary: nothing forbids them, except that the last one is END.
            further = tf.fill([tf.shape(logits)[1] - size], case == 2)
            is_banned = tf.concat([is_banned, further], axis=0)
        allowed = tf.where(is_banned, -np.inf, logits)
        if self._width == 1:
            ids = tf.argmax(allowed, axis=1, output_type=tf.int32)[:, None]
            chosen = tf.reduce_max(allowed, axis=1, keepdims=True)
        else:
            chosen, ids = tf.math.top_k(allowed, self._width)
        # The largest probability is at least 1/V, so its logarithm is safe; others may underflow.
        largest = tf.reduce_max(logits, axis=1, keepdims=True)
        probability = tf.reduce_max(tf.nn.softmax(logits), axis=1, keepdims=True)
        return ids, chosen - largest + tf.math.log(probability)

    def _choose(self, beam, ids, gains):
        """Chooses the best K continuations of all hypotheses; finished hypotheses come first.

        Args:
            beam: `_Beam`.
            ids: Ids that may follow each hypothesis, int32 `[K, K]`.
            gains: Their log-probabilities, float32 `[K, K]`.

        Returns:
            Parents and ids, int32 `[K]`; the log-probabilities of the ids, and the sums.
        """
        # A finished hypothesis can only be padded, which costs nothing.
        padding = np.where(np.arange(self._width), -np.inf, 0.0).astype(np.float32)
        has_ended = beam.is_finished[:, None]
        gains = tf.where(has_ended, padding, gains)
        ids = tf.where(has_ended, PAD, ids)
        sums = beam.sums[:, None] + gains
        first = np.where(np.arange(self._width), 0.0, np.inf).astype(np.float32)
        order = tf.where(has_ended, sums + first, sums)
        _, chosen = tf.math.top_k(tf.reshape(order, [-1]), self._width)
        ids, gains, sums = (
            tf.gather(tf.reshape(tensor, [-1]), chosen) for tensor in (ids, gains, sums)
        )
        return chosen // self._width, ids, gains, sums

    def _is_open(self, beam, maximum):
        """Returns whether anything can still enter the N best hypotheses.

        See `kseq.search.choices.Beam.is_open`.
        """
        if self._width == 1:
            return ~beam.is_finished[0]
        reachable = beam.sums / length_penalty(maximum, self._strategy) * (1.0 - _ROUNDING)
        best_reachable = tf.reduce_max(tf.where(beam.is_finished, -np.inf, reachable))
        worst_returned = tf.math.top_k(self._scores(beam), self._strategy.returned)[0][-1]
        return is_possible(best_reachable) & (best_reachable >= worst_returned)

    def _scores(self, beam):
        """Returns the scores of the hypotheses, float32 `[K]`; -inf for unfinished ones."""
        scores = beam.sums / length_penalty(beam.lengths, self._strategy)
        if tf.is_tensor(beam.coverage):
            is_real = tf.ones_like(beam.coverage[:1], tf.bool)
            scores += coverage_penalty(beam.coverage[None], is_real, self._strategy)[0]
        return tf.where(beam.is_finished, scores, -np.inf)

    def _best(self, beam):
        """Returns the outputs of `run`: the best N hypotheses. Ties go to the earlier place."""
        scores = self._scores(beam)
        outputs = {
            **beam.records,
            "lengths": beam.lengths,
            "log_probabilities": beam.sums,
        }
        if self._width == 1:
            return {**outputs, "scores": scores}
        scores, places = tf.math.top_k(scores, self._strategy.returned)
        outputs = {name: tf.gather(tensor, places) for name, tensor in outputs.items()}
        return {**outputs, "scores": scores}


def _empty_record(tensor, positions):
    """Makes zeros `[1, T, ...]` for what a step writes, `[1, ...]`.

    A sum of zeros, not `tf.zeros`: a runtime knows its shape before it runs.
    """
    steps = tf.cast(tf.zeros_like(positions), tensor.dtype)
    columns = tf.reshape(steps, [1, -1, *[1] * (tensor.shape.rank - 1)])
    return tf.zeros_like(tensor)[:, None] + columns


def _gather(tensor, parents):
    """Gathers the rows of the parents `[K]`; None if every hypothesis is its own parent."""
    return tensor if parents is None else tf.gather(tensor, parents)


def _write(record, tensor, is_now):
    """Writes a tensor `[K, ...]` to the steps of a record `[K, T, ...]` where `is_now` `[T]`."""
    is_now = tf.reshape(is_now, [1, -1, *[1] * (record.shape.rank - 2)])
    return tf.where(is_now, tensor[:, None], record)


def _shapes_in_loop(nest):
    """Returns the shape invariants of nested tensors that keep their shapes in a loop."""
    return tf.nest.map_structure(lambda tensor: tensor.shape, nest)


def _state_shapes(specs, width):
    """Returns the shape invariants of a state of K hypotheses; parts of it may grow."""
    return tf.nest.map_structure(lambda spec: tf.TensorShape([width, *spec.shape[1:]]), specs)


def _with_shapes(nest, shapes):
    """Returns nested tensors, of which TensorFlow then knows that they have these shapes."""
    tf.nest.map_structure(lambda tensor, shape: tensor.set_shape(shape), nest, shapes)
    return nest


def free_run_source(step, state, state_specs, constants, *, first, first_attention, positions):
    """Predicts real values from one source, each step from those before it.

    Args:
        step: As in `kseq.search.free_run.free_run`.
        state, state_specs, constants: As in `OneSourceSearch.run`.
        first: Zeros in the shape of the values of one step, `[1, F]`.
        first_attention, positions: As in `OneSourceSearch.run`; T is the number of steps.

    Returns:
        Values `[1, T, F]` and the attention, a dict of `[1, T, ...]`.
    """
    records = {
        name: _empty_record(tensor, positions)
        for name, tensor in {"values": first, **first_attention}.items()
    }

    def extend(time, values, state, records):
        values, new_state, attention = step(values, state, constants)
        is_now = positions == time
        written = {"values": values, **attention}
        new_records = {
            name: _write(record, written[name], is_now) for name, record in records.items()
        }
        return time + 1, *_with_shapes((values, new_state, new_records), shapes)

    shapes = first.shape, _state_shapes(state_specs, 1), _shapes_in_loop(records)
    *_, records = tf.while_loop(
        lambda time, *_: time < tf.size(positions),
        extend,
        (tf.constant(0), first, state, records),
        shape_invariants=(tf.TensorShape([]), *shapes),
    )
    return records.pop("values"), records
