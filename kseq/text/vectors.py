"""Pretrained word vectors, from the text files of word2vec, GloVe and fastText."""

import dataclasses
import itertools
import reprlib
import unicodedata
from collections.abc import Sequence

import numpy as np

from kseq.corpora.lines import NotUtf8Error, read_lines
from kseq.path_names import PathName
from kseq.special_tokens import SPECIAL_TOKENS
from kseq.text.rules import JOINER

_MAX_NAMES = 10  # of words without a vector, in a message

_BINARY = (
    "save a binary file as text first, such as with gensim: "
    "KeyedVectors.load_word2vec_format(name, binary=True).save_word2vec_format(new_name)"
)


@dataclasses.dataclass(frozen=True, eq=False)
class Vectors:
    """The vectors of a file for a vocabulary of V tokens.

    Args:
        matrix: Vectors in the order of the ids, float32 `[V, E]`; 0 for tokens without a vector.
        has_vector: Which tokens have a vector, boolean `[V]`.
        missing: Tokens without a vector, in the order of their ids. Special tokens are not among
            them, because they are never looked up.
    """

    matrix: np.ndarray
    has_vector: np.ndarray
    missing: list

    def describe(self):
        """Returns a line of text: how many tokens have a vector, and some that have none."""
        count = np.count_nonzero(self.has_vector)
        text = f"vectors for {count:,} of {count + len(self.missing):,} tokens"
        if not self.missing:
            return text
        names = self.missing[:_MAX_NAMES] + ["…"] * (len(self.missing) > _MAX_NAMES)
        return f"{text}; missing: {', '.join(names)} ({len(self.missing):,})"


def load_vectors(path: PathName, vocabulary: Sequence[str], width: int) -> "Vectors":
    """Reads the vectors of the words in a vocabulary, and skips all others.

    Each token is looked up in several spellings, and the first one in the file is used: unchanged;
    in NFC without joiners (`l'￭` as `l'`); each of these in lower case. If a word occurs twice in
    the file, the first line is used.

    Args:
        path: Text file, plain, `.gz` or `.zip`: on each line a word and `width` numbers,
            separated by spaces. A word can contain spaces, as some of GloVe's do. The first line
            can be "count width", as in word2vec and fastText.
        vocabulary: Tokens in the order of their ids.
        width: Numbers per vector E, the setting `embedding_dim`.

    Returns:
        `Vectors`.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The vectors have another width, no word is in the vocabulary, or the file is
            damaged.
        TypeError: The vocabulary holds something other than strings.
    """
    for token in vocabulary:
        if not isinstance(token, str):
            raise TypeError(f"expected tokens as strings; received {reprlib.repr(token)}")
    tokens_by_word = _spellings(vocabulary)
    matrix = np.zeros((len(vocabulary), width), np.float32)
    ranks = [np.inf] * len(vocabulary)
    for where, word, columns in _read_entries(path, width, tokens_by_word):
        rows = [(rank, row) for rank, row in tokens_by_word[word] if rank < ranks[row]]
        if rows:
            vector = _parse_vector(where, word, columns, width)
            for rank, row in rows:
                ranks[row], matrix[row] = rank, vector
    has_vector = np.isfinite(ranks)
    missing = [
        token
        for token, is_found in zip(vocabulary, has_vector)
        if not is_found and token not in SPECIAL_TOKENS
    ]
    if not has_vector.any():
        raise ValueError(
            f"{path}: expected vectors of words in the vocabulary; received none for its "
            f"{len(missing):,} tokens, such as {', '.join(missing[:3])}; use vectors of the "
            "same language"
        )
    return Vectors(matrix, has_vector, missing)


def _spellings(vocabulary):
    """Returns a dict from each word to look up to its tokens, as (rank of the spelling, row)."""
    tokens_by_word = {}
    for row, token in enumerate(vocabulary):
        if token not in SPECIAL_TOKENS:
            bare = unicodedata.normalize("NFC", token.replace(JOINER, "") or token)
            spellings = dict.fromkeys((token, bare, token.lower(), bare.lower()))
            for rank, word in enumerate(spellings):
                tokens_by_word.setdefault(word, []).append((rank, row))
    return tokens_by_word


def _read_entries(path, width, words):
    """Yields the file and line, the word and the columns of numbers of each entry for `words`."""
    # Splitting takes time, so only a line that begins like one of the words is split.
    openings = {word.partition(" ")[0] for word in words}
    is_checked = False
    for number, line in _read_text(path):
        where = f"{path}, line {number}"
        if not is_checked:
            if number == 1 and _is_header(where, line, width):
                continue
            _check_entry(where, line, width)
            is_checked = True
        if line.partition(" ")[0] in openings:
            word, *columns = line.rstrip(" ").rsplit(" ", width)
            if word in words:
                yield where, word, columns
    if not is_checked:
        raise ValueError(
            f"{path}: expected lines of a word and {width} numbers; received none: "
            "copy or download the file again"
        )


def _read_text(path):
    try:
        yield from read_lines(path)
    except NotUtf8Error as error:
        raise ValueError(f"{error}; {_BINARY}") from error


def _is_header(where, line, width):
    columns = line.split()
    if len(columns) != 2 or not all(column.isdecimal() for column in columns):
        return False
    if int(columns[1]) != width:
        raise _width_error(where, width, columns[1])
    return True


def _check_entry(where, line, width):
    """Checks the width of the first entry, whose word can contain spaces."""
    _, *columns = line.rstrip(" ").split(" ")
    count = len(list(itertools.takewhile(_is_number, reversed(columns))))
    if len(columns) == width or count == width:
        return
    if count:
        raise _width_error(where, width, count)
    raise ValueError(
        f"{where}: expected a word and {width} numbers, separated by spaces; received "
        f"{reprlib.repr(line)}; {_BINARY}"
    )


def _width_error(where, width, received):
    return ValueError(
        f"{where}: expected vectors of width {width} (embedding_dim); received {received}; "
        f"set embedding_dim={received}"
    )


def _parse_vector(where, word, columns, width):
    """Returns the vector of an entry, `[E]`."""
    if len(columns) < width:
        raise ValueError(
            f"{where}: expected {width} numbers; received {len(columns)}; the file is cut short "
            "or damaged: copy or download it again"
        )
    try:
        with np.errstate(over="ignore"):
            vector = np.array(columns, np.float32)
    except ValueError:
        wrong = next(column for column in columns if not _is_number(column))
        raise ValueError(
            f"{where}: expected numbers after {reprlib.repr(word)}; received "
            f"{reprlib.repr(wrong)}; fix or remove the line"
        ) from None
    if not np.isfinite(vector).all():
        wrong = columns[np.flatnonzero(~np.isfinite(vector))[0]]
        raise ValueError(
            f"{where}: expected finite numbers in the range of float32 after "
            f"{reprlib.repr(word)}; received {wrong}; fix or remove the line"
        )
    return vector


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
