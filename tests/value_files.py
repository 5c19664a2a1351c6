"""Files of real values to test with, and what pairs out of them must be."""

import numpy as np
import tensorflow as tf


def example(**features):
    """A serialised example: strings of bytes, floats and whole numbers, each in a list."""
    kinds = {bytes: ("bytes_list", tf.train.BytesList), float: ("float_list", tf.train.FloatList)}
    whole = ("int64_list", tf.train.Int64List)
    lists = {}
    for name, values in features.items():
        kind, make = kinds.get(type(values[0]), whole) if values else kinds[float]
        lists[name] = tf.train.Feature(**{kind: make(value=values)})
    return tf.train.Example(features=tf.train.Features(feature=lists)).SerializeToString(
        deterministic=True
    )


def write_examples(path, *examples):
    with tf.io.TFRecordWriter(str(path)) as file:
        for record in examples:
            file.write(record)


def require_pairs(pairs, expected):
    pairs, expected = list(pairs), list(expected)
    assert len(pairs) == len(expected)
    for pair, wanted in zip(pairs, expected):
        for side, other in zip(pair, wanted, strict=True):
            assert type(side) is type(other)
            np.testing.assert_array_equal(side, other, strict=not isinstance(side, str))
