"""The search for one source, compared with the search for batches."""

import numpy as np
import pytest
import tensorflow as tf

from kseq import BeamSearch
from kseq.search.loop import search
from kseq.search.one_source import OneSourceSearch
from kseq.search.rules import make_requirements

SIZE, SOURCE_LENGTH, LONGEST = 7, 3, 9
MODELS = 60


def step(ids, state, constants):
    """Logits and attention depend on the last id and the number of steps, by given tables."""
    places = tf.stack([state, ids], axis=1)
    logits, attention = (tf.gather_nd(table[0], places) for table in constants)
    return logits, state + 1, {"attention": attention}


def make_searches(strategy, forbidden):
    """Returns both searches, functions of tables and of a minimum length."""
    state = tf.zeros([1], tf.int32)

    def one(tables, minimum):
        return OneSourceSearch(step, tf.identity, strategy, forbidden, SIZE).run(
            *(state, tf.TensorSpec([None], tf.int32), tables),
            {"attention": tf.zeros([1, SOURCE_LENGTH])},
            positions=tf.range(LONGEST),
            minimum=minimum,
        )

    def batch(tables, minimum):
        requirements = make_requirements(
            [LONGEST],
            minimum_lengths=minimum[None],
            forbidden=tf.constant(forbidden, tf.int32),
            mask=tf.ones([1, SOURCE_LENGTH], tf.bool),
        )
        spec = {"attention": tf.TensorSpec([SOURCE_LENGTH])}
        return search(step, state, tables, spec, strategy, requirements)

    return tf.function(one, autograph=False), tf.function(batch, autograph=False)


@pytest.mark.parametrize(
    "width, options, forbidden",
    [
        (1, {}, ()),
        (3, {"alpha": 0.0}, ()),
        (4, {"beta": 0.3, "alpha": 0.4}, (5,)),
        pytest.param(2, {"length_penalty": "average"}, (), marks=pytest.mark.slow),
        pytest.param(5, {}, (4, 6), marks=pytest.mark.slow),
    ],
)
def test_hypotheses_and_scores_are_those_of_the_search_for_batches(width, options, forbidden):
    strategy = BeamSearch(beam_size=width, n_best=width, **options)
    one, batch = make_searches(strategy, forbidden)
    random = np.random.default_rng(0)
    for number in range(MODELS):
        shape = [1, LONGEST + 1, SIZE]
        tables = (
            tf.constant(random.normal(scale=1.5, size=[*shape, SIZE]), tf.float32),
            tf.constant(random.dirichlet(np.ones(SOURCE_LENGTH), shape), tf.float32),
        )
        minimum = tf.constant(1 + number % 3)
        received, expected = one(tables, minimum), batch(tables, minimum)
        np.testing.assert_allclose(received["scores"], expected.scores[0], atol=1e-5)
        for place in np.flatnonzero(np.isfinite(expected.scores[0])):
            length = int(expected.lengths[0, place])
            assert int(received["lengths"][place]) == length
            for name, other in (
                ("ids", expected.ids),
                ("token_log_probabilities", expected.token_log_probabilities),
                ("attention", expected.attention["attention"]),
            ):
                ours = received[name][place, :length]
                np.testing.assert_allclose(ours, other[0, place, :length], atol=1e-5)
