"""Which pairs have their sides the other way round, told from how each side is spelt."""

import itertools

import numpy as np

_BUCKETS = 2**18  # that letters in threes are counted in
_FEW = 5.0  # occurrences that a bucket is given beforehand, so that rare letters say little
_LETTERS_SAYING_THE_SAME = 3.0  # every letter stands in three of the threes
_DOUBT = 8.0  # evidence, in nats, that it takes to believe that the sides change over
_LEAST = 3.0  # mean evidence of a pair, below which both sides are spelt too much alike to tell


class SideModel:
    """What each side of a corpus looks like: how often which three letters follow each other.

    A source that is spelt like the targets, beside a target that is spelt like the sources, has
    been swapped. The model knows neither words nor scripts nor languages: it learns from pairs,
    in the order of the file, which are taken to be the right way round until the evidence against
    it is strong; those are learnt the other way round. Where both sides are spelt alike, as in
    corrected sentences, there is no evidence.
    """

    def __init__(self):
        self._counts = np.zeros((2, _BUCKETS))
        self._turned = 0  # how many more pairs were learnt the other way round than straight

    def learn(self, sources, targets):
        """Learns from neighbouring pairs: lists of strings, as long as each other."""
        sides = [_threes(texts) for texts in (sources, targets)]
        swapped = swapped_states(self._evidence(sides, len(sources)))
        self._turned += int(2 * swapped.sum()) - len(swapped)
        for side, (buckets, rows) in enumerate(sides):
            for is_swapped in (False, True):
                chosen = buckets[swapped[rows] == is_swapped]
                self._counts[side ^ is_swapped] += np.bincount(chosen, minlength=_BUCKETS)

    def evidence(self, sources, targets):
        """Returns the evidence that each pair is the right way round, in nats, float `[N]`.

        It is the logarithm of how many times more probable the letters are this way round than
        the other; negative for pairs that look swapped.
        """
        return self._evidence([_threes(texts) for texts in (sources, targets)], len(sources))

    def turn_to_majority(self):
        """Takes for the right way round what most pairs are, not what the first ones were."""
        if self._turned > 0:
            self._counts, self._turned = self._counts[::-1], -self._turned

    def _evidence(self, sides, count):
        totals = np.maximum(self._counts.sum(axis=1, keepdims=True), 1.0)
        seen = self._counts * (totals.min() / totals) + _FEW
        weights = np.log(seen[0] / seen[1]) / _LETTERS_SAYING_THE_SAME
        sums = [np.bincount(rows, weights[buckets], count) for buckets, rows in sides]
        return sums[0] - sums[1]


def swapped_states(evidence):
    """Returns which pairs are most probably swapped, bool `[N]`, given their neighbours.

    It is the most probable way through a chain of two states (Viterbi), in which it costs
    `_DOUBT` to change over: a pair stands alone against its neighbours only if its evidence
    outweighs that twice.
    """
    if not len(evidence):
        return np.zeros(0, bool)

    # How much better the best way is that ends swapped than the one that ends the right way round.
    def advance(ahead, against):
        return min(max(ahead, -_DOUBT), _DOUBT) - against

    steps = itertools.accumulate(np.asarray(evidence, float).tolist(), advance, initial=0.0)
    ahead = np.fromiter(steps, float, len(evidence) + 1)[1:]
    # Beyond the doubt, both best ways come from the same state; between, the state is the next's.
    known = np.abs(ahead) > _DOUBT
    known[-1] = True
    following = np.where(known, np.arange(len(ahead)), len(ahead))
    following = np.minimum.accumulate(following[::-1])[::-1]
    return ahead[following] > 0


def can_tell(evidence, states):
    """Whether sides differ enough to say which pairs are swapped, bool.

    Args:
        evidence: Evidence of each pair, float `[N]`.
        states: What `swapped_states` made of it, bool `[N]`.
    """
    return len(evidence) > 0 and np.where(states, -evidence, evidence).mean() >= _LEAST


def look_swapped(pairs, others, count=2000):
    """Whether most of the first pairs of a split have the sides of `pairs` the other way round.

    Args:
        pairs: Pairs of strings that are taken to be the right way round.
        others: The pairs in question.
        count: How many of each are looked at.
    """
    known, asked = (list(zip(*itertools.islice(each, count))) for each in (pairs, others))
    if not (known and asked):
        return False
    model = SideModel()
    model.learn(*known)
    model.turn_to_majority()
    own = model.evidence(*known)
    if not can_tell(own, swapped_states(own)):
        return False
    evidence = model.evidence(*asked)
    states = swapped_states(evidence)
    return can_tell(evidence, states) and bool(states.mean() > 0.5)


def runs_of(states):
    """Returns the runs of true values, an array `[R, 2]` of first and last positions."""
    edges = np.diff(np.concatenate([[0], np.asarray(states, np.int8), [0]]))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1], axis=1)


def _threes(texts):
    """The buckets of all letters in threes with their neighbours, and whose text each is of."""
    joined = "\n" + "\n".join(text.replace("\n", " ") for text in texts).lower() + "\n"
    letters = np.frombuffer(joined.encode("utf-32-le"), np.uint32)
    is_end = letters == ord("\n")
    middle = np.flatnonzero(~is_end)
    rows = np.cumsum(is_end)[middle] - 1
    three = letters[middle - 1] * np.uint32(0x9E3779B1)
    three ^= letters[middle] * np.uint32(0x85EBCA77)
    three = (three ^ (three >> np.uint32(15))) * np.uint32(0xC2B2AE3D)
    three ^= letters[middle + 1] * np.uint32(0x27D4EB2F)
    return (three ^ (three >> np.uint32(13))) % np.uint32(_BUCKETS), rows
