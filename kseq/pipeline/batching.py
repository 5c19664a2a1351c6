"""From pairs of sequences to batches: a chain of small `dataset -> dataset` transforms."""

from typing import Any

import tensorflow as tf

from kseq.config import TrainingConfig
from kseq.corpora.featured import columns_of_all
from kseq.corpora.lines import chunks
from kseq.corpora.pairs import AlignedPairs
from kseq.pipeline.batch_sizes import batch_count, batch_starts, pairs_per_group, pairs_per_pool
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.ids import EncodedPairs, PairsInRam
from kseq.pipeline.links import ALIGNMENT, LinkColumn, alignment_matrices
from kseq.pipeline.position import Position
from kseq.pipeline.reading import ErrorRecorder
from kseq.pipeline.survey import length_limits, survey_pairs


def read_chunks(pairs, codecs, recorder):
    """Streams pairs from disk as a dataset of `(sources, targets)`, N pairs at a time.

    Text is a string tensor `[N]`; real values are ragged `[N, (T), F]`. If there are features, they
    are a third component, and `AlignedPairs` have one more, the numbers of their links, ragged
    `[N, (n)]`. If the pairs cannot be read, the `ErrorRecorder` keeps the error.
    """
    sides = [codec.side for codec in codecs.columns]
    pairs = codecs.frame(pairs)
    has_links = isinstance(pairs, AlignedPairs)
    if has_links:
        sides.append(LinkColumn())

    def generate():
        for chunk in chunks(pairs, codecs.pairs_per_chunk):
            columns = columns_of_all(chunk)
            if has_links:
                columns.append(tuple(links for *_, links in chunk))
            yield tuple(side.pack(sequences) for side, sequences in zip(sides, columns))

    dataset = tf.data.Dataset.from_generator(
        recorder.record(generate), output_signature=tuple(side.packed_specs for side in sides)
    )
    return dataset.map(
        lambda *packed: tuple(side.unpack(*arrays) for side, arrays in zip(sides, packed))
    )


def encode(codecs, training, sampling=0.0):
    """Transform: sequences to ragged numbers, with the first step before every target.

    Pairs with an empty or an overlong column are left out. Links remain as they are.

    Args:
        codecs: `CodecPair`.
        training: `TrainingConfig`: the maximum lengths of sequences.
        sampling: How subwords are sampled whenever a pair is read; 0 for the best segmentation.
    """
    limits = length_limits(codecs, training)
    samplers = [codec.sampler(sampling) for codec in codecs.columns]

    def encode_chunk(*chunk):
        encoded = [codec.encode(sequences) for codec, sequences in zip(codecs.columns, chunk)]
        fits = True
        for codec, side, limit in zip(codecs.columns, encoded, limits):
            lengths = codec.side.content_lengths(side.row_lengths())
            fits &= (lengths >= codec.side.shortest) & (lengths <= limit)
        # Sampling must not decide which pairs are left out: every epoch has the same number.
        for number, sampler in enumerate(samplers):
            if sampler is not None:
                encoded[number] = sampler.encode(chunk[number])
        links = chunk[len(encoded) :]
        sources, targets, *others = (
            tf.ragged.boolean_mask(column, fits) for column in (*encoded, *links)
        )
        return sources, codecs.target.side.with_first_step(targets), *others

    return lambda dataset: dataset.map(encode_chunk)


def expect(pairs, recorder, position=None):
    """Transform: passes chunks on unchanged; raises an error if there are more or fewer pairs.

    Each chunk is held back until the next chunk or the end arrives, so that a consumer that has
    received `pairs` pairs knows that there are no more. The `ErrorRecorder` keeps the error.
    A `Position` says how many pairs are not read.
    """

    def check(read, is_end):
        count = read + (position.skipped_pairs if position else 0)
        with recorder:
            if count > pairs or (is_end and count < pairs):
                raise ValueError(
                    f"expected {pairs:,} pairs; received "
                    f"{'at least ' if count > pairs else ''}{count:,}; train again"
                )
        return read

    def count(state, part):
        total, *waiting = state
        *sides, is_end = part
        total = tf.numpy_function(check, [total + sides[0].nrows(), is_end], tf.int64)
        total.set_shape([])
        return (total, *map(_components, sides)), tuple(waiting)

    def transform(dataset):
        empty = tuple(map(_empty_ragged, dataset.element_spec))
        marked = dataset.map(lambda *sides: (*sides, False))
        marked = marked.concatenate(tf.data.Dataset.from_tensors((*empty, True)))
        first = tf.constant(0, tf.int64), *map(_components, empty)
        parts = marked.scan(first, lambda state, *part: count(state, *part))
        return parts.map(
            lambda *sides: tuple(tf.RaggedTensor.from_row_lengths(*side) for side in sides)
        )

    return transform


