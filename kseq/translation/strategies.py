"""A strategy applied to a model: forbidden ids, a dictionary, and options it cannot have."""

from kseq.errors import SettingError
from kseq.translation.unknown_words import Dictionary, load_dictionary


def resolve_strategy(strategy, codecs, has_attention):
    """Looks up the forbidden tokens and the dictionary of a strategy.

    Args:
        strategy: `BeamSearch` or `Sampling`.
        codecs: `CodecPair`.
        has_attention: Whether the model has attention.

    Returns:
        A tuple of the ids that are never written; and the `Dictionary` for replacing unknown
        words, or None.

    Raises:
        ValueError: The model cannot search with this strategy.
    """
    for name in ("beam_size", "top_k"):
        if getattr(strategy, name, 0) > codecs.target.size:
            raise SettingError(
                "{name} must be at most {0:,}, the size of the target vocabulary; received {1:,}",
                *(codecs.target.size, getattr(strategy, name)),
                name=name,
            )
    if codecs.source.side.is_absent:
        for name in ("minimum_ratio", "maximum_ratio"):
            if getattr(strategy, name):
                raise SettingError(
                    "{name} is relative to a source, and a language model has none; use {instead}",
                    name=name,
                    instead=name.replace("ratio", "length"),
                )
    if getattr(strategy, "beta", 0.0) and not has_attention:
        raise SettingError("{beta} needs attention to the source; the model has none")
    if strategy.replace_unknown and not (has_attention and codecs.source.is_text):
        raise SettingError("{replace_unknown} needs a model with attention over source words")
    forbidden = tuple(id_ for token in strategy.forbid for id_ in codecs.target.ids_typed_as(token))
    if not strategy.replace_unknown:
        return forbidden, None
    path = strategy.dictionary
    source = codecs.source
    return forbidden, load_dictionary(path, source) if path else Dictionary({}, source)
