"""Pairs of texts and real values in TFRecord files, each a `tf.train.Example`.

An example has the features `source` and `target`. A text is one byte string in UTF-8. Values are
floats, frame by frame; `source_features` or `target_features` holds their number per frame.
"""

import errno
import os
import zlib

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from kseq.corpora import lines
from kseq.files import replaced_file

_SIDES = ("source", "target")
_FRAMING = 16  # bytes added to an example: its length and two checksums


def read_examples(path):
    """Yields the number of each record, from 1, and its sides: strings or `[length, features]`.

    Args:
        path: A TFRecord file, a `pathlib.Path`; `.gz` if it is gzipped.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file is damaged, or a record is not such an example.
    """
    lines.require_file(path)
    size = number = 0
    with lines.open_bytes(path) as file:
        try:
            records = tf.data.TFRecordDataset(str(path), _compression(path))
            for number, record in enumerate(records.as_numpy_iterator(), start=1):
                size += len(record) + _FRAMING
                yield number, _parse_record(f"{path}, record {number}", record)
            if size != file.seek(0, os.SEEK_END):  # TensorFlow ignores a few bytes at the end.
                raise EOFError("the file ends within a record")
        except (tf.errors.DataLossError, EOFError, OSError, zlib.error) as error:
            raise ValueError(
                f"{path}, record {number + 1}: damaged or cut short; copy or write the file again"
            ) from error


def write_examples(path, pairs):
    """Writes pairs of strings and arrays `[length, features]` to a file, completely or not at all.

    Args:
        path: A `pathlib.Path`; `.gz` if the file is to be gzipped.
        pairs: Iterable of (source, target).

    Raises:
        OSError: The file cannot be written.
    """
    with replaced_file(path) as unfinished:
        unfinished.touch()  # Raises OSError; TensorFlow would raise its own errors.
        try:
            with tf.io.TFRecordWriter(str(unfinished), _compression(path)) as file:
                for pair in pairs:
                    file.write(_make_example(pair).SerializeToString())
        except tf.errors.OpError as error:
            reason = error.message.removeprefix(f"{unfinished}; ")
            raise OSError(errno.EIO, reason, str(unfinished)) from error


def _compression(path):
    """Returns TensorFlow's name for the compression of a file."""
    return "GZIP" if path.suffix == ".gz" else ""


def _parse_record(where, record):
    """Returns both sides of a serialised example; `where` is for error messages."""
    try:
        features = tf.train.Example.FromString(record).features.feature
    except DecodeError as error:
        raise ValueError(f"{where}: expected a tf.train.Example; received {error}") from error
    return [_parse_side(f"{where}, {name}", name, features) for name in _SIDES]


def _parse_side(where, name, features):
    """Returns a side of an example, a string or values `[length, features]`."""
    texts, values = features[name].bytes_list.value, features[name].float_list.value
    if len(texts) == 1:
        try:
            return texts[0].decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{where}: not valid UTF-8") from error
    if not values:
        raise ValueError(
            f"{where}: expected one string (bytes_list) or values (float_list); "
            f"received {len(texts)} strings and no values"
        )
    widths = list(features[f"{name}_features"].int64_list.value)
    if len(widths) != 1 or widths[0] < 1 or len(values) % widths[0]:
        raise ValueError(
            f"{where}: expected {name}_features (int64_list), one number that divides the "
            f"{len(values)} values into frames; received {widths}"
        )
    return np.array(values, np.float32).reshape(-1, widths[0])


def _make_example(pair):
    """Returns a pair as a `tf.train.Example`."""
    features = {}
    for name, side in zip(_SIDES, pair):
        if isinstance(side, str):
            texts = tf.train.BytesList(value=[side.encode("utf-8")])
            features[name] = tf.train.Feature(bytes_list=texts)
        else:
            width = tf.train.Int64List(value=[side.shape[1]])
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=side.ravel()))
            features[f"{name}_features"] = tf.train.Feature(int64_list=width)
    return tf.train.Example(features=tf.train.Features(feature=features))
