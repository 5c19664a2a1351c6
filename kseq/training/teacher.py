"""Teacher forcing: the Keras model whose `fit` is called."""

import contextlib

import keras
import tensorflow as tf

from kseq.kernels.cross_entropy import distribution_losses, output_losses
from kseq.kernels.finite import require_finite
from kseq.kernels.row_random import DividedBatch
from kseq.models.factory import use_dtype_policy
from kseq.models.heads import output_layer
from kseq.pipeline.links import ALIGNMENT
from kseq.training.additions import Additions
from kseq.training.guided_alignment import guided_alignment_losses
from kseq.training.moving_averages import MovingAverages
from kseq.training.replicas import Measurement, ReplicatedMean, ReplicatedModel, add_up


class Teacher(ReplicatedModel):
    """Trains a model of `build_seq2seq`, with which it shares all weights.

    The rows of a batch can be split into parts that are independent except for the sum of their
    losses and gradients, so that one part has products to compute while another waits. Metrics are
    means over all steps; each step has the same weight, whatever the padding.

    Args:
        model: The model, made in the scope of the strategy.
        parts: Number of parts of a batch.
        additions: `Additions` to plain teacher forcing.
        strategy: `tf.distribute.Strategy` whose replicas share each batch; None for one device.

    Attributes:
        steps: Variable: the number of batches on which the model has been trained, int64.
    """

    def __init__(self, model, parts=1, additions=None, strategy=None):
        # Under a user's policy of mixed_float16, Keras would wrap the optimizer in another that
        # scales losses; with `precision`, `compile_teacher` does so.
        super().__init__(strategy, name="teacher", dtype="float32")
        self.model = model
        self.parts = parts
        with self.strategy.scope():
            self.steps = keras.Variable(0, dtype="int64", trainable=False, name="steps")
        self.averages = None
        self._additions = additions or Additions()
        self._sampling = self._additions.make_sampling(model)
        self._metrics_by_name = {}
        self._add_metrics(loss=ReplicatedMean)

    def _add_metrics(self, **kinds):
        """Adds metrics: their classes, by name."""
        with self.strategy.scope():
            self._metrics_by_name |= {name: kind(name) for name, kind in kinds.items()}

    @property
    def metrics(self):
        """The metrics, which Keras resets after every epoch."""
        return list(self._metrics_by_name.values())

    def train_step(self, data):
        """Updates the weights once; returns the metrics of the epoch so far.

        Args:
            data: Inputs, labels and weights, as from `training_pipeline`; and, if these are only
                some rows of a batch, their place in it, as from `Portions.cut`.
        """
        # Keras finds the end of an epoch by a step without data, which must not change anything:
        # neither the seeds of dropout nor the number of steps.
        with tf.control_dependencies(tf.nest.flatten(data)):
            with tf.GradientTape() as tape:
                loss, measurements, *scaling = self._batch_loss(data, training=True)
            weights = self.trainable_weights
            gradients = tape.gradient(loss, weights)
            loss, measurements, gradients = add_up(loss, measurements, gradients)
            with tf.control_dependencies([require_finite(loss, "loss")]):
                self.optimizer.apply_gradients(zip(gradients, weights))
                self.steps.assign_add(1)
                self._update_metrics(loss, measurements, *scaling)
            if self.averages is not None:
                self.averages.update(self.steps)
        return self.get_metrics_result()

    def keep_averages(self, decay):
        """Keeps moving averages of the weights from now on, unless the decay is 0."""
        if decay:
            with self.strategy.scope():
                self.averages = MovingAverages(self.trainable_weights, decay)

    def test_step(self, data):
        """Measures one batch of validation; arguments and results as in `train_step`."""
        loss, measurements, *scaling = self._batch_loss(data, training=False)
        loss, measurements, _ = add_up(loss, measurements)
        self._update_metrics(loss, measurements, *scaling)
        return self.get_metrics_result()

    def _update_metrics(self, loss, measurements, total, scale):
        for name, values, weights in [*measurements, Measurement("loss", loss / scale, total)]:
            self._metrics_by_name[name].update_state(values, weights)

    def _batch_loss(self, data, training):
        """Computes the loss of these rows.

        An optimizer for float16 scales the loss, so that small gradients do not become 0, and
        divides the gradients by the same factor. The factor is part of the shares, so that it is
        already in the gradients that `output_losses` computes.

        Returns:
            What these rows add to the mean loss of the batch, while training times that factor; a
            list of `Measurement` of other metrics; the weight of the whole batch; the factor.
        """
        *data, place = data if len(data) > 3 else (*data, None)
        scale = self.optimizer.scale_loss(1.0) if training else 1.0
        total = place["weight"] if place else tf.reduce_sum(data[2])
        if training:
            data = self._additions.change_batch(data, self.model, self.steps, place)
        first_row = place["first_row"] if place else 0
        is_divided = self.parts > 1 or place is not None
        batch = DividedBatch()
        losses, measurements = [], []
        for part in _split(data, self.parts):
            with batch.rows_from(first_row) if is_divided else contextlib.nullcontext():
                loss, measured = self._part_loss(part, total / scale, training)
            losses.append(loss)
            measurements += measured
            first_row += tf.shape(part[1])[0]
        return tf.add_n(losses), measurements, total, scale

    def _part_loss(self, part, total, training):
        """The contribution of a part to the loss, whose weights are divided by `total`."""
        inputs, labels, weights = part
        shares = tf.math.divide_no_nan(weights, total)
        loss, measured = self._weighted_loss(inputs, labels, weights, shares, training)
        # The losses that layers add are means over the steps of these rows.
        losses = [added * tf.reduce_sum(shares) for added in self.losses]
        if self._additions.coverage_loss_start and training:
            has_set_in = self._additions.has_coverage_loss(self.steps)
            losses = [tf.where(has_set_in, added, 0.0) for added in losses]
        return tf.add_n([loss, *losses]), measured

    def _weighted_loss(self, inputs, labels, weights, shares, training):
        """Sums the losses of all steps, each times its share, and measures the other metrics.

        Args:
            inputs: Inputs of the model, by name.
            labels: `[B, T]` or `[B, T, F]`.
            weights: 1 for a real step and 0 for padding, float32 `[B, T]`.
            shares: The weights divided by their sum over the whole batch, times the factor of
                the loss, `[B, T]`.
            training: Whether gradients are needed.

        Returns:
            A scalar, and a list of `Measurement`.
        """
        raise NotImplementedError


