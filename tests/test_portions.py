"""The rows that replicas get of each batch."""

import types

import numpy as np
import pytest
import tensorflow as tf

from kseq.pipeline.batching import batch_for_teacher_forcing
from kseq.pipeline.links import ALIGNMENT
from kseq.pipeline.portions import Portions
from kseq.sides.text_side import TextSide
from kseq.sides.value_side import ValueSide

SIDES = {"text": TextSide(9), "values": ValueSide(2)}


def make_columns(side, rows):
    """Ragged sources, targets with a first step, and links, of 1 to `rows` tokens or steps."""
    numbers = np.random.default_rng(0)
    features = (2,) if side == "values" else ()
    kind = np.float32 if side == "values" else np.int32
    sources = [numbers.integers(4, 9, (1 + row, *features)).astype(kind) for row in range(rows)]
    targets = [
        numbers.integers(4, 9, (2 + rows - row, *features)).astype(kind) for row in range(rows)
    ]
    links = [np.int32([row, rows - row, 0, 0][: 4 if row % 2 else 2]) for row in range(rows)]
    columns = [sources, targets] + [links] * (side == "text")
    return tuple(
        tf.RaggedTensor.from_row_lengths(np.concatenate(column), [len(row) for row in column])
        for column in columns
    )


def batches_of(side, rows, portions):
    codecs = types.SimpleNamespace(columns=[types.SimpleNamespace(side=SIDES[side])] * 2)
    dataset = tf.data.Dataset.from_tensors(make_columns(side, rows))
    (batch,) = dataset.apply(batch_for_teacher_forcing(codecs, portions))
    return batch


@pytest.mark.parametrize(
    "side, rows",
    [
        ("text", 7),
        pytest.param("text", 2, marks=pytest.mark.slow),
        ("values", 1),
        pytest.param("values", 5, marks=pytest.mark.slow),
    ],
)
def test_portions_together_are_the_batch(side, rows):
    """In the order of the replicas, padded to the lengths of the batch, with its weight."""
    whole = batches_of(side, rows, None)
    portions = [
        *batches_of(side, rows, Portions(0, 2, 3)),
        *batches_of(side, rows, Portions(2, 1, 3)),
    ]
    real = [portion for portion in portions if tf.reduce_sum(portion[2]) > 0]
    assert len(real) == min(rows, 3)
    inputs, labels, weights, _ = zip(*real)
    for name in whole[0]:
        joined = np.concatenate([each[name] for each in inputs])
        np.testing.assert_array_equal(joined, whole[0][name])
    np.testing.assert_array_equal(np.concatenate(labels), whole[1])
    np.testing.assert_array_equal(np.concatenate(weights), whole[2])
    assert (ALIGNMENT in whole[0]) == (side == "text")
    first = 0
    for *_, portion_weights, place in portions:
        assert place["weight"] == tf.reduce_sum(whole[2]) and place["rows"] == rows
        if tf.reduce_sum(portion_weights) > 0:
            assert place["first_row"] == first
            first += len(portion_weights)
    sizes = [len(each[2]) for each in real]
    assert max(sizes) - min(sizes) <= 1


def test_a_replica_without_rows_gets_a_real_row_without_weight():
    (portion,) = batches_of("text", 1, Portions(0, 1, 2))
    inputs, _, weights, _ = portion
    assert weights.shape[0] == 1 and not tf.reduce_any(weights > 0)
    assert tf.reduce_all(inputs["source_ids"][:, 0] > 0)


def test_one_replica_has_no_portions():
    assert Portions.of(tf.distribute.get_strategy()) is None
