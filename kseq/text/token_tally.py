"""Token counts of a corpus, before its vocabulary is chosen."""

import collections
import itertools

import numpy as np

from kseq.special_tokens import SPECIAL_TOKENS, UNK


class TokenTally:
    """Distinct tokens, each with a provisional id in order of appearance, and their counts."""

    def __init__(self):
        self._ids = {}
        self._counts = np.zeros(1024, np.int64)

    def ids(self, tokens):
        """Returns the provisional ids, after the special ids, of distinct tokens, bytes `[N]`."""
        table = self._ids
        ids = [table.setdefault(token, len(table)) for token in tokens.tolist()]
        return np.array(ids, np.int32) + len(SPECIAL_TOKENS)

    def tokens(self):
        """Returns all tokens in the order of their provisional ids, a list of bytes."""
        return list(self._ids)

    def count(self, ids):
        """Counts provisional ids of tokens, `[N]`."""
        counts = np.bincount(ids - len(SPECIAL_TOKENS))
        if counts.size > self._counts.size:
            self._counts = np.pad(self._counts, (0, 2 * counts.size - self._counts.size))
        self._counts[: counts.size] += counts

    def counts(self):
        """Returns the `Counter` of tokens, bytes; tokens that were never counted are left out."""
        counts = zip(self._ids, self._counts.tolist())
        return collections.Counter({token: count for token, count in counts if count})

    def final_ids(self, vocabulary):
        """Returns the id in a vocabulary for every provisional id, UNK for unknown tokens."""
        final = {token.encode(): number for number, token in enumerate(vocabulary) if number > UNK}
        tokens = itertools.chain(range(len(SPECIAL_TOKENS)), self._ids)
        ids = (token if isinstance(token, int) else final.get(token, UNK) for token in tokens)
        return np.fromiter(ids, np.int32, len(SPECIAL_TOKENS) + len(self._ids))
