"""Progress of training: a bar in a terminal, one line per epoch elsewhere, live in a notebook."""

import sys
import time

import keras

_SECONDS_BETWEEN_UPDATES = 0.5


def choose_progress(verbose):
    """Chooses how Keras' `fit` shows its progress.

    Args:
        verbose: Whether to show anything.

    Returns:
        The argument `verbose` of `fit`, and a list of callbacks.
    """
    if not verbose:
        return 0, []
    if _is_notebook():
        return 0, [NotebookProgress()]
    return 1 if sys.stdout.isatty() else 2, []


def _is_notebook():
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython and ipython.get_ipython(), "kernel", None) is not None


class NotebookProgress(keras.callbacks.Callback):
    """Shows each epoch as a line that a notebook updates while the epoch runs.

    A saved notebook holds the last state of each line. The bar of Keras would fill it with control
    characters.
    """

    def on_epoch_begin(self, epoch, logs=None):
        """Shows the line of an epoch; `epoch` counts from 0."""
        from IPython.display import display

        self._title = f"Epoch {epoch + 1}/{self.params['epochs']}"
        self._start = self._last_update = time.monotonic()
        self._batches = 0
        self._line = display(self._describe({}), raw=True, display_id=True)

    def on_train_batch_end(self, batch, logs=None):
        """Updates the line; `batch` counts from 0."""
        self._batches = batch + 1
        if time.monotonic() - self._last_update >= _SECONDS_BETWEEN_UPDATES:
            self._line.update(self._describe(logs), raw=True)
            self._last_update = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Completes the line with the metrics of both splits."""
        self._line.update(self._describe(logs), raw=True)

    def _describe(self, metrics):
        seconds = f"{time.monotonic() - self._start:.0f}s"
        steps = self.params["steps"]  # None in the first epoch of batches by tokens
        parts = [f"{self._batches}/{steps}" if steps else str(self._batches), seconds]
        parts += [f"{name}: {value:.4f}" for name, value in metrics.items()]
        return {"text/plain": f"{self._title}: {' - '.join(parts)}"}
