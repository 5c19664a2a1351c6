"""The pairs of one split: strings, streamed from files or held in RAM."""

import functools
import itertools

from kseq.corpora.dialogues import Dialogues
from kseq.corpora.featured import FeaturedText, is_complete, swap_sides
from kseq.corpora.fingerprints import PairSet
from kseq.corpora.gold_alignments import read_alignments
from kseq.corpora.in_memory import PairsInMemory
from kseq.corpora.lines import FaultyLineError
from kseq.corpora.pair_files import PairFiles
from kseq.corpora.texts import Texts
from kseq.corpora.value_sides import names_values

_CHECKED_PAIRS = 10  # pairs that must be text for a file to be opened as text
_REPORTED_FAULTS = 3


class Pairs:
    """The pairs of one split, read again by every iteration.

    A source with features is a `FeaturedText`. The texts of a language model are pairs, too, with
    an empty source. Pairs with an empty side or without features are left out, and so are empty
    texts; any other fault of the data is an error that names the file and the line, unless faulty
    lines are skipped.

    Args:
        files: Names that `kseq.corpora.pair_files.PairFiles` accepts; or a `PairFiles`,
            `PairsInMemory`, `Texts` or `Dialogues`.
        keeps: Function of what decides on the split of a pair, usually its source, that returns
            whether it belongs to the split; all do by default.
        swap: Whether the second column, or the second file, is the source.
        skip_faulty: Whether lines that cannot be used are left out and counted.

    Attributes:
        features: Values per frame of source and target, as `ValuePairs` has them: 0 for text.
        blank: Number of pairs left out because a side is empty; None until an iteration has reached
            the end. Empty lines between texts are not counted.
        shared: Number of pairs left out by `apart_from`; None until then, too.
        faulty: Number of faulty lines left out; None until then, too.
        first_faults: The first `FaultyLineError`s among them.
    """

    features = (0, 0)
    covariates, sample_rate = 0, None  # of real values

    def __init__(self, files, keeps=None, swap=False, skip_faulty=False):
        is_open = isinstance(files, (PairFiles, PairsInMemory, Texts, Dialogues))
        self._files = files if is_open else PairFiles(files)
        self.blank = self.shared = self.faulty = None
        self.first_faults = ()
        self._keeps = keeps or (lambda key: True)
        self._swap = swap
        self._skip_faulty = skip_faulty
        self._counts_faulty = True
        self._excluded = None

    @classmethod
    def open(cls, files, swap=False, skip_faulty=False):
        """Opens files of pairs, and checks that they hold at least one.

        Args:
            files, swap, skip_faulty: As for `Pairs`.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: No pair can be read.

        Warns:
            DoubtfulColumnsWarning: The columns of a table look wrong.
        """
        pairs = cls(files, swap=swap, skip_faulty=skip_faulty)
        pairs._files.warn_about_columns()
        first = list(itertools.islice(pairs, _CHECKED_PAIRS))
        if not first:
            faults = "".join(f"; {fault}" for fault in pairs.first_faults[:1])
            expected = "pair of two non-empty sides" if pairs.has_sources else "text"
            expected = "turn and its reply" if pairs.previous_turns else expected
            raise ValueError(f"{pairs}: no {expected}{faults}")
        for side in itertools.chain(*first):
            if names_values(side) and " " not in side.strip():
                raise ValueError(
                    f"{pairs}: expected text, or an index of real values, which is one TSV whose "
                    f"first line is a pair; received the file {side} after text or in another "
                    "file; remove the header, or join both columns in one TSV"
                )
        return pairs

    @property
    def has_features(self):
        """Whether every source is a `FeaturedText`."""
        return self._files.has_features

    @property
    def has_sources(self):
        """Whether pairs have a source; the texts of a language model have none."""
        return self._files.has_sources

    @property
    def noun(self):
        """What the split holds: `"pair"` or `"text"`."""
        return "pair" if self.has_sources else "text"

    @property
    def previous_turns(self):
        """The largest number of turns in a source; 0 unless sources are conversations."""
        return self._files.previous_turns

    @property
    def files(self):
        """The files, sources before targets."""
        return self._files.paths

    def has_files_of(self, other):
        """Returns whether this split and another one are from the same files, or one object."""
        return self._files is other._files or (self.files == other.files != ())

    def __iter__(self):
        """Yields the source and the target of each pair."""
        blank = 0
        for _, _, pair in self._scan_counting():
            if isinstance(pair, FaultyLineError):
                continue
            if self._is_complete(pair):
                yield pair
            else:
                blank += self.has_sources
        self.blank = blank

    def _is_complete(self, pair):
        return is_complete(pair) if self.has_sources else bool(pair[1].strip())

    def with_blank(self):
        """Yields a pair for every line, also if a side is empty; both are for a faulty line."""
        blank = (FeaturedText("", "") if self.has_features else ""), ""
        for _, _, pair in self._scan_counting():
            yield blank if isinstance(pair, FaultyLineError) else pair

    def with_places(self):
        """Yields the file, the line number, the source and the target of every line."""
        for path, number, pair in self._scan_counting():
            if not isinstance(pair, FaultyLineError):
                yield path, number, *pair

    def _scan_counting(self):
        """Yields the same as `scan`; counts faulty lines, or raises the first one."""
        faulty, self.first_faults = 0, ()
        for path, number, pair in self.scan():
            if isinstance(pair, FaultyLineError):
                if not self._skip_faulty:
                    raise pair
                faulty += 1
                self.first_faults = (*self.first_faults, pair)[:_REPORTED_FAULTS]
            yield path, number, pair
        self.faulty = faulty if self._counts_faulty else 0

    def scan(self):
        """Yields the file, the line number and the pair, or a `FaultyLineError`, of every line."""
        shared = 0
        for path, number, pair in self._files.scan():
            if isinstance(pair, FaultyLineError):
                yield path, number, pair
                continue
            pair = swap_sides(pair) if self._swap else pair
            if self._keeps(self._files.split_key(pair)):
                stripped = _strip_sides(pair)
                is_used = self._excluded is not None and is_complete(pair)
                if is_used and stripped in self._excluded:
                    shared += 1
                else:
                    yield path, number, pair
        self.shared = shared

    def keys(self):
        """Yields the argument of `keeps` for every pair: usually its source sentence."""
        for pair in self:
            yield self._files.split_key(pair)

    def select(self, keeps, counts_faulty=True):
        """Returns a split of the pairs for whose key `keeps` returns true.

        Args:
            keeps: Function of one of the `keys`.
            counts_faulty: Whether faulty lines, which have no source, count as part of the split.
        """
        selected = self._split(lambda key: self._keeps(key) and keeps(key), self._excluded)
        selected._counts_faulty = counts_faulty
        return selected

    def apart_from(self, *splits):
        """Returns a split of the pairs that share no side with other splits.

        Args:
            *splits: `Pairs`, which are read when an iteration begins; each of their pairs takes 24
                to 96 bytes of RAM.
        """
        excluded = () if self._excluded is None else self._excluded.splits
        return self._split(self._keeps, _LazyPairSet((*excluded, *splits)))

    def _split(self, keeps, excluded):
        pairs = Pairs(self._files, keeps, self._swap, self._skip_faulty)
        pairs._excluded = excluded
        pairs._counts_faulty = self._counts_faulty
        return pairs

    def __str__(self):
        return str(self._files)


