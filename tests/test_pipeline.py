"""From pairs to batches: their contents and order, and which pairs are left out."""

import itertools
import types

import numpy as np
import pytest
import tensorflow as tf

from kseq import Config, ModelConfig, TextConfig, TrainingConfig
from kseq.corpora.corpus import Pairs
from kseq.corpora.values import ValuePairs, write_records
from kseq.pipeline.batch_sizes import batch_count, pairs_per_group
from kseq.pipeline.batching import (
    bucket_by_length,
    expect,
    read_encoded,
    training_pipeline,
)
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.ids import PairsInRam
from kseq.pipeline.position import Position
from kseq.pipeline.reading import ErrorRecorder
from kseq.pipeline.survey import build_codecs, survey_pairs
from kseq.pipeline.vocabularies import sample_evenly
from kseq.sides.text_side import TextSide
from kseq.special_tokens import END, PAD, START, UNK

TEXT = TextConfig(minimum_frequency=1)


@pytest.fixture
def make_pairs(tmp_path):
    def make(pairs):
        path = tmp_path / "pairs.tsv"
        path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs))
        return Pairs([path])

    return make


@pytest.fixture
def many_pairs(make_pairs):
    """300 pairs; each source has a unique word, and 0 to 9 others."""
    return make_pairs((f"s{n}" + " x" * (n % 10), f"t{n}" + " y" * (n % 7)) for n in range(300))


def build(pairs, maximum_length=100, text=TEXT):
    return build_codecs(
        pairs, Config(text=text, training=TrainingConfig(maximum_length=maximum_length))
    )


def batches(pairs, training, shuffled=True, epochs=1):
    text, survey = build(pairs, training.maximum_length)
    dataset = training_pipeline(pairs, text, training, survey, shuffled)
    epochs = [list(dataset.as_numpy_iterator()) for _ in range(epochs)]
    return text, dataset, epochs


def order(epoch):
    return [batch[0]["source_ids"][:, 0].tolist() for batch in epoch]


def test_teacher_forcing_shifts_targets_by_one_step(make_pairs):
    pairs = make_pairs([("a b", "x y z"), ("a", "x")])
    text, _, [[(inputs, labels, weights)]] = batches(pairs, TrainingConfig(), shuffled=False)
    a, b = text.source.vocabulary.index("a"), text.source.vocabulary.index("b")
    x, y, z = (text.target.vocabulary.index(token) for token in "xyz")
    assert inputs["source_ids"].tolist() == [[a, END, PAD], [a, b, END]]
    assert inputs["target_ids"].tolist() == [[START, x, END, PAD], [START, x, y, z]]
    assert labels.tolist() == [[x, END, PAD, PAD], [x, y, z, END]]
    assert weights.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert {array.dtype for array in (*inputs.values(), labels)} == {np.dtype("int32")}
    assert weights.dtype == np.float32


def test_every_pair_occurs_once_per_epoch(many_pairs):
    _, dataset, epochs = batches(many_pairs, TrainingConfig(batch_size=32), epochs=2)
    for epoch in epochs:
        assert len(epoch) == dataset.cardinality() == 10
        firsts = sorted(token for batch in order(epoch) for token in batch)
        assert len(set(firsts)) == 300


@pytest.mark.slow  # reads several epochs
def test_a_seed_repeats_batches_and_every_epoch_has_its_own_order(many_pairs):
    _, _, first = batches(many_pairs, TrainingConfig(batch_size=32, seed=7), epochs=2)
    _, _, repeated = batches(many_pairs, TrainingConfig(batch_size=32, seed=7), epochs=2)
    _, _, reseeded = batches(many_pairs, TrainingConfig(batch_size=32, seed=8), epochs=1)
    assert [order(epoch) for epoch in first] == [order(epoch) for epoch in repeated]
    assert order(first[0]) != order(first[1])
    assert order(first[0]) != order(reseeded[0])


def test_without_shuffling_every_epoch_is_the_same(many_pairs):
    _, _, (first, second) = batches(many_pairs, TrainingConfig(), shuffled=False, epochs=2)
    assert order(first) == order(second)


