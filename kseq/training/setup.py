"""Preparing a model for Keras' `fit`: its teacher, its optimizer and the learning rate."""

import keras
import tensorflow as tf

from kseq.kernels.adam import Adam
from kseq.kernels.processor import AT_ONCE, cores_are_shared
from kseq.pipeline.batching import batch_count
from kseq.training.teacher import make_teacher

FINAL_LEARNING_RATE = 0.05  # as a share of the highest one
# Batches with smaller parts are not split: that would save no time.
MIN_TOKENS, MIN_SENTENCES = 256, 4


def compile_teacher(model, training, survey):
    """Makes the teacher of a model, compiled with Adam.

    Args:
        model: Model of `build_seq2seq`.
        training: `TrainingConfig`.
        survey: `Survey` of the training split.

    Returns:
        A `Teacher`, on which `fit` can be called.
    """
    batches = batch_count(survey, training)
    optimizer = Adam(
        _learning_rate(training, steps=batches * training.epochs),
        global_clipnorm=training.gradient_clip,
    )
    # Otherwise the first step would make these variables, and would then be traced again.
    optimizer.build(model.trainable_variables)
    parts = _number_of_parts(survey.tokens / batches, survey.kept / batches)
    teacher = make_teacher(model, training.label_smoothing, parts)
    # Batches have many shapes, and XLA would compile the step again for each of them.
    teacher.compile(optimizer, jit_compile=False)
    return teacher


def _learning_rate(training, steps):
    """Schedule of the learning rate: a linear warm-up, and then the first half of a cosine."""
    warmup = min(training.warmup_steps, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else training.learning_rate,
        max(1, steps - warmup),
        alpha=FINAL_LEARNING_RATE,
        warmup_target=training.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def _number_of_parts(tokens, sentences):
    """Number of parts of a batch that are trained on at once.

    Args:
        tokens: Average number of tokens in a batch.
        sentences: Average number of sentences in a batch.
    """
    is_small = tokens < AT_ONCE * MIN_TOKENS or sentences < AT_ONCE * MIN_SENTENCES
    if is_small or tf.config.list_logical_devices("GPU") or not cores_are_shared():
        return 1
    return AT_ONCE
