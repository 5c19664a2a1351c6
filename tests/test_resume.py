"""Training that was stopped goes on, and ends with the same weights to the last bit."""

import json
import os
import shutil

import pytest
from conftest import run_eagerly, write_tiny_pairs

from kseq import Config, Translator, load_corpus, train
from kseq.cli.main import main
from kseq.runs import directory
from kseq.runs.differences import find_differences
from kseq.runs.provenance import Stopwatch
from kseq.runs.record import RunRecord, UnfinishedRunWarning
from kseq.training.state import StateKeeper

ANY_BATCHES = ["units=32", "embedding_dim=16", "epochs=3", "warmup_steps=0", "dropout=0.3"]
SETTINGS = [*ANY_BATCHES, "batch_size=32"]


@pytest.fixture
def corpus(tmp_path):
    return load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"))


def stop_after(monkeypatch, batches, error=KeyboardInterrupt):
    """Makes training end with an error after a number of batches."""
    seen = []

    def count(self, batch, logs=None):
        seen.append(batch)
        on_train_batch_end(self, batch, logs)
        if len(seen) == batches:
            raise error

    on_train_batch_end = StateKeeper.on_train_batch_end
    monkeypatch.setattr(StateKeeper, "on_train_batch_end", count)


def train_in_pieces(corpus, config, out, pieces, monkeypatch, **options):
    """Trains, stopping after some batches of each piece; returns the translator at the end."""
    options |= {"out": out, "resume": True, "verbose": False}
    for batches in pieces:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            stop_after(patch, batches)
            train(corpus, config, **options)
    return train(corpus, config, **options)


def weights_of(translator):
    return [weight.tobytes() for weight in translator.model.get_weights()]


def rows_of(run):
    """The history without the seconds."""
    lines = (run / directory.HISTORY).read_text().splitlines()
    return [line.split(",")[:2] + line.split(",")[3:] for line in lines]


def check_stopped(corpus, settings, pieces, folder, monkeypatch):
    """Trains at once and in pieces; compares everything but the time."""
    config = Config().with_settings([*ANY_BATCHES, *settings])
    whole = train(corpus, config, out=folder / "whole", verbose=False)
    parts = train_in_pieces(corpus, config, folder / "parts", pieces, monkeypatch)
    assert weights_of(parts) == weights_of(whole)
    assert rows_of(folder / "parts") == rows_of(folder / "whole")
    for name in ("whole", "parts"):
        assert not directory.has_state(folder / name)
        assert json.loads((folder / name / "run.json").read_text())["is_finished"]
        assert weights_of(Translator.load(folder / name)) == weights_of(whole)
    assert sorted(os.listdir(folder)) == ["pairs.tsv", "parts", "whole"]


def test_a_stopped_training_ends_with_the_same_weights(corpus, tmp_path, monkeypatch, mode):
    """Stopped in the second epoch; test_every_kind_of_training_can_be_stopped has other places."""
    monkeypatch.setattr(Stopwatch, "get_state", lambda _: {"seconds": 1000.0})
    settings = ["epochs=2", "batch_size=64", "units=8", "embedding_dim=8", "bidirectional=false"]
    settings += ["attention=luong_dot", "input_feeding=false"]
    check_stopped(corpus, settings, [3], tmp_path, monkeypatch)
    durations = [
        RunRecord.load(tmp_path / name / "run.json").duration for name in ("whole", "parts")
    ]
    assert durations[0] < 1000 < durations[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        ["batch_size=32", "cell=lstm", "precision=mixed_bfloat16"],
        ["batch_size=32", "precision=mixed_float16"],
        ["batch_size=32", "architecture=transformer", "heads=2"],
        ["batch_tokens=100"],
    ],
    ids=str,
)
def test_every_kind_of_training_can_be_stopped(corpus, tmp_path, monkeypatch, settings):
    """Stopped in the first epoch, twice in the second, and between epochs."""
    check_stopped(corpus, settings, [2, 3, 1, 2], tmp_path, monkeypatch)


