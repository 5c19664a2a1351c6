"""Subwords: lossless in every script, in a vocabulary of the requested size, in a graph."""

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from kseq import Config, load_corpus
from kseq.corpora.corpus import Pairs
from kseq.pipeline.batching import training_pipeline
from kseq.pipeline.codecs import CodecPair
from kseq.pipeline.survey import build_codecs
from kseq.runs.directory import write_description
from kseq.runs.record import RunRecord
from kseq.runs.weights import load_model
from kseq.special_tokens import END, SPECIAL_TOKENS, START
from kseq.text.codec import TextCodec, normalize
from kseq.text.subwords import SubwordTokenizer, train_subwords

SIZE = 500


@pytest.fixture(scope="module")
def sentences():
    return [target for _, target in load_corpus("en-fr").test]


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def model(request, sentences):
    return train_subwords(sentences, SIZE, request.param)


@given(texts=st.lists(st.text(max_size=30) | st.text(st.sampled_from("a▁ ")), max_size=5))
def test_decoding_restores_any_text(model, texts):
    """Even with characters that were never seen."""
    texts = [text.encode("utf-8", "ignore") for text in texts]
    texts = normalize(tf.constant(texts, tf.string))
    codec = TextCodec(model, "subword")
    ids = codec.encode(texts).to_tensor()
    assert codec.decode(ids).numpy().tolist() == texts.numpy().tolist()


def test_the_character_that_begins_words_is_not_read_as_a_space(model):
    tokenizer = SubwordTokenizer(model)
    tokens = tokenizer.tokenize(tf.constant(["a▁b a b"]))
    assert tokenizer.detokenize(tokens).numpy().tolist() == ["a▁b a b".encode()]


def test_the_graph_splits_text_as_the_library_does(model, sentences):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    codec = TextCodec(model, "subword")
    expected = [[*ids, END] for ids in processor.encode(sentences)]
    assert codec.encode(tf.constant(sentences)).to_list() == expected
    assert codec.size == processor.vocab_size() == SIZE


def test_every_vocabulary_begins_with_the_special_tokens(model):
    vocabulary = TextCodec(model, "subword").vocabulary
    assert vocabulary[:4] == SPECIAL_TOKENS
    assert len(set(vocabulary)) == SIZE


def test_text_that_looks_like_special_tokens_stays_text(model):
    ids = TextCodec(model, "subword").encode(tf.constant(["<end> <pad> <start>"])).to_list()[0]
    assert not {0, 1, 2, 3} & set(ids[:-1])


def test_the_same_sentences_give_the_same_model(sentences):
    assert train_subwords(iter(sentences), SIZE) == train_subwords(sentences, SIZE)


def test_sampled_segmentations_differ_and_decode_to_the_same_text(model, sentences):
    codec = TextCodec(model, "subword")
    sampler = codec.sampler(0.2)
    texts = tf.constant(sentences[:50])
    samples = [sampler.tokenize(texts) for _ in range(3)]
    assert samples[0].to_list() != samples[1].to_list() != samples[2].to_list()
    for sample in samples:
        joined = codec._tokenizer.detokenize(sample)
        assert joined.numpy().tolist() == texts.numpy().tolist()
    assert codec.tokenize(texts).to_list() == codec.tokenize(texts).to_list()


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_a_size_too_large_for_the_data_is_an_error_that_names_the_largest(sentences, algorithm):
    with pytest.raises(ValueError, match="set subword_vocabulary_size to at most") as caught:
        train_subwords(sentences[:100], 5000, algorithm)
    largest = caught.value.args[-1]
    model = train_subwords(sentences[:100], largest, algorithm)
    assert TextCodec(model, "subword").size == largest


def test_data_too_small_for_any_size_are_an_error_that_names_other_tokenizers(sentences):
    with pytest.raises(ValueError, match="has fewer than 300 different .* word or character as"):
        train_subwords(sentences[:2], 300)


def test_a_size_too_small_for_characters_and_bytes_is_an_error_that_names_the_smallest(sentences):
    with pytest.raises(ValueError, match="set subword_vocabulary_size to at least") as caught:
        train_subwords(sentences, 280)
    smallest = caught.value.args[-1]
    assert TextCodec(train_subwords(sentences, smallest), "subword").size == smallest


def test_damaged_bytes_are_not_read_as_a_model(model):
    with pytest.raises(ValueError, match="not a SentencePiece model, or damaged"):
        TextCodec(model[:200], "subword")