class TextTeacher(Teacher):
    """Trains with the cross-entropy of target tokens.

    It computes the loss directly from the last hidden layer, without the logits of the model; from
    log-probabilities if the model mixes distributions.

    Args:
        model: The model; its targets are text.
        label_smoothing: The ε of `output_losses`.
        parts: Number of parts of a batch.
        **options: Arguments of `Teacher`.
    """

    def __init__(self, model, label_smoothing=0.0, parts=1, **options):
        super().__init__(model, parts, **options)
        self.label_smoothing = label_smoothing
        decoder = model.get_layer("decoder")
        self._target_name = model.target_side.target_name
        outputs = model.target_side.step_outputs(decoder)
        if not model.config.mixes_distributions:
            del outputs[model.target_side.output_name]
        with use_dtype_policy(model.dtype_policy):
            self._decoder = keras.Model(decoder.input, outputs)
        self._add_metrics(
            cross_entropy=ReplicatedMean, accuracy=ReplicatedMean, perplexity=Perplexity
        )

    def _weighted_loss(self, inputs, labels, weights, shares, training):
        encoder = self.model.get_layer("encoder")
        encoded = encoder({name: inputs[name] for name in encoder.input}, training=training)
        if self._sampling and training:
            inputs = self._sampling.mix(encoded, inputs)
        targets = {self._target_name: inputs[self._target_name]}
        outputs = self._decoder({**targets, **encoded}, training=training)
        guidance = []
        if self._additions.guided_alignment and training:
            losses = guided_alignment_losses(outputs["attention"], inputs[ALIGNMENT])
            guidance = [self._additions.guided_alignment * tf.reduce_sum(losses * shares)]
        labels, weights, shares = (tf.reshape(rows, [-1]) for rows in (labels, weights, shares))
        loss, entropies, correct = self._output_losses(outputs, labels, shares, training)
        return tf.add_n([loss, *guidance]), [
            Measurement("cross_entropy", entropies, weights),
            Measurement("accuracy", correct, weights),
            Measurement("perplexity", entropies, weights),
        ]

    def _output_losses(self, outputs, labels, shares, training):
        """The losses of the decoder's outputs, for labels and shares `[N]`; see `output_losses`."""
        if self.model.config.mixes_distributions:
            logits = outputs[self.model.target_side.output_name]
            return distribution_losses(
                tf.reshape(logits, [-1, tf.shape(logits)[-1]]),
                *(labels, shares, self.model.target_side.vocabulary_size),
                label_smoothing=self.label_smoothing,
            )
        hidden = outputs["hidden"]
        kernel, bias, transposed = output_layer(self.model)
        return output_losses(
            tf.reshape(hidden, [-1, hidden.shape[-1]]),
            *(kernel, bias, labels, shares),
            label_smoothing=self.label_smoothing,
            transposed=transposed,
            training=training,
        )


