"""From a corpus to a run: compile, Keras' own `fit`, and a run directory that is always whole."""

import dataclasses
import json
import pathlib
import shutil
import sys
import tempfile
import time

import keras
import tensorflow as tf

import kseq
from kseq import files, run_directory
from kseq.config import Config, ModelConfig
from kseq.corpora import Corpus
from kseq.curves import save_curves
from kseq.losses import CrossEntropy, token_metrics
from kseq.models import build_seq2seq
from kseq.pipeline import build_text, survey_pairs, training_pipeline
from kseq.translator import Translator

FINAL_LEARNING_RATE = 0.05  # of the highest one


class TrainingFailed(RuntimeError):
    """Training ended without a usable model."""


def train(corpus, config=None, *, out, overwrite=False, verbose=True):
    """Trains a model with teacher forcing and leaves it in a run directory.

    The weights of the epoch with the lowest cross-entropy per validation token are kept.
    Stopping it (Ctrl-C, a kill) loses nothing of the epochs that are over: the directory then
    holds the best of them.

    Args:
        corpus: `Corpus` from `load_corpus`.
        config: `Config`; or `ModelConfig`, for the text and training settings that the corpus
            brings; or None for all of these.
        out: Run directory to make.
        overwrite: Whether a run that is already there may be replaced. It is, after the first
            epoch.
        verbose: Whether to show progress.

    Returns:
        A `Translator` with the best weights.

    Raises:
        FileExistsError: `out` exists and is not a run, must not be overwritten, or another
            process is at it.
        ValueError: The corpus cannot be used, or its files changed while they were read.
        TypeError: `corpus` or `config` is something else.
        TrainingFailed: The loss was never a finite number.
    """
    if not isinstance(corpus, Corpus):
        raise TypeError(f"expected a corpus from kseq.load_corpus; received {corpus!r}")
    if config is None or isinstance(config, ModelConfig):
        config = dataclasses.replace(corpus.config, model=config or corpus.config.model)
    if not isinstance(config, Config):
        raise TypeError(f"expected a Config or a ModelConfig; received {config!r}")
    run = run_directory.NewRun(out, overwrite)
    say = print if verbose else lambda *_: None
    keras.utils.set_random_seed(config.training.seed)

    with run:
        text, surveys = _survey(corpus, config, say)
        model = build_seq2seq(config.model, text.source.size, text.target.size)
        compile_model(model, config.training, -(-surveys[0].kept // config.training.batch_size))
        say(f"model: {model.count_params():,} parameters")
        record = _record(corpus, *surveys)
        _write_description(run.folder, config, text, record)
        writer = _RunWriter(run)
        _fit(model, corpus, text, config.training, surveys, writer, verbose)
        if writer.best_epoch is None:
            raise TrainingFailed(
                "the loss was not a finite number in any epoch; lower learning_rate "
                f"(now {config.training.learning_rate:g})"
            )
        _without_optimizer(model).load_weights(run.folder / run_directory.WEIGHTS)
    say(f"best epoch: {writer.best_epoch}")
    return Translator(model, text, config, record)


def _survey(corpus, config, say):
    limit = config.training.maximum_length
    text, train_survey = build_text(corpus.train, config.text, limit)
    valid_survey = survey_pairs(corpus.valid, text, limit)
    say(f"training on {train_survey}, validating on {valid_survey}")
    say(f"vocabularies: {text.source.size:,} source and {text.target.size:,} target tokens")
    return text, (train_survey, valid_survey)


def _fit(model, corpus, text, training, surveys, writer, verbose):
    train_survey, valid_survey = surveys
    stop = keras.callbacks.EarlyStopping(
        "val_cross_entropy", patience=training.patience, mode="min"
    )
    try:
        model.fit(
            training_pipeline(corpus.train, text, training, train_survey),
            validation_data=training_pipeline(
                corpus.valid, text, training, valid_survey, shuffled=False
            ),
            epochs=training.epochs,
            shuffle=False,
            callbacks=[writer, stop],
            verbose=0 if not verbose else 1 if sys.stdout.isatty() else 2,
        )
    except (tf.errors.FailedPreconditionError, tf.errors.UnknownError) as error:
        raise ValueError(
            f"{corpus.train} or {corpus.valid} changed while it was read: another number of "
            "pairs than at the start; train again"
        ) from error


def compile_model(model, training, batches):
    """Compiles a model of `build_seq2seq`: loss, metrics, Adam with warm-up and cosine decay.

    Args:
        model: The model.
        training: `TrainingConfig`.
        batches: Batches of an epoch.
    """
    steps = batches * training.epochs
    warmup = min(training.warmup_steps, steps // 10)
    learning_rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else training.learning_rate,
        max(1, steps - warmup),
        alpha=FINAL_LEARNING_RATE,
        warmup_target=training.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate, global_clipnorm=training.gradient_clip),
        loss=CrossEntropy(training.label_smoothing),
        weighted_metrics=token_metrics(),
        # Batches have many shapes, and XLA compiles each of them anew.
        jit_compile=False,
    )


def _record(corpus, train_survey, valid_survey):
    return {
        "kseq": kseq.__version__,
        "corpus": corpus.origin,
        "train": dataclasses.asdict(train_survey),
        "valid": dataclasses.asdict(valid_survey),
        "length_ratio": train_survey.length_ratio,
    }


def _write_description(folder, config, text, record):
    files.write_text(folder / run_directory.CONFIG, config.dumps())
    files.write_text(folder / run_directory.RECORD, json.dumps(record, indent=2) + "\n")
    text.save(folder)


def _save_weights(model, path):
    """Writes the weights, whole or not at all, by way of the folder for temporary files.

    The HDF5 library crashes the process when a disk is full; plain copying raises an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        files.require_room(folder, 2 * 4 * model.count_params())
        copy = pathlib.Path(folder) / run_directory.WEIGHTS
        _without_optimizer(model).save_weights(copy)
        with files.replaced_file(path) as unfinished:
            shutil.copyfile(copy, unfinished)


def _without_optimizer(model):
    """The same layers in a model of its own: the optimizer's state is two thirds of a file."""
    return keras.Model(model.input, model.output, name=model.name)


class _RunWriter(keras.callbacks.Callback):
    """Writes history, curves and best weights after every epoch, each file whole or not at all."""

    def __init__(self, run):
        super().__init__()
        self.best_epoch = None
        self._best = float("inf")
        self._run = run
        self._rows = []

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.monotonic() - self._started
        self._rows.append({"epoch": epoch + 1, "seconds": round(seconds, 1), **logs})
        if logs["val_cross_entropy"] < self._best:
            self.best_epoch, self._best = epoch + 1, logs["val_cross_entropy"]
            _save_weights(self.model, self._run.folder / run_directory.WEIGHTS)
        lines = [",".join(self._rows[0])]
        lines += [",".join(f"{value:.6g}" for value in row.values()) for row in self._rows]
        files.write_text(
            self._run.folder / run_directory.HISTORY, "".join(line + "\n" for line in lines)
        )
        with files.replaced_file(self._run.folder / run_directory.CURVES) as path:
            save_curves(self._rows, path)
        self._run.settle()
