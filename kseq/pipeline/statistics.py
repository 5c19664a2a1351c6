"""Statistics of real values that are read once: mean, spread and range of each feature."""

import numpy as np


class Statistics:
    """Mean, standard deviation and range of each feature.

    Sums are float64 and merged as in Chan et al. 1983, so that a large mean costs no precision.

    Attributes:
        count: Number of steps.
        minimum: Smallest value of each feature, float64 `[F]`.
        maximum: Largest value of each feature, float64 `[F]`.
        mean: Mean of each feature, float64 `[F]`.
    """

    def __init__(self):
        self.count = 0
        self.minimum, self.maximum = np.inf, -np.inf
        self.mean = 0.0
        self._squares = 0.0

    def add(self, values):
        """Adds the steps of an array `[T, F]`."""
        values = np.asarray(values, np.float64)
        count, mean = len(values), values.mean(axis=0)
        squares = np.square(values - mean).sum(axis=0)
        if self.count and mean.shape != self.mean.shape:
            raise ValueError(f"expected {len(self.mean)} features; received {len(mean)}")
        self.minimum = np.minimum(self.minimum, values.min(axis=0))
        self.maximum = np.maximum(self.maximum, values.max(axis=0))
        shift, share = mean - self.mean, count / (self.count + count)
        self._squares = self._squares + squares + np.square(shift) * self.count * share
        self.mean = self.mean + shift * share
        self.count += count

    @property
    def variance(self):
        """Mean square distance from the mean, float64 `[F]`."""
        return self._squares / self.count

    @property
    def scale(self):
        """Standard deviation, float64 `[F]`; 1 for a feature that is constant in float32."""
        deviation = np.sqrt(self.variance)
        float32 = np.finfo(np.float32)
        return np.where(deviation > float32.eps * np.abs(self.mean) + float32.tiny, deviation, 1.0)
