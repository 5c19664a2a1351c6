"""From a corpus to a run: compile, Keras' own `fit`, and a run directory that is always whole."""

import builtins
import dataclasses
import re
import sys
import time

import keras
import tensorflow as tf

import kseq
from kseq import files
from kseq.analysis.curves import save_curves
from kseq.config import Config, ModelConfig
from kseq.corpora.corpus import Corpus
from kseq.inspection.sides import look_swapped
from kseq.kernels.adam import Adam
from kseq.kernels.memory import freed_memory_kept
from kseq.kernels.precision import fastest_precision
from kseq.kernels.processor import AT_ONCE, cores_are_shared
from kseq.models.factory import build_seq2seq, computing_in
from kseq.pipeline.batching import OTHER_PAIRS, batch_count, training_pipeline
from kseq.pipeline.encoded import prepare
from kseq.runs import directory as run_directory
from kseq.runs.record import RunRecord
from kseq.runs.weights import load_weights, save_weights
from kseq.text.vectors import load_vectors
from kseq.training.teacher import make_teacher
from kseq.translation.translator import Translator

FINAL_LEARNING_RATE = 0.05  # of the highest one
# Of a part of a batch that is at work beside another: fewer gain nothing.
LEAST_TOKENS, LEAST_SENTENCES = 256, 4


class TrainingFailed(RuntimeError):
    """Training ended without a usable model."""


def train(corpus, config=None, *, out, overwrite=False, verbose=True, cache=None):
    """Trains a model with teacher forcing and leaves it in a run directory.

    The weights of the epoch with the lowest cross-entropy per validation token (for real values
    the lowest error per step) are kept.
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
        cache: Folder in which a corpus of at least 32 MB is kept as ids, so that it is tokenised
            only once; by default the one that the environment variable `KSEQ_CACHE` names, or
            `~/.cache/kseq`. `"off"` for none.

    Returns:
        A `Translator` with the best weights.

    Raises:
        FileExistsError: `out` exists and is not a run, must not be overwritten, or another
            process is at it.
        ValueError: The corpus cannot be used, or its files changed while they were read.
        OSError: Its files cannot be read any more, or the run cannot be written.
        TypeError: `corpus` or `config` is something else.
        TrainingFailed: The loss was never a finite number.
    """
    if not isinstance(corpus, Corpus):
        raise TypeError(f"expected a corpus from kseq.load_corpus; received {corpus!r}")
    if config is None or isinstance(config, ModelConfig):
        config = dataclasses.replace(corpus.config, model=config or corpus.config.model)
    if not isinstance(config, Config):
        raise TypeError(f"expected a Config or a ModelConfig; received {config!r}")
    config = _with_features(corpus, config)
    run = run_directory.NewRun(out, overwrite)
    say = print if verbose else lambda *_: None
    config = _with_precision(config, say)
    keras.utils.set_random_seed(config.training.seed)

    with run:
        prepared = _prepare(corpus, config, cache, say)
        codecs, surveys = prepared.codecs, prepared.surveys
        with computing_in(config.training.precision):
            model = build_seq2seq(config.model, *codecs.vocabulary_sizes)
        _load_embeddings(model, codecs, config.training, say)
        learner = compiled(model, config.training, surveys[0])
        say(f"model: {model.count_params():,} parameters")
        record = _record(corpus, *surveys, model.count_params())
        run_directory.write_description(run.folder, config, codecs, record)
        writer = _RunWriter(run, model, config.training.checkpoints)
        with freed_memory_kept():
            _fit(learner, corpus, prepared, config.training, writer, verbose)
        if writer.best_epoch is None:
            raise TrainingFailed(
                "the loss was not a finite number in any epoch; lower learning_rate "
                f"(now {config.training.learning_rate:g})"
            )
        # In float32, whatever it was trained in: as it will be when the run is loaded.
        model = build_seq2seq(config.model, *codecs.vocabulary_sizes)
        load_weights(model, run.folder / run_directory.WEIGHTS)
    say(f"best epoch: {writer.best_epoch}")
    return Translator(model, codecs, config, record)


