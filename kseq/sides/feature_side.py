"""The features of a source as a second input of a model: ids of tags, a language, a speaker."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from kseq.sides.text_side import TextSide


@dataclasses.dataclass(frozen=True)
class FeatureSide(TextSide):
    """Features, which an encoder reads next to its source.

    Args:
        vocabulary_size: Number of ids V, special tokens included.
    """

    source_name: ClassVar = "feature_ids"

    def __str__(self):
        return f"{self.vocabulary_size:,} different features"

    @property
    def serving_specs(self):
        """Strings `[N]`."""
        return {"features": tf.TensorSpec([None], tf.string, name="features")}
