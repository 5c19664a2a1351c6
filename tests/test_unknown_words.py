"""Replacing unknown words, with and without a dictionary; no model is needed."""

import gzip
import os

import numpy as np
import pytest
import tensorflow as tf

from kseq.special_tokens import END, SPECIAL_TOKENS, UNK
from kseq.text.codec import TextCodec
from kseq.translation.unknown_words import Dictionary, load_dictionary, replace_unknown

CODEC = TextCodec([*SPECIAL_TOKENS, "cat"])
SOURCES = [["a", "￭b", "c"], ["d", "", ""]]


def replace(attention, ids=((UNK, 4, UNK, END), (UNK, UNK, END, 0)), entries=None):
    """Replaced tokens of two sources, each with one hypothesis of four tokens."""
    ids = tf.constant([[row] for row in ids])
    tokens = tf.where(ids == UNK, "<unk>", "known")
    attention = tf.constant(attention, tf.float32)[:, None]
    result = replace_unknown(
        ids, tokens, attention, tf.constant(SOURCES), Dictionary(entries or {}, CODEC)
    )
    return [[token.decode() for token in row[0]] for row in result.numpy()]


def test_an_unknown_word_becomes_the_source_word_with_the_most_attention():
    """Never END or padding of the source, however much attention they receive."""
    attention = [
        [[0.1, 0.3, 0.2, 0.4], [1, 0, 0, 0], [0.1, 0.1, 0.2, 0.6], [0, 0, 1, 0]],
        [[0.1, 0.9, 0.0, 0.0], [0.0, 0.2, 0.3, 0.5], [0, 1, 0, 0], [0, 0, 0, 0]],
    ]
    assert replace(attention) == [["￭b", "known", "c", "known"], ["d", "d", "known", "known"]]


def test_a_token_is_looked_up_without_its_joiner():
    attention = np.eye(4)[[[1, 1, 2, 3], [0, 0, 0, 0]]]
    result = replace(attention, entries={"b": "B", "d": "D D", "￭c": "never"})
    assert result == [["B", "known", "c", "known"], ["D D", "D D", "known", "known"]]


def test_each_hypothesis_of_a_source_has_its_own_attention():
    ids = tf.fill([1, 2, 1], UNK)
    attention = tf.constant([[[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]]])
    tokens = tf.fill([1, 2, 1], "<unk>")
    result = replace_unknown(
        ids, tokens, attention, tf.constant([["a", "b"]]), Dictionary({}, CODEC)
    )
    assert result.numpy().tolist() == [[[b"a"], [b"b"]]]


def test_sources_without_words_are_not_an_error():
    """A batch of empty sentences has no columns of tokens."""
    ids = tf.zeros([2, 1, 1], tf.int32)
    tokens = tf.fill([2, 1, 1], "<pad>")
    no_words = tf.zeros([2, 0], tf.string)
    result = replace_unknown(ids, tokens, tf.ones([2, 1, 1, 1]), no_words, Dictionary({}, CODEC))
    assert result.numpy().tolist() == [[[b"<pad>"]]] * 2


def test_words_in_the_dictionary_are_translated_and_others_stay():
    dictionary = Dictionary({"cat": "chat", "dog": "chien"}, CODEC)
    words = tf.constant([["cat", "cow"], ["", "dog￭"]])
    expected = [["chat", "cow"], ["", "chien"]]
    assert dictionary.translate(words).numpy().astype(str).tolist() == expected


@pytest.mark.parametrize("compressed", [False, True])
def test_a_dictionary_is_read_from_a_file(tmp_path, compressed):
    """Blank lines and spaces around words are ignored; the first of two translations is used."""
    content = "cat\tchat\n\n  \ndog \t chien \tmore\ncat\tother\n \t \né\tà".encode()
    path = tmp_path / ("words.tsv.gz" if compressed else "words.tsv")
    path.write_bytes(gzip.compress(content) if compressed else content)
    result = load_dictionary(path, CODEC).translate(tf.constant(["cat", "dog", "é", "cow"]))
    assert [word.decode() for word in result.numpy()] == ["chat", "chien", "à", "cow"]


@pytest.mark.parametrize("line", ["word\t", "\ttranslation", "word\t  "])
def test_a_line_without_a_translation_is_named(tmp_path, line):
    path = tmp_path / "words.tsv"
    path.write_text(f"a\tb\n{line}\n")
    with pytest.raises(ValueError, match=r"words.tsv, line 2: expected a word, a tab and its tr"):
        load_dictionary(path, CODEC)
    with pytest.raises(FileNotFoundError, match="file not found: .*none"):
        load_dictionary(str(tmp_path / "none"), CODEC)


def test_a_file_is_read_again_only_when_it_has_changed(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("a\tb\n")
    first = load_dictionary(path, CODEC)
    assert load_dictionary(path, CODEC) is first
    before = path.stat().st_mtime_ns
    for word, modified in (("longer", before), ("shorts", before + 1)):
        path.write_text(f"a\t{word}\n")
        os.utime(path, ns=(modified, modified))
        assert load_dictionary(path, CODEC).translate(tf.constant("a")) == word.encode()