def _with_features(corpus, config):
    """The config with the widths of real-valued sides, which the data tell."""
    names = "source_features", "target_features"
    widths = dict(zip(names, corpus.train.features))
    for name, width in widths.items():
        configured = getattr(config.model, name)
        if configured not in (0, width):
            held = f"{width} values per step" if width else "text"
            raise ValueError(
                f"{corpus.train}: {name} is {configured}, but the corpus has {held}; "
                f"set {name}={width}"
            )
    model = dataclasses.replace(config.model, **widths)
    model.check_sides()
    if model.target_features and config.training.label_smoothing:
        raise ValueError("label_smoothing is for text; the targets are real-valued: set it to 0")
    return dataclasses.replace(config, model=model)


def _with_precision(config, say):
    """The config with a precision in place of `"auto"`."""
    if config.training.precision != "auto":
        return config
    precision, ratio = fastest_precision(config.model.units)
    say(f"precision: {precision} (products in bfloat16 are {ratio:.1f} times as fast here)")
    return config.with_settings([f"precision={precision}"])


def _prepare(corpus, config, cache, say):
    train, valid = corpus.train, corpus.valid
    if train.features == (0, 0) and train.files != valid.files and look_swapped(train, valid):
        say(
            f"WARNING: the sides of {valid} look swapped beside those of {train}; if they are, "
            "its columns, or its two files, must change places"
        )
    prepared = prepare(corpus, config, cache, say)
    train_survey, valid_survey = prepared.surveys
    say(f"training on {train_survey}, validating on {valid_survey}")
    source, target = map(_described, prepared.codecs.sides)
    say(f"source: {source}; target: {target}")
    return prepared


def _described(codec):
    if codec.is_text:
        return f"{codec.size:,} different tokens"
    return f"{codec.features} values per step"


def _load_embeddings(model, codecs, training, say):
    """Puts pretrained vectors into the embeddings, and says which words have none."""
    for side, part, codec in zip(("source", "target"), ("encoder", "decoder"), codecs.sides):
        path = getattr(training, f"{side}_vectors")
        if not path:
            continue
        if not codec.is_text:
            raise ValueError(f"{side}_vectors needs text as {side}; received {path}")
        name = "shared" if model.config.share_embeddings else side
        layer = model.get_layer(part).get_layer(f"{name}_embedding")
        try:
            vectors = load_vectors(path, codec.vocabulary, model.config.embedding_dim)
        except (OSError, ValueError) as error:
            raise type(error)(f"{side}_vectors: {error}") from error
        keep = _KeepRows(vectors.matrix, vectors.found)
        layer.embeddings.assign(keep(layer.embeddings))
        if training.freeze_vectors:
            layer.embeddings.constraint = keep
        say(f"{side}: {vectors.describe()}")


class _KeepRows(keras.constraints.Constraint):
    """Puts rows of a matrix back to what they were, after every update."""

    def __init__(self, rows, kept):
        self._rows = rows
        self._kept = kept[:, None]

    def __call__(self, matrix):
        return keras.ops.where(self._kept, self._rows, matrix)


def _fit(learner, corpus, prepared, training, writer, verbose):
    codecs, (train, valid) = prepared.codecs, prepared.splits
    train_survey, valid_survey = prepared.surveys
    stop = keras.callbacks.EarlyStopping(writer.monitor, patience=training.patience, mode="min")
    try:
        learner.fit(
            training_pipeline(train, codecs, training, train_survey),
            validation_data=training_pipeline(
                valid, codecs, training, valid_survey, shuffled=False
            ),
            epochs=training.epochs,
            shuffle=False,
            callbacks=[writer, stop],
            verbose=0 if not verbose else 1 if sys.stdout.isatty() else 2,
        )
    except tf.errors.OpError as error:
        kind, reason = _reading_error(str(error))
        if kind is None:
            raise
        names = " or ".join(dict.fromkeys(map(str, (corpus.train, corpus.valid))))
        raise kind(f"{names} cannot be read as at the start: {reason}") from error


