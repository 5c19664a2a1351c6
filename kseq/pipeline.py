"""Pairs of strings to batches of ids, as a chain of small `dataset -> dataset` transforms."""

import collections
import dataclasses
import itertools

import numpy as np
import tensorflow as tf

from kseq.run_directory import VOCABULARIES
from kseq.special_tokens import PAD, START
from kseq.text import TextCodec, load_vocabulary, select_vocabulary

CHUNK = 1024  # lines that go through the tokenizer at once
POOL_BATCHES = 256  # batches whose sentences are sorted by length together
SHUFFLE_BUFFER = 100_000  # sentences


@dataclasses.dataclass(frozen=True)
class TextPair:
    """The codecs of both sides.

    Args:
        source: `TextCodec` of the source language.
        target: `TextCodec` of the target language.
    """

    source: TextCodec
    target: TextCodec

    @classmethod
    def of(cls, source_vocabulary, target_vocabulary, config):
        """Makes both codecs from their vocabularies and a `TextConfig`."""
        return cls(
            TextCodec(source_vocabulary, config.source_tokenizer, config.lowercase),
            TextCodec(target_vocabulary, config.target_tokenizer, config.lowercase),
        )

    @classmethod
    def load(cls, folder, config):
        """Reads the vocabularies that `save` wrote, for the `TextConfig` they were made with."""
        return cls.of(*(load_vocabulary(folder / name) for name in VOCABULARIES), config)

    def save(self, folder):
        """Writes both vocabularies into `folder`."""
        for codec, name in zip((self.source, self.target), VOCABULARIES):
            codec.save(folder / name)


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a pass over a split found.

    Args:
        kept: Pairs that can be used.
        blank: Pairs left out because a side is empty, or has no token.
        overlong: Pairs left out because a side has too many tokens.
        length_ratio: Target tokens per source token.
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


def build_text(pairs, config, maximum_length):
    """Builds the vocabularies of a training split, and counts its pairs on the way.

    Args:
        pairs: `Pairs` of the training split.
        config: `TextConfig`.
        maximum_length: Most tokens of either side; longer pairs are left out.

    Returns:
        A `TextPair` and a `Survey`.

    Raises:
        ValueError: No pair can be used, or a vocabulary would be empty.
    """
    empty = select_vocabulary({}, 1, config.maximum_vocabulary_size)
    counters = collections.Counter(), collections.Counter()
    survey = _survey(pairs, TextPair.of(empty, empty, config), maximum_length, counters)
    vocabularies = [
        select_vocabulary(
            {token.decode(): count for token, count in counter.items()},
            config.minimum_frequency,
            config.maximum_vocabulary_size,
        )
        for counter in counters
    ]
    for side, vocabulary in zip(("source", "target"), vocabularies):
        if len(vocabulary) == len(empty):
            raise ValueError(
                f"{pairs}: no {side} token occurs {config.minimum_frequency} times or more, so "
                "the vocabulary would be empty; lower minimum_frequency or bring more pairs"
            )
    return TextPair.of(*vocabularies, config), survey


def survey_pairs(pairs, text, maximum_length):
    """Counts the pairs of a split that can be used, as a `Survey`.

    Raises:
        ValueError: There is none.
    """
    return _survey(pairs, text, maximum_length, ())


def _survey(pairs, text, maximum_length, counters):
    kept = blank = overlong = 0
    lengths = np.zeros(2)
    tokenize = tf.function(
        lambda sources, targets: (text.source.tokenize(sources), text.target.tokenize(targets)),
        input_signature=[tf.TensorSpec([None], tf.string)] * 2,
    )
    for chunk in _chunks(pairs):
        tokens = tokenize(*chunk)
        rows = np.array([side.row_lengths() for side in tokens])
        fits = _fits(rows, maximum_length).all(axis=0)
        overlong += int((rows > maximum_length).any(axis=0).sum())
        blank += int(((rows == 0).any(axis=0) & (rows <= maximum_length).all(axis=0)).sum())
        kept += int(fits.sum())
        lengths += rows[:, fits].sum(axis=1)
        for counter, side in zip(counters, tokens):
            counter.update(tf.ragged.boolean_mask(side, fits).flat_values.numpy().tolist())
    if not kept:
        raise ValueError(
            f"{pairs}: none of {blank + overlong:,} pairs can be used; each side must have 1 to "
            f"{maximum_length} tokens (maximum_length)"
        )
    ratio = round(lengths[1] / lengths[0], 4)
    return Survey(kept, pairs.blank + blank, overlong, ratio)


def _fits(lengths, maximum_length):
    """Whether a side can be used: some text may hold no token, such as a lone control mark."""
    return (lengths > 0) & (lengths <= maximum_length)


