"""The ids of the usable pairs of a split: in files, or in RAM."""

import contextlib
import dataclasses
import os
import pathlib

import numpy as np

from kseq.sides.text_side import TextSide
from kseq.special_tokens import END

PARTS = ("source_ids", "source_lengths", "target_ids", "target_lengths")
BLOCK = 2**22  # numbers that are read at once


@dataclasses.dataclass(frozen=True)
class EncodedPairs:
    """The ids of the usable pairs of a split, END included, in files.

    Args:
        folder: Folder of the files.
        split: `"train"` or `"valid"`.
    """

    folder: pathlib.Path
    split: str

    def paths(self):
        """Returns the files: source ids, source lengths, target ids, target lengths."""
        return [self.folder / f"{self.split}_{part}.int32" for part in PARTS]

    def chunks(self, start=0):
        """Yields source ids, source lengths, target ids and target lengths of some pairs.

        All are int32; ids of a side are in one array, `[tokens]`, lengths are `[N]`.

        Args:
            start: Number of pairs to leave out.
        """
        with open_all(self.paths(), "rb") as files_by_part:
            source_ids, source_lengths, target_ids, target_lengths = files_by_part
            for ids, lengths in ((source_ids, source_lengths), (target_ids, target_lengths)):
                _skip(ids, _read_sum(lengths, start))
            while (sources := _read(source_lengths, TextSide.pairs_per_chunk)).size:
                targets = _read_exactly(target_lengths, sources.size)
                yield (
                    *(_read_exactly(source_ids, sources.sum()), sources),
                    *(_read_exactly(target_ids, targets.sum()), targets),
                )


class PairsInRam:
    """The ids of the usable pairs of a split, END included, in RAM."""

    def __init__(self):
        self._chunks = []

    def chunks(self, start=0):
        """Yields the same as `EncodedPairs.chunks`."""
        for source_ids, source_lengths, target_ids, target_lengths in self._chunks:
            left_out = min(start, len(source_lengths))
            start -= left_out
            if left_out < len(source_lengths):
                yield (
                    *(source_ids[source_lengths[:left_out].sum() :], source_lengths[left_out:]),
                    *(target_ids[target_lengths[:left_out].sum() :], target_lengths[left_out:]),
                )

    def add(self, sides):
        """Appends ids and lengths of both sides; END is added to every sequence."""
        self._chunks.append(tuple(part for side in sides for part in with_end(*side)))

    def renumber(self, side, ids):
        """Replaces every id n of a side, 0 or 1, by `ids[n]`."""
        for number, chunk in enumerate(self._chunks):
            parts = list(chunk)
            parts[2 * side] = ids[parts[2 * side]]
            self._chunks[number] = tuple(parts)


def with_end(ids, lengths):
    """Adds END to every sequence; returns the ids of all sequences and their lengths."""
    lengths = lengths.astype(np.int32) + 1
    is_end = np.zeros(lengths.sum(), bool)
    is_end[np.cumsum(lengths) - 1] = True
    ids_with_end = np.full(is_end.size, END, np.int32)
    ids_with_end[~is_end] = ids
    return ids_with_end, lengths


@contextlib.contextmanager
def open_all(paths, mode):
    """Yields open files."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(open(path, mode)) for path in paths]


def _read(file, count):
    return np.fromfile(file, np.int32, count)


def _read_sum(file, count):
    """Reads numbers and returns their sum."""
    total = 0
    while count:
        numbers = _read_exactly(file, min(count, BLOCK))
        total += int(numbers.sum(dtype=np.int64))
        count -= numbers.size
    return total


def _skip(file, count):
    file.seek(count * np.dtype(np.int32).itemsize, os.SEEK_CUR)


def _read_exactly(file, count):
    numbers = _read(file, count)
    if numbers.size < count:
        raise ValueError(f"{file.name}: truncated since training began; train again")
    return numbers
