"""The two passes over a corpus: counting its pairs, then judging each pair among all of them."""

import array
import collections
import itertools

import numpy as np

from kseq.config import TrainingConfig
from kseq.corpora.featured import is_complete
from kseq.inspection.copied_characters import CopiedCharacters
from kseq.inspection.places import Places
from kseq.inspection.suspicions import (
    KINDS,
    PAIR_BINS,
    RatioCounts,
    is_copied,
    text_suspicions,
)
from kseq.inspection.swapped_sides import SideModel, can_tell, swapped_states
from kseq.inspection.tally import SideTally, own_letters

_LONGEST = TrainingConfig().maximum_length
_SCRIPT_EVIDENCE = 50.0  # nats; enough to decide, whatever the neighbouring pairs are
_BITS = {kind: np.uint16(1 << number) for number, kind in enumerate(KINDS)}


def have_both_sides(sources, targets):
    """Which pairs have two non-empty sides, bool `[N]`."""
    return np.array([is_complete(pair) for pair in zip(sources, targets)])


class FirstPass:
    """Counts everything that depends on each pair alone.

    Attributes:
        places: `Places` of all lines.
        tallies: `SideTally` of the sources and of the targets.
        ratios: `RatioCounts` of the pairs.
        model: `SideModel` of the pairs.
        flags: List of arrays with a bit for each reason that applies to a pair, uint16.
        source_hashes: 64-bit hash of each source.
        pair_hashes: 64-bit hash of each pair.
        copied: `CopiedCharacters` of the pairs.
    """

    def __init__(self):
        self.places = Places()
        self.tallies = SideTally(), SideTally()
        self.ratios = RatioCounts()
        self.model = SideModel()
        self.flags = []
        self.source_hashes, self.pair_hashes = array.array("q"), array.array("q")
        self.copied = CopiedCharacters()
        self._lengths = collections.Counter()

    def add(self, places, sources, targets):
        """Counts a chunk of lines.

        Args:
            places: The file of each line, and its line number.
            sources: List of strings without spaces at either end.
            targets: The same.
        """
        self.places.add(*places)
        self.source_hashes.extend(map(hash, sources))
        self.pair_hashes.extend(map(hash, zip(sources, targets)))
        is_full = have_both_sides(sources, targets)
        flags = np.where(is_full, np.uint16(0), _BITS["blank"])
        self.flags.append(flags)
        full = [list(itertools.compress(side, is_full)) for side in (sources, targets)]
        if not full[0]:
            return
        words = [tally.add(side) for tally, side in zip(self.tallies, full)]
        overlong = np.maximum(*words) > _LONGEST
        flags[np.flatnonzero(is_full)[overlong]] |= _BITS["overlong"]
        lengths = _count_characters(*full)
        self.ratios.add(*lengths)
        self._add_lengths(lengths)
        self.model.learn(*full)
        self.copied.add(*full)

    def _add_lengths(self, lengths):
        bins = [np.rint(PAIR_BINS * np.log2(side)).astype(int) for side in lengths]
        cells, counts = np.unique(np.stack(bins), axis=1, return_counts=True)
        self._lengths.update(dict(zip(zip(*cells.tolist()), counts.tolist())))

    def pair_lengths(self):
        """Returns the numbers of pairs by their lengths, as in `Inspection.pair_lengths`."""
        return tuple(
            (round(2 ** (source / PAIR_BINS), 1), round(2 ** (target / PAIR_BINS), 1), count)
            for (source, target), count in sorted(self._lengths.items())
        )


