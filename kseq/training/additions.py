"""What a training adds to plain teacher forcing: noise in the inputs, and more losses."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from kseq.training import random_numbers
from kseq.training.sampling_schedule import sampling_schedule
from kseq.training.scheduled_sampling import RANDOM_NUMBERS, READS_OWN, ScheduledSampling
from kseq.training.word_dropout import drop_words


@dataclasses.dataclass(frozen=True)
class Additions:
    """What a training adds to plain teacher forcing; by default, nothing.

    All of it depends only on the seed and the number of the training step, so that it has no state
    that would have to be saved.

    Args:
        seed: Seed of the random numbers.
        word_dropout: Probability that a word becomes UNK.
        sampling_schedule: Function from the number of the training step to the probability that the
            decoder reads an output of its own; None for never.
        guided_alignment: Weight of the loss of the attention.
        coverage_loss_start: Number of training steps before the coverage loss sets in.
    """

    seed: int = 0
    word_dropout: float = 0.0
    sampling_schedule: Callable | None = None
    guided_alignment: float = 0.0
    coverage_loss_start: int = 0

    @classmethod
    def of(cls, training, steps):
        """Makes the additions of a `TrainingConfig` with a number of training steps."""
        schedule = None
        if training.scheduled_sampling:
            schedule = sampling_schedule(
                training.sampling_schedule,
                training.scheduled_sampling,
                training.sampling_steps or max(1, steps),
            )
        return cls(
            training.seed,
            training.word_dropout,
            schedule,
            training.guided_alignment,
            training.coverage_loss_start,
        )

    def make_sampling(self, model):
        """Makes the `ScheduledSampling` of a model; None if there is none."""
        return ScheduledSampling(model) if self.sampling_schedule else None

    def has_coverage_loss(self, step):
        """Returns whether the coverage loss has set in, a boolean tensor.

        See et al. 2017 (arXiv 1704.04368), section 5, add it only for the last steps.

        Args:
            step: Number of the training step, from 0.
        """
        return step >= self.coverage_loss_start

    def change_batch(self, data, model, step, place=None):
        """Changes a batch before a training step.

        Args:
            data: Inputs, labels and weights, as from `training_pipeline`.
            model: Model of `build_seq2seq`.
            step: Number of the training step, from 0.
            place: The place of these rows in the batch, as from `Portions.cut`; None if they are
                the whole batch.

        Returns:
            The same with dropped words, and with the inputs that `ScheduledSampling` needs.
        """
        inputs, labels, weights = data

        def uniform(like, purpose):
            return random_numbers.uniform(tf.shape(like), self.seed, step, purpose, place)

        if self.word_dropout:
            inputs = self._drop_words(inputs, model, uniform)
        if self.sampling_schedule:
            probability = self.sampling_schedule(step)
            inputs = {**inputs, **self._choose_positions(weights, probability, uniform)}
        return inputs, labels, weights

    def _drop_words(self, inputs, model, uniform):
        sides = (
            (model.source_side, model.source_side.source_name, random_numbers.SOURCE_WORDS),
            (model.target_side, model.target_side.target_name, random_numbers.TARGET_WORDS),
        )
        changed = {
            name: drop_words(inputs[name], uniform(inputs[name], purpose), self.word_dropout)
            for side, name, purpose in sides
            if side.is_text
        }
        return {**inputs, **changed}

    def _choose_positions(self, weights, probability, uniform):
        """Chooses where the decoder reads its own outputs, for weights `[B, T]`."""
        is_drawn = uniform(weights, random_numbers.POSITIONS) < probability
        is_inside = (weights > 0) & (tf.range(tf.shape(weights)[1]) > 0)
        return {
            READS_OWN: is_drawn & is_inside,
            RANDOM_NUMBERS: uniform(weights, random_numbers.DRAWN_WORDS),
        }
