"""Beam search against exhaustive search and a plain beam search with lists."""

import numpy as np
import pytest
import references
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kseq.search import beam_search, free_run, length_penalty
from kseq.special_tokens import END, PAD, START, UNK


class RandomModel:
    """A language model whose logits hang on the whole prefix, by source.

    Its state is a number that names the prefix; attention says which prefix was read.
    """

    def __init__(self, seed, vocabulary=6, sources=2, steps=4, spread=2.0):
        self.vocabulary, self.sources, self.steps = vocabulary, sources, steps
        self.prefixes = sum(vocabulary**n for n in range(steps + 1))
        rng = np.random.default_rng(seed)
        self.table = (
            rng.normal(size=(sources, self.prefixes, vocabulary)).astype("float32") * spread
        )

    def state(self):
        return {"source": tf.range(self.sources), "prefix": tf.zeros([self.sources], tf.int32)}

    def step(self, ids, state):
        prefix = tf.where(
            ids == START, 0, (state["prefix"] * self.vocabulary + 1 + ids) % self.prefixes
        )
        indices = tf.stack([state["source"], prefix], axis=1)
        attention = tf.one_hot(prefix, self.prefixes)
        return tf.gather_nd(self.table, indices), {**state, "prefix": prefix}, attention

    def prefix_of(self, ids):
        prefix = 0
        for token in ids:
            prefix = (prefix * self.vocabulary + 1 + token) % self.prefixes
        return prefix

    def log_probabilities(self, source, ids):
        return references.log_softmax(self.table[source, self.prefix_of(ids)].astype("float64"))

    def search(self, beam_size, alpha=1.0, lengths=None):
        lengths = tf.constant([self.steps] * self.sources if lengths is None else lengths)
        search = tf.function(
            lambda state, lengths: beam_search(
                self.step, state, tf.TensorSpec([None]), lengths, beam_size, alpha
            ),
            autograph=False,
        )
        return search(self.state(), tf.constant(lengths))

    def exhaustive(self, source, alpha):
        return self.reference(references.exhaustive_search, source, self.steps, alpha=alpha)

    def reference(self, search, source, *arguments, alpha):
        return search(
            lambda ids: self.log_probabilities(source, ids),
            [token for token in range(self.vocabulary) if token not in (PAD, START)],
            END,
            *arguments,
            lambda count: ((5 + count) / 6) ** alpha,
        )


def hypothesis_ids(result, source, rank=0):
    return tuple(result.ids[source, rank, : result.lengths[source, rank]].numpy())


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    vocabulary=st.sampled_from([5, 6]),
    alpha=st.sampled_from([0.0, 0.6, 1.0, 2.0]),
)
def test_a_wide_beam_is_exhaustive(seed, vocabulary, alpha):
    model = RandomModel(seed, vocabulary, steps=3)
    width = vocabulary**3
    result = model.search(width, alpha)
    for source in range(2):
        expected = model.exhaustive(source, alpha)
        found = int(np.isfinite(result.scores[source]).sum())
        assert found == len(expected)
        for rank, (score, log_probability, ids) in enumerate(expected):
            np.testing.assert_allclose(result.scores[source, rank], score, atol=1e-4)
            np.testing.assert_allclose(
                result.log_probabilities[source, rank], log_probability, atol=1e-4
            )
            assert hypothesis_ids(result, source, rank) == ids


