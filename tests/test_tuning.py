"""`kseq.tune` and `kseq tune`: whole studies on a tiny corpus, stopped in between or not."""

import contextlib
import csv
import os
import signal
import subprocess
import sys

import matplotlib.image
import pytest
from conftest import ROOT, write_tiny_pairs

pytest.importorskip("optuna", reason="needs Optuna: pip install kseq[tune]")

import kseq.tuning.tune
from kseq import Config, TrainingFailed, Translator, load_corpus, locks, tune
from kseq.runs import directory
from kseq.tuning.comparability import require_comparable
from kseq.tuning.folder import StudyFolder, digest_pairs
from kseq.tuning.plots import draw_tuning
from kseq.tuning.results import Trial, Tuning
from kseq.tuning.space import Space

SETTINGS = ["embedding_dim=8", "units=16", "epochs=3", "batch_size=64", "warmup_steps=0"]
SPACE = {"units": [8, 16], "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}}


@pytest.fixture
def corpus(tmp_path):
    return load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))


@pytest.fixture
def config():
    return Config().with_settings(SETTINGS)


def loss_of(config):
    """The loss that stands in for that of a training."""
    return 1 + 10 * abs(config.training.learning_rate - 0.01) + config.model.units / 1000


class StandIn:
    """Stands in for `train`, which takes seconds: losses that depend on the settings.

    Attributes:
        stop_after: Number of epochs after which Ctrl-C is pressed, once; None for never.
    """

    def __init__(self):
        self.stop_after = None

    def __call__(self, corpus, config, *, out, callbacks, **options):
        if config.model.cell == "rnn":
            raise TrainingFailed("the loss is not a finite number; lower learning_rate")
        (reporter,) = callbacks
        reporter.on_train_begin()
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.json").write_text(config.dumps())
        history = out / "history.csv"
        rows = history.read_text() if history.exists() else "epoch,seconds,val_cross_entropy\n"
        for epoch in range(rows.count("\n") - 1, config.training.epochs):
            if self.stop_after == 0:
                self.stop_after = None
                raise KeyboardInterrupt
            reporter.on_epoch_begin(epoch)
            loss = loss_of(config) / (epoch + 1)
            rows += f"{epoch + 1},1.5,{loss:.6g}\n"
            history.write_text(rows)
            self.stop_after = self.stop_after and self.stop_after - 1
            reporter.on_epoch_end(epoch, {"val_cross_entropy": loss})


@pytest.fixture
def training(monkeypatch):
    stand_in = StandIn()
    monkeypatch.setattr(kseq.tuning.tune, "train", stand_in)
    return stand_in


@pytest.fixture
def undrawn(monkeypatch):
    """Leaves out the picture, which takes longer than everything else."""
    monkeypatch.setattr(StudyFolder, "draw", lambda self, tuning: None)


def read_table(folder):
    with open(folder / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow  # trains several times
def test_a_study_finds_the_settings_with_the_lowest_loss(
    training, corpus, config, tmp_path, capsys
):
    out = tmp_path / "study"
    tuning = tune(corpus, SPACE, config, out=out, trials=6)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"trial {n} of 6" for n in range(1, 7)]
    rows = read_table(out)
    # The first trial has the settings of the config.
    assert (rows[0]["units"], float(rows[0]["learning_rate"])) == ("16", 0.001)
    assert {row["state"] for row in rows} <= {"finished", "pruned"}
    settings = [[f"{name}={row[name]}" for name in SPACE] for row in rows]
    losses = [loss_of(config.with_settings(each)) / 3 for each in settings]
    for row, loss in zip(rows, losses):
        if row["state"] == "finished":
            assert float(row["val_cross_entropy"]) == pytest.approx(loss, rel=1e-5)
            assert (row["epoch"], row["epochs"], row["seconds"]) == ("3", "3", "4.5")
    best = losses.index(min(losses))
    assert tuning.best.number == best + 1
    assert tuning.best_config == config.with_settings(settings[best])
    assert Config.load(out / "best.yaml") == tuning.best_config
    # Only the run of the best trial is kept.
    assert os.listdir(out / "trials") == [tuning.best_run.name] == [f"{best + 1:04d}"]
    assert directory.load_config(tuning.best_run) == tuning.best_config
    assert f"best: trial {best + 1}, val_cross_entropy" in str(tuning)
    assert matplotlib.image.imread(out / "tuning.png").ndim == 3


