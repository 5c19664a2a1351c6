"""Factory functions: encoder, decoder and the two composed, as Keras functional models."""

import contextlib
import dataclasses

import keras
from keras import ops

from kseq.config import ModelConfig
from kseq.kernels.dense import Dense
from kseq.models import recurrent, transformer
from kseq.models.inputs import source_inputs, target_inputs
from kseq.special_tokens import PAD

LAST_HIDDEN = "last_hidden"
_ARCHITECTURES = {"recurrent": recurrent, "transformer": transformer}


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
        source, target = source_inputs(config), target_inputs(config)
        outputs = decoder({**target, **encoder(source)})
        super().__init__(
            {**source, **target},
            outputs["values" if config.target_features else "logits"],
            name="seq2seq",
        )
        self.config = config
        self._settings = {
            "source_vocabulary_size": source_vocabulary_size,
            "target_vocabulary_size": target_vocabulary_size,
            "dtype_policy": keras.config.dtype_policy().name,
        }

    def get_config(self):
        return {"config": dataclasses.asdict(self.config), **self._settings}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        settings = dict(config)
        with computing_in(settings.pop("dtype_policy")):
            return cls(ModelConfig(**settings.pop("config")), **settings)


@contextlib.contextmanager
def computing_in(policy):
    """Models that are built meanwhile compute by this Keras dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
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
        `attention` `[N, S]`, `state`; and of text `hidden`, what `output_layer` makes logits
        of. It is the decoder on targets of length 1, so there is one definition of the step.

    Raises:
        ValueError: The model has no layers named `encoder` and `decoder`.
    """
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    inputs = {name: _like(tensors) for name, tensors in decoder.input.items()}
    if "target_ids" in inputs:
        decoder = keras.Model(decoder.input, outputs_with_hidden(decoder), name="decoder")
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


def outputs_with_hidden(decoder):
    """Outputs of a decoder of text, and `hidden`, what `output_layer` makes logits of."""
    return {**decoder.output, "hidden": decoder.get_layer(LAST_HIDDEN).output}


def _like(tensors):
    return keras.tree.map_structure(
        lambda tensor: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name), tensors
    )


def _build_encoder(config, vocabulary_size, shared_embedding):
    config.check_sides()
    inputs = source_inputs(config)
    if config.source_features:
        _refuse_size("source", vocabulary_size)
        sequence, mask = inputs["source"], inputs["source_mask"]
    else:
        mask = ops.not_equal(inputs["source_ids"], PAD)
        embedding = shared_embedding or _embedding(config, "source", vocabulary_size)
        sequence = embedding(inputs["source_ids"])
    outputs = _ARCHITECTURES[config.architecture].encode(config, sequence, mask)
    return keras.Model(inputs, outputs, name="encoder")


def _build_decoder(config, vocabulary_size, shared_embedding):
    config.check_sides()
    architecture = _ARCHITECTURES[config.architecture]
    inputs = {**target_inputs(config), **architecture.decoder_inputs(config)}
    embedding = None
    if config.target_features:
        _refuse_size("target", vocabulary_size)
        embedded = inputs["target"]
    else:
        embedding = shared_embedding or _embedding(
            config, "target", vocabulary_size, config.tie_output
        )
        embedded = embedding(inputs["target_ids"])
    readout, outputs = architecture.decode(config, embedded, inputs)
    head = "values" if config.target_features else "logits"
    outputs[head] = _head(config, readout, vocabulary_size, embedding)
    return keras.Model(inputs, outputs, name="decoder")


def _head(config, readout, vocabulary_size, embedding):
    if config.target_features:
        return keras.layers.Dense(
            config.target_features,
            activation=config.target_activation,
            dtype="float32",
            name="values",
        )(readout)
    if config.tie_output and config.units != config.embedding_dim:
        readout = Dense(config.embedding_dim, use_bias=False, name="output_projection")(readout)
    readout = keras.layers.Identity(name=LAST_HIDDEN)(readout)
    # The largest product of all: in half precision where the model is.
    if config.tie_output:
        logits = embedding(readout, reverse=True)
    else:
        logits = keras.layers.Dense(vocabulary_size, name="logits")(readout)
    return ops.cast(logits, "float32")


def output_layer(model):
    """What makes logits of the output of the decoder's layer `LAST_HIDDEN`.

    Returns:
        The kernel `[H, V]`, its bias `[V]` or None, and whether the kernel is transposed,
        `[V, H]`.
    """
    decoder, config = model.get_layer("decoder"), model.config
    if not config.tie_output:
        layer = decoder.get_layer("logits")
        return layer.kernel, layer.bias, False
    name = "shared_embedding" if config.share_embeddings else "target_embedding"
    return decoder.get_layer(name).embeddings, None, True


def _embedding(config, side, vocabulary_size, tied=False):
    if vocabulary_size is None:
        raise ValueError(
            f"expected {side}_vocabulary_size; for a {side} of real values set "
            f"{side}_features in the config"
        )
    name = f"{side}_embedding"
    if tied:
        return keras.layers.ReversibleEmbedding(vocabulary_size, config.embedding_dim, name=name)
    return keras.layers.Embedding(vocabulary_size, config.embedding_dim, name=name)


def _refuse_size(side, vocabulary_size):
    if vocabulary_size is not None:
        raise ValueError(
            f"a real-valued {side} ({side}_features in the config) has no vocabulary; received "
            f"{side}_vocabulary_size={vocabulary_size}"
        )
