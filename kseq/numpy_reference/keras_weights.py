"""The weights of a Keras model of kseq, by name: read as arrays, and written back.

The model is an argument, so that nothing here imports Keras or TensorFlow.
"""

import dataclasses
import re

import numpy as np

from kseq.numpy_reference.cells import GATES

# Settings that change the weights, but not what is computed with them.
_FREE = (
    "units",
    "embedding_dim",
    "cell",
    "decoder_cell",
    "source_deviation",
    "target_deviation",
    "dropout",
)


def from_keras(model):
    """Reads the weights of a model, as copies in float64.

    The model is that of `kseq.ModelConfig()`, or differs from it in sizes, cells or dropout, which
    applies only to training.

    Args:
        model: Model of `kseq.build_seq2seq`.

    Returns:
        Weights by name.

    Raises:
        ValueError: The model has settings that this package does not implement.
    """
    _check(model.config)
    return {
        name: np.array(weight, np.float64)
        for name, weight in zip(_names(model), model.get_weights())
    }


def to_keras(weights, model):
    """Gives a model these weights.

    Args:
        weights: Weights by name, as from `from_keras`.
        model: Model of `kseq.build_seq2seq` with the settings of `from_keras`.

    Raises:
        ValueError: The model has other settings, or weights of other names or shapes.
    """
    _check(model.config)
    names = _names(model)
    if set(names) != set(weights):
        different = ", ".join(sorted(set(names) ^ set(weights)))
        raise ValueError(f"expected the weights of the model; only one of both has {different}")
    model.set_weights([weights[name] for name in names])


def _names(model):
    """The paths of the weights, without the names that Keras gives to cells and their layers."""
    return [
        re.sub(r"/(forward|backward)_\w+/\w+_cell/", r"/\1/", weight.path)
        for weight in model.weights
    ]


def _check(config):
    different = [
        f"{field.name}={getattr(config, field.name)!r}"
        for field in dataclasses.fields(config)
        if field.name not in _FREE and getattr(config, field.name) != field.default
    ]
    cells = {"cell": config.cell, "decoder_cell": config.decoder_cell}
    different += [
        f"{name}={cell!r}" for name, cell in cells.items() if cell not in (*GATES, "same")
    ]
    if different:
        raise ValueError(
            f"expected a model that differs from ModelConfig() only in {', '.join(_FREE)}; "
            f"received one with {', '.join(different)}"
        )
