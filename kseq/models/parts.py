"""The parts of a model, which can be frozen one by one, as in Thompson et al. 2018.

- `source_embedding`, `target_embedding`: the embeddings of the tokens.
- `encoder`: from the source embeddings to the memory and the initial state of the decoder.
- `attention`: what compares queries with keys, with the projection of the keys; for a Transformer
  the cross-attention.
- `decoder`: from the target embeddings to the last hidden layer, without the attention.
- `output`: from the last hidden layer to logits or values.

A part may be empty, and a matrix may belong to several parts: a tied one to `target_embedding` and
`output`, a shared one to both embeddings. (Thompson et al., arXiv 1809.05218, section 3, count the
attention as a part of the decoder.)
"""

import typing

from kseq.attention.contract import Attention
from kseq.attention.hard import HardAttention
from kseq.errors import SettingError
from kseq.models.decoders import LoopDecoder
from kseq.models.transformer import CrossAttention
from kseq.settings.training import Part

PARTS = typing.get_args(Part)
_EMBEDDINGS = {
    "source_embedding": ("source_embedding",),
    "target_embedding": ("target_embedding",),
    "shared_embedding": ("source_embedding", "target_embedding"),
}
_ATTENTION = (Attention, HardAttention, CrossAttention)
_OUTPUT = ("logits", "values", "output_projection")


def find_parts(model):
    """Finds out which parts of a model its weights belong to.

    Args:
        model: Model of `build_seq2seq`.

    Returns:
        A pair of the weight and a list of its parts, in the order of `PARTS`, for every weight.
    """
    found = {}
    for name in ("encoder", "decoder"):
        for layer in model.get_layer(name).layers:
            for part, weights in _layer_parts(layer, name, model.config):
                for weight in weights:
                    found.setdefault(id(weight), (weight, set()))[1].add(part)
    return [(weight, [part for part in PARTS if part in own]) for weight, own in found.values()]


def _layer_parts(layer, model_name, config):
    """Yields the parts to which weights of a layer belong, and these weights.

    Args:
        layer: A layer of the encoder or the decoder.
        model_name: `"encoder"` or `"decoder"`.
        config: `ModelConfig`.
    """
    if layer.name in _EMBEDDINGS:
        for part in _EMBEDDINGS[layer.name]:
            yield part, layer.weights
        if config.tie_output and layer.name != "source_embedding":
            yield "output", layer.weights
    elif layer.name in _OUTPUT:
        yield "output", layer.weights
    elif isinstance(layer, (Attention, HardAttention, CrossAttention)) or _projects_keys(
        layer, model_name
    ):
        yield "attention", layer.weights
    elif layer.name == "readout_keys":
        yield "decoder", layer.weights
    elif isinstance(layer, LoopDecoder):
        attention = set(map(id, layer.attention.weights))
        yield "attention", layer.attention.weights
        yield "decoder", [weight for weight in layer.weights if id(weight) not in attention]
    else:
        yield model_name, layer.weights


def _projects_keys(layer, model_name):
    return model_name == "encoder" and layer.name.startswith(("attention_keys", "cross_attention"))


def check_frozen(model, parts):
    """Checks that parts of a model can be frozen, and that something remains to be trained.

    Args:
        model: Model of `build_seq2seq`.
        parts: Some of `PARTS`.

    Raises:
        ValueError: A part has no weights; a matrix belongs to these parts and to others; or all
            weights would be frozen.
    """
    owners = [own for _, own in find_parts(model)]
    existing = [part for part in PARTS if any(part in own for own in owners)]
    for part in parts:
        if part not in existing:
            raise SettingError(
                "{freeze}={0}: this model has no weights there; it has {1}",
                *(part, ", ".join(existing)),
            )
    for own in owners:
        if set(own) & set(parts) and not set(own) <= set(parts):
            raise SettingError(
                "{freeze} must name all of {0} or none, because they share a matrix in this model; "
                "received {1}",
                *(", ".join(own), ", ".join(part for part in own if part in parts)),
            )
    if all(set(own) <= set(parts) for own in owners):
        raise SettingError("{freeze} names all parts, so nothing would be trained; leave one out")


def freeze_parts(model, parts):
    """Freezes parts of a model: their weights are no longer among those that are trained.

    Args:
        model: Model of `build_seq2seq`.
        parts: Some of `PARTS`, as `check_frozen` accepts them.
    """
    for weight, own in find_parts(model):
        if set(own) & set(parts):
            weight.trainable = False