def test_a_study_that_has_ended_is_read_and_can_be_extended(
    training, undrawn, corpus, config, tmp_path, capsys
):
    options = {"out": tmp_path / "study", "keep": "all"}
    tuning = tune(corpus, SPACE, config, trials=2, **options)
    capsys.readouterr()
    assert tune(corpus, SPACE, config, trials=2, **options).trials == tuning.trials
    assert capsys.readouterr().out == "2 of 2 trials have ended\n"
    more = tune(corpus, SPACE, config, trials=3, **options)
    assert more.trials[:2] == tuning.trials
    assert len(more.trials) == 3
    assert sorted(os.listdir(tmp_path / "study" / "trials")) == ["0001", "0002", "0003"]


def test_no_trial_begins_when_the_time_is_over(training, corpus, config, tmp_path):
    assert tune(corpus, SPACE, config, out=tmp_path / "study", timeout=0.0).trials == ()


@pytest.mark.slow  # trains several times
def test_a_study_that_is_stopped_goes_on_with_the_same_trials(
    training, undrawn, corpus, config, tmp_path
):
    options = {"trials": 4, "seed": 3, "verbose": False}
    whole = tune(corpus, SPACE, config, out=tmp_path / "whole", **options)
    stops = 0
    for epochs in (0, 1, 2, 3, 2):
        training.stop_after = epochs
        with contextlib.suppress(KeyboardInterrupt):
            parts = tune(corpus, SPACE, config, out=tmp_path / "parts", **options)
        stops += training.stop_after is None
    assert stops == 5
    parts = tune(corpus, SPACE, config, out=tmp_path / "parts", **options)
    assert parts.trials == whole.trials
    for name in ("trials.csv", "best.yaml"):
        assert (tmp_path / "parts" / name).read_text() == (tmp_path / "whole" / name).read_text()
    # Ctrl-C is no attempt that failed.
    assert parts.best.state == "finished"
    assert sorted(os.listdir(tmp_path)) == ["pairs.tsv", "parts", "whole"]


def test_files_of_the_user_in_a_run_are_kept(training, undrawn, corpus, config, tmp_path):
    out = tmp_path / "study"
    first = tune(corpus, SPACE, config, out=out, trials=1, verbose=False)
    (first.best_run / "notes.txt").write_text("mine")
    tuning = tune(corpus, SPACE, config, out=out, trials=4, verbose=False)
    assert tuning.best.number != 1
    assert os.listdir(first.best_run) == ["notes.txt"]


KILLED = """
import os, signal, sys
from kseq.cli.main import main
from kseq.training.state import StateKeeper

seen = []

def count(self, batch, logs=None):
    seen.append(batch)
    if len(seen) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

StateKeeper.on_train_batch_end = count
sys.exit(main(sys.argv[2:]))
"""


def check_real_study(folder):
    """Compares the results of a study with the runs of its trials, which are kept."""
    rows = read_table(folder)
    for number, row in enumerate(rows, start=1):
        run = folder / "trials" / f"{number:04d}"
        with open(run / "history.csv", newline="") as file:
            losses = [float(row["val_cross_entropy"]) for row in csv.DictReader(file)]
        assert float(row["val_cross_entropy"]) == min(losses)
        assert row["epoch"] == str(1 + losses.index(min(losses)))
        assert row["state"] != "finished" or row["epochs"] == str(len(losses)) == "2"
    finished = [row for row in rows if row["state"] == "finished"]
    best = min(finished, key=lambda row: float(row["val_cross_entropy"]))
    run = Translator.load(folder / "trials" / f"{int(best['trial']):04d}")
    assert run.config == Config.load(folder / "best.yaml")
    assert str(run.config.model.units) == best["units"]