@pytest.mark.slow
def test_a_training_with_additions_can_be_stopped(tmp_path, tmp_path_factory, monkeypatch):
    """Their random numbers, the schedule and the onset of the coverage loss follow the step."""
    links = tmp_path_factory.mktemp("links") / "links"
    links.write_text("0-0 1-1\n" * 120)
    corpus = load_corpus(write_tiny_pairs(tmp_path / "pairs.tsv"), train_alignments=links)
    settings = ["batch_size=32", "word_dropout=0.2", "scheduled_sampling=0.9"]
    settings += ["sampling_schedule=inverse_sigmoid", "guided_alignment=0.5"]
    settings += ["attention=coverage", "coverage_loss=0.5", "coverage_loss_start=7"]
    check_stopped(corpus, settings, [2, 3, 1, 2], tmp_path, monkeypatch)


@pytest.mark.slow  # trains several times
def test_a_damaged_state_is_reported_and_the_one_before_it_used(
    corpus, tmp_path, monkeypatch, capsys, eager_mode
):
    config = Config().with_settings(SETTINGS)
    whole = train(corpus, config, out=tmp_path / "whole", verbose=False)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 6)
        train(corpus, config, out=tmp_path / "run", verbose=False)
    newest, older = directory.state_paths(tmp_path / "run")
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    capsys.readouterr()
    trained = train(corpus, config, out=tmp_path / "run", resume=True)
    output = capsys.readouterr().out
    assert f"{newest}: damaged" in output and "going on with epoch 2\n" in output
    assert weights_of(trained) == weights_of(whole)


@pytest.mark.slow  # trains several times
def test_a_training_that_has_ended_is_loaded(corpus, tmp_path, capsys, eager_mode):
    config = Config().with_settings([*SETTINGS, "epochs=1"])
    trained = train(corpus, config, out=tmp_path / "run", verbose=False)
    history = (tmp_path / "run" / "history.csv").read_bytes()
    again = train(corpus, config, out=tmp_path / "run", resume=True)
    assert f"the training of {tmp_path / 'run'} has ended; --overwrite repeats it" in (
        capsys.readouterr().out
    )
    assert weights_of(again) == weights_of(trained)
    assert (tmp_path / "run" / "history.csv").read_bytes() == history


@pytest.mark.slow  # trains several times
def test_other_settings_or_data_are_refused_with_the_difference(
    corpus, tmp_path, monkeypatch, eager_mode
):
    config = Config().with_settings(SETTINGS)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 2)
        train(corpus, config, out=tmp_path / "run", verbose=False)
    other = config.with_settings(["units=16", "seed=5"])
    with pytest.raises(
        FileExistsError, match=r"data \(units: 32 in the run, now 16; seed: 1 in the"
    ):
        train(corpus, other, out=tmp_path / "run", resume=True, verbose=False)
    (tmp_path / "more.tsv").write_text((tmp_path / "pairs.tsv").read_text() * 2)
    more = load_corpus(tmp_path / "more.tsv")
    with pytest.raises(FileExistsError, match=r"data \(the pairs are not the same\); choose"):
        train(more, config, out=tmp_path / "run", resume=True, verbose=False)
    assert directory.has_state(directory.find_stopped(tmp_path / "run"))
    # How often the state is saved makes no difference.
    assert (
        find_differences(
            *(
                directory.find_stopped(tmp_path / "run"),
                config.with_settings(["save_minutes=1"]),
                {},
            )
        )
        == []
    )
    # With --overwrite, the training with other settings begins at the start.
    other = other.with_settings(["epochs=1"])
    train(corpus, other, out=tmp_path / "run", resume=True, overwrite=True, verbose=False)
    assert Config.load(tmp_path / "run" / "config.json") == other
    assert not directory.has_state(tmp_path / "run")


