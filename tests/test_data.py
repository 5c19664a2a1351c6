"""The embedded corpora match their description in docs/corpora.md."""

import collections
import datetime
import subprocess
import sys

import pytest
import tensorflow as tf
from conftest import ROOT

from kseq import load_corpus
from kseq.corpora.lines import read_lines
from kseq.text.codec import normalize
from kseq.text.tokenizers import WordTokenizer

SPLITS = ("train", "valid", "test")


@pytest.fixture(scope="module", params=["en-fr", "dates"])
def corpus(request):
    return load_corpus(request.param)


def word_tokens(texts):
    return WordTokenizer().tokenize(normalize(tf.constant(texts)))


@pytest.mark.slow
def test_a_rerun_of_the_generator_gives_identical_bytes(corpus, tmp_path):
    folder = ROOT / "data" / corpus.name
    subprocess.run([sys.executable, folder / "generate.py", tmp_path], check=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name for name in names if name.endswith(".tsv")] == [
        "test.tsv",
        "train.tsv",
        "valid.tsv",
    ]
    for name in names:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_corpora_are_large_and_their_splits_share_no_source(corpus):
    sources = {split: [source for source, _ in getattr(corpus, split)] for split in SPLITS}
    assert len(sources["train"]) >= {"en-fr": 20_000, "dates": 30_000}[corpus.name]
    all_sources = [source for split in SPLITS for source in sources[split]]
    assert len(set(all_sources)) == len(all_sources)


def test_text_is_normalised(corpus):
    for split in SPLITS:
        for side in zip(*getattr(corpus, split)):
            side = tf.constant(side)
            assert tf.reduce_all(normalize(side) == side)


def test_both_sides_have_enough_words():
    for side in zip(*load_corpus("en-fr").train):
        tokens = word_tokens(side).flat_values.numpy()
        words = {token.decode().lower() for token in tokens if token[:1].isalpha()}
        assert len(words) >= 250


def test_gold_alignments_fit_the_tokens():
    corpus = load_corpus("en-fr")
    for split in SPLITS:
        sources, targets = zip(*getattr(corpus, split))
        lengths = [word_tokens(side).row_lengths().numpy() for side in (sources, targets)]
        alignments = list(corpus.alignments(split))
        assert len(alignments) == len(sources)
        for alignment, source_length, target_length in zip(alignments, *lengths):
            assert all(s < source_length and t < target_length for s, t in alignment)
            assert {t for _, t in alignment} >= {target_length - 1}  # at least the full stop


def test_dates_have_many_languages_in_every_split():
    rows = {
        split: [line.split("\t") for _, line in read_lines(ROOT / f"data/dates/{split}.tsv")]
        for split in SPLITS
    }
    for split in SPLITS:
        languages = collections.Counter(row[2].strip() for row in rows[split])
        assert len(languages) >= 25
        assert {"zh", "ja", "ar", "ru", "hi", "el"} <= set(languages)
        assert min(languages.values()) >= len(rows[split]) / len(languages) / 2
    for split in SPLITS:
        for _, date, _ in rows[split]:
            assert datetime.date.fromisoformat(date).isoformat() == date


def test_no_numeric_date_can_be_read_in_two_ways():
    for split in SPLITS:
        for source, target in getattr(load_corpus("dates"), split):
            fields = source.replace(".", "/").replace("-", "/").replace(" ", "").split("/")
            fields = [field for field in fields if field]
            if len(fields) == 3 and all(field.isdecimal() for field in fields):
                assert len(max(fields, key=len)) == 4
                if len(fields[0]) != 4:
                    day, month = sorted(map(int, fields[:2]), reverse=True)
                    assert day > 12 or day == month, (source, target)
