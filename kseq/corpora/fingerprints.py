"""Sets of pairs too large for RAM: 64 bits represent each pair."""

import array
import hashlib

from kseq.corpora.featured import columns_of

MATCHES = ("pair", "source", "target", "either")  # what makes two pairs equal


class PairSet:
    """A set of pairs, stored as 64-bit fingerprints of 12 to 48 bytes each.

    The probability that two of n different pairs are considered equal is below n²/2⁶⁵: one in
    four million for a set of three million pairs.

    Args:
        match: What makes two pairs equal: the `"pair"`, with its features if it has any; the
            `"source"`, the `"target"`, or `"either"` of the two sides, whatever the features.
        pairs: Iterable of (source, target) to add.
    """

    def __init__(self, match="pair", pairs=()):
        if match not in MATCHES:
            raise ValueError(f"match must be one of {', '.join(MATCHES)}; received {match!r}")
        self._match = match
        self._numbers = _NumberSet()
        for pair in pairs:
            self.add(pair)

    def add(self, pair):
        """Adds a pair, and returns whether the set had no pair equal to it."""
        added = [self._numbers.add(number) for number in self._fingerprints(*pair)]
        return all(added)

    def __len__(self):
        """Returns the number of fingerprints; a pair has two if `match` is `"either"`."""
        return len(self._numbers)

    def __contains__(self, pair):
        """Returns whether the set has a pair equal to this one."""
        return any(number in self._numbers for number in self._fingerprints(*pair))

    def _fingerprints(self, source, target):
        # The tab distinguishes a source from an equal target.
        if self._match == "pair":
            yield _fingerprint("\t".join(columns_of((source, target))))
        if self._match in ("source", "either"):
            yield _fingerprint(f"{source}\t")
        if self._match in ("target", "either"):
            yield _fingerprint(f"\t{target}")


def _fingerprint(text):
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


class _NumberSet:
    """A set of random 64-bit numbers other than 0: a hash table that is at most two thirds full.

    Python's own set takes 90 bytes for each number.
    """

    def __init__(self):
        self._clear(1024)

    def _clear(self, size):
        self._slots = array.array("Q", [0]) * size
        self._count = 0

    def add(self, number):
        """Adds a number, and returns whether it was new."""
        slot = self._find(number)
        if self._slots[slot]:
            return False
        self._slots[slot] = number
        self._count += 1
        if self._count * 3 > len(self._slots) * 2:
            self._grow()
        return True

    def __len__(self):
        return self._count

    def __contains__(self, number):
        return self._slots[self._find(number)] != 0

    def _find(self, number):
        """Returns the slot of a number, or the empty one where it would be stored."""
        slots, last = self._slots, len(self._slots) - 1
        slot = number & last
        while slots[slot] not in (0, number):
            slot = (slot + 1) & last
        return slot

    def _grow(self):
        numbers = self._slots
        self._clear(2 * len(numbers))
        for number in numbers:
            if number:
                self.add(number)
