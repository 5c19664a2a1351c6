"""The pointer-generator: a decoder that writes words of its vocabulary or copies source tokens.

See et al. 2017 (arXiv 1704.04368), section 2.2. The extended vocabulary of a source has `V + S`
ids: those of the vocabulary, and one for each source position. A source token that is not in the
vocabulary has the id `V + j`, j being the position where it first occurs, counted from 0.
"""

import keras
import tensorflow as tf
from keras import ops

from kseq.kernels.dense import Dense
from kseq.settings.own_parts import OwnPart
from kseq.special_tokens import UNK

_SMALLEST = 1e-20  # so that a weight of 0 has a logarithm


def copy_ids_input():
    """Makes the decoder's input for the ids of the source tokens, int32 `[B, S]`."""
    return keras.Input((None,), dtype="int32", name="copy_ids")


def known_ids(ids, size):
    """Returns ids as an embedding of V = `size` ids reads them: those of unknown tokens as UNK."""
    return ops.where(ops.less(ids, size), ids, UNK)


def generation_switch(config, context, state, embedded):
    """Makes the layer that chooses between writing and copying, if the model copies.

    See et al. 2017, equation 8: `p_gen = sigmoid(w_c · c_t + w_s · s_t + w_x · x_t + b)`.

    Args:
        config: `ModelConfig`.
        context: Contexts `[N, T, D]`. For a Transformer, whose decoder does not see the memory, the
            output of the last cross-attention.
        state: Outputs of the decoder's top layer `[N, T, H]`.
        embedded: Embeddings of the target `[N, T, E]`.

    Returns:
        The argument of the sigmoid as the output `switch` of the decoder, `[N, T, 1]`, in a dict;
        an empty dict if the model does not copy.
    """
    if not config.copy:
        return {}
    parts = ops.concatenate([context, state, embedded], axis=-1)
    return {"switch": Dense(1, name="generation_switch")(parts)}


def copy_tokens(config, outputs, copy_ids):
    """Adds copying to the outputs of a decoder.

    A Transformer copies with the mean over the heads of its last layer.

    Args:
        config: `ModelConfig`.
        outputs: Outputs of the decoder by name, with `logits` `[N, T, V]` and `switch`.
        copy_ids: Ids of the source tokens, int32 `[B, S]`.

    Returns:
        The same outputs with log-probabilities `[N, T, V + S]` as `logits`, and
        `generation_probability` instead of `switch`.
    """
    weights = outputs["attention"]
    if "attention_heads" in outputs:
        weights = ops.mean(outputs["attention_heads"][:, :, -1], axis=2)
    if "feature_attention" in outputs or isinstance(config.attention, OwnPart):
        # Only tokens of the source are copied, but features may have a share of the attention; and
        # weights of a user's own attention need not sum to 1.
        weights = weights / ops.maximum(ops.sum(weights, axis=-1, keepdims=True), _SMALLEST)
    mixture = PointerGenerator(dtype="float32", name="pointer_generator")
    switch = outputs.pop("switch")
    logits, probability = mixture(outputs["logits"], switch, weights, copy_ids)
    return {**outputs, "logits": logits, "generation_probability": probability}


@keras.saving.register_keras_serializable("kseq")
class PointerGenerator(keras.layers.Layer):
    """Mixes the distribution over the vocabulary with the attention to source tokens.

    See et al. 2017, equation 9: `P(w) = p_gen P_vocab(w) + (1 - p_gen) Σ_{i: w_i = w} a_i`. It is
    computed with logarithms, and only for the source tokens; for any other word the second term is
    0.
    """

    def call(self, logits, switch, weights, copy_ids):
        """Mixes both distributions.

        Args:
            logits: float32 `[N, T, V]`.
            switch: Argument of the sigmoid that is `p_gen`, `[N, T, 1]`.
            weights: Attention weights, float32 `[N, T, S]`.
            copy_ids: Ids of the source tokens, int32 `[B, S]`; N is B, or B·K where K hypotheses
                share a source.

        Returns:
            Log-probabilities over the extended vocabulary, float32 `[N, T, V + S]`, -inf for ids
            that no source token has; and `p_gen`, float32 `[N, T]`.
        """
        size, shape = logits.shape[-1], tf.shape(weights)
        copies = shape[0] // tf.maximum(tf.shape(copy_ids)[0], 1)
        generated = tf.nn.log_softmax(logits) + tf.math.log_sigmoid(switch)
        is_same = copy_ids[:, :, None] == copy_ids[:, None]
        positions = tf.range(shape[2])
        is_first = tf.argmax(is_same, axis=2, output_type=tf.int32) == positions
        shares = tf.matmul(weights, tf.repeat(tf.cast(is_same, tf.float32), copies, axis=0))
        copied = tf.math.log(shares + _SMALLEST) + tf.math.log_sigmoid(-switch)
        # Each source position has a column of its own to write to, so that none is written twice.
        columns = tf.where(is_first, copy_ids, size + positions)
        columns, ids, is_first = (
            tf.broadcast_to(tf.repeat(tensor, copies, axis=0)[:, None], shape)
            for tensor in (columns, copy_ids, is_first)
        )
        is_known = ids < size
        also_generated = tf.gather(generated, tf.where(is_known, ids, 0), batch_dims=2)
        both = also_generated + tf.nn.softplus(copied - also_generated)
        impossible = float("-inf")
        mixed = tf.where(is_first, tf.where(is_known, both, copied), impossible)
        extended = tf.pad(generated, [[0, 0], [0, 0], [0, shape[2]]], constant_values=impossible)
        rows, steps, _ = tf.meshgrid(*map(tf.range, tf.unstack(shape)), indexing="ij")
        indices = tf.stack([rows, steps, columns], axis=-1)
        mixture = tf.tensor_scatter_nd_update(extended, indices, mixed)
        return mixture, tf.sigmoid(switch[..., 0])

    def compute_output_spec(self, logits, switch, weights, copy_ids):
        """Returns shapes and types of the results of `call`."""
        rows, length, size = logits.shape
        width = weights.shape[-1]
        extended = None if width is None else size + width
        return (
            keras.KerasTensor((rows, length, extended), "float32"),
            keras.KerasTensor((rows, length), "float32"),
        )
