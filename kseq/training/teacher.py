"""Teacher forcing: what Keras' `fit` is called on."""

import keras
import tensorflow as tf

from kseq.kernels.cross_entropy import output_losses
from kseq.models.factory import output_layer, outputs_with_hidden
from kseq.training.losses import measure


class Teacher(keras.Model):
    """Trains a model of `build_seq2seq`, with which it shares all weights.

    The rows of a batch can be cut into parts that hang on each other only in the sum of their
    losses and gradients, so that one has products to do while another waits. Figures are means
    over all steps, each weighing the same, however its batch is padded.

    Args:
        model: The model.
        parts: Parts of a batch.
    """

    def __init__(self, model, parts=1):
        super().__init__(name="teacher")
        self.model = model
        self.parts = parts
        self._figures = {"loss": keras.metrics.Mean("loss")}

    @property
    def metrics(self):
        return list(self._figures.values())

    def train_step(self, data):
        """One update; returns the figures of the epoch so far."""
        with tf.GradientTape() as tape:
            loss = self._loss_of(data, training=True)
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        return self.get_metrics_result()

    def test_step(self, data):
        """One batch of validation; likewise."""
        self._loss_of(data, training=False)
        return self.get_metrics_result()

    def _loss_of(self, data, training):
        total = tf.reduce_sum(data[2])
        losses = [self._share_of(part, total, training) for part in _cut(data, self.parts)]
        loss = tf.add_n(losses)
        self._figures["loss"].update_state(loss, total)
        return loss

    def _share_of(self, part, total, training):
        """What some rows add to the loss of a batch whose weights add up to `total`."""
        inputs, labels, weights = part
        shares = tf.math.divide_no_nan(weights, total)
        loss = self._summed(inputs, labels, weights, shares, training)
        # Those that layers add are means over the steps of these rows.
        return tf.add_n([loss, *(added * tf.reduce_sum(shares) for added in self.losses)])

    def _summed(self, inputs, labels, weights, shares, training):
        """Their loss summed by share; updates the other figures."""
        raise NotImplementedError


class TextTeacher(Teacher):
    """Trains by the cross-entropy of target tokens.

    It goes from the last hidden layer to the loss at once; the model itself gives logits.

    Args:
        model: The model; its targets are text.
        label_smoothing: The ε of `output_losses`.
        parts: Parts of a batch.
    """

    def __init__(self, model, label_smoothing=0.0, parts=1):
        super().__init__(model, parts)
        self.label_smoothing = label_smoothing
        decoder = model.get_layer("decoder")
        outputs = outputs_with_hidden(decoder)
        del outputs["logits"]
        self._below_logits = keras.Model(decoder.input, outputs)
        self._figures |= {
            "cross_entropy": keras.metrics.Mean("cross_entropy"),
            "accuracy": keras.metrics.Mean("accuracy"),
            "perplexity": Perplexity(),
        }

    def _summed(self, inputs, labels, weights, shares, training):
        encoder = self.model.get_layer("encoder")
        encoded = encoder({name: inputs[name] for name in encoder.input}, training=training)
        targets = {"target_ids": inputs["target_ids"]}
        hidden = self._below_logits({**targets, **encoded}, training=training)["hidden"]
        labels, weights, shares = (tf.reshape(each, [-1]) for each in (labels, weights, shares))
        kernel, bias, transposed = output_layer(self.model)
        loss, entropies, correct = output_losses(
            tf.reshape(hidden, [-1, hidden.shape[-1]]),
            *(kernel, bias, labels, shares),
            self.label_smoothing,
            transposed,
            training,
        )
        self._figures["cross_entropy"].update_state(entropies, weights)
        self._figures["accuracy"].update_state(correct, weights)
        self._figures["perplexity"].update_state(entropies, weights)
        return loss


class ValueTeacher(Teacher):
    """Trains by the error of real-valued targets, as `measure` says.

    Args:
        model: The model; its targets are real-valued.
        parts: Parts of a batch.
    """

    def __init__(self, model, parts=1):
        super().__init__(model, parts)
        self._measure, self._error = measure(model.config)
        self._figures[self._measure] = keras.metrics.Mean(self._measure)

    def _summed(self, inputs, labels, weights, shares, training):
        errors = self._error(labels, self.model(inputs, training=training))
        # Keras would average over a sequence first.
        flat = (tf.reshape(each, [-1]) for each in (errors, weights))
        self._figures[self._measure].update_state(*flat)
        return tf.reduce_sum(errors * shares)


class Perplexity(keras.metrics.Mean):
    """`exp` of the mean of cross-entropies."""

    def __init__(self, name="perplexity", **kwargs):
        super().__init__(name=name, **kwargs)

    def result(self):
        return keras.ops.exp(super().result())


def _cut(data, parts):
    """Rows of a batch, in order, as so many batches of about equal size; some can be empty."""
    rows = tf.shape(data[1])[0]
    sizes = [(rows + number) // parts for number in range(parts)]
    pieces = [tf.split(each, sizes, num=parts) for each in tf.nest.flatten(data)]
    return [tf.nest.pack_sequence_as(data, part) for part in zip(*pieces)]
