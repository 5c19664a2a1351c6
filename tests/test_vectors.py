"""Word vectors from the files that people download, including damaged ones."""

import gzip
import re
import struct
import subprocess
import sys

import numpy as np
import pytest

from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text.vectors import load_vectors

GLOVE = "the 0.5 -1 2e-1\ncat 1 2 3\nsat 4 5 6\n"


@pytest.fixture
def load(tmp_path):
    """Loads vectors of width 3 from a file with the given content, for the given words."""

    def load(content, *words, width=3, name="vectors.txt"):
        data = content if isinstance(content, bytes) else content.encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return load_vectors(path, [*SPECIAL_TOKENS, *words], width)

    return load


def test_vectors_are_in_the_order_of_the_vocabulary_and_0_for_missing_words(load):
    vectors = load(GLOVE, "cat", "dog", "the")
    assert vectors.matrix.dtype == np.float32
    expected = [[0, 0, 0]] * 4 + [[1, 2, 3], [0, 0, 0], [0.5, -1, 0.2]]
    np.testing.assert_array_equal(vectors.matrix, np.array(expected, np.float32))
    assert vectors.has_vector.dtype == bool
    assert vectors.has_vector.tolist() == [False] * 4 + [True, False, True]
    assert vectors.missing == ["dog"]


@pytest.mark.parametrize("ending", ["\n", " \n", "\r\n", " \r\n"])
def test_a_header_and_spaces_at_the_ends_of_lines_are_ignored(load, ending):
    """word2vec and fastText write a header; fastText ends lines with a space."""
    content = "3 3\n" + GLOVE.replace("\n", ending)
    vectors = load(content.replace("3 3\n", "3 3" + ending), "sat", "3")
    assert vectors.matrix[4:].tolist() == [[4, 5, 6], [0, 0, 0]]


def test_gzipped_files_are_read(load):
    assert load(GLOVE, "cat", name="vectors.txt.gz").matrix[4].tolist() == [1, 2, 3]


def test_a_number_as_the_first_word_is_not_a_header(load):
    assert load("1 2 3\n4 5 6\n", "1", width=2).matrix[4].tolist() == [2, 3]
    assert load("2 1\n5 7\n6 8\n", "5", width=1).matrix[4].tolist() == [7]


def test_words_can_contain_spaces(load):
    """`. . .` is in GloVe 840B; its vector is not the vector of the full stop."""
    content = ". . . 1 2 3\nat 4@x.org 4 5 6\n. 7 8 9\n  3 3 3\n\u00a0 6 6 6\n"
    vectors = load(content, ".", ". . .", "at", "at 4@x.org", " ", "\u00a0")
    rows = [[7, 8, 9], [1, 2, 3], [0, 0, 0], [4, 5, 6], [3, 3, 3], [6, 6, 6]]
    assert vectors.matrix[4:].tolist() == rows
    assert vectors.missing == ["at"]
    assert load(content, ".").matrix[4].tolist() == [7, 8, 9]


def test_the_first_of_two_lines_counts(load):
    assert load("a 1 1\nb 2 2\na 3 3\n", "a", width=2).matrix[4].tolist() == [1, 1]


def test_special_tokens_are_not_looked_up(load):
    vectors = load("<unk> 1 1\na 2 2\n", "a", width=2)
    assert not vectors.matrix[: len(SPECIAL_TOKENS)].any()
    assert vectors.has_vector.tolist() == [False] * 4 + [True]
    assert vectors.missing == []


SPELLINGS = ["L'￭", "L'", "l'￭", "l'"]


@pytest.mark.parametrize("order", [SPELLINGS, SPELLINGS[::-1]], ids=["best first", "best last"])
@pytest.mark.parametrize("best", range(4))
def test_the_preferred_spelling_counts_wherever_it_is_in_the_file(load, order, best):
    in_file = [spelling for spelling in order if spelling in SPELLINGS[best:]]
    content = "".join(f"{spelling} {SPELLINGS.index(spelling)} 0\n" for spelling in in_file)
    assert load(content, "L'￭", width=2).matrix[4, 0] == best


def test_one_vector_can_belong_to_several_tokens(load):
    vectors = load("- 1 1\nthe 2 2\n", "￭-￭", "￭-", "The", "THE￭", width=2)
    assert vectors.matrix[4:, 0].tolist() == [1, 1, 2, 2]


def test_words_of_the_file_keep_their_case_and_a_lone_joiner_is_not_an_empty_word(load):
    vectors = load("The 1 1\n 2 2\na 3 3\n\n", "the", "￭", "a", width=2)
    assert vectors.missing == ["the", "￭"]


def test_vectors_of_whole_characters_serve_tokens_whose_characters_are_taken_apart(load):
    assert load("\u00e9t\u00e9 1 2\n", "e\u0301te\u0301￭", width=2).matrix[4].tolist() == [1, 2]


