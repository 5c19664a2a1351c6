"""Factory functions: encoder, decoder and the two composed, as Keras functional models."""

import dataclasses

import keras
from keras import ops

from kseq.attention import make_attention, projects_keys
from kseq.cells import CELLS
from kseq.config import ModelConfig
from kseq.decoders import (
    BahdanauDecoder,
    InputFeedingDecoder,
    attentional_layer,
    recurrent_layers,
)
from kseq.encoders import recurrent_encoder
from kseq.losses import CoverageLoss
from kseq.special_tokens import PAD
from kseq.transformer import memory_keys, transformer_decoder, transformer_encoder


def build_encoder(config, source_vocabulary_size=None):
    """Builds the encoder: a source to all that the decoder needs to know of it.

    Args:
        config: `ModelConfig`.
        source_vocabulary_size: Number of source ids; None where the source is real-valued.

    Returns:
        A functional `keras.Model` from `{"source_ids": [B, S]}`, or for a real-valued source
        from `{"source": [B, S, F], "source_mask": [B, S]}`, to a dict of

        - `memory`: encoder outputs `[B, S, D]`, which a recurrent attention reads,
        - `keys`: the memory as the attention compares it with queries, `[B, S, A]`; for a
          Transformer a list of keys and values of each decoder layer,
        - `mask`: whether a position of the memory is real, boolean `[B, S]`,
        - `state`: the decoder's state before the first step, a dict of nested lists.

        Without attention there is the `state` alone. A pyramid makes S of memory, keys and
        mask smaller than that of the source.

    Raises:
        ValueError: A vocabulary size is missing, or has no meaning.
    """
    return _build_encoder(config, source_vocabulary_size, None)


def build_decoder(config, target_vocabulary_size=None):
    """Builds the decoder: a target and what the encoder gave, to logits and attention.

    Args:
        config: `ModelConfig`.
        target_vocabulary_size: Number of target ids V; None where the target is real-valued.

    Returns:
        A functional `keras.Model` from `{"target_ids": [N, T]}`, or for a real-valued target
        from `{"target": [N, T, F]}`, and the dict that the encoder returns (B sources; N is B,
        or B·K where K hypotheses share a source) to a dict of

        - `logits`: float32 `[N, T, V]`; for a real-valued target `values`, `[N, T, F]`,
        - `attention`: weights, float32 `[N, T, S]`, unless there is none; of a Transformer
          the mean over layers and heads,
        - `attention_heads`: the weights of a Transformer by layer and head, float32
          `[N, T, layers, heads, S]`,
        - `state`: the state after the last target position, like the initial one.

    Raises:
        ValueError: A vocabulary size is missing, or has no meaning.
    """
    return _build_decoder(config, target_vocabulary_size, None)


def build_seq2seq(config, source_vocabulary_size=None, target_vocabulary_size=None):
    """Composes encoder and decoder for training with teacher forcing.

    Args:
        config: `ModelConfig`.
        source_vocabulary_size: Number of source ids; None where the source is real-valued.
        target_vocabulary_size: Number of target ids V; None where the target is real-valued.

    Returns:
        A functional `keras.Model` with the inputs of both but for what the encoder gives the
        decoder. Ids are int32 with PAD on the right, targets begin with START; a real-valued
        target begins with a frame of zeros. The output is float32: logits `[B, T, V]`, or
        values `[B, T, F]`.

    Raises:
        ValueError: A vocabulary size is missing, has no meaning, or both differ although they
            share their embeddings.
    """
    return Seq2Seq(config, source_vocabulary_size, target_vocabulary_size)


@keras.saving.register_keras_serializable("kseq")
class Seq2Seq(keras.Model):
    """The functional model of `build_seq2seq`; a file of it holds the settings, not the graph.

    Keras would write an embedding that encoder and decoder share as two.

    Args:
        config: `ModelConfig`.
        source_vocabulary_size: Number of source ids, or None.
        target_vocabulary_size: Number of target ids V, or None.
    """

    def __init__(self, config, source_vocabulary_size=None, target_vocabulary_size=None):
        shared = None
        if config.share_embeddings:
            if source_vocabulary_size != target_vocabulary_size:
                raise ValueError(
                    "share_embeddings needs one vocabulary for both sides; received "
                    f"{source_vocabulary_size} source and {target_vocabulary_size} target ids"
                )
            shared = _embedding(config, "shared", target_vocabulary_size, config.tie_output)
        encoder = _build_encoder(config, source_vocabulary_size, shared)
        decoder = _build_decoder(config, target_vocabulary_size, shared)
        source, target = _source_inputs(config), _target_inputs(config)
        outputs = decoder({**target, **encoder(source)})
        super().__init__(
            {**source, **target},
            outputs["values" if config.target_features else "logits"],
            name="seq2seq",
        )
        self.config = config
        self._settings = {
            "config": dataclasses.asdict(config),
            "source_vocabulary_size": source_vocabulary_size,
            "target_vocabulary_size": target_vocabulary_size,
            "dtype_policy": keras.config.dtype_policy().name,
        }

    def get_config(self):
        return dict(self._settings)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        settings = dict(config)
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(settings.pop("dtype_policy"))
        try:
            return cls(ModelConfig(**settings.pop("config")), **settings)
        finally:
            keras.config.set_dtype_policy(before)


