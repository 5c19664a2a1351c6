"""Flat lists of tensors, taken apart and put together, and the arrays that loops write them to."""

import tensorflow as tf


def split(items, *counts):
    """Splits items into lists of these lengths."""
    items = iter(items)
    return [[next(items) for _ in range(count)] for count in counts]


def choose(is_chosen, items):
    """Returns the items for which `is_chosen` is true."""
    return [item for chosen, item in zip(is_chosen, items) if chosen]


def spread(is_chosen, items):
    """The opposite of `choose`: puts items where `is_chosen` is true, and None elsewhere."""
    items = iter(items)
    return [next(items) if chosen else None for chosen in is_chosen]


def make_arrays(dtypes, length, element_shape=None):
    """Makes an array for each type, with an entry per step."""
    return [
        tf.TensorArray(dtype, length, clear_after_read=False, element_shape=element_shape)
        for dtype in dtypes
    ]


def write(arrays, time, tensors):
    """Writes the tensors of one step, one into each array; returns the arrays."""
    return [array.write(time, tensor) for array, tensor in zip(arrays, tensors, strict=True)]
