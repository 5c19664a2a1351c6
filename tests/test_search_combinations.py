"""Beam search and sampling with every architecture, compared with teacher forcing."""

import combinations
import numpy as np
import pytest
import tensorflow as tf
from test_export_combinations import sources_of, translator_of

from kseq import BeamSearch, Sampling
from kseq.special_tokens import START
from kseq.translation.sources import Sequences

WITH_TEXT_TARGETS = [config for config in combinations.COMBINATIONS if not config.target_features]
# tests/test_decoding.py has a trained model of the first combination.
FAST = {"gru-none", "gru-bahdanau-source_features=5", "transformer-2heads"}
PARAMETERS = [
    pytest.param(config, marks=[pytest.mark.slow] * (combinations.name_of(config) not in FAST))
    for config in WITH_TEXT_TARGETS
]
assert set(map(combinations.name_of, WITH_TEXT_TARGETS)) >= FAST


@pytest.mark.parametrize("config", PARAMETERS, ids=combinations.name_of)
def test_teacher_forcing_gives_the_log_probabilities_and_attention_of_the_search(config, mode):
    """For every id of each hypothesis and each sample."""
    translator = translator_of(config)
    sources = Sequences([translator.codecs.source], sources_of(translator))
    inputs = sources.inputs(np.arange(3))
    lengths = {"maximum_length": 4, "minimum_length": 2}
    beta = 0.3 if config.attention != "none" else 0.0
    for strategy in (
        BeamSearch(beam_size=3, n_best=3, beta=beta, no_repeat_ngram=2, **lengths),
        Sampling(samples=3, seed=2, temperature=2.0, repetition_penalty=1.5, **lengths),
    ):
        result = translator.inference.search(inputs, strategy, seeds=tf.range(3))
        assert np.all(np.isfinite(result.scores)) and np.all(result.lengths >= 3)
        for rank in range(3):
            targets = tf.pad(result.ids[:, rank], [[0, 0], [1, 0]], constant_values=START)
            losses, _, attention = translator.inference.force(inputs, targets)
            real = tf.sequence_mask(result.lengths[:, rank], tf.shape(losses)[1])
            np.testing.assert_allclose(
                tf.where(real, -losses, 0.0), result.token_log_probabilities[:, rank], atol=1e-4
            )
            for name, weights in attention.items():
                search_weights = tf.boolean_mask(result.attention[name][:, rank], real)
                weights = tf.boolean_mask(weights, real)
                np.testing.assert_allclose(search_weights, weights, atol=1e-4)
