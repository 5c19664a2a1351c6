"""The architectures under test, and small inputs for them.

To test a new architecture, list it here.
"""

import dataclasses
import itertools
import re

import keras
import numpy as np
import pytest

from kseq import ModelConfig
from kseq.models.factory import build_seq2seq

SIZE = 15
SOURCE_LENGTHS = (7, 3, 1)

_SMALL = {"units": 8, "embedding_dim": 6}
_EXTRA = {
    "local_m": {"window": 1},
    "local_p": {"window": 1},
    "location": {"positions": 4},
    "location_aware": {"filters": 2, "filter_width": 3},
}


def _recurrent(**settings):
    extra = _EXTRA.get(settings.get("attention"), {})
    if settings.get("alignment_order"):
        extra = {"window": 1}
    return ModelConfig(**{**_SMALL, **extra, **settings})


def _transformer(**settings):
    return ModelConfig(**{"architecture": "transformer", "heads": 2, **_SMALL, **settings})


# Each kind of attention is combined with these decoder stacks, and with cells and encoders in turn.
# The lengths of the lists have no common divisor, so each kind gets several cells and encoders.
_STACKS = (
    {},
    {"decoder_layers": 2},
    {"decoder_layers": 3, "residual": True, "attention_layer": "top"},
    {"decoder_layers": 2, "attention_layer": "top"},
    {"decoder_layers": 3, "residual": True},
)
_CELLS = (
    {"cell": "gru"},
    {"cell": "lstm"},
    {"cell": "rnn"},
    {"cell": "gru", "decoder_cell": "lstm"},
    {"cell": "lstm", "decoder_cell": "gru"},
    {"cell": "rnn", "decoder_cell": "lstm"},
    {"cell": "lstm", "decoder_cell": "rnn"},
)
_ENCODERS = (
    {},
    {"merge": "sum"},
    {"bidirectional": False},
    {"bidirectional": False, "reverse_source": True},
    {"encoder_layers": 2},
    {"context": "mean"},
    {"encoder_layers": 3, "merge": "sum"},
    {"context": "sum"},
    {"bidirectional": False, "reverse_source": True, "encoder_layers": 2},
)


def _attention_combinations():
    cells, encoders = itertools.cycle(_CELLS), itertools.cycle(_ENCODERS)
    for kind in ("bahdanau", "coverage", "location_aware"):
        for stack in _STACKS:
            yield _recurrent(attention=kind, **stack, **next(cells), **next(encoders))
    luong = ("luong_dot", "luong_scaled_dot", "luong_general", "luong_concat")
    for kind in (*luong, "local_m", "local_p", "location", "trained_query"):
        for feeding, stack in itertools.product((True, False), _STACKS[:3]):
            yield _recurrent(
                attention=kind, input_feeding=feeding, **stack, **next(cells), **next(encoders)
            )


_COPY = {"copy": True}
_TIED = {"tie_output": True}
_SHARED = {"share_embeddings": True}
_SPEECH = {"source_features": 5}
_SERIES = {"source_features": 4, "target_features": 3}
_PIANO_ROLL = {"target_features": 3, "target_activation": "sigmoid"}
_FORECAST = {"source_features": 4, "target_features": 2, "target_covariates": 3}

