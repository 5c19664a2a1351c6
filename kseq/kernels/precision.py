"""In which precision this processor, or its GPU, multiplies faster."""

import statistics
import time

import tensorflow as tf

WORTH = 1.3  # times as fast as float32 that bfloat16 must be, for what is converted beside products
_ROWS, _ROUNDS = 1024, 5


def fastest_precision(units):
    """Measures matrix products of the size that a model makes.

    Args:
        units: Width H of the model.

    Returns:
        `"mixed_bfloat16"` or `"float32"`, and how many times as fast products are in bfloat16.
    """
    ratio = _seconds(units, tf.float32) / _seconds(units, tf.bfloat16)
    return "mixed_bfloat16" if ratio >= WORTH else "float32", ratio


def _seconds(units, dtype):
    """Median of a few products, after one that does not count."""
    rows, kernel = tf.ones([_ROWS, units], dtype), tf.ones([units, 4 * units], dtype)
    # The sum makes sure that the product is over, on a GPU too.
    multiply = tf.function(lambda: tf.reduce_sum(tf.cast(rows @ kernel, tf.float32)))
    multiply = multiply.get_concrete_function()
    multiply().numpy()
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        multiply().numpy()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
