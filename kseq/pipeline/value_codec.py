"""From real values to standardised values and back."""

import json
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from kseq import files
from kseq.corpora.arrays import check_values, read_values, to_float32
from kseq.runs.directory import STATISTICS
from kseq.sides.value_side import ValueSide


class ValueCodec:
    """The codec of a real-valued side: subtracts a mean and divides by a scale.

    Args:
        mean: Finite numbers `[F]`.
        scale: Finite, positive numbers `[F]`.

    Attributes:
        side: `ValueSide`.

    Raises:
        ValueError: The mean or the scale has other values or another shape.
    """

    is_text = False
    file_names = STATISTICS

    def __init__(self, mean: Any, scale: Any) -> None:
        mean, scale = np.asarray(mean), np.asarray(scale)
        if not all(array.dtype.kind in "iuf" and array.ndim == 1 for array in (mean, scale)):
            raise ValueError("expected lists of numbers as mean and scale")
        if len(mean) != len(scale) or not len(mean):
            raise ValueError(
                "expected one scale for each mean, and at least one of each; "
                f"received {len(mean)} means and {len(scale)} scales"
            )
        self.mean, self.scale = to_float32(mean), to_float32(scale)
        if not (np.isfinite([self.mean, self.scale]).all() and (self.scale > 0).all()):
            raise ValueError("expected finite means, and finite positive scales, in float32")
        self.side = ValueSide(len(mean))

    @classmethod
    def plain(cls, features):
        """Makes a codec that changes nothing."""
        return cls(np.zeros(features), np.ones(features))

    @classmethod
    def load(cls, path):
        """Reads a file that `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is damaged.
        """
        text = pathlib.Path(path).read_bytes()
        try:
            record = json.loads(text)
            return cls(record["mean"], record["scale"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"{path}: damaged: {type(error).__name__}: {error}") from error

    def save(self, path):
        """Writes both lists as JSON, with all digits."""
        record = {"mean": self.mean.tolist(), "scale": self.scale.tolist()}
        files.write_text(path, json.dumps(record) + "\n")

    @property
    def description(self):
        """The codec itself, which `CodecPair.of` takes as its description."""
        return self

    @property
    def reading(self):
        """The width: two codecs of the same width read the same arrays."""
        return self.features

    @property
    def features(self):
        """Values per step, F."""
        return self.side.features

    def sampler(self, sampling):
        """Returns None: nothing is drawn."""
        return None

    def encode(self, sequences):
        """Standardises ragged float32 values `[N, (T), F]`."""
        return sequences.with_flat_values(self.standardize(sequences.flat_values))

    def standardize(self, values):
        """Standardises float32 values `[..., F]`, an array or a tensor."""
        return (values - self.mean) / self.scale

    def decode(self, values):
        """Turns standardised values `[..., F]` back into the units of the data."""
        return values * self.scale + self.mean

    def check(self, values, side):
        """Returns real values as a float32 array `[T, F]`.

        Args:
            values: Anything that NumPy converts to an array, or the path of a `.npy` file.
            side: `"source"` or `"target"`, for messages.

        Raises:
            FileNotFoundError: There is no such file.
            TypeError, ValueError: They are not real values, or have another width.
        """
        name = f"a {side} of real values"
        if isinstance(values, str) or hasattr(values, "__fspath__"):
            name, values = values, read_values(values)
        values = check_values(values, name)
        if values.shape[1] != self.features:
            raise ValueError(
                f"{name}: expected {self.features} values per step, as the model was trained "
                f"with; received {values.shape[1]}"
            )
        return values

    def split(self, arrays):
        """Returns N arrays `[T, F]` as one ragged tensor `[N, (T), F]`."""
        lengths = [len(array) for array in arrays]
        return tf.RaggedTensor.from_row_lengths(np.concatenate(arrays), lengths)

    def number(self, values):
        """Standardises ragged values `[N, (T), F]`."""
        return self.encode(values)

    def displayed_tokens(self, values):
        """Returns a list of N times None: values have no tokens."""
        return [None] * int(values.nrows())

    def token_matrix(self, values, rows):
        """Returns no tokens, `[B, 0]`."""
        return tf.zeros([len(rows), 0], tf.string)

    def predicted_values(self, outputs):
        """Converts outputs of the model to values `[B, T, F]` in the units of the data."""
        return self.decode(outputs)
