"""A look at a corpus before training: its figures, and the pairs in it that look wrong."""

import array
import bisect
import collections
import itertools

import numpy as np

from kseq.config import TrainingConfig
from kseq.console import counted
from kseq.corpora.corpus import describe_features, open_pairs
from kseq.corpora.lines import chunks
from kseq.inspection.findings import Example, Inspection, LineRange, SplitFigures, Suspicion
from kseq.inspection.sides import SideModel, can_tell, runs_of, swapped_states
from kseq.inspection.suspicions import (
    KINDS,
    PAIR_BINS,
    RatioCounts,
    is_copied,
    text_suspicions,
)
from kseq.inspection.tally import SideTally, own_letters

PARTS = 50  # of the corpus, by which it is told where suspicious pairs stand

_CHUNK = 1024
_EXAMPLES = 3
_LONGEST = TrainingConfig().maximum_length
_CERTAIN = 50.0  # nats of evidence that scripts are: they tell alone, without the neighbours
_BITS = {kind: np.uint16(1 << number) for number, kind in enumerate(KINDS)}


def inspect(*files, valid=None, test=None, swap=False, verbose=True):
    """Looks through a corpus of text: counts it, and finds the pairs that look wrong.

    The files are read twice, and a third time as far as the last example. Memory grows with the
    number of different words, and by about 120 bytes with every pair.

    Args:
        *files: Files of pairs, or two files whose lines belong together, as `kseq.load_corpus`
            takes them.
        valid: File for validation, or a list of files, to be compared with the corpus.
        test: Likewise for testing.
        swap: Whether the second column, or the second of two files, is the source.
        verbose: Whether to count the pairs on the terminal.

    Returns:
        An `Inspection`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file cannot be read, holds no pairs, or holds real values.
    """
    others = {"valid": valid, "test": test}
    pairs, *rest = [_open(each, swap) for each in (files, *filter(None, others.values()))]
    first = _FirstReading()
    with counted("pairs read", verbose) as count:
        for places, sources, targets in _pair_chunks(pairs):
            first.add(places, sources, targets)
            count(len(sources))
    first.model.turn_to_majority()
    second = _SecondReading(first)
    with counted("pairs looked at", verbose) as count:
        for _, sources, targets in _pair_chunks(pairs):
            second.add(sources, targets)
            count(len(sources))
    second.find_swapped()
    names = [name for name, split in others.items() if split]
    splits = tuple(_compare(name, split, second) for name, split in zip(names, rest))
    return _inspection(pairs, first, second, splits)


def _open(files, swap):
    pairs = open_pairs(files, swap)
    if any(pairs.features):
        raise ValueError(
            f"{pairs}: expected text on both sides; received {describe_features(pairs.features)}"
        )
    return pairs


def _pair_chunks(pairs):
    """Places, sources and targets: a list of each for the next lines, blank ones among them."""
    for chunk in chunks(pairs.with_places(), _CHUNK):
        files, numbers, sources, targets = zip(*chunk)
        sides = ([side.strip() for side in each] for each in (sources, targets))
        yield (files, numbers), *sides


class _Places:
    """Where lines stand: files and the numbers of lines there, in flat memory."""

    def __init__(self):
        self._lines = array.array("I")
        self._starts = {}

    def add(self, files, numbers):
        """Adds the places of further lines."""
        for file, group in itertools.groupby(range(len(files)), files.__getitem__):
            self._starts.setdefault(str(file), len(self._lines) + next(group))
        self._lines.extend(numbers)

    def __getitem__(self, row):
        """The file and the number of a line."""
        starts = list(self._starts.values())
        return list(self._starts)[bisect.bisect_right(starts, row) - 1], self._lines[row]

    @property
    def files(self):
        """All files, a tuple."""
        return tuple(self._starts)

    def ranges(self, states, blank):
        """Runs of states, a tuple of `LineRange`; a blank line in between ends none."""
        ends = [*list(self._starts.values())[1:], len(self._lines)]
        found = []
        for (file, start), end in zip(self._starts.items(), ends):
            rows = start + np.flatnonzero(~blank[start:end])
            for run in runs_of(states[rows]):
                found.append(LineRange(file, *(self._lines[row] for row in rows[run])))
        return tuple(found)


