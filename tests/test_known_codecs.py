"""The codecs of another run, kept or grown, with other data than those they were made from."""

import numpy as np
import pytest
from conftest import write_tiny_pairs

from kseq import Config, ModelConfig, TextConfig, ValuePairs, load_corpus, write_records
from kseq.pipeline import encoded
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.encoded import prepare
from kseq.pipeline.known_codecs import KnownCodecs
from kseq.pipeline.survey import build_codecs
from kseq.pipeline.value_codec import ValueCodec
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text.token_tally import TokenTally
from kseq.text.vocabulary import extend_vocabulary


def tally_of(tokens):
    tally = TokenTally()
    for token in tokens:
        tally.count(tally.ids(np.array([token.encode()], object)))
    return tally


def test_a_grown_vocabulary_keeps_the_old_ids_and_adds_frequent_tokens_up_to_its_limit():
    old = (*SPECIAL_TOKENS, "b", "a")
    counts = {"a": 9, "new": 3, "rare": 1, "most": 5, "<unk>": 7}
    assert extend_vocabulary(old, counts, 2, 50) == (*old, "most", "new")
    assert extend_vocabulary(old, counts, 2, 7) == (*old, "most")
    assert extend_vocabulary(old, counts, 2, 3) == old


def known_codecs(grows, old=("a", "b")):
    vocabulary = (*SPECIAL_TOKENS, *old)
    return KnownCodecs(CodecPair.of(vocabulary, vocabulary, TextConfig()), grows)


def test_the_share_of_unknown_tokens_is_reported_with_the_remedy():
    tally = tally_of(["a", "b", "b", "c", "c", "d", "a", "a"])
    for grows, line in (
        (
            False,
            "37.5% of all tokens are not in the vocabulary of the run; grow_vocabulary=true adds 1 "
            "new token, and leaves 12.5%",
        ),
        (
            True,
            "1 new token joins the vocabulary; unknown are 12.5% of all tokens, not 37.5%",
        ),
    ):
        known = known_codecs(grows)
        vocabulary = known.choose_vocabulary([tally], number=0, own=tally, config=TextConfig())
        assert vocabulary == (*SPECIAL_TOKENS, "a", "b", *["c"] * grows)
        assert known.coverage[0].describe() == line and known.coverage[1] is None


def test_both_sides_of_a_shared_vocabulary_grow_by_the_tokens_of_both():
    tallies = [tally_of(["c", "c"]), tally_of(["d", "d", "a"])]
    known, vocabularies = known_codecs(True), []
    for number, own in enumerate(tallies):
        vocabularies.append(
            known.choose_vocabulary(tallies, number=number, own=own, config=TextConfig())
        )
    assert vocabularies == 2 * [(*SPECIAL_TOKENS, "a", "b", "c", "d")]
    assert [coverage.unknown for coverage in known.coverage] == [2, 2]


def test_a_full_vocabulary_cannot_grow():
    config, tally = TextConfig(maximum_vocabulary_size=6), tally_of(["c", "c"])
    message = r"maximum_vocabulary_size=6 leaves no room .* the source vocabulary .* has 6 already"
    with pytest.raises(ValueError, match=message):
        known_codecs(True).choose_vocabulary([tally], number=0, own=tally, config=config)
    nothing_new = tally_of(["c", "a", "a"])
    known_codecs(True).choose_vocabulary([nothing_new], number=0, own=nothing_new, config=config)


def test_encoded_corpora_of_other_codecs_are_not_mixed_up(tmp_path, monkeypatch):
    """The name of the folder depends on what the codecs are, not on where they come from."""
    monkeypatch.setattr(encoded, "SMALLEST", 0)
    corpus = load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))
    reports = []
    kept, grown, again = (
        prepare(corpus, Config(), tmp_path / "cache", reports.append, known_codecs(grows))
        for grows in (False, True, False)
    )
    assert [line.split()[0] for line in reports] == ["encoding", "encoding", "using"]
    assert kept.codecs.source.size == 6 < grown.codecs.source.size
    assert kept.codecs.descriptions == again.codecs.descriptions
    assert kept.coverage == again.coverage and kept.coverage[0].unknown > 0
    assert not kept.coverage[0].grows and grown.coverage[0].grows


@pytest.mark.slow  # prepares a corpus several times
@pytest.mark.parametrize("old", [None, ("a1", "b1"), ("b", "a")])
def test_ids_from_the_cache_are_those_of_the_codecs(tmp_path, monkeypatch, old):
    monkeypatch.setattr(encoded, "SMALLEST", 0)
    corpus = load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))
    for known in (known_codecs(False), old and known_codecs(False, old)):
        plain = prepare(corpus, Config(), "off", known=known)
        cached = prepare(corpus, Config(), tmp_path / "cache", known=known)
        assert cached.codecs.descriptions == plain.codecs.descriptions
        assert (cached.coverage, cached.surveys) == (plain.coverage, plain.surveys)
        ids = np.concatenate([chunk[0] for chunk in cached.splits[0].chunks()])
        texts = [source for source, _ in corpus.train]
        assert ids.tolist() == plain.codecs.source.encode(texts).flat_values.numpy().tolist()


def test_values_stay_standardised_as_in_the_run(tmp_path):
    write_records(tmp_path / "a.tfrecord", 40 * [(np.full([4, 1], 9.0), "a")])
    pairs = ValuePairs.open(tmp_path / "a.tfrecord")
    codecs = CodecPair(ValueCodec([1.0], [2.0]), known_codecs(False).codecs.target)
    config = Config(ModelConfig(source_features=1))
    kept, survey = build_codecs(pairs, config, known=KnownCodecs(codecs))
    assert survey.kept == 40
    assert (kept.source.mean, kept.source.scale) == (1.0, 2.0)
    assert kept.target.vocabulary == (*SPECIAL_TOKENS, "a", "b")
    assert build_codecs(pairs, config)[0].source.mean == 9.0
