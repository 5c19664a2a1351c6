"""Factory functions: encoder, decoder and the two composed, as Keras functional models."""

import dataclasses
import reprlib

import keras
from keras import ops

from kseq.config import Config, ModelConfig
from kseq.kernels.forks import claim_tensorflow
from kseq.models import (
    features,
    masked,  # noqa: F401  Keras then finds its classes when it reads a `.keras` file.
)
from kseq.models.assembly import make_decoder, make_encoder, make_shared_embedding
from kseq.models.dtype_policy import use_dtype_policy
from kseq.models.inputs import copy_inputs, make_inputs
from kseq.models.losses import check_labels, check_losses, check_output
from kseq.sides.make_side import make_feature_side, make_source_side, make_target_side


def build_encoder(
    config: ModelConfig,
    source_vocabulary_size: int | None = None,
    feature_vocabulary_size: int | None = None,
) -> keras.Model:
    """Builds the encoder, from a source to everything that the decoder reads.

    Args:
        config: `ModelConfig`.
        source_vocabulary_size: Number of source ids; None if the source is real-valued.
        feature_vocabulary_size: Number of ids of features; None if sources have none.

    Returns:
        A functional `keras.Model` from `{"source_ids": [B, S]}`, or for a real-valued source
        from `{"source": [B, S, F], "source_mask": [B, S]}`, to a dict of

        - `memory`: encoder outputs `[B, S, D]`, which a recurrent attention reads,
        - `keys`: what the attention compares queries with, `[B, S, A]`: the memory or its
          projection; for a Transformer decoder a list of the keys and values of each of its layers,
        - `mask`: whether a position of the memory is real, boolean `[B, S]`,
        - `state`: the decoder's state before the first step, a `DecoderState`; for a Transformer
          decoder the cache, a list of keys and values of each of its layers.

        A model that copies also has `copy_ids`, int32 `[B, S]`: the source ids, in which an
        unknown token is `V + j` if it first occurs at position j.

        Without attention there is only the `state`; with hard attention no `memory`, but two
        projections of it as `keys`. With a pyramid, S of the memory, the keys and the mask is
        smaller than that of the source. Features are another input, `feature_ids` `[B, F]`; as
        tokens, they are further positions of memory and keys, `[B, S + F, ...]`, and have a mask,
        `feature_mask` `[B, F]`.

        Padding must be on the right. Called eagerly, the encoder raises a ValueError for any
        other padding; inside a graph, padding on the left changes its results unnoticed.

    Raises:
        TypeError: `config` is not a `ModelConfig`.
        ValueError: The vocabulary size is missing or too small, or given for real values.
    """
    _check_config(config)
    feature_side = make_feature_side(config, feature_vocabulary_size)
    return make_encoder(config, make_source_side(config, source_vocabulary_size), feature_side)


def build_decoder(config: ModelConfig, target_vocabulary_size: int | None = None) -> keras.Model:
    """Builds the decoder, from a target and the encoder's outputs to logits and attention.

    Args:
        config: `ModelConfig`.
        target_vocabulary_size: Number of target ids V; None if the target is real-valued.

    Returns:
        A functional `keras.Model` from `{"target_ids": [N, T]}`, or for a real-valued target
        from `{"target": [N, T, F]}`, and the dict that the encoder returns (of B sources; N is
        B, or B·K where K hypotheses share a source), to a dict of

        - `logits`: float32 `[N, T, V]`; for a real-valued target `values`, `[N, T, F]`; if
          `config.mixes_distributions`, log-probabilities, and with copying `[N, T, V + S]`,
        - `generation_probability`: for copying, that of a word from the vocabulary, `[N, T]`,
        - `attention`: weights, float32 `[N, T, S]`, if the model has attention; for a
          Transformer decoder the mean over layers and heads,
        - `feature_attention`: weights on features, float32 `[N, T, F]`, if these are tokens; in
          joint attention, both sum to 1 together,
        - `attention_heads`: the weights of a Transformer decoder by layer and head, float32
          `[N, T, layers, heads, S]`,
        - `state`: the state after the last target position, like the initial one.

    Raises:
        TypeError: `config` is not a `ModelConfig`.
        ValueError: The vocabulary size is missing or too small, or given for real values.
    """
    _check_config(config)
    return make_decoder(config, make_target_side(config, target_vocabulary_size))


