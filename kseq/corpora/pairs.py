"""The pairs of one split: strings, streamed from files."""

import functools
import itertools

from kseq.corpora.fingerprints import PairSet
from kseq.corpora.pair_files import PairFiles

_CHECKED_PAIRS = 10  # pairs that must be text for a file to be opened as text


class Pairs:
    """The pairs of one split, read from disk again by every iteration.

    Pairs with an empty side are left out; any other fault of the data is an error that names the
    file and the line.

    Args:
        files: Names that `kseq.corpora.pair_files.PairFiles` accepts: one or several TSVs (source,
            tab, target; further columns are ignored), or two line-aligned files.
        keeps: Function of a source sentence that returns whether it belongs to the split; all do
            by default.
        swap: Whether the second column, or the second file, is the source.

    Attributes:
        features: Values per frame of source and target, as `ValuePairs` has them: 0 for text.
        blank: Number of pairs left out because a side is empty; None until an iteration has reached
            the end.
        shared: Number of pairs left out by `apart_from`; None until then, too.
    """

    features = (0, 0)

    def __init__(self, files, keeps=None, swap=False):
        self._files = files if isinstance(files, PairFiles) else PairFiles(files)
        self.blank = self.shared = None
        self._keeps = keeps or (lambda source: True)
        self._swap = swap
        self._excluded = None

    @classmethod
    def open(cls, files, swap=False):
        """Opens files of pairs, and checks that they hold at least one.

        Args:
            files, swap: As for `Pairs`.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: No pair can be read.
        """
        pairs = cls(files, swap=swap)
        first = list(itertools.islice(pairs, _CHECKED_PAIRS))
        if not first:
            raise ValueError(f"{pairs}: no pair of two non-empty sides")
        for side in itertools.chain(*first):
            if side.lower().endswith(".npy") and " " not in side:
                raise ValueError(
                    f"{pairs}: expected text, or an index of real values, which is one TSV whose "
                    f"first line is a pair; received the file {side} after text or in another "
                    "file; remove the header, or join both columns in one TSV"
                )
        return pairs

    @property
    def files(self):
        """The files, sources before targets."""
        return self._files.paths

    def __iter__(self):
        """Yields the source and the target of each pair."""
        blank = 0
        for pair in self.with_blank():
            if all(_strip_sides(pair)):
                yield pair
            else:
                blank += 1
        self.blank = blank

    def with_blank(self):
        """Yields the pairs of all lines, including those with an empty side."""
        for _, _, source, target in self.with_places():
            yield source, target

    def with_places(self):
        """Yields the file, the line number, the source and the target of every line."""
        shared = 0
        for path, number, *pair in self._files:
            source, target = reversed(pair) if self._swap else pair
            if self._keeps(source):
                stripped = _strip_sides((source, target))
                if self._excluded is not None and all(stripped) and stripped in self._excluded:
                    shared += 1
                else:
                    yield path, number, source, target
        self.shared = shared

    def keys(self):
        """Yields the argument of `keeps` for every pair: its source sentence."""
        for source, _ in self:
            yield source

    def select(self, keeps):
        """Returns a split of the pairs for whose source `keeps` returns true.

        Args:
            keeps: Function of a source sentence.
        """
        selected = Pairs(
            self._files, lambda source: self._keeps(source) and keeps(source), self._swap
        )
        selected._excluded = self._excluded
        return selected

    def apart_from(self, *splits):
        """Returns a split of the pairs that share no side with other splits.

        Args:
            *splits: `Pairs`, which are read when an iteration begins; each of their pairs takes 24
                to 96 bytes of RAM.
        """
        pairs = Pairs(self._files, self._keeps, self._swap)
        excluded = () if self._excluded is None else self._excluded.splits
        pairs._excluded = _LazyPairSet((*excluded, *splits))
        return pairs

    def __str__(self):
        return str(self._files)


class _LazyPairSet:
    """The set of all sides of some splits, which are read when the set is first used.

    Args:
        splits: Tuple of `Pairs`.
    """

    def __init__(self, splits):
        self.splits = splits

    def __contains__(self, pair):
        """Returns whether a side of a pair is in one of the splits."""
        return pair in self._pairs

    @functools.cached_property
    def _pairs(self):
        return PairSet("either", map(_strip_sides, itertools.chain(*self.splits)))


def _strip_sides(pair):
    """Returns a pair of strings without leading and trailing spaces."""
    return tuple(side.strip() for side in pair)
