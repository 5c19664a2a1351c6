"""One side of a split during its first pass: lengths, ids, and the description of its codec."""

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kseq.pipeline.statistics import Statistics
from kseq.sides.extended_ids import open_ids
from kseq.sides.text_side import as_bytes
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text.token_tally import TokenTally


@dataclasses.dataclass(frozen=True)
class SideChunk:
    """One side of N pairs.

    Args:
        lengths: Tokens without END, or steps, int64 `[N]`.
        use: Function of a boolean array `[N]`, whether a pair is used. It adds the sequences of
            the used pairs to counts and statistics, and returns their ids in one array, int32, or
            None if the reader has no ids.
    """

    lengths: np.ndarray
    use: Callable


class TextReader:
    """Reads text whose vocabulary is complete.

    Args:
        codec: `TextCodec`.
        with_ids: Whether to return ids.

    Attributes:
        tally: `TokenTally` of the used tokens; None if they are not counted.
    """

    tally = None

    def __init__(self, codec, with_ids=False):
        self.codec = codec
        self._with_ids = with_ids
        spec = tf.TensorSpec([None], tf.string)
        self._tokenize = tf.function(
            self._lengths_and_tokens, autograph=False
        ).get_concrete_function(spec)

    def read(self, texts):
        """Returns the `SideChunk` of N sentences."""
        lengths, *tokens = (
            tensor.numpy() for tensor in self._tokenize(tf.constant(as_bytes(texts)))
        )
        return SideChunk(lengths, lambda is_used: self._use(np.repeat(is_used, lengths), *tokens))

    def _lengths_and_tokens(self, texts):
        """Lengths `[N]`, and the arguments of `_use` for all tokens in one row."""
        tokens = self.codec.tokenize(texts)
        ids = [self.codec.ids(tokens.flat_values)] if self._with_ids else []
        return tokens.row_lengths(), *ids

    def _use(self, is_used, ids=None):
        return None if ids is None else ids[is_used]

    def description(self, choose, shared):
        """Returns the codec's description for `CodecPair.of`, after the split is read.

        Args:
            choose: Function from `TokenTally`s to a vocabulary.
            shared: `TokenTally`s of both sides if they share their vocabulary; otherwise None.
        """
        return self.codec.description

    def final_ids(self, description):
        """Returns the final id for every provisional id; None if all ids are final already."""
        return None


class CountingReader(TextReader):
    """Reads words or characters and counts them, to choose a vocabulary; ids are provisional."""

    def __init__(self, codec):
        super().__init__(codec)
        self.tally = TokenTally()

    def _lengths_and_tokens(self, texts):
        tokens = self.codec.tokenize(texts)
        return tokens.row_lengths(), *tf.unique(tokens.flat_values)

    def _use(self, is_used, distinct, indices):
        ids = self.tally.ids(distinct)[indices][is_used]
        self.tally.count(ids)
        return ids

    def description(self, choose, shared):
        """Returns the vocabulary, chosen by the counts."""
        return choose(shared or [self.tally])

    def final_ids(self, description):
        """Returns the id in the vocabulary for every provisional id; open ids if a model copies."""
        ids = self.tally.final_ids(description)
        if self.codec.side.copies:
            tokens, rest = tf.constant(self.tally.tokens(), tf.string), ids[len(SPECIAL_TOKENS) :]
            rest[:] = open_ids(tokens, rest, len(description))
        return ids


class ValueReader:
    """Reads real values whose codec is complete.

    Args:
        codec: `ValueCodec`.
    """

    tally = None

    def __init__(self, codec):
        self._codec = codec

    def read(self, arrays):
        """Returns the `SideChunk` of N arrays `[T, F]`."""
        lengths = np.array([len(array) for array in arrays])
        return SideChunk(lengths, lambda is_used: self._use(itertools.compress(arrays, is_used)))

    def _use(self, arrays):
        """Processes the used arrays `[T, F]`."""

    def description(self, choose, shared):
        """Returns the codec."""
        return self._codec

    def final_ids(self, description):
        """Returns None: values have no ids."""
        return None


class MeasuringReader(ValueReader):
    """Reads real values and measures them, to standardise them, or to check their range.

    Args:
        codec: `ValueCodec`.
        pairs: The split that is read, for messages.
        are_shares: Whether values must be between 0 and 1, as targets of a sigmoid. They are not
            standardised then; covariates are.
        keeps: Whether the codec is complete, and only the range is checked.
    """

    def __init__(self, codec, pairs, *, are_shares=False, keeps=False):
        super().__init__(codec)
        self._pairs = pairs
        self._are_shares = are_shares
        self._keeps = keeps
        self._statistics = Statistics()

    def _use(self, arrays):
        for array in arrays:
            self._statistics.add(array)

    def description(self, choose, shared):
        """Returns a `ValueCodec`.

        Raises:
            ValueError: Values are not between 0 and 1 although they must be.
        """
        mean, scale = self._statistics.mean, self._statistics.scale
        if self._are_shares:
            features = self._codec.features
            self._check_range(features)
            is_share = np.arange(len(mean)) < features
            mean, scale = np.where(is_share, 0.0, mean), np.where(is_share, 1.0, scale)
        return self._codec if self._keeps else self._codec.with_statistics(mean, scale)

    def _check_range(self, features):
        minimum = self._statistics.minimum[:features].min()
        maximum = self._statistics.maximum[:features].max()
        if minimum < 0.0 or maximum > 1.0:
            raise ValueError(
                f"{self._pairs}: target_activation=sigmoid needs target values from 0 to 1; "
                f"received {minimum:g} to {maximum:g}; use target_activation=linear"
            )


def make_reader(codec, with_ids=False):
    """Makes the reader of a side whose codec is complete.

    Args:
        codec: `TextCodec` or `ValueCodec`.
        with_ids: Whether to return the ids of text.
    """
    return TextReader(codec, with_ids) if codec.is_text else ValueReader(codec)
