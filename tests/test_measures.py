"""How attention behaves, in numbers, against plain definitions."""

import types

import numpy as np
import pytest
from references import attention_behaviour, entropy_in_bits, suspicion

from kseq.analysis import measures
from kseq.analysis.measures import Behaviour, Bin


def read(attention, log_probability=-1.0, heads=None):
    """What `Translator.score` gives of a target."""
    attention = np.asarray(attention)
    return types.SimpleNamespace(
        attention=attention,
        attention_heads=heads,
        tokens=[*"abcdefghijkl"[: len(attention) - 1], "<end>"],
        source_tokens=[*"mnopqrstuvwx"[: attention.shape[1] - 1], "<end>"],
        log_probability=log_probability,
    )


def some_reads(count=30, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        target, source = rng.integers(2, 10, size=2)
        attention = rng.dirichlet(np.full(source, 0.2), size=target).astype("float32")
        yield read(attention, -rng.gamma(2.0))


def test_entropy_is_that_of_shannon():
    rows = np.random.default_rng(0).dirichlet(np.ones(6), size=5)
    expected = [entropy_in_bits(row) for row in rows]
    np.testing.assert_allclose(measures.entropies(rows), expected, rtol=1e-12)


def test_entropy_tells_how_many_words_were_looked_at():
    rows = [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]]
    np.testing.assert_array_equal(measures.entropies(rows), [0.0, 1.0, 2.0])
    # Weights of `local_p` sum to less than 1; a row of nothing is no wider than one word.
    np.testing.assert_array_equal(measures.entropies([[0.3, 0.3], [0.0, 0.0]]), [1.0, 0.0])
    assert not np.signbit(measures.entropies([[1.0, 0.0]])).any()


def test_behaviour_of_sentences():
    for one in some_reads():
        entropies, received, goes_on = attention_behaviour(one.attention)
        behaviour = Behaviour.of(one)
        np.testing.assert_allclose(behaviour.entropies, entropies, rtol=1e-6)
        np.testing.assert_allclose(behaviour.coverage, received, rtol=1e-6)
        assert (behaviour.jumps >= 0).tolist() == goes_on
        assert behaviour.never.tolist() == [weight < 0.2 for weight in received]
        assert behaviour.twice.tolist() == [weight > 1.8 for weight in received]
        assert (behaviour.loss, behaviour.tokens) == (-one.log_probability, len(one.attention))


def test_the_row_of_the_end_says_nothing_of_words():
    attention = [[0.9, 0.1, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    behaviour = Behaviour.of(read(attention))
    np.testing.assert_allclose(behaviour.coverage, [0.9, 0.1])
    assert behaviour.never.tolist() == [False, True] and len(behaviour.entropies) == 2


def test_one_head_is_measured():
    heads = np.random.default_rng(1).dirichlet(np.ones(4), size=(2, 3, 5))
    many = read(heads.mean(axis=(0, 1)), heads=heads)
    expected, _, _ = attention_behaviour(heads[1, 2])
    np.testing.assert_allclose(Behaviour.of(many, (2, 3)).entropies, expected)


def test_monotonicity():
    assert measures.monotonicity([1, 1, 0, 2]) == 1.0
    assert measures.monotonicity([1, -1, 0, -3]) == 0.5
    assert measures.monotonicity([]) is None
    assert Behaviour.of(read(np.eye(4))).jumps.tolist() == [1, 1]
    assert Behaviour.of(read(np.eye(4)[[2, 1, 0, 3]])).jumps.tolist() == [-1, -1]


def test_suspicion_is_the_mean_of_ranks():
    behaviours = [Behaviour.of(one) for one in some_reads()]
    table = [
        (
            one.loss / one.tokens,
            sum(weight < 0.2 for weight in one.coverage) / len(one.coverage),
            sum(one.entropies) / len(one.entropies),
        )
        for one in behaviours
    ]
    scores, ranks = measures.suspicion(behaviours)
    np.testing.assert_allclose(scores, suspicion(table))
    np.testing.assert_allclose(scores, ranks.mean(axis=1))
    assert ranks.min() >= 0.0 and ranks.max() <= 1.0


def test_one_sentence_and_equal_ones_stand_out_by_nothing():
    same = [Behaviour.of(read(np.eye(3)))] * 4
    assert measures.suspicion(same)[0].tolist() == [0.5] * 4
    assert measures.suspicion(same[:1])[0].tolist() == [0.0]


def test_loss_by_length_weighs_every_token_alike():
    behaviours = [Behaviour.of(one) for one in some_reads()]
    bins = measures.loss_by_length(behaviours)
    lengths = sorted({len(one.coverage) for one in behaviours})
    assert [(one.first, one.last) for one in bins] == [(length, length) for length in lengths]
    for one in bins:
        those = [other for other in behaviours if len(other.coverage) == one.first]
        assert one.count == sum(other.tokens for other in those)
        assert one.mean == pytest.approx(sum(other.loss for other in those) / one.count)


def test_entropy_by_position():
    behaviours = [Behaviour.of(one) for one in some_reads()]
    for place, one in enumerate(measures.entropy_by_position(behaviours)):
        those = [other.entropies[place] for other in behaviours if len(other.entropies) > place]
        assert (one.first, one.last, one.count) == (place + 1, place + 1, len(those))
        assert one.mean == pytest.approx(sum(those) / len(those))


def test_bins_are_equally_wide_and_hold_everything():
    keys = np.array([3, 4, 5, 9, 12])
    bins = measures.binned(keys, np.array([1.0, 3.0, 5.0, 2.0, 8.0]), np.array([1, 1, 2, 1, 4]), 4)
    assert bins == [Bin(3, 5, 9 / 4, 4), Bin(9, 11, 2.0, 1), Bin(12, 12, 2.0, 4)]


def test_jumps_are_counted():
    counts = measures.jump_counts(np.array([-7, -2, 0, 1, 1, 2, 40]), farthest=2)
    assert counts == [(-2, 2), (-1, 0), (0, 1), (1, 2), (2, 2)]
