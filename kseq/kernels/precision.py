"""The precision in which this processor, or its GPU, multiplies faster."""

import statistics
import time

import tensorflow as tf

MIN_SPEEDUP = 1.3  # of half precision over float32, to pay for the casts around the products
_AMPERE = 8, 0  # the first compute capability of NVIDIA's GPUs with products in bfloat16
_ROWS, _ROUNDS = 1024, 5


def fastest_precision(units):
    """Measures matrix products of the size that a model computes.

    Args:
        units: Width H of the model.

    Returns:
        The faster precision, `"mixed_bfloat16"`, `"mixed_float16"` or `"float32"`; the type of half
        precision that was measured; and its speedup over float32.
    """
    half = half_type()
    ratio = _seconds(units, tf.float32) / _seconds(units, half)
    return f"mixed_{half.name}" if ratio >= MIN_SPEEDUP else "float32", half, ratio


def half_type():
    """The type of half precision to use: bfloat16, but float16 on GPUs that are too old for it."""
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", _AMPERE)
        for gpu in tf.config.get_visible_devices("GPU")
    ]
    return tf.float16 if min(capabilities, default=_AMPERE) < _AMPERE else tf.bfloat16


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
