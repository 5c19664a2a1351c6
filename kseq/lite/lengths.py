"""How long an output may be; the same numbers as in `kseq.translation.graphs`."""

import dataclasses
import math

import numpy as np

from kseq.lite.folder import LONGEST_BY_DEFAULT

_ROUNDING = 1e-3  # of a token, so that 0.1 · 30 is 3


@dataclasses.dataclass(frozen=True)
class Lengths:
    """Bounds on the length of an output; arguments as in `kseq.BeamSearch`.

    Args:
        ratio: Target tokens per source token, as in the training split.
        minimum_length: Minimum number of tokens.
        maximum_length: Maximum number of tokens, or None.
        minimum_ratio: Minimum number of tokens per source token.
        maximum_ratio: Maximum number of tokens per source token, or None.
    """

    ratio: float
    minimum_length: int
    maximum_length: int | None
    minimum_ratio: float
    maximum_ratio: float | None

    def bounds(self, words, length):
        """Returns the minimum and the maximum number of ids of an output, END included.

        Args:
            words: Number of tokens of the source, or of steps of real values.
            length: The same with END, if the source is text.
        """
        words, length = np.float32(words), np.float32(length)
        minimum = math.ceil(np.float32(self.minimum_ratio) * words - np.float32(_ROUNDING))
        minimum = 1 + max(minimum, self.minimum_length)
        limits = []
        if self.maximum_length is not None:
            limits.append(self.maximum_length + 1)
        if self.maximum_ratio is not None:
            limits.append(1 + int(np.float32(self.maximum_ratio) * words + np.float32(_ROUNDING)))
        if not limits:
            default = 10 + int(np.float32(2.0 * self.ratio) * length)
            limits = [max(min(default, LONGEST_BY_DEFAULT), minimum)]
        maximum = max(1, min(limits))
        return min(minimum, maximum), maximum
