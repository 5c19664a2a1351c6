"""The features of a source in a model: read with the source, attended to next to it."""

import keras
from keras import ops

from kseq.kernels.dense import Dense
from kseq.kernels.dropout import Dropout

MASK = "feature_mask"  # among the outputs of the encoder


def encoder_specs(side, features):
    """Returns the `tf.TensorSpec` of each input of the encoder, by name.

    Args:
        side: `Side` of the source.
        features: `FeatureSide`; None without features.
    """
    # In the order of the alphabet, as tf.data and Keras pass inputs on.
    return side.source_specs if features is None else {**features.source_specs, **side.source_specs}


def read(config, side, inputs, embedded):
    """Reads the features of a source.

    Args:
        config: `ModelConfig`.
        side: `FeatureSide`; None without features.
        inputs: Inputs of the encoder by name.
        embedded: Source embeddings `[B, S, E]`.

    Returns:
        The embeddings, to which features may have been added; and features as further positions of
        the memory, `[B, F, D]`, with their mask, boolean `[B, F]`, or None. END is one of them.
    """
    if side is None:
        return embedded, None
    mask = side.source_mask(inputs)
    features = side.make_embedding("feature", config.embedding_dim)(inputs[side.source_name])
    features = features * ops.expand_dims(ops.cast(mask, features.dtype), -1)
    if config.features == "embedding":
        return add_features(embedded, features), None
    return embedded, (encode_features(config, features), mask)


def connect(config, connect_source, encoded, further):
    """Makes what the decoder reads from encoded source and features.

    Args:
        config: `ModelConfig`.
        connect_source: The function `connect` of the decoder's architecture.
        encoded: Memory `[B, S, D]`, mask `[B, S]` and summary.
        further: Further positions of the memory and their mask, from `read`, or None.

    Returns:
        The outputs of the encoder, a dict, as `build_encoder` describes them.
    """
    if further is None:
        return connect_source(config, *encoded)
    memory, mask, summary = encoded
    positions, further_mask = further
    memory = ops.concatenate([memory, positions], axis=1)
    outputs = connect_source(config, memory, ops.concatenate([mask, further_mask], axis=1), summary)
    return {**outputs, "mask": mask, MASK: further_mask}


def add_features(embedded, features):
    """Adds the sum of the features to every source token.

    A language is added in the same way to the tokens of a text by Lample and Conneau 2019 (arXiv
    1901.07291), section 3.1.

    Args:
        embedded: Source embeddings `[B, S, E]`.
        features: Embeddings of features `[B, F, E]`, 0 on padding.

    Returns:
        `[B, S, E]`.
    """
    return embedded + ops.sum(features, axis=1, keepdims=True)


def encode_features(config, features):
    """Encodes features as positions of the memory, each of them together with all others.

    Tags are a set: their order says nothing. But what a tag means can depend on the others, such as
    the gender on the person. So the position of feature i is `tanh(W f_i + U Σ_j f_j + b)`: Zaheer
    et al. 2017 (arXiv 1703.06114), Lemma 3, with vectors instead of numbers.

    Args:
        config: `ModelConfig`.
        features: Embeddings `[B, F, E]`, 0 on padding.

    Returns:
        `[B, F, D]`.
    """
    total = ops.sum(features, axis=1, keepdims=True)
    own = Dense(config.units, name="feature_encoder")(features)
    shared = Dense(config.units, use_bias=False, name="feature_context")(total)
    return Dropout(config.dropout, name="feature_dropout")(ops.tanh(own + shared))


def decoder_inputs(config):
    """Makes the decoder's inputs for features, a dict; the mask `[B, F]`, if they are tokens."""
    if config.features != "tokens":
        return {}
    return {MASK: keras.Input((None,), dtype="bool", name=MASK)}


def join_masks(config, inputs):
    """Gives the decoder the mask of all positions that it attends to.

    Args:
        config: `ModelConfig`.
        inputs: Inputs of the decoder by name; the memory and the keys have the positions of the
            source first, then those of the features, `[B, S + F, ...]`.

    Returns:
        The inputs with a mask `[B, S + F]`, as `masked_softmax` takes it. For joint attention it is
        boolean: one softmax, the flat combination of Libovický and Helcl 2017 (arXiv 1704.06567),
        section 3.2. For separate attention it is 1 for the source and 2 for features, each of which
        has its own softmax; the contexts are added, the parallel combination of Libovický et al.
        2018 (arXiv 1811.04716), section 3. Without features, the inputs unchanged.
    """
    if MASK not in inputs:
        return inputs
    masks = inputs["mask"], inputs[MASK]
    if config.feature_attention == "separate":
        source, features = (ops.cast(mask, "int32") for mask in masks)
        masks = source, features + features
    return {**inputs, "mask": ops.concatenate(masks, axis=1)}


def split_attention(inputs, outputs):
    """Splits attention weights between source and features.

    Args:
        inputs: Inputs of the decoder by name.
        outputs: Outputs of the decoder by name, with weights `[..., S + F]`.

    Returns:
        The outputs with weights `[..., S]`, and the weights on features, `feature_attention`
        `[N, T, F]`. Without features, the outputs unchanged.
    """
    if MASK not in inputs:
        return outputs
    split = {}
    for name in filter(outputs.__contains__, ("attention", "attention_heads")):
        on_source, on_features = SplitWeights(name=f"split_{name}")(outputs[name], inputs["mask"])
        split |= {name: on_source, "feature_attention": split.get("feature_attention", on_features)}
    return {**outputs, **split}


@keras.saving.register_keras_serializable("kseq")
class SplitWeights(keras.layers.Layer):
    """Splits the last axis of attention weights after the positions of the source."""

    def __init__(self, **kwargs):
        super().__init__(dtype="float32", **kwargs)

    def call(self, weights, mask):
        """Returns weights `[..., S]` and `[..., F]`, for weights `[..., S + F]`, mask `[B, S]`."""
        length = ops.shape(mask)[1]
        return weights[..., :length], weights[..., length:]

    def compute_output_spec(self, weights, mask):
        """Returns shapes and types of the results of `call`."""
        shape = (*weights.shape[:-1], None)
        return keras.KerasTensor(shape, "float32"), keras.KerasTensor(shape, "float32")
