"""The texts that a language model learns: a line each of some files, or strings in RAM.

They are pairs whose source is empty, so that whatever reads pairs reads them.
"""

import itertools
import os
import reprlib

from kseq.corpora.lines import FaultyLineError, scan_lines
from kseq.corpora.pair_files import find_files, refuse_pairs, shorten
from kseq.corpora.tables import is_unicode

_NAME = "texts in memory"


class Texts:
    """Texts as pairs without sources, read again by every iteration.

    Attributes:
        has_sources: Whether pairs have a source.
        previous_turns: The largest number of turns in a source; 0, as there are no turns.
    """

    has_sources = has_features = are_aligned = False
    previous_turns = 0
    columns = None

    def split_key(self, pair):
        """Returns what decides on the split of a pair: the text."""
        return pair[1]

    def warn_about_columns(self):
        """Does nothing: there are no columns."""


class TextFiles(Texts):
    """Files of texts, one on each line.

    Args:
        files: One or several names or patterns, as in `kseq.corpora.pair_files.PairFiles`.

    Raises:
        FileNotFoundError: A file is missing, or a pattern matches no file.
        ValueError: A file holds pairs.
    """

    def __init__(self, files):
        self.paths = tuple(find_files(files))
        for path in self.paths:
            refuse_pairs(path, "text")

    def scan(self):
        """Yields the file, the number and the pair of every line, or a `FaultyLineError`."""
        for path in self.paths:
            for number, line in scan_lines(path):
                yield path, number, line if isinstance(line, FaultyLineError) else ("", line)

    @property
    def arguments(self):
        """Absolute names, ready for JSON."""
        return [str(path.resolve()) for path in self.paths]

    def __str__(self):
        return shorten(self.paths)


class TextsInMemory(Texts):
    """Texts in RAM.

    Args:
        texts: An iterable of strings. If it can be read only once, it is kept in RAM.

    Raises:
        TypeError: It is something else.
    """

    paths = ()
    arguments = None

    def __init__(self, texts):
        if not hasattr(texts, "__iter__"):
            raise TypeError(f"expected texts, a list of strings; received {reprlib.repr(texts)}")
        self._texts = list(texts) if iter(texts) is texts else texts

    def scan(self):
        """Yields the name of the data, the number and the pair of every text."""
        for number, text in enumerate(self._texts, start=1):
            if isinstance(text, str) and is_unicode(text):
                yield _NAME, number, ("", str(text))
            else:
                message = f"{_NAME}, text {number}: expected a string; received "
                yield _NAME, number, FaultyLineError(message + reprlib.repr(text), _NAME, number)

    def __str__(self):
        return _NAME


def open_texts(data):
    """Returns `TextFiles` or `TextsInMemory`.

    Args:
        data: A name, or a list of objects of `pathlib`, for files; any other iterable of strings
            for texts. A tuple holds several of these arguments, names only.
    """
    arguments = data if isinstance(data, tuple) else (data,)
    lists = [[item] if isinstance(item, (str, os.PathLike)) else item for item in arguments]
    if len(arguments) > 1 or isinstance(arguments[0], (str, os.PathLike)):
        return TextFiles(list(itertools.chain(*lists)))
    (texts,) = lists
    if isinstance(texts, (list, tuple)) and all(isinstance(each, os.PathLike) for each in texts):
        return TextFiles(texts)
    return TextsInMemory(texts)