@pytest.mark.slow  # trains four models
def test_a_real_study_that_is_killed_goes_on_with_the_same_trials(corpus, tmp_path):
    (tmp_path / "space.yaml").write_text("units: [8, 16]\ndropout: {low: 0.0, high: 0.4}\n")
    words = ["tune", "--space", "space.yaml", "--train", "pairs.tsv", "--trials", "2"]
    words += ["--keep", "all", "--set", "embedding_dim=8", "epochs=2", "batch_size=64"]

    def run(folder, batch):
        command = [sys.executable, "-c", KILLED, str(batch), *words, "--out", folder]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    def rows(folder):
        return [{**row, "seconds": ""} for row in read_table(tmp_path / folder)]

    assert run("whole", -1).returncode == 0
    # In the second epoch of the first trial, and in the first epoch of the second one.
    for batch in (3, 3):
        assert run("parts", batch).returncode == -signal.SIGKILL
    ended = run("parts", -1)
    assert ended.returncode == 0, ended.stderr
    assert rows("parts") == rows("whole")
    assert (tmp_path / "parts/best.yaml").read_text() == (tmp_path / "whole/best.yaml").read_text()
    check_real_study(tmp_path / "parts")
    assert sorted(os.listdir(tmp_path)) == ["pairs.tsv", "parts", "space.yaml", "whole"]


@pytest.mark.slow  # trains two models
def test_a_real_study_may_monitor_decoded_outputs(corpus, config, tmp_path, eager_mode):
    settings = ["epochs=1", "decoded_pairs=5", "monitor=val_chrf", "validate_every=1"]
    space = {"target_tokenizer": ["word", "character"]}
    out = tmp_path / "study"
    tuning = tune(corpus, space, config.with_settings(settings), out=out, trials=2, verbose=False)
    assert tuning.maximizes and tuning.monitor == "val_chrf"
    figures = [trial.figure for trial in tuning.trials]
    assert tuning.best.figure == max(figures)


def test_invalid_and_failed_trials_are_reported_and_the_study_goes_on(
    training, undrawn, corpus, config, tmp_path, capsys
):
    """Of four combinations, two contradict the other settings, and one has no finite loss."""
    space = {"cell": ["gru", "rnn"], "heads": [8, 4]}
    tuning = tune(corpus, space, config, out=tmp_path / "study", trials=9)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "all 4 combinations of the space have been tried"
    by_settings = {tuple(trial.settings.values()): trial for trial in tuning.trials}
    assert by_settings["gru", 8].state == "finished"
    assert by_settings["rnn", 8].state == "failed"
    assert by_settings["rnn", 8].reason == "the loss is not a finite number"
    for cell in ("gru", "rnn"):
        assert by_settings[cell, 4].state == "invalid"
        assert by_settings[cell, 4].reason == "heads=4 needs architecture=transformer"
    assert tuning.best == by_settings["gru", 8]
    assert "1 finished, 1 failed, 2 invalid" in str(tuning)
    assert any("invalid: heads=4 needs architecture=transformer (cell=" in line for line in lines)
    assert len(os.listdir(tmp_path / "study" / "trials")) == 1


def test_an_error_that_is_not_about_the_settings_ends_the_study(
    training, undrawn, corpus, config, tmp_path, monkeypatch
):
    """The trial is trained again when the study goes on."""

    def fail(self, epoch, logs):
        raise ValueError("pairs.tsv can no longer be read")

    with monkeypatch.context() as patch, pytest.raises(ValueError, match="can no longer be read"):
        patch.setattr(kseq.tuning.tune._Reporter, "on_epoch_end", fail)
        tune(corpus, SPACE, config, out=tmp_path / "study", trials=1, verbose=False)
    tuning = tune(corpus, SPACE, config, out=tmp_path / "study", trials=1, verbose=False)
    assert [trial.state for trial in tuning.trials] == ["finished"]


def test_a_study_without_a_finished_trial_is_an_error(undrawn, corpus, config, tmp_path):
    with pytest.raises(TrainingFailed, match="none of the trials has finished; .*heads=4 needs"):
        tune(corpus, {"heads": [4]}, config, out=tmp_path / "study", verbose=False)
    assert not (tmp_path / "study" / "best.yaml").exists()


