"""The exception that ended the reading of pairs is kept, although TensorFlow replaces it."""

import pytest
import tensorflow as tf

from kseq.pipeline.reading import ErrorRecorder


def dataset_of(generate, recorder):
    spec = tf.TensorSpec([], tf.int64)
    return tf.data.Dataset.from_generator(recorder.record(generate), output_signature=spec)


def test_the_exception_of_a_generator_is_kept():
    expected = FileNotFoundError("file not found: pairs.tsv")

    def generate():
        yield 1
        raise expected

    recorder = ErrorRecorder()
    with pytest.raises(tf.errors.OpError):
        list(dataset_of(generate, recorder))
    assert recorder.error is expected


def test_a_generator_that_is_closed_early_is_not_an_error():
    recorder = ErrorRecorder()
    assert [int(number) for number in dataset_of(lambda: iter(range(9)), recorder).take(2)] == [
        0,
        1,
    ]
    assert recorder.error is None


def test_the_first_of_two_exceptions_is_kept():
    recorder = ErrorRecorder()
    for error in (ValueError("first"), OSError("second")):
        with pytest.raises(type(error)), recorder:
            raise error
    assert str(recorder.error) == "first"