def test_buckets_hold_little_padding(small_corpus):
    training = TrainingConfig(batch_size=32)
    text, survey = build(small_corpus.train, 100)
    padding = positions = 0
    dataset = training_pipeline(small_corpus.train, text, training, survey, shuffled=False)
    for inputs, labels, _ in dataset:
        for ids in (inputs["source_ids"], labels):
            padding += int(tf.reduce_sum(tf.cast(ids == PAD, tf.int32)))
            positions += int(tf.size(ids))
    assert padding / positions < 0.1


@pytest.mark.parametrize("batch", [{"batch_size": 8}, {"batch_tokens": 40}], ids=str)
def test_a_batch_of_a_group_holds_several_lengths_but_not_all(batch):
    """Ten lengths, 16 pairs of each, in groups of 32 pairs: about four batches."""
    lengths = tf.ragged.constant([[1] * (1 + n // 16) for n in range(160)], tf.int32)
    position = Position(seed=3, pool_size=160, can_skip=False)
    bucket = bucket_by_length(TrainingConfig(**batch), 160, position=position, group_size=32)
    dataset = tf.data.Dataset.from_tensors((lengths, lengths)).apply(bucket)
    found = [side.row_lengths().numpy() for side, _ in dataset]
    assert np.bincount(np.concatenate(found)).tolist() == [0, *[16] * 10]
    spans = [np.ptp(lengths) for lengths in found]
    assert np.mean(spans) > 1 and max(spans) < 6


@pytest.mark.parametrize(
    "pairs, batch, expected",
    [
        (100, {"batch_size": 64}, 4 * 64),  # two batches
        (3_600, {"batch_size": 64}, 4 * 64),  # 57 batches
        (64_000, {"batch_size": 64}, 62 * 64),  # 1,000 batches
        (3_600, {"batch_tokens": 640}, 4 * 64),  # 57 batches of about 640 tokens
        (1, {"batch_tokens": 5}, 2),
    ],
)
def test_an_epoch_has_sixteen_groups_or_groups_of_four_batches(pairs, batch, expected):
    survey = types.SimpleNamespace(kept=pairs, tokens=10 * pairs)
    size = pairs_per_group(survey, TrainingConfig(**batch))
    assert size == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("sorted_lengths", [[4, 5, 6], [4, 6, 8], [3, 8, 40]])
@pytest.mark.parametrize("kind", ["text", "values"])
def test_a_batch_across_two_lengths_does_not_mix_the_longest_with_the_shortest(
    kind, sorted_lengths
):
    """One side has three lengths, ten pairs of each; the other has 1 to 10 steps."""
    sorted_side, other_side = zip(*itertools.product(sorted_lengths, range(1, 11)))
    sides = (sorted_side, other_side) if kind == "values" else (other_side, sorted_side)
    dataset = tf.data.Dataset.from_tensors(
        tuple(tf.ragged.constant([[1] * length for length in side], tf.int32) for side in sides)
    )
    bucket = bucket_by_length(TrainingConfig(batch_size=4), 1000, source_first=kind == "values")
    for batch in dataset.apply(bucket):
        lengths = [side.row_lengths().numpy() for side in batch]
        steps = lengths[1] if kind == "values" else lengths[0]
        assert np.ptp(steps) < 4


def test_every_pool_and_epoch_has_its_own_order_of_batches():
    pool = [[1] * (1 + n // 10) for n in range(100)]
    lengths = tf.ragged.constant(pool + pool, dtype=tf.int32)

    def orders():
        dataset = tf.data.Dataset.from_tensor_slices((lengths, lengths)).ragged_batch(7)
        position = Position(seed=3, pool_size=100, can_skip=False)
        bucket = bucket_by_length(TrainingConfig(batch_size=10), 100, position=position)
        dataset = dataset.apply(bucket)
        for _ in range(2):
            widths = [batch[0].bounding_shape()[1].numpy() for batch in dataset]
            yield from (tuple(widths[:10]), tuple(widths[10:]))

    all_orders = list(orders())
    assert all(sorted(widths) == list(range(1, 11)) for widths in all_orders)
    assert len(set(all_orders)) == 4
    assert list(orders()) == all_orders


def numbered_pairs(count):
    """A dataset of chunks of seven pairs, each of one token, its number."""

    def chunk(numbers):
        ones = tf.ones_like(numbers)
        return (tf.RaggedTensor.from_row_lengths(tf.cast(numbers, tf.int32), ones),) * 2

    return tf.data.Dataset.range(count).batch(7).map(chunk)


@pytest.mark.parametrize("shuffled", [True, False])
def test_pairs_of_the_same_length_are_combined_differently_in_every_epoch(shuffled):
    training = TrainingConfig(batch_size=10)

    def epochs():
        position = Position(seed=3, pool_size=1000, can_skip=False) if shuffled else None
        dataset = numbered_pairs(100).apply(bucket_by_length(training, 1000, position=position))
        return [
            {frozenset(source.flat_values.numpy().tolist()) for source, _ in dataset}
            for _ in range(2)
        ]

    first, second = epochs()
    assert frozenset().union(*first) == frozenset().union(*second) == frozenset(range(100))
    assert (first == second) == (not shuffled) and epochs() == [first, second]
    if not shuffled:
        assert first == {frozenset(range(start, start + 10)) for start in range(0, 100, 10)}


def test_only_the_last_batch_is_smaller_however_pairs_are_chunked():
    training, position = TrainingConfig(batch_size=10), Position(3, 20, can_skip=False)
    dataset = numbered_pairs(107).apply(bucket_by_length(training, 20, position=position))
    sizes = [int(source.nrows()) for source, _ in dataset]
    assert sorted(sizes) == [7] + [10] * 10 and 7 in sizes[-2:]


@pytest.mark.parametrize("batch_tokens", [0, 200])
def test_two_full_pools_are_not_followed_by_an_empty_batch(batch_tokens):
    training = TrainingConfig(batch_tokens=batch_tokens)
    dataset = (
        numbered_pairs(512)
        .apply(expect(512, ErrorRecorder()))
        .apply(bucket_by_length(training, 256, position=Position(3, 256, can_skip=False)))
    )
    sizes = [int(source.nrows()) for source, _ in dataset]
    assert sum(sizes) == 512 and min(sizes) > 0


@pytest.mark.parametrize("count", [0, 13, 15])
def test_a_changed_number_of_pairs_is_an_error(count):
    empty = numbered_pairs(14).map(lambda *sides: tuple(side[:0] for side in sides))
    chunks = numbered_pairs(14).concatenate(empty)
    recorder = ErrorRecorder()
    assert sum(int(source.nrows()) for source, _ in chunks.apply(expect(14, recorder))) == 14
    assert recorder.error is None
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(chunks.apply(expect(count, recorder)))
    assert str(recorder.error).startswith(f"expected {count} pairs; received ")


def pairs_in_ram(lengths):
    """Pairs whose only token is their number; `lengths` are those of the chunks."""
    pairs, numbers = PairsInRam(), itertools.count(4)
    for length in lengths:
        ids = np.array(list(itertools.islice(numbers, length)), np.int32)
        pairs.add([(ids, np.ones(length, np.int32))] * 2)
    return pairs


@pytest.mark.parametrize("can_skip", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "batch",
    [{"batch_tokens": 40}, pytest.param({"batch_size": 10}, marks=pytest.mark.slow)],
    ids=str,
)
def test_training_goes_on_at_any_batch_of_any_epoch(can_skip, batch):
    """The batches from a place on are those that follow there in the whole epoch."""
    training, pairs = TrainingConfig(**batch), pairs_in_ram([7, 30, 1, 55, 14])
    position, recorder = Position(5, 40, can_skip), ErrorRecorder()
    codecs = types.SimpleNamespace(target=types.SimpleNamespace(side=TextSide(None)))
    dataset = read_encoded(pairs, codecs, recorder, position)
    dataset = dataset.apply(expect(107, recorder, position))
    dataset = dataset.apply(bucket_by_length(training, 40, position=position))

    def read(*start):
        """The batches from a start on, and the place before each of them."""
        position.begin(*start)
        batches, places = [], [start[1:] or (0, 0)]
        for source, _ in dataset:
            batches.append(source.flat_values.numpy().tolist())
            places.append(position.after(len(batches)))
        assert recorder.error is None
        return batches, places

    epochs = [read(number) for number in (0, 3)]
    assert epochs[0] != epochs[1]
    for number, (expected, places) in zip((0, 3), epochs):
        # After the last batch of a pool, it is not yet known whether there is another pool.
        known = [place for place in places if place]
        assert len(known) >= len(expected) - 2 and {pool for pool, _ in known} == {0, 1, 2}
        for steps, place in enumerate(places):
            if place:
                batches, _ = read(number, *place)
                assert batches == expected[steps:]


def test_overlong_and_blank_pairs_are_left_out_and_counted(make_pairs):
    pairs = make_pairs([("a b c", "x"), ("a", "x y z"), ("", "x"), ("a b", "x"), ("\x0b", "x")])
    text, survey = build(pairs, 2)
    assert (survey.kept, survey.blank, survey.overlong) == (1, 2, 2)
    assert str(survey) == "1 pair (left out: 2 with an empty side, 2 too long)"
    assert survey.length_ratio == 0.5
    assert "c" not in text.source.vocabulary and "z" not in text.target.vocabulary
    assert survey_pairs(pairs, text, TrainingConfig(maximum_length=2)) == survey
    [(inputs, _, _)] = training_pipeline(
        pairs, text, TrainingConfig(maximum_length=2), survey
    ).as_numpy_iterator()
    assert UNK not in inputs["source_ids"]


def test_a_line_of_a_hundred_thousand_characters_is_left_out(make_pairs):
    pairs = make_pairs([("word " * 20_000, "x"), ("a", "x")])
    _, survey = build(pairs, 100)
    assert (survey.kept, survey.overlong) == (1, 1)


def test_a_split_without_usable_pairs_is_an_error(make_pairs):
    """The message counts overlong pairs and those with an empty side."""
    with pytest.raises(ValueError, match="none of 3 pairs can be used; each side must have 1 to 2"):
        build(make_pairs([("a b c", "x"), ("", "x"), ("a", " ")]), 2)


def test_an_empty_vocabulary_is_an_error(make_pairs):
    pairs = make_pairs([("a", "x"), ("b", "x")])
    with pytest.raises(ValueError, match="no source token occurs 2 times or more"):
        build(pairs, text=TextConfig(minimum_frequency=2))


def test_saved_codecs_encode_the_same(make_pairs, tmp_path):
    config = TextConfig(target_tokenizer="character", case="lower", minimum_frequency=1)
    text, _ = build(make_pairs([("L'Été", "À b"), ("c", "d")]), text=config)
    text.save(tmp_path)
    loaded = CodecPair.load(tmp_path, Config(text=config))
    for codec, loaded_codec in ((text.source, loaded.source), (text.target, loaded.target)):
        assert codec.vocabulary == loaded_codec.vocabulary
        strings = tf.constant(["l'été à b", "?"])
        assert codec.encode(strings).to_list() == loaded_codec.encode(strings).to_list()


def test_thousands_of_pairs_keep_their_order(make_pairs):
    """More lines than the tokenizer reads at a time."""
    pairs = make_pairs((f"s{n}", f"t{n}") for n in range(3000))
    text, survey = build(pairs, 10)
    assert survey.kept == 3000
    dataset = training_pipeline(pairs, text, TrainingConfig(), survey, shuffled=False)
    sources = [
        token
        for inputs, *_ in dataset
        for token in text.source.tokens(inputs["source_ids"][:, 0]).numpy()
    ]
    assert [token.decode() for token in sources] == [f"s{n}" for n in range(3000)]


def test_a_shared_vocabulary_counts_the_tokens_of_both_sides(make_pairs):
    pairs = make_pairs([("a x", "b x"), ("a", "b")])
    config = Config(ModelConfig(share_embeddings=True), TextConfig(minimum_frequency=2))
    codecs, _ = build_codecs(pairs, config)
    assert codecs.source.vocabulary == codecs.target.vocabulary
    assert set(codecs.source.vocabulary[4:]) == {"a", "b", "x"}


def test_real_values_are_standardised_and_masked(tmp_path):
    sources = [np.array([[1.0, 10.0], [3.0, 10.0], [5.0, 10.0]]), np.array([[7.0, 10.0]])]
    write_records(tmp_path / "a.tfrecord", zip(sources, ("x y", "x")))
    pairs = ValuePairs.open(tmp_path / "a.tfrecord")
    config = Config(ModelConfig(source_features=2), TEXT)
    codecs, survey = build_codecs(pairs, config)
    assert (survey.kept, survey.length_ratio) == (2, 0.75)
    dataset = training_pipeline(pairs, codecs, config.training, survey, shuffled=False)
    [(inputs, _, _)] = dataset.as_numpy_iterator()
    deviation = np.std([1, 3, 5, 7])
    expected = np.array([[3.0, 0, 0], [-3, -1, 1]]) / deviation
    np.testing.assert_allclose(inputs["source"][:, :, 0], expected, atol=1e-6)
    # A constant feature is not divided by 0.
    assert not inputs["source"][:, :, 1].any()
    assert inputs["source_mask"].tolist() == [[True, False, False], [True] * 3]


def test_teacher_forcing_shifts_real_values_by_one_step(tmp_path):
    targets = [np.array([[1.0], [3.0]]), np.array([[5.0], [7.0], [9.0]])]
    write_records(tmp_path / "a.tfrecord", zip(("a", "b"), targets))
    pairs = ValuePairs.open(tmp_path / "a.tfrecord")
    config = Config(ModelConfig(target_features=1), TEXT)
    codecs, survey = build_codecs(pairs, config)
    dataset = training_pipeline(pairs, codecs, config.training, survey, shuffled=False)
    [(inputs, labels, weights)] = dataset.as_numpy_iterator()
    one, three, five, seven, nine = (np.array([1, 3, 5, 7, 9]) - 5) / np.std([1, 3, 5, 7, 9])
    expected = [[0, one, three], [0, five, seven]]
    np.testing.assert_allclose(inputs["target"][:, :, 0], expected, atol=1e-6)
    np.testing.assert_allclose(labels[:, :, 0], [[one, three, 0], [five, seven, nine]], atol=1e-6)
    assert weights.tolist() == [[1, 1, 0], [1, 1, 1]]


def test_overlong_values_are_left_out_and_counted(tmp_path):
    write_records(tmp_path / "a.tfrecord", ((np.ones((n, 1)), "x") for n in (1, 2, 3, 4)))
    pairs = ValuePairs.open(tmp_path / "a.tfrecord")
    training = TrainingConfig(maximum_frames=2, maximum_length=1)
    codecs, survey = build_codecs(pairs, Config(ModelConfig(source_features=1), TEXT, training))
    assert (survey.kept, survey.overlong) == (2, 2)
    lengths = [
        length
        for inputs, *_ in training_pipeline(pairs, codecs, training, survey)
        for length in inputs["source_mask"].numpy().sum(axis=1)
    ]
    assert sorted(lengths) == [1, 2]


def test_batches_by_tokens_are_full_and_never_too_large(many_pairs):
    """Not one more pair would fit: the next longer pair would exceed the limit."""
    training = TrainingConfig(batch_tokens=60)
    _, dataset, [epoch] = batches(many_pairs, training, shuffled=False)
    lengths = [
        np.maximum((labels != PAD).sum(axis=1), (inputs["source_ids"] != PAD).sum(axis=1))
        for inputs, labels, _ in epoch
    ]
    assert sum(map(len, lengths)) == 300
    assert all(len(batch) * max(batch) <= 60 for batch in lengths)
    assert all(
        (len(batch) + 1) * max(*batch, after[0]) > 60 for batch, after in zip(lengths, lengths[1:])
    )
    assert len(epoch) >= batch_count(build(many_pairs)[1], training) > len(epoch) / 2


def test_a_pair_longer_than_the_batch_is_a_batch_of_its_own(many_pairs):
    _, _, [epoch] = batches(many_pairs, TrainingConfig(batch_tokens=1))
    assert [len(labels) for _, labels, _ in epoch] == [1] * 300


@pytest.mark.slow  # test_training_goes_on_at_any_batch_of_any_epoch has batches by tokens
def test_batches_by_tokens_are_shuffled_like_others(many_pairs):
    training = TrainingConfig(batch_tokens=60, seed=7)
    _, _, first = batches(many_pairs, training, epochs=2)
    _, _, repeated = batches(many_pairs, training, epochs=2)
    assert [order(epoch) for epoch in first] == [order(epoch) for epoch in repeated]
    assert order(first[0]) != order(first[1])
    assert {token for batch in order(first[0]) for token in batch} == {
        token for batch in order(first[1]) for token in batch
    }


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 21, 1000])
def test_samples_are_at_equal_distances(count):
    sample = sample_evenly(iter(range(count)), 10)
    if count <= 10:
        assert sample == list(range(count))
    else:
        (distance,) = set(np.diff(sample))
        assert 5 <= len(sample) <= 10
        assert sample[0] == 0 and sample[-1] + distance >= count