def split_for_inference(model):
    """Takes a model of `build_seq2seq` apart; the parts share its weights.

    Args:
        model: What `build_seq2seq` returned, or a reloaded `.keras` file of it.

    Returns:
        The encoder, as from `build_encoder`, and one decoder step: a functional `keras.Model`
        from `{"ids": [N]}`, or `{"value": [N, F]}`, and what the encoder returns, to the dict
        of the decoder without its target axis: `logits` `[N, V]` or `values` `[N, F]`,
        `attention` `[N, S]`, `state`. It is the decoder on targets of length 1, so there is
        one definition of the step.

    Raises:
        ValueError: The model has no layers named `encoder` and `decoder`.
    """
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    inputs = {name: _like(tensors) for name, tensors in decoder.input.items()}
    if "target_ids" in inputs:
        del inputs["target_ids"]
        last = {"ids": keras.Input((), dtype="int32", name="ids")}
        target = {"target_ids": ops.expand_dims(last["ids"], 1)}
    else:
        features = inputs.pop("target").shape[-1]
        last = {"value": keras.Input((features,), name="value")}
        target = {"target": ops.expand_dims(last["value"], 1)}
    outputs = decoder({**target, **inputs})
    outputs = {
        name: tensor if name == "state" else ops.squeeze(tensor, 1)
        for name, tensor in outputs.items()
    }
    return encoder, keras.Model({**last, **inputs}, outputs, name="step")


def _like(tensors):
    return keras.tree.map_structure(
        lambda tensor: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name), tensors
    )


# Encoder


def _build_encoder(config, vocabulary_size, shared_embedding):
    config.check_sides()
    inputs = _source_inputs(config)
    if config.source_features:
        _refuse_size("source", vocabulary_size)
        sequence, mask = inputs["source"], inputs["source_mask"]
    else:
        mask = ops.not_equal(inputs["source_ids"], PAD)
        embedding = shared_embedding or _embedding(config, "source", vocabulary_size)
        sequence = embedding(inputs["source_ids"])
    if config.architecture == "transformer":
        outputs = _transformer_outputs(config, sequence, mask)
    else:
        outputs = _recurrent_outputs(config, sequence, mask)
    return keras.Model(inputs, outputs, name="encoder")


def _transformer_outputs(config, sequence, mask):
    memory = transformer_encoder(config, sequence, mask)
    keys = memory_keys(config, memory)
    # Nothing is cached before the first step: keys and values of no position.
    cache = [[part[:, :0] for part in layer] for layer in keys]
    return {"keys": keys, "mask": mask, "state": {"cache": cache}}


def _recurrent_outputs(config, sequence, mask):
    if not config.source_features:
        sequence = keras.layers.Dropout(config.dropout, name="source_dropout")(sequence)
    memory, mask, summary = recurrent_encoder(config, sequence, mask)
    memory = keras.layers.Dropout(config.dropout, name="memory_dropout")(memory)
    state = _initial_state(config, memory, summary)
    if config.attention == "none":
        return {"state": state}
    keys = memory
    if projects_keys(config.attention):
        keys = keras.layers.Dense(config.units, use_bias=False, name="attention_keys")(memory)
    return {"memory": memory, "keys": keys, "mask": mask, "state": state}


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


def _decoder_cell(config):
    return config.cell if config.decoder_cell == "same" else config.decoder_cell


def _feeds_inputs(config):
    return config.input_feeding and config.attention.startswith(("luong", "local"))


# Decoder


def _build_decoder(config, vocabulary_size, shared_embedding):
    config.check_sides()
    inputs = {**_target_inputs(config), **_encoder_outputs(config)}
    embedding = None
    if config.target_features:
        _refuse_size("target", vocabulary_size)
        embedded = inputs["target"]
    else:
        embedding = shared_embedding or _embedding(
            config, "target", vocabulary_size, config.tie_output
        )
        embedded = embedding(inputs["target_ids"])
    if config.architecture == "transformer":
        readout, outputs = _transformer_readout(config, embedded, inputs)
    else:
        readout, outputs = _recurrent_readout(config, embedded, inputs)
    if config.coverage_loss:
        outputs["attention"] = CoverageLoss(
            config.coverage_loss, dtype="float32", name="coverage_loss"
        )(outputs["attention"], inputs["target_ids"])
    head = "values" if config.target_features else "logits"
    outputs[head] = _head(config, readout, vocabulary_size, embedding)
    return keras.Model(inputs, outputs, name="decoder")


def _transformer_readout(config, embedded, inputs):
    readout, weights, cache = transformer_decoder(
        config, embedded, inputs["state"]["cache"], inputs["keys"], inputs["mask"]
    )
    outputs = {
        "attention": ops.mean(weights, axis=(2, 3)),
        "attention_heads": weights,
        "state": {"cache": cache},
    }
    return readout, outputs


