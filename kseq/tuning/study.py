"""The trials of a study, proposed and remembered by Optuna."""

import warnings

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import TrialState

from kseq.tuning.results import Trial
from kseq.tuning.space import Choices

_NAME = "kseq"
_OUTCOME, _ATTEMPTS = "outcome", "attempts"  # what kseq adds to a trial of Optuna
_FIRST_PRUNED_EPOCH = 2
_MOST_PROPOSALS = 20  # of a combination that has not been tried
_LEAST_FINISHED = 10  # trials, for importances
_TOP_SHARE = 0.25  # of the trials: those that importances compare with all of them


class Study:
    """The trials of a study, in a file of Optuna.

    The settings of a trial depend only on the seed, the number of the trial, and the results of the
    trials before it: a study that was stopped goes on with the trials that it would have had.

    Args:
        path: File of the storage; it need not exist. No other process may write to it.
        space: `Space`.
        start: Values of the settings, by name. The first trial has those that the space contains.
        maximizes: Whether larger figures are better.
        prunes: Whether trials are pruned.
        seed: Seed of the proposals.
    """

    def __init__(self, path, space, start, *, maximizes=False, prunes=True, seed=1):
        self._space = space
        start = {name: start[name] for name, each in space.settings.items() if start[name] in each}
        _remove_torn_line(path)
        self._storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_NoLock()))
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=_NAME,
                direction="maximize" if maximizes else "minimize",
                sampler=_Sampler(space, start, seed),
                pruner=_make_pruner() if prunes else optuna.pruners.NopPruner(),
                load_if_exists=True,
            )
        finally:
            optuna.logging.set_verbosity(level)

    @property
    def trials(self):
        """A `Trial` for each trial that has ended, in their order."""
        return tuple(self._describe(frozen) for frozen in self._frozen() if _has_ended(frozen))

    def _frozen(self):
        return self._study.get_trials(deepcopy=False)

    def _describe(self, frozen):
        settings = self._space.tidy(frozen.params)
        return Trial(frozen.number + 1, settings=settings, **frozen.user_attrs[_OUTCOME])

    def begin(self):
        """Begins a trial, or goes on with the one that a stopped process has left.

        Returns:
            An `OpenTrial`; None if all combinations of the space have been tried.
        """
        stopped = [frozen.number for frozen in self._frozen() if not _has_ended(frozen)]
        if not stopped and len(self._frozen()) >= self._space.size:
            return None
        if not stopped:
            return OpenTrial(self._study.ask(), self._space)
        study_id = self._storage.get_study_id_from_name(_NAME)
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, stopped[0])
        return OpenTrial(optuna.trial.Trial(self._study, trial_id), self._space)

    def importances(self):
        """Computes how much each setting matters for the best figures (PED-ANOVA).

        Source: S. Watanabe, A. Bansal, F. Hutter: PED-ANOVA: Efficiently Quantifying
        Hyperparameter Importance in Arbitrary Subspaces, IJCAI 2023.

        Returns:
            Shares of 1 by name, the most important setting first; an empty dict if fewer than ten
            trials have finished, or if no setting matters.
        """
        finished = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(finished) < _LEAST_FINISHED:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # An experimental class, and choices that are rare.
            evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=_TOP_SHARE)
            shares = optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {} if len({*shares.values()}) == 1 else shares


