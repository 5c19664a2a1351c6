"""Records of every step of a search, and how outputs are read from them at the end."""

import collections
import math

import tensorflow as tf

from kseq.search.hypotheses import is_possible

_HALF = math.log(0.5)

SearchResult = collections.namedtuple(
    "SearchResult",
    [
        "ids",
        "lengths",
        "log_probabilities",
        "scores",
        "is_cut",
        "token_log_probabilities",
        "attention",
    ],
)
SearchResult.__doc__ = """The outputs of a search: hypotheses, best first, or samples as drawn.

Fields:
    ids: int32 `[B, N, T]`, END included, then PAD.
    lengths: Number of ids of a hypothesis, END included, int32 `[B, N]`.
    log_probabilities: Log-probability of a hypothesis under the model, float32 `[B, N]`.
    scores: Scores of the hypotheses, float32 `[B, N]`; -inf if there are fewer than N.
    is_cut: Whether a hypothesis ends only because of its maximum length, boolean `[B, N]`: END is
        its last possible id, and the model gave END a probability below one half.
    token_log_probabilities: Log-probability of each id under the model, float32 `[B, N, T]`, 0
        after END.
    attention: The attention of every step, such as float32 `[B, N, T, S]`, 0 after END; a nest
        structured like the attention of a step.
"""

History = collections.namedtuple("History", ["ids", "log_probabilities", "attention", "parents"])
History.__doc__ = """Records of all steps, a `tf.TensorArray` for each tensor.

The records of a step, tensors in the same structure, are a `History` too.

Fields:
    ids: The id that each hypothesis was extended by, int32 `[B, K]` for a step.
    log_probabilities: Log-probability of that id, float32 `[B, K]` for a step.
    attention: The attention of the hypotheses before they were extended, in their order at that
        time, a nest of `[B, K, ...]` for a step.
    parents: Offset from the place of a hypothesis to that of its parent, int32 `[B, K]` for a step;
        `()` if every hypothesis stays in its place.
"""

Totals = collections.namedtuple("Totals", ["lengths", "log_probabilities", "scores"])
Totals.__doc__ = """Lengths, log-probabilities and scores of all hypotheses at the end, `[B, K]`."""


def start_history(attention_spec, width, *, has_parents):
    """Returns an empty `History`.

    Args:
        attention_spec: As in `kseq.search.loop.search`.
        width: Number of hypotheses of each source, K.
        has_parents: Whether a hypothesis may take the place of another.
    """
    ids_spec = tf.TensorSpec([], tf.int32)
    specs = History(ids_spec, tf.TensorSpec([]), attention_spec, ids_spec if has_parents else ())
    return make_arrays(specs, [None, width])


def record_step(history, time, records, sources, batch):
    """Adds the records of a step, and returns the `History`.

    Sources that have been dropped get zeros: padding, and parents in the same place.

    Args:
        history: `History`.
        time: Number of steps before this one, int32.
        records: `History` of the tensors of this step, `[B', K, ...]`.
        sources: `Sources` that the records belong to.
        batch: Number of all sources B, int32.
    """
    rows = sources.rows[:, None]
    return tf.nest.map_structure(
        lambda array, tensor: array.write(time, _scatter_rows(tensor, rows, batch)),
        history,
        records,
    )


def read_result(history, time, totals, places, maximum_lengths):
    """Reads the outputs from the records.

    Args:
        history: `History` of the whole search.
        time: Number of steps T, int32.
        totals: `Totals`.
        places: Places of the hypotheses to return, in their order, int32 `[B, N]`.
        maximum_lengths: Maximum number of ids of an output, int32 `[B]`.

    Returns:
        A `SearchResult`.
    """
    lengths, log_probabilities, scores = (
        tf.gather(tensor, places, batch_dims=1) for tensor in totals
    )
    # A hypothesis that has not ended is not returned.
    lengths = tf.where(is_possible(scores), lengths, 0)
    if history.parents != ():
        history = _follow_parents(history, time, places)
    is_written = tf.sequence_mask(lengths, time)

    def stack(array):
        tensor = stack_batch_first(array, 2)
        rank = tensor.shape.rank - 3
        mask = tf.reshape(is_written, tf.concat([tf.shape(is_written), [1] * rank], 0))
        return tf.where(mask, tensor, tf.zeros([], tensor.dtype))

    stacked = tf.nest.map_structure(stack, history)
    ends = tf.gather(stacked.log_probabilities, tf.maximum(lengths - 1, 0), batch_dims=2)
    is_full = (lengths == maximum_lengths[:, None]) & (lengths > 0)
    return SearchResult(
        ids=stacked.ids,
        lengths=lengths,
        log_probabilities=log_probabilities,
        scores=scores,
        is_cut=is_full & (ends < _HALF),
        token_log_probabilities=stacked.log_probabilities,
        attention=stacked.attention,
    )


def make_arrays(specs, outer_shape):
    """Makes an empty `tf.TensorArray` per nested spec, of tensors `[*outer_shape, ...]`."""
    return tf.nest.map_structure(
        lambda spec: tf.TensorArray(
            spec.dtype, 0, dynamic_size=True, element_shape=[*outer_shape, *spec.shape]
        ),
        specs,
    )


def array_shapes(arrays):
    """Returns the shape invariants of nested `tf.TensorArray`s in a loop."""
    return tf.nest.map_structure(lambda array: tf.TensorShape([]), arrays)


def stack_batch_first(array, axis):
    """Stacks the steps of a `tf.TensorArray` along an axis: axis 2 gives `[B, K, T, ...]`."""
    tensor = array.stack()
    rank = tensor.shape.rank
    return tf.transpose(tensor, [*range(1, axis + 1), 0, *range(axis + 1, rank)])


def _follow_parents(history, time, places):
    """Reads the records of the hypotheses that end at `places` `[B, N]`, from the last step back.

    Returns:
        A `History` of tensors `[B, N, ...]` for each step, without parents.
    """

    def follow(time, places, outputs):
        parents = places + tf.gather(history.parents.read(time), places, batch_dims=1)

        def read(array, places):
            return tf.gather(array.read(time), places, batch_dims=1)

        # The attention is that of the parent: it was extended afterwards.
        records = History(
            read(history.ids, places),
            read(history.log_probabilities, places),
            tf.nest.map_structure(lambda array: read(array, parents), history.attention),
            (),
        )
        outputs = tf.nest.map_structure(
            lambda array, tensor: array.write(time, tensor), outputs, records
        )
        return time - 1, parents, outputs

    outputs = tf.nest.map_structure(
        lambda array: tf.TensorArray(array.dtype, time), history._replace(parents=())
    )
    return tf.while_loop(lambda time, *_: time >= 0, follow, (time - 1, places, outputs))[2]


def _scatter_rows(tensor, rows, batch):
    """Scatters some rows into a tensor of all sources `[B, ...]`; the other rows are zeros."""
    if tensor.shape[1:].is_fully_defined():
        return tf.scatter_nd(rows, tensor, tf.stack([batch, *tensor.shape[1:]]))
    return tf.scatter_nd(rows, tensor, tf.concat([[batch], tf.shape(tensor)[1:]], axis=0))
