"""The learning rate of each step: a warm-up, and then one of several ways to fall."""

import keras
import tensorflow as tf

FINAL_SHARE = 0.05  # of the highest learning rate, at the end


def make_learning_rate(training, steps):
    """Makes the schedule of the learning rate.

    Args:
        training: `TrainingConfig`.
        steps: Number of steps of the training.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.
    """
    warmup = min(training.warmup_steps, steps // 10)
    if training.schedule != "cosine":
        return LearningRate(training.learning_rate, training.schedule, steps, warmup)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else training.learning_rate,
        max(1, steps - warmup),
        alpha=FINAL_SHARE,
        warmup_target=training.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


@keras.saving.register_keras_serializable("kseq")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up from 0, and then a learning rate that falls, or not.

    Args:
        highest: The learning rate after the warm-up.
        schedule: `"linear"`, `"inverse_sqrt"`, `"plateau"` or `"constant"`, as in
            `TrainingConfig`.
        steps: Number of steps of the training.
        warmup: Number of steps of the warm-up.

    Attributes:
        factor: What multiplies the learning rate: a number, or a scalar variable.
    """

    def __init__(self, highest, schedule, steps, warmup):
        super().__init__()
        self._settings = {
            "highest": highest,
            "schedule": schedule,
            "steps": steps,
            "warmup": warmup,
        }
        self.factor = 1.0

    def __call__(self, step):
        """Returns the learning rate of a step, which counts from 0."""
        highest, schedule, steps, warmup = self._settings.values()
        step = tf.cast(step, tf.float32)
        falling = 1.0
        if schedule == "linear":
            share = tf.clip_by_value((step - warmup) / max(1, steps - warmup), 0.0, 1.0)
            falling = 1.0 - (1.0 - FINAL_SHARE) * share
        elif schedule == "inverse_sqrt":
            start = float(max(1, warmup))
            falling = tf.sqrt(start / tf.maximum(step, start))
        rising = step / warmup if warmup else 1.0
        return highest * tf.where(step < warmup, rising, falling) * self.factor

    def get_config(self):
        """Returns the constructor's arguments."""
        return self._settings