class AlignedPairs(Pairs):
    """The pairs of one split, each with the links between its words.

    Every iteration yields the source, the target and the links, a set of (source, target)
    positions. It reads the pairs and the links line by line.

    Args:
        pairs: `Pairs`.
        alignments: File of word alignments in Pharaoh format, with a line for each line of the
            files of the pairs, whether or not it belongs to the split.

    Attributes:
        alignments: The argument.
    """

    def __init__(self, pairs, alignments):
        self._lines = _AlignedLines(pairs._files, alignments)
        super().__init__(pairs._files, pairs._keeps, pairs._swap, pairs._skip_faulty)
        self._files = self._lines
        self._counts_faulty = pairs._counts_faulty
        self._excluded = pairs._excluded
        self.alignments = alignments

    @property
    def files(self):
        """The files: sources before targets, then the alignments."""
        return (*super().files, self.alignments)

    def __iter__(self):
        """Yields the source, the target and the links of each pair."""
        for source, target in super().__iter__():
            yield source, target, self._lines.links


class _AlignedLines:
    """Lines of pairs, read together with those of a file of alignments.

    Attributes:
        links: The links of the line that was read last.
    """

    def __init__(self, files, alignments):
        self._files, self._alignments = files, alignments
        self.paths, self.has_features, self.links = files.paths, files.has_features, None
        self.has_sources, self.previous_turns = files.has_sources, files.previous_turns
        self.split_key = files.split_key

    def scan(self):
        """Yields the same as `PairFiles.scan`."""
        lines = itertools.zip_longest(self._files.scan(), read_alignments(self._alignments))
        for number, (line, self.links) in enumerate(lines):
            if line is None or self.links is None:
                fewer = "fewer" if self.links is None else "more"
                raise ValueError(
                    f"{self._alignments}: expected a line of links for each line of {self._files}; "
                    f"received {fewer} ({number:,} lines have a counterpart)"
                )
            yield line

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
