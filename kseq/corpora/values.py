"""Pairs with sequences of real values, such as speech features, as sources or targets."""

import contextlib
import functools
import os
import pathlib

from kseq.corpora import lines
from kseq.corpora.arrays import check_values, read_values
from kseq.errors import SettingError

_SIDES = ("source", "target")
_RECORDS = (".tfrecord", ".tfrecords", ".tfrecord.gz", ".tfrecords.gz")


class ValuePairs:
    """Pairs with real values on one side or both, read from disk again by every iteration.

    A side is a string or a float32 array `[length, features]`, the same kind in every pair. Pairs
    with an empty text are left out; any other fault of the data is an error that names the file
    and the line or the record.

    Args:
        file: An index, which is a TSV of sources and targets whose columns name `.npy` files
            relative to its folder; or a `.tfrecord` that `write_records` wrote. Both may be
            gzipped (`.gz`).
        keeps: Function that returns whether a source belongs to the split; all do by default. Its
            argument is the column of the index, a string, or the source in a TFRecord, bytes.
        allow_outside: Whether an index may name files outside its folder. An index from a stranger
            could make kseq open any file, even on another machine. Links are followed.

    Attributes:
        blank: Number of pairs left out because a text is empty; None until an iteration has reached
            the end.
        shared: 0; `Pairs` counts the pairs that share a side with another split.
    """

    shared = 0

    def __init__(self, file, keeps=None, allow_outside=False):
        self.files = (pathlib.Path(file),)
        self.blank = None
        self._keeps = keeps or (lambda key: True)
        self._allow_outside = allow_outside

    @classmethod
    def open(cls, file, allow_outside=False):
        """Opens a file, and checks that its first pair can be read.

        Args:
            file: As for `ValuePairs`.
            allow_outside: As for `ValuePairs`.

        Raises:
            FileNotFoundError: The file, or a file named in its first pair, is missing.
            ValueError: No pair can be read.
        """
        pairs = cls(file, allow_outside=allow_outside)
        lines.require_lasting_file(pairs.files[0])
        _ = pairs.features
        return pairs

    @functools.cached_property
    def features(self):
        """Values per frame of source and target in the first pair; 0 for text."""
        for where, _, sides in _read_sides(self.files[0], self._allow_outside):
            if not _is_blank(sides):
                features = _features(_load(where, sides))
                if not any(features):
                    raise ValueError(
                        f"{where}: expected values on at least one side, such as the name of a "
                        ".npy file; received text on both"
                    )
                return features
        raise ValueError(f"{self}: no pair of two non-empty sides")

    def __iter__(self):
        """Yields the source and the target of each pair."""
        blank = 0
        for where, _, sides in self._read():
            if _is_blank(sides):
                blank += 1
            else:
                yield _load(where, sides, self.features)
        self.blank = blank

    def keys(self):
        """Yields the argument of `keeps` for every pair, without reading the arrays of an index."""
        return (key for _, key, sides in self._read() if not _is_blank(sides))

    def select(self, keeps):
        """Returns a split of the pairs for whose source `keeps` returns true.

        Args:
            keeps: Function of a source, as for `ValuePairs`.
        """
        return ValuePairs(
            self.files[0], lambda key: self._keeps(key) and keeps(key), self._allow_outside
        )

    def __str__(self):
        return str(self.files[0])

    def _read(self):
        """Yields the same as `_read_sides`, for the pairs of this split."""
        for where, key, sides in _read_sides(self.files[0], self._allow_outside):
            if self._keeps(key):
                yield where, key, sides


def is_value_file(path):
    """Returns whether a file is for `ValuePairs`: a TFRecord, or an index of `.npy` files.

    For an index, the first pair decides. A file that cannot be read is not a value file.
    """
    path = pathlib.Path(path)
    try:
        if not path.is_file() or holds_records(path):
            return path.is_file()
        with contextlib.closing(lines.read_lines(path)) as numbered:
            first = next((line for _, line in numbered if line.strip()), "")
    except (OSError, ValueError):
        return False
    columns = filter(_names_array, first.split("\t")[:2])
    # A sentence may look like the name of a file.
    return any(
        " " not in name.strip() or (_is_below(name) and (path.parent / name.strip()).exists())
        for name in columns
    )