class ValueTeacher(Teacher):
    """Trains with the error of real-valued targets: `ValueSide.losses`.

    Args:
        model: The model; its targets are real-valued.
        parts: Number of parts of a batch.
        **options: Arguments of `Teacher`.
    """

    def __init__(self, model, parts=1, **options):
        super().__init__(model, parts, **options)
        self._measure = model.target_side.measure
        self._add_metrics(**{self._measure: ReplicatedMean})

    def _weighted_loss(self, inputs, labels, weights, shares, training):
        outputs = self._predict(inputs, training)
        errors = self.model.target_side.losses(labels, outputs)
        # Keras would average over a sequence first.
        flat = (tf.reshape(tensor, [-1]) for tensor in (errors, weights))
        return tf.reduce_sum(errors * shares), [Measurement(self._measure, *flat)]

    def _predict(self, inputs, training):
        if not (self._sampling and training):
            return self.model(inputs, training=training)
        encoder, decoder = (self.model.get_layer(name) for name in ("encoder", "decoder"))
        encoded = encoder({name: inputs[name] for name in encoder.input}, training=training)
        mixed = self._sampling.mix(encoded, inputs)
        targets = {name: mixed[name] for name in self.model.target_side.target_specs}
        outputs = decoder({**targets, **encoded}, training=training)
        return outputs[self.model.target_side.output_name]


def make_teacher(model, label_smoothing=0.0, parts=1, **options):
    """Makes the `Teacher` of a model, for text or real-valued targets.

    Args:
        model: Model of `build_seq2seq`.
        label_smoothing: The ε of `output_losses`; 0 for real values.
        parts: Number of parts of a batch.
        **options: Arguments of `Teacher`.
    """
    if model.target_side.is_text:
        return TextTeacher(model, label_smoothing, parts, **options)
    return ValueTeacher(model, parts, **options)


class Perplexity(ReplicatedMean):
    """`exp` of the mean cross-entropy."""

    def __init__(self, name="perplexity", **kwargs):
        super().__init__(name=name, **kwargs)

    def result(self):
        """Returns the perplexity so far, a scalar."""
        return keras.ops.exp(super().result())


def _split(data, parts):
    """Splits the rows of a batch, in order, into parts of about equal size; some may be empty."""
    if parts == 1:  # A GPU could not split a mask.
        return [tf.nest.map_structure(tf.convert_to_tensor, data)]
    rows = tf.shape(data[1])[0]
    sizes = [(rows + number) // parts for number in range(parts)]
    pieces = [tf.split(tensor, sizes, num=parts) for tensor in tf.nest.flatten(data)]
    return [tf.nest.pack_sequence_as(data, part) for part in zip(*pieces)]
