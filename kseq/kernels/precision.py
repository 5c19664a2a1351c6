"""The precision in which this processor, or its GPU, multiplies faster."""

import statistics
import time

import tensorflow as tf

MIN_SPEEDUP = 1.3  # of bfloat16 over float32, to pay for the casts around the products
_ROWS, _ROUNDS = 1024, 5


def fastest_precision(units):
    """Measures matrix products of the size that a model computes.

    Args:
        units: Width H of the model.

    Returns:
        `"mixed_bfloat16"` or `"float32"`, and the speedup of bfloat16 products over float32.
    """
    ratio = _seconds(units, tf.float32) / _seconds(units, tf.bfloat16)
    return "mixed_bfloat16" if ratio >= MIN_SPEEDUP else "float32", ratio


def _seconds(units, dtype):
    """Median duration of a few products, in seconds, after one to warm up."""
    rows, kernel = tf.ones([_ROWS, units], dtype), tf.ones([units, 4 * units], dtype)
    # Reading the sum waits for the product, on a GPU too.
    multiply = tf.function(lambda: tf.reduce_sum(tf.cast(rows @ kernel, tf.float32)))
    multiply = multiply.get_concrete_function()
    multiply().numpy()
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        multiply().numpy()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
