"""The recurrent encoder-decoder: a functional graph of encoder, attention and decoder layers."""

import keras
from keras import ops

from kseq.attention.mechanisms import mechanism_of
from kseq.kernels.dense import Dense
from kseq.kernels.dropout import Dropout
from kseq.models.copying import generation_switch
from kseq.models.coverage_loss import CoverageLoss
from kseq.models.decoders import (
    BahdanauDecoder,
    ContextFeedingDecoder,
    InputFeedingDecoder,
    attentional_layer,
    run_layers,
)
from kseq.models.encoders import recurrent_encoder
from kseq.models.hard_attention import decode_hard, hard_key_inputs, hard_keys
from kseq.models.inputs import float_input
from kseq.models.state import (
    decoder_cell,
    feeds_context,
    feeds_inputs,
    initial_state,
    state_inputs,
)


def encode(config, sequence, mask):
    """Encodes a source.

    Args:
        config: `ModelConfig`.
        sequence: Embeddings or values `[B, S, E]`, a symbolic tensor.
        mask: Whether a position is real, boolean `[B, S]`.

    Returns:
        The memory `[B, S, D]`, its mask `[B, S]`, and the summary that a recurrent decoder starts
        from, as `recurrent_encoder` returns them; with real values, the memory has dropout. A
        language model has no encoder: its memory is `sequence`, which nothing reads.
    """
    if config.is_language_model:
        # The source is END alone. Its embedding is trained: what every text starts from.
        return sequence, mask, [[sequence[:, 0]]] * config.decoder_layers
    # Dropout in both places makes learning slower: attention then compares noisy keys.
    if not config.source_features:
        sequence = Dropout(config.dropout, name="source_dropout")(sequence)
        return recurrent_encoder(config, sequence, mask)
    memory, mask, summary = recurrent_encoder(config, sequence, mask)
    return Dropout(config.dropout, name="memory_dropout")(memory), mask, summary


def connect(config, memory, mask, summary):
    """Makes what the decoder reads from what the encoder returned.

    Args:
        config: `ModelConfig`.
        memory: Encoder outputs `[B, S, D]`, a symbolic tensor.
        mask: Whether a position of the memory is real, boolean `[B, S]`.
        summary: What each layer of the decoder starts from, as from `summarize`.

    Returns:
        The outputs of the encoder model, a dict, as `build_encoder` describes them.
    """
    state = initial_state(config, memory, mask, summary)
    mechanism = mechanism_of(config)
    if mechanism is None:
        return {"state": state}
    if config.attention == "hard":
        return {"keys": hard_keys(config, memory), "mask": mask, "state": state}
    keys = memory
    if mechanism.projects_keys:
        keys = Dense(config.units, use_bias=False, name="attention_keys")(memory)
    return {"memory": memory, "keys": keys, "mask": mask, "state": state}


def decoder_inputs(config):
    """Makes the decoder's inputs for the encoder's outputs, a dict with the same keys."""
    inputs = {"state": state_inputs(config)}
    if mechanism_of(config) is None:
        return inputs
    inputs["mask"] = keras.Input((None,), dtype="bool", name="mask")
    if config.attention == "hard":
        return {**inputs, "keys": hard_key_inputs(config)}
    inputs["memory"] = float_input((None, config.units), "memory")
    inputs["keys"] = float_input((None, config.units), "keys")
    return inputs


def decode(config, embedded, inputs):
    """Decodes a target.

    Args:
        config: `ModelConfig`.
        embedded: Embeddings or values `[N, T, E]`, a symbolic tensor.
        inputs: Inputs of the decoder, a dict, as from `decoder_inputs`.

    Returns:
        The input of the head, `[N, T, H]` (with hard attention `[N, T, S, H]`), and the other
        outputs of the decoder, a dict.
    """
    if not config.target_features:
        embedded = Dropout(config.dropout, name="target_dropout")(embedded)
    if config.attention == "hard":
        return decode_hard(config, embedded, inputs)
    mechanism = mechanism_of(config)
    if mechanism is None:
        run = _decode_without_attention
    elif mechanism.follows_cell and not config.input_feeding:
        run = _decode_without_loop
    else:
        run = _decode_in_loop
    readout, outputs = run(config, embedded, inputs)
    if config.coverage_loss:
        loss = CoverageLoss(config.coverage_loss, dtype="float32", name="coverage_loss")
        outputs["attention"] = loss(outputs["attention"], inputs["target_ids"])
    return Dropout(config.dropout, name="readout_dropout")(readout), outputs


