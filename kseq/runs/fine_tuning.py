"""The settings with which a new training starts from a run."""

import dataclasses
import json

from kseq.config import Config
from kseq.errors import SettingError
from kseq.path_names import PathName
from kseq.runs.reading import read_run

_RATE_DIVISOR = 5
# Settings of the model and the text that a training from a run may change: those that act only
# while training, and the limits of a vocabulary that grows.
_FREE = ("dropout", "coverage_loss")
_LIMITS = ("minimum_frequency", "maximum_vocabulary_size")
_VECTORS = ("source_vectors", "target_vectors")


def fine_tuning_config(run: PathName) -> Config:
    """Returns the settings with which `train(..., start=run)` trains by default.

    They are the settings of the run with a fifth of its learning rate. A run that was itself
    started from another one has a lower rate already, and keeps it. What the run did at its own
    start is not repeated: loading word vectors, growing vocabularies, freezing parts.

    Args:
        run: Run directory.

    Returns:
        A `Config`, whose `with_settings` changes single settings.

    Raises:
        FileNotFoundError: The directory is missing.
        ValueError: It is not a run, or is damaged.
    """
    _, config, record = read_run(run)
    training = config.training
    divisor = _RATE_DIVISOR if record.start is None else 1
    training = dataclasses.replace(
        training,
        learning_rate=training.learning_rate / divisor,
        source_vectors="",
        target_vectors="",
        freeze_vectors=False,
        grow_vocabulary=False,
        freeze=(),
    )
    return dataclasses.replace(config, training=training)


def check_fine_tuning(config, run_config, name):
    """Checks that settings fit the run that training starts from.

    Args:
        config: `Config` of the new training.
        run_config: `Config` of the run.
        name: Name of the run, for messages.

    Raises:
        ValueError: A setting contradicts the run, or would have no effect.
    """
    for section in ("model", "text"):
        old, new = (dataclasses.asdict(getattr(each, section)) for each in (run_config, config))
        for field in new:
            if new[field] != old[field] and field not in _FREE:
                _check_change(field, old[field], new[field], config.training, name)
    for field in _VECTORS:
        if getattr(config.training, field):
            raise SettingError(
                "{field} is for a training that starts from nothing; the embeddings of {0} are "
                "trained already",
                name,
                field=field,
            )
    if config.training.grow_vocabulary and not any(_can_grow(config, number) for number in (0, 1)):
        raise SettingError(
            "{grow_vocabulary}=true needs a side that is split into words or characters; {0} has "
            "none (subwords can spell every text)",
            name,
        )
    for number, part in ((0, "source_embedding"), (1, "target_embedding"), (1, "output")):
        is_frozen = part in config.training.freeze
        if config.training.grow_vocabulary and is_frozen and _can_grow(config, number):
            raise SettingError(
                "{freeze}={0} contradicts {grow_vocabulary}=true: the new {1} tokens would learn "
                "nothing; leave one of them out",
                *(part, ("source", "target")[number]),
            )


def _check_change(field, old, new, training, name):
    old, new = (json.dumps(value) if isinstance(value, bool) else value for value in (old, new))
    if field not in _LIMITS:
        raise SettingError(
            "{field}={0} contradicts the run that training starts from: {1} has {field}={2}; leave "
            "it out, because the model and the tokens are those of the run",
            *(new, name, old),
            field=field,
        )
    if not training.grow_vocabulary:
        raise SettingError(
            "{field}={0} has no effect, because the vocabulary of {1} is kept; set "
            "{grow_vocabulary}=true, or leave it out",
            *(new, name),
            field=field,
        )


def _can_grow(config, number):
    """Whether the source (0) or the target (1) has a vocabulary of words or characters."""
    width = (config.model.source_features, config.model.target_features)[number]
    return not width and config.text.tokenizers[number] != "subword"


def refuse_fine_tuning(training):
    """Checks that a training that starts from nothing has no settings for one that does not.

    Args:
        training: `TrainingConfig`.

    Raises:
        ValueError: It has one.
    """
    for field in ("grow_vocabulary", "freeze"):
        if getattr(training, field):
            raise SettingError(
                "{field} is for a training that starts from another run; name it with {start}",
                field=field,
            )
