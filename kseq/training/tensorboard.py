"""`TensorBoard`: the course of a training in event files, with outputs and their attention."""

import importlib.util
import pathlib
import re
import time
import warnings

import keras
import numpy as np

from kseq.analysis.display import to_png
from kseq.analysis.evaluation import predict_references
from kseq.path_names import PathName
from kseq.text.scripts import shorten
from kseq.training.event_files import EventFiles, forget_after
from kseq.translation.doubtful_outputs import CutOutputsWarning

SPLITS = ("train", "validation")
_NO_FIGURES = ("epoch", "step", "seconds")
_LONGEST_TEXT = 500  # width of a cell in Latin letters
# Characters that have a meaning in Markdown.
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()#+!|~<>$&-]")


class TensorBoard(keras.callbacks.Callback):
    """Writes the course of a training to event files, which TensorBoard shows.

    Pass it to `kseq.train(..., callbacks=[kseq.TensorBoard()])`. It writes

    - loss, learning rate and speed of training every few batches,
    - after each validation all figures of training and of validation, so that both share a chart,
      and for some validation pairs the output of the model, with its attention as a heatmap.

    The horizontal axis is the number of batches. A training that goes on replaces what was written
    after the batch from which it goes on; one that begins replaces everything that kseq has written
    to the folder.

    Args:
        folder: Folder of the event files; by default `tensorboard/NAME` next to the run `NAME`.
        every: Number of batches between two points of the curves of training.
        pairs: Number of validation pairs whose outputs are shown.

    Attributes:
        folder: The folder, once training has begun.
        invitation: A line that says how to watch the training, once it has begun.

    Raises:
        ValueError: `every` is less than 1, or `pairs` less than 0.
    """

    def __init__(self, folder: PathName | None = None, every: int = 10, pairs: int = 4) -> None:
        super().__init__()
        if every < 1 or pairs < 0:
            raise ValueError(
                f"every must be at least 1, and pairs at least 0; received {every} and {pairs}"
            )
        self.folder = folder and pathlib.Path(folder)
        self.pairs = pairs
        self.invitation = None
        self._every = every
        self._translator = None
        self._examples = []
        self._files = None
        # Since the last point: the sums of the metric at its start, and the time of the batches.
        self._sums, self._seconds = None, 0.0

    def connect(self, run, translator, examples):
        """Connects the callback with a training, before it begins.

        Args:
            run: Path of the run directory, a resolved `pathlib.Path`.
            translator: `Translator` of the model that is trained.
            examples: Validation pairs, a list.

        Raises:
            OSError: The folder cannot be made.
        """
        logs = self.folder
        if self.folder is None:
            logs = run.parent / "tensorboard"
            self.folder = logs / run.name
        self.invitation = f"to watch the training: tensorboard --logdir {logs}"
        if importlib.util.find_spec("tensorboard") is None:
            self.invitation += " (pip install 'kseq[tensorboard]')"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._translator, self._examples = translator, examples
        self._files = None

    def on_train_begin(self, logs=None):
        """Opens the event files; those of a training that was stopped keep what is still true."""
        self._step = int(self.model.steps.numpy())
        if self._files is None:
            self._files = {}
            for split in SPLITS:
                forget_after(self.folder / split, self._step)
                self._files[split] = EventFiles(self.folder / split)
            self._is_first = True

    def on_epoch_begin(self, epoch, logs=None):
        """Notes that the metrics begin again."""
        self._sums, self._seconds = None, 0.0

    def on_train_batch_begin(self, batch, logs=None):
        """Starts the clock, which does not run during a validation."""
        self._sums = self._sums or self._read_sums()
        self._start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        """Adds a point to the curves of training, if it is time."""
        self._step += 1
        is_time = self._step % self._every == 0
        sums = self._read_sums() if is_time else None  # On a GPU, this waits for the batch.
        self._seconds += time.monotonic() - self._start
        if is_time:
            self._add_point(*np.subtract(sums, self._sums), self._seconds)
            self._sums, self._seconds = sums, 0.0

    def _add_point(self, loss, tokens, seconds):
        files = self._files["train"]
        if tokens:
            files.add_number("batch/loss", loss / tokens, self._step)
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        files.add_number("batch/learning_rate", rate, self._step)
        if not self._is_first:  # The first batch takes long, as the model is compiled.
            files.add_number("batch/tokens_per_second", tokens / max(seconds, 1e-6), self._step)
        self._is_first = False

    def _read_sums(self):
        """Returns the sum of the losses of all target tokens of the epoch, and their number."""
        loss = self.model.metrics[0]
        return float(loss.total.numpy()), float(loss.count.numpy())

    def on_validation(self, row):
        """Adds the figures of a validation, and outputs of the model.

        Args:
            row: Figures by name, as the history of the run has them.
        """
        for name, value in row.items():
            if name not in _NO_FIGURES:
                split = SPLITS[name.startswith("val_")]
                name = f"figures/{name.removeprefix('val_')}"
                self._files[split].add_number(name, value, row["step"])
        if self._examples:
            self._add_outputs(row["step"])
        for files in self._files.values():
            files.flush()

    def _add_outputs(self, step):
        files = self._files["validation"]
        results = self._run_model()
        files.add_text("outputs", make_table(self._examples, results), step)
        for number, result in enumerate(results, start=1):
            if (picture := to_png(result)) is not None:
                files.add_picture(f"attention/{number}", picture, step)

    def _run_model(self):
        sources, references = zip(*self._examples)
        if self._translator.predicts_values:
            return predict_references(self._translator, sources, references)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CutOutputsWarning)  # as the first outputs will be
            return self._translator.translate(sources)

    def on_train_end(self, logs=None):
        """Writes everything to the disk."""
        for files in self._files.values():
            files.flush()


def make_table(pairs, results):
    """Writes sources, outputs and references as a table in Markdown.

    Args:
        pairs: (source, reference), text or real values.
        results: A `Translation` or `Prediction` for each pair.
    """
    lines = ["| | source | output | reference |", "|-|-|-|-|"]
    for number, ((source, reference), result) in enumerate(zip(pairs, results), start=1):
        output = getattr(result, "text", None)
        if output is None:
            error = np.mean(np.square(result.values - np.asarray(reference)))
            output = f"squared error {error:.4g}"
        cells = map(_format_cell, (source, output, reference))
        lines.append(f"| {number} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _format_cell(side):
    """Returns a text without a meaning in Markdown or HTML, or a description of real values."""
    if not isinstance(side, str):
        return "{} steps of {} values".format(*np.shape(side))
    text = shorten(" ".join(side.split()), _LONGEST_TEXT)
    return _MARKDOWN.sub(lambda character: f"&#{ord(character[0])};", text)
