"""Factory functions: encoder, decoder and the two composed, as Keras functional models."""

import keras
from keras import ops

from kseq.recurrent import CELLS, AttentionDecoder, recurrent_encoder
from kseq.special_tokens import PAD


def build_encoder(config, source_vocabulary_size):
    """Builds the encoder: source ids to all that the decoder needs to know of the source.

    Args:
        config: `ModelConfig`.
        source_vocabulary_size: Number of source ids.

    Returns:
        A functional `keras.Model` from `{"source_ids": [B, S]}` to a dict of

        - `memory`: encoder outputs `[B, S, D]`,
        - `keys`: the memory projected for the attention, `[B, S, A]`,
        - `mask`: whether a position is real, boolean `[B, S]`,
        - `state`: initial decoder state through the bridge `tanh(W h)`, a list of `[B, H]`:
          one tensor for a GRU, hidden and cell state for an LSTM.
    """
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    mask = ops.not_equal(source_ids, PAD)
    embedded = keras.layers.Embedding(
        source_vocabulary_size, config.embedding_dim, name="source_embedding"
    )(source_ids)
    embedded = keras.layers.Dropout(config.dropout, name="source_dropout")(embedded)
    memory, states = recurrent_encoder(
        config.cell, config.units, config.encoder_layers, config.dropout
    )(embedded, mask)
    memory = keras.layers.Dropout(config.dropout, name="memory_dropout")(memory)
    keys = keras.layers.Dense(config.units, use_bias=False, name="attention_keys")(memory)
    state = [
        keras.layers.Dense(config.units, activation="tanh", name=f"bridge_{number}")(last)
        for number, last in enumerate(states, start=1)
    ]
    return keras.Model(
        {"source_ids": source_ids},
        {"memory": memory, "keys": keys, "mask": mask, "state": state},
        name="encoder",
    )


def build_decoder(config, target_vocabulary_size):
    """Builds the decoder: target ids and what the encoder gave, to logits and attention.

    The readout sees state, context and embedding (Bahdanau et al. 2015, arXiv 1409.0473,
    equation 4), through one tanh layer.

    Args:
        config: `ModelConfig`.
        target_vocabulary_size: Number of target ids V.

    Returns:
        A functional `keras.Model` from `{"target_ids": [N, T]}` and the dict that the encoder
        returns (B sources; N is B, or B·K where K hypotheses share a source) to a dict of

        - `logits`: float32 `[N, T, V]`,
        - `attention`: weights, float32 `[N, T, S]`,
        - `state`: the decoder state after the last target position, like the initial one.
    """
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    memory = keras.Input((None, config.units), name="memory")
    keys = keras.Input((None, config.units), name="keys")
    mask = keras.Input((None,), dtype="bool", name="mask")
    state = [
        keras.Input((config.units,), name=f"state_{number + 1}")
        for number in range(CELLS[config.cell].state_count)
    ]
    embedded = keras.layers.Embedding(
        target_vocabulary_size, config.embedding_dim, name="target_embedding"
    )(target_ids)
    embedded = keras.layers.Dropout(config.dropout, name="target_dropout")(embedded)
    hidden, context, attention, last_state = AttentionDecoder(
        config.cell, config.units, name="attention_decoder"
    )(embedded, state, memory, keys, mask)
    readout = keras.layers.Dense(config.units, activation="tanh", name="readout")(
        ops.concatenate([hidden, context, embedded], axis=-1)
    )
    readout = keras.layers.Dropout(config.dropout, name="readout_dropout")(readout)
    logits = keras.layers.Dense(target_vocabulary_size, dtype="float32", name="logits")(readout)
    return keras.Model(
        {"target_ids": target_ids, "memory": memory, "keys": keys, "mask": mask, "state": state},
        {"logits": logits, "attention": attention, "state": last_state},
        name="decoder",
    )


def build_seq2seq(config, source_vocabulary_size, target_vocabulary_size):
    """Composes encoder and decoder for training with teacher forcing.

    Args:
        config: `ModelConfig`.
        source_vocabulary_size: Number of source ids.
        target_vocabulary_size: Number of target ids V.

    Returns:
        A functional `keras.Model` from `{"source_ids": [B, S], "target_ids": [B, T]}`, int32
        with PAD on the right, targets beginning with START, to logits, float32 `[B, T, V]`.
    """
    encoder = build_encoder(config, source_vocabulary_size)
    decoder = build_decoder(config, target_vocabulary_size)
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    outputs = decoder({"target_ids": target_ids, **encoder({"source_ids": source_ids})})
    return keras.Model(
        {"source_ids": source_ids, "target_ids": target_ids}, outputs["logits"], name="seq2seq"
    )


def split_for_inference(model):
    """Takes a model of `build_seq2seq` apart; the parts share its weights.

    Args:
        model: What `build_seq2seq` returned, or a reloaded `.keras` file of it.

    Returns:
        The encoder, as from `build_encoder`, and one decoder step: a functional `keras.Model`
        from `{"ids": [N], "memory", "keys", "mask", "state"}` to `{"logits": [N, V],
        "attention": [N, S], "state"}`. It is the decoder on targets of length 1, so there is
        one definition of the step.

    Raises:
        ValueError: The model has no layers named `encoder` and `decoder`.
    """
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    inputs = {
        name: keras.tree.map_structure(
            lambda tensor: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name),
            tensors,
        )
        for name, tensors in decoder.input.items()
        if name != "target_ids"
    }
    ids = keras.Input((), dtype="int32", name="ids")
    outputs = decoder({"target_ids": ops.expand_dims(ids, 1), **inputs})
    outputs = {
        "logits": ops.squeeze(outputs["logits"], 1),
        "attention": ops.squeeze(outputs["attention"], 1),
        "state": outputs["state"],
    }
    return encoder, keras.Model({"ids": ids, **inputs}, outputs, name="step")
