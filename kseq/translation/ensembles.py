"""Which models can make an ensemble."""


def check_member(first, member, name):
    """Checks that a model can be in an ensemble with the first one.

    Both must write text, with one target vocabulary, and read the source in the same way: split
    by the same tokenizer, or real values of the same width; both with features, or both without.

    Args:
        first: `Translator` of the first model.
        member: `Translator` of the other model.
        name: Name of the other model, for messages.

    Raises:
        ValueError: The other model cannot be in the ensemble.
    """
    if first.predicts_values or member.predicts_values:
        raise ValueError(f"{name}: an ensemble is for text; this model predicts real values")
    for side, readings in zip(("source", "target"), zip(_readings(first), _readings(member))):
        if len(set(readings)) > 1:
            raise ValueError(
                f"{name}: expected a model that reads the {side} like the first model; received "
                "a different tokenizer, case, normalization, pyramid, or width of real values, or "
                "other features"
            )
    if first.config.model.copy != member.config.model.copy:
        raise ValueError(
            f"{name}: expected copy={str(first.config.model.copy).lower()}, like the first model; "
            "an ensemble is of models that all copy, or of models that do not"
        )
    expected, received = (model.codecs.target.vocabulary for model in (first, member))
    if expected != received:
        raise ValueError(
            f"{name}: an ensemble needs one target vocabulary; this one has {len(received):,} "
            f"tokens and differs from the first model's, which has {len(expected):,}; train both "
            "on the same pairs"
        )


def _readings(translator):
    """How a model reads its source and its target: two values, equal for models that agree."""
    codecs, pyramid = translator.codecs, translator.config.model.pyramid
    features = codecs.features and codecs.features.reading
    return [(codecs.source.reading, pyramid, features), (codecs.target.reading, pyramid)]
