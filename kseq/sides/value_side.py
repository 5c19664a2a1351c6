"""Sequences of real values as source or target of a model: frames, a mask, a regression."""

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from kseq.sides.side import Side

# Training losses by the activation of the head.
_LOSSES = {
    "linear": ("mean_squared_error", keras.losses.mean_squared_error),
    "sigmoid": ("binary_cross_entropy", keras.losses.binary_crossentropy),
}


@dataclasses.dataclass(frozen=True)
class ValueSide(Side):
    """A side of real values.

    Args:
        features: Values per step, F.
        activation: Activation of the head: `"linear"`, or `"sigmoid"` for targets from 0 to 1.
    """

    features: int
    activation: str = "linear"

    is_text: ClassVar = False
    vocabulary_size: ClassVar = None
    source_name: ClassVar = "source"
    target_name: ClassVar = "target"
    step_name: ClassVar = "value"
    output_name: ClassVar = "values"
    pairs_per_chunk: ClassVar = 64
    pairs_per_pool: ClassVar = 1024

    def __str__(self):
        return f"{self.features} values per step"

    @property
    def measure(self):
        """`"mean_squared_error"`, or `"binary_cross_entropy"` with a sigmoid."""
        return _LOSSES[self.activation][0]

    @property
    def packed_specs(self):
        """Values of all sequences in one array `[steps, F]`, and lengths `[N]`."""
        return tf.TensorSpec([None, self.features]), tf.TensorSpec([None], tf.int64)

    def pack(self, sequences):
        """Returns arrays `[T, F]` as one array, and their lengths."""
        return np.concatenate(sequences), np.array([len(array) for array in sequences])

    def unpack(self, values, lengths):
        """Returns ragged values `[N, (T), F]`."""
        return tf.RaggedTensor.from_row_lengths(values, lengths)

    def limit(self, training):
        """Returns the maximum number of steps."""
        return training.maximum_frames

    def content_lengths(self, lengths):
        """Returns the lengths unchanged: values have no END."""
        return lengths

    def is_empty(self, lengths):
        """Returns False: every sequence of values has a step."""
        return tf.zeros_like(lengths, tf.bool)

    @property
    def source_specs(self):
        """`source` `[B, S, F]` and `source_mask` `[B, S]`."""
        return {
            self.source_name: self.target_spec,
            "source_mask": tf.TensorSpec([None, None], tf.bool),
        }

    @property
    def serving_specs(self):
        """`source` `[N, S, F]`, not standardised, and `lengths` `[N]`."""
        shape = self.target_spec.shape
        return {
            "source": tf.TensorSpec(shape, name="source"),
            "lengths": tf.TensorSpec([None], tf.int32, name="lengths"),
        }

    def source_inputs(self, numbers):
        """Returns ragged values padded with 0, and their mask."""
        return {
            self.source_name: numbers.to_tensor(0.0),
            "source_mask": tf.sequence_mask(numbers.row_lengths()),
        }

    def source_mask(self, inputs):
        """Returns the mask among the inputs: padding cannot be distinguished from values."""
        return inputs["source_mask"]

    @property
    def target_spec(self):
        """Values `[B, T, F]`."""
        return tf.TensorSpec([None, None, self.features])

    def first_step(self, count):
        """Returns zeros, `[N, F]`."""
        return tf.zeros([count, self.features])

    def make_embedding(self, name, width, tied=False, deviation=None):
        """Returns a function that returns values unchanged."""
        return lambda values: values

    def make_head(self, config, readout, embedding):
        """Adds a dense layer to F values, in float32."""
        return keras.layers.Dense(
            self.features, activation=self.activation, dtype="float32", name="values"
        )(readout)

    def step_outputs(self, decoder):
        """Returns all outputs of the decoder."""
        return decoder.output

    def losses(self, labels, outputs):
        """Returns the squared error or the binary cross-entropy, the mean over features."""
        return _LOSSES[self.activation][1](labels, outputs)
