"""Sets of pairs that are too many to keep: 64 bits stand for each."""

import array
import hashlib

MATCHES = ("pair", "source", "target", "either")  # what two pairs must have in common


class PairSet:
    """A set of pairs, of which it keeps 64-bit fingerprints: 12 to 48 bytes for each.

    Two of n different pairs are taken for the same with a probability under n²/2⁶⁵: one in four
    million for a set of three million.

    Args:
        match: What makes two pairs the same: the `"pair"`, the `"source"`, the `"target"`, or
            `"either"` of both sides.
        pairs: Iterable of (source, target) to begin with.
    """

    def __init__(self, match="pair", pairs=()):
        if match not in MATCHES:
            raise ValueError(f"match must be one of {', '.join(MATCHES)}; received {match!r}")
        self._match = match
        self._numbers = _NumberSet()
        for pair in pairs:
            self.add(pair)

    def add(self, pair):
        """Adds a pair, and returns whether it was new: whether the set had no match for it."""
        added = [self._numbers.add(number) for number in self._fingerprints(*pair)]
        return all(added)

    def __len__(self):
        """How many fingerprints there are; two for a pair where either side makes a match."""
        return len(self._numbers)

    def __contains__(self, pair):
        return any(number in self._numbers for number in self._fingerprints(*pair))

    def _fingerprints(self, source, target):
        # The tab tells a source from a target of the same letters.
        if self._match == "pair":
            yield _fingerprint(f"{source}\t{target}")
        if self._match in ("source", "either"):
            yield _fingerprint(f"{source}\t")
        if self._match in ("target", "either"):
            yield _fingerprint(f"\t{target}")


def _fingerprint(text):
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


class _NumberSet:
    """Random numbers of 64 bits, none of them 0: a hash table, filled to two thirds at most.

    Python's own set takes 90 bytes for each.
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
        """The slot where a number is, or the empty one where it would be."""
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
