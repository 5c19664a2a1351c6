"""Tests of what kseq says about tokens that are not in a vocabulary."""

import pytest

from kseq.config import Config
from kseq.corpora.corpus import load_corpus
from kseq.pipeline.survey import build_codecs
from kseq.training.unknown_tokens import describe_unknown
from kseq.translation.doubtful_outputs import describe_alike

# Each word occurs in two pairs, as the default vocabulary needs.
TRAIN = [("ein Haus", "a house"), ("ein Baum", "a tree")] * 2


def describe(valid, *settings):
    corpus = load_corpus(TRAIN, valid=valid)
    codecs, _ = build_codecs(corpus.train, Config().with_settings(settings))
    return describe_unknown(codecs, corpus.valid)


def test_sides_with_many_unknown_tokens_are_named():
    """Half of the source tokens and a fifth of the target tokens are unknown."""
    valid = [("ein Boot", "a house a tree boat")]
    assert describe(valid) == (
        "50% of the source tokens and 20% of the target tokens of the validation pairs are not in "
        "the vocabulary: to the model they are <unk>; kseq inspect FILE --suggest proposes tokens "
        "that fit, such as characters or subwords"
    )
    assert describe([("ein Boot", "a house")]).startswith("50% of the source tokens of the valid")
    assert describe([("ein Haus ein Baum Boot", "a house")]).startswith("20% of the source tokens")
    assert describe([("ein Haus ein Baum ein Boot", "a house")]) is None  # a sixth


@pytest.mark.parametrize(
    "settings", [("source_tokenizer=character", "target_tokenizer=character"), ("copy=true",)]
)
def test_characters_are_known_and_a_model_that_copies_needs_to_know_no_words(settings):
    assert describe([("eine Baus", "a short house")], *settings, "minimum_frequency=1") is None


def test_outputs_of_unknown_words_are_not_blamed_on_a_short_training():
    pairs = [("ein Boot", "a boat"), ("ein Rad", "a wheel")]
    assert "the model knows too few words" in describe_alike(["<unk>", "<unk>"], pairs)
    assert "the model has learnt too little" in describe_alike(["a", "a"], pairs)
