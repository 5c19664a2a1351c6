"""The recurrent encoder-decoder as a graph: what the encoder gives, and what is made of it."""

import keras
from keras import ops

from kseq.kernels.dense import Dense
from kseq.kernels.dropout import Dropout
from kseq.models.attention import make_attention, projects_keys
from kseq.models.cells import CELLS
from kseq.models.decoders import (
    BahdanauDecoder,
    InputFeedingDecoder,
    attentional_layer,
    recurrent_layers,
)
from kseq.models.encoders import recurrent_encoder
from kseq.models.inputs import float_input
from kseq.training.losses import CoverageLoss


def encode(config, sequence, mask):
    """Encodes a source.

    Args:
        config: `ModelConfig`.
        sequence: Embeddings or values `[B, S, E]`, a symbolic tensor.
        mask: Whether a position is real, boolean `[B, S]`.

    Returns:
        The outputs of the encoder, a dict, as `build_encoder` describes them.
    """
    if not config.source_features:
        sequence = Dropout(config.dropout, name="source_dropout")(sequence)
    memory, mask, summary = recurrent_encoder(config, sequence, mask)
    memory = Dropout(config.dropout, name="memory_dropout")(memory)
    state = _initial_state(config, memory, summary)
    if config.attention == "none":
        return {"state": state}
    keys = memory
    if projects_keys(config.attention):
        keys = keras.layers.Dense(config.units, use_bias=False, name="attention_keys")(memory)
    return {"memory": memory, "keys": keys, "mask": mask, "state": state}


def decoder_inputs(config):
    """Inputs of the decoder for what the encoder returns."""
    inputs = {"state": _state_inputs(config)}
    if config.attention != "none":
        inputs["memory"] = float_input((None, config.units), "memory")
        inputs["keys"] = float_input((None, config.units), "keys")
        inputs["mask"] = keras.Input((None,), dtype="bool", name="mask")
    return inputs


def decode(config, embedded, inputs):
    """Decodes a target.

    Args:
        config: `ModelConfig`.
        embedded: Embeddings or values `[N, T, E]`, a symbolic tensor.
        inputs: Inputs of the decoder.

    Returns:
        What the head reads, `[N, T, H]`, and the other outputs of the decoder, a dict.
    """
    if not config.target_features:
        embedded = Dropout(config.dropout, name="target_dropout")(embedded)
    run = _decode_without_attention
    if config.attention != "none":
        run = _decode_in_loop if _needs_loop(config) else _decode_without_loop
    readout, outputs = run(config, embedded, inputs)
    if config.coverage_loss:
        loss = CoverageLoss(config.coverage_loss, dtype="float32", name="coverage_loss")
        outputs["attention"] = loss(outputs["attention"], inputs["target_ids"])
    return Dropout(config.dropout, name="readout_dropout")(readout), outputs


def _needs_loop(config):
    return config.attention in ("bahdanau", "coverage") or _feeds_inputs(config)


def _decode_without_attention(config, embedded, inputs):
    """The fixed-length vector as initial state, and perhaps at every step."""
    state, context = inputs["state"], None
    if config.context_every_step:
        context = RepeatContext(name="repeated_context")(state["context"], embedded)
    hidden, cells = recurrent_layers(
        config, _decoder_cell(config), 1, embedded, state["cells"], context
    )
    read = [hidden, embedded] if context is None else [hidden, context, embedded]
    last_state = {"cells": cells, "progress": []}
    if context is not None:
        # Keras cannot pass an input through as it is.
        last_state["context"] = keras.layers.Identity(name="kept_context")(state["context"])
    return _readout(config, read), {"state": last_state}


