"""The trials of a study: proposed by Optuna, remembered in a file, whatever happens in between."""

import itertools
import json

import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install kseq[tune]")

from kseq.tuning.results import Trial
from kseq.tuning.space import Space
from kseq.tuning.study import Study

SMALL = Space(
    {"units": [16, 32], "cell": ["gru", "lstm"], "dropout": {"low": 0.0, "high": 0.2, "step": 0.1}}
)
WIDE = Space({"units": {"low": 8, "high": 512, "log": True}, "dropout": {"low": 0.0, "high": 0.5}})
START = {"units": 32, "cell": "gru", "dropout": 0.3}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trials.journal"


def loss_of(settings):
    return 1 + abs(settings["dropout"] - 0.1) + settings["units"] / 1000


def run_trial(study, losses):
    """Runs a trial with a loss for each epoch, unless it is pruned; returns whether it was."""
    trial = study.begin()
    if callable(losses):
        losses = losses(trial.settings)
    for epoch, loss in enumerate(losses, start=1):
        if trial.report(epoch, loss):
            trial.end("pruned", figure=loss, epochs=epoch)
            return True
    trial.end("finished", figure=losses[-1], epochs=len(losses))
    return False


def falling_losses(settings):
    loss = 1 + abs(settings["dropout"] - 0.1) + settings["units"] / 1000
    return [loss, loss / 2, loss / 3]


def settings_of(study):
    return [trial.settings for trial in study.trials]


def run_trials(path, space, count, seed=1, opens_each_time=False):
    """Returns the settings of some trials of a new study."""
    path.unlink(missing_ok=True)
    study = Study(path, space, START, seed=seed)
    for _ in range(count):
        if opens_each_time:
            study = Study(path, space, START, seed=seed)
        run_trial(study, falling_losses)
    return settings_of(study)


def test_all_combinations_are_tried_and_none_twice(path):
    tried = run_trials(path, SMALL, SMALL.size)
    combinations = itertools.product((16, 32), ("gru", "lstm"), (0.0, 0.1, 0.2))
    assert sorted(tuple(settings.values()) for settings in tried) == sorted(combinations)
    assert Study(path, SMALL, START).begin() is None


def test_the_first_trial_has_the_values_of_the_config_that_the_space_contains(path):
    (settings,) = run_trials(path, SMALL, 1)
    assert (settings["units"], settings["cell"]) == (32, "gru")
    assert settings["dropout"] in (0.0, 0.1, 0.2)  # not 0.3


@pytest.mark.parametrize("space", [SMALL, WIDE], ids=["small", "wide"])
def test_a_study_that_is_opened_for_each_trial_proposes_the_same(path, space):
    """More trials than the ten random ones, so that proposals depend on the results so far."""
    at_once = run_trials(path, space, 12)
    assert run_trials(path, space, 12, opens_each_time=True) == at_once
    assert run_trials(path, space, 5, seed=2) != at_once[:5]


def test_a_stopped_trial_goes_on_with_its_settings_and_figures(path):
    run_trials(path, WIDE, 1)
    stopped = Study(path, WIDE, START).begin()
    stopped.count_attempts(1)
    stopped.report(1, 0.5)
    study = Study(path, WIDE, START)
    assert len(study.trials) == 1
    trial = study.begin()
    assert (trial.number, trial.settings, trial.attempts) == (2, stopped.settings, 1)
    trial.report(1, 0.5)  # trained a second time
    trial.end("finished", figure=0.5, epoch=1, epochs=1, seconds=9.0)
    assert study.trials[1] == Trial(2, "finished", stopped.settings, 0.5, 1, 1, 9.0)
    assert study.begin().number == 3


@pytest.mark.parametrize("lines_left", [1, 2, 3, 4])
def test_a_trial_that_has_only_some_of_its_settings_gets_the_same(path, lines_left):
    """The process was killed between the lines of the file, or in the middle of the next one."""
    settings = Study(path, SMALL, START).begin().settings
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5  # the study, the trial, and three settings
    path.write_bytes(b"".join(lines[:lines_left]) + lines[lines_left][:9])
    trial = Study(path, SMALL, START).begin()
    assert (trial.number, trial.settings) == (1, settings)
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_trials_worse_than_the_median_are_pruned_from_the_second_epoch_on(path):
    study = Study(path, WIDE, START)
    assert not any(run_trial(study, [1, 0.5, 0.25]) for _ in range(5))
    assert not run_trial(study, [0.9, 0.4, 0.2])
    assert run_trial(study, [1.1, 0.6, 0.3])
    assert (study.trials[-1].state, study.trials[-1].epochs) == ("pruned", 2)


def test_without_pruning_every_trial_goes_on(path):
    study = Study(path, WIDE, START, prunes=False)
    assert not any(run_trial(study, [loss, loss]) for loss in range(1, 9))


def test_larger_figures_may_be_better(path):
    study = Study(path, WIDE, START, maximizes=True)
    assert not any(run_trial(study, [0.5, 0.6]) for _ in range(5))
    assert not run_trial(study, [0.6, 0.7])
    assert run_trial(study, [0.4, 0.5])


def test_an_invalid_trial_keeps_its_reason_and_proposals_avoid_it(path):
    """Half of the space is invalid; later proposals are mostly from the other half."""
    study = Study(path, Space({"cell": ["gru", "lstm"], "dropout": {"low": 0, "high": 0.5}}), START)
    for _ in range(30):
        trial = study.begin()
        if trial.settings["cell"] == "lstm":
            trial.end("invalid", "no lstm here")
        else:
            trial.end("finished", figure=trial.settings["dropout"])
    invalid = [trial for trial in study.trials if trial.state == "invalid"]
    assert invalid[0] == Trial(
        invalid[0].number, "invalid", invalid[0].settings, reason="no lstm here"
    )
    assert [settings["cell"] for settings in settings_of(study)[20:]].count("lstm") <= 2


def test_the_setting_that_matters_is_the_most_important(path):
    space = Space({"units": [16, 32], "dropout": {"low": 0.0, "high": 0.5}})
    study = Study(path, space, START)
    for count in range(20):
        assert bool(study.importances()) == (count >= 10)
        run_trial(study, lambda settings: [settings["dropout"]])
    shares = study.importances()
    assert shares["dropout"] > 0.8 and sum(shares.values()) == pytest.approx(1)
