"""Inputs of the functional models."""

import keras
import numpy as np
import tensorflow as tf


def make_inputs(specs):
    """Makes Keras inputs from `tf.TensorSpec`s by name; the first axis is the batch."""
    return {
        name: keras.Input(spec.shape[1:], dtype=spec.dtype.name, name=name)
        for name, spec in specs.items()
    }


def copy_inputs(tensors):
    """Makes Keras inputs like the tensors of a nest."""
    return keras.tree.map_structure(
        lambda tensor: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name), tensors
    )


def float_input(shape, name):
    """Makes an input of the type that layers compute in, so that Keras does not cast it twice."""
    return keras.Input(shape, dtype=keras.config.dtype_policy().compute_dtype, name=name)


@keras.saving.register_keras_serializable("kseq")
class RightPadding(keras.layers.Layer):
    """Refuses a mask with padding before a real position, where its values are known.

    They are known in eager execution; inside a graph, nothing is checked. A Transformer counts
    positions from the first column, and so does the monotonic attention of `local_m`; cuDNN accepts
    no other mask.
    """

    def call(self, mask):
        """Returns the mask `[B, S]` unchanged.

        Raises:
            ValueError: A row has padding before a real position.
        """
        if tf.executing_eagerly():
            is_real = keras.ops.convert_to_numpy(mask)
            rows = np.flatnonzero((is_real[:, 1:] > is_real[:, :-1]).any(axis=1))
            if len(rows):
                raise ValueError(
                    "expected padding on the right only; received a source with padding before a "
                    f"token or step (row {rows[0]}, counted from 0); pad on the right, for "
                    'instance with keras.utils.pad_sequences(ids, padding="post")'
                )
        return mask
