"""A first pass over a split: which pairs can be used, and the codecs of a training split."""

import collections
import dataclasses
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from kseq.corpora.lines import chunks
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.statistics import Statistics
from kseq.pipeline.value_codec import ValueCodec
from kseq.sides.text_side import TextSide, as_bytes
from kseq.special_tokens import SPECIAL_TOKENS, UNK
from kseq.text.codec import normalize, select_vocabulary
from kseq.text.letter_case import mark_case
from kseq.text.subwords import train_subwords

_LARGEST_SAMPLE = 250_000  # pairs to learn subwords from; more cost memory and change little


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a pass over a split found.

    Args:
        kept: Pairs that can be used.
        blank: Pairs left out because a side is empty, or has no token.
        overlong: Pairs left out because a side is too long.
        length_ratio: Target tokens per source token (or frames).
        tokens: Tokens (or frames) of the longer side of every pair, END included, in all.
        shared: Pairs left out because a side of theirs stands in a held-out split.
    """

    kept: int
    blank: int
    overlong: int
    length_ratio: float
    tokens: int
    shared: int = 0

    def __str__(self):
        counts = (
            (self.blank, "with an empty side"),
            (self.overlong, "too long"),
            (self.shared, "with a side that is held out"),
        )
        reasons = [f"{count:,} {reason}" for count, reason in counts if count]
        return f"{self.kept:,} pairs" + (f" (left out: {', '.join(reasons)})" if reasons else "")


def build_codecs(pairs, config, keeper=None):
    """Builds vocabularies and statistics of a training split, and counts its pairs on the way.

    Args:
        pairs: `Pairs` or `ValuePairs` of the training split.
        config: `Config`.
        keeper: What keeps the ids of the pairs, if anything does: has `add(sides)`, for the ids
            and lengths of both sides of some pairs, and `renumber(side, ids)`, which says what
            the ids of a side turned out to be that were given out on the way.

    Returns:
        A `CodecPair` and a `Survey`.

    Raises:
        ValueError: No pair can be used, or a vocabulary would be empty.
    """
    features = config.model.source_features, config.model.target_features
    known = [ValueCodec.plain(width) if width else SPECIAL_TOKENS for width in features]
    known = [model or side for model, side in zip(_learn_subwords(pairs, config), known)]
    draft = CodecPair.of(*known, config.text)
    tallies = [_tally(codec) for codec in draft.sides]
    survey = _survey(pairs, draft, config.training, tallies, keeper)
    if config.model.target_activation == "sigmoid":
        _check_between_0_and_1(pairs, tallies[1])
    for number, (side, tally) in enumerate(zip(("source", "target"), tallies)):
        if isinstance(tally, Statistics):
            is_unscaled = number and config.model.target_activation == "sigmoid"
            if not is_unscaled:
                known[number] = ValueCodec(tally.mean, tally.scale)
        elif tally is not None:
            counted = tallies if config.shares_vocabulary and None not in tallies else [tally]
            known[number] = _vocabulary(pairs, side, counted, config.text)
            if keeper is not None:
                keeper.renumber(number, tally.final_ids(known[number]))
    return CodecPair.of(*known, config.text), survey


def _tally(codec):
    """What is gathered about a side on the way; subwords are known before."""
    if not codec.is_text:
        return Statistics()
    return None if codec.tokenizer == "subword" else TokenTally()


def _learn_subwords(pairs, config):
    """SentencePiece models of the sides that have subwords; None of the others."""
    text = config.text
    widths = config.model.source_features, config.model.target_features
    wanted = [
        number
        for number, (width, tokenizer) in enumerate(zip(widths, text.tokenizers))
        if tokenizer == "subword" and not width
    ]
    models = [None, None]
    shares = wanted and config.shares_vocabulary
    for sides in [wanted] if shares else [[number] for number in wanted]:
        sentences = _normalized(pairs, sides, text.case)
        try:
            model = train_subwords(
                sentences,
                text.subword_vocabulary_size,
                text.subword_algorithm,
                text.case == "mark",
            )
        except ValueError as error:
            raise ValueError(f"{pairs}: {error}") from error
        for number in sides:
            models[number] = model
    return models


def _normalized(pairs, sides, case):
    """Sentences of one side, or of both, as a codec hands them to its subwords."""

    def prepare(texts):
        texts = normalize(texts, lowercase=case == "lower")
        return mark_case(texts) if case == "mark" else texts

    prepare = tf.function(prepare).get_concrete_function(tf.TensorSpec([None], tf.string))
    for chunk in chunks(evenly(pairs, _LARGEST_SAMPLE), TextSide.pairs_per_chunk):
        for number in sides:
            yield from prepare(tf.constant(as_bytes([pair[number] for pair in chunk]))).numpy()


def evenly(things, most):
    """Returns things that stand at equal distances: all, or between half of `most` and `most`.

    Args:
        things: An iterable of any length, which is read once.
        most: An even number.
    """
    kept, distance = [], 1
    for number, thing in enumerate(things):
        if len(kept) == most and number % distance == 0:
            kept, distance = kept[::2], 2 * distance
        if number % distance == 0:
            kept.append(thing)
    return kept


def _vocabulary(pairs, side, tallies, config):
    counts = sum((tally.counts() for tally in tallies), collections.Counter())
    vocabulary = select_vocabulary(
        {token.decode(): count for token, count in counts.items()},
        config.minimum_frequency,
        config.maximum_vocabulary_size,
    )
    if len(vocabulary) == len(SPECIAL_TOKENS):
        raise ValueError(
            f"{pairs}: no {side} token occurs {config.minimum_frequency} times or more, so "
            "the vocabulary would be empty; lower minimum_frequency or bring more pairs"
        )
    return vocabulary


class TokenTally:
    """Different tokens, each with an id in the order of their coming, and how often they came."""

    def __init__(self):
        self._ids = {}
        self._counts = np.zeros(1024, np.int64)

    def ids(self, tokens):
        """Returns the ids of different tokens, bytes `[N]`: after those of special tokens."""
        ids = self._ids
        known = [ids.setdefault(token, len(ids)) for token in tokens.tolist()]
        return np.array(known, np.int32) + len(SPECIAL_TOKENS)

    def count(self, ids):
        """Counts ids of tokens, `[N]`."""
        counts = np.bincount(ids - len(SPECIAL_TOKENS))
        if counts.size > self._counts.size:
            self._counts = np.pad(self._counts, (0, 2 * counts.size - self._counts.size))
        self._counts[: counts.size] += counts

    def counts(self):
        """Returns how often each token was counted, tokens that never were left out."""
        counts = zip(self._ids, self._counts.tolist())
        return collections.Counter({token: count for token, count in counts if count})

    def final_ids(self, vocabulary):
        """Returns the id in a vocabulary for each of the ids given here, UNK for unknown ones."""
        final = {token.encode(): number for number, token in enumerate(vocabulary) if number > UNK}
        tokens = itertools.chain(range(len(SPECIAL_TOKENS)), self._ids)
        ids = (token if isinstance(token, int) else final.get(token, UNK) for token in tokens)
        return np.fromiter(ids, np.int32, len(SPECIAL_TOKENS) + len(self._ids))


def _check_between_0_and_1(pairs, statistics):
    if statistics.minimum < 0.0 or statistics.maximum > 1.0:
        raise ValueError(
            f"{pairs}: target_activation=sigmoid needs target values from 0 to 1; found "
            f"{statistics.minimum:g} to {statistics.maximum:g}; use target_activation=linear"
        )


def survey_pairs(pairs, codecs, training, keeper=None):
    """Counts the pairs of a split that can be used, as a `Survey`.

    Args:
        pairs: `Pairs` or `ValuePairs`.
        codecs: `CodecPair`.
        training: `TrainingConfig`: the longest sequences allowed.
        keeper: As in `build_codecs`; ids are what they are.

    Raises:
        ValueError: There is none.
    """
    return _survey(pairs, codecs, training, (None, None), keeper)


def _survey(pairs, codecs, training, tallies, keeper):
    kept = blank = overlong = tokens = 0
    lengths = np.zeros(2)
    readers = [_reader(*each, keeper is not None) for each in zip(codecs.sides, tallies)]
    limits = length_limits(codecs, training)[:, None]
    for sides in _read(pairs, readers, codecs.pairs_per_chunk):
        rows = np.array([side.lengths for side in sides])
        fits = ((rows > 0) & (rows <= limits)).all(axis=0)
        overlong += int((rows > limits).any(axis=0).sum())
        blank += int(((rows == 0).any(axis=0) & (rows <= limits).all(axis=0)).sum())
        kept += int(fits.sum())
        lengths += rows[:, fits].sum(axis=1)
        tokens += int((rows[:, fits].max(axis=0) + 1).sum())
        found = [side.take(fits) for side in sides]
        if keeper is not None:
            keeper.add([(ids, side.lengths[fits]) for ids, side in zip(found, sides)])
    if not kept:
        pairs_read = blank + overlong + pairs.shared
        raise ValueError(
            f"{pairs}: none of {pairs_read:,} pairs can be used; each side must have 1 to "
            f"{training.maximum_length} tokens (maximum_length), real values 1 to "
            f"{training.maximum_frames} steps (maximum_frames)"
            + (f"; {pairs.shared:,} have a side that is held out" if pairs.shared else "")
        )
    ratio = round(lengths[1] / lengths[0], 4)
    ratio = max(ratio, 1e-4)
    return Survey(kept, pairs.blank + blank, overlong, ratio, tokens, pairs.shared)


def _read(pairs, readers, size):
    """Yields what the readers make of both sides of some pairs; the next are read meanwhile."""
    with ThreadPoolExecutor(len(readers)) as pool:
        reading = None
        for chunk in chunks(pairs, size):
            just_read = [pool.submit(read, side) for read, side in zip(readers, zip(*chunk))]
            if reading:
                yield [side.result() for side in reading]
            reading = just_read
        if reading:
            yield [side.result() for side in reading]


@dataclasses.dataclass(frozen=True)
class _Side:
    """One side of some pairs: lengths, and a function that takes note of those that fit."""

    lengths: np.ndarray
    take: Callable


def _reader(codec, tally, keeps_ids):
    """A function of sequences to a `_Side`, whose `take` returns the ids of text."""
    if not codec.is_text:
        return lambda arrays: _values(arrays, tally)

    def tokenized(texts):
        tokens = codec.tokenize(texts)
        flat = tokens.flat_values
        if tally is not None:
            return tokens.row_lengths(), *tf.unique(flat)
        return tokens.row_lengths(), *([codec.ids(flat)] if keeps_ids else [])

    tokenized = tf.function(tokenized).get_concrete_function(tf.TensorSpec([None], tf.string))

    def read(texts):
        lengths, *found = (each.numpy() for each in tokenized(tf.constant(as_bytes(texts))))

        def take(fits):
            if not found:
                return None
            ids = found[0] if tally is None else tally.ids(found[0])[found[1]]
            ids = ids[np.repeat(fits, lengths)]
            if tally is not None:
                tally.count(ids)
            return ids

        return _Side(lengths, take)

    return read


def _values(arrays, statistics):
    def take(fits):
        if statistics is not None:
            for array in itertools.compress(arrays, fits):
                statistics.add(array)

    return _Side(np.array([len(array) for array in arrays]), take)


def length_limits(codecs, training):
    """Most tokens, or steps of real values, on either side."""
    return np.array([codec.side.limit(training) for codec in codecs.sides])