def _decode_without_attention(config, embedded, inputs):
    """The fixed-length vector is the initial state, and every step may read it too."""
    state, context = inputs["state"], None
    if config.context_every_step:
        context = RepeatContext(name="repeated_context")(state.context, embedded)
        # Keras cannot return an input unchanged.
        state = state._replace(context=keras.layers.Identity(name="kept_context")(state.context))
    hidden, cells = run_layers(config, 1, embedded, state.cells, context)
    parts = [hidden, embedded] if context is None else [hidden, context, embedded]
    return _readout(config, parts), {"state": state._replace(cells=cells)}


def _decode_in_loop(config, embedded, inputs):
    """Attention in a loop with the bottom layer or all layers; other layers run after the loop."""
    state = inputs["state"]
    inner = _inner_layers(config)
    feeds = feeds_inputs(config)
    decoder = _loop_decoder(config)(
        decoder_cell(config),
        config.units,
        mechanism_of(config),
        layers=inner,
        residual=config.residual,
        dropout=config.dropout,
        name="attention_decoder",
    )
    output, context, weights, inner_state = decoder(
        embedded,
        state._replace(cells=state.cells[:inner]),
        *(inputs["memory"], inputs["keys"], inputs["mask"]),
    )
    # The attentional state, which is fed to the next step, already contains the context.
    hidden, above = run_layers(
        config, inner + 1, output, state.cells[inner:], None if feeds else context
    )
    readout = hidden
    if not feeds:
        readout = _readout(config, [hidden, context, embedded])
    elif above:
        readout = _readout(config, [hidden, context])
    state = inner_state._replace(cells=[*inner_state.cells, *above])
    outputs = {"attention": weights, "state": state}
    return readout, {**outputs, **generation_switch(config, context, hidden, embedded)}


def _loop_decoder(config):
    if feeds_inputs(config):
        return InputFeedingDecoder
    return ContextFeedingDecoder if feeds_context(config) else BahdanauDecoder


def _decode_without_loop(config, embedded, inputs):
    """Luong's attention without input feeding: after ordinary layers, for all steps at once."""
    state = inputs["state"]
    inner = _inner_layers(config)
    hidden, cells = run_layers(config, 1, embedded, state.cells[:inner])
    mechanism = mechanism_of(config)
    layer = mechanism.make()
    mechanism.build(layer, config.units)
    context, weights, attention = layer(
        hidden, inputs["keys"], inputs["memory"], inputs["mask"], state.attention
    )
    output = attentional_layer(config.units)(ops.concatenate([context, hidden], axis=-1))
    hidden, above = run_layers(config, inner + 1, output, state.cells[inner:])
    readout = _readout(config, [hidden, context]) if above else output
    state = state._replace(cells=[*cells, *above], attention=attention)
    outputs = {"attention": weights, "state": state}
    return readout, {**outputs, **generation_switch(config, context, hidden, embedded)}


def _inner_layers(config):
    """Number of layers below the attention; the other layers are above it."""
    return 1 if config.attention_layer == "bottom" else config.decoder_layers


def _readout(config, parts):
    """The last hidden layer `[N, T, H]`, made of everything known about a step.

    Bahdanau et al. 2015 (arXiv 1409.0473), equation 4, leave the layer open; in appendix A.2.2 it
    is maxout: the larger one of each two adjacent values of a linear layer. (That appendix has the
    state before the step as its input, equation 4 the state after it, as here.)

    Args:
        config: `ModelConfig`.
        parts: The state after the step `[N, T, H]`, then the other inputs, `[N, T, ...]`.
    """
    if config.readout == "none":
        return parts[0]
    parts = ops.concatenate(parts, axis=-1)
    if config.readout == "maxout":
        return Maxout(name="maxout")(Dense(2 * config.units, name="readout")(parts))
    return Dense(config.units, activation="tanh", name="readout")(parts)


@keras.saving.register_keras_serializable("kseq")
class Maxout(keras.layers.Layer):
    """The larger one of each two adjacent values (Goodfellow et al. 2013, arXiv 1302.4389)."""

    def call(self, values):
        """Returns `[N, T, H]` for values `[N, T, 2H]`."""
        shape = ops.shape(values)
        pairs = ops.reshape(values, (shape[0], shape[1], values.shape[-1] // 2, 2))
        return ops.max(pairs, axis=-1)


@keras.saving.register_keras_serializable("kseq")
class RepeatContext(keras.layers.Layer):
    """Repeats the fixed-length vector for every step."""

    def call(self, context, embedded):
        """Returns `[N, T, D]` for a context `[N, D]` and embeddings `[N, T, E]`."""
        length = ops.shape(embedded)[1]
        return ops.repeat(ops.expand_dims(context, 1), length, axis=1)
