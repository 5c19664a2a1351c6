"""What makes a pair of strings look wrong, each reason with the rule that finds it."""

import dataclasses
import re

import numpy as np

from kseq.corpora.tidying import holds_markup

KINDS = {
    "blank": "a side is empty",
    "repeated": "the same pair again",
    "copied": "both sides are the same, but for case, spaces and punctuation",
    "swapped": "the sides look swapped",
    "unbalanced": "a side is much longer or shorter than the other lets expect",
    "overlong": "a side has more than 100 words (maximum_length)",
    "wrong_script": "a side has letters, but none of the scripts of its side",
    "markup": "HTML tags or entities",
    "garbled": "characters that a wrong encoding leaves behind",
    "invisible": "control characters, such as right-to-left marks and zero-width spaces",
    "address": "an address of the web or of mail",
}

SOFTENING = 5  # characters added to both sides, so that short ones may differ as they like
PAIR_BINS = 6  # of the lengths of pairs, for every doubling

_ADDRESS = re.compile(r"https?://|\bwww\.\w|\w@\w[\w-]*\.\w")
# Not the joiners U+200C and U+200D: Persian, the scripts of India and emoji are spelt with them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
)
# UTF-8 read as Latin-1 or Windows-1252: what the bytes 80 to BF look like behind the byte that
# begins a character. Replacement characters, and those for private use.
_TAIL = "[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_GARBLED = re.compile(
    f"\ufffd|[\ue000-\uf8ff]|[ÂÃ]{_TAIL}|â€|(?:[ÐÑ]{_TAIL}){{2}}|(?:[ã-ï]{_TAIL}{{2}}){{2}}"
)

_RESOLUTION = 0.01  # of the logarithms of ratios that are counted
_WIDEST = 10.0  # logarithm beyond which ratios are counted as one
_SPREADS = 6.0  # robust standard deviations that a ratio may be off the usual one
_LEAST_FACTOR = 2.0  # by which a pair must be off the usual ratio all the same


def text_suspicions(text):
    """Returns what is wrong with the characters of a text, names out of `KINDS`, a list."""
    found = []
    if holds_markup(text):
        found.append("markup")
    if not text.isascii() and _GARBLED.search(text):
        found.append("garbled")
    if not text.isprintable() and _INVISIBLE.search(text):
        found.append("invisible")
    if _ADDRESS.search(text):
        found.append("address")
    return found


def is_copied(source, target):
    """Whether both sides are the same, but for case, spaces and punctuation."""
    if source == target:
        return True
    if abs(len(source) - len(target)) > 4:
        return False
    bare = _bare(source)
    return bool(bare) and bare == _bare(target)


def _bare(text):
    return "".join(filter(str.isalnum, text.casefold()))


class RatioCounts:
    """Counts the length ratios of pairs, to find the usual one in flat memory."""

    def __init__(self):
        self._counts = np.zeros(2 * round(_WIDEST / _RESOLUTION) + 1, np.int64)

    def add(self, source_lengths, target_lengths):
        """Counts pairs by their lengths in characters, int `[N]` each."""
        logarithms = np.clip(_ratios(source_lengths, target_lengths), -_WIDEST, _WIDEST)
        bins = np.rint((logarithms + _WIDEST) / _RESOLUTION).astype(int)
        self._counts += np.bincount(bins, minlength=len(self._counts))

    def usual(self):
        """Returns the `UsualRatio` of all pairs counted."""
        logarithms = np.arange(len(self._counts)) * _RESOLUTION - _WIDEST
        middle = _weighted_median(logarithms, self._counts)
        # Half of all are nearer to the median than 0.67 standard deviations, if they are normal.
        spread = 1.4826 * _weighted_median(np.abs(logarithms - middle), self._counts)
        widest = max(_SPREADS * spread, np.log(_LEAST_FACTOR))
        return UsualRatio(float(np.exp(middle)), float(np.exp(widest)))


@dataclasses.dataclass(frozen=True)
class UsualRatio:
    """How long targets are for their sources, in characters, and how far pairs may be off.

    Lengths are counted five characters longer than they are, so that short sides may differ.

    Args:
        ratio: Target characters per source character, the median over the pairs.
        factor: A pair is unbalanced if it is off by more than this factor: six robust standard
            deviations of the corpus' own ratios, and at least 2.
    """

    ratio: float
    factor: float

    def is_exceeded(self, source_lengths, target_lengths):
        """Returns which pairs are unbalanced, bool `[N]`, by their lengths in characters."""
        off = np.abs(_ratios(source_lengths, target_lengths) - np.log(self.ratio))
        return off > np.log(self.factor)


def _ratios(source_lengths, target_lengths):
    source, target = (np.asarray(side) + SOFTENING for side in (source_lengths, target_lengths))
    return np.log(target / source)


def _weighted_median(values, weights):
    order = np.argsort(values, kind="stable")
    seen = np.cumsum(weights[order])
    return values[order][np.searchsorted(seen, seen[-1] / 2)]