def _chunks(pairs):
    iterator = iter(pairs)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        sources, targets = zip(*chunk)
        yield (
            np.array([source.encode() for source in sources], object),
            np.array([target.encode() for target in targets], object),
        )


def read_chunks(pairs):
    """Streams pairs from disk as a dataset of `(sources [N], targets [N])` string tensors."""
    spec = tf.TensorSpec([None], tf.string)
    return tf.data.Dataset.from_generator(lambda: _chunks(pairs), output_signature=(spec, spec))


def encode(text):
    """Transform: string tensors to ragged ids, START before and END behind every target."""

    def encode_chunk(sources, targets):
        targets = text.target.encode(targets)
        starts = tf.fill([targets.nrows(), 1], START)
        targets = tf.concat([tf.RaggedTensor.from_tensor(starts), targets], axis=1)
        return text.source.encode(sources), targets

    return lambda dataset: dataset.map(encode_chunk)


def filter_by_length(maximum_length):
    """Transform: leaves out pairs with an empty side or one of over `maximum_length` tokens."""

    def filter_chunk(sources, targets):
        fits = _fits(sources.row_lengths() - 1, maximum_length) & _fits(
            targets.row_lengths() - 2, maximum_length
        )
        return tf.ragged.boolean_mask(sources, fits), tf.ragged.boolean_mask(targets, fits)

    return lambda dataset: dataset.map(filter_chunk)


def shuffle(seed):
    """Transform: mixes single pairs, in another order every epoch, the same for a seed."""
    return lambda dataset: dataset.shuffle(SHUFFLE_BUFFER, seed, reshuffle_each_iteration=True)


def bucket_by_length(batch_size, seed=None):
    """Transform: groups pairs of about equal lengths into batches of ragged ids.

    Pairs are collected into pools of `POOL_BATCHES` batches; within a pool they are sorted by
    target and source length and cut into batches, which leave in random order when there is
    a seed. Only the last batch of the data can be smaller than the others.
    """

    def cut(pool, pool_seed):
        sources, targets = pool
        order = tf.argsort(targets.row_lengths() * 2**32 + sources.row_lengths(), stable=True)
        batches = tf.data.Dataset.from_tensor_slices(
            (tf.gather(sources, order), tf.gather(targets, order))
        ).ragged_batch(batch_size)
        return batches if seed is None else batches.shuffle(POOL_BATCHES, pool_seed)

    # A shuffle inside `cut` starts anew from its seed, so every pool needs one of its own.
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    return lambda dataset: tf.data.Dataset.zip(
        dataset.ragged_batch(batch_size * POOL_BATCHES), seeds
    ).flat_map(cut)


def pad():
    """Transform: ragged ids to rectangles, as wide as the longest of the batch."""
    return lambda dataset: dataset.map(
        lambda sources, targets: (sources.to_tensor(PAD), targets.to_tensor(PAD))
    )


def shift_for_teacher_forcing():
    """Transform: ids `[B, S]`, `[B, T+1]` to `(inputs, labels [B, T], sample_weight [B, T])`.

    The decoder reads START y1 ... yn and is asked for y1 ... yn END; padding weighs nothing.
    """

    def shift(source_ids, targets):
        labels = targets[:, 1:]
        inputs = {"source_ids": source_ids, "target_ids": targets[:, :-1]}
        return inputs, labels, tf.cast(labels != PAD, tf.float32)

    return lambda dataset: dataset.map(shift)


def training_pipeline(pairs, text, training, survey, shuffled=True):
    """The way from pairs on disk to what `fit` and `evaluate` take.

    Args:
        pairs: `Pairs` to stream.
        text: `TextPair`.
        training: `TrainingConfig`: batch size, maximum length, seed.
        survey: `Survey` of these pairs; it tells how many batches there are.
        shuffled: Whether every epoch has an order of its own; otherwise all have the same.

    Returns:
        A `tf.data.Dataset` of `({"source_ids": [B, S], "target_ids": [B, T]}, labels [B, T],
        sample_weight [B, T])`: int32 ids, float32 weights, PAD on the right. The same seed
        gives the same batches.
    """
    transforms = [
        encode(text),
        filter_by_length(training.maximum_length),
        lambda dataset: dataset.unbatch(),
        *([shuffle(training.seed)] if shuffled else []),
        bucket_by_length(training.batch_size, training.seed if shuffled else None),
        pad(),
        shift_for_teacher_forcing(),
    ]
    dataset = read_chunks(pairs)
    for transform in transforms:
        dataset = dataset.apply(transform)
    batches = -(-survey.kept // training.batch_size)
    options = tf.data.Options()
    # Nothing here is left to tune, and taking down a tuned iterator can block for seconds.
    options.autotune.enabled = False
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(batches))
    return dataset.prefetch(2).with_options(options)
