"""`tune`: trains with different settings, and finds the best ones."""

import gc
import importlib.util
import math
import os
import time
from typing import Any

import keras

from kseq.config import Config, ModelConfig
from kseq.corpora.corpus import Corpus, load_corpus
from kseq.path_names import PathName
from kseq.runs.history import HIGHER_IS_BETTER
from kseq.sides.text_side import TextSide
from kseq.sides.value_side import ValueSide
from kseq.training.completion import complete_config
from kseq.training.failures import TrainingFailed
from kseq.training.monitor import choose_monitor
from kseq.training.progress import choose_display, format_seconds
from kseq.training.train import train
from kseq.tuning.comparability import require_comparable
from kseq.tuning.folder import StudyFolder, digest_pairs
from kseq.tuning.options import StudyOptions
from kseq.tuning.results import Tuning
from kseq.tuning.space import Space, apply_settings, spell_settings

_SECONDS_BETWEEN_PICTURES = 60
_MOST_ATTEMPTS = 3  # processes that may be killed in the same epoch of a trial


def tune(
    corpus: Any,
    space: Any,
    config: Config | ModelConfig | None = None,
    *,
    out: PathName,
    cache: PathName | None = None,
    verbose: bool = True,
    **options: Any,
) -> Tuning:
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
        cache: As for `kseq.train`.
        verbose: Whether to show a line for each trial.
        **options: Fields of `kseq.tuning.options.StudyOptions`: `trials=20`, `timeout=None`,
            `seed=1`, `keep="best"`, `prune=True`.

    Returns:
        A `Tuning`.

    Raises:
        ImportError: Optuna is not installed.
        FileExistsError: `out` is not a study, or a study with other settings or data, or another
            process works on it.
        ValueError: The space is wrong, or the corpus cannot be used.
        TypeError: An argument has the wrong type.
        OSError: A file cannot be read or written.
        TrainingFailed: None of the trials has finished.
    """
    require_optuna()
    options = StudyOptions(**options)
    space = _read_space(space)
    corpus = corpus if isinstance(corpus, Corpus) else load_corpus(corpus)
    config = complete_study_config(corpus, config)
    require_comparable(space, _choose_monitor(config))
    folder = StudyFolder(out)
    with folder.opened(config, space, options.seed, digest_pairs(corpus)):
        tuner = _Tuner(corpus, space, config, folder, options, cache=cache, verbose=verbose)
        tuner.run()
    if tuner.results.best is None and tuner.results.trials:
        reason = tuner.results.trials[0].reason
        raise TrainingFailed(f"none of the trials has finished; the first one: {reason}")
    return tuner.results


def complete_study_config(corpus, config):
    """Returns the settings that all trials begin with: see `complete_config`.

    Args:
        corpus: `Corpus`.
        config: `Config`, `ModelConfig` or None.
    """
    config = complete_config(corpus, config)
    if corpus.train.sample_rate is None:
        return config
    # The width of the frames of recordings follows from `mel_bands`, which may vary.
    return config.with_settings(["source_features=0"])


def require_optuna():
    """Raises an ImportError if Optuna is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise ImportError("tuning needs Optuna: pip install kseq[tune]")


def _read_space(space):
    if isinstance(space, Space):
        return space
    return Space.load(space) if isinstance(space, (str, os.PathLike)) else Space(space)


def _choose_monitor(config):
    """Returns the name of the validation figure that trials are compared by."""
    width = config.model.target_features
    side = ValueSide(width, config.model.target_activation) if width else TextSide
    return choose_monitor(config.training, side)


