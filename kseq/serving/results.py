"""Results of translators, ready for JSON."""

_DECIMALS = 6


def translation_values(result, has_attention):
    """Returns a `Translation` as `Engine.answer` describes it.

    Args:
        result: The translation.
        has_attention: Whether to add tokens and attention.
    """
    values = {
        "text": result.text,
        "score": float(result.score),
        "log_probability": float(result.log_probability),
        "is_cut": bool(result.is_cut),
    }
    if has_attention:
        values |= {"source_tokens": result.source_tokens, "tokens": result.tokens}
        values |= attention_values(result.attention)
    return values


def prediction_values(result, has_attention):
    """Returns a `Prediction` likewise."""
    values = {"values": result.values.tolist()}
    if has_attention:
        values["source_tokens"] = result.source_tokens
        values |= attention_values(result.attention)
    return values


def attention_values(weights):
    """Returns attention weights `[T, S]` as an entry of a result; none if there are no weights."""
    if weights is None:
        return {}
    return {"attention": [[round(weight, _DECIMALS) for weight in row] for row in weights.tolist()]}
