"""Tests of what kseq says about tokens that are not in a vocabulary."""

import pytest

from kseq.config import Config
from kseq.corpora.corpus import load_corpus
from kseq.pipeline.survey import build_codecs
from kseq.training.train import train
from kseq.training.unknown_tokens import describe_unknown
from kseq.translation.doubtful_outputs import describe_alike

# Each word occurs in two pairs, as the default vocabulary needs.
TRAIN = [("ein Haus", "a house"), ("ein Baum", "a tree")] * 2


def describe(valid, *settings):
    corpus, config = load_corpus(TRAIN, valid=valid), Config().with_settings(settings)
    codecs, _ = build_codecs(corpus.train, config)
    return describe_unknown(codecs, config.text, corpus.valid, len(valid))


def test_sides_with_many_unknown_tokens_are_named():
    """Half of the source tokens and a fifth of the target tokens are unknown."""
    valid = [("ein Boot", "a house a tree boat")]
    assert describe(valid) == (
        "50% of the source tokens and 20% of the target tokens of the validation pairs are not in "
        "the vocabulary: to the model they are <unk>; take smaller tokens: "
        "source_tokenizer=character target_tokenizer=character, or subword"
    )
    assert describe([("ein Boot", "a house")]).endswith(": source_tokenizer=character, or subword")
    assert describe([("ein Haus ein Baum Boot", "a house")]).startswith("20% of the source tokens")
    assert describe([("ein Haus ein Baum ein Boot", "a house")]) is None  # a sixth


@pytest.mark.parametrize(
    "settings", [("source_tokenizer=character", "target_tokenizer=character"), ("copy=true",)]
)
def test_characters_and_models_that_copy_are_left_out(settings):
    """Their tokens cannot be smaller, and may be copied."""
    valid = [("Zyklop", "cyclop")]
    assert describe(valid).startswith("100% of the source tokens and 100% of the target tokens")
    assert describe(valid, *settings, "minimum_frequency=1") is None


def test_pairs_from_the_whole_split_are_read():
    known, unknown = [("ein Haus", "a house")], [("ein Boot", "a boat")]
    assert describe(known * 500 + unknown * 500).startswith("25% of the source tokens")
    assert describe(unknown * 100 + known * 900) is None


def test_training_warns_at_its_start_but_not_if_it_starts_from_a_run(tmp_path, capsys, eager_mode):
    corpus = load_corpus(TRAIN, valid=[("ein Boot", "a boat")])
    config = Config().with_settings(["epochs=1", "units=8", "embedding_dim=8"])
    train(corpus, config, out=tmp_path / "first")
    assert "WARNING: 50% of the source tokens and 50% of the target" in capsys.readouterr().out
    train(corpus, start=tmp_path / "first", out=tmp_path / "second")
    assert "take smaller tokens" not in capsys.readouterr().out


def test_outputs_of_unknown_words_are_not_blamed_on_a_short_training():
    pairs = [("ein Boot", "a boat"), ("ein Rad", "a wheel")]
    assert "the model knows too few words" in describe_alike(["<unk>", "<unk>"], pairs)
    assert "the model has learnt too little" in describe_alike(["a", "a"], pairs)
