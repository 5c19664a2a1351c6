"""The dtype policy of Keras while a model is built."""

import contextlib

import keras


@contextlib.contextmanager
def use_dtype_policy(policy):
    """A context in which models are built with this Keras dtype policy."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)