COMBINATIONS = [
    *_attention_combinations(),
    _recurrent(attention="none"),
    _recurrent(attention="none", cell="lstm", bidirectional=False, reverse_source=True),
    _recurrent(attention="none", cell="lstm", bidirectional=False, bridge="none", readout="none"),
    _recurrent(encoder_layers=2, decoder_layers=2, merge="sum", bridge="none", readout="none"),
    _recurrent(context="backward", cell="lstm", encoder_layers=2, bridge="linear"),
    _recurrent(context="backward", merge="sum", readout="maxout"),
    _recurrent(attention="luong_dot", decoder_layers=2, context="backward", readout="none"),
    _recurrent(attention="luong_dot", cell="lstm", decoder_cell="gru", bridge="linear"),
    _recurrent(
        attention="none",
        cell="rnn",
        context="sum",
        encoder_layers=2,
        residual=True,
        bridge="linear",
    ),
    _recurrent(attention="none", context_every_step=True),
    _recurrent(attention="none", context_every_step=True, context="mean", decoder_layers=2),
    _recurrent(
        attention="none",
        cell="lstm",
        context_every_step=True,
        decoder_layers=3,
        residual=True,
        merge="sum",
    ),
    _recurrent(attention="coverage", coverage_loss=1.0, context="backward", readout="maxout"),
    _recurrent(attention="hard", cell="lstm", encoder_layers=2, embedding_dim=8, **_TIED),
    _recurrent(attention="hard", monotonic=True, decoder_layers=2),
    _recurrent(attention="hard", alignment_order=1, merge="sum", **_SHARED),
    _recurrent(
        attention="hard",
        alignment_order=1,
        monotonic=True,
        window=2,
        cell="lstm",
        source_deviation=0.5,
        target_deviation=0.5,
    ),
    _recurrent(attention="hard", monotonic=True, **_SPEECH, encoder_layers=2, pyramid=True),
    _recurrent(attention="local_p", window=2, attention_layer="top", decoder_layers=2),
    _recurrent(attention="local_m", local_score="dot", input_feeding=False),
    _recurrent(attention="local_m", local_score="scaled_dot", cell="lstm"),
    _recurrent(attention="local_p", local_score="concat", decoder_layers=2),
    _recurrent(encoder_layers=3, residual=True, dropout=0.0),
    _recurrent(embedding_dim=8, **_TIED),
    _recurrent(attention="luong_general", **_TIED),
    _recurrent(attention="luong_concat", decoder_layers=2, **_SHARED),
    _recurrent(**_TIED, **_SHARED),
    _recurrent(**_COPY),
    _recurrent(
        **_COPY,
        attention="coverage",
        coverage_loss=1.0,
        decoder_layers=3,
        residual=True,
        cell="lstm",
    ),
    _recurrent(**_COPY, decoder_layers=2, attention_layer="top", **_TIED, **_SHARED),
    _recurrent(**_COPY, attention="luong_general", decoder_layers=2),
    _recurrent(**_COPY, attention="luong_dot", input_feeding=False),
    _recurrent(**_COPY, attention="local_m", input_feeding=False, decoder_layers=2),
    _transformer(**_COPY, decoder_layers=2),
    _recurrent(**_SPEECH),
    _recurrent(**_SPEECH, encoder_layers=3, pyramid=True, cell="lstm"),
    _recurrent(**_SPEECH, encoder_layers=2, pyramid=True, attention="local_m"),
    _recurrent(
        **_SPEECH,
        encoder_layers=2,
        pyramid=True,
        attention="coverage",
        bidirectional=False,
        reverse_source=True,
    ),
    _recurrent(**_SERIES),
    _recurrent(**_SERIES, attention="luong_general", input_feeding=False, context="mean"),
    _recurrent(**_SERIES, attention="none", context_every_step=True, cell="rnn", bridge="linear"),
    _recurrent(**_PIANO_ROLL, attention="luong_dot", decoder_layers=2),
    _recurrent(**_FORECAST, attention="luong_general"),
    _recurrent(**_FORECAST, attention="none", cell="lstm"),
    _transformer(),
    _transformer(encoder_layers=2, decoder_layers=3, heads=4),
    _transformer(embedding_dim=8, encoder_layers=2, decoder_layers=2, **_TIED, **_SHARED),
    _transformer(**_TIED),
    _transformer(**_SPEECH, encoder_layers=2),
    _transformer(**_SERIES, decoder_layers=2),
    _transformer(**_PIANO_ROLL),
    _transformer(**_FORECAST),
    _transformer(decoder_architecture="recurrent"),
    _transformer(
        **{"decoder_architecture": "recurrent", "attention": "luong_general", "cell": "lstm"},
        **{"decoder_layers": 2, "residual": True, "context": "mean"},
    ),
    _transformer(decoder_architecture="recurrent", attention="none", context_every_step=True),
    _recurrent(decoder_architecture="transformer", heads=2),
    _recurrent(
        **{"decoder_architecture": "transformer", "heads": 4, "decoder_layers": 2, "cell": "lstm"},
        **{**_SPEECH, "encoder_layers": 2, "pyramid": True},
    ),
]


# Kinds of attention that differ only inside their layers, which tests/test_attention.py has.
_ALIKE = {"location": "luong_dot", "trained_query": "luong_dot"}


def traits_of(config):
    """The traits of a combination; an expensive test covers each trait at least once.

    A trait is a setting with its value, or the architecture with the kinds of both sides. Other
    settings do not depend on each other.
    """
    settings = dataclasses.asdict(config)
    for name in (
        "heads",
        "window",
        "positions",
        "filters",
        "filter_width",
        "dropout",
        "source_deviation",
        "target_deviation",
    ):
        del settings[name]
    del settings["local_score"]  # tests/test_attention.py has all scores
    settings["attention"] = _ALIKE.get(config.attention, config.attention)
    sides = bool(settings.pop("source_features")), bool(settings.pop("target_features"))
    return {
        *settings.items(),
        ("architecture and sides", config.architecture, sides),
    }


def graph_traits_of(config):
    """The traits of a combination that matter to a search and to a SavedModel."""
    attention = _ALIKE.get(config.attention, config.attention)
    return {
        ("kind of attention", attention.partition("_")[0]),
        ("alignment", config.alignment_order, config.monotonic),
        ("input feeding", config.input_feeding),
        ("context at every step", config.context_every_step),
        ("tied output", config.tie_output),
        ("copy", config.copy),
        ("architectures", config.architecture, config.has_recurrent_decoder),
        ("source", bool(config.source_features)),
        ("target", bool(config.target_features)),
    }


