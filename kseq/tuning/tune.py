"""`tune`: trains with different settings, and finds the best ones."""

import gc
import importlib.util
import math
import os
import time

import keras
import tensorflow as tf

from kseq.console import show, show_status
from kseq.corpora.corpus import Corpus, load_corpus
from kseq.errors import SettingError
from kseq.sides.text_side import TextSide
from kseq.sides.value_side import ValueSide
from kseq.training.fitting import TrainingFailed
from kseq.training.train import complete_config, train
from kseq.tuning.folder import StudyFolder, digest_pairs
from kseq.tuning.options import StudyOptions
from kseq.tuning.results import Tuning
from kseq.tuning.space import Space, apply_settings, spell_settings

_MOST_ATTEMPTS = 3  # processes that may be killed in the same epoch of a trial
# Settings that change what a token is, which pairs are used, or what is measured.
_INCOMPARABLE = (
    *("target_tokenizer", "normalization", "case", "minimum_frequency", "maximum_vocabulary_size"),
    *("subword_algorithm", "subword_vocabulary_size", "share_vocabulary", "share_embeddings"),
    *("maximum_length", "maximum_frames", "target_activation"),
)


def tune(
    corpus,
    space,
    config=None,
    *,
    out,
    trials=StudyOptions.trials,
    timeout=None,
    seed=StudyOptions.seed,
    keep=StudyOptions.keep,
    prune=StudyOptions.prune,
    cache=None,
    verbose=True,
):
    """Trains with different settings, and finds those with the best validation figure.

    A *study* consists of trials. The first trial has the settings of `config` as far as the space
    contains them. The settings of the others are proposed by Optuna (tree-structured Parzen
    estimators); none are tried twice. Settings that contradict each other make an invalid trial,
    which counts; so does a trial that fails because its loss is not finite.

    If the study is stopped (even by SIGKILL), the same call goes on with it, and with the trial in
    which it was stopped: the same settings are proposed as if it had not been stopped.

    Args:
        corpus: As for `kseq.train`.
        space: The settings that vary, a dict or the name of a file with such a mapping. Each has a
            list of choices, such as `{"units": [128, 256]}`; or, if it is a number, bounds, such as
            `{"dropout": {"low": 0.0, "high": 0.5, "step": 0.1}}` with equal distances, or
            `{"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}` on a logarithmic scale.
        config: The settings that do not vary, as for `kseq.train`.
        out: Folder of the study: `trials.csv`, `tuning.png`, `best.yaml` (a config) and `trials/`
            (run directories).
        trials: Number of trials, those of earlier calls included.
        timeout: Seconds after which no further trial begins; None for no limit.
        seed: Seed of the settings that are proposed.
        keep: `"best"` to keep the run directory of the best trial, `"all"` to keep all of them.
        prune: Whether to stop a trial when its best figure so far is worse than the median of the
            finished trials after the same epoch (from the second epoch on, once five trials have
            finished).
        cache: As for `kseq.train`.
        verbose: Whether to show a line for each trial.

    Returns:
        A `Tuning`.

    Raises:
        ImportError: Optuna is not installed.
        FileExistsError: `out` is not a study, or a study with other settings or data, or another
            process works on it.
        ValueError: The space is wrong, or the corpus cannot be used.
        TypeError: An argument has the wrong type.
        OSError: A file cannot be read or written.
        TrainingFailed: No trial has finished.
    """
    require_optuna()
    fields = {"trials": trials, "timeout": timeout, "seed": seed, "keep": keep, "prune": prune}
    options = StudyOptions(**fields)
    space = _read_space(space)
    corpus = corpus if isinstance(corpus, Corpus) else load_corpus(corpus)
    config = complete_config(corpus, config)
    _require_comparable(space, config)
    folder = StudyFolder(out)
    with folder.opened(config, space, options.seed, digest_pairs(corpus)):
        tuner = _Tuner(corpus, space, config, folder, options, cache=cache, verbose=verbose)
        tuner.run()
    if tuner.results.best is None and len(tuner.results.trials) >= options.trials:
        reason = tuner.results.trials[0].reason or "see the table"
        raise TrainingFailed(f"none of the trials has finished; the first one: {reason}")
    return tuner.results


