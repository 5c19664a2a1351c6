"""The precision in which this processor, or its GPU, multiplies faster."""

import statistics
import time

import tensorflow as tf

WORTH = 1.3  # speed of bfloat16 over float32 that pays for the casts around the products
_ROWS, _ROUNDS = 1024, 5


def fastest_precision(units):
    """Measures matrix products of the size that a model computes.

    Args:
        units: Width H of the model.

    Returns:
        `"mixed_bfloat16"` or `"float32"`, and the speed of products in bfloat16 over float32.
    """
    ratio = _seconds(units, tf.float32) / _seconds(units, tf.bfloat16)
    return "mixed_bfloat16" if ratio >= WORTH else "float32", ratio


def _seconds(units, dtype):
    """Median of the seconds of a few products, after one to warm up."""
    rows, kernel = tf.ones([_ROWS, units], dtype), tf.ones([units, 4 * units], dtype)
    # To read the sum is to wait for the product, on a GPU too.
    multiply = tf.function(lambda: tf.reduce_sum(tf.cast(rows @ kernel, tf.float32)))
    multiply = multiply.get_concrete_function()
    multiply().numpy()
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        multiply().numpy()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
