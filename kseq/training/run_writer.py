"""The files that training writes to a run directory after every validation."""

import time

from kseq.analysis.curves import save_curves
from kseq.runs import directory as run_directory
from kseq.runs.weights import save_weights

_TRAINING_PER_DRAWING = 20  # seconds of training between drawings, for each second of drawing


class History:
    """The figures of a training so far, which are written nowhere.

    Attributes:
        rows: A dict of figures for each validation.
    """

    def __init__(self):
        self.rows = []

    def write(self, row, is_best, is_epoch):
        """Adds a row, in place of one with the same `step`; arguments as for `RunWriter`."""
        self.rows = [*(other for other in self.rows if other["step"] != row["step"]), row]

    def draw_curves(self):
        """Draws nothing."""


class RunWriter(History):
    """Writes history, curves, best weights and checkpoints.

    Each file is written as a whole or not at all. After the first validation with a finite figure
    the run is complete and moves to its place. While epochs are short, the curves are drawn less
    often; `draw_curves` brings them up to date when training ends.

    Args:
        run: `NewRun`, open; all its files except history, curves and weights are already written.
        model: The model that is trained.
        checkpoints: Number of last epochs whose weights are kept.
        monitor: Name of the figure by which weights are the best ones.

    Attributes:
        rows: A dict of figures for each validation, the history of the run.
    """

    def __init__(self, run, model, checkpoints, monitor):
        super().__init__()
        self._run = run
        self._model = model
        self._checkpoints = checkpoints
        self._monitor = monitor
        self._rows_drawn = 0
        self._next_drawing = 0.0

    def write(self, row, is_best, is_epoch):
        """Writes the files of a validation.

        Args:
            row: Figures by name, with `epoch` and `step`: the numbers of epochs and of batches so
                far. It replaces a row with the same step.
            is_best: Whether the weights are the best ones so far.
            is_epoch: Whether an epoch has ended.
        """
        if is_best:
            self._write_weights(self._run.folder / run_directory.WEIGHTS)
        if self._checkpoints and is_epoch:
            self._write_checkpoint(row["epoch"])
        super().write(row, is_best, is_epoch)
        self._write_history()
        if time.monotonic() >= self._next_drawing:
            self.draw_curves()
        self._run.publish()

    def draw_curves(self):
        """Draws the curves of all validations, unless they are drawn already."""
        if len(self.rows) == self._rows_drawn:
            return
        start = time.monotonic()
        with self._run.replaced_file(self._run.folder / run_directory.CURVES) as path:
            save_curves(self.rows, path, self._monitor)
        self._rows_drawn = len(self.rows)
        end = time.monotonic()
        self._next_drawing = end + _TRAINING_PER_DRAWING * (end - start)

    def _write_weights(self, path):
        with self._run.replaced_file(path) as unfinished:
            save_weights(self._model, unfinished)

    def _write_checkpoint(self, epoch):
        path = run_directory.checkpoint_path(self._run.folder, epoch)
        path.parent.mkdir(exist_ok=True)
        self._write_weights(path)
        paths = list(run_directory.checkpoint_paths(self._run.folder).values())
        for old_path in paths[: -self._checkpoints]:
            old_path.unlink()

    def _write_history(self):
        names = list(self.rows[0])
        lines = [",".join(names)]
        lines += [",".join(_format(row[name]) for name in names) for row in self.rows]
        text = "".join(line + "\n" for line in lines)
        with self._run.replaced_file(self._run.folder / run_directory.HISTORY) as path:
            path.write_text(text, encoding="utf-8", newline="\n")


def _format(value):
    return str(value) if isinstance(value, int) else f"{value:.6g}"
