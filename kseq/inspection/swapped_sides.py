"""Pairs whose sides are swapped, recognised by how each side is spelled."""

import itertools

import numpy as np

_BUCKETS = 2**18  # hash buckets in which letter trigrams are counted
_PRIOR_COUNT = 5.0  # added to every bucket, so that rare trigrams carry little evidence
_TRIGRAMS_PER_LETTER = 3.0  # every letter is in three trigrams, which are not independent
_DOUBT = 8.0  # evidence, in nats, for a change between straight and swapped pairs
_MIN_EVIDENCE = 3.0  # mean evidence per pair, below which both sides are spelled too much alike


class SideModel:
    """A letter-trigram model of both sides of a corpus.

    A pair has been swapped if its source is spelled like the targets and its target like the
    sources. The model knows neither words nor scripts nor languages. It learns from pairs in the
    order of the file and assumes that they are straight (not swapped) until there is strong
    evidence against it; it learns such pairs with their sides exchanged. If both sides are spelled
    alike, as in a corpus of corrected sentences, there is no evidence.
    """

    def __init__(self):
        self._counts = np.zeros((2, _BUCKETS))
        self._swapped_surplus = 0  # pairs learned as swapped minus pairs learned as straight

    def learn(self, sources, targets):
        """Learns from neighbouring pairs.

        Args:
            sources: List of strings.
            targets: List of strings, of the same length.
        """
        sides = [_hash_trigrams(texts) for texts in (sources, targets)]
        swapped = swapped_states(self._compute_evidence(sides, len(sources)))
        self._swapped_surplus += int(2 * swapped.sum()) - len(swapped)
        for side, (buckets, rows) in enumerate(sides):
            for is_swapped in (False, True):
                selected = buckets[swapped[rows] == is_swapped]
                self._counts[side ^ is_swapped] += np.bincount(selected, minlength=_BUCKETS)

    def evidence(self, sources, targets):
        """Computes the evidence that each pair is straight.

        Args:
            sources: List of N strings.
            targets: List of N strings.

        Returns:
            Nats, float `[N]`: the logarithm of how much more probable the letters are this way
            round than swapped; negative for pairs that look swapped.
        """
        sides = [_hash_trigrams(texts) for texts in (sources, targets)]
        return self._compute_evidence(sides, len(sources))

    def turn_to_majority(self):
        """Makes the direction of most pairs, not that of the first pairs, the straight one."""
        if self._swapped_surplus > 0:
            self._counts = self._counts[::-1]
            self._swapped_surplus = -self._swapped_surplus

    def _compute_evidence(self, sides, count):
        totals = np.maximum(self._counts.sum(axis=1, keepdims=True), 1.0)
        smoothed = self._counts * (totals.min() / totals) + _PRIOR_COUNT
        weights = np.log(smoothed[0] / smoothed[1]) / _TRIGRAMS_PER_LETTER
        sums = [np.bincount(rows, weights[buckets], count) for buckets, rows in sides]
        return sums[0] - sums[1]


def swapped_states(evidence):
    """Finds the pairs that are most probably swapped, given their neighbours.

    The result is the most probable path through a chain of two states (Viterbi) in which a change
    of state costs `_DOUBT`: a single pair differs from its neighbours only if its evidence is more
    than twice that.

    Args:
        evidence: Evidence that each pair is straight, float `[N]`.

    Returns:
        Whether each pair is swapped, bool `[N]`.
    """
    if not len(evidence):
        return np.zeros(0, bool)

    # The lead of the best path that ends swapped over the best path that ends straight.
    def advance_lead(lead, straight_evidence):
        return min(max(lead, -_DOUBT), _DOUBT) - straight_evidence

    steps = itertools.accumulate(np.asarray(evidence, float).tolist(), advance_lead, initial=0.0)
    lead = np.fromiter(steps, float, len(evidence) + 1)[1:]
    # A lead larger than the doubt decides the state; otherwise it is the state of the next pair.
    is_decided = np.abs(lead) > _DOUBT
    is_decided[-1] = True
    deciding = np.where(is_decided, np.arange(len(lead)), len(lead))
    deciding = np.minimum.accumulate(deciding[::-1])[::-1]
    return lead[deciding] > 0


def can_tell(evidence, states):
    """Whether the sides differ enough to tell which pairs are swapped, bool.

    Args:
        evidence: Evidence that each pair is straight, float `[N]`.
        states: The result of `swapped_states`, bool `[N]`.
    """
    return len(evidence) > 0 and np.where(states, -evidence, evidence).mean() >= _MIN_EVIDENCE


def look_swapped(reference, pairs, count=2000):
    """Whether most of the first pairs of a split are swapped compared with a reference.

    Args:
        reference: Pairs of strings that define which way round is straight.
        pairs: The pairs in question.
        count: Number of pairs of each to compare.
    """
    reference_sides, sides = (
        list(zip(*itertools.islice(split, count))) for split in (reference, pairs)
    )
    if not (reference_sides and sides):
        return False
    model = SideModel()
    model.learn(*reference_sides)
    model.turn_to_majority()
    reference_evidence = model.evidence(*reference_sides)
    if not can_tell(reference_evidence, swapped_states(reference_evidence)):
        return False
    evidence = model.evidence(*sides)
    states = swapped_states(evidence)
    return can_tell(evidence, states) and bool(states.mean() > 0.5)


def runs_of(states):
    """Returns the runs of true values, an array `[R, 2]` of first and last positions."""
    edges = np.diff(np.concatenate([[0], np.asarray(states, np.int8), [0]]))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1], axis=1)


def _hash_trigrams(texts):
    """Returns the bucket of every letter with its neighbours, and the row of its text."""
    joined = "\n" + "\n".join(text.replace("\n", " ") for text in texts).lower() + "\n"
    letters = np.frombuffer(joined.encode("utf-32-le"), np.uint32)
    is_end = letters == ord("\n")
    middle = np.flatnonzero(~is_end)
    rows = np.cumsum(is_end)[middle] - 1
    trigram = letters[middle - 1] * np.uint32(0x9E3779B1)
    trigram ^= letters[middle] * np.uint32(0x85EBCA77)
    trigram = (trigram ^ (trigram >> np.uint32(15))) * np.uint32(0xC2B2AE3D)
    trigram ^= letters[middle + 1] * np.uint32(0x27D4EB2F)
    return (trigram ^ (trigram >> np.uint32(13))) % np.uint32(_BUCKETS), rows
