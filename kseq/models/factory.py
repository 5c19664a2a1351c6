"""Factory functions: encoder, decoder and the two composed, as Keras functional models."""

import contextlib
import dataclasses
import reprlib

import keras
from keras import ops

from kseq.config import Config, ModelConfig
from kseq.kernels.forks import claim_tensorflow
from kseq.models import recurrent, transformer
from kseq.models.inputs import make_inputs
from kseq.sides.make_side import make_source_side, make_target_side

_ARCHITECTURES = {"recurrent": recurrent, "transformer": transformer}


def build_encoder(config, source_vocabulary_size=None):
    """Builds the encoder, from a source to everything that the decoder reads.

    Args:
        config: `ModelConfig`.
        source_vocabulary_size: Number of source ids; None if the source is real-valued.

    Returns:
        A functional `keras.Model` from `{"source_ids": [B, S]}`, or for a real-valued source
        from `{"source": [B, S, F], "source_mask": [B, S]}`, to a dict of

        - `memory`: encoder outputs `[B, S, D]`, which a recurrent attention reads,
        - `keys`: what the attention compares queries with, `[B, S, A]`: the memory or its
          projection; for a Transformer a list of the keys and values of each decoder layer,
        - `mask`: whether a position of the memory is real, boolean `[B, S]`,
        - `state`: the decoder's state before the first step, a `DecoderState`; for a Transformer
          the cache, a list of keys and values of each decoder layer.

        Without attention there is only the `state`. With a pyramid, S of the memory, the keys
        and the mask is smaller than that of the source.

    Raises:
        TypeError: `config` is not a `ModelConfig`.
        ValueError: The vocabulary size is missing or too small, or given for real values.
    """
    _check_config(config)
    return _build_encoder(config, make_source_side(config, source_vocabulary_size))


def build_decoder(config, target_vocabulary_size=None):
    """Builds the decoder, from a target and the encoder's outputs to logits and attention.

    Args:
        config: `ModelConfig`.
        target_vocabulary_size: Number of target ids V; None if the target is real-valued.

    Returns:
        A functional `keras.Model` from `{"target_ids": [N, T]}`, or for a real-valued target
        from `{"target": [N, T, F]}`, and the dict that the encoder returns (of B sources; N is
        B, or B·K where K hypotheses share a source), to a dict of

        - `logits`: float32 `[N, T, V]`; for a real-valued target `values`, `[N, T, F]`,
        - `attention`: weights, float32 `[N, T, S]`, if the model has attention; for a
          Transformer the mean over layers and heads,
        - `attention_heads`: the weights of a Transformer by layer and head, float32
          `[N, T, layers, heads, S]`,
        - `state`: the state after the last target position, like the initial one.

    Raises:
        TypeError: `config` is not a `ModelConfig`.
        ValueError: The vocabulary size is missing or too small, or given for real values.
    """
    _check_config(config)
    return _build_decoder(config, make_target_side(config, target_vocabulary_size))


def build_seq2seq(config, source_vocabulary_size=None, target_vocabulary_size=None):
    """Composes encoder and decoder for training with teacher forcing.

    Args:
        config: `ModelConfig`.
        source_vocabulary_size: Number of source ids; None if the source is real-valued.
        target_vocabulary_size: Number of target ids V; None if the target is real-valued.

    Returns:
        A functional `keras.Model` whose inputs are the source and the target. Ids are int32 with
        PAD on the right, targets begin with START; a real-valued target begins with a step of
        zeros. The output is float32: logits `[B, T, V]`, or values `[B, T, F]`.

    Raises:
        TypeError: `config` is not a `ModelConfig`.
        ValueError: A vocabulary size is missing or too small, or given for real values; or both
            sizes differ although the sides share their embeddings.
    """
    return Seq2Seq(config, source_vocabulary_size, target_vocabulary_size)


