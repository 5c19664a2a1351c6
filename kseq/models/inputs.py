"""Inputs of the functional models."""

import keras


def make_inputs(specs):
    """Makes Keras inputs from `tf.TensorSpec`s by name; the first axis is the batch."""
    return {
        name: keras.Input(spec.shape[1:], dtype=spec.dtype.name, name=name)
        for name, spec in specs.items()
    }


def float_input(shape, name):
    """Makes an input of the type that layers compute in, so that Keras does not cast it twice."""
    return keras.Input(shape, dtype=keras.config.dtype_policy().compute_dtype, name=name)
