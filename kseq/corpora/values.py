"""Pairs with sequences of real values, such as speech features, as sources or targets."""

import contextlib
import functools
import os
import pathlib
from collections.abc import Iterable
from typing import Any

from kseq.corpora import lines
from kseq.corpora.arrays import check_values, read_values
from kseq.corpora.lines import FaultyLineError
from kseq.corpora.tables import scan_pairs
from kseq.errors import SettingError
from kseq.path_names import PathName

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
        columns: The columns of an index: result of `kseq.corpora.columns.check_columns`.
        skip_faulty: Whether pairs that cannot be used are left out and counted.
        allow_outside: Whether an index may name files outside its folder. An index from a stranger
            could make kseq open any file, even on another machine. Links are followed.

    Attributes:
        blank: Number of pairs left out because a text is empty; None until an iteration has reached
            the end.
        shared: 0; `Pairs` counts the pairs that share a side with another split.
        faulty: Number of faulty pairs left out; None until then, too.
    """

    shared = previous_turns = 0
    has_features = False
    has_sources = True
    noun = "pair"

    def __init__(self, file, keeps=None, *, columns=None, skip_faulty=False, allow_outside=False):
        self.files = (pathlib.Path(file),)
        self.blank = self.faulty = None
        self._keeps = keeps or (lambda key: True)
        self._columns = columns
        self._skip_faulty = skip_faulty
        self._allow_outside = allow_outside
        self._counts_faulty = True

    @classmethod
    def open(cls, file, **options):
        """Opens a file, and checks that its first pair can be read.

        Args:
            file: As for `ValuePairs`.
            **options: `columns`, `skip_faulty` and `allow_outside`, as for `ValuePairs`.

        Raises:
            FileNotFoundError: The file, or a file named in its first pair, is missing.
            ValueError: No pair can be read.
        """
        pairs = cls(file, **options)
        lines.require_lasting_file(pairs.files[0])
        _ = pairs.features
        return pairs

    @functools.cached_property
    def features(self):
        """Values per frame of source and target in the first pair; 0 for text."""
        for pair in self._load_pairs(self._scan(), None):
            features = _features(pair)
            if not any(features):
                raise ValueError(
                    f"{self}: expected values on at least one side of the first pair, such as the "
                    "name of a .npy file; received text on both"
                )
            return features
        raise ValueError(f"{self}: no pair of two non-empty sides")

    def __iter__(self):
        """Yields the source and the target of each pair."""
        return self._load_pairs(self._read(), self.features)

    def _load_pairs(self, scanned, features):
        """Yields the pairs that are not blank; loads arrays, and counts what is left out."""
        blank = faulty = 0
        for where, key, sides in scanned:
            try:
                if isinstance(sides, FaultyLineError):
                    raise sides
                if _is_blank(sides):
                    blank += 1
                    continue
                pair = _load(where, sides, features)
            except (ValueError, OSError):
                if not self._skip_faulty:
                    raise
                faulty += key is not None or self._counts_faulty
            else:
                yield pair
        self.blank, self.faulty = blank, faulty

    def keys(self):
        """Yields the argument of `keeps` for every pair, without reading the arrays of an index."""
        return (
            key
            for _, key, sides in self._read()
            if not isinstance(sides, FaultyLineError) and not _is_blank(sides)
        )

    def select(self, keeps, counts_faulty=True):
        """Returns a split of the pairs for whose source `keeps` returns true.

        Args:
            keeps: Function of a source, as for `ValuePairs`.
            counts_faulty: Whether faulty lines, which have no source, count as part of the split.
        """
        selected = ValuePairs(
            self.files[0],
            lambda key: self._keeps(key) and keeps(key),
            columns=self._columns,
            skip_faulty=self._skip_faulty,
            allow_outside=self._allow_outside,
        )
        selected._counts_faulty = counts_faulty
        return selected

    def __str__(self):
        return str(self.files[0])

    def _read(self):
        """Yields the same as `_scan`, for the pairs of this split."""
        for where, key, sides in self._scan():
            if key is None or self._keeps(key):
                yield where, key, sides

    def _scan(self):
        return _scan_sides(self.files[0], self._columns, self._allow_outside)


def is_value_file(path, columns=None):
    """Returns whether a file is for `ValuePairs`: a TFRecord, or an index of `.npy` files.

    For an index, the first pair decides. A file that cannot be read is not a value file.

    Args:
        path: Path of the file.
        columns: The columns of an index, as for `ValuePairs`.
    """
    path = pathlib.Path(path)
    try:
        if not path.is_file() or holds_records(path):
            return path.is_file()
        with contextlib.closing(scan_pairs(path, columns)) as numbered:
            pairs = (pair for _, pair in numbered if not isinstance(pair, FaultyLineError))
            first = next((pair for pair in pairs if any(map(str.strip, pair))), ())
    except (OSError, ValueError):
        return False
    names = filter(_names_array, first)
    # A sentence may look like the name of a file.
    return any(
        " " not in name.strip() or (_is_below(name) and (path.parent / name.strip()).exists())
        for name in names
    )


def write_records(path: PathName, pairs: Iterable[Any]) -> None:
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


def _scan_sides(path, columns, allow_outside):
    """Yields the location of each pair, the argument of `keeps`, and its sides.

    The sides are strings, arrays or paths; or a `FaultyLineError`, with None as the argument.
    """
    if holds_records(path):
        from kseq.corpora.records import read_examples

        for number, (source, target) in read_examples(path):
            key = source.encode() if isinstance(source, str) else source.tobytes()
            yield f"{path}, record {number}", key, (source, target)
    else:
        for number, pair in scan_pairs(path, columns):
            where = f"{path}, line {number}"
            if isinstance(pair, FaultyLineError):
                yield where, None, pair
                continue
            for name in filter(_names_array, pair):
                if not allow_outside and not _is_below(name):
                    raise SettingError(
                        "{0}: {1} is outside the folder of the index; move it there, or trust the "
                        "index and set {allow_outside}",
                        *(where, name.strip()),
                    )
            sides = [path.parent / name.strip() if _names_array(name) else name for name in pair]
            yield where, pair[0], sides


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