def test_a_trial_that_kills_the_process_three_times_is_given_up(undrawn, corpus, config, tmp_path):
    from kseq.tuning.study import Study

    folder, space = StudyFolder(tmp_path / "study"), Space({"units": [8]})
    fields = {f"{name}_features": 0 for name in ("source", "target")}
    with folder.opened(config, space, 1, digest_pairs(corpus)):
        trial = Study(folder.storage, space, {"units": 8, **fields}).begin()
        trial.count_attempts(3)
    with pytest.raises(TrainingFailed, match="killed 3 times in the same epoch"):
        tune(corpus, space, config, out=tmp_path / "study", trials=1, verbose=False)


@pytest.fixture
def ended(undrawn, corpus, config, tmp_path):
    """A study that has ended without training, because its only settings are invalid."""
    out = tmp_path / "study"
    with pytest.raises(TrainingFailed):
        tune(corpus, {"heads": [4]}, config, out=out, trials=1, verbose=False)
    return out


def test_a_study_with_other_settings_or_data_is_refused(ended, corpus, config, tmp_path):
    def refused(*arguments, match, **options):
        with pytest.raises(FileExistsError, match=match):
            tune(*arguments, out=ended, verbose=False, **options)

    space = {"heads": [4]}
    refused(corpus, {"heads": [2]}, config, match=r"space of heads: \[4\] in the study, now \[2\]")
    other = config.with_settings(["epochs=2"])
    refused(corpus, space, other, match="epochs: 3 in the study, now 2")
    refused(corpus, space, config, seed=2, match="seed of the study: 1, now 2")
    (tmp_path / "more.tsv").write_text((tmp_path / "pairs.tsv").read_text() * 2)
    more = load_corpus(tmp_path / "more.tsv")
    refused(more, space, config, match="the pairs are not the same")
    with locks.lock(ended):
        refused(corpus, space, config, match="another process is writing to")
    (ended / "study.json").write_text("{")
    with pytest.raises(ValueError, match=r"study\.json: damaged.*remove the folder"):
        tune(corpus, space, config, out=ended, verbose=False)


def test_a_folder_that_is_not_a_study_is_refused(corpus, config, tmp_path):
    for place in (tmp_path, tmp_path / "pairs.tsv"):
        with pytest.raises(FileExistsError, match="exists and is not a study; choose another"):
            tune(corpus, SPACE, config, out=place, verbose=False)


@pytest.mark.parametrize(
    "values, monitor, remedy",
    [
        ({"target_tokenizer": ["word"]}, "auto", "monitor=val_exact_match or val_chrf"),
        ({"share_embeddings": [True]}, "val_token_error_rate", "monitor=val_exact_match or"),
        ({"maximum_length": [5]}, "val_bleu", "compare the runs with kseq evaluate"),
        ({"monitor": ["val_loss"]}, "auto", "compare the runs with kseq evaluate"),
        ({"label_smoothing": [0.1]}, "val_loss", "monitor=val_cross_entropy"),
    ],
    ids=str,
)
def test_settings_that_change_the_meaning_of_the_figure_are_refused(
    corpus, config, tmp_path, values, monitor, remedy
):
    (name,) = values
    config = config.with_settings(["decoded_pairs=2", f"monitor={monitor}"])
    with pytest.raises(ValueError, match=f"{name} cannot vary in a study, because it.*{remedy}"):
        tune(corpus, values, config, out=tmp_path / "study", verbose=False)
    assert not (tmp_path / "study").exists()


def test_settings_that_leave_the_meaning_of_the_figure_are_accepted():
    require_comparable(Space({"target_tokenizer": ["word"]}), "val_exact_match")
    require_comparable(Space({"label_smoothing": [0.1], "units": [8]}), "val_cross_entropy")


def test_without_optuna_the_message_says_what_to_install(corpus, monkeypatch, tmp_path, command):
    find = kseq.tuning.tune.importlib.util.find_spec
    monkeypatch.setattr(
        kseq.tuning.tune.importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "optuna" else find(name, *rest),
    )
    with pytest.raises(ImportError, match=r"tuning needs Optuna: pip install kseq\[tune\]"):
        tune(corpus, SPACE, out=tmp_path / "study")
    (tmp_path / "space.yaml").write_text("units: [8]")
    words = ["tune", "--space", tmp_path / "space.yaml", "--corpus", "dates"]
    code, _, errors = command(*words, "--out", tmp_path / "study")
    assert (code, errors) == (1, "kseq: tuning needs Optuna: pip install kseq[tune]\n")