@keras.saving.register_keras_serializable("kseq")
class Seq2Seq(keras.Model):
    """The functional model of `build_seq2seq`; its file holds the settings, not the graph.

    Keras would write an embedding that encoder and decoder share twice.

    Args:
        config: `ModelConfig`.
        source_vocabulary_size: Number of source ids, or None.
        target_vocabulary_size: Number of target ids V, or None.

    Attributes:
        config: `ModelConfig`.
        source_side: `Side` of the source.
        target_side: `Side` of the target.
    """

    def __init__(self, config, source_vocabulary_size=None, target_vocabulary_size=None):
        claim_tensorflow()
        _check_config(config)
        source = make_source_side(config, source_vocabulary_size)
        target = make_target_side(config, target_vocabulary_size)
        shared = _shared_embedding(config, source, target)
        encoder = _build_encoder(config, source, shared)
        decoder = _build_decoder(config, target, shared)
        inputs = make_inputs(source.source_specs)
        target_inputs = make_inputs(target.target_specs)
        outputs = decoder({**target_inputs, **encoder(inputs)})
        super().__init__({**inputs, **target_inputs}, outputs[target.output_name], name="seq2seq")
        self.config = config
        self.source_side, self.target_side = source, target
        self._settings = {
            "source_vocabulary_size": source_vocabulary_size,
            "target_vocabulary_size": target_vocabulary_size,
            "dtype_policy": keras.config.dtype_policy().name,
        }

    def get_config(self):
        """Returns the settings from which `from_config` builds the model."""
        return {"config": dataclasses.asdict(self.config), **self._settings}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds a model with the settings of `get_config`."""
        settings = dict(config)
        with use_dtype_policy(settings.pop("dtype_policy")):
            return cls(ModelConfig(**settings.pop("config")), **settings)


@contextlib.contextmanager
def use_dtype_policy(policy):
    """A context in which models are built with this Keras dtype policy."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def split_for_inference(model):
    """Splits a model of `build_seq2seq` into parts that share its weights.

    Args:
        model: A model from `build_seq2seq`, or reloaded from its `.keras` file.

    Returns:
        The encoder, as from `build_encoder`, and one decoder step: a functional `keras.Model`
        from `{"ids": [N]}`, or `{"value": [N, F]}`, and the encoder's outputs, to the decoder's
        outputs without their target axis: `logits` `[N, V]` or `values` `[N, F]`, `attention`
        `[N, S]`, `state`; for text also `hidden` `[N, H]`, which `output_layer` turns into
        logits. The step is the decoder on targets of length 1, not a second definition.

    Raises:
        TypeError: `model` is not a model.
        ValueError: The model has no layers named `encoder` and `decoder`.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"expected a model of build_seq2seq; received {reprlib.repr(model)}")
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    side = model.target_side
    inputs = {name: _copy_inputs(tensors) for name, tensors in decoder.input.items()}
    del inputs[side.target_name]
    step = make_inputs(side.step_specs)
    decoder = keras.Model(decoder.input, side.step_outputs(decoder), name="decoder")
    outputs = decoder({side.target_name: ops.expand_dims(step[side.step_name], 1), **inputs})
    outputs = {
        name: tensor if name == "state" else ops.squeeze(tensor, 1)
        for name, tensor in outputs.items()
    }
    return encoder, keras.Model({**step, **inputs}, outputs, name="step")


def _check_config(config):
    if not isinstance(config, ModelConfig):
        hint = "; a Config has one as its model" if isinstance(config, Config) else ""
        raise TypeError(f"expected a ModelConfig; received {reprlib.repr(config)}{hint}")
    config.check_sides()


def _copy_inputs(tensors):
    return keras.tree.map_structure(
        lambda tensor: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name), tensors
    )


def _shared_embedding(config, source, target):
    """The embedding of both sides; None if each side has its own."""
    if not config.share_embeddings:
        return None
    if source != target:
        raise ValueError(
            "share_embeddings needs one vocabulary for both sides; received "
            f"{source.vocabulary_size} source and {target.vocabulary_size} target ids"
        )
    return target.make_embedding("shared", config.embedding_dim, config.tie_output)


def _build_encoder(config, side, embedding=None):
    inputs = make_inputs(side.source_specs)
    embedding = embedding or side.make_embedding("source", config.embedding_dim)
    outputs = _ARCHITECTURES[config.architecture].encode(
        config, embedding(inputs[side.source_name]), side.source_mask(inputs)
    )
    return keras.Model(inputs, outputs, name="encoder")


def _build_decoder(config, side, embedding=None):
    architecture = _ARCHITECTURES[config.architecture]
    inputs = {**make_inputs(side.target_specs), **architecture.decoder_inputs(config)}
    embedding = embedding or side.make_embedding("target", config.embedding_dim, config.tie_output)
    readout, outputs = architecture.decode(config, embedding(inputs[side.target_name]), inputs)
    outputs[side.output_name] = side.make_head(config, readout, embedding)
    return keras.Model(inputs, outputs, name="decoder")


def output_layer(model):
    """Finds the parameters that turn the last hidden layer `[N, H]` of a text model into logits.

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
