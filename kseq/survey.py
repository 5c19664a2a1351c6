"""A first pass over a split: which pairs can be used, and the codecs of a training split."""

import collections
import dataclasses
import itertools

import numpy as np
import tensorflow as tf

from kseq.codecs import CodecPair
from kseq.letter_case import mark_case
from kseq.lines import chunks
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.subwords import train_subwords
from kseq.text import normalize, select_vocabulary
from kseq.values import Statistics, ValueCodec

# Pairs that are read at once: sentences are small, sequences of real values are not.
CHUNK = {"text": 1024, "values": 64}


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


def build_codecs(pairs, config):
    """Builds vocabularies and statistics of a training split, and counts its pairs on the way.

    Args:
        pairs: `Pairs` or `ValuePairs` of the training split.
        config: `Config`.

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
    survey = _survey(pairs, draft, config.training, tallies)
    if config.shares_vocabulary and None not in tallies:
        tallies = [tallies[0] + tallies[1]] * 2
    if config.model.target_activation == "sigmoid":
        _check_between_0_and_1(pairs, tallies[1])
        tallies[1] = None
    for number, (side, tally) in enumerate(zip(("source", "target"), tallies)):
        if isinstance(tally, Statistics):
            known[number] = ValueCodec(tally.mean, tally.scale)
        elif tally is not None:
            known[number] = _vocabulary(pairs, side, tally, config.text)
    return CodecPair.of(*known, config.text), survey


def _tally(codec):
    """What is gathered about a side on the way; subwords are known before."""
    if not codec.is_text:
        return Statistics()
    return None if codec.tokenizer == "subword" else collections.Counter()


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
    """The sentences of one side, or of both, as a codec hands them to its subwords."""

    def prepare(texts):
        texts = normalize(texts, lowercase=case == "lower")
        return mark_case(texts) if case == "mark" else texts

    prepare = tf.function(prepare).get_concrete_function(tf.TensorSpec([None], tf.string))
    for chunk in chunks(pairs, CHUNK["text"]):
        for number in sides:
            yield from prepare(tf.constant(as_bytes([pair[number] for pair in chunk]))).numpy()


def _vocabulary(pairs, side, tally, config):
    vocabulary = select_vocabulary(
        {token.decode(): count for token, count in tally.items()},
        config.minimum_frequency,
        config.maximum_vocabulary_size,
    )
    if len(vocabulary) == len(SPECIAL_TOKENS):
        raise ValueError(
            f"{pairs}: no {side} token occurs {config.minimum_frequency} times or more, so "
            "the vocabulary would be empty; lower minimum_frequency or bring more pairs"
        )
    return vocabulary


def _check_between_0_and_1(pairs, statistics):
    if statistics.minimum < 0.0 or statistics.maximum > 1.0:
        raise ValueError(
            f"{pairs}: target_activation=sigmoid needs target values from 0 to 1; found "
            f"{statistics.minimum:g} to {statistics.maximum:g}; use target_activation=linear"
        )


def survey_pairs(pairs, codecs, training):
    """Counts the pairs of a split that can be used, as a `Survey`.

    Args:
        pairs: `Pairs` or `ValuePairs`.
        codecs: `CodecPair`.
        training: `TrainingConfig`: the longest sequences allowed.

    Raises:
        ValueError: There is none.
    """
    return _survey(pairs, codecs, training, (None, None))


def _survey(pairs, codecs, training, tallies):
    kept = blank = overlong = tokens = 0
    lengths = np.zeros(2)
    readers = [_reader(codec) for codec in codecs.sides]
    limits = length_limits(codecs, training)[:, None]
    for chunk in chunks(pairs, CHUNK[codecs.kind]):
        sides = [read(sequences) for read, sequences in zip(readers, zip(*chunk))]
        rows = np.array([side_lengths for side_lengths, _ in sides])
        fits = ((rows > 0) & (rows <= limits)).all(axis=0)
        overlong += int((rows > limits).any(axis=0).sum())
        blank += int(((rows == 0).any(axis=0) & (rows <= limits).all(axis=0)).sum())
        kept += int(fits.sum())
        lengths += rows[:, fits].sum(axis=1)
        tokens += int((rows[:, fits].max(axis=0) + 1).sum())
        for tally, (_, add_to) in zip(tallies, sides):
            if tally is not None:
                add_to(tally, fits)
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


def _reader(codec):
    """A function of sequences to their lengths and a function that adds some to a tally."""
    if not codec.is_text:

        def read_values(arrays):
            def add_to(statistics, fits):
                for array in itertools.compress(arrays, fits):
                    statistics.add(array)

            return np.array([len(array) for array in arrays]), add_to

        return read_values

    tokenize = tf.function(
        lambda texts: codec.tokenize(texts), input_signature=[tf.TensorSpec([None], tf.string)]
    ).get_concrete_function()

    def read_text(texts):
        tokens = tokenize(tf.constant(as_bytes(texts)))

        def add_to(counter, fits):
            counter.update(tf.ragged.boolean_mask(tokens, fits).flat_values.numpy().tolist())

        return tokens.row_lengths().numpy(), add_to

    return read_text


def length_limits(codecs, training):
    """Most tokens, or steps of real values, on either side."""
    return np.array(
        [
            training.maximum_length if codec.is_text else training.maximum_frames
            for codec in codecs.sides
        ]
    )


def as_bytes(texts):
    """Returns strings as an array of UTF-8, as TensorFlow takes them."""
    return np.array([text.encode() for text in texts], object)
