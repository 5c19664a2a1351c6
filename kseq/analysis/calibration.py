"""Calibration: whether a model is right as often as its probabilities say."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from kseq.analysis.evaluation import usable_pairs
from kseq.errors import SettingError
from kseq.translation.arguments import check_pairs

if TYPE_CHECKING:
    from kseq.translation.translator import Translator


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """The most probable tokens of a model in bins of equal width, by their probability.

    Bin m of M holds the tokens with a probability of more than (m - 1)/M and at most m/M.

    Args:
        counts: Number of tokens in each bin, int64 `[M]`.
        confidences: Mean probability of the tokens of each bin, `[M]`; NaN for an empty bin.
        accuracies: Share of them that are correct, `[M]`; NaN for an empty bin.
    """

    counts: np.ndarray
    confidences: np.ndarray
    accuracies: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error, from 0 to 1: the mean gap between both, over tokens."""
        shares = self.counts / self.counts.sum()
        return float(np.nansum(shares * np.abs(self.accuracies - self.confidences)))


def measure_calibration(translator: "Translator", pairs: Any, bins: int = 15) -> Calibration:
    """Measures how well the probabilities of a model agree with how often it is right.

    By teacher forcing, the most probable token of each step is compared with the correct one, END
    included. The expected calibration error is that of Naeini et al. 2015 (Guo et al. 2017,
    equation 3).

    Args:
        translator: A `Translator` that writes text.
        pairs: (source, reference) sentences, in any form that `kseq.load_corpus` accepts except
            files. Pairs in which a side has no tokens, or more than 1,000, are left out.
        bins: Number of bins M.

    Returns:
        A `Calibration`.

    Raises:
        ValueError: The targets are real-valued, `bins` is not a whole number of at least 1, or
            there are no pairs.

    Warns:
        LeftOutWarning: Pairs were left out.
    """
    if translator.predicts_values:
        raise SettingError("{calibration} is about tokens; this model predicts real values")
    if type(bins) is not int or bins < 1:
        raise ValueError(f"bins must be a whole number, at least 1; received {bins!r}")
    pairs = list(check_pairs(pairs, translator.codecs))
    if not pairs:
        raise ValueError("expected pairs to measure; received none")
    pairs, _ = usable_pairs(translator, pairs)
    return calibration_of(*map(np.concatenate, zip(*translator.guess(pairs))), bins)


def calibration_of(probabilities, is_correct, bins):
    """Puts tokens into bins.

    Args:
        probabilities: Probability of each token, `[N]`.
        is_correct: Whether it is correct, boolean `[N]`.
        bins: Number of bins M.
    """
    numbers = np.ceil(probabilities.astype(np.float64) * bins).astype(int) - 1
    numbers = np.clip(numbers, 0, bins - 1)
    counts = np.bincount(numbers, minlength=bins)
    with np.errstate(invalid="ignore"):  # An empty bin is 0/0.
        confidences, accuracies = (
            np.bincount(numbers, weights=each, minlength=bins) / counts
            for each in (probabilities, is_correct)
        )
    return Calibration(counts, confidences, accuracies)