def _recurrent_readout(config, embedded, inputs):
    if not config.target_features:
        embedded = keras.layers.Dropout(config.dropout, name="target_dropout")(embedded)
    decode = _decode_without_attention
    if config.attention != "none":
        decode = _decode_in_loop if _needs_loop(config) else _decode_without_loop
    readout, outputs = decode(config, embedded, inputs)
    return keras.layers.Dropout(config.dropout, name="readout_dropout")(readout), outputs


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
    inner = 1 if config.attention_layer == "bottom" else config.decoder_layers
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
    inner = 1 if config.attention_layer == "bottom" else config.decoder_layers
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
    return keras.layers.Dense(config.units, activation="tanh", name="readout")(
        ops.concatenate(parts, axis=-1)
    )


def _head(config, readout, vocabulary_size, embedding):
    if config.target_features:
        return keras.layers.Dense(
            config.target_features,
            activation=config.target_activation,
            dtype="float32",
            name="values",
        )(readout)
    if not config.tie_output:
        return keras.layers.Dense(vocabulary_size, dtype="float32", name="logits")(readout)
    if config.units != config.embedding_dim:
        readout = keras.layers.Dense(
            config.embedding_dim, use_bias=False, name="output_projection"
        )(readout)
    # The embedding computes them in float32, but promises another type under mixed precision.
    return ops.cast(embedding(readout, reverse=True), "float32")


@keras.saving.register_keras_serializable("kseq")
class RepeatContext(keras.layers.Layer):
    """Gives the fixed-length vector to every step."""

    def call(self, context, embedded):
        """Returns `[N, T, D]` for a context `[N, D]` and embeddings `[N, T, E]`."""
        length = ops.shape(embedded)[1]
        return ops.repeat(ops.expand_dims(context, 1), length, axis=1)


# Inputs, outputs and embeddings


def _source_inputs(config):
    if config.source_features:
        return {
            "source": keras.Input((None, config.source_features), name="source"),
            "source_mask": keras.Input((None,), dtype="bool", name="source_mask"),
        }
    return {"source_ids": keras.Input((None,), dtype="int32", name="source_ids")}


def _target_inputs(config):
    if config.target_features:
        return {"target": keras.Input((None, config.target_features), name="target")}
    return {"target_ids": keras.Input((None,), dtype="int32", name="target_ids")}


def _encoder_outputs(config):
    """Inputs of the decoder for what the encoder returns."""
    if config.architecture == "transformer":
        shape = (None, config.heads, config.units // config.heads)
        nests = {
            name: [
                [_float_input(shape, f"{name}_{layer}_{part}") for part in ("keys", "values")]
                for layer in range(1, config.decoder_layers + 1)
            ]
            for name in ("memory", "cache")
        }
        return {
            "keys": nests["memory"],
            "mask": keras.Input((None,), dtype="bool", name="mask"),
            "state": {"cache": nests["cache"]},
        }
    inputs = {"state": _state_inputs(config)}
    if config.attention != "none":
        inputs["memory"] = _float_input((None, config.units), "memory")
        inputs["keys"] = _float_input((None, config.units), "keys")
        inputs["mask"] = keras.Input((None,), dtype="bool", name="mask")
    return inputs


def _state_inputs(config):
    state = {
        "cells": [
            [
                _float_input((config.units,), f"state_{layer}_{part}")
                for part in range(1, CELLS[_decoder_cell(config)].state_count + 1)
            ]
            for layer in range(1, config.decoder_layers + 1)
        ]
    }
    if config.context_every_step:
        state["context"] = _float_input((config.units,), "context")
    if _feeds_inputs(config):
        state["fed"] = _float_input((config.units,), "fed")
    state["progress"] = []
    if config.attention == "coverage":
        state["progress"] = [keras.Input((None,), dtype="float32", name="coverage")]
    if config.attention == "local_m":
        state["progress"] = [keras.Input((), dtype="int32", name="steps")]
    return state


def _float_input(shape, name):
    """An input of the type that layers compute in: Keras would cast it there and back again."""
    return keras.Input(shape, dtype=keras.config.dtype_policy().compute_dtype, name=name)


def _embedding(config, side, vocabulary_size, tied=False):
    if vocabulary_size is None:
        raise ValueError(
            f"expected {side}_vocabulary_size; for a {side} of real values set "
            f"{side}_features in the config"
        )
    name = f"{side}_embedding"
    if tied:
        return keras.layers.ReversibleEmbedding(
            vocabulary_size, config.embedding_dim, reverse_dtype="float32", name=name
        )
    return keras.layers.Embedding(vocabulary_size, config.embedding_dim, name=name)


def _refuse_size(side, vocabulary_size):
    if vocabulary_size is not None:
        raise ValueError(
            f"a real-valued {side} ({side}_features in the config) has no vocabulary; received "
            f"{side}_vocabulary_size={vocabulary_size}"
        )