def greedy(model, source):
    ids = ()
    while len(ids) < model.steps and END not in ids:
        log_probabilities = model.log_probabilities(source, ids)
        log_probabilities[[PAD, START]] = -np.inf
        ids += (int(log_probabilities.argmax()),)
    return ids


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    beam_size=st.integers(1, 9),
    alpha=st.sampled_from([0.0, 1.0, 2.0]),
    spread=st.sampled_from([0.3, 1.0, 3.0]),
)
def test_every_beam_is_that_of_the_reference(seed, beam_size, alpha, spread):
    """Where it prunes, it prunes as it should; a beam wider than what there is stays sound."""
    model = RandomModel(seed, vocabulary=5, spread=spread)
    result = model.search(beam_size, alpha)
    for source in range(2):
        expected = model.reference(
            references.beam_search, source, beam_size, model.steps, alpha=alpha
        )
        for rank, (score, _, ids) in enumerate(expected):
            assert hypothesis_ids(result, source, rank) == ids
            np.testing.assert_allclose(result.scores[source, rank], score, atol=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_a_beam_of_one_is_greedy(seed):
    model = RandomModel(seed)
    result = model.search(1)
    for source in range(2):
        assert hypothesis_ids(result, source) == greedy(model, source)


def test_a_wider_beam_finds_what_greedy_search_misses():
    model = RandomModel(3)
    best = [model.exhaustive(source, 1.0)[0][2] for source in range(2)]
    assert any(best[source] != greedy(model, source) for source in range(2))
    result = model.search(6**4)
    assert [hypothesis_ids(result, source) for source in range(2)] == best


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
def test_scores_are_those_of_the_ids(beam_size):
    model = RandomModel(11)
    result = model.search(beam_size)
    for source in range(2):
        for rank in range(beam_size):
            ids = hypothesis_ids(result, source, rank)
            total = sum(model.log_probabilities(source, ids[:n])[t] for n, t in enumerate(ids))
            np.testing.assert_allclose(result.log_probabilities[source, rank], total, atol=1e-4)
            np.testing.assert_allclose(
                result.scores[source, rank], total / length_penalty(len(ids), 1.0), atol=1e-4
            )
    assert np.all(np.diff(result.scores) <= 0)


@pytest.mark.parametrize("beam_size", [1, 3, 5])
def test_attention_moves_with_the_hypotheses(beam_size):
    """Row t is what was attended to when token t was made: here, the prefix before it."""
    model = RandomModel(5)
    result = model.search(beam_size)
    for source in range(2):
        for rank in range(beam_size):
            ids = hypothesis_ids(result, source, rank)
            attention = result.attention[source, rank].numpy()
            for time in range(len(ids)):
                assert attention[time].argmax() == model.prefix_of(ids[:time])
                assert attention[time].sum() == 1.0
            assert np.all(attention[len(ids) :] == 0.0)


def test_nothing_behind_the_end_and_no_pad_or_start_before_it():
    for seed in range(10):
        result = RandomModel(seed).search(3)
        for row, length in zip(
            result.ids.numpy().reshape(6, -1), result.lengths.numpy().reshape(-1)
        ):
            assert not {PAD, START} & set(row[:length])
            assert END not in row[: length - 1]
            assert np.all(row[length:] == PAD)


def test_every_source_has_a_limit_of_its_own():
    model = RandomModel(2)
    both = model.search(3, lengths=[2, 4])
    for source, lengths in enumerate(([2, 2], [4, 4])):
        alone = model.search(3, lengths=lengths)
        assert hypothesis_ids(both, source) == hypothesis_ids(alone, source)
        np.testing.assert_allclose(both.scores[source], alone.scores[source])


def test_a_limit_of_zero_gives_an_empty_hypothesis():
    result = RandomModel(2).search(2, lengths=[0, 0])
    assert not result.ids.numpy().any() and not result.attention[:, 0].numpy().any()
    assert result.lengths[:, 0].numpy().tolist() == [0, 0]
    assert result.log_probabilities[:, 0].numpy().tolist() == [0.0, 0.0]


def test_the_search_stops_when_all_is_finished():
    steps = tf.Variable(0)

    def step(ids, state):
        steps.assign_add(1)
        logits = tf.one_hot(tf.fill([tf.size(ids)], END), 6) * 50.0
        return logits, state, tf.ones([tf.size(ids), 1])

    beam_search(step, (), tf.TensorSpec([None]), tf.constant([100, 100]), beam_size=1)
    assert steps.numpy() == 1


def test_ties_go_to_the_smaller_id():
    def step(ids, state):
        return tf.zeros([tf.size(ids), 7]), state, tf.ones([tf.size(ids), 1])

    result = beam_search(step, (), tf.TensorSpec([None]), tf.constant([2]), beam_size=3, alpha=0.0)
    assert result.ids[0].numpy().tolist() == [[END, PAD], [UNK, UNK], [UNK, END]]


def test_a_beam_wider_than_the_vocabulary():
    """Places that nothing fills yet take none away from what comes later."""
    result = RandomModel(4, vocabulary=5).search(10)
    assert np.all(np.isfinite(result.scores))


def test_a_state_may_grow_and_attention_be_a_nest():
    """A model that remembers all ids it has read, and shows them as attention of two kinds."""
    model = RandomModel(seed=5)

    def step(ids, state):
        read = tf.concat([state["read"], ids[:, None]], axis=1)
        logits, inner, attention = model.step(ids, state["inner"])
        padded = tf.pad(read, [[0, 0], [0, model.steps - tf.shape(read)[1]]])
        shown = {"one": attention, "two": tf.cast(padded, tf.float32)[:, None]}
        return logits, {"read": read, "inner": inner}, shown

    @tf.function(autograph=False)
    def search():
        read = tf.zeros([model.sources, 0], tf.int32)
        state = {"read": read, "inner": model.state()}
        spec = {"one": tf.TensorSpec([None]), "two": tf.TensorSpec([1, None])}
        return beam_search(step, state, spec, tf.fill([model.sources], model.steps), 3)

    result, plain = search(), model.search(3)
    np.testing.assert_array_equal(result.ids, plain.ids)
    np.testing.assert_array_equal(result.attention["one"], plain.attention)
    ids = result.ids.numpy()
    for source in range(model.sources):
        for rank in range(3):
            length = result.lengths[source, rank]
            read = [START, *ids[source, rank]]
            for time in range(length):
                shown = result.attention["two"][source, rank, time, 0].numpy()
                assert shown[: time + 1].tolist() == read[: time + 1]


def test_a_free_run_feeds_each_value_to_the_next_step():
    """x' = 2x + the number of steps so far, and the attention shows what was read."""

    def step(values, state):
        steps = tf.cast(tf.shape(state)[1], tf.float32)
        return 2 * values + steps, tf.concat([state, values], axis=1), {"read": values}

    @tf.function(autograph=False)
    def run(steps):
        first = tf.constant([[1.0], [3.0]])
        return free_run(step, tf.zeros([2, 0]), first, steps, {"read": tf.TensorSpec([1])})

    values, attention = run(tf.constant(4))
    assert values[:, :, 0].numpy().tolist() == [[2, 5, 12, 27], [6, 13, 28, 59]]
    assert attention["read"][:, :, 0].numpy().tolist() == [[1, 2, 5, 12], [3, 6, 13, 28]]
    assert run(tf.constant(1))[0].shape == (2, 1, 1)