class OpenTrial:
    """A trial that has not ended.

    Args:
        trial: The trial of Optuna.
        space: `Space`.

    Attributes:
        number: Its number, from 1.
        settings: Values of the settings that vary, by name.
        attempts: Number of processes that have trained it without finishing an epoch.
    """

    def __init__(self, trial, space):
        self._trial = trial
        self.number = trial.number + 1
        self.settings = space.tidy(
            {name: _suggest(trial, name, setting) for name, setting in space.settings.items()}
        )
        attributes = trial.user_attrs
        self.attempts = attributes.get(_ATTEMPTS, 0)
        frozen = trial.study.get_trials(deepcopy=False)[trial.number]
        self._reported = set(frozen.intermediate_values)

    def count_attempts(self, attempts):
        """Remembers the number of attempts, even if the process is killed."""
        if attempts != self.attempts:
            self._trial.set_user_attr(_ATTEMPTS, attempts)
            self.attempts = attempts

    def report(self, epoch, figure):
        """Remembers the figure of an epoch; returns whether the trial is to be pruned.

        Args:
            epoch: Number of the epoch, from 1.
            figure: The figure, a finite number.
        """
        if epoch not in self._reported:  # by a process that was killed after the epoch
            self._trial.report(figure, epoch)
            self._reported.add(epoch)
        return self._trial.should_prune()

    def end(self, state, reason="", **figures):
        """Ends the trial.

        Args:
            state: One of `kseq.tuning.results.STATES`.
            reason: Why it is invalid or failed.
            **figures: The other fields of a `Trial`.
        """
        self._trial.set_user_attr(_OUTCOME, {"state": state, "reason": reason, **figures})
        if state == "finished":
            self._trial.study.tell(self._trial, figures["figure"])
        else:
            # Optuna learns from pruned trials, and ignores failed ones.
            self._trial.study.tell(self._trial, state=TrialState.PRUNED)


class _Sampler(optuna.samplers.BaseSampler):
    """Proposes a combination that has not been tried, with tree-structured Parzen estimators.

    Source: J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl: Algorithms for Hyper-Parameter
    Optimization, NIPS 2011. The first ten trials are random.
    """

    def __init__(self, space, start, seed):
        self._space = space
        self._start = start
        self._seed = seed

    def infer_relative_search_space(self, study, trial):
        return {name: _distribution(setting) for name, setting in self._space.settings.items()}

    def sample_relative(self, study, trial, search_space):
        seed, other_seed = np.random.SeedSequence([self._seed, trial.number]).generate_state(2)
        sampler = optuna.samplers.TPESampler(seed=int(seed))
        tried = [
            self._space.tidy(other.params)
            for other in study.get_trials(deepcopy=False)
            if other.number != trial.number
        ]
        for attempt in range(_MOST_PROPOSALS):
            values = self._propose(sampler, study, trial, search_space)
            if attempt == 0 and trial.number == 0:
                values |= self._start
            if self._space.tidy(values) not in tried:
                return values
        # The space has few combinations, and the sampler prefers those that it knows.
        sampler = optuna.samplers.RandomSampler(seed=int(other_seed))
        while self._space.tidy(values) in tried:
            values = self._propose(sampler, study, trial, search_space)
        return values

    def _propose(self, sampler, study, trial, search_space):
        return {
            name: sampler.sample_independent(study, trial, name, distribution)
            for name, distribution in search_space.items()
        }

    def sample_independent(self, study, trial, param_name, param_distribution):
        raise NotImplementedError  # All settings are sampled together.


def _make_pruner():
    """Prunes a trial whose best figure is worse than the median of finished ones at its epoch."""
    return optuna.pruners.MedianPruner(n_warmup_steps=_FIRST_PRUNED_EPOCH)


def _distribution(setting):
    """Returns the distribution of Optuna for `Choices` or a `Range`."""
    if isinstance(setting, Choices):
        return CategoricalDistribution(setting.values)
    kind = IntDistribution if setting.is_whole else FloatDistribution
    return kind(setting.low, setting.high, log=setting.log, step=setting.step)


def _suggest(trial, name, setting):
    if isinstance(setting, Choices):
        return trial.suggest_categorical(name, setting.values)
    suggest = trial.suggest_int if setting.is_whole else trial.suggest_float
    return suggest(name, setting.low, setting.high, log=setting.log, step=setting.step)


def _has_ended(frozen):
    return frozen.state.is_finished()


class _NoLock:
    """In place of Optuna's lock of the file, which a killed process would leave behind.

    The folder of a study is locked as a whole.
    """

    def acquire(self):
        return True

    def release(self):
        pass


def _remove_torn_line(path):
    """Removes the last line of a file if it was not written to its end."""
    if path.exists():
        data = path.read_bytes()
        complete = data.rfind(b"\n") + 1
        if complete < len(data):
            with open(path, "rb+") as file:
                file.truncate(complete)
