"""Flat lists of tensors, taken apart and put together, and the arrays that loops write them to."""

import contextlib
import contextvars
import typing

import tensorflow as tf

_ARE_CONSTANT = contextvars.ContextVar("arrays of constant size", default=False)


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


@contextlib.contextmanager
def arrays_of_constant_size():
    """A context in which `make_arrays` makes tensors, for runtimes without `tf.TensorArray`."""
    token = _ARE_CONSTANT.set(True)
    try:
        yield
    finally:
        _ARE_CONSTANT.reset(token)


class ConstantArray(typing.NamedTuple):
    """What takes the place of a `tf.TensorArray` for runtimes with few operations.

    Fields:
        value: The entries, `[T, ...]`.
        positions: The numbers from 0 to T - 1, float32 `[T, 1, ...]`.
    """

    value: tf.Tensor
    positions: tf.Tensor

    @classmethod
    def like(cls, tensor):
        """Makes an array of zeros in the shape of a tensor `[T, ...]`, known before it runs."""
        first = tf.reshape(tensor, [-1, tensor.shape[1:].num_elements()])[:, 0]
        positions = tf.cumsum(tf.zeros_like(first) + 1.0) - 1.0
        value = tf.zeros_like(tensor)
        return cls(value, tf.reshape(positions, [-1, *[1] * (tensor.shape.rank - 1)]))

    def write(self, time, tensor):
        """Returns the array with an entry `[...]` at a step."""
        is_now = self.positions == tf.cast(time, tf.float32)
        return self._replace(value=tf.where(is_now, tensor[None], self.value))

    def stack(self):
        """Returns all entries, `[T, ...]`."""
        return self.value


def make_arrays(dtypes, length, like=None):
    """Makes an array for each type, with an entry per step.

    Args:
        dtypes: The types.
        length: Number of steps T.
        like: A tensor `[T, ...]` in the shape of all arrays together, if there is one.
    """
    if like is not None and _ARE_CONSTANT.get():
        return [ConstantArray.like(tf.cast(like, dtype)) for dtype in dtypes]
    return [tf.TensorArray(dtype, length, clear_after_read=False) for dtype in dtypes]


def entry(tensor, time):
    """Returns the entry `[...]` of a tensor `[T, ...]` at a step."""
    # In contrast to a slice from a position that varies, a gather has a shape known before it runs.
    return tf.gather(tensor, time) if _ARE_CONSTANT.get() else tensor[time]


def write(arrays, time, tensors):
    """Writes the tensors of one step, one into each array; returns the arrays."""
    return [array.write(time, tensor) for array, tensor in zip(arrays, tensors, strict=True)]
