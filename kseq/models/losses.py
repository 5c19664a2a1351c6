"""Cross-entropy per token, and metrics that weigh every token alike."""

import keras
import tensorflow as tf

from kseq.special_tokens import PAD


def token_cross_entropy(labels, logits, label_smoothing=0.0):
    """Cross-entropy between labels and logits, by token, in float32.

    With label smoothing ε the label distribution gives `1 - ε` to the label and spreads ε
    evenly over all V ids (Szegedy et al. 2016, arXiv 1512.00567, section 7).

    Args:
        labels: Ids `[B, T]`.
        logits: `[B, T, V]`.
        label_smoothing: The ε, from 0 to 1.

    Returns:
        Cross-entropy in nats, float32 `[B, T]`.
    """
    shape = tf.shape(logits)
    labels = tf.cast(tf.reshape(labels, [-1]), tf.int32)
    logits = tf.reshape(tf.cast(logits, tf.float32), [-1, shape[-1]])
    return tf.reshape(_row_cross_entropy(labels, logits, label_smoothing), shape[:-1])


def _row_cross_entropy(labels, logits, label_smoothing):
    """Cross-entropy of rows `[N]`, `[N, V]`; one softmax serves the value and the gradient.

    On a CPU that is several times faster than TensorFlow's sparse cross-entropy operation.
    """

    @tf.custom_gradient
    def from_logits(logits):
        probabilities = tf.nn.softmax(logits)
        # The largest probability is at least 1/V: its logarithm is safe where others underflow.
        best = tf.math.log(tf.reduce_max(probabilities, axis=-1))
        normalizer = tf.reduce_max(logits, axis=-1) - best
        expected = (1.0 - label_smoothing) * tf.gather(logits, labels, batch_dims=1)
        if label_smoothing:
            expected += label_smoothing * tf.reduce_mean(logits, axis=-1)

        def gradient(upstream):
            spread = label_smoothing / tf.cast(tf.shape(logits)[-1], tf.float32)
            positions = tf.stack([tf.range(tf.shape(labels)[0]), labels], axis=1)
            return tf.tensor_scatter_nd_sub(
                (probabilities - spread) * upstream[:, None],
                positions,
                (1.0 - label_smoothing) * upstream,
            )

        return normalizer - expected, gradient

    return from_logits(logits)


@keras.saving.register_keras_serializable("kseq")
class CrossEntropy(keras.losses.Loss):
    """Cross-entropy averaged over the tokens that weigh: padding has weight 0.

    Args:
        label_smoothing: The ε of `token_cross_entropy`.
        **kwargs: Arguments of `keras.losses.Loss`.
    """

    def __init__(self, label_smoothing=0.0, name="cross_entropy", **kwargs):
        super().__init__(name=name, **{"reduction": "mean_with_sample_weight", **kwargs})
        self.label_smoothing = label_smoothing

    def call(self, labels, logits):
        return token_cross_entropy(labels, logits, self.label_smoothing)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("kseq")
class CoverageLoss(keras.layers.Layer):
    """Adds `λ Σ_j min(a_j, cov_j)`, averaged over target positions, to the training loss.

    See et al. 2017 (arXiv 1704.04368), equations 12 and 13: attention to what was attended to
    before costs something.

    Args:
        weight: The λ.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, weight, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, attention, target_ids, training=False):
        """Returns the attention `[B, T, S]` as it is; padding among the ids costs nothing."""
        if training:
            coverage = tf.cumsum(attention, axis=1, exclusive=True)
            losses = tf.reduce_sum(tf.minimum(attention, coverage), axis=-1)
            real = tf.cast(target_ids != PAD, losses.dtype)
            mean = tf.math.divide_no_nan(tf.reduce_sum(losses * real), tf.reduce_sum(real))
            self.add_loss(self.weight * mean)
        return attention

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}


class TokenMean(keras.metrics.Mean):
    """Mean over all tokens of all batches, each weighing the same.

    Keras' own metrics average over a sentence first, so that a token weighs the less the more
    its batch is padded.

    Args:
        function: Function of labels `[B, T]` and logits `[B, T, V]` to values `[B, T]`.
        name: What to call it.
        **kwargs: Arguments of `keras.metrics.Mean`.
    """

    def __init__(self, function, name, **kwargs):
        super().__init__(name=name, **kwargs)
        self.function = function

    def update_state(self, labels, logits, sample_weight):
        values = self.function(labels, logits)
        super().update_state(tf.reshape(values, [-1]), tf.reshape(sample_weight, [-1]))


class Perplexity(TokenMean):
    """`exp` of the cross-entropy per token over all batches."""

    def __init__(self, name="perplexity", **kwargs):
        super().__init__(token_cross_entropy, name, **kwargs)

    def result(self):
        return keras.ops.exp(super().result())


def token_accuracy(labels, logits):
    """1 where the label has the highest logit, else 0: float32 `[B, T]`."""
    best = tf.argmax(logits, axis=-1, output_type=tf.int32)
    return tf.cast(best == tf.cast(labels, tf.int32), tf.float32)


def measure(config):
    """Returns what a model is to make small: the name of a figure, and its function.

    Args:
        config: `ModelConfig`.

    Returns:
        `"cross_entropy"`, `"mean_squared_error"` or `"binary_cross_entropy"`, and a function
        of labels and outputs of the model to values `[B, T]`, for real values averaged over
        features.
    """
    if not config.target_features:
        return "cross_entropy", token_cross_entropy
    if config.target_activation == "linear":
        return "mean_squared_error", keras.losses.mean_squared_error
    return "binary_cross_entropy", keras.losses.binary_crossentropy


def objective(config, label_smoothing=0.0):
    """Returns what a model is trained for: the loss of a batch, and metrics over all of them.

    Args:
        config: `ModelConfig`.
        label_smoothing: The ε of `token_cross_entropy`; real values have none.

    Returns:
        A new `keras.losses.Loss`, and a list of new metrics: the `measure` first, and for text
        `accuracy` and `perplexity`.
    """
    name, function = measure(config)
    metrics = [TokenMean(function, name)]
    if name == "cross_entropy":
        metrics += [TokenMean(token_accuracy, "accuracy"), Perplexity()]
        return CrossEntropy(label_smoothing), metrics
    loss = {
        "mean_squared_error": keras.losses.MeanSquaredError,
        "binary_cross_entropy": keras.losses.BinaryCrossentropy,
    }[name]
    return loss(reduction="mean_with_sample_weight"), metrics
