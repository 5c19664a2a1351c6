"""`kseq.tune` and `kseq tune`: whole studies on a tiny corpus, stopped in between or not."""

import csv
import os
import signal
import subprocess
import sys

import matplotlib.image
import pytest
from conftest import ROOT, write_tiny_pairs

pytest.importorskip("optuna", reason="needs Optuna: pip install kseq[tune]")

import kseq.kernels.cross_entropy
import kseq.training.teacher
import kseq.tuning.tune
from kseq import Config, Translator, TrainingFailed, load_corpus, locks, tune
from kseq.runs import directory
from kseq.training.state import StateKeeper
from kseq.tuning.options import StudyOptions
from kseq.tuning.plots import draw_tuning
from kseq.tuning.results import Trial, Tuning
from kseq.tuning.space import Space

SETTINGS = ["embedding_dim=8", "units=16", "epochs=2", "batch_size=64", "warmup_steps=0"]
SPACE = {"units": [8, 16], "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}}


@pytest.fixture
def corpus(tmp_path):
    return load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))


@pytest.fixture
def config():
    return Config().with_settings(SETTINGS)


def read_table(folder):
    with open(folder / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def without_seconds(folder):
    return [{**row, "seconds": ""} for row in read_table(folder)]


def lowest_loss(run):
    with open(run / "history.csv") as file:
        return min(float(row["val_cross_entropy"]) for row in csv.DictReader(file))


def test_a_study_finds_the_settings_with_the_lowest_loss(
    corpus, config, tmp_path, eager_mode, capsys
):
    out = tmp_path / "study"
    tuning = tune(corpus, SPACE, config, out=out, trials=2, keep="all")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["trial 1 of 2", "trial 2 of 2"]
    losses = [lowest_loss(out / "trials" / name) for name in ("0001", "0002")]
    rows = read_table(out)
    assert [float(row["val_cross_entropy"]) for row in rows] == pytest.approx(losses, rel=1e-5)
    assert tuning.best.number == 1 + losses.index(min(losses))
    # The first trial has the settings of the config.
    assert (rows[0]["units"], float(rows[0]["learning_rate"])) == ("16", 0.001)
    # best.yaml is the config of the best run.
    assert Config.load(out / "best.yaml") == tuning.best_config
    assert directory.load_config(tuning.best_run) == tuning.best_config
    best = tuning.best_config
    assert best.training.learning_rate == tuning.best.settings["learning_rate"]
    assert matplotlib.image.imread(out / "tuning.png").ndim == 3
    assert f"best: trial {tuning.best.number}, val_cross_entropy" in str(tuning)
    # The study has ended: the same call only reads it.
    again = tune(corpus, SPACE, config, out=out, trials=2, keep="all")
    assert again.trials == tuning.trials
    assert "2 of 2 trials have ended" in capsys.readouterr().out


def stop_in(monkeypatch, number):
    """Interrupts training after the batch with this number, from 1."""
    seen = []

    def count(self, batch, logs=None):
        seen.append(batch)
        if len(seen) == number:
            raise KeyboardInterrupt

    monkeypatch.setattr(StateKeeper, "on_train_batch_end", count)


def test_a_study_that_is_stopped_goes_on_with_the_same_trials(
    corpus, config, tmp_path, monkeypatch, eager_mode
):
    """Stopped in the first trial, between its epochs, and in the second."""
    config = config.with_settings(["units=8", "epochs=2"])
    options = {"trials": 2, "seed": 3, "verbose": False}
    tune(corpus, SPACE, config, out=tmp_path / "whole", **options)
    batches = 2  # of an epoch
    for number in (batches + 1, 2):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            stop_in(patch, number)
            tune(corpus, SPACE, config, out=tmp_path / "parts", **options)
    tuning = tune(corpus, SPACE, config, out=tmp_path / "parts", **options)
    assert without_seconds(tmp_path / "parts") == without_seconds(tmp_path / "whole")
    # Only the run of the best trial is kept.
    assert os.listdir(tmp_path / "parts" / "trials") == [tuning.best_run.name]
    Translator.load(tuning.best_run)
    assert sorted(os.listdir(tmp_path)) == ["pairs.tsv", "parts", "whole"]


KILLED = """
import sys
from kseq.cli.main import main
from kseq.training.state import StateKeeper
import os, signal
seen = []
def count(self, batch, logs=None):
    seen.append(batch)
    if len(seen) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
StateKeeper.on_train_batch_end = count
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow  # starts six processes
def test_a_study_that_is_killed_goes_on_with_the_same_trials(corpus, tmp_path):
    (tmp_path / "space.yaml").write_text(
        "units: [8, 16]\ndropout: {low: 0.0, high: 0.4, step: 0.1}\n"
    )
    words = ["tune", "--space", "space.yaml", "--train", "pairs.tsv", "--trials", "3"]
    words += ["--set", "embedding_dim=8", "epochs=2", "batch_size=64", "warmup_steps=0", "--out"]

    def run(folder, batch):
        command = [sys.executable, "-c", KILLED, str(batch), *words, folder]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    assert run("whole", -1).returncode == 0
    # In the first epoch of a trial, between epochs, in the second epoch, and in the last trial.
    for batch in (1, 3, 4, 7):
        assert run("parts", batch).returncode == -signal.SIGKILL
    ended = run("parts", -1)
    assert ended.returncode == 0, ended.stderr
    assert without_seconds(tmp_path / "parts") == without_seconds(tmp_path / "whole")
    assert (tmp_path / "parts/best.yaml").read_text() == (tmp_path / "whole/best.yaml").read_text()
    assert sorted(os.listdir(tmp_path)) == ["pairs.tsv", "parts", "space.yaml", "whole"]


def test_invalid_and_failed_trials_are_reported_and_the_study_goes_on(
    corpus, config, tmp_path, monkeypatch, eager_mode, capsys
):
    """Of three cells, one does not fit the other settings, and one has no finite loss."""
    losses = kseq.training.teacher.output_losses
    build = kseq.training.train.build_seq2seq
    scale = []

    def build_model(config, *sizes):
        scale[:] = [float("nan") if config.cell == "rnn" else 1.0]
        return build(config, *sizes)

    monkeypatch.setattr(kseq.training.train, "build_seq2seq", build_model)
    monkeypatch.setattr(
        kseq.training.teacher,
        "output_losses",
        lambda hidden, *rest, **options: losses(hidden * scale[0], *rest, **options),
    )
    config = config.with_settings(["epochs=1", "decoder_cell=gru"])
    space = {"cell": ["gru", "rnn"], "heads": [8, 4]}
    tuning = tune(corpus, space, config, out=tmp_path / "study", trials=9)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "all 4 combinations of the space have been tried"
    by_settings = {tuple(trial.settings.values()): trial for trial in tuning.trials}
    assert by_settings["gru", 8].state == "finished"
    assert by_settings["rnn", 8].state == "failed"
    assert "not a finite number" in by_settings["rnn", 8].reason
    for cell in ("gru", "rnn"):
        assert by_settings[cell, 4].state == "invalid"
        assert by_settings[cell, 4].reason == "heads=4 needs architecture=transformer"
    assert tuning.best == by_settings["gru", 8]
    assert "1 finished, 1 failed, 2 invalid" in str(tuning)
    assert any("invalid: heads=4 needs architecture=transformer (cell=" in line for line in lines)
    assert len(os.listdir(tmp_path / "study" / "trials")) == 1


def test_a_study_without_a_finished_trial_is_an_error(corpus, config, tmp_path):
    with pytest.raises(TrainingFailed, match="none of the trials has finished; .*heads=4 needs"):
        tune(corpus, {"heads": [4]}, config, out=tmp_path / "study", trials=1, verbose=False)
    assert not (tmp_path / "study" / "best.yaml").exists()


def test_a_trial_that_kills_the_process_three_times_is_given_up(
    corpus, config, tmp_path, eager_mode
):
    from kseq.tuning.folder import StudyFolder, digest_pairs
    from kseq.tuning.study import Study

    folder, space = StudyFolder(tmp_path / "study"), Space({"units": [8]})
    fields = {f"{name}_features": 0 for name in ("source", "target")}
    with folder.opened(config, space, 1, digest_pairs(corpus)):
        trial = Study(folder.storage, space, {"units": 8, **fields}).begin()
        trial.count_attempts(3)
    with pytest.raises(TrainingFailed, match="killed 3 times in the same epoch"):
        tune(corpus, space, config, out=tmp_path / "study", trials=1, verbose=False)


@pytest.fixture
def ended(corpus, config, tmp_path):
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
    other = config.with_settings(["epochs=3"])
    refused(corpus, space, other, match="epochs: 2 in the study, now 3")
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


@pytest.mark.parametrize("name", ["target_tokenizer", "share_embeddings", "maximum_length"])
def test_settings_that_change_the_meaning_of_the_figure_are_refused(corpus, config, tmp_path, name):
    values = {"target_tokenizer": ["word"], "share_embeddings": [True], "maximum_length": [5]}
    with pytest.raises(ValueError, match=f"{name} cannot vary in a study.*val_cross_entropy is"):
        tune(corpus, {name: values[name]}, config, out=tmp_path / "study", verbose=False)
    assert not (tmp_path / "study").exists()


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


def test_the_options_of_the_function_are_those_of_the_command():
    """Their defaults are the same, and so are their checks."""
    defaults = {name: getattr(StudyOptions, name) for name in StudyOptions.__annotations__}
    assert {name: tune.__kwdefaults__[name] for name in defaults} == defaults
