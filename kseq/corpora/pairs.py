"""Pairs of strings, streamed from the files people have."""

import functools
import itertools

from kseq.corpora.fingerprints import PairSet
from kseq.corpora.pair_files import PairFiles

_LOOKED_AT = 10  # pairs that must be text when a file of text is opened


class Pairs:
    """The pairs of one split, read anew from disk by every iteration.

    A pair with an empty side is left out; `blank` counts them once the split has been read
    to its end, as `shared` counts those left out by `apart_from`. Every other fault of the data
    is an error that names the file and the line.

    Args:
        files: Names as `kseq.corpora.pair_files.PairFiles` takes them: one TSV (source, tab,
            target; further columns are ignored) or several, or two files whose lines belong
            together.
        keeps: Tells of a source sentence whether it belongs to the split; all do by default.
        swap: Whether the second column, or the second file, is the source.
    """

    features = (0, 0)  # what `ValuePairs` has: text on both sides

    def __init__(self, files, keeps=None, swap=False):
        self._files = files if isinstance(files, PairFiles) else PairFiles(files)
        self.blank = self.shared = None
        self._keeps = keeps or (lambda source: True)
        self._swap = swap
        self._others = None

    @classmethod
    def open(cls, files, swap=False):
        """Opens files of pairs, and checks that they hold one.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: No pair can be read.
        """
        pairs = cls(files, swap=swap)
        first = list(itertools.islice(pairs, _LOOKED_AT))
        if not first:
            raise ValueError(f"{pairs}: no pair of two non-empty sides")
        for side in itertools.chain(*first):
            if side.lower().endswith(".npy") and " " not in side:
                raise ValueError(
                    f"{pairs}: expected text, or an index of real values, which is one TSV whose "
                    f"first line is a pair; received the file {side} behind text or in another "
                    "file; remove the header, or join both columns in one TSV"
                )
        return pairs

    @property
    def files(self):
        """The files, those of the sources before those of the targets."""
        return self._files.paths

    def __iter__(self):
        blank = 0
        for pair in self.with_blank():
            if all(_stripped(pair)):
                yield pair
            else:
                blank += 1
        self.blank = blank

    def with_blank(self):
        """Yields the pairs of all lines, those that are left out among them."""
        for _, _, source, target in self.with_places():
            yield source, target

    def with_places(self):
        """Yields the file, the line number, the source and the target of all lines."""
        shared = 0
        for path, number, *pair in self._files:
            source, target = reversed(pair) if self._swap else pair
            if self._keeps(source):
                stripped = _stripped((source, target))
                if self._others is not None and all(stripped) and stripped in self._others:
                    shared += 1
                else:
                    yield path, number, source, target
        self.shared = shared

    def keys(self):
        """Yields what `keeps` is asked of every pair: its source sentence."""
        for source, _ in self:
            yield source

    def select(self, keeps):
        """Returns those of these pairs of which `keeps` is true, as a split of their own."""
        selected = Pairs(
            self._files, lambda source: self._keeps(source) and keeps(source), self._swap
        )
        selected._others = self._others
        return selected

    def apart_from(self, *others):
        """Returns the pairs of which neither side stands in one of the others.

        Args:
            *others: `Pairs`, which are read when the first pair is asked for; 24 to 96 bytes are
                kept of each.
        """
        pairs = Pairs(self._files, self._keeps, self._swap)
        already = () if self._others is None else self._others.splits
        pairs._others = _SidesOf((*already, *others))
        return pairs

    def __str__(self):
        return str(self._files)


class _SidesOf:
    """The sides of all pairs of some splits, which are read when first asked for one."""

    def __init__(self, splits):
        self.splits = splits

    def __contains__(self, pair):
        return pair in self._pairs

    @functools.cached_property
    def _pairs(self):
        return PairSet("either", map(_stripped, itertools.chain(*self.splits)))


def _stripped(pair):
    return tuple(side.strip() for side in pair)
