"""What training needs to go on where it stopped: all variables, and how far it has come."""

import contextlib
import io
import json
import pathlib
import time
import zipfile
import zlib

import keras
import numpy as np

from kseq import files
from kseq.runs import directory as run_directory

SHARE = 50  # seconds of training for each second of saving, at least
_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
_PROGRESS = "progress"


class StateKeeper(keras.callbacks.Callback):
    """Saves the state of training every few minutes and after epochs, and restores it.

    Two generations are kept. The older one is used if the newer one is damaged. Of several workers,
    the chief alone reads and writes them, and tells the others what it has read.

    Args:
        run: `NewRun`, open; None for a worker that is not the chief.
        position: `Position` of the training data.
        participants: Objects by name with `get_state()`, for JSON, and `set_state(state)`.
        workers: `Workers`.
        minutes: Minutes between two states within an epoch.

    Attributes:
        epoch: Number of the epoch with which training begins in this process, then of the current
            one, from 0.
        steps: Number of batches of that epoch on which another process has trained.
    """

    def __init__(self, run, position, participants, workers, *, minutes):
        super().__init__()
        self._run = run
        self._position = position
        self._participants = participants
        self._workers = workers
        self._minutes = minutes
        self._saved = time.monotonic()
        self._seconds = 0.0  # that the last saving took
        self._metrics = {}
        self._is_between_batches = False
        self.epoch = self.steps = 0

    def restore(self, teacher, report):
        """Puts back the newest state that is not damaged, if there is one.

        Args:
            teacher: `Teacher`, compiled and built.
            report: Function that shows a line.

        Returns:
            Whether training goes on.
        """
        data = self._workers.share_bytes(self._find_state(teacher, report) if self._run else b"")
        if not data:
            return False
        progress, arrays = _read(io.BytesIO(data))
        _assign(_variables(teacher), arrays)
        self._metrics = arrays
        self.epoch, self.steps = progress["epoch"], progress["steps"]
        self._position.begin(self.epoch, progress["pool"], progress["batch"])
        for name, participant in self._participants.items():
            if name in progress:  # States of older versions lack some.
                participant.set_state(progress[name])
        return True

    def _find_state(self, teacher, report):
        """Returns the newest state that is not damaged, as bytes; none if there is none."""
        paths = list(filter(pathlib.Path.exists, run_directory.state_paths(self._run.folder)))
        for path in paths:
            try:
                data = path.read_bytes()
                _check(_variables(teacher), _read(io.BytesIO(data))[1])
            except _DAMAGE as error:
                is_last = path == paths[-1]
                remedy = "training begins again" if is_last else "the state before it is used"
                report(f"{path}: damaged ({error}); {remedy}")
                continue
            return data
        return b""

    def stages(self, epochs):
        """Yields the first and the last epoch of each call of `fit`.

        An epoch that goes on has a call of its own: Keras expects that all have the same number of
        batches.

        Args:
            epochs: Number of epochs of the training.
        """
        first = self.epoch
        if self.steps:
            yield first, first + 1
            first += 1
            self._position.begin(first)
        yield first, epochs

    def on_epoch_begin(self, epoch, logs=None):
        """Chooses the batches of the epoch; in the first one, puts back its metrics so far."""
        if epoch != self.epoch or not self._metrics:
            self.epoch, self.steps = epoch, 0
            self._position.begin(epoch)
        if self.steps:
            _assign(_metric_variables(self.model), self._metrics)
        self._metrics = {}
        self._first = int(self.model.steps.numpy())
        self._is_between_batches = True

    def on_train_batch_end(self, batch, logs=None):
        """Saves the state if enough time has passed."""
        if time.monotonic() - self._saved >= max(60 * self._minutes, SHARE * self._seconds):
            self._save_within_epoch()

    def on_epoch_end(self, epoch, logs=None):
        """Saves the state, unless the last one took long and was saved a short time ago."""
        self._is_between_batches = False
        if time.monotonic() - self._saved >= SHARE * self._seconds:
            self._save(epoch + 1, 0, 0, 0)

    def save_after_interruption(self):
        """Saves the state, if training was interrupted between two batches."""
        if self._is_between_batches:
            self._save_within_epoch()

    def find_batch(self):
        """Finds the next batch of the current epoch.

        Returns:
            The number of batches of the epoch before it; and its place, a pool and a batch of the
            pool, or None if the epoch is over.
        """
        batches = int(self.model.steps.numpy()) - self._first
        return self.steps + batches, self._position.after(batches)

    def _save_within_epoch(self):
        steps, place = self.find_batch()
        if place is not None:  # At the end of an epoch, there would be nothing to go on with.
            self._save(self.epoch, steps, *place)

    def _save(self, epoch, steps, pool, batch):
        start = self._saved = time.monotonic()
        if self._run is None:
            return
        progress = {"epoch": epoch, "steps": steps, "pool": pool, "batch": batch}
        progress |= {name: each.get_state() for name, each in self._participants.items()}
        variables = _variables(self.model) | _metric_variables(self.model)
        arrays = {name: np.asarray(variable) for name, variable in variables.items()}
        arrays[_PROGRESS] = np.frombuffer(json.dumps(progress).encode(), np.uint8)
        *_, oldest = run_directory.state_paths(self._run.folder)
        with self._run.replaced_file(oldest) as unfinished:
            np.savez(unfinished, **arrays)
        self._saved = time.monotonic()
        self._seconds = self._saved - start


def has_readable_state(folder):
    """Returns whether a folder has a state of training that is not damaged."""
    for path in filter(pathlib.Path.exists, run_directory.state_paths(folder)):
        with contextlib.suppress(*_DAMAGE):
            _read(path)
            return True
    return False


def require_room(folder, teacher):
    """Checks that a disk has room for the states of training.

    Raises:
        OSError: The disk is too full.
    """
    sizes = [np.prod(variable.shape) * 4 for variable in _variables(teacher).values()]
    files.require_room(folder, int(3 * sum(sizes)))


def _variables(teacher):
    """Returns all variables but those of the metrics, by number.

    The names of seeds depend on the layers that the process has made before.
    """
    averages = teacher.averages.variables if teacher.averages else []
    groups = {
        "model": teacher.model.variables,
        "teacher": [teacher.steps, *averages],
        "optimizer": teacher.optimizer.variables,
    }
    return {
        f"{group}/{number}": variable
        for group, variables in groups.items()
        for number, variable in enumerate(variables)
    }


def _metric_variables(teacher):
    return {
        f"metric/{metric.name}/{number}": variable
        for metric in teacher.metrics
        for number, variable in enumerate(metric.variables)
    }


def _check(variables, arrays):
    for name, variable in variables.items():
        if arrays[name].shape != tuple(variable.shape):
            raise ValueError(f"{name} has the shape {arrays[name].shape}")


def _assign(variables, arrays):
    _check(variables, arrays)
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _read(path):
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(arrays.pop(_PROGRESS).tobytes()), arrays
