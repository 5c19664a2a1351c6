"""Results with attention, which a heatmap draws."""

from kseq.errors import SettingError


def attend(
    translator,
    sources,
    *,
    target=None,
    steps=None,
    covariates=None,
    prefix=None,
    features=None,
    **search,
):
    """Runs a model on sources and returns results to draw with `kseq.plot_attention`.

    A text model translates the sources, or reads a given target with teacher forcing. A model of
    real values predicts `steps` steps.

    Args:
        translator: A `Translator`.
        sources: List of sentences, or of real values `[S, F]`.
        target: Target to read instead of a translation; for a single source.
        steps: Number of steps T to predict, for real-valued targets.
        covariates: Known inputs of these steps, `[T, C]`, if the model reads some.
        prefix: Start of every translation, as in `Translator.translate`.
        features: Features of all sources, as in `Translator.translate`.
        **search: Options of `kseq.BeamSearch`.

    Returns:
        A list of `Translation` or `Prediction` in the order of the sources, each with attention
        `[T, S]`.

    Raises:
        SettingError: An option is missing, or does not fit the model or another option.
        ValueError: A source is empty or cannot be used.
    """
    if not all(len(source.strip() if isinstance(source, str) else source) for source in sources):
        raise ValueError("expected a sentence to draw; received an empty one")
    if translator.predicts_values:
        _check_value_options(target, prefix, search)
        if steps is None and not translator.codecs.target.covariates:
            raise SettingError(
                "expected {steps}, the number of steps to predict, as the targets are real-valued"
            )
        return translator.predict(sources, steps, covariates)
    if covariates is not None:
        raise SettingError("{covariates} are for real-valued targets; this model writes text")
    if steps is not None:
        raise SettingError("{steps} is for real-valued targets; this model writes text")
    if target is None:
        return translator.translate(sources, prefix=prefix, features=features, **search)
    if len(sources) > 1:
        raise SettingError("{target} is for one sentence; received {0}", len(sources))
    for name in _search_names(prefix, search):
        raise SettingError("{name} is for a search; {target} is read without one", name=name)
    return translator.score([(sources[0], target)], features)


def _check_value_options(target, prefix, search):
    """Rejects options that have no meaning for real-valued targets."""
    if target is not None:
        raise SettingError("{target} is for text; this model predicts real values")
    for name in _search_names(prefix, search):
        raise SettingError(
            "{name} is for text; real values are predicted without a search", name=name
        )


def _search_names(prefix, search):
    return [*search, *(["prefix"] if prefix is not None else [])]