def write_records(path, pairs):
    """Writes pairs to a TFRecord file for `ValuePairs`, completely or not at all.

    Args:
        path: Name of the file; it ends in `.tfrecord`, or in `.tfrecord.gz` to be gzipped.
        pairs: Iterable of (source, target), each a string or an array `[length, features]`.

    Raises:
        ValueError: The name has another ending, there is no pair, or a pair is invalid.
        OSError: The file cannot be written.
    """
    from kseq.corpora.records import write_examples

    path = pathlib.Path(path)
    if not holds_records(path):
        raise ValueError(f"{path}: expected a name that ends in {', '.join(_RECORDS)}")

    def check_pairs():
        features = None
        for number, sides in enumerate(pairs, start=1):
            where = f"pair {number} for {path}"
            if not isinstance(sides, (tuple, list)) or len(sides) != 2:
                raise ValueError(f"{where}: expected source and target; received {sides!r:.80}")
            pair = _load(where, sides, features)
            if not any(_features(pair)):
                raise ValueError(
                    f"{where}: expected an array on at least one side; received text on both, "
                    "which belongs in a TSV"
                )
            features = features or _features(pair)
            yield pair
        if features is None:
            raise ValueError(f"{path}: expected at least one pair; received none")

    write_examples(path, check_pairs())


def holds_records(path):
    """Returns whether a file is a TFRecord, judging by its name."""
    return str(path).endswith(_RECORDS)


def _names_array(column):
    """Returns whether a column is the name of a `.npy` file."""
    return column.strip().lower().endswith(".npy")


def _is_below(name):
    """Returns whether the name of a file does not lead out of the folder that it starts from."""
    path = pathlib.PurePath(os.path.normpath(name.strip()))
    return not path.anchor and path.parts[0] != ".."


def _read_sides(path, allow_outside):
    """Yields the location of each pair, the argument of `keeps`, and strings, arrays or paths."""
    if holds_records(path):
        from kseq.corpora.records import read_examples

        for number, (source, target) in read_examples(path):
            key = source.encode() if isinstance(source, str) else source.tobytes()
            yield f"{path}, record {number}", key, (source, target)
    else:
        for number, *columns in lines.read_columns(path):
            where = f"{path}, line {number}"
            for name in filter(_names_array, columns):
                if not allow_outside and not _is_below(name):
                    raise SettingError(
                        "{0}: {1} is outside the folder of the index; move it there, or trust the "
                        "index and set {allow_outside}",
                        *(where, name.strip()),
                    )
            sides = [path.parent / side.strip() if _names_array(side) else side for side in columns]
            yield where, columns[0], sides


def _is_blank(sides):
    """Returns whether a side is an empty text."""
    return any(isinstance(side, str) and not side.strip() for side in sides)


def _load(where, sides, features=None):
    """Returns source and target, strings or arrays, with the features of the first pair."""
    pair = tuple(_load_side(f"{where}, {name}", side) for name, side in zip(_SIDES, sides))
    for name, side, received, expected in zip(_SIDES, sides, _features(pair), features or ()):
        if received != expected:
            raise ValueError(
                f"{where}, {name}: expected {_describe(expected)}, as in the first pair; "
                f"received {_describe(received, side)}"
            )
    return pair


def _load_side(where, side):
    """Returns a side, a string or an array, or the array in a file."""
    if isinstance(side, str):
        return side
    if not isinstance(side, pathlib.Path):
        return check_values(side, where)
    try:
        return read_values(side)
    except (ValueError, OSError) as error:
        raise type(error)(f"{where}: {error}") from error


def _features(pair):
    """Returns the features of both sides; 0 for text."""
    return tuple(0 if isinstance(side, str) else side.shape[1] for side in pair)


def _describe(features, side=None):
    """Describes a side by its number of features, and its file if there is one."""
    if not features:
        return "text"
    named = f" in {side}" if isinstance(side, pathlib.Path) else ""
    return f"{features} features per frame{named}"
