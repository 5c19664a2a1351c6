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
from kseq.translation.graphs import LONGEST_BY_DEFAULT, Inference

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
        # PAD cannot be a target; its probability is the remainder.
        targets = tf.stack([tf.fill([rows], START), tf.range(rows)], axis=1)
        return np.exp(-inference.force([inputs] * len(members), targets)[0][1:, 0])

    singles = np.array([probabilities(member) for member in members])
    singles = np.concatenate([1.0 - singles.sum(axis=1, keepdims=True), singles], axis=1)
    expected = singles.mean(axis=0)
    if average == "log_probability":
        expected = np.exp(np.log(singles).mean(axis=0))
        expected /= expected.sum()
    np.testing.assert_allclose(probabilities(*members), expected[1:], atol=1e-6)
    assert np.ptp(singles, axis=0).max() > 0.1  # the models disagree


def test_the_attention_of_an_ensemble_is_the_mean_of_the_models_with_attention():
    """A model without attention is left out of the mean, rather than counted as zeros."""
    with_attention, without_attention = tiny(), tiny("attention=none")
    inputs, targets = {"source_ids": tf.constant([[4, 4, END]])}, tf.constant([[START, 4, END]])

    def attention(*members):
        inference = Inference(*zip(*members), length_ratio=1.0)
        forced = inference.force([inputs] * len(members), targets)[2]
        searched = inference.search([inputs] * len(members), BeamSearch()).attention
        assert forced.keys() == searched.keys()
        return forced

    expected = attention(with_attention)["attention"]
    for members in ((with_attention, without_attention), (without_attention, with_attention)):
        np.testing.assert_allclose(attention(*members)["attention"], expected, atol=1e-6)
    assert attention(without_attention, without_attention) == {}


def expected_bounds(words, prefix, options):
    """Maximum and minimum number of ids, END included; in fractions, as 0.1 of 30 words is 3."""
    if not words:
        return 0, 0
    ratios = {
        name: Fraction(str(options.get(name) or 0)) for name in ("minimum_ratio", "maximum_ratio")
    }
    minimum = 1 + max(options.get("minimum_length", 0), math.ceil(ratios["minimum_ratio"] * words))
    maxima = []
    if "maximum_length" in options:
        maxima.append(1 + options["maximum_length"])
    if "maximum_ratio" in options:
        maxima.append(1 + math.floor(ratios["maximum_ratio"] * words))
    # For the usual length, END is a token of the source, too.
    usual = min(10 + math.floor(2 * Fraction("1.5") * (words + 1)), LONGEST_BY_DEFAULT)
    maximum = max(min(maxima) if maxima else max(usual, minimum), prefix + 1)
    return maximum, min(minimum, maximum)


@pytest.mark.parametrize(
    "options",
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
def test_bounds_agree_with_the_strategy_and_the_prefix(inference, options):
    prefixes = tf.ragged.constant([[4] * count for count in PREFIXES], dtype=tf.int32).to_tensor()
    lengths = tf.constant([count + 1.0 for count in WORDS])
    maxima, minima = inference._length_bounds(lengths, BeamSearch(**options), prefixes)
    bounds = list(zip(maxima.numpy().tolist(), minima.numpy().tolist()))
    assert bounds == [expected_bounds(*counts, options) for counts in zip(WORDS, PREFIXES)]
