"""Sequences of real values as source or target of a model: frames, a mask, a regression."""

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from kseq.counts import counted
from kseq.sides.side import Side

# Training losses by the activation of the head.
_LOSSES = {
    "linear": ("mean_squared_error", keras.losses.mean_squared_error),
    "sigmoid": ("binary_cross_entropy", keras.losses.binary_crossentropy),
}


@dataclasses.dataclass(frozen=True)
class ValueSide(Side):
    """A side of real values.

    With covariates, a step of a target has F + C numbers: its values, then what is known about it
    beforehand. The decoder reads the values of the step before and the covariates of the step that
    it predicts, in one input of width F + C; it predicts F values.

    Args:
        features: Values per step, F.
        activation: Activation of the head: `"linear"`, or `"sigmoid"` for targets from 0 to 1.
        covariates: Known inputs per step of a target, C.
    """

    features: int
    activation: str = "linear"
    covariates: int = 0

    is_text: ClassVar = False
    vocabulary_size: ClassVar = None
    source_name: ClassVar = "source"
    target_name: ClassVar = "target"
    step_name: ClassVar = "value"
    output_name: ClassVar = "values"
    pairs_per_chunk: ClassVar = 64
    pairs_per_pool: ClassVar = 1024

    def __str__(self):
        known = f" and {counted(self.covariates, 'covariate')}" if self.covariates else ""
        return f"{self.features} values{known} per step"

    @property
    def width(self):
        """Numbers per step, F + C."""
        return self.features + self.covariates

    @property
    def measure(self):
        """`"mean_squared_error"`, or `"binary_cross_entropy"` with a sigmoid."""
        return _LOSSES[self.activation][0]

    @property
    def packed_specs(self):
        """Values of all sequences in one array `[steps, F + C]`, and lengths `[N]`."""
        return tf.TensorSpec([None, self.width]), tf.TensorSpec([None], tf.int64)

    def pack(self, sequences):
        """Returns arrays `[T, F + C]` as one array, and their lengths."""
        return np.concatenate(sequences), np.array([len(array) for array in sequences])

    def unpack(self, values, lengths):
        """Returns ragged values `[N, (T), F + C]`."""
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
        """Values, then covariates, `[B, T, F + C]`."""
        return tf.TensorSpec([None, None, self.width])

    def first_step(self, count):
        """Returns zeros, `[N, F + C]`."""
        return tf.zeros([count, self.width])

    def shift(self, targets):
        """Splits padded targets into the decoder's input and labels: see `Side.shift`.

        The covariates are not shifted: the decoder reads those of the step that it predicts.
        """
        inputs, labels = targets[:, :-1], targets[:, 1:]
        if self.covariates:
            inputs = self.next_input(inputs[..., : self.features], labels)
        return {self.target_name: inputs}, labels[..., : self.features]

    def next_input(self, values, following):
        """Returns what the decoder reads: values of a step, and covariates of the next one.

        Args:
            values: `[..., F]`.
            following: The next step of a target, `[..., F + C]`, or its covariates `[..., C]`; not
                read if C is 0.
        """
        if not self.covariates:
            return values
        return tf.concat([values, following[..., -self.covariates :]], axis=-1)

    def step_input(self, covariates, step, values):
        """Returns what the decoder reads at a step of a free run: see `next_input`.

        Args:
            covariates: Those of all steps, `[B, T, C]`.
            step: Number of the step, from 0.
            values: Values of the step before, `[B, F]`.
        """
        return self.next_input(values, covariates[:, step])

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
