"""Loss and metrics for Keras' own `compile` and `fit`, in which padding has no weight."""

from typing import Any

import keras
from keras import ops

from kseq.special_tokens import PAD


@keras.saving.register_keras_serializable("kseq")
class MaskedCrossEntropy(keras.losses.Loss):
    """The loss of `kseq.train` for text: the mean over the target tokens of a batch.

    Labels are ids `[B, T]`; those that are PAD have no weight. Keras' own cross-entropy would
    divide by all positions, padding included.

    Args:
        label_smoothing: The share ε of the probability that is spread evenly over the vocabulary
            (Szegedy et al. 2016, arXiv 1512.00567, section 7).
        name: Name of the loss.
    """

    from_logits = True

    def __init__(self, label_smoothing: float = 0.0, name: str = "masked_cross_entropy") -> None:
        super().__init__(name, reduction="mean_with_sample_weight")
        self.label_smoothing = label_smoothing

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Returns the loss of a batch, a scalar.

        Args:
            y_true: Ids `[B, T]`.
            y_pred: Logits `[B, T, V]`.
            sample_weight: Weights of the tokens `[B, T]` or of the sentences `[B]`, or None.
        """
        return super().__call__(y_true, y_pred, _mask(y_true, sample_weight))

    def call(self, y_true, y_pred):
        """Returns the loss of each position, float32 `[B, T]`."""
        entropies, log_probabilities = _cross_entropies(y_true, y_pred)
        spread = -ops.mean(log_probabilities, axis=-1)
        return (1.0 - self.label_smoothing) * entropies + self.label_smoothing * spread

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"label_smoothing": self.label_smoothing, "name": self.name}


@keras.saving.register_keras_serializable("kseq")
class MaskedAccuracy(keras.metrics.Mean):
    """The share of the target tokens that have the highest logit, over all batches.

    Args:
        name: Name of the metric.
    """

    from_logits = True

    def __init__(self, name: str = "accuracy", **options: Any) -> None:
        super().__init__(name, **options)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; arguments as in `MaskedCrossEntropy`."""
        best = ops.argmax(y_pred, axis=-1)
        correct = ops.equal(ops.cast(y_true, best.dtype), best)
        return super().update_state(ops.cast(correct, "float32"), _mask(y_true, sample_weight))


@keras.saving.register_keras_serializable("kseq")
class Perplexity(keras.metrics.Mean):
    """`exp` of the mean cross-entropy of the target tokens of all batches, without smoothing.

    Args:
        name: Name of the metric.
    """

    from_logits = True

    def __init__(self, name: str = "perplexity", **options: Any) -> None:
        super().__init__(name, **options)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; arguments as in `MaskedCrossEntropy`."""
        entropies, _ = _cross_entropies(y_true, y_pred)
        return super().update_state(entropies, _mask(y_true, sample_weight))

    def result(self):
        """Returns the perplexity so far, a scalar."""
        return ops.exp(super().result())


def _cross_entropies(y_true, y_pred):
    """Returns the cross-entropy of each label, `[B, T]`, and all log-probabilities."""
    log_probabilities = ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1)
    labels = ops.cast(y_true, "int32")[..., None]
    return -ops.take_along_axis(log_probabilities, labels, axis=-1)[..., 0], log_probabilities


def _mask(y_true, sample_weight):
    """Returns the weight of each label, float32 `[B, T]`: 0 for PAD."""
    weights = ops.cast(ops.not_equal(y_true, PAD), "float32")
    if sample_weight is None:
        return weights
    sample_weight = ops.cast(sample_weight, "float32")
    return weights * (sample_weight if len(sample_weight.shape) > 1 else sample_weight[:, None])
