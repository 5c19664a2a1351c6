"""Sequences of one side, checked and turned into numbers, and batches of them."""

import os
import reprlib

import numpy as np
import tensorflow as tf


class Sequences:
    """Sequences of one side, read by one codec, or by several that split them in the same way.

    Args:
        codecs: `TextCodec`s or `ValueCodec`s.
        sequences: Sentences, or arrays of real values `[T, F]`.

    Attributes:
        numbers: Ids or standardised values by each codec, ragged `[N, (T)]` or `[N, (T), F]`.
    """

    def __init__(self, codecs, sequences):
        self._codec = codecs[0]
        self._parts = self._codec.split(sequences)
        self.numbers = [codec.number(self._parts) for codec in codecs]

    @property
    def lengths(self):
        """Numbers of tokens, END included, or of steps: int64 `[N]`."""
        return self.numbers[0].row_lengths().numpy()

    def displayed_tokens(self):
        """Returns the tokens of each sequence as they are displayed, END included.

        Returns:
            A list of N lists; for real values a list of N times None.
        """
        return self._codec.displayed_tokens(self._parts)

    def inputs(self, rows):
        """Returns the inputs of the encoder of each codec's model.

        Args:
            rows: Numbers of the sequences of a batch, `[B]`.

        Returns:
            A tuple of dicts, as `Side.source_inputs` makes them.
        """
        side = self._codec.side
        return tuple(side.source_inputs(tf.gather(numbers, rows)) for numbers in self.numbers)

    def targets(self, rows, sources):
        """Returns padded targets with their first step, `[B, T+1]` or `[B, T+1, F]`.

        Args:
            rows: As in `inputs`.
            sources: `Sources` of the targets.
        """
        targets, sources = (tf.gather(side.numbers[0], rows) for side in (self, sources))
        return self._codec.side.pad_targets(self._codec.side.with_first_step(targets), sources)

    def token_matrix(self, rows):
        """Returns tokens without END, padded with empty ones, `[B, T-1]`; `[B, 0]` for values.

        Args:
            rows: As in `inputs`.
        """
        return self._codec.token_matrix(self._parts, rows)


class Sources:
    """Sources, with their features if they have some.

    Args:
        codecs: `CodecPair` of each model.
        sources: Sentences, `FeaturedText`s, or arrays of real values.

    Attributes:
        tokens: The tokens of each source as they are displayed, as from
            `Sequences.displayed_tokens`.
        feature_tokens: The features of each source, likewise; None for each without features.
    """

    def __init__(self, codecs, sources):
        self._sequences = Sequences([pair.source for pair in codecs], sources)
        self.tokens = self._sequences.displayed_tokens()
        self._features = None
        self.feature_tokens = [None] * len(self.tokens)
        if codecs[0].features is not None:
            features = [source.features for source in sources]
            self._features = Sequences([pair.features for pair in codecs], features)
            self.feature_tokens = self._features.displayed_tokens()

    @property
    def numbers(self):
        """As `Sequences.numbers`."""
        return self._sequences.numbers

    @property
    def lengths(self):
        """As `Sequences.lengths`."""
        return self._sequences.lengths

    def inputs(self, rows):
        """Returns the inputs of the encoder of each model: see `Sequences.inputs`."""
        inputs = self._sequences.inputs(rows)
        if self._features is None:
            return inputs
        return tuple({**a, **b} for a, b in zip(inputs, self._features.inputs(rows)))

    def token_matrix(self, rows):
        """Returns the tokens of some sources: see `Sequences.token_matrix`."""
        return self._sequences.token_matrix(rows)


def refuse_single_source(sources):
    """Raises a TypeError if `sources` is a single source, or not a list of sources."""
    if isinstance(sources, str):
        raise TypeError("expected a list of sentences, received one string; wrap it in [ ]")
    kind = getattr(getattr(sources, "dtype", None), "kind", "")
    is_array = getattr(sources, "ndim", None) in ((1, 2) if kind in set("iuf") else (2,))
    if isinstance(sources, os.PathLike) or is_array:
        raise TypeError("expected a list of real-valued sources, received one; wrap it in [ ]")
    if not np.iterable(sources):
        raise TypeError(f"expected a list of sources; received {reprlib.repr(sources)}")