def _components(ragged):
    """Values and row lengths: a ragged tensor cannot be the state of a scan."""
    return ragged.flat_values, ragged.row_lengths()


def _empty_ragged(spec):
    values = tf.zeros([0, *spec.shape[2:]], spec.dtype)
    return tf.RaggedTensor.from_row_lengths(values, tf.zeros([0], spec.row_splits_dtype))


def bucket_by_length(training, pool_size, source_first=False, position=None, group_size=None):
    """Transform: ragged chunks to batches of pairs of about the same length.

    Pairs are collected into pools, and those of a pool divided at random into groups. Within a
    group they are sorted by target length, and pairs of the same target length by source length,
    alternately ascending and descending. The sorted pairs are cut into batches. With a `Position`,
    groups, pairs of the same lengths and batches are in random order, a different one in every
    epoch. Only the last batch of the data can be smaller than the others, unless batches are
    measured in tokens.

    Args:
        training: `TrainingConfig`: sentences or tokens in a batch, seed.
        pool_size: Result of `pairs_per_pool`.
        source_first: Whether to sort by source length, then by target length.
        position: `Position`, which decides on the order and the first batch; None for all batches
            in an order that is always the same.
        group_size: Result of `pairs_per_group`; by default a pool is one group.
    """

    def shuffle(numbers, seeds):
        if position is None:
            return numbers
        return tf.random.experimental.stateless_shuffle(numbers, seeds)

    def find_starts(number, lengths):
        starts = batch_starts(lengths, training)
        if position is not None:
            position.record(number, len(starts) - 1)
        return starts

    def cut(pool, number=0, left_out=0, seeds=(None, None)):
        source, target = (side.row_lengths() for side in pool[:2])
        first, second = (source, target) if source_first else (target, source)
        # Alternately, so that a batch that spans two lengths does not combine the two extremes.
        occurs = tf.math.bincount(tf.cast(first, tf.int32)) > 0
        ranks = tf.cumsum(tf.cast(occurs, tf.int32))
        second = tf.where(tf.gather(ranks, first) % 2 == 1, second, -second)
        order = shuffle(tf.range(pool[0].nrows()), seeds[0])
        order = _sort_groups(first * 2**32 + second, order, group_size)
        # A target has one step more than the decoder reads: it includes the first step.
        longest = tf.gather(tf.maximum(source, target - 1), order)
        starts = tf.numpy_function(find_starts, [number, longest], tf.int64)
        starts.set_shape([None])
        batch_numbers = shuffle(tf.range(tf.size(starts) - 1), seeds[1])[left_out:]
        return tf.data.Dataset.from_tensor_slices(batch_numbers).map(
            lambda number: tuple(
                tf.gather(side, order[starts[number] : starts[number + 1]]) for side in pool
            )
        )

    if position is None:
        return lambda dataset: dataset.rebatch(pool_size).flat_map(lambda *pool: cut(pool))
    return lambda dataset: tf.data.Dataset.zip(
        dataset.rebatch(pool_size), position.orders()
    ).flat_map(lambda pool, order: cut(pool, *order))


def _sort_groups(lengths, order, group_size):
    """Sorts the groups into which an order divides a pool; returns the order of the sorted pairs.

    Args:
        lengths: What is sorted by, one number for each pair, `[N]`.
        order: The number of each pair, `[N]`.
        group_size: Number of pairs in a group; None if the pool is one group.
    """
    lengths = tf.gather(lengths, order)
    if group_size is None:
        return tf.gather(order, tf.argsort(lengths, stable=True))
    groups = tf.range(tf.size(order)) // group_size
    # Alternately, so that a batch at the border of two groups is of pairs of similar lengths.
    lengths = tf.where(groups % 2 == 0, lengths, -lengths)
    by_length = tf.argsort(lengths, stable=True)
    by_group = tf.argsort(tf.gather(groups, by_length), stable=True)
    return tf.gather(order, tf.gather(by_length, by_group))


def batch_for_teacher_forcing(codecs, portions=None):
    """Transform: ragged numbers to `(inputs, labels, sample_weight)`; padding has weight 0.

    If there are features or links, the inputs have another member for them, of which that of the
    links is `ALIGNMENT`. With `Portions`, an element is a tuple of what they yield for each replica
    of this process.
    """
    source, target, *features = (codec.side for codec in codecs.columns)

    def batch(sources, targets, *others):
        inputs, labels = target.shift(target.pad_targets(targets, sources))
        weights = tf.sequence_mask(targets.row_lengths() - 1, tf.shape(labels)[1], tf.float32)
        inputs = {**source.source_inputs(sources), **inputs}
        for side, column in zip(features, others):
            inputs |= side.source_inputs(column)
        for links in others[len(features) :]:
            source_length = tf.shape(inputs[source.source_name])[1]
            inputs[ALIGNMENT] = alignment_matrices(links, tf.shape(labels)[1], source_length)
        return inputs, labels, weights

    return lambda dataset: dataset.map(portions.cut(batch) if portions else batch)


