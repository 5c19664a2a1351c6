"""Ensembles: folders of runs that differ in their seeds, named wherever a run is named."""

import json

import keras
import numpy as np
import pytest
from conftest import write_tiny_pairs
from untrained import untrained_translator, write_run

from kseq import (
    Config,
    Translator,
    average_checkpoints,
    compare_runs,
    load_corpus,
    train,
    train_ensemble,
)
from kseq.cli.main import main
from kseq.runs.ensembles import member_folder, runs_of, write_ensemble

PAIRS = [("a b", "y z"), ("c", "x")]


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    """A folder with two models."""
    folder = tmp_path_factory.mktemp("ensembles") / "two"
    write_ensemble(folder, [1, 2])
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        model = untrained_translator([f"seed={seed}"], "abc", "xyz")
        write_run(model, member_folder(folder, seed))
    return folder


def log_probabilities(translator):
    return np.array([result.token_log_probabilities for result in translator.score(PAIRS[:1])])


def test_a_folder_stands_for_its_runs(ensemble):
    """The probability of each token is the mean over the models."""
    together = Translator.load(ensemble)
    assert len(together.members) == 2
    first, second = (
        log_probabilities(Translator.load(member_folder(ensemble, seed))) for seed in (1, 2)
    )
    expected = np.log((np.exp(first) + np.exp(second)) / 2)
    np.testing.assert_allclose(log_probabilities(together), expected, atol=1e-5)
    assert not np.allclose(first, second, atol=1e-3)
    assert len(Translator.load(member_folder(ensemble, 1), ensemble).members) == 3


def test_commands_take_a_folder(ensemble, tmp_path, capsys):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS))
    average = ["--ensemble-average", "log_probability"]
    assert main(["score", str(ensemble), "--test", str(pairs), *average]) == 0
    score = float(capsys.readouterr().out.split("\t")[0])
    members = runs_of(ensemble)
    loaded = Translator.load(*members, average="log_probability")
    assert score == pytest.approx(loaded.score(PAIRS)[0].log_probability, abs=1e-5)
    assert main(["score", str(members[0]), "--test", str(pairs), *average]) == 2
    assert "--ensemble-average is for an ensemble" in capsys.readouterr().err


def test_a_comparison_of_a_folder_compares_its_runs(ensemble):
    comparison = compare_runs([ensemble])
    assert comparison.names == ("seed-1", "seed-2") and comparison.settings == {"seed": (1, 2)}


def test_what_is_for_a_single_run_says_so(ensemble, tmp_path):
    with pytest.raises(ValueError, match="two is an ensemble; name one of the runs in it"):
        average_checkpoints(ensemble, tmp_path / "out")


def test_an_ensemble_that_is_not_complete_is_refused(tmp_path):
    write_ensemble(tmp_path / "new", [7])
    with pytest.raises(FileNotFoundError, match="seed-7: this model of the ensemble has not been"):
        Translator.load(tmp_path / "new")
    for damage in ("{", "[]", '{"seeds": []}', '{"seeds": ["../1"]}'):
        (tmp_path / "new" / "ensemble.json").write_text(damage)
        with pytest.raises(ValueError, match="ensemble.json: damaged"):
            runs_of(tmp_path / "new")


def runs_missing(folder):
    with pytest.raises(FileNotFoundError, match="has not been trained yet"):
        runs_of(folder)
    return True


def test_nothing_is_trained_for_a_folder_that_cannot_become_an_ensemble(tmp_path, monkeypatch):
    monkeypatch.setattr("kseq.training.ensemble.train", lambda *_, **__: pytest.fail("trained"))
    corpus = load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))
    for folder in (tmp_path, tmp_path / "pairs.tsv"):
        with pytest.raises(FileExistsError, match="exists and is not an ensemble"):
            train_ensemble(corpus, out=folder, seeds=2)


def test_only_a_new_folder_or_an_ensemble_becomes_one(ensemble, tmp_path):
    (tmp_path / "notes.txt").touch()
    for folder in (tmp_path, member_folder(ensemble, 1)):
        with pytest.raises(FileExistsError, match="exists and is not an ensemble"):
            write_ensemble(folder, [1])
    write_ensemble(tmp_path / "new" / "deep", [1])
    (tmp_path / "empty").mkdir()
    write_ensemble(tmp_path / "empty", [1])
    assert runs_missing(tmp_path / "new" / "deep") and runs_missing(tmp_path / "empty")
    write_ensemble(ensemble, [1, 2])
    assert json.loads((ensemble / "ensemble.json").read_text())["seeds"] == [1, 2]


@pytest.mark.slow  # trains two models
def test_finished_models_are_not_trained_again(tmp_path, eager_mode, capsys):
    """The same command goes on with an ensemble that was stopped after its first model."""
    pairs = str(write_tiny_pairs(tmp_path / "pairs.tsv"))
    settings = ["units=4", "embedding_dim=4", "epochs=1", "minimum_frequency=1", "seed=3"]
    config = Config().with_settings(settings)
    out = tmp_path / "ensemble"
    write_ensemble(out, [3])
    train(pairs, config, out=member_folder(out, 3), verbose=False)
    first = member_folder(out, 3) / "model.weights.h5"
    before = first.stat().st_mtime_ns
    command = ["ensemble", "--train", pairs, "--out", str(out), "--seeds", "2", "--set", *settings]
    assert main(command) == 0
    assert [path.name for path in runs_of(out)] == ["seed-3", "seed-4"]
    assert first.stat().st_mtime_ns == before
    assert "model 2 of 2" in capsys.readouterr().out
    with pytest.raises(FileExistsError, match="units: 4 in the run, now 6"):
        train_ensemble(pairs, config.with_settings(["units=6"]), out=out, seeds=2, verbose=False)


def test_arguments_of_an_ensemble_are_checked(tmp_path, capsys):
    with pytest.raises(ValueError, match="seeds must be a whole number of models, at least 2"):
        train_ensemble([("a", "b")], out=tmp_path / "out", seeds=1)
    assert (
        main(["ensemble", "--corpus", "dates", "--out", str(tmp_path / "a"), "--seeds", "0"]) == 2
    )
    assert "--seeds must be" in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and not (tmp_path / "a").exists()