def test_the_description_counts_the_words_and_names_the_first_missing_ones(load):
    assert load(GLOVE, "cat", "the").describe() == "vectors for 2 of 2 tokens"
    few = load(GLOVE, "cat", "x", "the", "y")
    assert few.describe() == "vectors for 2 of 4 tokens; missing: x, y (2)"
    ten = load(GLOVE, "cat", *"abcdefghij").describe()
    assert ten == "vectors for 1 of 11 tokens; missing: a, b, c, d, e, f, g, h, i, j (10)"
    many = load(GLOVE, "cat", *(f"w{n}" for n in range(1234))).describe()
    assert many == (
        "vectors for 1 of 1,235 tokens; missing: w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, … (1,234)"
    )


@pytest.mark.parametrize("content", [GLOVE, "3 3\n" + GLOVE, ". . . 1 2 3\n" + GLOVE])
@pytest.mark.parametrize("width", [2, 4])
def test_vectors_of_another_width_are_an_error_that_names_the_width(load, content, width):
    message = (
        rf"vectors\.txt, line 1: expected vectors of width {width} \(embedding_dim\); "
        r"received 3; set embedding_dim=3$"
    )
    with pytest.raises(ValueError, match=message):
        load(content, "cat", width=width)


def test_a_line_that_is_cut_short_is_named(load):
    message = (
        r"vectors\.txt, line 3: expected 3 numbers; received 2; the file is cut short or "
        "damaged: copy or download it again"
    )
    with pytest.raises(ValueError, match=message):
        load(GLOVE[:-3], "the", "sat")


@pytest.mark.parametrize("line, word, number", [(1, "the", "-1"), (2, "cat", "2")])
def test_a_column_that_is_not_a_number_is_named(load, line, word, number):
    message = rf"vectors\.txt, line {line}: expected numbers after '{word}'; received 'x'; fix or"
    with pytest.raises(ValueError, match=message):
        load(GLOVE.replace(f" {number} ", " x "), "the", "cat")


@pytest.mark.parametrize("number", ["nan", "-inf", "1e39"])
def test_a_number_that_is_not_finite_is_named(load, number):
    message = (
        r"vectors\.txt, line 2: expected finite numbers in the range of float32 after 'cat'; "
        f"received {number}; fix or remove the line"
    )
    with pytest.raises(ValueError, match=message):
        load(GLOVE.replace("cat 1 2", f"cat 1 {number}"), "the", "cat")


def test_vectors_of_another_language_are_an_error(load):
    message = (
        r"vectors\.txt: expected vectors of words in the vocabulary; received none for its "
        "1,001 tokens, such as chat, w0, w1; use vectors of the same language"
    )
    with pytest.raises(ValueError, match=message):
        load(GLOVE, "chat", *(f"w{n}" for n in range(1000)))


BINARY = re.escape(
    "save a binary file as text first, such as with gensim: "
    "KeyedVectors.load_word2vec_format(name, binary=True).save_word2vec_format(new_name)"
)


def binary(*numbers):
    return b"2 3\ncat " + struct.pack("<3f", *numbers) + b"\nthe " + struct.pack("<3f", 1, 2, 3)


def test_a_binary_file_is_an_error_that_says_how_to_convert_it(load):
    with pytest.raises(ValueError, match=f"line 2: not valid UTF-8; .*; {BINARY}"):
        load(binary(-1.1, 2.2, 3.3), "cat")


def test_a_binary_file_that_happens_to_be_utf8_is_an_error_too(load):
    message = r"line 2: expected a word and 3 numbers, separated by spaces; received 'cat \\x00"
    with pytest.raises(ValueError, match=f"{message}.*; {BINARY}"):
        load(binary(0.5, 2, 8), "cat")


def test_the_first_line_of_another_kind_of_file_is_shown(load):
    with pytest.raises(ValueError, match="line 1: expected a word and 3 numbers, .* 'a\\\\tb'"):
        load("a\tb\n", "a")
    with pytest.raises(ValueError, match="line 1: expected a word and 3 numbers, .* 'Once upon"):
        load("Once upon a time there was\n", "a")
    with pytest.raises(ValueError, match="line 1: expected a word and 3 numbers, .* ''"):
        load("\n", "a")


@pytest.mark.parametrize("content", ["", "0 3\n"])
def test_a_file_without_entries_is_an_error(load, content):
    message = r"vectors\.txt: expected lines of a word and 3 numbers; received none: copy or"
    with pytest.raises(ValueError, match=message):
        load(content, "a")


def test_a_damaged_archive_is_named(tmp_path):
    path = tmp_path / "vectors.txt.gz"
    path.write_bytes(gzip.compress(GLOVE.encode())[:-9])
    with pytest.raises(ValueError, match=r"vectors\.txt\.gz: damaged after line \d: [^;]*$"):
        load_vectors(path, ["cat"], 3)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="file not found: .*none.txt"):
        load_vectors(tmp_path / "none.txt", ["cat"], 3)


def test_lines_of_other_words_are_not_parsed(load):
    """Most of two million words are not in the vocabulary."""
    assert load("the 1 2 3\nother x\ncat 1 2 3\n", "cat").has_vector.sum() == 1


def test_the_import_does_not_load_tensorflow():
    program = "import sys, kseq.text.vectors; print({'tensorflow', 'keras'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout == "set()\n", run.stderr


def test_a_vocabulary_of_other_things_than_strings_is_an_error(tmp_path):
    with pytest.raises(TypeError, match="expected tokens as strings; received None"):
        load_vectors(tmp_path / "vectors.txt", [None], 2)
