"""The side that a `ModelConfig` and the size of a vocabulary describe."""

import numbers
import reprlib

from kseq.sides.feature_side import FeatureSide
from kseq.sides.text_side import TextSide
from kseq.sides.value_side import ValueSide


def make_source_side(config, vocabulary_size=None):
    """Makes the source side of a model.

    Args:
        config: `ModelConfig`; its `source_features` say whether sources are real-valued.
        vocabulary_size: Number of source ids V; None if the source is real-valued.

    Raises:
        ValueError: The size is missing or not a number of ids, or real values cannot have one.
    """
    _check_size("source", config.source_features, vocabulary_size)
    if config.source_features:
        return ValueSide(config.source_features)
    return TextSide(vocabulary_size, config.copy, is_absent=config.is_language_model)


def make_target_side(config, vocabulary_size=None):
    """Makes the target side of a model; arguments and errors as in `make_source_side`."""
    _check_size("target", config.target_features, vocabulary_size)
    if config.target_features:
        return ValueSide(config.target_features, config.target_activation, config.target_covariates)
    return TextSide(vocabulary_size, config.copy)


def make_feature_side(config, vocabulary_size=None):
    """Makes the side of the features that a model reads with its source; None if it reads none.

    Args:
        config: `ModelConfig`.
        vocabulary_size: Number of feature ids V; None without features.

    Raises:
        ValueError: The size is missing or not a number of ids, or there are no features.
    """
    if config.features != "none":
        _check_whole("feature", vocabulary_size)
        return FeatureSide(vocabulary_size)
    if vocabulary_size is not None:
        raise ValueError(
            f"received feature_vocabulary_size={vocabulary_size}, but the config has no features; "
            "set features to tokens or embedding"
        )
    return None


def _check_size(name, features, vocabulary_size):
    if features and vocabulary_size is not None:
        raise ValueError(
            f"a real-valued {name} ({name}_features in the config) has no vocabulary; received "
            f"{name}_vocabulary_size={vocabulary_size}"
        )
    if not features and vocabulary_size is None:
        raise ValueError(
            f"expected {name}_vocabulary_size; for a {name} of real values set "
            f"{name}_features in the config"
        )
    if not features:
        _check_whole(name, vocabulary_size)


def _check_whole(name, vocabulary_size):
    is_whole = isinstance(vocabulary_size, numbers.Integral) and vocabulary_size is not True
    if not (is_whole and 0 < vocabulary_size < 2**31):
        raise ValueError(
            f"{name}_vocabulary_size must be a whole number of ids, at least 1; received "
            f"{reprlib.repr(vocabulary_size)}"
        )
