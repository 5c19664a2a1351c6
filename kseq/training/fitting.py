"""Keras' `fit`, from the first batch or from where it stopped."""

import contextlib
import warnings

import tensorflow as tf

from kseq.console import show
from kseq.kernels.process_memory import keep_freed_memory
from kseq.pipeline.batching import make_position, training_pipeline
from kseq.pipeline.reading import ErrorRecorder
from kseq.training.progress import choose_progress
from kseq.training.setup import compile_teacher
from kseq.training.state import StateKeeper, require_room


class TrainingFailed(RuntimeError):
    """Training ended without a usable model."""


def fit(model, corpus, prepared, run, writer, training, *, verbose):
    """Trains a model, from the state in the run if there is one.

    Args:
        model: Model of `build_seq2seq`.
        corpus: `Corpus`.
        prepared: Result of `kseq.pipeline.encoded.prepare` for the corpus.
        run: `NewRun`, open.
        writer: `RunWriter`, which writes the results.
        training: `TrainingConfig`.
        verbose: Whether to show progress.

    Raises:
        ValueError, OSError: A split can no longer be read, or has changed; or the disk is full.
        TrainingFailed: The loss was not a finite number in any epoch.
    """
    teacher = compile_teacher(model, training, prepared.surveys[0])
    require_room(run.folder, teacher)
    position = make_position(prepared.splits[0], prepared.codecs, training)
    keeper = StateKeeper(run, position, {"writer": writer})
    report = show if verbose else lambda *_: None
    if keeper.restore(teacher, report):
        done = f", after {keeper.steps:,} of its batches" if keeper.steps else ""
        report(f"going on with epoch {keeper.epoch + 1}{done}")
    recorders = ErrorRecorder(), ErrorRecorder()
    verbose, progress = choose_progress(verbose)
    try:
        with keep_freed_memory(), _allow_any_number_of_batches():
            for first, last in keeper.stages(training.epochs):
                if writer.has_ended:
                    break
                train_batches, valid_batches = _make_batches(
                    prepared, training, recorders, position
                )
                teacher.fit(
                    train_batches,
                    validation_data=valid_batches,
                    initial_epoch=first,
                    epochs=last,
                    shuffle=False,
                    callbacks=[writer, *progress, keeper],
                    verbose=verbose,
                )
    except KeyboardInterrupt:
        keeper.save_after_interruption()
        raise
    except tf.errors.OpError:
        for split, recorder in zip((corpus.train, corpus.valid), recorders):
            _raise_reading_error(split, recorder.error)
        raise
    finally:
        writer.draw_curves()
    if writer.best_epoch is None:
        raise TrainingFailed(
            "the loss was not a finite number in any epoch; lower learning_rate "
            f"(now {training.learning_rate:g})"
        )


def _make_batches(prepared, training, recorders, position):
    """Returns the batches of training, from the position on, and those of validation."""
    return [
        training_pipeline(
            split, prepared.codecs, training, survey, is_train, recorder, position=start
        )
        for split, survey, is_train, recorder, start in zip(
            prepared.splits, prepared.surveys, (True, False), recorders, (position, None)
        )
    ]


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
