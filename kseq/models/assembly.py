"""The encoder and the decoder as functional models: embeddings and heads around an architecture."""

import keras

from kseq.models import features, recurrent, transformer
from kseq.models.copying import copy_ids_input, copy_tokens, known_ids
from kseq.models.hard_attention import sum_over_positions
from kseq.models.inputs import RightPadding, make_inputs

# Deviations of initial embeddings: see docs/training.md#what-makes-the-first-epochs-fast.
_FEW = 256  # ids at most, as letters and phones have
_OF_FEW, _OF_SOURCE_WORDS, _OF_TARGET_WORDS = 0.5, 0.03, 0.2


def _architectures(config):
    """The modules of the encoder and of the decoder."""
    return tuple(
        recurrent if is_recurrent else transformer
        for is_recurrent in (config.has_recurrent_encoder, config.has_recurrent_decoder)
    )


def make_shared_embedding(config, side):
    """Makes one embedding for both sides, of which `side` is the target."""
    has_own = config.has_recurrent_encoder and not config.tie_output
    return side.make_embedding(
        *("shared", config.embedding_dim, config.tie_output),
        deviation=_source_deviation(config, side) if has_own else None,
    )


def _source_deviation(config, side):
    """Standard deviation of the initial embeddings that a recurrent encoder reads."""
    return config.source_deviation or (_OF_FEW if _has_few_ids(side) else _OF_SOURCE_WORDS)


def _target_deviation(config, side):
    """Standard deviation of the initial embeddings of a recurrent decoder's own."""
    return config.target_deviation or (_OF_FEW if _has_few_ids(side) else _OF_TARGET_WORDS)


def _has_few_ids(side):
    return side.is_text and side.vocabulary_size <= _FEW


def make_encoder(config, side, feature_side=None, embedding=None):
    """Makes the model from a source to everything that the decoder reads: see `build_encoder`.

    Args:
        config: `ModelConfig`.
        side: `Side` of the source.
        feature_side: `FeatureSide`; None without features.
        embedding: The embedding of the source if the target shares it.

    Returns:
        A functional `keras.Model`.
    """
    inputs = make_inputs(features.encoder_specs(side, feature_side))
    if embedding is None:
        deviation = _source_deviation(config, side) if config.has_recurrent_encoder else None
        embedding = side.make_embedding("source", config.embedding_dim, deviation=deviation)
    mask = RightPadding(name="source_padding")(side.source_mask(inputs))
    numbers = inputs[side.source_name]
    if config.copy:
        numbers = known_ids(numbers, side.vocabulary_size)
    embedded, further = features.read(config, feature_side, inputs, embedding(numbers))
    encoder, decoder = _architectures(config)
    encoded = encoder.encode(config, embedded, mask)
    outputs = features.connect(config, decoder.connect, encoded, further)
    if config.copy:
        outputs["copy_ids"] = keras.layers.Identity(name="copy_ids")(inputs[side.source_name])
    return keras.Model(inputs, outputs, name="encoder")


def make_decoder(config, side, embedding=None):
    """Makes the model from a target and the encoder's outputs to logits: see `build_decoder`.

    Args:
        config: `ModelConfig`.
        side: `Side` of the target.
        embedding: The embedding of the target if the source shares it.

    Returns:
        A functional `keras.Model`.
    """
    _, architecture = _architectures(config)
    inputs = make_inputs(side.target_specs)
    inputs |= {**architecture.decoder_inputs(config), **features.decoder_inputs(config)}
    if embedding is None:
        has_own = config.has_recurrent_decoder and not config.tie_output
        embedding = side.make_embedding(
            *("target", config.embedding_dim, config.tie_output),
            deviation=_target_deviation(config, side) if has_own else None,
        )
    numbers = inputs[side.target_name]
    if config.copy:
        inputs["copy_ids"] = copy_ids_input()
        numbers = known_ids(numbers, side.vocabulary_size)
    readout, outputs = architecture.decode(
        config, embedding(numbers), features.join_masks(config, inputs)
    )
    outputs = features.split_attention(inputs, outputs)
    outputs[side.output_name] = side.make_head(config, readout, embedding)
    if config.copy:
        outputs = copy_tokens(config, outputs, inputs["copy_ids"])
    if config.attention == "hard":
        outputs = sum_over_positions(config, outputs, inputs)
    return keras.Model(inputs, outputs, name="decoder")
