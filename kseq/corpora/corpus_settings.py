"""The settings that depend on the kind of a corpus: pairs, texts or conversations."""

import dataclasses

from kseq.config import Config, ModelConfig, TextConfig, TrainingConfig
from kseq.corpora.value_sides import SAMPLES
from kseq.errors import SettingError

_MANY_CHARACTERS = 5_000_000  # enough to learn words from
_FEW_CHARACTERS = 500_000
_LONGEST_TEXT = 400  # characters


def fitting_config(pairs):
    """Returns the settings that suit a training split.

    Texts of fewer than five million characters in all are split into characters, which are learnt
    from less text than words; with fewer than half a million, the model is smaller.

    Args:
        pairs: `Pairs` or `ValuePairs`.

    Returns:
        A `Config`.
    """
    if not pairs.has_sources:
        return _text_settings(_count_characters(pairs))
    # The width of the frames of recordings is a setting.
    source, target = (0 if width == SAMPLES else width for width in pairs.features)
    model = ModelConfig(
        source_features=source,
        target_features=target,
        target_covariates=pairs.covariates,
        features="tokens" if pairs.has_features else "none",
    )
    return Config(model, TextConfig(previous_turns=pairs.previous_turns))


def _count_characters(pairs):
    """Counts the characters of texts, but not far beyond `_MANY_CHARACTERS`."""
    count = 0
    for _, text in pairs:
        count += len(text)
        if count >= _MANY_CHARACTERS:
            break
    return count


def _text_settings(count):
    """The settings of a language model for texts with `count` characters in all."""
    if count >= _MANY_CHARACTERS:
        return language_model_config(Config())
    is_small = count < _FEW_CHARACTERS
    return language_model_config(
        Config(
            ModelConfig(
                units=256 if is_small else 512,
                embedding_dim=64,
                dropout=0.3 if is_small else 0.2,
            ),
            TextConfig(target_tokenizer="character"),
            TrainingConfig(
                epochs=30 if is_small else 20,
                batch_size=32 if is_small else 64,
                learning_rate=0.002,
                warmup_steps=200,
                maximum_length=_LONGEST_TEXT,
            ),
        )
    )


def language_model_config(config):
    """Returns a `Config` for texts, which have no source: the model is a decoder alone.

    Args:
        config: `Config`, in which the settings of a source have their defaults.

    Raises:
        ValueError: A setting needs a source.
    """
    text = config.text
    if text.source_tokenizer not in ("none", TextConfig.source_tokenizer):
        raise SettingError(
            "{source_tokenizer}={0} needs pairs; texts have no source: leave it out",
            text.source_tokenizer,
        )
    return dataclasses.replace(
        config,
        model=_without_source(config.model),
        text=dataclasses.replace(text, source_tokenizer="none"),
    )


def _without_source(model):
    """Returns a `ModelConfig` of a decoder alone, unless its settings need a source."""
    if model.encoder_layers > 1:
        raise SettingError(
            "{encoder_layers}={0} needs pairs; texts have no source: use {encoder_layers}=0",
            model.encoder_layers,
        )
    attention = "none" if model.attention == ModelConfig.attention else model.attention
    return dataclasses.replace(model, encoder_layers=0, attention=attention)


def with_model(config, model):
    """Returns the `Config` of a corpus with another `ModelConfig`."""
    if config.model.is_language_model:
        model = _without_source(model)
    return dataclasses.replace(config, model=model)


def match_kind(config, pairs):
    """Returns a `Config` that fits the kind of a training split.

    Args:
        config: `Config`.
        pairs: `Pairs` or `ValuePairs`.

    Raises:
        ValueError: A setting contradicts the pairs.
    """
    if not pairs.has_sources:
        return language_model_config(config)
    if config.model.is_language_model:
        raise SettingError(
            "{encoder_layers}=0 is a language model, which learns texts; {0} has pairs: use "
            "{encoder_layers}=1, or open texts with {language_model}",
            pairs,
        )
    turns = config.text.previous_turns
    if turns not in (0, pairs.previous_turns):
        raise SettingError(
            "{previous_turns}={0}, but the corpus has {1}: the number is that of {context}",
            *(turns, pairs.previous_turns),
        )
    text = dataclasses.replace(config.text, previous_turns=pairs.previous_turns)
    return dataclasses.replace(config, text=text)
