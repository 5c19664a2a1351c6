"""Pronouncing dictionaries, including the real one."""

import collections
import gzip
import re

import pytest

from kseq.corpora.lines import raise_faults
from kseq.corpora.pronunciations import scan_pronunciations


def read(path, text):
    path.write_text(text, encoding="utf-8")
    return [(number, *pair) for number, pair in raise_faults(scan_pronunciations(path))]


def test_words_with_one_pronunciation_are_read_without_stress(tmp_path):
    text = (
        "# a comment\n\na AH0\na(2) EY1\naalto AA1 L T OW2 # name, finnish\n"
        "b(3) B\nsmile's S M AY1 L Z\ntwice T\nlast L\ntwice T W\nc B # \n"
    )
    assert read(tmp_path / "words.dict", text) == [
        (5, "aalto", "AA L T OW"),
        (6, "b", "B"),
        (7, "smile's", "S M AY L Z"),
        (9, "last", "L"),
        (11, "c", "B"),
    ]


def test_a_word_without_phonemes_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="words.dict, line 2: expected a word and its phonemes"):
        read(tmp_path / "words.dict", "a AH0\nb # nothing\n")


def test_the_real_dictionary_agrees_with_a_plain_reading_of_it(shared_data):
    path = shared_data / "cmudict" / "cmudict.dict.gz"
    variants = {}
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        word, *phonemes = re.sub("#.*", "", line).split()
        variants.setdefault(re.sub(r"\(\d\)$", "", word), []).append(phonemes)
    expected = {word: lists[0] for word, lists in variants.items() if len(lists) == 1}
    pairs = {word: phonemes for _, (word, phonemes) in scan_pronunciations(path)}
    assert pairs == {
        word: re.sub(r"\d", "", " ".join(phonemes)) for word, phonemes in expected.items()
    }
    phonemes = collections.Counter(" ".join(pairs.values()).split())
    assert len(phonemes) == 39  # phonemes of ARPAbet, as documented by the dictionary