def _reading_error(text):
    """The type and the message of what went wrong in a pipeline; None for what is no such error."""
    if OTHER_PAIRS in text:
        return ValueError, f"{OTHER_PAIRS}; train again"
    # An error of Python stands in the middle, with its traceback behind it.
    pattern = r"^(\w+): ((?:(?!\n\w+: ).)+?)\nTraceback \(most recent"
    found = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    if found is None:
        return None, ""
    kind = getattr(builtins, found[1], ValueError)
    return OSError if issubclass(kind, OSError) else ValueError, " ".join(found[2].split())


def compiled(model, training, survey):
    """Makes a model of `build_seq2seq` ready for Keras' `fit`: Adam, warm-up, cosine decay, loss.

    Args:
        model: The model.
        training: `TrainingConfig`.
        survey: `Survey` of the training split.

    Returns:
        A `Teacher` of the model.
    """
    batches = batch_count(survey, training)
    parts = _parts(survey.tokens / batches, survey.kept / batches)
    steps = batches * training.epochs
    warmup = min(training.warmup_steps, steps // 10)
    learning_rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else training.learning_rate,
        max(1, steps - warmup),
        alpha=FINAL_LEARNING_RATE,
        warmup_target=training.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = Adam(learning_rate, global_clipnorm=training.gradient_clip)
    # A step that makes these variables is traced once more without.
    optimizer.build(model.trainable_variables)
    teacher = make_teacher(model, training.label_smoothing, parts)
    # Batches have many shapes, and XLA would compile each of them anew.
    teacher.compile(optimizer, jit_compile=False)
    return teacher


def _parts(tokens, sentences):
    """In how many parts batches of about so many of both are trained on, at once."""
    is_small = tokens < AT_ONCE * LEAST_TOKENS or sentences < AT_ONCE * LEAST_SENTENCES
    if is_small or tf.config.list_logical_devices("GPU") or not cores_are_shared():
        return 1
    return AT_ONCE


def _record(corpus, train_survey, valid_survey, parameters):
    return RunRecord(
        kseq=kseq.__version__,
        corpus=corpus.origin,
        train=dataclasses.asdict(train_survey),
        valid=dataclasses.asdict(valid_survey),
        length_ratio=train_survey.length_ratio,
        parameters=parameters,
    )


class _RunWriter(keras.callbacks.Callback):
    """Writes history, curves and best weights after every epoch, each file whole or not at all."""

    def __init__(self, run, model, checkpoints):
        super().__init__()
        self._seq2seq = model
        self._checkpoints = checkpoints
        self.monitor = f"val_{model.target_side.measure}"  # lowest in the best epoch
        self.best_epoch = None
        self._best = float("inf")
        self._run = run
        self._rows = []

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.monotonic() - self._started
        self._rows.append({"epoch": epoch + 1, "seconds": round(seconds, 1), **logs})
        if logs[self.monitor] < self._best:
            self.best_epoch, self._best = epoch + 1, logs[self.monitor]
            save_weights(self._seq2seq, self._run.folder / run_directory.WEIGHTS)
        if self._checkpoints:
            self._keep_checkpoint(epoch + 1)
        lines = [",".join(self._rows[0])]
        lines += [",".join(f"{value:.6g}" for value in row.values()) for row in self._rows]
        files.write_text(
            self._run.folder / run_directory.HISTORY, "".join(line + "\n" for line in lines)
        )
        with files.replaced_file(self._run.folder / run_directory.CURVES) as path:
            save_curves(self._rows, path)
        self._run.publish()

    def _keep_checkpoint(self, epoch):
        path = run_directory.checkpoint_path(self._run.folder, epoch)
        path.parent.mkdir(exist_ok=True)
        save_weights(self._seq2seq, path)
        for old in [*run_directory.checkpoint_paths(self._run.folder).values()][
            : -self._checkpoints
        ]:
            old.unlink()
