"""Sources of a model for LiteRT: sentences, perhaps with features, or real values."""

import json
import pathlib
import reprlib
import typing

import numpy as np

from kseq.corpora.arrays import check_values, read_values
from kseq.lite.folder import read_lines
from kseq.lite.text import FeatureCodec, TextCodec
from kseq.special_tokens import END, SPECIAL_TOKENS
from kseq.translation.assembly import Reading
from kseq.translation.features import check_features

_FEATURE_SETTINGS = ("separator", "normalization")


class ReadSource(typing.NamedTuple):
    """A source as the model reads it.

    Attributes:
        reading: `Reading`.
        tokens: Its tokens without END; empty for real values.
        inputs: Inputs of the model by name.
        words: Number of its tokens without END, or of its steps.
        length: Number of its tokens with END, or of its steps.
    """

    reading: Reading
    tokens: list
    inputs: dict
    words: int
    length: int

    @property
    def is_empty(self):
        """Whether the source is a sentence without words: its translation is empty, too."""
        return self.words == 0


class TextSource:
    """Sources that are strings.

    Args:
        folder: Folder of the model.
        description: Its description.

    Attributes:
        features: `FeatureCodec`; None if the model reads no features.
    """

    def __init__(self, folder, description):
        self._codec = read_codec(folder, description["source"])
        self._copies = description["copies"]
        self.features = None
        if description["features"] is not None:
            name, *settings = map(description["features"].get, ("file", *_FEATURE_SETTINGS))
            self.features = FeatureCodec(*settings, read_lines(folder / name))

    def read(self, source):
        """Reads a sentence, or a `FeaturedText`; returns a `ReadSource`.

        Raises:
            TypeError: It is not a string.
            ValueError: It has no features, or should have none.
        """
        if not isinstance(source, str):
            raise TypeError(f"expected sentences as strings; received {reprlib.repr(source)}")
        check_features(source, self.features)
        tokens = self._codec.tokenize(source)
        inputs = {"source_ids": _row(self._codec.number(tokens, self._copies))}
        feature_tokens = None
        if self.features is not None:
            features = self.features.tokenize(source.features)
            inputs["feature_ids"] = _row(self.features.number(features))
            feature_tokens = [*self.features.display(features), SPECIAL_TOKENS[END]]
        displayed = [*self._codec.display(tokens), SPECIAL_TOKENS[END]]
        reading = Reading(source, displayed, feature_tokens)
        return ReadSource(reading, tokens, inputs, len(tokens), len(tokens) + 1)


class ValueSource:
    """Sources that are arrays of real values `[S, F]`, or the paths of `.npy` files.

    Args:
        folder: Folder of the model.
        description: Its description.
    """

    features = None

    def __init__(self, folder, description):
        self._statistics = Statistics(folder / description["source"]["file"])

    def read(self, source):
        """Reads an array, or a file of one; returns a `ReadSource`.

        Raises:
            FileNotFoundError: There is no such file.
            TypeError, ValueError: They are not real values, or have another width.
        """
        name, values = "a source of real values", source
        if isinstance(values, str) or hasattr(values, "__fspath__"):
            name, values = values, read_values(values)
        values = check_values(values, name)
        width = len(self._statistics.mean)
        if values.shape[1] != width:
            raise ValueError(
                f"{name}: expected {width} values per step, as the model was trained with; "
                f"received {values.shape[1]}"
            )
        inputs = {"source": self._statistics.standardize(values)[None]}
        return ReadSource(Reading(values, None), [], inputs, len(values), len(values))


class Statistics:
    """Mean and scale of a real-valued side.

    Args:
        path: File that `kseq.ValueCodec` wrote.

    Attributes:
        mean, scale: float32 `[F]`.
    """

    def __init__(self, path):
        record = json.loads(pathlib.Path(path).read_bytes())
        self.mean = np.asarray(record["mean"], np.float32)
        self.scale = np.asarray(record["scale"], np.float32)

    def standardize(self, values):
        """Returns float32 values `[..., F]`, standardised."""
        return (values - self.mean) / self.scale

    def restore(self, values):
        """Returns standardised values `[..., F]` in the units of the data."""
        return values * self.scale + self.mean


def make_source(folder, description):
    """Makes the `TextSource` or the `ValueSource` of a model from its folder and description."""
    is_text = description["source"]["kind"] == "text"
    return (TextSource if is_text else ValueSource)(folder, description)


def read_codec(folder, side):
    """Makes the `TextCodec` of a side from the folder and the description of the side."""
    path = folder / side["file"]
    description = path if side["tokenizer"] == "subword" else read_lines(path)
    return TextCodec(side["tokenizer"], side["case"], side["normalization"], description)


def _row(ids):
    return np.array([ids], np.int32)