class _Tuner:
    """Runs the trials of a study.

    Attributes:
        results: `Tuning`: the results so far.
    """

    def __init__(self, corpus, space, config, folder, options, *, cache, verbose):
        from kseq.tuning.study import Study

        self._corpus, self._config, self._cache = corpus, config, cache
        self._space, self._folder, self._options = space, folder, options
        self._display = choose_display() if verbose else _Nothing()
        self._monitor = _choose_monitor(config)
        self._maximizes = self._monitor in HIGHER_IS_BETTER
        sections = config.to_dict().values()
        start = {name: value for section in sections for name, value in section.items()}
        self._study = Study(
            folder.storage,
            *(space, start),
            maximizes=self._maximizes,
            prunes=options.prune,
            seed=options.seed,
        )
        self._next_drawing = time.monotonic() + _SECONDS_BETWEEN_PICTURES
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
        timeout = self._options.timeout
        end = time.monotonic() + (math.inf if timeout is None else timeout)
        if done := len(self.results.trials):
            self._display.finish(f"{done} of {self._options.trials} trials have ended")
            self._write()  # A killed process may not have done so.
        try:
            while len(self.results.trials) < self._options.trials and time.monotonic() < end:
                trial = self._study.begin()
                if trial is None:
                    size = f"all {self._space.size} combinations of the space"
                    self._display.finish(f"{size} have been tried")
                    break
                self._run_trial(trial)
                self.results = self._collect()
                self._write()
                self._display.finish(self._describe(self.results.trials[-1]))
                gc.collect()  # Models of earlier trials refer to themselves.
        finally:
            if self.results.trials:
                self._folder.draw(self.results)

    def _write(self):
        """Writes the results, and removes the runs that are not kept."""
        self._folder.write_results(self.results)
        if self._options.keep == "best":
            self._folder.remove_runs(self.results)
        if time.monotonic() >= self._next_drawing:
            self._folder.draw(self.results)
            self._next_drawing = time.monotonic() + _SECONDS_BETWEEN_PICTURES

    def _run_trial(self, trial):
        """Trains with the settings of an `OpenTrial`, and ends it."""
        if trial.attempts >= _MOST_ATTEMPTS:
            state, reason = "failed", f"killed {trial.attempts} times in the same epoch"
        else:
            state, reason = self._train(trial)
        figures = self._folder.read_trial(trial.number, self._monitor, self._maximizes)
        trial.end(state, reason, **figures)

    def _train(self, trial):
        """Trains with the settings of a trial.

        Returns:
            The state of the trial, and the reason for it.
        """
        trial.count_attempts(trial.attempts + 1)
        reporter = _Reporter(trial, self._monitor, self._show_progress)
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
            reason, _, _ = str(error).partition(";")  # advice for a single training
            return "failed", reason
        except (ValueError, TypeError) as error:
            if reporter.has_begun:
                raise
            return "invalid", str(error)
        return "finished", ""

    def _show_progress(self, trial, place):
        begin = f"trial {trial.number} of {self._options.trials}"
        self._display.update(f"{begin}, {place} ({spell_settings(trial.settings)})")

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
            details += f"; epoch {trial.epoch:g} of {trial.epochs}, {format_seconds(trial.seconds)}"
        begin = f"trial {trial.number} of {self._options.trials}"
        return f"{begin}: {', '.join(parts)} ({details})"


class _Pruned(Exception):
    """A trial is worse than most others."""


class _Nothing:
    """In place of a display: nothing is shown."""

    def update(self, line):
        pass

    finish = update


class _Reporter(keras.callbacks.Callback):
    """Reports the figure of each epoch to the study, and stops a trial that is to be pruned.

    Args:
        trial: `OpenTrial`.
        monitor: Name of the figure.
        show_progress: Function that shows how far the trial is.

    Attributes:
        has_begun: Whether training has begun, so that the settings are valid.
    """

    def __init__(self, trial, monitor, show_progress):
        super().__init__()
        self._trial = trial
        self._monitor = monitor
        self._show_progress = show_progress
        self.has_begun = False

    def on_train_begin(self, logs=None):
        """Notes that training has begun."""
        self.has_begun = True

    def on_epoch_begin(self, epoch, logs=None):
        """Shows the number of the epoch; `epoch` counts from 0."""
        self._show_progress(self._trial, f"epoch {epoch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        """Reports the figure of an epoch, unless training stopped within it."""
        self._trial.count_attempts(0)
        figure = float(logs.get(self._monitor, math.nan))
        if math.isfinite(figure) and self._trial.report(epoch + 1, figure):
            raise _Pruned