def test_a_model_with_other_special_tokens_is_refused(tmp_path, sentences):
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_prefix=str(tmp_path / "foreign"),
        vocab_size=SIZE,
        minloglevel=2,
    )
    with pytest.raises(
        ValueError, match="begins with <pad>, <unk>, <start>, <end>; received <unk>"
    ):
        TextCodec((tmp_path / "foreign.model").read_bytes(), "subword")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    path = tmp_path_factory.mktemp("subwords") / "pairs.tsv"
    lines = [f"{source}\t{target}\n" for source, target in load_corpus("en-fr").test]
    path.write_text("".join(lines), encoding="utf-8")
    return Pairs([path])


def config(*settings):
    return Config().with_settings(
        ["source_tokenizer=subword", "target_tokenizer=subword", f"subword_vocabulary_size={SIZE}"]
        + list(settings)
    )


def test_each_side_learns_its_own_subwords(pairs):
    codecs, survey = build_codecs(pairs, config())
    assert codecs.vocabulary_sizes == (SIZE, SIZE)
    assert codecs.source.vocabulary != codecs.target.vocabulary
    assert "▁the" in codecs.source.vocabulary and "▁the" not in codecs.target.vocabulary
    assert survey.kept == sum(1 for _ in pairs)


def test_a_changed_model_is_noticed_before_it_is_parsed(pairs, tmp_path):
    codecs, survey = build_codecs(pairs, config())
    record = RunRecord(length_ratio=1.0, parameters=1)
    write_description(tmp_path, config(), codecs, record)
    (tmp_path / "model.weights.h5").touch()
    (tmp_path / "source_subwords.model").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="source_subwords.model: has been changed since the run"):
        load_model(tmp_path)


def test_shared_subwords_are_learnt_from_both_sides(pairs):
    codecs, _ = build_codecs(pairs, config("share_vocabulary=true"))
    assert codecs.source.vocabulary == codecs.target.vocabulary
    assert {"▁the", "▁est"} <= set(codecs.source.vocabulary)


def test_one_side_may_have_words_and_the_other_subwords(pairs):
    settings = ["source_tokenizer=word", "case=mark"]
    codecs, _ = build_codecs(pairs, config(*settings))
    assert "￪" in codecs.source.vocabulary and "▁￪" in codecs.target.vocabulary
    assert not any(token != token.lower() for token in codecs.source.vocabulary)


def test_saved_codecs_are_loaded_unchanged(pairs, tmp_path):
    settings = config("source_tokenizer=word", "case=mark")
    codecs, _ = build_codecs(pairs, settings)
    codecs.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "source_vocabulary.txt",
        "target_subwords.model",
    ]
    assert CodecPair.load(tmp_path, settings).descriptions == codecs.descriptions
    (tmp_path / "target_subwords.model").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="target_subwords.model: not a SentencePiece model"):
        CodecPair.load(tmp_path, settings)


@pytest.mark.slow  # reads several epochs
def test_every_epoch_samples_again_and_leaves_out_the_same_pairs(pairs):
    """Some samples are longer than `maximum_length`, but the pairs are still the same."""
    settings = config("maximum_length=10", "subword_sampling=0.1")
    codecs, survey = build_codecs(pairs, settings)
    dataset = training_pipeline(pairs, codecs, settings.training, survey)
    plain = training_pipeline(pairs, codecs, settings.training, survey, shuffled=False)
    assert survey.overlong > 0

    def sentences_of(dataset):
        ids = [row for inputs, *_ in dataset for row in inputs["target_ids"].numpy()]
        assert all(row[0] == START for row in ids)
        width = max(map(len, ids))
        padded = np.stack([np.pad(row, (0, width - len(row))) for row in ids])
        texts = codecs.target.decode(tf.constant(padded)).numpy()
        return [tuple(row[row != 0]) for row in ids], sorted(texts)

    first, second, unsampled = map(sentences_of, (dataset, dataset, plain))
    assert len(first[0]) == len(unsampled[0]) == survey.kept
    assert first[1] == second[1] == unsampled[1]
    assert sorted(first[0]) != sorted(second[0])
    assert max(map(len, first[0])) > max(map(len, unsampled[0]))


@pytest.mark.parametrize(
    "error", [ValueError("pairs.tsv, line 3"), KeyboardInterrupt(), OSError(5)]
)
def test_an_error_while_reading_the_sentences_is_raised_unchanged(error):
    def sentences():
        yield from [b"a b c", b"d e f"] * 100
        raise error

    with pytest.raises(type(error)) as caught:
        train_subwords(sentences(), 300, "unigram", False)
    assert caught.value is error


@pytest.mark.parametrize("sentences", [[], [""], [b"", "a" * 20_000]])
def test_sentences_without_text_are_an_error(sentences):
    with pytest.raises(ValueError, match="expected sentences of 1 to 16,384 bytes"):
        train_subwords(sentences, 300)
