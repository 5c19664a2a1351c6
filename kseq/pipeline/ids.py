"""The ids of the usable pairs of a split, perhaps with features and links: in files, or in RAM."""

import contextlib
import dataclasses
import os
import pathlib

import numpy as np

from kseq.sides.text_side import TextSide
from kseq.special_tokens import END

PARTS = ("source_ids", "source_lengths", "target_ids", "target_lengths")
FEATURES = ("feature_ids", "feature_lengths")
LINKS = ("links", "link_counts")
BLOCK = 2**22  # numbers that are read at once


@dataclasses.dataclass(frozen=True)
class EncodedPairs:
    """The ids of the usable pairs of a split, END included, in files.

    Args:
        folder: Folder of the files.
        split: `"train"` or `"valid"`.
        has_links: Whether there are files of links, too.
        has_features: Whether there are files of features, too.
    """

    folder: pathlib.Path
    split: str
    has_links: bool = False
    has_features: bool = False

    def paths(self):
        """Returns the files: ids and lengths of sources, targets, features, then of links."""
        parts = (*PARTS, *FEATURES * self.has_features, *LINKS * self.has_links)
        return [self.folder / f"{self.split}_{part}.int32" for part in parts]

    def chunks(self, start=0):
        """Yields source ids, source lengths, target ids and target lengths of some pairs.

        All are int32; ids of a side are in one array, `[tokens]`, lengths are `[N]`. Features and
        links follow in the same form, links as `kseq.pipeline.links.pack_links` returns them.

        Args:
            start: Number of pairs to leave out.
        """
        with open_all(self.paths(), "rb") as files_by_part:
            components = list(zip(files_by_part[::2], files_by_part[1::2]))
            for numbers, lengths in components:
                _skip(numbers, _read_sum(lengths, start))
            (_, source_lengths), *_ = components
            while (sources := _read(source_lengths, TextSide.pairs_per_chunk)).size:
                chunk = []
                for numbers, lengths in components:
                    is_first = lengths is source_lengths
                    counts = sources if is_first else _read_exactly(lengths, sources.size)
                    chunk += [_read_exactly(numbers, counts.sum()), counts]
                yield tuple(chunk)


class PairsInRam:
    """The ids of the usable pairs of a split, END included, in RAM.

    Args:
        has_links: Whether each pair has links, too.
        has_features: Whether each pair has features, too.
    """

    def __init__(self, has_links=False, has_features=False):
        self.has_links, self.has_features = has_links, has_features
        self._chunks = []

    def chunks(self, start=0):
        """Yields the same as `EncodedPairs.chunks`."""
        for chunk in self._chunks:
            count = len(chunk[1])
            left_out = min(start, count)
            start -= left_out
            if left_out < count:
                components = zip(chunk[::2], chunk[1::2])
                yield tuple(
                    part
                    for numbers, lengths in components
                    for part in (numbers[lengths[:left_out].sum() :], lengths[left_out:])
                )

    def add(self, columns, *links):
        """Appends ids and lengths of each column, with END after every sequence; and links."""
        self._chunks.append((*(part for column in columns for part in with_end(*column)), *links))

    def renumber(self, column, ids):
        """Replaces every id n of a column (source 0, target 1, features 2) by `ids[n]`."""
        for number, chunk in enumerate(self._chunks):
            parts = list(chunk)
            parts[2 * column] = ids[parts[2 * column]]
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
