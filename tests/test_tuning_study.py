"""The trials of a study: proposed by Optuna, remembered in a file, whatever happens in between."""

import itertools
import json

import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install kseq[tune]")

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


def run_trial(study, epochs=3):
    """Runs a trial whose loss falls in every epoch; returns its settings."""
    trial = study.begin()
    for epoch in range(1, epochs + 1):
        if trial.report(epoch, loss_of(trial.settings) / epoch):
            trial.end("pruned", False, 1.0)
            break
    else:
        trial.end("finished", False, 1.0)
    return trial.settings


def test_all_combinations_are_tried_and_none_twice(path):
    study = Study(path, SMALL, START)
    tried = [run_trial(study) for _ in range(SMALL.size)]
    combinations = itertools.product((16, 32), ("gru", "lstm"), (0.0, 0.1, 0.2))
    assert sorted(tuple(settings.values()) for settings in tried) == sorted(combinations)
    assert study.begin() is None


def test_the_first_trial_has_the_values_of_the_config_that_the_space_contains(path):
    settings = run_trial(Study(path, SMALL, START))
    assert (settings["units"], settings["cell"]) == (32, "gru")
    assert settings["dropout"] in (0.0, 0.1, 0.2)  # not 0.3


@pytest.mark.parametrize("space", [SMALL, WIDE], ids=["small", "wide"])
def test_a_study_that_is_opened_for_each_trial_proposes_the_same(path, space):
    """More trials than the ten random ones, so that proposals depend on the results so far."""
    study = Study(path, space, START)
    at_once = [run_trial(study) for _ in range(12)]
    path.unlink()
    assert [run_trial(Study(path, space, START)) for _ in range(12)] == at_once
    path.unlink()
    study = Study(path, space, START, seed=2)
    assert [run_trial(study) for _ in range(5)] != at_once[:5]


def test_a_stopped_trial_goes_on_with_its_settings_and_figures(path):
    run_trial(Study(path, WIDE, START))
    stopped = Study(path, WIDE, START).begin()
    stopped.count_attempts(1)
    stopped.report(1, 0.5)
    study = Study(path, WIDE, START)
    assert [trial.number for trial in study.trials] == [1]
    trial = study.begin()
    assert (trial.number, trial.settings, trial.attempts) == (2, stopped.settings, 1)
    trial.report(1, 0.25)  # trained a second time: the first figure remains
    trial.report(2, 0.75)
    trial.end("finished", False, 9.0)
    (_, ended) = study.trials
    assert (ended.figure, ended.epoch, ended.epochs, ended.seconds) == (0.5, 1, 2, 9.0)
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
    for _ in range(5):
        trial = study.begin()
        assert not any(trial.report(epoch, 1 / epoch) for epoch in (1, 2, 3))
        trial.end("finished", False, 1.0)
    better, worse = study.begin(), None
    assert not any(better.report(epoch, 0.9 / epoch) for epoch in (1, 2, 3))
    better.end("finished", False, 1.0)
    worse = study.begin()
    assert [worse.report(epoch, 1.1 / epoch) for epoch in (1, 2)] == [False, True]
    worse.end("pruned", False, 1.0)
    assert study.trials[-1].state == "pruned" and study.trials[-1].figure == 1.1 / 2


def test_without_pruning_every_trial_goes_on(path):
    study = Study(path, WIDE, START, prunes=False)
    for loss in range(1, 9):
        trial = study.begin()
        assert not any(trial.report(epoch, loss / epoch) for epoch in (1, 2, 3))
        trial.end("finished", False, 1.0)


def test_larger_figures_may_be_better(path):
    study = Study(path, WIDE, START, maximizes=True)
    for figure in (*[0.5] * 5, 0.4):
        trial = study.begin()
        pruned = [trial.report(epoch, figure * epoch) for epoch in (1, 2)]
        trial.end("finished", True, 1.0)
    assert pruned == [False, True]
    assert study.trials[-1].epoch == 2


def test_an_invalid_trial_keeps_its_reason_and_proposals_avoid_it(path):
    """Half of the space is invalid; later proposals are mostly from the other half."""
    space = Space({"cell": ["gru", "lstm"], "dropout": {"low": 0.0, "high": 0.5}})
    study = Study(path, space, START)
    cells = []
    for _ in range(30):
        trial = study.begin()
        cells.append(trial.settings["cell"])
        if trial.settings["cell"] == "lstm":
            trial.end("invalid", False, 0.0, "no lstm here")
        else:
            trial.report(1, trial.settings["dropout"])
            trial.end("finished", False, 1.0)
    invalid = [trial for trial in study.trials if trial.state == "invalid"]
    assert invalid and {trial.reason for trial in invalid} == {"no lstm here"}
    assert {trial.figure for trial in invalid} == {None}
    assert cells[20:].count("lstm") <= 2


def test_the_setting_that_matters_is_the_most_important(path):
    space = Space({"units": [16, 32], "dropout": {"low": 0.0, "high": 0.5}})
    study = Study(path, space, START, prunes=False)
    for count in range(20):
        assert bool(study.importances()) == (count >= 10)
        trial = study.begin()
        trial.report(1, trial.settings["dropout"])
        trial.end("finished", False, 1.0)
    shares = study.importances()
    assert shares["dropout"] > 0.8 and sum(shares.values()) == pytest.approx(1)
