"""Measures of attention, compared with plain definitions."""

import numpy as np
import pytest
from references import attention_behaviour, entropy_in_bits, suspicion
from results import make_translation

from kseq.analysis import measures
from kseq.analysis.measures import Behaviour, Bin


def read_target(attention, log_probability=-1.0, heads=None):
    """A result as `Translator.score` returns it, for attention `[T, S]`."""
    rows, columns = np.shape(attention)
    return make_translation(
        attention,
        [*"abcdefghijkl"[: rows - 1], "<end>"],
        [*"mnopqrstuvwx"[: columns - 1], "<end>"],
        log_probability=log_probability,
        attention_heads=heads,
    )


def read_targets(count=30, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        target, source = rng.integers(2, 10, size=2)
        attention = rng.dirichlet(np.full(source, 0.2), size=target).astype("float32")
        yield read_target(attention, -rng.gamma(2.0))


def test_entropy_agrees_with_shannons_definition():
    rows = np.random.default_rng(0).dirichlet(np.ones(6), size=5)
    expected = [entropy_in_bits(row) for row in rows]
    np.testing.assert_allclose(measures.entropies(rows), expected, rtol=1e-12)


def test_entropy_is_the_logarithm_of_the_number_of_words_attended_to():
    rows = [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]]
    np.testing.assert_array_equal(measures.entropies(rows), [0.0, 1.0, 2.0])
    # Weights of `local_p` sum to less than 1; a row without weight has an entropy of 0.
    np.testing.assert_array_equal(measures.entropies([[0.3, 0.3], [0.0, 0.0]]), [1.0, 0.0])
    assert not np.signbit(measures.entropies([[1.0, 0.0]])).any()


def test_the_behaviour_of_a_sentence_agrees_with_plain_definitions():
    for result in read_targets():
        entropies, received, advances = attention_behaviour(result.attention)
        behaviour = Behaviour.of(result)
        np.testing.assert_allclose(behaviour.entropies, entropies, rtol=1e-6)
        np.testing.assert_allclose(behaviour.coverage, received, rtol=1e-6)
        assert (behaviour.jumps >= 0).tolist() == advances
        assert behaviour.never_attended.tolist() == [weight < 0.2 for weight in received]
        assert behaviour.attended_twice.tolist() == [weight > 1.8 for weight in received]
        assert (behaviour.loss, behaviour.tokens) == (
            -result.log_probability,
            len(result.attention),
        )


def test_the_row_of_end_is_not_measured():
    attention = [[0.9, 0.1, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    behaviour = Behaviour.of(read_target(attention))
    np.testing.assert_allclose(behaviour.coverage, [0.9, 0.1])
    assert behaviour.never_attended.tolist() == [False, True] and len(behaviour.entropies) == 2


def test_one_head_can_be_measured_alone():
    heads = np.random.default_rng(1).dirichlet(np.ones(4), size=(2, 3, 5))
    result = read_target(heads.mean(axis=(0, 1)), heads=heads)
    expected, _, _ = attention_behaviour(heads[1, 2])
    np.testing.assert_allclose(Behaviour.of(result, (2, 3)).entropies, expected)


def test_monotonicity_is_the_share_of_steps_that_do_not_go_back():
    assert measures.monotonicity([1, 1, 0, 2]) == 1.0
    assert measures.monotonicity([1, -1, 0, -3]) == 0.5
    assert measures.monotonicity([]) is None
    assert Behaviour.of(read_target(np.eye(4))).jumps.tolist() == [1, 1]
    assert Behaviour.of(read_target(np.eye(4)[[2, 1, 0, 3]])).jumps.tolist() == [-1, -1]


def test_suspicion_is_the_mean_of_ranks():
    behaviours = [Behaviour.of(result) for result in read_targets()]
    table = [
        (
            behaviour.loss / behaviour.tokens,
            sum(weight < 0.2 for weight in behaviour.coverage) / len(behaviour.coverage),
            sum(behaviour.entropies) / len(behaviour.entropies),
        )
        for behaviour in behaviours
    ]
    scores, ranks = measures.suspicion(behaviours)
    np.testing.assert_allclose(scores, suspicion(table))
    np.testing.assert_allclose(scores, ranks.mean(axis=1))
    assert ranks.min() >= 0.0 and ranks.max() <= 1.0


def test_equal_sentences_are_equally_suspicious_and_a_single_one_is_not():
    same = [Behaviour.of(read_target(np.eye(3)))] * 4
    assert measures.suspicion(same)[0].tolist() == [0.5] * 4
    assert measures.suspicion(same[:1])[0].tolist() == [0.0]


def test_loss_by_length_gives_every_token_the_same_weight():
    behaviours = [Behaviour.of(result) for result in read_targets()]
    bins = measures.loss_by_length(behaviours)
    lengths = sorted({len(behaviour.coverage) for behaviour in behaviours})
    assert [(group.first, group.last) for group in bins] == [(n, n) for n in lengths]
    for group in bins:
        members = [behaviour for behaviour in behaviours if len(behaviour.coverage) == group.first]
        assert group.count == sum(member.tokens for member in members)
        assert group.mean == pytest.approx(sum(member.loss for member in members) / group.count)


def test_entropy_by_position_is_the_mean_over_the_words_at_each_position():
    behaviours = [Behaviour.of(result) for result in read_targets()]
    for place, group in enumerate(measures.entropy_by_position(behaviours)):
        bits = [
            behaviour.entropies[place]
            for behaviour in behaviours
            if len(behaviour.entropies) > place
        ]
        assert (group.first, group.last, group.count) == (place + 1, place + 1, len(bits))
        assert group.mean == pytest.approx(sum(bits) / len(bits))


def test_bins_have_equal_widths_and_contain_everything():
    keys = np.array([3, 4, 5, 9, 12])
    bins = measures.average_in_bins(
        keys, np.array([1.0, 3.0, 5.0, 2.0, 8.0]), np.array([1, 1, 2, 1, 4]), 4
    )
    assert bins == [Bin(3, 5, 9 / 4, 4), Bin(9, 11, 2.0, 1), Bin(12, 12, 2.0, 4)]


def test_long_jumps_are_counted_together():
    counts = measures.count_jumps(np.array([-7, -2, 0, 1, 1, 2, 40]), farthest=2)
    assert counts == [(-2, 2), (-1, 0), (0, 1), (1, 2), (2, 2)]
