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
    often; `draw_curves` brings them up to date when training ends.

    Args:
        run: `NewRun`, open; all its files except history, curves and weights are already written.
        model: The model that is trained.
        checkpoints: Number of last epochs whose weights are kept.

    Attributes:
        monitor: Name of the metric that is lowest in the best epoch.
        best_epoch: Number of the best epoch so far; None before the first finite loss.
    """

    def __init__(self, run, model, checkpoints):
        super().__init__()
        self._run = run
        self._seq2seq = model
        self._checkpoints = checkpoints
        self.monitor = f"val_{model.target_side.measure}"
        self.best_epoch = None
        self._lowest_loss = float("inf")
        self._rows = []
        self._rows_drawn = 0
        self._next_drawing = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        """Records the start time of the epoch."""
        self._start = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Writes the files of an epoch; `epoch` counts from 0, the files count from 1."""
        seconds = time.monotonic() - self._start
        if logs[self.monitor] < self._lowest_loss:
            self.best_epoch, self._lowest_loss = epoch + 1, logs[self.monitor]
            self._write_weights(self._run.folder / run_directory.WEIGHTS)
        if self._checkpoints:
            self._write_checkpoint(epoch + 1)
        self._rows.append({"epoch": epoch + 1, "seconds": round(seconds, 1), **logs})
        self._write_history()
        if time.monotonic() >= self._next_drawing:
            self.draw_curves()
        self._run.publish()

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
