"""Losses, metrics and labels that do not fit the output of a model, and how to fix them.

Keras accepts a loss for probabilities on logits, and trains the model wrongly.
"""

import inspect

import keras
import tensorflow as tf

from kseq.fields import suggestion

OUTPUTS = ("logits", "probabilities")

# What to pass to `compile`, by the output of the model and by whether labels are one-hot.
_FITTING = {
    ("logits", False): "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
    ("logits", True): "loss=keras.losses.CategoricalCrossentropy(from_logits=True)",
    ("probabilities", False): 'loss="sparse_categorical_crossentropy"',
    ("probabilities", True): 'loss="categorical_crossentropy"',
}


def check_output(config, output):
    """Checks that a model can return an output, one of `OUTPUTS`.

    Args:
        config: `ModelConfig`.
        output: The output.

    Raises:
        ValueError: There is no such output, or the target is real-valued.
    """
    if output not in OUTPUTS:
        raise ValueError(
            f"output must be {' or '.join(map(repr, OUTPUTS))}; received {output!r}"
            f"{suggestion(output, OUTPUTS)}"
        )
    if config.target_features and output != "logits":
        raise ValueError(
            f"output={output!r} is for text; the target is real-valued (target_features="
            f"{config.target_features}): leave it out"
        )


def check_losses(losses, output):
    """Checks that losses or metrics read what the model returns.

    Args:
        losses: Losses or metrics as `compile` takes them: names, functions, objects, or a nest.
        output: What the model returns, one of `OUTPUTS`.

    Raises:
        ValueError: One of them reads the other kind of output.
    """
    for loss in keras.tree.flatten(losses):
        reads_logits = _reads_logits(loss)
        if reads_logits is None or reads_logits == (output == "logits"):
            continue
        expected = "logits" if reads_logits else "probabilities"
        raise ValueError(
            f"{_name(loss)} expects {expected}, but the model returns {output}. For ids as labels "
            f"use {_FITTING[output, False]}, for one-hot labels {_FITTING[output, True]}; or build "
            f'the model with output="{expected}"'
        )


def check_labels(labels, loss, output):
    """Checks that the labels have the shape that a categorical loss reads.

    Args:
        labels: Labels of the target, a tensor, perhaps in a nest.
        loss: The loss as `compile` takes it.
        output: What the model returns, one of `OUTPUTS`.

    Raises:
        ValueError: The loss reads one-hot labels `[B, T, V]`, and these are ids `[B, T]`; or the
            other way round.
    """
    name = _name(keras.tree.flatten(loss)[0])
    shape = tf.TensorShape(keras.tree.flatten(labels)[0].shape)
    if "categorical" not in name.lower() or shape.rank is None:
        return
    are_ids = shape.rank == 2 or shape[-1] == 1
    reads_ids = "sparse" in name.lower()
    if are_ids == reads_ids:
        return
    expected, received = "one-hot labels [B, T, V]", "ids"
    if reads_ids:
        expected, received = "ids [B, T] as labels", "one-hot labels"
    raise ValueError(
        f"{name} expects {expected}; received {received} of shape {tuple(shape)}. For these labels "
        f"compile the model with {_FITTING[output, not are_ids]}"
    )


def _reads_logits(loss):
    """Whether a loss or metric of Keras reads logits; None if it does not say."""
    if isinstance(loss, str):
        if loss.lower() in ("crossentropy", "ce"):  # Keras chooses one of those for probabilities
            return False
        try:
            loss = keras.losses.get(loss)
        except ValueError:  # The name of a metric, or of nothing, which Keras reports.
            return None
    if isinstance(loss, (keras.losses.Loss, keras.metrics.Metric)):
        return getattr(loss, "from_logits", None)
    if not callable(loss):
        return None
    parameter = inspect.signature(loss).parameters.get("from_logits")
    has_default = parameter is not None and isinstance(parameter.default, bool)
    return parameter.default if has_default else None


def _name(loss):
    if isinstance(loss, str):
        return loss
    return getattr(loss, "__name__", type(loss).__name__)
