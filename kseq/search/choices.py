"""How a search chooses among continuations: beam search, greedy search and sampling.

First the best continuations of each hypothesis are chosen (`best`). Then, in a beam, those of all
hypotheses of a source compete for K places (`choose`).
"""

import tensorflow as tf

from kseq.kernels.drawing import draw
from kseq.search.hypotheses import is_possible
from kseq.search.rules import make_ban_table, needs_written_ids
from kseq.search.strategies import BeamSearch

_MIN_COVERAGE = 1e-6
_ROUNDING = 1e-5  # relative to a score; more than rounding can change it


def make_choice(strategy, requirements, numbers=None):
    """Makes the choice for a strategy: `Beam`, `Greedy` or `Draw`.

    Args:
        strategy: `BeamSearch` or `Sampling`.
        requirements: `Requirements` of all sources.
        numbers: What to use in place of `strategy.numbers`, scalar tensors by name, or None.
    """
    if not isinstance(strategy, BeamSearch):
        return Draw(strategy, requirements, numbers or strategy.numbers)
    return (Greedy if strategy.width == 1 else Beam)(strategy, requirements)


def length_penalty(lengths, strategy):
    """Returns the divisor of sums of log-probabilities, float32 of the shape of `lengths`.

    Wu et al. 2016 (arXiv 1609.08144), equation 14: `((5 + |Y|) / 6)^alpha`; or the length.

    Args:
        lengths: Lengths of hypotheses |Y|, END included, any shape.
        strategy: `BeamSearch`.
    """
    lengths = tf.cast(lengths, tf.float32)
    if strategy.length_penalty == "average":
        return tf.maximum(lengths, 1.0)
    return tf.pow((5.0 + lengths) / 6.0, strategy.alpha)


def coverage_penalty(coverage, mask, strategy):
    """Returns the penalty for source positions that got little attention, float32 `[B, K]`.

    Wu et al. 2016 (arXiv 1609.08144), equation 14: `beta Σ log(min(Σ p, 1))`.

    Args:
        coverage: Attention of each hypothesis summed over its output, float32 `[B, K, S]`.
        mask: Which source positions count, boolean `[B, S]`.
        strategy: `BeamSearch`.
    """
    penalties = tf.math.log(tf.clip_by_value(coverage, _MIN_COVERAGE, 1.0))
    return strategy.beta * tf.reduce_sum(tf.where(mask[:, None], penalties, 0.0), axis=2)


class _Choice:
    """Base class of the choices.

    Attributes:
        strategy: `BeamSearch` or `Sampling`.
        banned: Table of the ids that are never written, from `make_ban_table`.
        groups: Number of groups of ids that are candidates; None for all ids.
        compares: Whether a hypothesis may take the place of another.
    """

    groups = None
    compares = True

    def __init__(self, strategy, requirements):
        self.strategy, self.banned = strategy, make_ban_table(requirements)


class _Independent(_Choice):
    """Every hypothesis stays in its place, whatever the other hypotheses are."""

    compares = False

    def is_open(self, hypotheses, requirements):
        """Returns whether a hypothesis of the source is unfinished, boolean `[B]`."""
        is_unfinished = is_possible(hypotheses.sums) & ~hypotheses.is_finished
        return tf.reduce_any(is_unfinished, axis=1)

    def choose(self, adjusted, hypotheses):
        """Extends every hypothesis by its only continuation.

        Args:
            adjusted: Adjusted log-probabilities of the continuations, float32 `[B, K, 1]`.
            hypotheses: `Hypotheses`.

        Returns:
            None in place of parents and of continuations, and the sums, float32 `[B, K]`.
        """
        gains = tf.where(hypotheses.is_finished, 0.0, adjusted[:, :, 0])
        return None, None, hypotheses.sums + gains

    def rank(self, scores):
        """Returns all places in their order, int32 `[B, K]`, for scores `[B, K]`."""
        return tf.zeros_like(scores, tf.int32) + tf.range(self.strategy.width)