def read_encoded(pairs, codecs, recorder, position=None):
    """Streams encoded pairs as ragged ids, with the first step before every target.

    Features and links, if there are any, are further components.
    """
    part = tf.TensorSpec([None], tf.int32)
    columns = 2 + pairs.has_features + pairs.has_links

    def generate():
        return pairs.chunks(position.skipped_pairs if position else 0)

    dataset = tf.data.Dataset.from_generator(
        recorder.record(generate), output_signature=(part,) * 2 * columns
    )

    def ragged(*parts):
        sources, targets, *others = (
            tf.RaggedTensor.from_row_lengths(numbers, tf.cast(lengths, tf.int64))
            for numbers, lengths in zip(parts[::2], parts[1::2])
        )
        return sources, codecs.target.side.with_first_step(targets), *others

    return dataset.map(ragged)


def make_position(pairs, codecs, training):
    """Makes the `Position` of a training split; the arguments are those of `training_pipeline`."""
    can_skip = isinstance(pairs, (EncodedPairs, PairsInRam))
    return Position(training.seed, pairs_per_pool(codecs, training), can_skip)


@tf.autograph.experimental.do_not_convert
def training_pipeline(
    pairs: Any,
    codecs: CodecPair,
    training: TrainingConfig,
    survey: Any = None,
    shuffled: bool = True,
    recorder: Any = None,
    *,
    position: Any = None,
    portions: Any = None,
) -> tf.data.Dataset:
    """Makes the batches for Keras' `fit` and `evaluate`.

    Args:
        pairs: `Pairs`, `AlignedPairs`, `ValuePairs`, `EncodedPairs` or `PairsInRam`; such as the
            `train` of a `Corpus`.
        codecs: `CodecPair`.
        training: `TrainingConfig`: batch size, maximum lengths, seed.
        survey: `Survey` of these pairs; a different number of pairs is an error. By default the
            pairs are read once before the first batch to make one.
        shuffled: Whether every epoch has its own order; otherwise all have the same order.
        recorder: `ErrorRecorder` that keeps the error if the pairs cannot be read.
        position: Result of `make_position`, which says where the next epoch begins; by default
            every iteration is an epoch, from the first one on.
        portions: `Portions`, if several replicas share each batch.

    Returns:
        A `tf.data.Dataset` of `({"source_ids": [B, S], "target_ids": [B, T]}, labels [B, T],
        sample_weight [B, T])`: int32 ids, float32 weights, PAD on the right. Real-valued
        sources are `{"source": [B, S, F], "source_mask": [B, S]}`, real-valued targets `{"target":
        [B, T, F]}` with labels `[B, T, F]`. With features, the inputs also have `{"feature_ids":
        [B, F]}`, with END after the last; with links, `{"alignment":
        [B, T, S]}`, as from `alignment_matrices`. The same seed gives the same batches, except for
        sampled subwords. With `portions`, an element is what `Portions.cut` returns.
    """
    recorder = recorder or ErrorRecorder()
    survey = survey or survey_pairs(pairs, codecs, training)
    if shuffled and position is None:
        position = make_position(pairs, codecs, training)
    group_size = pairs_per_group(survey, training) if shuffled else None
    pool_size = pairs_per_pool(codecs, training)
    transforms = [
        expect(survey.kept, recorder, position),
        bucket_by_length(training, pool_size, not codecs.are_text, position, group_size),
        batch_for_teacher_forcing(codecs, portions),
    ]
    if isinstance(pairs, (EncodedPairs, PairsInRam)):
        dataset = read_encoded(pairs, codecs, recorder, position)
    else:
        sampling = training.subword_sampling if shuffled else 0.0
        dataset = read_chunks(pairs, codecs, recorder).apply(encode(codecs, training, sampling))
    for transform in transforms:
        dataset = dataset.apply(transform)
    is_whole = position is None or (position.pool, position.batch) == (0, 0)
    if is_whole and not training.batch_tokens:
        # Lets Keras show its progress from the first epoch on.
        batches = batch_count(survey, training)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(batches))
    return dataset.prefetch(2).with_options(_untuned())


def _untuned():
    """Options: there is nothing to tune, and closing a tuned iterator can block for seconds."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return options
