"""Text that is already tokenised, recognised by its spaces."""

import collections

_SAMPLE = 50_000  # lines
_SHORT = 2.6  # mean characters per token of phones or other symbols; English words have four
_FEW_SYMBOLS = 1_000
_SEPARATED = 0.9  # minimum share of full stops and commas after a space
_COMMON = 0.05  # minimum number of separated marks per line
_PIECES = 0.02  # minimum share of tokens that are marked as parts of words


class SpacingTally:
    """Counts what is between the spaces of the first lines of a side."""

    def __init__(self):
        self._lines = 0
        self._tokens = collections.Counter()

    def add(self, texts):
        """Counts lines, a list of strings."""
        for text in texts[: max(0, _SAMPLE - self._lines)]:
            self._tokens.update(text.split())
        self._lines += len(texts)

    def tokenization(self):
        """Returns how the lines have been tokenised, as text for the user; empty if not."""
        lines, total = min(self._lines, _SAMPLE), self._tokens.total()
        if total < 2 * lines:
            return ""
        if self._has_pieces():
            return "some tokens are marked as parts of words (@@ or ▁)"
        if self.has_symbols():
            return f"{len(self._tokens):,} different short symbols between spaces"
        separated = self._tokens["."] + self._tokens[","]
        attached = self._count(lambda token: token[-1] in ".," and token[-2:-1].isalpha())
        if separated >= max(_COMMON * lines, _SEPARATED * (separated + attached)):
            return "full stops and commas are separated by spaces, as tokenizers do"
        return ""

    def has_symbols(self):
        """Whether the lines consist of few different short symbols, at least two each."""
        total = self._tokens.total()
        if total < 2 * min(self._lines, _SAMPLE) or len(self._tokens) > _FEW_SYMBOLS:
            return False
        if self._has_pieces():
            return False
        return sum(len(token) * count for token, count in self._tokens.items()) <= _SHORT * total

    def _has_pieces(self):
        pieces = self._count(lambda token: token.endswith("@@") or token.startswith("▁"))
        return pieces > _PIECES * self._tokens.total()

    def _count(self, condition):
        return sum(count for token, count in self._tokens.items() if condition(token))
