"""Graphs of untrained models: bounds of output lengths, and ensembles."""

import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf

from kseq import BeamSearch, Config
from kseq.models.factory import build_seq2seq
from kseq.pipeline.codecs import CodecPair
from kseq.special_tokens import END, SPECIAL_TOKENS, START
from kseq.translation.graphs import LONGEST_OUTPUT, Inference

WORDS = [0, 1, 3, 10, 29, 30, 70, 400, 900]
PREFIXES = [0, 4, 0, 60, 0, 2, 1, 0, 0]


def tiny(*settings):
    config = Config().with_settings(["units=4", "embedding_dim=3", *settings])
    codecs = CodecPair.of([*SPECIAL_TOKENS, "a"], [*SPECIAL_TOKENS, "b"], config.text)
    return build_seq2seq(config.model, *codecs.vocabulary_sizes), codecs


@pytest.fixture(scope="module")
def inference():
    model, codecs = tiny()
    return Inference([model], [codecs], length_ratio=1.5)


@pytest.mark.parametrize("average", ["probability", "log_probability"])
def test_an_ensemble_averages_the_probabilities_of_its_models(average):
    """With each id as the first target: the mean, or the normalised geometric mean."""
    members = [tiny(f"embedding_dim={size}") for size in (3, 4, 5)]
    rows = len(SPECIAL_TOKENS) + 1
    for seed, (model, _) in enumerate(members):
        bias = model.get_layer("decoder").get_layer("logits").bias
        bias.assign(np.random.default_rng(seed).normal(size=rows))
    inputs = {"source_ids": tf.repeat([[4, 4, END]], rows, axis=0)}

    def probabilities(*members):
        inference = Inference(*zip(*members), length_ratio=1.0, average=average)
        # PAD cannot be a target; its probability is what the others leave.
        targets = tf.stack([tf.fill([rows], START), tf.range(rows)], axis=1)
        return np.exp(-inference.force([inputs] * len(members), targets)[0][1:, 0])

    alone = np.array([probabilities(member) for member in members])
    alone = np.concatenate([1.0 - alone.sum(axis=1, keepdims=True), alone], axis=1)
    expected = alone.mean(axis=0)
    if average == "log_probability":
        expected = np.exp(np.log(alone).mean(axis=0))
        expected /= expected.sum()
    np.testing.assert_allclose(probabilities(*members), expected[1:], atol=1e-6)
    assert np.ptp(alone, axis=0).max() > 0.1  # the models disagree


def test_the_attention_of_an_ensemble_is_the_mean_of_the_models_with_attention():
    """A model without attention does not count as zeros; without any, there is none."""
    attentive, blind = tiny(), tiny("attention=none")
    inputs, targets = {"source_ids": tf.constant([[4, 4, END]])}, tf.constant([[START, 4, END]])

    def attention(*members):
        inference = Inference(*zip(*members), length_ratio=1.0)
        forced = inference.force([inputs] * len(members), targets)[2]
        found = inference.search([inputs] * len(members), BeamSearch()).attention
        assert forced.keys() == found.keys()
        return forced

    alone = attention(attentive)["attention"]
    for members in ((attentive, blind), (blind, attentive)):
        np.testing.assert_allclose(attention(*members)["attention"], alone, atol=1e-6)
    assert attention(blind, blind) == {}


def expected_bounds(words, prefix, asked):
    """Maximum and minimum ids, END included, in fractions: 0.1 of 30 words are 3."""
    if not words:
        return 0, 0
    ratios = {
        name: Fraction(str(asked.get(name) or 0)) for name in ("minimum_ratio", "maximum_ratio")
    }
    least = 1 + max(asked.get("minimum_length", 0), math.ceil(ratios["minimum_ratio"] * words))
    most = []
    if "maximum_length" in asked:
        most.append(1 + asked["maximum_length"])
    if "maximum_ratio" in asked:
        most.append(1 + math.floor(ratios["maximum_ratio"] * words))
    # For the usual length, END is a token of the source, too.
    usual = min(10 + math.floor(2 * Fraction("1.5") * (words + 1)), LONGEST_OUTPUT)
    most = max(min(most) if most else max(usual, least), prefix + 1)
    return most, min(least, most)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"minimum_length": 2000},
        {"maximum_length": 7},
        {"minimum_length": 3, "maximum_length": 5},
        {"minimum_ratio": 0.1, "maximum_ratio": 0.1},
        {"minimum_ratio": 0.7, "maximum_ratio": 0.7},
        {"minimum_ratio": 0.3, "maximum_ratio": 2.1},
        {"minimum_ratio": 0.5, "minimum_length": 6},
        {"maximum_ratio": 0.9, "maximum_length": 20},
        {"minimum_length": 9, "maximum_ratio": 1.0},
    ],
)
def test_bounds_are_those_of_the_strategy_and_the_prefix(inference, asked):
    prefixes = tf.ragged.constant([[4] * count for count in PREFIXES], dtype=tf.int32).to_tensor()
    lengths = tf.constant([count + 1.0 for count in WORDS])
    most, least = inference._length_bounds(lengths, BeamSearch(**asked), prefixes)
    found = list(zip(most.numpy().tolist(), least.numpy().tolist()))
    assert found == [expected_bounds(*both, asked) for both in zip(WORDS, PREFIXES)]
