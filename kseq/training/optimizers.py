"""The optimizer: Adam with fast updates, or one of Keras' own."""

import keras
import numpy as np
import tensorflow as tf

from kseq.config import TrainingConfig
from kseq.kernels.adam import Adam
from kseq.kernels.finite import require_finite
from kseq.training.learning_rate import make_learning_rate

_CLASSES = {
    "adam": Adam,
    "adamw": Adam,  # In Keras, Adam with a weight decay is AdamW.
    "adafactor": keras.optimizers.Adafactor,
    "adagrad": keras.optimizers.Adagrad,
    "lamb": keras.optimizers.Lamb,
    "lion": keras.optimizers.Lion,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
# Adafactor would otherwise choose its own learning rate.
_OPTIONS = {"adafactor": {"relative_step": False}}
_SMALLEST_FACTOR = 2.0**-10  # of a loss; gradients that still overflow are not finite in float32
_WITHOUT_DECAY = ["bias", "gamma", "beta"]  # biases, and the parameters of layer normalisation


def make_optimizer(training: TrainingConfig, steps: int) -> keras.optimizers.Optimizer:
    """Makes the optimizer that the settings describe.

    Args:
        training: `TrainingConfig`.
        steps: Number of batches of the training.
    """
    accumulated = training.gradient_accumulation
    learning_rate = make_learning_rate(training, steps)
    optimizer = _CLASSES[training.optimizer](
        learning_rate,
        global_clipnorm=training.gradient_clip,
        weight_decay=training.weight_decay or None,
        gradient_accumulation_steps=accumulated if accumulated > 1 else None,
        **_OPTIONS.get(training.optimizer, {}),
    )
    if training.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=_WITHOUT_DECAY)
    if training.schedule == "plateau":
        # A variable of the optimizer, so that it is part of the state of training.
        learning_rate.factor = optimizer.add_variable((), "ones", name="learning_rate_factor")
    return optimizer


@keras.saving.register_keras_serializable("kseq")
class LossScaling(keras.optimizers.LossScaleOptimizer):
    """Keras' optimizer for float16, which checks the gradients of embeddings row by row.

    It does not skip steps for ever: if gradients are not finite with a very small factor, training
    ends as in float32.
    """

    def check_finite(self, grads):
        """Returns whether all gradients are finite; Keras' own check does not run on a GPU."""
        is_finite = super().check_finite(
            [grad.values if isinstance(grad, tf.IndexedSlices) else grad for grad in grads]
        )
        is_due = is_finite | (self.dynamic_scale > _SMALLEST_FACTOR)
        with tf.control_dependencies([require_finite(tf.where(is_due, 0.0, np.inf), "gradient")]):
            return tf.identity(is_finite)


def with_loss_scaling(optimizer):
    """Wraps an optimizer in `LossScaling`, unless it scales losses already.

    It multiplies the loss by a factor, divides the gradients by it, and skips steps whose gradients
    are not finite: these halve the factor, 2,000 other steps in a row double it (Micikevicius et
    al. 2018, arXiv 1710.03740, section 3.2). The factor is a variable of the optimizer. A step that
    is skipped does not count for the learning rate.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return LossScaling(optimizer)


def halve_learning_rate(optimizer):
    """Halves the learning rate of all steps that follow; its schedule is `"plateau"`."""
    factor = getattr(optimizer, "inner_optimizer", optimizer)._learning_rate.factor
    factor.assign(0.5 * factor)


def copy_optimizer(optimizer):
    """Copies the user's optimizer, so that one object can train several models.

    Raises:
        TypeError: It is not an optimizer of Keras.
    """
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "optimizer must be an optimizer of Keras, such as keras.optimizers.SGD(0.1); received "
            f"{optimizer!r} (the setting `optimizer` takes names)"
        )
    return type(optimizer).from_config(optimizer.get_config())


def describe_optimizer(optimizer):
    """Describes the user's optimizer for the record of a run, so that others can be told apart.

    Returns:
        A dict for JSON of its class and its settings; None for None.
    """
    if optimizer is None:
        return None
    settings = keras.saving.serialize_keras_object(copy_optimizer(optimizer))
    return {"class": settings["class_name"], **settings["config"]}