class _FirstReading:
    """What can be counted of a pair without knowing the others."""

    def __init__(self):
        self.places = _Places()
        self.tallies = SideTally(), SideTally()
        self.ratios = RatioCounts()
        self.model = SideModel()
        self.lengths = collections.Counter()
        self.flags = []
        self.source_hashes, self.pair_hashes = array.array("q"), array.array("q")

    def add(self, places, sources, targets):
        """Counts the lines of a chunk."""
        self.places.add(*places)
        self.source_hashes.extend(map(hash, sources))
        self.pair_hashes.extend(map(hash, zip(sources, targets)))
        is_full = np.array([bool(pair[0] and pair[1]) for pair in zip(sources, targets)])
        flags = np.where(is_full, np.uint16(0), _BITS["blank"])
        self.flags.append(flags)
        full = [list(itertools.compress(side, is_full)) for side in (sources, targets)]
        if not full[0]:
            return
        words = [tally.add(side) for tally, side in zip(self.tallies, full)]
        overlong = np.maximum(*words) > _LONGEST
        flags[np.flatnonzero(is_full)[overlong]] |= _BITS["overlong"]
        lengths = [np.fromiter(map(len, side), np.int64, len(side)) for side in full]
        self.ratios.add(*lengths)
        self._add_lengths(lengths)
        self.model.learn(*full)

    def _add_lengths(self, lengths):
        bins = [np.rint(PAIR_BINS * np.log2(side)).astype(int) for side in lengths]
        cells, counts = np.unique(np.stack(bins), axis=1, return_counts=True)
        self.lengths.update(dict(zip(zip(*cells.tolist()), counts.tolist())))

    def pair_lengths(self):
        """Pairs by their lengths, as `Inspection.pair_lengths`."""
        return tuple(
            (round(2 ** (source / PAIR_BINS), 1), round(2 ** (target / PAIR_BINS), 1), count)
            for (source, target), count in sorted(self.lengths.items())
        )


class _SecondReading:
    """What can be said of a pair once all others are known."""

    def __init__(self, first):
        self.usual_ratio = first.ratios.usual()
        self.can_tell = False
        self.flags = np.concatenate(first.flags)
        self.repetitions = _Repetitions(first, self.flags)
        self._model = first.model
        self._own = own_letters([tally.letters for tally in first.tallies])
        self._evidence = np.zeros(len(self.flags), np.float32)
        self._done = 0

    def add(self, sources, targets):
        """Looks at the lines of a chunk."""
        place = slice(self._done, self._done + len(sources))
        self._done = place.stop
        flags = self.flags[place]
        self._evidence[place] = self.evidence(sources, targets)
        lengths = [np.fromiter(map(len, side), np.int64, len(side)) for side in (sources, targets)]
        flags[self.usual_ratio.is_exceeded(*lengths)] |= _BITS["unbalanced"]
        for row, pair in enumerate(zip(sources, targets)):
            for kind in self._kinds(*pair):
                flags[row] |= _BITS[kind]
        blank = (flags & _BITS["blank"]) > 0
        flags[blank] = _BITS["blank"]

    def _kinds(self, source, target):
        kinds = text_suspicions(f"{source}\n{target}")
        if is_copied(source, target):
            kinds.append("copied")
        elif any(map(_is_foreign, (source, target), self._own)):
            kinds.append("wrong_script")
        return kinds

    def evidence(self, sources, targets):
        """Evidence that pairs are the right way round: that of the scripts, and the spelling's."""
        evidence = self._model.evidence(sources, targets)
        for row, pair in enumerate(zip(sources, targets)):
            straight, crossed = (
                all(not own.isdisjoint(side) for own, side in zip(order, pair))
                for order in (self._own, self._own[::-1])
            )
            evidence[row] += _CERTAIN * (straight - crossed)
        return evidence

    def find_swapped(self):
        """Flags the pairs that look swapped, once all have been looked at."""
        blank = self.flagged("blank")
        swapped = swapped_states(self._evidence)
        self.can_tell = can_tell(self._evidence[~blank], swapped[~blank])
        if self.can_tell:
            swapped &= ~blank
            self.flags[swapped] |= _BITS["swapped"]
            self.flags[swapped] &= ~_BITS["wrong_script"]

    def flagged(self, kind):
        """Which lines hold a pair that looks wrong for this reason, bool `[N]`."""
        return (self.flags & _BITS[kind]) > 0


