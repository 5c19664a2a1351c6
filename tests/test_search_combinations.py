"""Every architecture searched in every way: what is found scores the same when it is read."""

import combinations
import numpy as np
import pytest
import tensorflow as tf
from test_export_combinations import sources_of, translator_of

from kseq import BeamSearch, Sampling
from kseq.special_tokens import START
from kseq.translation.sources import Sequences

TEXT_OUT = [config for config in combinations.COMBINATIONS if not config.target_features]


@pytest.mark.parametrize("config", combinations.with_slow_ones(TEXT_OUT), ids=combinations.name_of)
def test_what_is_found_scores_as_it_does_when_it_is_read(config):
    """By ids, for every hypothesis and every sample, with its attention."""
    translator = translator_of(config)
    sources = Sequences([translator.codecs.source], sources_of(translator))
    inputs = sources.inputs(np.arange(3))
    lengths = {"maximum_length": 6, "minimum_length": 2}
    beta = 0.3 if config.attention != "none" else 0.0
    for strategy in (
        BeamSearch(beam_size=3, n_best=3, beta=beta, no_repeat_ngram=2, **lengths),
        Sampling(samples=3, seed=2, temperature=2.0, repetition_penalty=1.5, **lengths),
    ):
        found = translator.inference.search(inputs, strategy, seeds=tf.range(3))
        assert np.all(np.isfinite(found.scores)) and np.all(found.lengths >= 3)
        for rank in range(3):
            targets = tf.pad(found.ids[:, rank], [[0, 0], [1, 0]], constant_values=START)
            losses, _, attention = translator.inference.force(inputs, targets)
            real = tf.sequence_mask(found.lengths[:, rank], tf.shape(losses)[1])
            np.testing.assert_allclose(
                tf.where(real, -losses, 0.0), found.token_log_probabilities[:, rank], atol=1e-4
            )
            for name, weights in attention.items():
                shown = found.attention[name][:, rank]
                weights = tf.boolean_mask(weights, real)
                np.testing.assert_allclose(tf.boolean_mask(shown, real), weights, atol=1e-4)
