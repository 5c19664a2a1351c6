"""The parts of a model: every weight belongs to one, and each can be frozen."""

import re

import numpy as np
import pytest

from kseq import Config, ModelConfig
from kseq.models.factory import build_seq2seq
from kseq.models.parts import PARTS, check_frozen, find_parts, freeze_parts
from kseq.pipeline.survey import Survey
from kseq.training.setup import compile_teacher

SHARED = {"share_embeddings": True, "tie_output": True}
MODELS = {
    "recurrent": ModelConfig(units=8, embedding_dim=6),
    "two matrices": ModelConfig(units=8, embedding_dim=6, tie_output=True),
    "one matrix": ModelConfig(units=8, embedding_dim=6, cell="lstm", **SHARED),
    "no loop": ModelConfig(
        units=8, embedding_dim=6, attention="luong_concat", input_feeding=False, decoder_layers=2
    ),
    "hard": ModelConfig(units=8, embedding_dim=6, attention="hard", alignment_order=1),
    "transformer": ModelConfig(
        architecture="transformer", heads=2, units=8, embedding_dim=6, decoder_layers=2
    ),
    "recurrent encoder": ModelConfig(
        decoder_architecture="transformer", heads=2, units=8, embedding_dim=8
    ),
    "recurrent decoder": ModelConfig(
        **{"architecture": "transformer", "decoder_architecture": "recurrent"},
        **{"heads": 2, "units": 8, "embedding_dim": 8},
    ),
    "values": ModelConfig(
        units=8, source_features=3, target_features=2, attention="luong_dot", input_feeding=False
    ),
}


# The paths of the weights of some parts, as patterns; None for a part without weights.
GRU = r"gru_cell/(kernel|recurrent_kernel|bias)"
SELF = r"self_attention_\d(_norm)?/.*|feed_forward_\d.*"
PATHS = {
    "recurrent": {
        "source_embedding": "source_embedding/embeddings",
        "encoder": rf"encoder_layer_1/\w+/{GRU}|bridge_1_1/\w+",
        "attention": r"attention_keys/kernel|attention_decoder/attention/\w+(/\w+)*",
        "decoder": r"attention_decoder/(?!attention/).*|readout/\w+",
        "target_embedding": "target_embedding/embeddings",
        "output": r"logits/\w+",
    },
    "two matrices": {
        "target_embedding": "target_embedding/embeddings",
        "output": "target_embedding/embeddings|output_projection/kernel",
    },
    "one matrix": {
        "source_embedding": "shared_embedding/embeddings",
        "target_embedding": "shared_embedding/embeddings",
        "output": "shared_embedding/embeddings|output_projection/kernel",
    },
    "no loop": {
        "attention": r"attention_keys/kernel|attention/\w+(/\w+)*",
        "decoder": rf"decoder_layer_\d/{GRU}|attentional_state/kernel|readout/\w+",
    },
    "hard": {
        "attention": r"attention_keys/kernel|attention/query/\w+",
        "decoder": rf"decoder_layer_\d/{GRU}|readout_keys/kernel|readout/query/\w+",
        "output": r"logits/\w+",
    },
    "transformer": {
        "attention": r"cross_attention_\d(_keys|_values)?/(query/|output/)?kernel",
        "encoder": rf"source_projection/\w+|{SELF}",
        "decoder": rf"target_projection/\w+|cross_attention_\d_norm/\w+|{SELF}",
    },
    "recurrent encoder": {
        "encoder": rf"encoder_layer_1/\w+/{GRU}",
        "attention": r"cross_attention_1(_keys|_values)?/(query/|output/)?kernel",
        "decoder": rf"cross_attention_1_norm/\w+|{SELF}",
    },
    "recurrent decoder": {
        "encoder": rf"{SELF}|bridge_1_1/\w+",
        "attention": r"attention_keys/kernel|attention_decoder/attention/\w+(/\w+)*",
        "decoder": r"attention_decoder/(?!attention/).*|readout/\w+",
    },
    "values": {
        "source_embedding": None,
        "attention": None,
        "target_embedding": None,
        "output": r"values/\w+",
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_belongs_to_the_part_that_its_name_says(name):
    model = build(MODELS[name])
    found = find_parts(model)
    assert {id(weight) for weight, _ in found} == {id(weight) for weight in model.weights}
    assert all(parts for _, parts in found)
    for part, pattern in PATHS[name].items():
        paths = paths_of(model, part)
        assert bool(paths) == (pattern is not None)
        assert all(re.fullmatch(pattern, path) for path in paths), paths


def build(config, source=11, target=11):
    sizes = [
        None if width else size
        for width, size in zip((config.source_features, config.target_features), (source, target))
    ]
    return build_seq2seq(config, *sizes)


def paths_of(model, part):
    return [weight.path for weight, parts in find_parts(model) if part in parts]


def test_parts_without_weights_and_shared_matrices_are_refused_with_the_remedy():
    config = MODELS["values"]
    with pytest.raises(ValueError, match=r"freeze=attention: .* no weights there; it has encoder,"):
        check_frozen(build(config), ("attention",))
    shared = build(MODELS["one matrix"])
    message = (
        r"freeze must name all of source_embedding, target_embedding, output or none, because they "
        r"share a matrix in this model; received source_embedding$"
    )
    with pytest.raises(ValueError, match=message):
        check_frozen(shared, ("source_embedding",))
    check_frozen(shared, ("source_embedding", "target_embedding", "output"))
    with pytest.raises(ValueError, match="freeze names all parts"):
        check_frozen(shared, PARTS)


def test_the_optimizer_has_no_slots_for_frozen_weights():
    model = build(MODELS["recurrent"])
    freeze_parts(model, ("encoder", "source_embedding"))
    survey = Survey(kept=40, blank=0, overlong=0, length_ratio=1.0, tokens=400)
    teacher = compile_teacher(model, Config().training, survey)
    trained = {weight.path for weight in model.trainable_weights}
    assert trained and not trained & set(paths_of(model, "encoder"))
    assert {weight.path for weight in teacher.trainable_weights} == trained
    slots = [np.prod(variable.shape) for variable in teacher.optimizer.variables]
    sizes = [np.prod(weight.shape) for weight in model.trainable_weights]
    assert sum(size for size in slots if size > 1) == 2 * sum(sizes)
