"""How a search chooses among continuations: beam search and sampling.

What continues a hypothesis is chosen first, then, in a beam, what goes on of all that was.
"""

import tensorflow as tf

from kseq.search.rules import needs_written, never_written
from kseq.search.strategies import BeamSearch

_LEAST_COVERAGE = 1e-6


def choice_of(strategy, requirements):
    """Returns how a strategy chooses, for `Requirements` of all sources."""
    if not isinstance(strategy, BeamSearch):
        return Draw(strategy, requirements)
    return (Greedy if strategy.width == 1 else Beam)(strategy, requirements)


def length_penalty(lengths, strategy):
    """What a log-probability is divided by, float32 of the shape of `lengths`.

    Wu et al. 2016 (arXiv 1609.08144), equation 14: `((5 + |Y|) / 6)^alpha`; or the length.

    Args:
        lengths: Lengths of hypotheses |Y|, END included, any shape.
        strategy: `BeamSearch`.
    """
    lengths = tf.cast(lengths, tf.float32)
    if strategy.length_penalty == "average":
        return tf.maximum(lengths, 1.0)
    return tf.pow((5.0 + lengths) / 6.0, strategy.alpha)


def coverage_penalty(covered, mask, strategy):
    """What is added for source positions that were not attended to, float32 `[B, K]`.

    Wu et al. 2016 (arXiv 1609.08144), equation 14: `beta Σ log(min(Σ p, 1))`.

    Args:
        covered: Attention of each hypothesis summed over its output, `[B, K, S]`.
        mask: Which source positions count, boolean `[B, S]`.
        strategy: `BeamSearch`.
    """
    penalties = tf.math.log(tf.clip_by_value(covered, _LEAST_COVERAGE, 1.0))
    return strategy.beta * tf.reduce_sum(tf.where(mask[:, None], penalties, 0.0), axis=2)


class _Choice:
    """What all choices know.

    Attributes:
        strategy: `BeamSearch` or `Sampling`.
        never: What `never_written` returned.
        groups: How many groups of ids are considered, or None for all ids.
        compares: Whether a hypothesis may take the place of another.
    """

    groups = None
    compares = True

    def __init__(self, strategy, requirements):
        self.strategy, self.never = strategy, never_written(requirements)


class _EachAlone(_Choice):
    """Every hypothesis goes on by itself, in its place."""

    compares = False

    def is_open(self, hypotheses, memory, requirements):
        """Whether a hypothesis of the source goes on, boolean `[B]`."""
        return tf.reduce_any(is_real(hypotheses.sums) & ~hypotheses.finished, axis=1)

    def choose(self, wanted, hypotheses):
        """No parents and no places, as the first is the only one; and sums `[B, K]`."""
        gained = tf.where(hypotheses.finished, 0.0, wanted[:, :, 0])
        return None, None, hypotheses.sums + gained

    def ranked(self, scores):
        """All places `[B, K]`, as they are."""
        return tf.zeros_like(scores, tf.int32) + tf.range(self.strategy.width)


