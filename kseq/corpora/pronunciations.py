"""Pairs of a word and its phonemes from a pronouncing dictionary such as CMUdict."""

import pathlib
import re

from kseq.corpora.lines import read_lines

_VARIANT = re.compile(r"(.+)\(\d+\)")


def is_pronouncing_dictionary(path):
    """Whether a file is one by its name, which ends in `.dict` or `.dict.gz`."""
    return pathlib.Path(path).name.lower().endswith((".dict", ".dict.gz"))


def read_pronunciations(path):
    """Yields the line, the word and the phonemes of every word with one pronunciation.

    A line is a word and its phonemes, with spaces between them; what follows a `#` is a comment.
    A word that has a variant, `word(2)`, is left out with all its variants, because no single
    answer would be right. Stress digits are removed: `AH0` becomes `AH`.

    The file is read twice, the first time for the words that have variants, which are kept in
    memory with all others.

    Args:
        path: A file as `kseq.corpora.lines.read_lines` takes it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line has no phonemes, or cannot be read.
    """
    seen, several = set(), set()
    for _, word, _ in _entries(path):
        (several if word in seen else seen).add(word)
    del seen
    for number, word, phonemes in _entries(path):
        if word not in several:
            yield number, word, " ".join(phoneme.rstrip("012") for phoneme in phonemes)


def _entries(path):
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
