"""Pairs of a word and its phonemes from a pronouncing dictionary such as CMUdict."""

import pathlib
import re

from kseq.corpora.lines import FaultyLineError, scan_lines

_VARIANT = re.compile(r"(.+)\(\d+\)")


def is_pronouncing_dictionary(path):
    """Returns whether a file is a dictionary: its name ends in `.dict` or `.dict.gz`."""
    return pathlib.Path(path).name.lower().endswith((".dict", ".dict.gz"))


def scan_pronunciations(path):
    """Yields the number of each line, and a word and its phonemes.

    A line holds a word and its phonemes, separated by spaces; `#` begins a comment. A word with a
    variant, `word(2)`, is left out together with its variants, because no single answer would be
    right. Stress digits are removed: `AH0` becomes `AH`.

    The file is read twice. The first pass finds the words with variants, and holds all words in
    RAM.

    Args:
        path: A file that `kseq.corpora.lines.read_lines` accepts.

    Yields:
        The number of a line; and a tuple of two strings, or a `FaultyLineError` if a line has no
        phonemes or cannot be read.

    Raises:
        FileNotFoundError: The file is missing.
    """
    words, words_with_variants = set(), set()
    for _, entry in _scan_entries(path):
        if not isinstance(entry, FaultyLineError):
            (words_with_variants if entry[0] in words else words).add(entry[0])
    del words
    for number, entry in _scan_entries(path):
        if isinstance(entry, FaultyLineError):
            yield number, entry
        elif entry[0] not in words_with_variants:
            yield number, (entry[0], " ".join(phoneme.rstrip("012") for phoneme in entry[1]))


def _scan_entries(path):
    """Yields the line number, and the word and the list of phonemes of every entry or its fault."""
    for number, line in scan_lines(path):
        if isinstance(line, FaultyLineError):
            yield number, line
            continue
        words = line.partition("#")[0].split()
        if len(words) == 1:
            fault = (
                f"{path}, line {number}: expected a word and its phonemes, such as cat K AE1 T; "
                f"received {words[0]!r} alone"
            )
            yield number, FaultyLineError(fault, str(path), number)
        elif words:
            variant = _VARIANT.fullmatch(words[0])
            yield number, (variant[1] if variant else words[0], words[1:])
