"""Files of real values for tests, and the comparison of pairs read from them."""

import numpy as np
import tensorflow as tf


def example(**features):
    """Returns a serialised `tf.train.Example` of lists of bytes, floats or integers."""
    kinds = {bytes: ("bytes_list", tf.train.BytesList), float: ("float_list", tf.train.FloatList)}
    integers = ("int64_list", tf.train.Int64List)
    lists = {}
    for name, values in features.items():
        kind, make = kinds.get(type(values[0]), integers) if values else kinds[float]
        lists[name] = tf.train.Feature(**{kind: make(value=values)})
    return tf.train.Example(features=tf.train.Features(feature=lists)).SerializeToString(
        deterministic=True
    )


def write_examples(path, *examples):
    """Writes serialised examples to a TFRecord file."""
    with tf.io.TFRecordWriter(str(path)) as file:
        for record in examples:
            file.write(record)


def require_pairs(pairs, expected):
    """Checks that pairs equal the expected ones in type, shape and values."""
    pairs, expected = list(pairs), list(expected)
    assert len(pairs) == len(expected)
    for pair, expected_pair in zip(pairs, expected):
        for side, expected_side in zip(pair, expected_pair, strict=True):
            assert type(side) is type(expected_side)
            np.testing.assert_array_equal(side, expected_side, strict=not isinstance(side, str))