class SecondPass:
    """Judges each pair, given the counts of all pairs.

    Args:
        first: The completed `FirstPass`.

    Attributes:
        usual_ratio: `UsualRatio` of the corpus.
        can_tell: Whether the sides differ enough to tell which pairs are swapped.
        repetitions: `Repetitions` of the corpus.
        flags: A bit for each reason that applies to a pair, uint16 `[N]`.
    """

    def __init__(self, first):
        self.usual_ratio = first.ratios.usual()
        self.can_tell = False
        self.flags = np.concatenate(first.flags)
        self.repetitions = Repetitions(first, self.flags)
        self._model = first.model
        self._own = own_letters([tally.letters for tally in first.tallies])
        self._evidence = np.zeros(len(self.flags), np.float32)
        self._done = 0

    def add(self, sources, targets):
        """Judges the next chunk of lines.

        Args:
            sources: List of strings without spaces at either end.
            targets: The same.
        """
        rows = slice(self._done, self._done + len(sources))
        self._done = rows.stop
        flags = self.flags[rows]
        self._evidence[rows] = self.evidence(sources, targets)
        lengths = _count_characters(sources, targets)
        flags[self.usual_ratio.is_exceeded(*lengths)] |= _BITS["unbalanced"]
        for row, pair in enumerate(zip(sources, targets)):
            for kind in self._find_kinds(*pair):
                flags[row] |= _BITS[kind]
        blank = (flags & _BITS["blank"]) > 0
        flags[blank] = _BITS["blank"]

    def _find_kinds(self, source, target):
        kinds = text_suspicions(f"{source}\n{target}")
        if is_copied(source, target):
            kinds.append("copied")
        elif any(map(_is_foreign, (source, target), self._own)):
            kinds.append("wrong_script")
        return kinds

    def evidence(self, sources, targets):
        """Computes the evidence that pairs are not swapped, from their scripts and spelling.

        Args:
            sources: List of N strings.
            targets: List of N strings.

        Returns:
            Nats, float `[N]`, as `SideModel.evidence` returns them.
        """
        evidence = self._model.evidence(sources, targets)
        for row, pair in enumerate(zip(sources, targets)):
            straight, swapped = (
                all(not own.isdisjoint(side) for own, side in zip(order, pair))
                for order in (self._own, self._own[::-1])
            )
            evidence[row] += _SCRIPT_EVIDENCE * (straight - swapped)
        return evidence

    def find_swapped(self):
        """Flags the pairs that look swapped, after all pairs have been read."""
        blank = self.flagged("blank")
        swapped = swapped_states(self._evidence)
        self.can_tell = can_tell(self._evidence[~blank], swapped[~blank])
        if self.can_tell:
            swapped &= ~blank
            self.flags[swapped] |= _BITS["swapped"]
            self.flags[swapped] &= ~_BITS["wrong_script"]

    def flagged(self, kind):
        """Which lines have a pair that is suspicious for this reason, bool `[N]`."""
        return (self.flags & _BITS[kind]) > 0


class Repetitions:
    """Repeated pairs and sources, recognised by 64-bit hashes.

    Args:
        first: The completed `FirstPass`.
        flags: Flags of the pairs; those of repeated pairs are set.

    Attributes:
        pairs: Hashes of the different pairs, sorted.
        sources: Hashes of the different sources, sorted.
        most_repeated: Number of occurrences of the most frequent pair.
        several_targets: Number of sources that occur with several different targets.
    """

    def __init__(self, first, flags):
        full = np.flatnonzero((flags & _BITS["blank"]) == 0)
        pairs, sources = (
            np.frombuffer(hashes, np.int64)[full]
            for hashes in (first.pair_hashes, first.source_hashes)
        )
        # The first of several equal pairs is not a repetition.
        self.pairs, first_rows, counts = np.unique(pairs, return_index=True, return_counts=True)
        is_repeated = np.ones(len(full), bool)
        is_repeated[first_rows] = False
        flags[full[is_repeated]] |= _BITS["repeated"]
        self.most_repeated = int(counts.max())
        self.sources, target_counts = np.unique(sources[first_rows], return_counts=True)
        self.several_targets = int((target_counts > 1).sum())


def _count_characters(*sides):
    return [np.fromiter(map(len, side), np.int64, len(side)) for side in sides]


def _is_foreign(text, own):
    """Whether a text has letters, but none in the scripts of its side."""
    return own.isdisjoint(text) and any(map(str.isalpha, text))
