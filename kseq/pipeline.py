"""Pairs of sequences to batches, as a chain of small `dataset -> dataset` transforms."""

import collections
import dataclasses
import itertools

import numpy as np
import tensorflow as tf

from kseq.run_directory import STATISTICS, VOCABULARIES
from kseq.special_tokens import PAD, START
from kseq.text import TextCodec, load_vocabulary, select_vocabulary
from kseq.values import Statistics, ValueCodec

# What is held in memory at once: sentences are small, sequences of real values are not.
CHUNK = {"text": 1024, "values": 64}  # pairs that are read at once
POOL_BATCHES = {"text": 256, "values": 16}  # batches whose pairs are sorted by length together
SHUFFLE_BUFFER = {"text": 100_000, "values": 2048}  # pairs


@dataclasses.dataclass(frozen=True)
class CodecPair:
    """How both sides become numbers and come back.

    Args:
        source: `TextCodec` of the source language, or `ValueCodec` of real-valued sequences.
        target: Likewise.
    """

    source: TextCodec | ValueCodec
    target: TextCodec | ValueCodec

    @classmethod
    def of(cls, source, target, config):
        """Makes both codecs.

        Args:
            source: The vocabulary, tokens in the order of their ids; or a `ValueCodec`.
            target: Likewise.
            config: `TextConfig`.
        """
        tokenizers = config.source_tokenizer, config.target_tokenizer
        return cls(
            *(
                side if isinstance(side, ValueCodec) else TextCodec(side, name, config.lowercase)
                for side, name in zip((source, target), tokenizers)
            )
        )

    @classmethod
    def load(cls, folder, config):
        """Reads what `save` wrote for a `Config`."""
        features = config.model.source_features, config.model.target_features
        sides = (
            ValueCodec.load(folder / statistics) if width else load_vocabulary(folder / vocabulary)
            for width, vocabulary, statistics in zip(features, VOCABULARIES, STATISTICS)
        )
        return cls.of(*sides, config.text)

    def save(self, folder):
        """Writes vocabularies, and statistics of real values, into `folder`."""
        for codec, vocabulary, statistics in zip(self.sides, VOCABULARIES, STATISTICS):
            codec.save(folder / (vocabulary if codec.is_text else statistics))

    @property
    def sides(self):
        """Source and target."""
        return self.source, self.target

    @property
    def descriptions(self):
        """Arguments of `of` that make the same codecs again."""
        return tuple(side.vocabulary if side.is_text else side for side in self.sides)

    @property
    def kind(self):
        """`"text"`, or `"values"` where a side is real-valued."""
        return "text" if all(side.is_text for side in self.sides) else "values"

    @property
    def vocabulary_sizes(self):
        """Arguments of `build_seq2seq`: V of each side, None where it is real-valued."""
        return tuple(side.size if side.is_text else None for side in self.sides)


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a pass over a split found.

    Args:
        kept: Pairs that can be used.
        blank: Pairs left out because a side is empty, or has no token.
        overlong: Pairs left out because a side is too long.
        length_ratio: Target tokens per source token (or frames).
    """

    kept: int
    blank: int
    overlong: int
    length_ratio: float

    def __str__(self):
        reasons = [
            f"{count:,} {reason}"
            for count, reason in ((self.blank, "with an empty side"), (self.overlong, "too long"))
            if count
        ]
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
    empty = select_vocabulary({}, 1, config.text.maximum_vocabulary_size)
    features = config.model.source_features, config.model.target_features
    draft = CodecPair.of(
        *(ValueCodec.plain(width) if width else empty for width in features), config.text
    )
    tallies = [Statistics() if width else collections.Counter() for width in features]
    survey = _survey(pairs, draft, config.training, tallies)
    if config.model.share_embeddings:
        tallies = [tallies[0] + tallies[1]] * 2
    if config.model.target_activation == "sigmoid":
        _check_between_0_and_1(pairs, tallies[1])
        tallies[1] = ValueCodec.plain(features[1])
    sides = [
        _codec_or_vocabulary(pairs, side, tally, config.text)
        for side, tally in zip(("source", "target"), tallies)
    ]
    return CodecPair.of(*sides, config.text), survey


def _codec_or_vocabulary(pairs, side, tally, config):
    if isinstance(tally, ValueCodec):
        return tally
    if isinstance(tally, Statistics):
        return ValueCodec(tally.mean, tally.scale)
    vocabulary = select_vocabulary(
        {token.decode(): count for token, count in tally.items()},
        config.minimum_frequency,
        config.maximum_vocabulary_size,
    )
    if len(vocabulary) == len(select_vocabulary({}, 1, config.maximum_vocabulary_size)):
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
    kept = blank = overlong = 0
    lengths = np.zeros(2)
    readers = [_reader(codec) for codec in codecs.sides]
    limits = _limits(codecs, training)[:, None]
    for chunk in _chunks(pairs, codecs.kind):
        sides = [read(sequences) for read, sequences in zip(readers, zip(*chunk))]
        rows = np.array([side_lengths for side_lengths, _ in sides])
        fits = ((rows > 0) & (rows <= limits)).all(axis=0)
        overlong += int((rows > limits).any(axis=0).sum())
        blank += int(((rows == 0).any(axis=0) & (rows <= limits).all(axis=0)).sum())
        kept += int(fits.sum())
        lengths += rows[:, fits].sum(axis=1)
        for tally, (_, add_to) in zip(tallies, sides):
            if tally is not None:
                add_to(tally, fits)
    if not kept:
        raise ValueError(
            f"{pairs}: none of {blank + overlong:,} pairs can be used; each side must have 1 to "
            f"{training.maximum_length} tokens (maximum_length), real values 1 to "
            f"{training.maximum_frames} steps (maximum_frames)"
        )
    ratio = round(lengths[1] / lengths[0], 4)
    return Survey(kept, pairs.blank + blank, overlong, max(ratio, 1e-4))


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
    )

    def read_text(texts):
        tokens = tokenize(_bytes(texts))

        def add_to(counter, fits):
            counter.update(tf.ragged.boolean_mask(tokens, fits).flat_values.numpy().tolist())

        return tokens.row_lengths().numpy(), add_to

    return read_text


def _limits(codecs, training):
    """Most tokens, or steps of real values, on either side."""
    return np.array(
        [
            training.maximum_length if codec.is_text else training.maximum_frames
            for codec in codecs.sides
        ]
    )


def _chunks(pairs, kind):
    iterator = iter(pairs)
    while chunk := list(itertools.islice(iterator, CHUNK[kind])):
        yield chunk


def _bytes(texts):
    return np.array([text.encode() for text in texts], object)


def read_chunks(pairs, codecs):
    """Streams pairs from disk as a dataset of `(sources, targets)`: ragged where real-valued.

    Text is a string tensor `[N]`; real values are ragged `[N, (S), F]`.
    """

    def packed(codec, sequences):
        if codec.is_text:
            return (_bytes(sequences),)
        return np.concatenate(sequences), np.array([len(array) for array in sequences])

    def generate():
        for chunk in _chunks(pairs, codecs.kind):
            yield tuple(packed(codec, side) for codec, side in zip(codecs.sides, zip(*chunk)))

    def spec(codec):
        if codec.is_text:
            return (tf.TensorSpec([None], tf.string),)
        return tf.TensorSpec([None, codec.features]), tf.TensorSpec([None], tf.int64)

    dataset = tf.data.Dataset.from_generator(
        generate, output_signature=tuple(map(spec, codecs.sides))
    )
    return dataset.map(lambda *sides: tuple(map(_unpacked, sides)))


def _unpacked(side):
    return side[0] if len(side) == 1 else tf.RaggedTensor.from_row_lengths(*side)


def encode(codecs):
    """Transform: sequences to ragged numbers, every target with what the decoder starts from."""
    return lambda dataset: dataset.map(
        lambda sources, targets: (
            _encoded(codecs.source, sources),
            with_first(codecs.target, _encoded(codecs.target, targets)),
        )
    )


def with_first(codec, targets):
    """Puts before ragged targets what the decoder reads first: START, or a step of zeros."""
    if codec.is_text:
        first = tf.fill([targets.nrows(), 1], START)
    else:
        first = tf.zeros([targets.nrows(), 1, codec.features])
    return tf.concat([tf.RaggedTensor.from_tensor(first), targets], axis=1)


def _encoded(codec, sequences):
    if codec.is_text:
        return codec.encode(sequences)
    return sequences.with_flat_values(codec.encode(sequences.flat_values))


def filter_by_length(codecs, training):
    """Transform: leaves out encoded pairs with an empty side or an overlong one."""
    marks = [
        int(codecs.source.is_text),
        1 + int(codecs.target.is_text),
    ]
    limits = _limits(codecs, training)

    def filter_chunk(*sides):
        fits = True
        for side, mark, limit in zip(sides, marks, limits):
            lengths = side.row_lengths() - mark
            fits &= (lengths > 0) & (lengths <= limit)
        return tuple(tf.ragged.boolean_mask(side, fits) for side in sides)

    return lambda dataset: dataset.map(filter_chunk)


def shuffle(seed, kind):
    """Transform: mixes single pairs, in another order every epoch, the same for a seed."""
    return lambda dataset: dataset.shuffle(
        SHUFFLE_BUFFER[kind], seed, reshuffle_each_iteration=True
    )


def bucket_by_length(batch_size, kind="text", seed=None):
    """Transform: groups pairs of about equal lengths into batches of ragged numbers.

    Pairs are collected into pools of `POOL_BATCHES` batches; within a pool they are sorted by
    target and source length (real values by source and target) and cut into batches, which
    leave in random order when there is a seed. Only the last batch of the data can be smaller
    than the others.
    """
    pool_batches = POOL_BATCHES[kind]

    def cut(pool, pool_seed):
        lengths = [side.row_lengths() for side in (pool if kind == "values" else pool[::-1])]
        order = tf.argsort(lengths[0] * 2**32 + lengths[1], stable=True)
        batches = tf.data.Dataset.from_tensor_slices(
            tuple(tf.gather(side, order) for side in pool)
        ).ragged_batch(batch_size)
        return batches if seed is None else batches.shuffle(pool_batches, pool_seed)

    # A shuffle inside `cut` starts anew from its seed, so every pool needs one of its own.
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    return lambda dataset: tf.data.Dataset.zip(
        dataset.ragged_batch(batch_size * pool_batches), seeds
    ).flat_map(cut)


def source_inputs(sources):
    """Returns ragged ids or values as the inputs that the encoder takes."""
    if sources.dtype == tf.int32:
        return {"source_ids": sources.to_tensor(PAD)}
    return {
        "source": sources.to_tensor(0.0),
        "source_mask": tf.sequence_mask(sources.row_lengths()),
    }


def target_inputs(targets):
    """Returns padded targets `[B, T+1]` as what the decoder reads and what it is asked for.

    It reads START y1 ... yn and is asked for y1 ... yn END; of real values, it reads zeros,
    y1 ... yn-1 and is asked for y1 ... yn.
    """
    name = "target_ids" if targets.dtype == tf.int32 else "target"
    return {name: targets[:, :-1]}, targets[:, 1:]


def batch_for_teacher_forcing():
    """Transform: ragged numbers to `(inputs, labels, sample_weight)`; padding weighs nothing."""

    def batch(sources, targets):
        padded = targets.to_tensor(tf.zeros([], targets.dtype))
        inputs, labels = target_inputs(padded)
        weights = tf.sequence_mask(targets.row_lengths() - 1, tf.shape(labels)[1], tf.float32)
        return {**source_inputs(sources), **inputs}, labels, weights

    return lambda dataset: dataset.map(batch)


def training_pipeline(pairs, codecs, training, survey, shuffled=True):
    """The way from pairs on disk to what `fit` and `evaluate` take.

    Args:
        pairs: `Pairs` or `ValuePairs` to stream.
        codecs: `CodecPair`.
        training: `TrainingConfig`: batch size, longest sequences, seed.
        survey: `Survey` of these pairs; it tells how many batches there are.
        shuffled: Whether every epoch has an order of its own; otherwise all have the same.

    Returns:
        A `tf.data.Dataset` of `({"source_ids": [B, S], "target_ids": [B, T]}, labels [B, T],
        sample_weight [B, T])`: int32 ids, float32 weights, PAD on the right. Real-valued
        sources are `{"source": [B, S, F], "source_mask": [B, S]}`, such targets `{"target":
        [B, T, F]}` with labels `[B, T, F]`. The same seed gives the same batches.
    """
    transforms = [
        encode(codecs),
        filter_by_length(codecs, training),
        lambda dataset: dataset.unbatch(),
        *([shuffle(training.seed, codecs.kind)] if shuffled else []),
        bucket_by_length(training.batch_size, codecs.kind, training.seed if shuffled else None),
        batch_for_teacher_forcing(),
    ]
    dataset = read_chunks(pairs, codecs)
    for transform in transforms:
        dataset = dataset.apply(transform)
    batches = -(-survey.kept // training.batch_size)
    options = tf.data.Options()
    # Nothing here is left to tune, and taking down a tuned iterator can block for seconds.
    options.autotune.enabled = False
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(batches))
    return dataset.prefetch(2).with_options(options)
