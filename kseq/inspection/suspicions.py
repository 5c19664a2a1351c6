"""The reasons why a pair of strings is suspicious, and the rules that find them."""

import dataclasses
import re

import numpy as np

from kseq.corpora.tidying import holds_markup

KINDS = {
    "blank": "a side is empty",
    "repeated": "repeats an earlier pair",
    "copied": "both sides are equal except for case, spaces and punctuation",
    "swapped": "the sides look swapped",
    "unbalanced": "a side is unusually long or short compared with the other",
    "overlong": "a side has more than 100 words (maximum_length)",
    "wrong_script": "a side has letters, but none in its usual scripts",
    "markup": "HTML tags or entities",
    "garbled": "characters typical of a wrong encoding",
    "invisible": "control characters, such as right-to-left marks and zero-width spaces",
    "address": "a web or email address",
}

SOFTENING = 5  # characters added to both lengths, so that short sides may differ
PAIR_BINS = 6  # per doubling of a length

_ADDRESS = re.compile(r"https?://|\bwww\.\w|\w@\w[\w-]*\.\w")
# Not the joiners U+200C and U+200D, which Persian, Indic scripts and emoji need.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
)
# The bytes 80 to BF, which follow the first byte of a character in UTF-8, as they look if they are
# read as Latin-1 or Windows-1252.
_TAIL = "[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_GARBLED = re.compile(
    f"\ufffd|[\ue000-\uf8ff]|[ÂÃ]{_TAIL}|â€|(?:[ÐÑ]{_TAIL}){{2}}|(?:[ã-ï]{_TAIL}{{2}}){{2}}"
)

_RESOLUTION = 0.01  # of the logarithms of length ratios
_MAX_LOG = 10.0  # larger logarithms of ratios are counted as this
_MAX_DEVIATIONS = 6.0  # allowed robust standard deviations from the usual ratio
_MIN_FACTOR = 2.0  # a ratio within this factor of the usual one is always allowed


def text_suspicions(text):
    """Returns why the characters of a text are suspicious, a list of keys of `KINDS`."""
    kinds = []
    if holds_markup(text):
        kinds.append("markup")
    if not text.isascii() and _GARBLED.search(text):
        kinds.append("garbled")
    if not text.isprintable() and _INVISIBLE.search(text):
        kinds.append("invisible")
    if _ADDRESS.search(text):
        kinds.append("address")
    return kinds


def is_copied(source, target):
    """Whether both sides are equal except for case, spaces and punctuation."""
    if source == target:
        return True
    if abs(len(source) - len(target)) > 4:
        return False
    letters = _fold_letters(source)
    return bool(letters) and letters == _fold_letters(target)


def _fold_letters(text):
    """The letters and digits of a text, case-folded."""
    return "".join(filter(str.isalnum, text.casefold()))


class RatioCounts:
    """A histogram of the length ratios of pairs, of constant size."""

    def __init__(self):
        self._counts = np.zeros(2 * round(_MAX_LOG / _RESOLUTION) + 1, np.int64)

    def add(self, source_lengths, target_lengths):
        """Counts pairs.

        Args:
            source_lengths: Characters of each source, int `[N]`.
            target_lengths: Characters of each target, int `[N]`.
        """
        logarithms = np.clip(_log_ratios(source_lengths, target_lengths), -_MAX_LOG, _MAX_LOG)
        bins = np.rint((logarithms + _MAX_LOG) / _RESOLUTION).astype(int)
        self._counts += np.bincount(bins, minlength=len(self._counts))

    def usual(self):
        """Returns the `UsualRatio` of all pairs that were counted."""
        logarithms = np.arange(len(self._counts)) * _RESOLUTION - _MAX_LOG
        median = _weighted_median(logarithms, self._counts)
        # Half of a normal distribution is within 1 / 1.4826 standard deviations of its median.
        deviation = 1.4826 * _weighted_median(np.abs(logarithms - median), self._counts)
        limit = max(_MAX_DEVIATIONS * deviation, np.log(_MIN_FACTOR))
        return UsualRatio(float(np.exp(median)), float(np.exp(limit)))


@dataclasses.dataclass(frozen=True)
class UsualRatio:
    """The usual ratio of the lengths of target and source, and how far a pair may differ from it.

    Five characters are added to every length, so that short sides may differ.

    Args:
        ratio: Target characters per source character, the median over the pairs.
        factor: A pair is unbalanced if its ratio differs by more than this factor: six robust
            standard deviations of the ratios in the corpus, but at least 2.
    """

    ratio: float
    factor: float

    def is_exceeded(self, source_lengths, target_lengths):
        """Finds the unbalanced pairs.

        Args:
            source_lengths: Characters of each source, int `[N]`.
            target_lengths: Characters of each target, int `[N]`.

        Returns:
            Whether each pair is unbalanced, bool `[N]`.
        """
        distances = np.abs(_log_ratios(source_lengths, target_lengths) - np.log(self.ratio))
        return distances > np.log(self.factor)


def _log_ratios(source_lengths, target_lengths):
    source, target = (np.asarray(side) + SOFTENING for side in (source_lengths, target_lengths))
    return np.log(target / source)


def _weighted_median(values, weights):
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    return values[order][np.searchsorted(cumulative, cumulative[-1] / 2)]
