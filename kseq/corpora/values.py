"""Pairs with sequences of real values, such as sensor data or speech, as sources or targets."""

import contextlib
import copy
import functools
import os
import pathlib
from collections.abc import Iterable
from typing import Any

from kseq.corpora import lines
from kseq.corpora.lines import FaultyLineError
from kseq.corpora.recordings import Recording
from kseq.corpora.tables import scan_pairs
from kseq.corpora.value_sides import (
    SAMPLES,
    join_columns,
    load_columns,
    names_values,
    widths_of,
)
from kseq.errors import SettingError
from kseq.path_names import PathName

_RECORDS = (".tfrecord", ".tfrecords", ".tfrecord.gz", ".tfrecords.gz")
_REPORTED_FAULTS = 3
_KEPT = 2**30  # bytes of frames that are kept in RAM


class ValuePairs:
    """Pairs with real values on one side or both, read from disk again by every iteration.

    A side is a string or a float32 array `[length, features]`, the same kind in every pair; a
    source may also be a `Recording`. Covariates are the last columns of a target. Pairs with an
    empty text are left out; any other fault of the data is an error that names the file and the
    line or the record.

    Args:
        file: An index, which is a TSV of sources and targets whose columns name `.npy` files, or
            `.wav` files of sources, relative to its folder; or a `.tfrecord` that `write_records`
            wrote. Both may be gzipped (`.gz`).
        keeps: Function that returns whether a source belongs to the split; all do by default. Its
            argument is the column of the index, a string, or the source in a TFRecord, bytes.
        columns: The columns of an index: result of `kseq.corpora.columns.check_columns`; a third
            one names covariates.
        skip_faulty: Whether pairs that cannot be used are left out and counted.
        allow_outside: Whether an index may name files outside its folder. An index from a stranger
            could make kseq open any file, even on another machine. Links are followed.

    Attributes:
        blank: Number of pairs left out because a text is empty; None until an iteration has reached
            the end.
        shared: 0; `Pairs` counts the pairs that share a side with another split.
        faulty: Number of faulty pairs left out; None until then, too.
        first_faults: The first errors among them.
    """

    shared = previous_turns = 0
    has_features = False
    has_sources = True
    noun = "pair"

    def __init__(self, file, keeps=None, *, columns=None, skip_faulty=False, allow_outside=False):
        self.files = (pathlib.Path(file),)
        self.blank = self.faulty = None
        self.first_faults = ()
        self._keeps = keeps or (lambda key: True)
        self._columns = columns
        self._skip_faulty = skip_faulty
        self._allow_outside = allow_outside
        self._counts_faulty = True
        self._framed = self._to_frames = self._kept = None
        self._room = 0

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
    def _first(self):
        """The widths of the columns of the first pair, and its samples per second or None."""
        for where, _, sides in self._scan():
            if isinstance(sides, FaultyLineError) and not self._skip_faulty:
                raise sides
            if isinstance(sides, FaultyLineError) or _is_blank(sides):
                continue
            try:
                columns = load_columns(where, sides)
                join_columns(where, columns)
            except (ValueError, OSError):
                if not self._skip_faulty:
                    raise
                continue
            source, widths = columns[0], widths_of(columns)
            if not any(widths):
                raise ValueError(
                    f"{self}: expected values on at least one side of the first pair, such as the "
                    "name of a .npy file; received text on both"
                )
            return widths, source.sample_rate if isinstance(source, Recording) else None
        raise ValueError(f"{self}: no pair of two non-empty sides")

    @property
    def features(self):
        """Values per frame of source and target in the first pair; 0 for text.

        For recordings it is `kseq.corpora.value_sides.SAMPLES`: settings determine the frames.
        """
        return self._first[0][:2]

    @property
    def covariates(self):
        """Known inputs of each step of a target, C, in the first pair; 0 if there are none."""
        return sum(self._first[0][2:])

    @property
    def sample_rate(self):
        """Samples per second of the first recording; None if sources are something else."""
        return self._first[1]

    def __iter__(self):
        """Yields the source and the target of each pair."""
        blank = faulty = 0
        self.first_faults = ()
        widths, _ = self._first
        for number, (where, key, sides) in enumerate(self._read()):
            if self._kept is not None and number in self._kept:
                yield self._kept[number]
                continue
            try:
                if isinstance(sides, FaultyLineError):
                    raise sides
                if _is_blank(sides):
                    blank += 1
                    continue
                pair = join_columns(where, load_columns(where, sides, widths))
                if self._to_frames is not None:
                    pair = self._frame(number, where, *pair)
            except (ValueError, OSError) as error:
                if not self._skip_faulty:
                    raise
                self.first_faults = (*self.first_faults, error)[:_REPORTED_FAULTS]
                faulty += key is not None or self._counts_faulty
            else:
                yield pair
        self.blank, self.faulty = blank, faulty

    def framed(self, to_frames):
        """Returns the same pairs with frames in place of recordings.

        Up to 1 GiB of frames are kept in RAM, until these pairs are no longer used; others are
        computed again whenever they are read.

        Args:
            to_frames: Function from a `Recording` to frames `[S, F]`; equal ones are the same.
        """
        if self.sample_rate is None or self._to_frames == to_frames:
            return self
        if self._framed is None or self._framed._to_frames != to_frames:
            self._framed = copy.copy(self)
            self._framed._to_frames, self._framed._kept = to_frames, {}
            self._framed._room = _KEPT
        return self._framed

    def _frame(self, number, where, recording, target):
        """Returns a pair with frames, which may be kept, in place of its recording."""
        try:
            pair = self._to_frames(recording), target
        except ValueError as error:
            raise ValueError(f"{where}, source: {error}") from error
        if pair[0].nbytes <= self._room:
            self._room -= pair[0].nbytes
            self._kept[number] = pair
        return pair

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
        selected = copy.copy(self)
        selected._keeps = lambda key: self._keeps(key) and keeps(key)
        selected._counts_faulty = counts_faulty
        selected._framed = None
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
    names = filter(names_values, first)
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
        widths = None
        for number, sides in enumerate(pairs, start=1):
            where = f"pair {number} for {path}"
            if not isinstance(sides, (tuple, list)) or len(sides) != 2:
                raise ValueError(f"{where}: expected source and target; received {sides!r:.80}")
            pair = load_columns(where, sides, widths)
            widths = widths or widths_of(pair)
            if not any(widths) or SAMPLES in widths:
                raise ValueError(
                    f"{where}: expected an array on at least one side; received text on both, "
                    "which belongs in a TSV"
                    if not any(widths)
                    else f"{where}: recordings stay in .wav files, which an index names"
                )
            yield pair
        if widths is None:
            raise ValueError(f"{path}: expected at least one pair; received none")

    write_examples(path, check_pairs())


def holds_records(path):
    """Returns whether a file is a TFRecord, judging by its name."""
    return str(path).endswith(_RECORDS)


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
            for name in filter(names_values, pair):
                if not allow_outside and not _is_below(name):
                    raise SettingError(
                        "{0}: {1} is outside the folder of the index; move it there, or trust the "
                        "index and set {allow_outside}",
                        *(where, name.strip()),
                    )
            sides = [path.parent / name.strip() if names_values(name) else name for name in pair]
            yield where, pair[0], sides


def _is_blank(sides):
    """Returns whether a side is an empty text."""
    return any(isinstance(side, str) and not side.strip() for side in sides)
