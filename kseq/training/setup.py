"""Preparing a model for Keras' `fit`: its teacher and its optimizer."""

import tensorflow as tf

from kseq.kernels.processor import AT_ONCE, cores_are_shared
from kseq.pipeline.batch_sizes import batch_count
from kseq.training.additions import Additions
from kseq.training.optimizers import copy_optimizer, make_optimizer, with_loss_scaling
from kseq.training.teacher import make_teacher

# Batches with smaller parts are not split: that would save no time.
MIN_TOKENS, MIN_SENTENCES = 256, 4


def compile_teacher(model, training, survey, optimizer=None, strategy=None):
    """Makes the teacher of a model, compiled with its optimizer.

    Args:
        model: Model of `build_seq2seq`, made in the scope of the strategy.
        training: `TrainingConfig`.
        survey: `Survey` of the training split.
        optimizer: The user's own optimizer of Keras, which is copied; by default the one that the
            settings describe.
        strategy: `tf.distribute.Strategy` whose replicas share each batch; None for one device.

    Returns:
        A `Teacher`, on which `fit` can be called.
    """
    strategy = strategy or tf.distribute.get_strategy()
    batches = batch_count(survey, training)
    steps = batches * training.epochs
    with strategy.scope():
        if optimizer is None:
            optimizer = make_optimizer(training, steps)
        else:
            optimizer = copy_optimizer(optimizer)
        if training.precision == "mixed_float16":
            optimizer = with_loss_scaling(optimizer)
        # Otherwise the first step would make these variables, and would then be traced again.
        optimizer.build(model.trainable_variables)
    portions = batches * strategy.num_replicas_in_sync
    parts = _number_of_parts(survey.tokens / portions, survey.kept / portions)
    additions = Additions.of(training, steps)
    teacher = make_teacher(
        model, training.label_smoothing, parts, additions=additions, strategy=strategy
    )
    teacher.keep_averages(training.ema)
    # Batches have many shapes, and XLA would compile the step again for each of them.
    teacher.compile(optimizer, jit_compile=False)
    return teacher


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
