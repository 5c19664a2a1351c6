"""A copy of a model whose tokens have other ids."""

import numpy as np

from kseq.models.factory import Seq2Seq
from kseq.models.heads import output_layer


def renumber(model, source_ids=None, target_ids=None):
    """Copies a model, and gives its tokens new ids.

    Args:
        model: Model of `build_seq2seq`.
        source_ids: For each new id of a source token, its id in `model`, or None if `model` does
            not have the token, whose embedding is then zeros. None for a side that stays as it is.
        target_ids: Likewise.

    Returns:
        A new model, which shares no weights.

    Raises:
        ValueError: The sides share their embeddings, but not the ids.
    """
    if model.config.share_embeddings and source_ids != target_ids:
        raise ValueError(
            "the sides of the model share their embeddings, so source and target need one "
            "vocabulary"
        )
    settings = model.get_config()
    for name, ids in (("source", source_ids), ("target", target_ids)):
        if ids is not None:
            settings[f"{name}_vocabulary_size"] = len(ids)
    copy = Seq2Seq.from_config(settings)
    axes = {}
    for variable, axis, ids in _token_variables(copy, source_ids, target_ids):
        axes[id(variable)] = axis, ids
    for old, new in zip(model.weights, copy.weights, strict=True):
        values = old.numpy()
        if id(new) in axes and axes[id(new)][1] is not None:
            values = _take(values, *axes[id(new)])
        new.assign(values)
    return copy


def _token_variables(model, source_ids, target_ids):
    """Yields each variable with an axis of tokens, the axis, and their ids."""
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    shared = model.config.share_embeddings
    for part, side, ids in ((encoder, "source", source_ids), (decoder, "target", target_ids)):
        if getattr(model, f"{side}_side").is_text:
            layer = part.get_layer("shared_embedding" if shared else f"{side}_embedding")
            yield layer.embeddings, 0, ids
    if model.target_side.is_text:
        kernel, bias, transposed = output_layer(model)
        yield kernel, 0 if transposed else 1, target_ids
        if bias is not None:
            yield bias, 0, target_ids


def _take(values, axis, ids):
    """Returns the rows of these ids, along an axis, with zeros for None."""
    rows = np.moveaxis(values, axis, 0)
    taken = [np.zeros_like(rows[0]) if number is None else rows[number] for number in ids]
    return np.moveaxis(np.stack(taken), 0, axis)
