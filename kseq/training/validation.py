"""Validation during training, and what follows from it: best weights, history, early stopping."""

import contextlib
import time

import keras
import tensorflow as tf

from kseq.training.optimizers import halve_learning_rate

_HIDDEN = ("loss", "perplexity")  # follow from the cross-entropy


class Validation(keras.callbacks.Callback):
    """Measures the model after every epoch, and every few batches if the settings say so.

    It takes the place of the validation by Keras' `fit`, which takes place after epochs only. The
    figures are added to the metrics of the epoch, so that the callbacks after this one receive
    them.

    Args:
        batches: The batches of the validation split.
        decoding: `Decoding`, or None.
        writer: `RunWriter` or `History`, which gets the figures.
        monitor: `Monitor`.
        training: `TrainingConfig`.
        epoch_batches: Number of batches in an epoch, perhaps an estimate.
        workers: `Workers`: the chief's figures are those of all.
        report: Function that shows a line.
        observers: Callbacks with a method `on_validation(row)`, which gets the row of the history
            while the weights are those that have been measured.

    Attributes:
        monitor: See the arguments.
        is_running: Whether a validation has begun and not ended.
    """

    def __init__(
        self,
        batches,
        decoding,
        writer,
        monitor,
        training,
        *,
        epoch_batches,
        workers,
        report,
        observers=(),
    ):
        super().__init__()
        self._batches = batches
        self._decoding = decoding
        self._writer = writer
        self.monitor = monitor
        self.is_running = False
        self._training = training
        self._epoch_batches = epoch_batches
        self._workers = workers
        self._report = report
        self._observers = observers
        self._epoch = 0
        self._epochs = 0  # that have ended
        self._epoch_start = 0  # number of batches before the epoch
        self._validated = 0  # number of batches before the last validation
        self._seconds, self._start = 0.0, None  # since then, in earlier processes and in this one

    def get_state(self):
        """Returns what `set_state` needs in another process, for JSON."""
        return {
            "monitor": self.monitor.get_state(),
            "rows": self._writer.rows,
            "epochs": self._epochs,
            "epoch_start": self._epoch_start,
            "validated": self._validated,
            "seconds": self._seconds_so_far(),
        }

    def set_state(self, state):
        """Goes on where another process was when it called `get_state`."""
        self.monitor.set_state(state["monitor"])
        self._writer.rows = state["rows"]
        self._epochs, self._epoch_start = state["epochs"], state["epoch_start"]
        self._validated, self._seconds = state["validated"], state["seconds"]

    @property
    def has_ended(self):
        """Whether no epoch is left, or the monitored figure has not improved for too long."""
        is_stuck = self.monitor.without_improvement >= self._training.patience
        return is_stuck or self._epochs >= self._training.epochs

    def on_epoch_begin(self, epoch, logs=None):
        """Notes which epoch begins; `epoch` counts from 0."""
        self._epoch = epoch
        self._start = self._start or time.monotonic()

    def on_train_batch_begin(self, batch, logs=None):
        """Validates the model if enough batches have passed since the last validation."""
        every = self._training.validate_every
        if not every:
            return
        steps = int(self.model.steps.numpy())
        if steps % every == 0 and steps > self._validated:
            done = min(1.0, (steps - self._epoch_start) / self._epoch_batches)
            figures = sorted(self.model.get_metrics_result().items())
            figures = {name: float(value) for name, value in figures}
            self._validate(round(self._epoch + done, 3), figures)
            self._report(f"epoch {self._epoch + done:.2f}: {describe_figures(figures)}")

    def on_epoch_end(self, epoch, logs=None):
        """Validates the model, and adds the figures to the metrics of the epoch."""
        if int(self.model.steps.numpy()) == self._validated:
            # The model was validated before the step that found the end of the data.
            self._complete(self._writer.rows[-1], epoch + 1, logs)
        elif self.has_ended:  # Training stopped within the epoch.
            return
        else:
            self._validate(epoch + 1, logs)
        self._epochs, self._epoch_start = epoch + 1, self._validated
        self.model.stop_training |= self.has_ended

    def _validate(self, epoch, figures):
        """Adds the figures of validation, after a number of epochs, and passes them on."""
        self.is_running = True
        averages = self.model.averages
        with averages.in_place() if averages else contextlib.nullcontext():
            figures |= self._measure()
            value = figures[self.monitor.name]
            row = {"epoch": epoch, "step": int(self.model.steps.numpy())}
            row |= {"seconds": round(self._seconds_so_far(), 1), **figures}
            self._writer.write(row, self.monitor.improves(value), isinstance(epoch, int))
            for observer in self._observers:
                observer.on_validation(row)
        self.monitor.add(value, epoch)
        self._validated = row["step"]
        self._seconds, self._start = 0.0, time.monotonic()
        if self._training.schedule == "plateau" and self.monitor.without_improvement:
            halve_learning_rate(self.model.optimizer)
        self.model.stop_training |= self.has_ended
        self.is_running = False

    def _complete(self, row, epoch, figures):
        """Makes the row of the last validation that of an epoch."""
        figures |= {name: value for name, value in row.items() if name.startswith("val_")}
        self._writer.write({**row, "epoch": epoch}, is_best=False, is_epoch=True)

    def _measure(self):
        """Returns the figures of the validation split by name; those of training are kept."""
        variables = [variable for metric in self.model.metrics for variable in metric.variables]
        values = [tf.identity(variable) for variable in variables]
        figures = self.model.evaluate(self._batches, verbose=0, return_dict=True)
        for variable, value in zip(variables, values):
            variable.assign(value)
        figures = {f"val_{name}": value for name, value in figures.items()}
        if self._decoding:
            figures |= self._decoding.measure(self._report)
        return self._workers.share(figures)

    def _seconds_so_far(self):
        return self._seconds + (time.monotonic() - self._start if self._start else 0.0)


def describe_figures(figures):
    """Returns the most important figures as text in one line."""
    shown = {name: value for name, value in figures.items() if not name.endswith(_HIDDEN)}
    return "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
