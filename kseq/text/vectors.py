"""Pretrained word vectors, from the text files of word2vec, GloVe and fastText."""

import dataclasses
import itertools
import reprlib

import numpy as np

from kseq.corpora.lines import NotUtf8Error, read_lines
from kseq.special_tokens import SPECIAL_TOKENS

_JOINER = "￭"  # kseq.text.tokenizers.JOINER; importing it would load TensorFlow

_SHOWN = 10

_BINARY = (
    "save a binary file as text first, such as with gensim: "
    "KeyedVectors.load_word2vec_format(name, binary=True).save_word2vec_format(new_name)"
)


@dataclasses.dataclass(frozen=True, eq=False)
class Vectors:
    """The vectors that a file holds for a vocabulary of V tokens.

    Args:
        matrix: float32 `[V, width]`, by id; 0 where no vector was found.
        found: Whether one was, boolean `[V]`.
        missing: The tokens that have none, in the order of their ids. Special tokens are not
            among them: they are never looked up.
    """

    matrix: np.ndarray
    found: np.ndarray
    missing: list

    def describe(self):
        """Says how many tokens have a vector, and which of the first ones have none."""
        found = np.count_nonzero(self.found)
        text = f"vectors for {found:,} of {found + len(self.missing):,} tokens"
        if not self.missing:
            return text
        names = self.missing[:_SHOWN] + ["…"] * (len(self.missing) > _SHOWN)
        return f"{text}; missing: {', '.join(names)} ({len(self.missing):,})"


def load_vectors(path, vocabulary, width):
    """Reads the vectors of a vocabulary; those of other words are passed over.

    The vector of a token is that of the first of its spellings that the file has: as it is,
    without joiners (`l'￭` as `l'`), in lower case, in lower case without joiners. Of several
    lines for one word the first counts.

    Args:
        path: Text file, plain, `.gz` or `.zip`: on each line a word and `width` numbers,
            separated by spaces. A word may hold spaces itself, as some of GloVe's do. A first
            line "count width" may come before, as word2vec and fastText write it.
        vocabulary: Tokens in the order of their ids.
        width: Numbers per vector, the setting `embedding_dim`.

    Returns:
        `Vectors`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Its vectors have another width or are of other words only, or it is faulty.
    """
    wanted = _wanted(vocabulary)
    matrix = np.zeros((len(vocabulary), width), np.float32)
    ranks = [np.inf] * len(vocabulary)
    for where, word, columns in _read_entries(path, width, wanted):
        better = [(rank, row) for rank, row in wanted[word] if rank < ranks[row]]
        if better:
            vector = _parsed(where, word, columns, width)
            for rank, row in better:
                ranks[row], matrix[row] = rank, vector
    found = np.isfinite(ranks)
    missing = [
        token
        for token, has_vector in zip(vocabulary, found)
        if not has_vector and token not in SPECIAL_TOKENS
    ]
    if not found.any():
        raise ValueError(
            f"{path}: expected vectors of words in the vocabulary; received none for its "
            f"{len(missing):,} tokens, such as {', '.join(missing[:3])}; take vectors of the "
            "same language"
        )
    return Vectors(matrix, found, missing)


def _wanted(vocabulary):
    """The words to look for: a dict from each to the tokens it may serve, as (rank, row)."""
    wanted = {}
    for row, token in enumerate(vocabulary):
        if token not in SPECIAL_TOKENS:
            bare = token.replace(_JOINER, "") or token
            spellings = dict.fromkeys((token, bare, token.lower(), bare.lower()))
            for rank, word in enumerate(spellings):
                wanted.setdefault(word, []).append((rank, row))
    return wanted


def _read_entries(path, width, wanted):
    """Yields where a wanted word stands, the word, and the columns of its numbers."""
    # Splitting takes time, so only a line that begins like a wanted word is split.
    openings = {word.partition(" ")[0] for word in wanted}
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
            if word in wanted:
                yield where, word, columns
    if not is_checked:
        raise ValueError(
            f"{path}: expected lines of a word and {width} numbers; received none: "
            "copy or download the file anew"
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
        raise _other_width(where, width, columns[1])
    return True


def _check_entry(where, line, width):
    """Checks the width of the first entry; a word with spaces may stand before its numbers."""
    _, *columns = line.rstrip(" ").split(" ")
    count = len(list(itertools.takewhile(_is_number, reversed(columns))))
    if len(columns) == width or count == width:
        return
    if count:
        raise _other_width(where, width, count)
    raise ValueError(
        f"{where}: expected a word and {width} numbers, separated by spaces; received "
        f"{reprlib.repr(line)}; {_BINARY}"
    )


def _other_width(where, width, received):
    return ValueError(
        f"{where}: expected vectors of width {width} (embedding_dim), received {received}; "
        f"set embedding_dim={received}"
    )


def _parsed(where, word, columns, width):
    """The vector that the columns of an entry spell, `[width]`."""
    if len(columns) < width:
        raise ValueError(
            f"{where}: expected {width} numbers, received {len(columns)}; the file is cut short "
            "or damaged: copy or download it anew"
        )
    try:
        with np.errstate(over="ignore"):
            vector = np.array(columns, np.float32)
    except ValueError:
        wrong = next(column for column in columns if not _is_number(column))
        raise ValueError(
            f"{where}: expected numbers after {reprlib.repr(word)}, received "
            f"{reprlib.repr(wrong)}; mend or remove the line"
        ) from None
    if not np.isfinite(vector).all():
        wrong = columns[np.flatnonzero(~np.isfinite(vector))[0]]
        raise ValueError(
            f"{where}: expected finite numbers in the range of float32 after "
            f"{reprlib.repr(word)}, received {wrong}; mend or remove the line"
        )
    return vector


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
