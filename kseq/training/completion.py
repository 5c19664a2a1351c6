"""The settings of a training, completed with what its data determine."""

import dataclasses

from kseq.config import Config, ModelConfig
from kseq.corpora.corpus_settings import match_kind, with_model
from kseq.corpora.opening import require_features
from kseq.corpora.value_sides import SAMPLES
from kseq.errors import SettingError
from kseq.settings.text import SPEECH


def complete_config(corpus, config, start=None):
    """Checks the arguments of `train`; returns the config with the widths of real-valued sides.

    Args:
        corpus: `Corpus`.
        config: `Config`, `ModelConfig` or None, as for `train`.
        start: `Start`, or None.

    Raises:
        ValueError: The settings do not fit the corpus, or each other.
        TypeError: `config` is something else.
    """
    if start is not None:
        config = start.complete_config(config, corpus)
    if config is None or isinstance(config, ModelConfig):
        config = with_model(corpus.config, config or corpus.config.model)
    if not isinstance(config, Config):
        raise TypeError(f"expected a Config or a ModelConfig; received {config!r}")
    config = match_kind(config, corpus.train)
    determined = _determine_widths(corpus, config)
    if config.model.features == "none" and corpus.train.has_features:
        determined["features"] = "tokens"
    if config.model.features != "none":
        require_features(corpus.train)
    model = dataclasses.replace(config.model, **determined)
    model.check_sides()
    if model.target_features and config.training.label_smoothing:
        raise SettingError(
            "{label_smoothing} is for text; the targets are real-valued: set it to 0"
        )
    if config.training.word_dropout and all(corpus.train.features):
        raise SettingError("{word_dropout} is for text; both sides are real-valued: set it to 0")
    text = _complete_speech(corpus, config.text, start)
    return dataclasses.replace(config, model=model, text=text)


def _determine_widths(corpus, config):
    """Returns the widths of the data by the names of the settings, after comparing them."""
    source, target = corpus.train.features
    if source == SAMPLES:
        source = config.text.mel_bands
    widths = {
        "source_features": source,
        "target_features": target,
        "target_covariates": corpus.train.covariates,
    }
    for name, width in widths.items():
        configured_width = getattr(config.model, name)
        if configured_width not in (0, width):
            description = f"{width} values per step" if width else "text"
            if name == "target_covariates":
                description = f"{width} covariates" if width else "none"
            raise SettingError(
                "{0}: {name} is {1}, but the corpus has {2}; set {name}={3}",
                *(corpus.train, configured_width, description, width),
                name=name,
            )
    return widths


def _complete_speech(corpus, text, start):
    """Returns the settings of the text with the sample rate of the recordings, if there are any."""
    if corpus.train.sample_rate is not None:
        return dataclasses.replace(text, sample_rate=text.sample_rate or corpus.train.sample_rate)
    for name in SPEECH if start is None else ():
        if getattr(text, name) != getattr(type(text), name):
            raise SettingError(
                "{name}={0} is for recordings (.wav); {1} has none",
                *(getattr(text, name), corpus.train),
                name=name,
            )
    return text
