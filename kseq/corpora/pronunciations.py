"""Pairs of a word and its phonemes from a pronouncing dictionary such as CMUdict."""

import pathlib
import re

from kseq.corpora.lines import read_lines

_VARIANT = re.compile(r"(.+)\(\d+\)")


def is_pronouncing_dictionary(path):
    """Returns whether a file is a dictionary: its name ends in `.dict` or `.dict.gz`."""
    return pathlib.Path(path).name.lower().endswith((".dict", ".dict.gz"))


def read_pronunciations(path):
    """Yields the line number, the word and the phonemes of every word with one pronunciation.

    A line holds a word and its phonemes, separated by spaces; `#` begins a comment. A word with a
    variant, `word(2)`, is left out together with its variants, because no single answer would be
    right. Stress digits are removed: `AH0` becomes `AH`.

    The file is read twice. The first pass finds the words with variants, and holds all words in
    RAM.

    Args:
        path: A file that `kseq.corpora.lines.read_lines` accepts.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: A line has no phonemes, or cannot be read.
    """
    words, words_with_variants = set(), set()
    for _, word, _ in _read_entries(path):
        (words_with_variants if word in words else words).add(word)
    del words
    for number, word, phonemes in _read_entries(path):
        if word not in words_with_variants:
            yield number, word, " ".join(phoneme.rstrip("012") for phoneme in phonemes)


def _read_entries(path):
    """Yields the line number, the word and the list of phonemes of every entry."""
    for number, line in read_lines(path):
        words = line.partition("#")[0].split()
        if len(words) == 1:
            raise ValueError(
                f"{path}, line {number}: expected a word and its phonemes, such as cat K AE1 T; "
                f"received {words[0]!r} alone"
            )
        if words:
            variant = _VARIANT.fullmatch(words[0])
            yield number, variant[1] if variant else words[0], words[1:]