def build_seq2seq(
    config: ModelConfig,
    source_vocabulary_size: int | None = None,
    target_vocabulary_size: int | None = None,
    output: str = "logits",
    feature_vocabulary_size: int | None = None,
) -> keras.Model:
    """Composes encoder and decoder for training with teacher forcing.

    To train it with Keras' own `compile` and `fit`, use a loss that fits the output; `compile`
    rejects a cross-entropy that expects the other output. With labels that are ids `[B, T]`:

        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    With `output="probabilities"`, the line of most tutorials works as well, for one-hot labels
    `[B, T, V]`:

        model.compile(optimizer="rmsprop", loss="categorical_crossentropy")

    Args:
        config: `ModelConfig`.
        source_vocabulary_size: Number of source ids; None if the source is real-valued.
        target_vocabulary_size: Number of target ids V; None if the target is real-valued.
        output: What the model returns for text: `"logits"`, or `"probabilities"`, their softmax.
            Its decoder, and the step of `split_for_inference`, return logits in either case.
        feature_vocabulary_size: Number of ids of features; None if sources have none.

    Returns:
        A functional `keras.Model` whose inputs are the source, its features, if any
        (`{"feature_ids": [B, F]}`), and the target. Ids are int32 with
        PAD on the right (see `build_encoder`), targets begin with START; a real-valued target
        begins with a step of zeros. The output is float32: logits or probabilities `[B, T, V]`,
        or values `[B, T, F]`. The model can be saved as a `.keras` file.

    Raises:
        TypeError: `config` is not a `ModelConfig`.
        ValueError: A vocabulary size is missing or too small, or given for real values; both sizes
            differ although the sides share their embeddings; or there is no such output.
    """
    sizes = source_vocabulary_size, target_vocabulary_size
    return Seq2Seq(config, *sizes, output, feature_vocabulary_size)