class Beam(_Choice):
    """How beam search chooses: the K most probable continuations of all hypotheses."""

    def __init__(self, strategy, requirements):
        super().__init__(strategy, requirements)
        # Every id that must not be written may be the best of its group.
        if not needs_written(strategy):
            self.groups = strategy.width + requirements.forbidden.shape[0]

    def drawn(self, requirements):
        """What is drawn for each source beforehand: nothing."""
        return ()

    def first_sums(self, batch):
        """All hypotheses start alike: only the first may be continued at the first step."""
        unfilled = tf.zeros([batch, self.strategy.width], tf.int32)
        return tf.where(tf.range(self.strategy.width) + unfilled == 0, 0.0, float("-inf"))

    def is_open(self, hypotheses, memory, requirements):
        """Whether anything can still enter the N hypotheses that are returned, boolean `[B]`.

        From now on sums only fall, the length penalty only rises, and coverage adds at most 0:
        the best that an unfinished hypothesis can reach is its sum at the longest length.
        """
        penalty = length_penalty(requirements.maximum_lengths[:, None], self.strategy)
        reachable = hypotheses.sums / penalty * (1.0 - 1e-5)  # more than rounding could change
        reachable = tf.where(hypotheses.finished, float("-inf"), reachable)
        scores = self.scores(hypotheses, memory, requirements)
        worst_returned = tf.math.top_k(scores, self.strategy.returned)[0][:, -1]
        best_reachable = tf.reduce_max(reachable, axis=1)
        return is_real(best_reachable) & (best_reachable >= worst_returned)

    def best(self, wanted, drawn):
        """The best K continuations `[N, C]` of every hypothesis, and their places."""
        return tf.math.top_k(wanted, tf.minimum(self.strategy.width, tf.shape(wanted)[1]))

    def choose(self, wanted, hypotheses):
        """Parents, places and sums, each `[B, K]`: of the best K of each the best K of all.

        Finished hypotheses come before all others.
        """
        width, share = self.strategy.width, tf.shape(wanted)[2]
        # A finished hypothesis can only pad, which costs nothing.
        is_padding = hypotheses.finished[:, :, None] & (tf.range(share) == 0)
        wanted = tf.where(is_padding, 0.0, wanted)
        sums = flat(hypotheses.sums[:, :, None] + wanted)
        _, chosen = tf.math.top_k(tf.where(flat(is_padding), float("inf"), sums), width)
        return chosen // share, chosen % share, tf.gather(sums, chosen, batch_dims=1)

    def scores(self, hypotheses, memory, requirements):
        """What hypotheses are ranked by, `[B, K]`; -inf for what has not ended."""
        scores = hypotheses.sums / length_penalty(hypotheses.lengths, self.strategy)
        if "covered" in memory:
            scores += coverage_penalty(memory["covered"], requirements.mask, self.strategy)
        return tf.where(hypotheses.finished, scores, float("-inf"))

    def ranked(self, scores):
        """The places of the best N, best first; of equal ones the earlier."""
        order = tf.argsort(scores, axis=1, direction="DESCENDING", stable=True)
        return order[:, : self.strategy.returned]


class Greedy(_EachAlone, Beam):
    """A beam of one has nothing to compare."""


class Draw(_EachAlone):
    """How sampling chooses: every hypothesis on its own, at random."""

    def drawn(self, requirements):
        """Numbers from 0 to 1 for each source, step and sample, `[B, T, K]`.

        Those of a source hang on its seed and the step, not on what is beside it.
        """
        steps = tf.maximum(tf.reduce_max(requirements.maximum_lengths), 1)
        return tf.map_fn(
            lambda seed: tf.random.stateless_uniform(
                [steps, self.strategy.width], tf.stack([self.strategy.seed, seed])
            ),
            requirements.seeds,
            fn_output_signature=tf.TensorSpec([None, self.strategy.width]),
        )

    def first_sums(self, batch):
        """All samples are drawn from the start."""
        return tf.zeros([batch, self.strategy.width])

    def best(self, wanted, drawn):
        """One continuation `[N, 1]` of every hypothesis that is drawn, and its place."""
        logits, places = self._candidates(wanted / self.strategy.temperature)
        probabilities = tf.nn.softmax(logits)
        if self.strategy.top_p < 1.0:
            before = tf.cumsum(probabilities, axis=1, exclusive=True)
            probabilities = tf.where(before < self.strategy.top_p, probabilities, 0.0)
        sums = tf.cumsum(probabilities, axis=1)
        # The first candidate whose running sum is over the drawn number.
        threshold = drawn[:, None] * sums[:, -1:]
        place = tf.reduce_sum(tf.cast(sums <= threshold, tf.int32), axis=1, keepdims=True)
        places = tf.gather(places, place, batch_dims=1)
        return tf.gather(wanted, places, batch_dims=1), places

    def _candidates(self, logits):
        """What is drawn from, and its places; most probable first where there is a threshold."""
        size = tf.shape(logits)[-1]
        if not self.strategy.top_k and self.strategy.top_p == 1.0:
            return logits, tf.zeros_like(logits, tf.int32) + tf.range(size)
        return tf.math.top_k(logits, tf.minimum(self.strategy.top_k or size, size))

    def scores(self, hypotheses, memory, requirements):
        """The sums, `[B, K]`; -inf for what has not ended."""
        return tf.where(hypotheses.finished, hypotheses.sums, float("-inf"))


def flat(tensor):
    """`[B, K, C]` as `[B, K·C]`."""
    shape = tf.shape(tensor)
    return tf.reshape(tensor, tf.stack([shape[0], shape[1] * shape[2]]))


def is_real(log_probabilities):
    """Whether a place among the K is taken: at first there are fewer hypotheses than places."""
    return log_probabilities > float("-inf")
