"""From real values to standardised values and back."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from kseq import files
from kseq.corpora.arrays import check_values, read_values, to_float32
from kseq.corpora.recordings import Recording, is_recording, read_recording
from kseq.pipeline.log_mel import LogMel
from kseq.runs.directory import STATISTICS
from kseq.sides.value_side import ValueSide


class ValueCodec:
    """The codec of a real-valued side: subtracts a mean and divides by a scale.

    Args:
        mean: Finite numbers `[F]`; with covariates `[F + C]`, those of the covariates last.
        scale: Finite, positive numbers, likewise.
        covariates: Known inputs of each step of a target, C: the last of its columns.
        log_mel: `LogMel`, if the side is recordings: values are then their frames.

    Attributes:
        side: `ValueSide`.

    Raises:
        ValueError: The mean or the scale has other values or another shape.
    """

    is_text = False
    file_names = STATISTICS

    def __init__(self, mean: Any, scale: Any, covariates: int = 0, log_mel: Any = None) -> None:
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
        if type(covariates) is not int or not 0 <= covariates < len(mean):
            raise ValueError(
                f"expected a number of covariates below {len(mean)}, as many as there are means; "
                f"received {covariates!r}"
            )
        if log_mel is not None and len(mean) != log_mel.mel_bands:
            raise ValueError(
                f"expected a mean for each of {log_mel.mel_bands} bands; received {len(mean)}"
            )
        self.side = ValueSide(len(mean) - covariates, covariates=covariates)
        self.log_mel = log_mel

    @classmethod
    def plain(cls, features, covariates=0, log_mel=None):
        """Makes a codec that changes nothing, except that it makes frames of recordings."""
        width = features + covariates
        return cls(np.zeros(width), np.ones(width), covariates, log_mel)

    def with_statistics(self, mean, scale):
        """Returns a codec of the same kind with another mean and scale."""
        return type(self)(mean, scale, self.covariates, self.log_mel)

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
            mean, scale = record["mean"], record["scale"]
            log_mel = LogMel(**record["recordings"]) if "recordings" in record else None
            return cls(mean, scale, record.get("covariates", 0), log_mel)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"{path}: damaged: {type(error).__name__}: {error}") from error

    def save(self, path):
        """Writes both lists as JSON, with all digits."""
        record = {"mean": self.mean.tolist(), "scale": self.scale.tolist()}
        if self.covariates:
            record["covariates"] = self.covariates
        if self.log_mel is not None:
            record["recordings"] = dataclasses.asdict(self.log_mel)
        files.write_text(path, json.dumps(record) + "\n")

    @property
    def description(self):
        """The codec itself, which `CodecPair.of` takes as its description."""
        return self

    @property
    def reading(self):
        """The width, and how recordings become frames: equal for codecs that read the same."""
        return self.features, self.log_mel

    @property
    def features(self):
        """Values per step, F."""
        return self.side.features

    @property
    def covariates(self):
        """Known inputs of each step, C."""
        return self.side.covariates

    def sampler(self, sampling):
        """Returns None: nothing is drawn."""
        return None

    def encode(self, sequences):
        """Standardises ragged float32 values `[N, (T), F + C]`."""
        return sequences.with_flat_values(self.standardize(sequences.flat_values))

    def standardize(self, values):
        """Standardises float32 values `[..., F + C]`, an array or a tensor."""
        return (values - self.mean) / self.scale

    def standardize_covariates(self, covariates):
        """Standardises covariates alone, `[..., C]`, an array or a tensor."""
        return (covariates - self.mean[self.features :]) / self.scale[self.features :]

    def decode(self, values):
        """Turns standardised values `[..., F]` back into the units of the data."""
        return values * self.scale[: self.features] + self.mean[: self.features]

    def check(self, values, side):
        """Returns real values as a float32 array `[T, F + C]`.

        Args:
            values: Anything that NumPy converts to an array, or the path of a `.npy` file. With
                covariates, they are the last columns. A codec of recordings also takes a
                `Recording`, its samples `[N]` at the rate of the model, or the path of a `.wav`
                file.
            side: `"source"` or `"target"`, for messages.

        Raises:
            FileNotFoundError: There is no such file.
            TypeError, ValueError: They are not real values, or have another width.
        """
        name = values if _is_name(values) else f"a {side} of real values"
        recording = self._find_recording(values, name)
        values = _read_array(values, name) if recording is None else self.log_mel(recording)
        if values.shape[1] != self.side.width:
            raise ValueError(
                f"{name}: expected {self.side}, as the model was trained with; received "
                f"{values.shape[1]}"
            )
        return values

    def _find_recording(self, values, name):
        """Returns a `Recording`, or that in a `.wav` file or of samples; None for other values."""
        if _is_name(values) and is_recording(values):
            values = read_recording(values)
        elif self.log_mel is not None and getattr(values, "ndim", 0) == 1:
            values = Recording(values, self.log_mel.sample_rate)
        if not isinstance(values, Recording):
            return None
        if self.log_mel is None:
            raise ValueError(
                f"{name}: expected {self.side}, as the model was trained with; received a recording"
            )
        return values

    def check_covariates(self, covariates):
        """Returns covariates alone as a float32 array `[T, C]`; arguments as for `check`.

        Raises:
            FileNotFoundError: There is no such file.
            TypeError, ValueError: They are not real values, or have another width.
        """
        covariates = _read_array(covariates, name := "covariates")
        if covariates.shape[1] != self.covariates:
            raise ValueError(
                f"{name}: expected {self.covariates} per step, as the model was trained with; "
                f"received {covariates.shape[1]}"
            )
        return covariates

    def split(self, arrays):
        """Returns N arrays `[T, F + C]` as one ragged tensor `[N, (T), F + C]`."""
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


def _is_name(values):
    """Returns whether an argument is the name of a file."""
    return isinstance(values, str) or hasattr(values, "__fspath__")


def _read_array(values, name):
    """Returns a float32 array, given it or the path of its `.npy` file."""
    return check_values(read_values(values) if _is_name(values) else values, name)