@keras.saving.register_keras_serializable("kseq")
class Seq2Seq(keras.Model):
    """The functional model of `build_seq2seq`; its file holds the settings, not the graph.

    Keras would write an embedding that encoder and decoder share twice. For the same reason,
    `copy.deepcopy` makes a copy, and `keras.models.clone_model` does not: its result has two
    embeddings, and is a plain functional model.

    Args:
        config: `ModelConfig`.
        source_vocabulary_size: Number of source ids, or None.
        target_vocabulary_size: Number of target ids V, or None.
        output: `"logits"` or `"probabilities"`.
        feature_vocabulary_size: Number of ids of features, or None.

    Attributes:
        config: `ModelConfig`.
        source_side: `Side` of the source.
        target_side: `Side` of the target.
        feature_side: `FeatureSide`; None without features.
    """

    def __init__(
        self,
        config,
        source_vocabulary_size=None,
        target_vocabulary_size=None,
        output="logits",
        feature_vocabulary_size=None,
    ):
        claim_tensorflow()
        _check_config(config)
        check_output(config, output)
        source = make_source_side(config, source_vocabulary_size)
        target = make_target_side(config, target_vocabulary_size)
        feature_side = make_feature_side(config, feature_vocabulary_size)
        _check_vocabularies(config, source, target)
        shared = None
        if config.share_embeddings:
            shared = make_shared_embedding(config, target)
        encoder = make_encoder(config, source, feature_side, shared)
        decoder = make_decoder(config, target, shared)
        inputs = make_inputs(features.encoder_specs(source, feature_side))
        target_inputs = make_inputs(target.target_specs)
        result = decoder({**target_inputs, **encoder(inputs)})[target.output_name]
        if output == "probabilities":
            result = keras.layers.Softmax(dtype="float32", name="probabilities")(result)
        super().__init__({**inputs, **target_inputs}, result, name="seq2seq")
        self.config = config
        self.source_side, self.target_side, self.feature_side = source, target, feature_side
        self._settings = {
            "source_vocabulary_size": source_vocabulary_size,
            "target_vocabulary_size": target_vocabulary_size,
            "feature_vocabulary_size": feature_vocabulary_size,
            "output": output,
            "dtype_policy": keras.config.dtype_policy().name,
        }

    @property
    def source_specs(self):
        """`tf.TensorSpec` of each input of the encoder, by name."""
        return features.encoder_specs(self.source_side, self.feature_side)

    def get_config(self):
        """Returns the settings from which `from_config` builds the model."""
        return {"config": dataclasses.asdict(self.config), **self._settings}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds a model with the settings of `get_config`."""
        settings = dict(config)
        with use_dtype_policy(settings.pop("dtype_policy")):
            return cls(ModelConfig(**settings.pop("config")), **settings)

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        **options,
    ):
        """Prepares for `fit` as Keras does; a ValueError if a loss does not fit the output.

        By default nothing is compiled by XLA: batches have many shapes, and on a GPU it would
        compile the step again for each of them. `jit_compile=True` is for batches of one shape.
        """
        if options.get("jit_compile", "auto") == "auto":
            options["jit_compile"] = False
        if self.target_side.is_text:
            check_losses([loss, metrics, weighted_metrics], self._settings["output"])
        super().compile(optimizer, loss, loss_weights, metrics, weighted_metrics, **options)

    def compile_from_config(self, config):
        """Compiles a model that is read from a file; Keras leaves this to a custom `compile`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Computes the loss as Keras does; a ValueError if the labels do not fit it."""
        if self.target_side.is_text and y is not None:
            check_labels(y, self.loss, self._settings["output"])
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def save(self, filepath, *args, **kwargs):
        """Saves a `.keras` file; a ValueError for HDF5, which could not be read again."""
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(
                f"expected a file name that ends in .keras; received {filepath}: Keras could not "
                "read this model from HDF5 (for the weights alone, use save_weights)"
            )
        super().save(filepath, *args, **kwargs)


def split_for_inference(model: keras.Model) -> tuple[keras.Model, keras.Model]:
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
        ValueError: The model is another one, or a clone by Keras.
    """
    require_seq2seq(model)
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    with use_dtype_policy(model.dtype_policy):
        return encoder, _make_step(decoder, model.target_side)


def require_seq2seq(model):
    """Raises a TypeError or a ValueError unless an object is a model of `build_seq2seq`."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"expected a model of build_seq2seq; received {reprlib.repr(model)}")
    if not isinstance(model, Seq2Seq):
        raise ValueError(
            "expected a model from build_seq2seq, which has an encoder and a decoder; received "
            f"{type(model).__name__} {model.name!r} (copy a model with copy.deepcopy: "
            "keras.models.clone_model makes a plain functional model)"
        )


def _make_step(decoder, side):
    """One step of a decoder whose targets are of this side."""
    inputs = {name: copy_inputs(tensors) for name, tensors in decoder.input.items()}
    del inputs[side.target_name]
    step = make_inputs(side.step_specs)
    decoder = keras.Model(decoder.input, side.step_outputs(decoder), name="decoder")
    outputs = decoder({side.target_name: ops.expand_dims(step[side.step_name], 1), **inputs})
    outputs = {
        name: tensor if name == "state" else ops.squeeze(tensor, 1)
        for name, tensor in outputs.items()
    }
    return keras.Model({**step, **inputs}, outputs, name="step")


def _check_config(config):
    if not isinstance(config, ModelConfig):
        hint = "; a Config has one as its model" if isinstance(config, Config) else ""
        raise TypeError(f"expected a ModelConfig; received {reprlib.repr(config)}{hint}")
    config.check_sides()


def _check_vocabularies(config, source, target):
    needs_one = [name for name in ("share_embeddings", "copy") if getattr(config, name)]
    if needs_one and source != target:
        raise ValueError(
            f"{needs_one[0]} needs one vocabulary for both sides; received "
            f"{source.vocabulary_size} source and {target.vocabulary_size} target ids"
        )