class Beam(_Choice):
    """Beam search: the K most probable continuations of all hypotheses of a source."""

    def __init__(self, strategy, requirements):
        super().__init__(strategy, requirements)
        # Any id that must not be written may be the best of its group.
        if not needs_written_ids(strategy):
            self.groups = strategy.width + requirements.forbidden.shape[0]

    def random_numbers(self, requirements):
        """Returns `()`: a beam search draws nothing."""
        return ()

    def first_sums(self, batch):
        """Returns the sums before the first step, float32 `[B, K]`.

        All hypotheses start the same, so only the first may be extended.
        """
        zeros = tf.zeros([batch, self.strategy.width], tf.int32)
        return tf.where(tf.range(self.strategy.width) + zeros == 0, 0.0, float("-inf"))

    def is_open(self, hypotheses, requirements):
        """Returns whether anything can still enter the N best hypotheses, boolean `[B]`.

        From now on sums only fall, the length penalty only rises, and the coverage penalty is at
        most 0. So the best score of an unfinished hypothesis is its sum at the maximum length.
        """
        penalty = length_penalty(requirements.maximum_lengths[:, None], self.strategy)
        reachable = hypotheses.sums / penalty * (1.0 - _ROUNDING)
        reachable = tf.where(hypotheses.is_finished, float("-inf"), reachable)
        scores = self.scores(hypotheses, requirements)
        worst_returned = tf.math.top_k(scores, self.strategy.returned)[0][:, -1]
        best_reachable = tf.reduce_max(reachable, axis=1)
        return is_possible(best_reachable) & (best_reachable >= worst_returned)

    def best(self, adjusted, random_numbers):
        """Returns the best K continuations of every hypothesis.

        Args:
            adjusted: Adjusted log-probabilities of the candidates, float32 `[N, C]`.
            random_numbers: `()`.

        Returns:
            Their adjusted log-probabilities, and their indices among the candidates, `[N, K]`.
        """
        return tf.math.top_k(adjusted, tf.minimum(self.strategy.width, tf.shape(adjusted)[1]))

    def choose(self, adjusted, hypotheses):
        """Chooses the best K continuations of each source; finished hypotheses come first.

        Args:
            adjusted: Adjusted log-probabilities of the continuations, float32 `[B, K, C]`.
            hypotheses: `Hypotheses`.

        Returns:
            Parents and the indices of their continuations, int32 `[B, K]`, and the sums, float32
            `[B, K]`.
        """
        width, count = self.strategy.width, tf.shape(adjusted)[2]
        # A finished hypothesis can only be padded, which costs nothing.
        is_padding = hypotheses.is_finished[:, :, None] & (tf.range(count) == 0)
        adjusted = tf.where(is_padding, 0.0, adjusted)
        sums = merge_continuations(hypotheses.sums[:, :, None] + adjusted)
        order = tf.where(merge_continuations(is_padding), float("inf"), sums)
        _, chosen = tf.math.top_k(order, width)
        return chosen // count, chosen % count, tf.gather(sums, chosen, batch_dims=1)

    def scores(self, hypotheses, requirements):
        """Returns the scores of hypotheses, float32 `[B, K]`; -inf for unfinished ones."""
        scores = hypotheses.sums / length_penalty(hypotheses.lengths, self.strategy)
        if tf.is_tensor(hypotheses.coverage):
            scores += coverage_penalty(hypotheses.coverage, requirements.mask, self.strategy)
        return tf.where(hypotheses.is_finished, scores, float("-inf"))

    def rank(self, scores):
        """Returns the places of the best N, best first, int32 `[B, N]`, for scores `[B, K]`.

        Ties go to the earlier place.
        """
        order = tf.argsort(scores, axis=1, direction="DESCENDING", stable=True)
        return order[:, : self.strategy.returned]


class Greedy(_Independent, Beam):
    """Greedy search: a beam of one hypothesis, which competes with no other."""


class Draw(_Independent):
    """Sampling: every hypothesis is extended by an id that is drawn at random.

    Args:
        strategy: `Sampling`.
        requirements: `Requirements` of all sources.
        numbers: Its `numbers`, perhaps as scalar tensors.
    """

    def __init__(self, strategy, requirements, numbers):
        super().__init__(strategy, requirements)
        self._numbers = numbers

    def random_numbers(self, requirements):
        """Returns numbers from 0 to 1 for each source, step and sample, float32 `[B, T, K]`.

        They depend only on the seed of the source and the step, not on the rest of the batch.
        """
        steps = tf.maximum(tf.reduce_max(requirements.maximum_lengths), 1)
        return tf.map_fn(
            lambda seed: tf.random.stateless_uniform(
                [steps, self.strategy.width], tf.stack([self._numbers["seed"], seed])
            ),
            requirements.seeds,
            fn_output_signature=tf.TensorSpec([None, self.strategy.width]),
        )

    def first_sums(self, batch):
        """Returns the sums before the first step, float32 `[B, K]`: all samples are extended."""
        return tf.zeros([batch, self.strategy.width])

    def best(self, adjusted, random_numbers):
        """Draws one continuation of every hypothesis.

        Args:
            adjusted: Adjusted log-probabilities of the candidates, float32 `[N, C]`.
            random_numbers: Numbers from 0 to 1, float32 `[N]`.

        Returns:
            Its adjusted log-probability, and its index among the candidates, `[N, 1]`.
        """
        logits, indices = self._most_probable(adjusted / self._numbers["temperature"])
        probabilities = tf.nn.softmax(logits)
        if self.strategy.top_p < 1.0:
            mass_before = tf.cumsum(probabilities, axis=1, exclusive=True)
            probabilities = tf.where(mass_before < self._numbers["top_p"], probabilities, 0.0)
        drawn = draw(probabilities, random_numbers)[:, None]
        indices = tf.gather(indices, drawn, batch_dims=1)
        return tf.gather(adjusted, indices, batch_dims=1), indices

    def _most_probable(self, logits):
        """Returns the logits to draw from and their indices; sorted for `top_k` and `top_p`."""
        size = tf.shape(logits)[-1]
        if not self.strategy.top_k and self.strategy.top_p == 1.0:
            return logits, tf.zeros_like(logits, tf.int32) + tf.range(size)
        return tf.math.top_k(logits, tf.minimum(self.strategy.top_k or size, size))

    def scores(self, hypotheses, requirements):
        """Returns the sums, float32 `[B, K]`; -inf for unfinished hypotheses."""
        return tf.where(hypotheses.is_finished, hypotheses.sums, float("-inf"))


def merge_continuations(tensor):
    """Reshapes `[B, K, C]` to `[B, K·C]`."""
    shape = tf.shape(tensor)
    return tf.reshape(tensor, tf.stack([shape[0], shape[1] * shape[2]]))
