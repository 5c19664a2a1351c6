"""Text as source or target of a model: ids, embeddings, logits, cross-entropy."""

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from kseq.kernels.dense import Dense
from kseq.sides.extended_ids import extended_ids
from kseq.sides.side import Side
from kseq.special_tokens import PAD, START

LAST_HIDDEN = "last_hidden"  # the decoder's layer whose output becomes logits


@dataclasses.dataclass(frozen=True)
class TextSide(Side):
    """A side of text.

    Args:
        vocabulary_size: Number of ids V, special tokens included.
        copies: Whether a model copies from or to this side, so that there are ids after V: see
            `kseq.sides.extended_ids`.
        is_absent: Whether there is no such side: all its texts are END alone.
    """

    vocabulary_size: int
    copies: bool = False
    is_absent: bool = False

    is_text: ClassVar = True
    source_name: ClassVar = "source_ids"
    target_name: ClassVar = "target_ids"
    step_name: ClassVar = "ids"
    output_name: ClassVar = "logits"
    measure: ClassVar = "cross_entropy"
    pairs_per_chunk: ClassVar = 1024
    pairs_per_pool: ClassVar = 100_000

    def __str__(self):
        return "none" if self.is_absent else f"{self.vocabulary_size:,} different tokens"

    @property
    def shortest(self):
        """1; 0 for a side that is absent."""
        return 0 if self.is_absent else 1

    @property
    def packed_specs(self):
        """Strings `[N]`."""
        return (tf.TensorSpec([None], tf.string),)

    def pack(self, sequences):
        """Returns sentences as UTF-8, `[N]`."""
        return (as_bytes(sequences),)

    def unpack(self, texts):
        """Returns the strings `[N]` unchanged."""
        return texts

    def limit(self, training):
        """Returns the maximum number of tokens."""
        return 0 if self.is_absent else training.maximum_length

    def content_lengths(self, lengths):
        """Returns numbers of tokens without END."""
        return lengths - 1

    def is_empty(self, lengths):
        """Returns whether a source is only END: its translation is empty too."""
        return self.content_lengths(lengths) < self.shortest

    @property
    def source_specs(self):
        """`source_ids` `[B, S]`."""
        return {self.source_name: self.target_spec}

    @property
    def serving_specs(self):
        """Strings `[N]`."""
        return {"text": tf.TensorSpec([None], tf.string, name="text")}

    def source_inputs(self, numbers):
        """Returns ragged ids padded with PAD; open ids become extended ids."""
        ids = numbers.to_tensor(PAD)
        if self.copies:
            ids = extended_ids(ids, ids, self.vocabulary_size)
        return {self.source_name: ids}

    def source_mask(self, inputs):
        """Returns where ids are not PAD."""
        return ops.not_equal(inputs[self.source_name], PAD)

    @property
    def target_spec(self):
        """Ids `[B, T]`."""
        return tf.TensorSpec([None, None], tf.int32)

    def first_step(self, count):
        """Returns START, `[N]`."""
        return tf.fill([count], START)

    def pad_targets(self, targets, sources):
        """Returns ids `[B, T]`, padded with PAD; open ids become extended ids."""
        ids = targets.to_tensor(PAD)
        if not self.copies:
            return ids
        return extended_ids(ids, sources.to_tensor(PAD), self.vocabulary_size)

    def make_embedding(self, name, width, tied=False, deviation=None):
        """Makes an embedding layer; a tied one can also be called with `reverse=True`."""
        kind = keras.layers.ReversibleEmbedding if tied else keras.layers.Embedding
        initializer = "uniform"
        if deviation is not None:
            initializer = keras.initializers.RandomNormal(stddev=deviation)
        return kind(
            self.vocabulary_size,
            width,
            embeddings_initializer=initializer,
            name=f"{name}_embedding",
        )

    def make_head(self, config, readout, embedding):
        """Adds the output projection; a tied one has the kernel of the embedding."""
        if config.tie_output and config.units != config.embedding_dim:
            readout = Dense(config.embedding_dim, use_bias=False, name="output_projection")(readout)
        readout = keras.layers.Identity(name=LAST_HIDDEN)(readout)
        # The largest product of all: in half precision if the model is.
        if config.tie_output:
            logits = embedding(readout, reverse=True)
        else:
            logits = keras.layers.Dense(self.vocabulary_size, name="logits")(readout)
        return ops.cast(logits, "float32")

    def step_outputs(self, decoder):
        """Returns all outputs, and `hidden`, the last hidden layer, `[N, T, H]`."""
        return {**decoder.output, "hidden": decoder.get_layer(LAST_HIDDEN).output}

    def losses(self, labels, outputs):
        """Returns cross-entropy in nats, `-log softmax(logits)[label]`, for logits `[B, T, V]`."""
        return -tf.gather(tf.nn.log_softmax(outputs), labels, batch_dims=2)


def as_bytes(texts):
    """Returns strings as an array of UTF-8 `[N]`, which TensorFlow reads fastest."""
    return np.array([text.encode() for text in texts], object)