def _decode_in_loop(config, embedded, inputs):
    """Attention within the loop, around the bottom layer or around all; layers above outside."""
    state = dict(inputs["state"])
    inner = _inner_layers(config)
    feeds = _feeds_inputs(config)
    output, context, weights, inner_state = (InputFeedingDecoder if feeds else BahdanauDecoder)(
        _decoder_cell(config),
        config.units,
        config.attention,
        inner,
        config.residual,
        config.window,
        config.dropout,
        name="attention_decoder",
    )(
        embedded,
        {**state, "cells": state["cells"][:inner]},
        *(inputs["memory"], inputs["keys"], inputs["mask"]),
    )
    # What is fed to the next step holds the context already.
    hidden, above = recurrent_layers(
        config,
        _decoder_cell(config),
        inner + 1,
        output,
        state["cells"][inner:],
        None if feeds else context,
    )
    readout = hidden
    if not feeds:
        readout = _readout(config, [hidden, context, embedded])
    elif above:
        readout = _readout(config, [hidden, context])
    cells = [*inner_state["cells"], *above]
    return readout, {"attention": weights, "state": {**inner_state, "cells": cells}}


def _decode_without_loop(config, embedded, inputs):
    """Luong's attention without input feeding: behind ordinary layers, in one product."""
    state = inputs["state"]
    inner = _inner_layers(config)
    cell = _decoder_cell(config)
    hidden, cells = recurrent_layers(config, cell, 1, embedded, state["cells"][:inner])
    context, weights, progress = make_attention(config.attention, config.units, config.window)(
        hidden, inputs["keys"], inputs["memory"], inputs["mask"], state["progress"]
    )
    output = attentional_layer(config.units)(ops.concatenate([context, hidden], axis=-1))
    hidden, above = recurrent_layers(config, cell, inner + 1, output, state["cells"][inner:])
    readout = _readout(config, [hidden, context]) if above else output
    state = {"cells": [*cells, *above], "progress": progress}
    return readout, {"attention": weights, "state": state}


def _readout(config, parts):
    """One tanh layer over what is known of the step (Bahdanau et al. 2015, equation 4)."""
    return Dense(config.units, activation="tanh", name="readout")(ops.concatenate(parts, axis=-1))


@keras.saving.register_keras_serializable("kseq")
class RepeatContext(keras.layers.Layer):
    """Gives the fixed-length vector to every step."""

    def call(self, context, embedded):
        """Returns `[N, T, D]` for a context `[N, D]` and embeddings `[N, T, E]`."""
        length = ops.shape(embedded)[1]
        return ops.repeat(ops.expand_dims(context, 1), length, axis=1)


def _initial_state(config, memory, summary):
    """The decoder's state before its first step, made of the summary by `tanh(W c + b)`."""
    cells = [
        [
            keras.layers.Dense(config.units, activation="tanh", name=f"bridge_{layer}_{part}")(
                summary[min(part, len(summary)) - 1]
            )
            for part in range(1, CELLS[_decoder_cell(config)].state_count + 1)
        ]
        for layer in range(1, config.decoder_layers + 1)
    ]
    state = {"cells": cells}
    if config.context_every_step:
        state["context"] = summary[0]
    if _feeds_inputs(config):
        state["fed"] = ops.zeros_like(cells[0][0])
    state["progress"] = []
    if config.attention == "coverage":
        state["progress"] = [ops.zeros_like(memory[:, :, 0], dtype="float32")]
    if config.attention == "local_m":
        state["progress"] = [ops.zeros_like(memory[:, 0, 0], dtype="int32")]
    return state


def _inner_layers(config):
    """How many layers are below the attention; the others are above."""
    return 1 if config.attention_layer == "bottom" else config.decoder_layers


def _decoder_cell(config):
    return config.cell if config.decoder_cell == "same" else config.decoder_cell


def _feeds_inputs(config):
    return config.input_feeding and config.attention.startswith(("luong", "local"))


def _state_inputs(config):
    state = {
        "cells": [
            [
                float_input((config.units,), f"state_{layer}_{part}")
                for part in range(1, CELLS[_decoder_cell(config)].state_count + 1)
            ]
            for layer in range(1, config.decoder_layers + 1)
        ]
    }
    if config.context_every_step:
        state["context"] = float_input((config.units,), "context")
    if _feeds_inputs(config):
        state["fed"] = float_input((config.units,), "fed")
    state["progress"] = []
    if config.attention == "coverage":
        state["progress"] = [keras.Input((None,), dtype="float32", name="coverage")]
    if config.attention == "local_m":
        state["progress"] = [keras.Input((), dtype="int32", name="steps")]
    return state
