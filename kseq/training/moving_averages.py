"""Exponential moving averages of the weights."""

import contextlib

import keras
import tensorflow as tf


class MovingAverages:
    """Averages of weights, to which the latest weights contribute most.

    After step n, `average = d · average + (1 - d) · weight` with `d = min(decay, n / (9 + n))`, so
    that the first steps are soon forgotten.

    Args:
        weights: The variables.
        decay: The decay, below 1.

    Attributes:
        variables: The averages, in the order of the weights.
    """

    def __init__(self, weights, decay):
        self._weights = weights
        self._decay = decay
        self.variables = [
            keras.Variable(weight, trainable=False, name=f"{weight.name}_average")
            for weight in weights
        ]

    def update(self, step):
        """Adds the weights after a step, which counts from 1."""
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(step / (9.0 + step), self._decay)
        for average, weight in zip(self.variables, self._weights):
            rest = tf.cast(1.0 - decay, weight.dtype)
            average.assign_add(rest * (tf.convert_to_tensor(weight) - average))

    @contextlib.contextmanager
    def in_place(self):
        """A context in which the weights have the values of their averages."""
        kept = [tf.identity(weight) for weight in self._weights]
        try:
            for weight, average in zip(self._weights, self.variables):
                weight.assign(average)
            yield
        finally:
            for weight, value in zip(self._weights, kept):
                weight.assign(value)
