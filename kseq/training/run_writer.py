"""The files that training writes to a run directory after every epoch."""

import time

import keras

from kseq.analysis.curves import save_curves
from kseq.runs import directory as run_directory
from kseq.runs.weights import save_weights

_TRAINING_PER_DRAWING = 20  # seconds of training between drawings, for each second of drawing


class RunWriter(keras.callbacks.Callback):
    """Writes history, curves, best weights and checkpoints after every epoch.

    Each file is written as a whole or not at all. After the first epoch with a finite loss the
    run is complete and moves to its place. While epochs are short, the curves are drawn less
    often; `draw_curves` brings them up to date when training ends. Training stops early when the
    loss has not fallen for `patience` epochs.

    Args:
        run: `NewRun`, open; all its files except history, curves and weights are already written.
        model: The model that is trained.
        training: `TrainingConfig`: the number of last epochs whose weights are kept, and patience.

    Attributes:
        best_epoch: Number of the best epoch so far; None before the first finite loss.
    """

    def __init__(self, run, model, training):
        super().__init__()
        self._run = run
        self._seq2seq = model
        self._checkpoints = training.checkpoints
        self._epochs, self._patience = training.epochs, training.patience
        self._monitor = f"val_{model.target_side.measure}"
        self.best_epoch = None
        self._lowest_loss = float("inf")
        self._rows = []
        self._start, self._seconds = None, 0.0  # of the epoch, in this and in earlier processes
        self._rows_drawn = 0
        self._next_drawing = 0.0

    def get_state(self):
        """Returns what `set_state` needs in another process, for JSON."""
        return {
            "best_epoch": self.best_epoch,
            "lowest_loss": self._lowest_loss,
            "rows": self._rows,
            "seconds": self._epoch_seconds(),
        }

    def set_state(self, state):
        """Goes on where another process was when it called `get_state`."""
        self.best_epoch, self._lowest_loss = state["best_epoch"], state["lowest_loss"]
        self._rows, self._seconds = state["rows"], state["seconds"]

    @property
    def has_ended(self):
        """Whether there is no epoch left, or the loss has not fallen for too long."""
        epochs = len(self._rows)
        is_stuck = epochs > 1 and epochs - (self.best_epoch or 0) >= self._patience
        return is_stuck or epochs >= self._epochs

    def on_epoch_begin(self, epoch, logs=None):
        """Records the start time of the epoch."""
        self._start = time.monotonic()

    def _epoch_seconds(self):
        return self._seconds + (time.monotonic() - self._start if self._start else 0.0)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the files of an epoch; `epoch` counts from 0, the files count from 1."""
        seconds, self._start, self._seconds = self._epoch_seconds(), None, 0.0
        if logs[self._monitor] < self._lowest_loss:
            self.best_epoch, self._lowest_loss = epoch + 1, logs[self._monitor]
            self._write_weights(self._run.folder / run_directory.WEIGHTS)
        if self._checkpoints:
            self._write_checkpoint(epoch + 1)
        self._rows.append({"epoch": epoch + 1, "seconds": round(seconds, 1), **logs})
        self._write_history()
        if time.monotonic() >= self._next_drawing:
            self.draw_curves()
        self._run.publish()
        self.model.stop_training = self.has_ended

    def draw_curves(self):
        """Draws the curves of all epochs that have ended, unless they are drawn already."""
        if len(self._rows) == self._rows_drawn:
            return
        start = time.monotonic()
        with self._run.replaced_file(self._run.folder / run_directory.CURVES) as path:
            save_curves(self._rows, path)
        self._rows_drawn = len(self._rows)
        end = time.monotonic()
        self._next_drawing = end + _TRAINING_PER_DRAWING * (end - start)

    def _write_weights(self, path):
        with self._run.replaced_file(path) as unfinished:
            save_weights(self._seq2seq, unfinished)

    def _write_checkpoint(self, epoch):
        path = run_directory.checkpoint_path(self._run.folder, epoch)
        path.parent.mkdir(exist_ok=True)
        self._write_weights(path)
        paths = list(run_directory.checkpoint_paths(self._run.folder).values())
        for old_path in paths[: -self._checkpoints]:
            old_path.unlink()

    def _write_history(self):
        lines = [",".join(self._rows[0])]
        lines += [",".join(f"{value:.6g}" for value in row.values()) for row in self._rows]
        text = "".join(line + "\n" for line in lines)
        with self._run.replaced_file(self._run.folder / run_directory.HISTORY) as path:
            path.write_text(text, encoding="utf-8", newline="\n")