class _Repetitions:
    """How often pairs and sources come again, by 64-bit hashes; flags the pairs that do."""

    def __init__(self, first, flags):
        full = np.flatnonzero((flags & _BITS["blank"]) == 0)
        pairs, sources = (
            np.frombuffer(hashes, np.int64)[full]
            for hashes in (first.pair_hashes, first.source_hashes)
        )
        # The first of equal pairs stays; return_index gives it.
        self.pairs, firsts, counts = np.unique(pairs, return_index=True, return_counts=True)
        again = np.ones(len(full), bool)
        again[firsts] = False
        flags[full[again]] |= _BITS["repeated"]
        self.most = int(counts.max())
        self.sources, targets = np.unique(sources[firsts], return_counts=True)
        self.several_targets = int((targets > 1).sum())


def _is_foreign(text, own):
    """Whether a text has letters, but none of its side's own scripts."""
    return own.isdisjoint(text) and any(map(str.isalpha, text))


def _compare(name, pairs, second):
    """What another split has in common with the corpus."""
    places, evidence, blank = _Places(), [], []
    shared_sources = shared_pairs = 0
    for chunk_places, sources, targets in _pair_chunks(pairs):
        places.add(*chunk_places)
        full = np.array([bool(pair[0] and pair[1]) for pair in zip(sources, targets)])
        hashes = [np.array([*map(hash, each)]) for each in (sources, zip(sources, targets))]
        known = second.repetitions.sources, second.repetitions.pairs
        counts = [int(np.isin(*each)[full].sum()) for each in zip(hashes, known)]
        shared_sources, shared_pairs = shared_sources + counts[0], shared_pairs + counts[1]
        evidence.append(second.evidence(sources, targets))
        blank.append(~full)
    blank = np.concatenate(blank)
    swapped = swapped_states(np.concatenate(evidence)) & ~blank & second.can_tell
    return SplitFigures(
        name=name,
        pairs=int((~blank).sum()),
        blank=int(blank.sum()),
        shared_sources=shared_sources,
        shared_pairs=shared_pairs,
        swapped=int(swapped.sum()),
        swapped_lines=places.ranges(swapped, blank),
    )


def _inspection(pairs, first, second, splits):
    figures = [tally.figures() for tally in first.tallies]
    repetitions = second.repetitions
    return Inspection(
        name=str(pairs),
        files=first.places.files,
        pairs=int((~second.flagged("blank")).sum()),
        source=figures[0],
        target=figures[1],
        usual_ratio=second.usual_ratio,
        pair_lengths=first.pair_lengths(),
        different_pairs=len(repetitions.pairs),
        different_sources=len(repetitions.sources),
        several_targets=repetitions.several_targets,
        most_repeated=repetitions.most,
        suspicions=_suspicions(pairs, first.places, second),
        swapped_lines=first.places.ranges(second.flagged("swapped"), second.flagged("blank")),
        splits=splits,
    )


def _suspicions(pairs, places, second):
    """A `Suspicion` for every reason that applies; their examples are read once more."""
    rows = {kind: np.flatnonzero(second.flagged(kind)) for kind in KINDS}
    wanted = {int(row) for found in rows.values() for row in found[:_EXAMPLES]}
    last = max(wanted, default=-1)
    examples = {}
    for row, pair in enumerate(itertools.islice(pairs.with_blank(), last + 1)):
        if row in wanted:
            examples[row] = Example(*places[row], *map(str.strip, pair))
    edges = np.linspace(0, len(second.flags), PARTS + 1)
    return tuple(
        Suspicion(
            kind=kind,
            count=len(found),
            examples=tuple(examples[int(row)] for row in found[:_EXAMPLES]),
            where=tuple(np.histogram(found, edges)[0].tolist()),
        )
        for kind, found in rows.items()
        if len(found)
    )