def representatives(configs, traits_of=traits_of):
    """A few of `configs`, in the same order, that together have all their traits."""
    missing = set().union(*map(traits_of, configs))
    chosen = []
    while missing:
        best = max(configs, key=lambda config: len(traits_of(config) & missing))
        missing -= traits_of(best)
        chosen.append(best)
    return [config for config in configs if config in chosen]


def parameters_of(configs, traits_of=traits_of):
    """Test parameters: all of `configs`, marked slow unless they are among the representatives.

    Args:
        configs: Combinations.
        traits_of: Function that returns the traits of a combination.
    """
    chosen = representatives(configs, traits_of)
    return [
        pytest.param(config, marks=[] if config in chosen else pytest.mark.slow)
        for config in configs
    ]


def name_of(config):
    """The settings that differ from the defaults, such as `lstm-coverage-decoder_layers=2`."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    defaults.update(_SMALL)
    values = dataclasses.asdict(config)
    parts = [values.pop("cell"), values.pop("attention")]
    if values.pop("architecture") == "transformer":
        encoder = f"transformer-{values.pop('heads')}heads"
        parts = [encoder, *parts] if config.has_recurrent_decoder else [encoder]
    for name, value in values.items():
        if value != defaults[name]:
            switches = {"True": name, "False": f"no_{name}"}
            parts.append(switches.get(str(value), f"{name}={value}"))
    return "-".join(parts)


def build(config):
    """A model whose weights all differ from their initial values, so that each one matters."""
    keras.utils.set_random_seed(1)
    sizes = (
        None if features else SIZE for features in (config.source_features, config.target_features)
    )
    model = build_seq2seq(config, *sizes)
    generator = np.random.default_rng(1)
    model.set_weights(
        [array + 0.4 * generator.normal(size=array.shape) for array in model.get_weights()]
    )
    return model


def plain_name(path):
    """The path of a weight without the names that Keras gives to layers."""
    path = re.sub(r"(forward|backward)_[a-z_]+(_\d+)?/", r"\1/", path)
    return re.sub(r"(simple_rnn|gru|lstm)_cell/", "", path)


def weights_of(model):
    """The weights of encoder and decoder by plain name, as `references` expects them."""
    return {
        part: {plain_name(weight.path): weight.numpy() for weight in model.get_layer(part).weights}
        for part in ("encoder", "decoder")
    }


def batch(config, seed=0):
    """Three sources of different lengths, one of them a single token, and targets with padding."""
    generator = np.random.default_rng(seed)
    mask = np.arange(max(SOURCE_LENGTHS)) < np.array(SOURCE_LENGTHS)[:, None]
    if config.source_features:
        source = generator.normal(size=(*mask.shape, config.source_features))
        inputs = {"source": (source * mask[..., None]).astype("float32"), "source_mask": mask}
    else:
        ids = generator.integers(3, SIZE, mask.shape)
        if config.copy:
            # A word that is not in the vocabulary occurs twice.
            ids[:, [1, 4]] = SIZE + 1
        inputs = {"source_ids": (ids * mask).astype("int32")}
    if config.target_features:
        width = config.target_features + config.target_covariates
        target = generator.normal(size=(len(mask), 4, width)).astype("float32")
        target[:, 0, : config.target_features] = 0.0
        return {**inputs, "target": target}
    ids = generator.integers(4, SIZE, (len(mask), 4)) * [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]
    ids[:, 0] = 2
    if config.copy:
        ids[0, 2] = SIZE + 1
    return {**inputs, "target_ids": ids.astype("int32")}


def source_of(inputs):
    return {name: array for name, array in inputs.items() if name.startswith("source")}


def target_of(inputs):
    return {name: array for name, array in inputs.items() if name.startswith("target")}


def as_tensors(arrays):
    return keras.tree.map_structure(keras.ops.convert_to_tensor, arrays)


def run(model, inputs, wrapper=lambda function: function):
    """The outputs of the encoder and of the decoder, as arrays."""

    def encode_and_decode(inputs):
        encoded = model.get_layer("encoder")(source_of(inputs))
        return encoded, model.get_layer("decoder")({**target_of(inputs), **encoded})

    return keras.tree.map_structure(np.asarray, wrapper(encode_and_decode)(as_tensors(inputs)))


def outputs_of(decoded):
    """Logits or real values; probabilities, if the decoder mixes distributions."""
    outputs = decoded["logits"] if "logits" in decoded else decoded["values"]
    return np.exp(outputs) if "generation_probability" in decoded else outputs
