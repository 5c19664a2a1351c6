"""Teacher forcing on text: what Keras' `fit` is called on."""

import keras
import tensorflow as tf

from kseq.models.factory import output_layer, outputs_with_hidden
from kseq.models.output import output_losses


class Teacher(keras.Model):
    """Trains a model of `build_seq2seq` by the cross-entropy of target tokens.

    Its steps for training and validation go from the last hidden layer to the loss at once; the
    model, which gives logits, shares all weights with it.

    Args:
        model: The model; its targets are text.
        label_smoothing: The ε of `output_losses`.
    """

    def __init__(self, model, label_smoothing=0.0):
        super().__init__(name="teacher")
        self.model = model
        self.label_smoothing = label_smoothing
        decoder = model.get_layer("decoder")
        outputs = outputs_with_hidden(decoder)
        del outputs["logits"]
        self._below_logits = keras.Model(decoder.input, outputs)
        self._figures = {
            "loss": keras.metrics.Mean("loss"),
            "cross_entropy": keras.metrics.Mean("cross_entropy"),
            "accuracy": keras.metrics.Mean("accuracy"),
            "perplexity": Perplexity(),
        }

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
        inputs, labels, weights = data
        encoder = self.model.get_layer("encoder")
        encoded = encoder({name: inputs[name] for name in encoder.input}, training=training)
        targets = {"target_ids": inputs["target_ids"]}
        hidden = self._below_logits({**targets, **encoded}, training=training)["hidden"]
        kernel, bias, transposed = output_layer(self.model)
        labels, weights = (tf.reshape(each, [-1]) for each in (labels, weights))
        loss, entropies, correct = output_losses(
            tf.reshape(hidden, [-1, hidden.shape[-1]]),
            *(kernel, bias, labels, weights),
            self.label_smoothing,
            transposed,
            training,
        )
        loss = tf.add_n([loss, *self.losses])
        self._figures["loss"].update_state(loss, tf.reduce_sum(weights))
        self._figures["cross_entropy"].update_state(entropies, weights)
        self._figures["accuracy"].update_state(correct, weights)
        self._figures["perplexity"].update_state(entropies, weights)
        return loss


class Perplexity(keras.metrics.Mean):
    """`exp` of the mean of cross-entropies."""

    def __init__(self, name="perplexity", **kwargs):
        super().__init__(name=name, **kwargs)

    def result(self):
        return keras.ops.exp(super().result())
