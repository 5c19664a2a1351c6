"""Progress of training: a line that is updated in a terminal or a notebook, or one per epoch."""

import sys
import time

import keras

from kseq.console import printable, show
from kseq.training.validation import describe_figures

_SECONDS_BETWEEN_UPDATES = 0.5


class Progress(keras.callbacks.Callback):
    """Shows how far training is, how fast, and how long it will take.

    The time left is that of all epochs; if training stops early, it takes less.

    Args:
        display: Where to show it: `TerminalLine`, `NotebookLine` or `PlainLines`.
        epochs: Number of epochs of the training.
        epoch_batches: Number of batches in an epoch, perhaps an estimate.
        done: Function that returns the number of batches of the current epoch that an earlier
            process trained on.
    """

    def __init__(self, display, epochs, epoch_batches, done):
        super().__init__()
        self._display = display
        self._epochs = epochs
        self._epoch_batches = epoch_batches
        self._done = done

    def show(self, line):
        """Shows a line that stays, in addition to the one that is updated."""
        self._display.add(line)

    def on_epoch_begin(self, epoch, logs=None):
        """Begins a line; `epoch` counts from 0."""
        self._epoch = epoch
        self._start = self._last_update = time.monotonic()
        self._earlier_batches = self._done()
        self._batches = 0
        self._display.update(f"{self._title()}: first batch ...")

    def on_train_batch_end(self, batch, logs=None):
        """Updates the line; `batch` counts from 0."""
        self._batches = batch + 1
        now = time.monotonic()
        if batch == 0:  # It takes much longer than others: its graph is traced.
            self._first_batch_end, self._first_tokens = now, self._count_tokens()
        self._last_batch_end = now
        if now - self._last_update >= _SECONDS_BETWEEN_UPDATES:
            self._display.update(f"{self._title()}: {self._describe(logs, now)}")
            self._last_update = now

    def on_epoch_end(self, epoch, logs=None):
        """Completes the line with the metrics of both splits."""
        # From now on, the number of batches is known.
        self._epoch_batches = self._earlier_batches + self._batches
        now = time.monotonic()
        parts = [format_seconds(now - self._start)]
        parts += [self._describe_speed(self._last_batch_end)] if self._batches > 1 else []
        self._display.finish(f"{self._title()}: {'  '.join([*parts, describe_figures(logs)])}")

    def _title(self):
        return f"epoch {self._epoch + 1}/{self._epochs}"

    def _describe(self, figures, now):
        batches = self._earlier_batches + self._batches
        total = max(batches, self._epoch_batches)
        parts = [f"{batches:,}/{total:,}"]
        if self._batches > 1:
            seconds = (now - self._first_batch_end) / (self._batches - 1)
            left = (self._epochs - self._epoch) * total - batches
            parts += [self._describe_speed(now), f"{format_seconds(left * seconds)} left"]
        return "  ".join([*parts, describe_figures(figures)])

    def _describe_speed(self, now):
        unit = "tokens" if self.model.model.target_side.is_text else "steps"
        tokens = self._count_tokens() - self._first_tokens
        return f"{tokens / max(now - self._first_batch_end, 1e-3):,.0f} {unit}/s"

    def _count_tokens(self):
        """Number of target tokens, or of steps of real values, of the epoch so far."""
        return float(self.model.metrics[0].count.numpy())


class PlainLines:
    """A line for each epoch, for files and pipes."""

    def update(self, line):
        """Shows nothing, as a line could not be replaced."""

    def add(self, line):
        """Prints a line."""
        show(line, flush=True)

    finish = add


class TerminalLine:
    """The last line of a terminal, which is replaced by the next one until it is finished."""

    def __init__(self):
        self._line = ""

    def update(self, line):
        """Replaces the line."""
        import shutil

        width = shutil.get_terminal_size().columns - 1
        self._line = printable(line)[:width]
        sys.stdout.write(f"\r\x1b[K{self._line}")
        sys.stdout.flush()

    def add(self, line):
        """Prints a line above the one that is updated."""
        sys.stdout.write(f"\r\x1b[K{printable(line)}\n{self._line}")
        sys.stdout.flush()

    def finish(self, line):
        """Replaces the line by one that stays."""
        self._line = ""
        self.add(line)


class NotebookLine:
    """A line of a notebook, which is replaced until it is finished.

    A saved notebook holds the last state of each line.
    """

    def __init__(self):
        self._handle = None

    def update(self, line):
        """Replaces the line."""
        from IPython.display import display

        if self._handle is None:
            self._handle = display({"text/plain": line}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": line}, raw=True)

    def add(self, line):
        """Prints a line."""
        print(line)

    def finish(self, line):
        """Replaces the line by one that stays."""
        self.update(line)
        self._handle = None


def choose_display():
    """Chooses how this process shows progress."""
    if _is_notebook():
        return NotebookLine()
    return TerminalLine() if sys.stdout is not None and sys.stdout.isatty() else PlainLines()


def _is_notebook():
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython and ipython.get_ipython(), "kernel", None) is not None


def format_seconds(seconds):
    """Returns a duration such as `"8 s"`, `"12 min"` or `"3 h 5 min"`."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