@pytest.mark.slow  # trains several times
def test_without_resume_a_stopped_training_is_replaced(corpus, tmp_path, monkeypatch, eager_mode):
    config = Config().with_settings([*SETTINGS, "epochs=1"])
    whole = train(corpus, config, out=tmp_path / "whole", verbose=False)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 2)
        train(corpus, config, out=tmp_path / "run", verbose=False)
    assert sorted(os.listdir(tmp_path)) == [".run.kseq", "pairs.tsv", "whole"]
    trained = train(corpus, config, out=tmp_path / "run", verbose=False)
    assert weights_of(trained) == weights_of(whole)
    assert sorted(os.listdir(tmp_path)) == ["pairs.tsv", "run", "whole"]


@pytest.mark.slow  # trains several times
def test_an_unfinished_run_can_be_used_with_a_warning(corpus, tmp_path, monkeypatch, eager_mode):
    run = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 6)
        train(corpus, Config().with_settings(SETTINGS), out=run, verbose=False)
    with pytest.warns(
        UnfinishedRunWarning, match="has not ended; kseq train --resume .*run goes on"
    ):
        translator = Translator.load(run)
    assert translator.score([("a1 b1", "x1 y1")])[0].score < 0


@pytest.mark.slow  # trains several times
def test_the_command_goes_on_with_a_stopped_training(corpus, tmp_path, monkeypatch, capsys):
    words = ["train", "--train", tmp_path / "pairs.tsv", "--out", tmp_path / "run"]
    words = [str(word) for word in [*words, "--set", *SETTINGS, "epochs=2"]]
    with run_eagerly():
        with monkeypatch.context() as patch:
            stop_after(patch, 2)
            assert main(words) == 1
        error = capsys.readouterr().err
        assert "run was not written; the same command goes on with the training" in error
        assert main([*words, "--set", "units=16"]) == 2
        assert "units: 32 in the run, now 16" in capsys.readouterr().err
        assert main(["train", "--resume", str(tmp_path / "run"), "--set", "units=16"]) == 2
        assert "--set is not for --resume" in capsys.readouterr().err
        assert main(["train", "--resume", str(tmp_path / "run")]) == 0
        assert "going on with epoch 1, after 2 of its batches" in capsys.readouterr().out
        assert main(words) == 0
    assert "has ended; --overwrite repeats it" in capsys.readouterr().out


def test_a_disk_without_room_for_the_state_is_named_before_the_first_epoch(
    corpus, tmp_path, monkeypatch, eager_mode
):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="No space left on device"):
        train(corpus, Config().with_settings(SETTINGS), out=tmp_path / "run", verbose=False)
    assert sorted(os.listdir(tmp_path)) == ["pairs.tsv"]


@pytest.mark.slow  # trains several times
def test_without_a_state_that_can_be_read_training_begins_again(
    corpus, tmp_path, monkeypatch, capsys, eager_mode
):
    config = Config().with_settings([*SETTINGS, "epochs=2"])
    whole = train(corpus, config, out=tmp_path / "whole", verbose=False)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 6)
        train(corpus, config, out=tmp_path / "run", verbose=False)
    for path in directory.state_paths(tmp_path / "run"):
        path.write_bytes(b"damaged")
    capsys.readouterr()
    trained = train(corpus, config, out=tmp_path / "run", resume=True)
    output = capsys.readouterr().out
    assert "the state before it is used" in output and "training begins again" in output
    assert weights_of(trained) == weights_of(whole)
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")


@pytest.mark.parametrize(
    "kind", [ValueError, RuntimeError, MemoryError, OSError, KeyboardInterrupt]
)
def test_no_error_removes_the_states_of_a_run_without_weights(kind, tmp_path):
    place = tmp_path / "run"
    with pytest.raises(kind), directory.NewRun(place, goes_on=True) as run:
        for path in directory.state_paths(run.folder):
            path.touch()
        raise kind
    with pytest.raises(kind), directory.NewRun(place, goes_on=True) as run:
        assert run.has_state
        raise kind
    assert directory.has_state(directory.find_stopped(place))
    with pytest.raises(kind), directory.NewRun(place, goes_on=True) as run:
        run.give_up()  # as the training cannot succeed
        raise kind
    assert list(tmp_path.iterdir()) == []