def require_optuna():
    """Raises an ImportError if Optuna is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise ImportError("tuning needs Optuna: pip install kseq[tune]")


def _read_space(space):
    if isinstance(space, Space):
        return space
    return Space.load(space) if isinstance(space, (str, os.PathLike)) else Space(space)


def _require_comparable(space, config):
    """Raises a SettingError if a setting of the space would make figures incomparable."""
    for name in space.settings:
        if name in _INCOMPARABLE:
            raise SettingError(
                "{field} cannot vary in a study: with other tokens or other pairs, {0} is another "
                "figure; train with each value, and compare the runs with kseq evaluate",
                _monitor(config),
                field=name,
            )


def _monitor(config):
    """Returns the name of the figure that trials are compared by."""
    width = config.model.target_features
    side = ValueSide(width, config.model.target_activation) if width else TextSide
    return f"val_{side.measure}"


class _Tuner:
    """Runs the trials of a study.

    Attributes:
        results: `Tuning`: the results so far.
    """

    def __init__(self, corpus, space, config, folder, options, *, cache, verbose):
        from kseq.tuning.study import Study

        self._corpus, self._config, self._cache = corpus, config, cache
        self._space, self._folder, self._options = space, folder, options
        self._report = show if verbose else lambda *_: None
        self._is_visible = verbose
        self._monitor = _monitor(config)
        self._maximizes = False
        sections = config.to_dict().values()
        start = {name: value for section in sections for name, value in section.items()}
        self._study = Study(
            folder.storage,
            *(space, start),
            maximizes=self._maximizes,
            prunes=options.prune,
            seed=options.seed,
        )
        self.results = self._collect()

    def _collect(self):
        return Tuning(
            name=self._corpus.name,
            monitor=self._monitor,
            maximizes=self._maximizes,
            folder=self._folder.place,
            config=self._config,
            space=self._space,
            trials=self._study.trials,
            importances=self._study.importances(),
        )

    def run(self):
        """Runs trials until there are enough of them, or the time is over."""
        end = time.monotonic() + (
            math.inf if self._options.timeout is None else self._options.timeout
        )
        if done := len(self.results.trials):
            self._report(f"{done} of {self._options.trials} trials have ended")
        while len(self.results.trials) < self._options.trials and time.monotonic() < end:
            trial = self._study.begin()
            if trial is None:
                self._report(f"all {self._space.size} combinations of the space have been tried")
                break
            self._run_trial(trial)
            self.results = self._collect()
            self._folder.write_results(self.results)
            if self._options.keep == "best":
                self._folder.remove_runs(self.results)
            self._report(self._describe(self.results.trials[-1]))
            gc.collect()  # Models of earlier trials refer to themselves.

    def _run_trial(self, trial):
        """Trains with the settings of an `OpenTrial`, and ends it."""
        if trial.attempts >= _MOST_ATTEMPTS:
            state, reason = "failed", f"killed {trial.attempts} times in the same epoch"
        else:
            state, reason = self._train(trial)
        seconds = self._folder.trial_seconds(trial.number)
        trial.end(state, self._maximizes, seconds, reason)

    def _train(self, trial):
        """Trains with the settings of a trial.

        Returns:
            The state of the trial, and the reason for it.
        """
        trial.count_attempts(trial.attempts + 1)
        with show_status() as show_line:
            begin = f"trial {trial.number} of {self._options.trials}"
            reporter = _Reporter(trial, self._monitor, lambda text: show_line(f"{begin}{text}"))
            try:
                train(
                    self._corpus,
                    apply_settings(self._config, trial.settings),
                    out=self._folder.trial(trial.number),
                    resume=True,
                    cache=self._cache,
                    callbacks=[reporter],
                    verbose=False,
                )
            except KeyboardInterrupt:
                trial.count_attempts(max(trial.attempts - 1, 0))
                raise
            except _Pruned:
                return "pruned", ""
            except (TrainingFailed, MemoryError) as error:
                return "failed", str(error)
            except tf.errors.ResourceExhaustedError:
                return "failed", "out of memory"
            except (ValueError, TypeError) as error:
                if reporter.has_begun:
                    raise
                return "invalid", str(error)
        return "finished", ""

    def _describe(self, trial):
        """Returns a line about a trial that has just ended."""
        parts = []
        if trial.state != "finished":
            after = f" after epoch {trial.epochs}" if trial.state == "pruned" else ""
            parts.append(trial.state + after + (f": {trial.reason}" if trial.reason else ""))
        if trial.figure is not None:
            best = ", the best so far" if trial == self.results.best else ""
            parts.append(f"{self._monitor} {trial.figure:.4g}{best}")
        details = spell_settings(trial.settings)
        if trial.epochs:
            details += f"; epoch {trial.epoch} of {trial.epochs}, {trial.seconds:,.0f} s"
        begin = f"trial {trial.number} of {self._options.trials}"
        return f"{begin}: {', '.join(parts)} ({details})"


class _Pruned(Exception):
    """A trial is worse than most others."""


class _Reporter(keras.callbacks.Callback):
    """Reports the figure of each epoch to the study, and stops a trial that is to be pruned.

    Args:
        trial: `OpenTrial`.
        monitor: Name of the figure.
        show_line: Function that shows the progress within the trial.

    Attributes:
        has_begun: Whether training has begun, so that the settings are valid.
    """

    def __init__(self, trial, monitor, show_line):
        super().__init__()
        self._trial = trial
        self._monitor = monitor
        self._show_line = show_line
        self.has_begun = False

    def on_train_begin(self, logs=None):
        """Notes that training has begun."""
        self.has_begun = True

    def on_epoch_begin(self, epoch, logs=None):
        """Shows the number of the epoch, which is given from 0."""
        settings = spell_settings(self._trial.settings)
        self._show_line(f", epoch {epoch + 1} of {self.params['epochs']} ({settings})")

    def on_epoch_end(self, epoch, logs=None):
        """Reports the figure of an epoch."""
        self._trial.count_attempts(0)
        if math.isfinite(logs[self._monitor]) and self._trial.report(
            epoch + 1, float(logs[self._monitor])
        ):
            raise _Pruned