@pytest.mark.parametrize(
    "words, message",
    [
        (["--set", "units=8"], "units varies in the space, and --set fixes it; remove one of the"),
        (["--set", "model.units=8"], "model.units varies in the space"),
        (["--trials", "0"], "--trials must be at least 1"),
        (["--keep", "none"], "--keep must be 'best' or 'all'; received 'none'"),
        (["--space", "none.yaml"], "file of a space not found: none.yaml"),
        (["--swap"], "--swap requires --train"),
    ],
    ids=str,
)
def test_a_mistake_is_reported_before_the_first_trial(command, tmp_path, words, message):
    (tmp_path / "space.yaml").write_text("units: [8]")
    out = tmp_path / "study"
    begin = ["tune", "--space", tmp_path / "space.yaml", "--corpus", "dates", "--out", out]
    code, _, errors = command(*begin, *words)
    assert code == 2
    assert message in errors and errors.count("\n") == 1
    assert not out.exists()


def make_tuning(*trials, importances=()):
    space = Space(
        {
            "units": [8, 16],
            "dropout": {"low": 0.0, "high": 0.5},
            "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        }
    )
    importances = dict(importances)
    return Tuning("tiny", "val_loss", False, ROOT, Config(), space, trials, importances)


def make_trial(number, state, figure=None, **settings):
    settings = {"units": 8, "dropout": 0.25, "learning_rate": 0.01, **settings}
    return Trial(number, state, settings, figure, figure and 2, 3, 4.5)


TUNING = make_tuning(
    make_trial(1, "finished", 0.5),
    make_trial(2, "invalid"),
    make_trial(3, "pruned", 0.7, units=16),
    make_trial(4, "finished", 0.25, dropout=0.0),
    importances={"dropout": 0.75, "units": 0.25},
)


def test_the_table_begins_with_the_best_trial():
    lines = str(TUNING).splitlines()
    assert lines[0] == "4 trials on tiny: 2 finished, 1 pruned, 1 invalid"
    assert [line.split()[0] for line in lines[4:8]] == ["4", "1", "3", "2"]
    assert lines[-1] == "--set units=8 dropout=0.0 learning_rate=0.01"
    assert TUNING.best_config == Config().with_settings(lines[-1].split()[1:])


def test_larger_figures_are_better_if_they_are_maximized():
    tuning = Tuning(*[*vars(TUNING).values()][:2], True, *[*vars(TUNING).values()][3:8])
    assert tuning.best.number == 1


def test_the_picture_shows_every_trial_with_a_figure():
    progress, *settings = draw_tuning(TUNING).axes
    titles = [axes.get_title() for axes in settings]
    assert titles == ["dropout (importance 75%)", "units (importance 25%)", "learning_rate"]

    def points(axes, label):
        (dots,) = [each for each in axes.collections if each.get_label() == label]
        return dots.get_offsets().tolist()

    assert points(progress, "finished") == [[1, 0.5], [4, 0.25]]
    assert points(progress, "pruned") == [[3, 0.7]]
    assert points(settings[0], "finished") == [[0.25, 0.5], [0.0, 0.25]]
    assert [round(place) for place, _ in points(settings[1], "pruned")] == [1]
    (line,) = progress.lines
    assert line.get_xydata().tolist() == [[1, 0.5], [4, 0.25], [4, 0.25]]
    assert settings[2].get_xscale() == "log"


def test_a_study_without_trials_can_be_shown():
    empty = make_tuning()
    assert empty.best is empty.best_config is empty.best_run is None
    assert str(empty).startswith("0 trials on tiny: none yet")
    assert empty._repr_png_()[:4] == b"\x89PNG"


def test_an_unknown_option_is_answered_with_the_nearest_one(corpus, tmp_path):
    with pytest.raises(TypeError, match="unknown field of StudyOptions: 'trial'; did you mean 'tr"):
        tune(corpus, SPACE, out=tmp_path / "study", trial=3)
