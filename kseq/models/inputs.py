"""Inputs of the functional models."""

import keras


def make_inputs(specs):
    """Makes Keras inputs out of `tf.TensorSpec`s by name; the first axis is the batch."""
    return {
        name: keras.Input(spec.shape[1:], dtype=spec.dtype.name, name=name)
        for name, spec in specs.items()
    }


def float_input(shape, name):
    """Makes an input of the type that layers compute in: Keras would cast it to and from it."""
    return keras.Input(shape, dtype=keras.config.dtype_policy().compute_dtype, name=name)
