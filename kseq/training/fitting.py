"""Keras' `fit`, from the first batch or from where it stopped."""

import contextlib
import warnings

import keras
import tensorflow as tf

from kseq.kernels.finite import find_not_finite
from kseq.kernels.process_memory import keep_freed_memory
from kseq.pipeline.batch_sizes import batch_count
from kseq.pipeline.batching import make_position, training_pipeline
from kseq.pipeline.portions import Portions
from kseq.pipeline.reading import ErrorRecorder
from kseq.runs.directory import RECORD
from kseq.runs.record import RunRecord
from kseq.training.decoding import Decoding, choose_pairs
from kseq.training.failures import (
    TrainingFailed,
    explain_exhausted_memory,
    explain_not_finite,
    save_batch,
)
from kseq.training.film import AttentionFilm
from kseq.training.monitor import Monitor, choose_monitor
from kseq.training.progress import Progress, choose_display
from kseq.training.run_writer import History, RunWriter
from kseq.training.setup import compile_teacher
from kseq.training.state import StateKeeper, require_room
from kseq.training.tensorboard import TensorBoard
from kseq.training.validation import Validation
from kseq.translation.translator import Translator


class Fitting:
    """A training: everything that takes part in Keras' `fit`.

    Args:
        model: Model of `build_seq2seq`.
        config: `Config`.
        corpus: `Corpus`.
        prepared: Result of `kseq.pipeline.encoded.prepare` for the corpus.
        run: `NewRun`, open; None for a worker that is not the chief and writes nothing.
        workers: `Workers`.
        callbacks: The user's own callbacks of Keras.
        optimizer: The user's own optimizer, or None.
        verbose: Whether to show progress.
    """

    def __init__(
        self,
        model,
        config,
        corpus,
        prepared,
        run,
        *,
        workers,
        callbacks=(),
        optimizer=None,
        verbose=True,
    ):
        self._corpus, self._prepared, self._run = corpus, prepared, run
        self._workers = workers
        self._training = training = config.training
        survey, _ = prepared.surveys
        self._teacher = compile_teacher(model, training, survey, optimizer, workers.strategy)
        self._portions = workers.strategy and Portions.of(workers.strategy)
        if run:
            require_room(run.folder, self._teacher)
        self._position = make_position(prepared.splits[0], prepared.codecs, training)
        self._recorders = ErrorRecorder(), ErrorRecorder()
        monitor = Monitor(choose_monitor(training, model.target_side))
        writer = run and RunWriter(run, model, training.checkpoints, monitor.name)
        self._writer = writer or History()
        batches = batch_count(survey, training)
        self._progress = verbose and Progress(
            choose_display(), training.epochs, batches, lambda: self._keeper.steps
        )
        observers = [each for each in callbacks if isinstance(each, (TensorBoard, AttentionFilm))]
        if not run:
            callbacks = [callback for callback in callbacks if callback not in observers]
            observers = []
        is_used = run and (training.decoded_pairs or observers)
        translator = self._make_translator(model, config) if is_used else None
        for observer in observers:
            self._connect(observer, translator)
        decoded = translator and self._choose_pairs(training.decoded_pairs)
        self._validation = Validation(
            self._make_batches(1),
            Decoding(translator, decoded) if decoded else None,
            self._writer,
            monitor,
            training,
            epoch_batches=batches,
            workers=workers,
            report=self._report,
            observers=observers,
        )
        participants = {"validation": self._validation}
        participants |= {"stopwatch": run.stopwatch} if run else {}
        film = next((each for each in observers if isinstance(each, AttentionFilm)), None)
        participants |= {"film": film} if film else {}
        self._keeper = StateKeeper(
            run, self._position, participants, workers, minutes=training.save_minutes
        )
        progress = [self._progress] if verbose else []
        end = keras.callbacks.LambdaCallback(on_epoch_end=self._agree_on_end)
        self._callbacks = [self._validation, *progress, *callbacks, end, self._keeper]

    def run(self):
        """Trains the model, from the state in the run if there is one.

        Returns:
            The number of epochs after which the weights were best.

        Raises:
            ValueError, OSError: A split can no longer be read, or has changed; or the disk is full.
            TrainingFailed: The loss was not a finite number, or there was too little memory.
        """
        if self._keeper.restore(self._teacher, self._report):
            steps = self._keeper.steps
            done = f", after {steps:,} of its batches" if steps else ""
            self._report(f"going on with epoch {self._keeper.epoch + 1}{done}")
        try:
            with keep_freed_memory(), _allow_any_number_of_batches():
                self._fit()
        except KeyboardInterrupt:
            if not self._validation.is_running:
                self._keeper.save_after_interruption()
            raise
        except tf.errors.OpError as error:
            self._explain(error)
            raise
        finally:
            self._writer.draw_curves()
        best_epoch = self._validation.monitor.best_epoch
        if best_epoch is None:
            if self._run:
                self._run.give_up()
            raise TrainingFailed(
                f"{self._validation.monitor.name} was never a finite number; lower learning_rate "
                f"(now {self._training.learning_rate:g})"
            )
        return best_epoch

    def _fit(self):
        for first, last in self._keeper.stages(self._training.epochs):
            if self._validation.has_ended or self._teacher.stop_training:
                return
            self._teacher.fit(
                self._make_batches(0),
                initial_epoch=first,
                epochs=last,
                shuffle=False,
                callbacks=self._callbacks,
                verbose=0,
            )

    def _agree_on_end(self, epoch, logs):
        """Makes the chief decide whether training ends, as a callback of the user may stop it."""
        self._teacher.stop_training = self._workers.share(self._teacher.stop_training)

    def _make_translator(self, model, config):
        record = RunRecord.load(self._run.folder / RECORD)
        return Translator.of_run(model, self._prepared.codecs, config, record)

    def _connect(self, observer, translator):
        """Connects a callback that observes the validations of a run."""
        if isinstance(observer, AttentionFilm):
            observer.connect(self._run, translator, self._corpus)
            return
        observer.connect(self._run.destination, translator, self._choose_pairs(observer.pairs))
        self._report(observer.invitation)

    def _choose_pairs(self, count):
        """Returns some validation pairs, a list."""
        total = self._prepared.surveys[1].kept
        valid = self._prepared.codecs.frame(self._corpus.valid)
        return choose_pairs(valid, count, total) if count else []

    def _make_batches(self, number, *, whole=False):
        """Returns the batches of training (0), from the position on, or of validation (1).

        Unless they are to be whole, they are divided among the replicas.
        """
        prepared = self._prepared
        return training_pipeline(
            prepared.splits[number],
            prepared.codecs,
            self._training,
            prepared.surveys[number],
            number == 0,
            self._recorders[number],
            position=None if number else self._position,
            portions=None if whole else self._portions,
        )

    def _explain(self, error):
        """Raises an error that explains one of TensorFlow, if its cause is known."""
        for split, recorder in zip((self._corpus.train, self._corpus.valid), self._recorders):
            _raise_reading_error(split, recorder.error)
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise TrainingFailed(explain_exhausted_memory(self._training)) from error
        if name := find_not_finite(error):
            raise TrainingFailed(self._explain_not_finite(name)) from error

    def _explain_not_finite(self, name):
        """Returns the message; the chief writes the state before it and the batch."""
        keeper = self._keeper
        keeper.save_after_interruption()
        steps, place = keeper.find_batch()
        saved = None
        if self._run:
            self._position.begin(keeper.epoch, *place)
            batch = next(iter(self._make_batches(0, whole=True)))
            saved = save_batch(batch, self._prepared.codecs, self._run)
            self._run.give_up()
        return explain_not_finite(name, self._training, (steps + 1, keeper.epoch + 1), saved)

    def _report(self, line):
        if self._progress:
            self._progress.show(line)


def check_callbacks(callbacks):
    """Returns the user's callbacks, a list or a single one, as a list.

    Raises:
        TypeError: One of them is not a callback of Keras.
        ValueError: Several would write the same file.
    """
    callbacks = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "callbacks must be callbacks of Keras, such as keras.callbacks.LambdaCallback(); "
                f"received {callback!r}"
            )
    films = [callback for callback in callbacks if isinstance(callback, AttentionFilm)]
    if len(films) > 1:
        raise ValueError(f"expected one AttentionFilm, as a run holds one; received {len(films)}")
    return callbacks


@contextlib.contextmanager
def _allow_any_number_of_batches():
    """A context without Keras' warning about epochs whose number of batches it does not know."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Your input ran out of data")
        yield


def _raise_reading_error(split, error):
    """Raises the error that ended the reading of a split, if there is one."""
    if isinstance(error, (OSError, ValueError)):
        kind = OSError if isinstance(error, OSError) else ValueError
        reason = " ".join(str(error).split())
        raise kind(f"{split} can no longer be read: {reason}") from error
    if error is not None:
        raise error
